package server

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/drover-iot/drover/internal/broker/packet"
	"github.com/drover-iot/drover/internal/cli"
	"github.com/drover-iot/drover/internal/sim"
)

// A signed is a signature that is made from the text of registry-and-auth.md F, and
// shares no code with what verifies it.
type signed struct {
	keys          cli.Keys
	service, host string
	at            time.Time
}

func (s signed) stamp() string { return s.at.UTC().Format("20060102T150405Z") }
func (s signed) scope() string { return s.stamp()[:8] + "/us-east-1/" + s.service + "/aws4_request" }

// sum signs `GET /mqtt` with this query and these headers (F.5).
func (s signed) sum(query, headers, names string) string {
	mac := func(key []byte, s string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(s))
		return h.Sum(nil)
	}
	hash := func(s string) string { b := sha256.Sum256([]byte(s)); return hex.EncodeToString(b[:]) }
	canonical := "GET\n/mqtt\n" + query + "\n" + headers + "\n" + names + "\n" + hash("")
	key := mac(mac(mac(mac([]byte("AWS4"+s.keys.Secret), s.stamp()[:8]), "us-east-1"), s.service), "aws4_request")
	return hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256\n"+s.stamp()+"\n"+s.scope()+"\n"+hash(canonical)))
}

// presign is the query form (F.3).
func presign(keys cli.Keys, service, host string, at time.Time) string {
	s := signed{keys, service, host, at}
	query := "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + url.QueryEscape(keys.ID+"/"+s.scope()) + "&X-Amz-Date=" + s.stamp() + "&X-Amz-SignedHeaders=host"
	return query + "&X-Amz-Signature=" + s.sum(query, "host:"+host+"\n", "host")
}

// signHeader is the header form (F.2).
func signHeader(keys cli.Keys, service, host string, at time.Time) http.Header {
	s := signed{keys, service, host, at}
	sum := s.sum("", "host:"+host+"\nx-amz-date:"+s.stamp()+"\n", "host;x-amz-date")
	return http.Header{"X-Amz-Date": {s.stamp()}, "Authorization": {
		"AWS4-HMAC-SHA256 Credential=" + keys.ID + "/" + s.scope() + ", SignedHeaders=host;x-amz-date, Signature=" + sum,
	}}
}

func (s *Server) keys() cli.Keys {
	return cli.Keys{ID: s.identity.key.ID, Secret: s.identity.key.Secret}
}

// upgrade asks a door for a WebSocket; refused is what it was answered instead.
func upgrade(t *testing.T, s *Server, query string, header http.Header, certs ...tls.Certificate) (c *websocket.Conn, refused *http.Response) {
	t.Helper()
	var over *tls.Config
	if s.addrs.HTTPS != "" {
		over = trust(t, s)
		over.Certificates = certs
	}
	return upgradeOver(t, s, over, query, header)
}

func upgradeOver(t *testing.T, s *Server, over *tls.Config, query string, header http.Header) (c *websocket.Conn, refused *http.Response) {
	t.Helper()
	door, transport := "ws://"+s.addrs.HTTP, &http.Transport{TLSClientConfig: over}
	if over != nil {
		door = "wss://" + s.addrs.HTTPS
	}
	t.Cleanup(transport.CloseIdleConnections)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, resp, err := websocket.Dial(ctx, door+"/mqtt?"+query, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, HTTPHeader: header, Subprotocols: []string{"mqtt"},
	})
	if err == nil {
		t.Cleanup(func() { _ = c.CloseNow() })
		return c, nil
	}
	if resp == nil {
		t.Fatal(err)
	}
	return nil, resp
}

// stream is the MQTT of a WebSocket.
func stream(c *websocket.Conn) net.Conn {
	return websocket.NetConn(context.Background(), c, websocket.MessageBinary)
}

// login opens an MQTT 3.1.1 session on it.
func login(t *testing.T, c *websocket.Conn, id string) *sim.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	m, err := sim.Connect(ctx, stream(c), sim.Login{ClientID: id, KeepAlive: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func TestASignatureOpensMQTTOverWebSocket(t *testing.T) {
	s := begin(t, serveConfig(t))
	cert, _ := certify(t, operator(t, s), "pump-7")
	now, host := time.Now(), s.addrs.HTTPS
	bare, _, _ := net.SplitHostPort(host)
	other := cli.Keys{ID: s.keys().ID, Secret: "guess"}
	const service = "iotdevicegateway"
	for _, row := range []struct {
		name, query string
		certs       []tls.Certificate
		header      http.Header
		want        string // the error type; empty: comes in
	}{
		{name: "signed", query: presign(s.keys(), service, host, now)},
		{name: "signed for the name without our port", query: presign(s.keys(), service, bare, now)},
		{name: "from a page of another site, which must sign as well", query: presign(s.keys(), service, host, now), header: http.Header{"Origin": {"https://app.example.com"}}},
		{name: "with a certificate that was not needed", query: presign(s.keys(), service, host, now), certs: []tls.Certificate{cert}},
		{name: "not signed", want: "MissingAuthenticationTokenException"},
		{name: "not signed, with a certificate", certs: []tls.Certificate{cert}, want: "MissingAuthenticationTokenException"},
		{name: "with another secret", query: presign(other, service, host, now), want: "InvalidSignatureException"},
		{name: "by an unknown key", query: presign(cli.Keys{ID: "AKIDNOBODY", Secret: "x"}, service, host, now), want: "UnrecognizedClientException"},
		{name: "for another service", query: presign(s.keys(), "iotdata", host, now), want: "InvalidSignatureException"},
		{name: "for another host", query: presign(s.keys(), service, "elsewhere", now), want: "InvalidSignatureException"},
		{name: "an hour ago", query: presign(s.keys(), service, host, now.Add(-time.Hour)), want: "InvalidSignatureException"},
		{name: "with half a signature", query: "X-Amz-Algorithm=AWS4-HMAC-SHA256", want: "IncompleteSignatureException"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, refused := upgrade(t, s, row.query, row.header, row.certs...)
			if row.want == "" {
				if refused != nil {
					t.Fatal("refused:", refused.Status, refused.Header)
				}
				// An operator may do everything.
				if err := login(t, c, "console-1").Subscribe(t.Context(), "$aws/things/+/jobs/notify"); err != nil {
					t.Error(err)
				}
				return
			}
			if refused == nil {
				t.Fatal("came in")
			}
			body, _ := io.ReadAll(refused.Body) // coder/websocket keeps the first kilobyte
			var message struct{ Message string }
			if err := json.Unmarshal(body, &message); err != nil || message.Message == "" {
				t.Errorf("the body is %s", body)
			}
			if refused.StatusCode != http.StatusForbidden || refused.Header.Get("X-Amzn-Errortype") != row.want || refused.Header.Get("X-Amzn-Requestid") == "" {
				t.Errorf("%s %s, want 403 %s", refused.Status, refused.Header.Get("X-Amzn-Errortype"), row.want)
			}
		})
	}
}

// TestAnUpgradeMayBeSignedInItsHeaders signs as for any other request.
func TestAnUpgradeMayBeSignedInItsHeaders(t *testing.T) {
	s := begin(t, serveConfig(t))
	c, refused := upgrade(t, s, "", signHeader(s.keys(), "iotdevicegateway", s.addrs.HTTPS, time.Now()))
	if refused != nil {
		t.Fatal(refused.Status, refused.Header)
	}
	login(t, c, "console-1")
}

// TestTheDoorOfDevIsClosedToPagesOfTheWeb: dev takes any key and none, so that a
// browser must not carry in there whoever wrote a page.
func TestTheDoorOfDevIsClosedToPagesOfTheWeb(t *testing.T) {
	s := begin(t, devConfig())
	for origin, in := range map[string]bool{
		"": true, "http://localhost": true, "http://localhost:3000": true, "http://127.0.0.1:8080": true, "https://[::1]": true,
		"https://evil.example": false, "null": false, "http://localhost.evil.example": false, "http://127.0.0.1.evil.example": false,
		"http://" + s.addrs.HTTP + ".evil.example": false, "chrome-extension://abcdef": false, "http://192.0.2.1": false, "%": false,
	} {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		c, refused := upgrade(t, s, "", header)
		switch {
		case in && c == nil:
			t.Errorf("a WebSocket from %q is refused: %s", origin, refused.Status)
		case in:
			login(t, c, "page").Close()
		case refused == nil || refused.StatusCode != http.StatusForbidden || refused.Header.Get("X-Amzn-Errortype") != "ForbiddenException":
			t.Errorf("a WebSocket from %q: %v, want 403 ForbiddenException", origin, refused)
		}
		// A form may post what it likes, without asking first.
		r, err := http.NewRequest(http.MethodPost, "http://"+s.addrs.HTTP+"/things/pump-7", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = header.Clone()
		r.Header.Set("Content-Type", "text/plain")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if (resp.StatusCode == http.StatusOK) != in || !in && resp.StatusCode != http.StatusForbidden {
			t.Errorf("a request from %q: %s", origin, resp.Status)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestDevTakesAnyKeyAndNoneOverWebSocket(t *testing.T) {
	s := begin(t, devConfig())
	anyKey := cli.Keys{ID: "any", Secret: "key"}
	for name, row := range map[string]struct {
		query string
		want  int
	}{
		"no signature":        {"", 0},
		"any key":             {presign(anyKey, "iotdevicegateway", "x", time.Unix(0, 0)), 0},
		"for another service": {presign(anyKey, "iot", "x", time.Now()), 403},
		"half a signature":    {"X-Amz-Algorithm=AWS4-HMAC-SHA256", 403},
	} {
		c, refused := upgrade(t, s, row.query, nil)
		switch {
		case row.want == 0 && c != nil:
			login(t, c, "any")
		case row.want == 0 || refused == nil || refused.StatusCode != row.want:
			t.Errorf("%s: %v, want %d", name, refused, row.want)
		}
	}
	if status, body := get(t, "http://"+s.addrs.HTTP+"/mqtt"); status != http.StatusBadRequest || !strings.Contains(body, "Upgrade: websocket") {
		t.Errorf("an ordinary GET: %d %s", status, body)
	}
}

// hello5 is the CONNECT of a MQTT 5 client with this will.
func hello5(id, will string) []byte {
	p := packet.Connect{Version: packet.V5, Clean: true, KeepAlive: 60, ClientID: id}
	if will != "" {
		p.Will = &packet.Will{Topic: will, Payload: []byte(id + " is gone")}
	}
	return packet.AppendConnect(nil, &p)
}

// frames is a WebSocket of which every message is looked at.
type frames struct {
	t *testing.T
	*websocket.Conn
}

func (f frames) send(kind websocket.MessageType, b []byte) {
	f.t.Helper()
	if err := f.Write(f.t.Context(), kind, b); err != nil {
		f.t.Fatal(err)
	}
}

func (f frames) expect(want packet.Type) []byte {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	kind, b, err := f.Read(ctx)
	if err != nil || kind != websocket.MessageBinary || packet.Type(b[0]>>4) != want {
		f.t.Fatalf("got a message of type %v, % x (%v), want a %s in a binary one", kind, b, err, want)
	}
	return b
}

func (f frames) expectClose(want websocket.StatusCode) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	if _, b, err := f.Read(ctx); websocket.CloseStatus(err) != want {
		f.t.Fatalf("got % x (%v), want the close code %d", b, err, want)
	}
}

// TestADrainTellsWebSocketClients: DISCONNECT 0x8B and then a close frame.
func TestADrainTellsWebSocketClients(t *testing.T) {
	s := begin(t, devConfig())
	c, _ := upgrade(t, s, "", nil)
	f := frames{t, c}
	f.send(websocket.MessageBinary, hello5("pump-7", ""))
	f.expect(packet.CONNACK)
	closed := make(chan error, 1)
	go func() { closed <- s.Close(context.Background()) }()
	if b := f.expect(packet.DISCONNECT); b[2] != byte(packet.ServerShuttingDown) {
		t.Errorf("DISCONNECT % x, want 8b", b)
	}
	f.expectClose(websocket.StatusGoingAway)
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// TestASignedSessionEndsAtItsTime is about the wiring; the broker's own test is
// about the 24 hours.
func TestASignedSessionEndsAtItsTime(t *testing.T) {
	cfg := serveConfig(t)
	cfg.webSocketLife = 500 * time.Millisecond
	s := begin(t, cfg)
	c, _ := upgrade(t, s, presign(s.keys(), "iotdevicegateway", s.addrs.HTTPS, time.Now()), nil)
	f := frames{t, c}
	_ = f.Write(t.Context(), websocket.MessageBinary, hello5("console", "")) // a slow machine may be too late
	for {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		_, b, err := f.Read(ctx)
		cancel()
		if err != nil {
			if !errors.Is(err, context.DeadlineExceeded) {
				break
			}
			t.Fatal("the session goes on")
		}
		if packet.Type(b[0]>>4) == packet.DISCONNECT && b[2] != 0x98 {
			t.Errorf("DISCONNECT % x, want 98", b)
		}
	}
}

// TestAWebSocketThatEndsWithoutDISCONNECTLeavesItsWill ends it in every way that
// is no MQTT DISCONNECT.
func TestAWebSocketThatEndsWithoutDISCONNECTLeavesItsWill(t *testing.T) {
	s := begin(t, devConfig())
	c, _ := upgrade(t, s, "", nil)
	watcher := login(t, c, "watcher")
	if err := watcher.Subscribe(t.Context(), "wills/#"); err != nil {
		t.Fatal(err)
	}
	for name, end := range map[string]func(f frames){
		"a close frame":  func(f frames) { _ = f.Close(websocket.StatusNormalClosure, "") },
		"no close frame": func(f frames) { _ = f.CloseNow() },
		"a text frame": func(f frames) {
			f.send(websocket.MessageText, []byte{0xC0, 0})
			f.expectClose(websocket.StatusUnsupportedData)
		},
		"a giant frame": func(f frames) {
			go func() { _ = f.Write(context.Background(), websocket.MessageBinary, make([]byte, 2<<20)) }()
			f.expectClose(websocket.StatusMessageTooBig)
		},
		"a giant packet, in frames": func(f frames) {
			announced := []byte{0x30, 0xff, 0xff, 0x7f} // a PUBLISH of 2 MiB
			f.send(websocket.MessageBinary, append(announced, make([]byte, 1000)...))
			if b := f.expect(packet.DISCONNECT); b[2] != byte(packet.QuotaExceeded) {
				t.Errorf("DISCONNECT % x, want 97", b)
			}
			f.expectClose(websocket.StatusGoingAway)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := upgrade(t, s, "", nil)
			f := frames{t, c}
			hello := hello5("pump-7", "wills/pump-7")
			f.send(websocket.MessageBinary, hello[:3]) // a packet may be split over frames
			f.send(websocket.MessageBinary, hello[3:])
			f.expect(packet.CONNACK)
			end(f)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			m, err := watcher.Receive(ctx, time.Time{})
			if err != nil || m.Topic != "wills/pump-7" || string(m.Payload) != "pump-7 is gone" {
				t.Errorf("got %+v (%v), want the will", m, err)
			}
		})
	}
}

func TestManyPacketsInOneFrame(t *testing.T) {
	s := begin(t, devConfig())
	c, _ := upgrade(t, s, "", nil)
	f := frames{t, c}
	all := hello5("pump-7", "")
	for range 3 {
		all = append(all, 0xC0, 0)
	}
	f.send(websocket.MessageBinary, all)
	got := []byte(nil)
	for want := 3; want > 0; {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		_, b, err := f.Read(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b...)
		want = 3 - strings.Count(fmt.Sprintf("% x", got), "d0 00")
	}
}

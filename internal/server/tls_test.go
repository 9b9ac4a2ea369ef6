package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/auth"
	"github.com/drover-iot/drover/internal/cli"
	"github.com/drover-iot/drover/internal/sim"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// certify gives a thing a certificate, through the public API.
func certify(t *testing.T, c *cli.Client, thing string) (cert tls.Certificate, arn string) {
	t.Helper()
	createThing(t, c, thing)
	var out iot.CreateKeysAndCertificateOutput
	make := cli.Call{Operation: "CreateKeysAndCertificate", Method: "POST", Path: "/keys-and-certificate", Query: url.Values{"setAsActive": {"true"}}}
	if err := c.Do(t.Context(), make, &out); err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair([]byte(out.CertificatePEM), []byte(out.KeyPair.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	attach(t, c, thing, out.CertificateARN)
	return cert, out.CertificateARN
}

func attach(t *testing.T, c *cli.Client, thing, arn string) {
	t.Helper()
	call := cli.Call{
		Operation: "AttachThingPrincipal", Method: "PUT", Path: "/things/" + thing + "/principals",
		Header: http.Header{"X-Amzn-Principal": {arn}},
	}
	if err := c.Do(t.Context(), call, nil); err != nil {
		t.Fatal(err)
	}
}

// connect opens an MQTT session over TLS; the error is of handshake or CONNECT.
func connect(t *testing.T, addr string, cfg *tls.Config) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	nc, err := (&tls.Dialer{Config: cfg}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	c, err := sim.Connect(ctx, nc, sim.Login{ClientID: "pump-7", KeepAlive: 30 * time.Second})
	if err != nil {
		return err
	}
	return c.Close()
}

func TestTheTLSDoorsLetTheRightOnesIn(t *testing.T) {
	s := begin(t, serveConfig(t))
	cert, _ := certify(t, operator(t, s), "pump-7")
	stranger, err := s.identity.ca.IssueDevice(time.Now()) // of our own CA, but registered by nobody
	if err != nil {
		t.Fatal(err)
	}
	unknown, err := tls.X509KeyPair([]byte(stranger.PEM), []byte(stranger.PrivateKeyPEM))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, door string
		cert       *tls.Certificate
		alpn       string
		in         bool
	}{
		{"MQTT with a registered certificate", s.addrs.MQTTS, &cert, "", true},
		{"MQTT with ALPN on its own port", s.addrs.MQTTS, &cert, auth.ALPNMQTT, true},
		{"MQTT without a certificate", s.addrs.MQTTS, nil, "", false},
		{"MQTT with a certificate that nobody registered", s.addrs.MQTTS, &unknown, "", false},
		{"MQTT by ALPN on the shared port", s.addrs.HTTPS, &cert, auth.ALPNMQTT, true},
		{"MQTT by ALPN on the shared port without a certificate", s.addrs.HTTPS, nil, auth.ALPNMQTT, false},
		{"MQTT on the shared port without ALPN", s.addrs.HTTPS, &cert, "", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := trust(t, s)
			if row.cert != nil {
				cfg.Certificates = []tls.Certificate{*row.cert}
			}
			if row.alpn != "" {
				cfg.NextProtos = []string{row.alpn}
			}
			if err := connect(t, row.door, cfg); (err == nil) != row.in {
				t.Errorf("connected: %t (%v), want %t", err == nil, err, row.in)
			}
		})
	}
}

// TestADeviceActsForItsThingsOverHTTPS asks with a certificate by HTTP/1.1, with
// and without the ALPN name that devices use, and sees an attachment take effect
// at once.
func TestADeviceActsForItsThingsOverHTTPS(t *testing.T) {
	s := begin(t, serveConfig(t))
	c := operator(t, s)
	cert, arn := certify(t, c, "pump-7")
	createThing(t, c, "pump-8")
	ask := func(alpn, thing string) (int, string) {
		cfg := trust(t, s)
		cfg.Certificates, cfg.NextProtos = []tls.Certificate{cert}, []string{alpn}
		nc, err := tls.Dial("tcp", s.addrs.HTTPS, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		client := http.Client{Transport: &http.Transport{
			DisableKeepAlives: true,
			DialTLSContext:    func(context.Context, string, string) (net.Conn, error) { return nc, nil },
		}}
		resp, err := client.Get("https://localhost/things/" + thing + "/jobs")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	for _, alpn := range []string{"http/1.1", auth.ALPNHTTP} {
		if status, body := ask(alpn, "pump-7"); status != http.StatusOK || !strings.Contains(body, "queuedJobs") {
			t.Errorf("by %s for its own thing: %d %s", alpn, status, body)
		}
		if status, body := ask(alpn, "pump-8"); status != http.StatusForbidden {
			t.Errorf("by %s for another thing: %d %s", alpn, status, body)
		}
	}
	attach(t, c, "pump-8", arn)
	if status, body := ask("http/1.1", "pump-8"); status != http.StatusOK {
		t.Errorf("for a thing that it was attached to just now: %d %s", status, body)
	}
}

func TestHTTP2IsSpokenToThoseWhoAsk(t *testing.T) {
	s := begin(t, serveConfig(t))
	transport := &http.Transport{TLSClientConfig: trust(t, s), ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get("https://" + s.addrs.HTTPS + "/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.ProtoMajor != 2 || string(body) != string(s.identity.ca.PEM()) {
		t.Errorf("%s %d: %s (%v), want the CA over HTTP/2", resp.Proto, resp.StatusCode, body, err)
	}
}

// TestAClientThatNeverShakesHandsDoesNotKeepTheServer leaves handshakes hanging
// at both TLS doors; Close must not wait for their time-out, and goleak sees
// what is left.
func TestAClientThatNeverShakesHandsDoesNotKeepTheServer(t *testing.T) {
	s := begin(t, serveConfig(t))
	for _, addr := range []string{s.addrs.MQTTS, s.addrs.HTTPS} {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		// The door has accepted it when one that came later is through.
		if addr == s.addrs.HTTPS {
			later, err := tls.Dial("tcp", addr, trust(t, s))
			if err != nil {
				t.Fatal(err)
			}
			defer later.Close()
		}
	}
	end(t, s)
}

// TestWhatIsNotHTTPIsAnsweredInAWSForm sends both HTTP doors requests that
// net/http refuses by itself, in text, before any handler sees them.
func TestWhatIsNotHTTPIsAnsweredInAWSForm(t *testing.T) {
	dev, serve := begin(t, devConfig()), begin(t, serveConfig(t))
	doors := map[string]func() (net.Conn, error){
		"plaintext": func() (net.Conn, error) { return net.Dial("tcp", dev.addrs.HTTP) },
		"TLS":       func() (net.Conn, error) { return tls.Dial("tcp", serve.addrs.HTTPS, trust(t, serve)) },
	}
	for name, dial := range doors {
		for _, request := range []string{
			"GET /things/%zz HTTP/1.1\r\nHost: a\r\n\r\n",
			"GET /jobs HTTP/1.1\r\n\r\n",
			"nonsense\r\n\r\n",
		} {
			t.Run(name+" "+request[:8], func(t *testing.T) {
				nc, err := dial()
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(nc, request); err != nil {
					t.Fatal(err)
				}
				resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Content-Type") != "application/json" ||
					resp.Header.Get("X-Amzn-Errortype") == "" || resp.Header.Get("X-Amzn-Requestid") == "" {
					t.Errorf("answered %s with %v", resp.Status, resp.Header)
				}
			})
		}
	}
}

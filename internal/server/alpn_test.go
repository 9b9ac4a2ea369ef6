package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/auth"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/sim"
	"github.com/drover-iot/drover/internal/store"
)

// speaks says what a connection whose handshake is done speaks: "MQTT", or the
// status of an HTTP answer to a device's request, or "nothing".
func speaks(t *testing.T, nc *tls.Conn) string {
	t.Helper()
	_ = nc.SetDeadline(time.Now().Add(patience))
	switch nc.ConnectionState().NegotiatedProtocol {
	case auth.ALPNMQTT:
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		c, err := sim.Connect(ctx, nc, sim.Login{ClientID: "pump-7", KeepAlive: 30 * time.Second})
		if err != nil {
			return "nothing"
		}
		_ = c.Close()
		return "MQTT"
	default:
		if _, err := io.WriteString(nc, "GET /things/pump-7/jobs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
			return "nothing"
		}
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			return "nothing"
		}
		defer resp.Body.Close()
		return resp.Status[:3]
	}
}

// TestEveryCombinationOfALPNAndCertificate is the table of device-plane.md 6.1 for
// the one TLS port, with a raw TLS client of both versions.
func TestEveryCombinationOfALPNAndCertificate(t *testing.T) {
	s := begin(t, serveConfig(t))
	cert, _ := certify(t, operator(t, s), "pump-7")
	for _, row := range []struct {
		name    string
		offered []string
		cert    bool
		chosen  string // by ALPN
		want    string // what is spoken; "refused": no handshake
		asked   bool   // for a client certificate
	}{
		{"x-amzn-mqtt-ca with a certificate is MQTT", []string{"x-amzn-mqtt-ca"}, true, "x-amzn-mqtt-ca", "MQTT", true},
		{"x-amzn-mqtt-ca without a certificate", []string{"x-amzn-mqtt-ca"}, false, "", "refused", true},
		{"x-amzn-http-ca with a certificate is the data plane", []string{"x-amzn-http-ca"}, true, "x-amzn-http-ca", "200", true},
		{"x-amzn-http-ca without a certificate is HTTPS, for whoever signs", []string{"x-amzn-http-ca"}, false, "x-amzn-http-ca", "403", true},
		{"no ALPN with a certificate", nil, true, "", "200", true},
		{"no ALPN without a certificate", nil, false, "", "403", true},
		{"http/1.1 with a certificate", []string{"http/1.1"}, true, "http/1.1", "200", true},
		{"http/1.1 without a certificate", []string{"http/1.1"}, false, "http/1.1", "403", true},
		{"mqtt is the custom authoriser's, which is not here", []string{"mqtt"}, true, "", "refused", false},
		{"a protocol that nobody knows", []string{"spdy/3"}, true, "", "refused", false},
		{"several: the first that is known, of ours", []string{"mqtt", "http/1.1", "x-amzn-mqtt-ca"}, true, "x-amzn-mqtt-ca", "MQTT", true},
		{"h2 is a browser: nobody asks it for a certificate", []string{"h2", "http/1.1"}, true, "h2", "", false},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(row.name+", "+tls.VersionName(version), func(t *testing.T) {
				asked := false
				cfg := trust(t, s)
				cfg.MinVersion, cfg.MaxVersion, cfg.NextProtos = version, version, row.offered
				cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					asked = true
					if row.cert {
						return &cert, nil
					}
					return new(tls.Certificate), nil
				}
				nc, err := tls.Dial("tcp", s.addrs.HTTPS, cfg)
				got := "refused"
				if err == nil {
					defer nc.Close()
					// In TLS 1.3 the server judges a certificate after the client is done.
					if got = speaks(t, nc); got == "nothing" {
						got = "refused"
					}
					if row.chosen != "" && nc.ConnectionState().NegotiatedProtocol != row.chosen {
						t.Errorf("ALPN chose %q, want %q", nc.ConnectionState().NegotiatedProtocol, row.chosen)
					}
				}
				if row.want == "refused" && row.chosen == "" && len(row.offered) == 1 && row.offered[0] == "mqtt" &&
					(err == nil || !strings.Contains(err.Error(), "no application protocol")) {
					t.Errorf("refused with %v, want the alert no_application_protocol", err)
				}
				if row.want != "" && got != row.want || asked != row.asked {
					t.Errorf("got %s (%v), asked for a certificate: %t; want %s, %t", got, err, asked, row.want, row.asked)
				}
			})
		}
	}
}

// TestAResumedHandshakeDoesNotLetADeactivatedCertificateIn: on the shared port as on
// that of MQTT, by either version's tickets.
func TestAResumedHandshakeDoesNotLetADeactivatedCertificateIn(t *testing.T) {
	s := begin(t, serveConfig(t))
	cert, arn := certify(t, operator(t, s), "pump-7")
	set := func(status registry.CertificateStatus) {
		t.Helper()
		id := arn[strings.LastIndex(arn, "/")+1:]
		err := s.store.Update(t.Context(), func(tx store.Tx) error {
			c, err := tx.Certificate(id)
			if err != nil {
				return err
			}
			c.Status = status
			return tx.PutCertificate(c)
		})
		if err != nil {
			t.Fatal(err)
		}
		s.principalChanged(id, status != registry.Active)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, row := range []struct{ alpn, active, inactive string }{
			{auth.ALPNMQTT, "MQTT", "nothing"}, {auth.ALPNHTTP, "200", "400"}, {"http/1.1", "200", "400"},
		} {
			t.Run(tls.VersionName(version)+" "+row.alpn, func(t *testing.T) {
				set(registry.Active)
				shown := 0
				cfg := trust(t, s)
				cfg.MinVersion, cfg.MaxVersion, cfg.NextProtos = version, version, []string{row.alpn}
				cfg.ClientSessionCache = tls.NewLRUClientSessionCache(1)
				cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { shown++; return &cert, nil }
				ask := func() (spoken string, resumed bool) {
					nc, err := tls.Dial("tcp", s.addrs.HTTPS, cfg)
					if err != nil {
						return "nothing", shown == 1
					}
					defer nc.Close()
					return speaks(t, nc), nc.ConnectionState().DidResume
				}
				if spoken, _ := ask(); spoken != row.active {
					t.Fatalf("at first: %s", spoken)
				}
				if spoken, resumed := ask(); spoken != row.active || !resumed {
					t.Fatalf("again: %s, resumed %t", spoken, resumed)
				}
				set(registry.Inactive)
				if spoken, resumed := ask(); spoken != row.inactive || !resumed || shown != 1 {
					t.Errorf("deactivated: %s, resumed %t, the certificate was shown %d times; want %s on a resumed connection", spoken, resumed, shown, row.inactive)
				}
			})
		}
	}
}

// TestTheFourOperationsAndPublishWithACertificate, over the real door, for its own
// thing and for a foreign one (registry-and-auth.md E.6).
func TestTheFourOperationsAndPublishWithACertificate(t *testing.T) {
	s := begin(t, serveConfig(t))
	c := operator(t, s)
	cert, _ := certify(t, c, "pump-7")
	createThing(t, c, "pump-8")
	for _, alpn := range []string{"", auth.ALPNHTTP} {
		cfg := trust(t, s)
		if cfg.Certificates = []tls.Certificate{cert}; alpn != "" {
			cfg.NextProtos = []string{alpn}
		}
		for _, row := range []struct {
			method, path, body string
			status             int
			says               string
		}{
			{"GET", "/things/THING/jobs", "", 200, `"queuedJobs":[]`},
			{"PUT", "/things/THING/jobs/$next", "{}", 200, "{}"},
			{"GET", "/things/THING/jobs/$next", "", 200, "{}"},
			{"GET", "/things/THING/jobs/none", "", 404, "message"},
			{"POST", "/things/THING/jobs/none", `{"status":"SUCCEEDED"}`, 404, "message"},
			{"POST", "/topics/$aws/things/THING/jobs/none/update", `{"status":"SUCCEEDED"}`, 200, `"message":"OK"`},
			{"POST", "/topics/%24aws%2Fthings%2FTHING%2Fshadow%2Fupdate?qos=1", `{}`, 200, `"message":"OK"`},
		} {
			for thing, foreign := range map[string]bool{"pump-7": false, "pump-8": true} {
				path := strings.ReplaceAll(row.path, "THING", thing)
				nc, err := tls.Dial("tcp", s.addrs.HTTPS, cfg)
				if err != nil {
					t.Fatal(err)
				}
				_ = nc.SetDeadline(time.Now().Add(patience))
				r, err := http.NewRequest(row.method, "https://localhost"+path, strings.NewReader(row.body))
				if err != nil {
					t.Fatal(err)
				}
				r.Close = true
				if err := r.Write(nc); err != nil {
					t.Fatal(err)
				}
				resp, err := http.ReadResponse(bufio.NewReader(nc), r)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				nc.Close()
				status, kind, says := row.status, resp.Header.Get("X-Amzn-Errortype"), row.says
				if foreign {
					status, says = 403, `"message":"Forbidden"`
				}
				if err != nil || resp.StatusCode != status || !strings.Contains(string(body), says) || foreign && kind != "ForbiddenException" {
					t.Errorf("ALPN %q, %s %s: %s %s %s (%v), want %d %s", alpn, row.method, path, resp.Status, kind, body, err, status, says)
				}
			}
		}
		nc, err := tls.Dial("tcp", s.addrs.HTTPS, cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(nc, "POST /topics/plant/noise?qos=1&retain=true HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx")
		answer, _ := io.ReadAll(nc)
		if nc.Close(); !strings.HasPrefix(string(answer), "HTTP/1.1 200") {
			t.Errorf("an ordinary topic is open to it: %s", answer)
		}
	}
}

package auth

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
)

// house is an installation with its CA, its doors and one registered device.
type house struct {
	ca           *CA
	server       *Server
	certificates *Certificates
	known        map[string]Certificate
	device       tls.Certificate
	id           string
	now          time.Time
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{ca: openCA(t, t.TempDir()), known: map[string]Certificate{}, now: today}
	h.certificates = NewCertificates(func(id string) (Certificate, error) {
		c, ok := h.known[id]
		if !ok {
			return c, job.Errorf(job.NotFound, "no certificate %s", id)
		}
		return c, nil
	})
	var err error
	if h.server, err = NewServer(h.ca, []string{"iot.example.com", "console.example.com"}, h.certificates, func() time.Time { return h.now }); err != nil {
		t.Fatal(err)
	}
	h.device, h.id = h.issue(t)
	h.set(h.id, true)
	return h
}

func (h *house) issue(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	device, err := h.ca.IssueDevice(today)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair([]byte(device.PEM), []byte(device.PrivateKeyPEM))
	if err != nil {
		t.Fatal(err)
	}
	return pair, device.ID
}

func (h *house) set(id string, active bool) {
	h.known[id] = Certificate{Active: active, Things: []registry.Name{"T"}}
	h.certificates.Forget(id)
}

// client is what a device brings; asked counts how often it had to show itself.
func (h *house) client(asked *int, certificates ...tls.Certificate) *tls.Config {
	return &tls.Config{
		RootCAs: h.ca.Pool(), ServerName: "iot.example.com", Time: func() time.Time { return h.now },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			*asked++
			if len(certificates) == 0 {
				return &tls.Certificate{}, nil
			}
			return &certificates[0], nil
		},
	}
}

// shake connects through a door. The server's error counts: a client of TLS 1.3
// believes that it is connected before the server has judged it.
func shake(t *testing.T, door, client *tls.Config) (state tls.ConnectionState, err error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	done := make(chan error, 1)
	go func() {
		raw, err := listener.Accept()
		if err != nil {
			done <- err
			return
		}
		defer raw.Close()
		conn := tls.Server(raw, door)
		if err = conn.Handshake(); err == nil {
			state = conn.ConnectionState()
			_, err = conn.Write([]byte("hello")) // brings the session ticket along
		}
		done <- err
	}()
	conn, clientErr := tls.Dial("tcp", listener.Addr().String(), client)
	if clientErr == nil {
		_, clientErr = io.ReadFull(conn, make([]byte, 5))
		conn.Close()
	}
	serverErr := <-done
	if (serverErr == nil) != (clientErr == nil) {
		t.Fatalf("the server says %v, the client %v", serverErr, clientErr)
	}
	return state, serverErr
}

func versions(t *testing.T, test func(t *testing.T, version uint16)) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) { test(t, version) })
	}
}

// design.md decision 11: verified by our own rule, also on resumption.
func TestTheMQTTDoorLetsActiveCertificatesInAndNobodyElse(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		h := newHouse(t)
		door := h.server.MQTT()
		var asked int
		client := func(certificates ...tls.Certificate) *tls.Config {
			c := h.client(&asked, certificates...)
			c.MinVersion, c.MaxVersion = version, version
			return c
		}
		state, err := shake(t, door, client(h.device))
		if err != nil {
			t.Fatal(err)
		}
		if p, err := h.certificates.Principal(&state, h.now); err != nil || p != (Principal{ByCertificate, h.id}) {
			t.Fatal(p, err)
		}
		stranger, strangerID := h.issue(t)
		sleeping, sleepingID := h.issue(t)
		h.set(sleepingID, false)
		if _, err := shake(t, door, client()); !errors.Is(err, errNoCertificate) {
			t.Fatal(err)
		}
		_, err = shake(t, door, client(stranger))
		wantCode(t, err, job.Forbidden)
		_, err = shake(t, door, client(sleeping))
		wantCode(t, err, job.Forbidden)
		h.set(sleepingID, true)
		if _, err = shake(t, door, client(sleeping)); err != nil {
			t.Fatal(err)
		}
		h.set(strangerID, true)
		if _, err = shake(t, door, client(stranger)); err != nil {
			t.Fatal("a certificate that was registered after it was refused:", err)
		}
		// Firmware offers what it likes on the port of MQTT.
		for _, protocol := range []string{ALPNMQTT, "mqtt", "anything"} {
			c := client(h.device)
			c.NextProtos = []string{protocol}
			if _, err := shake(t, door, c); err != nil {
				t.Fatal(protocol, err)
			}
		}
	})
}

func TestACertificateThatWasDeactivatedDoesNotComeInByItsTicket(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		h := newHouse(t)
		door := h.server.MQTT()
		var asked int
		client := h.client(&asked, h.device)
		client.MinVersion, client.MaxVersion = version, version
		client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		for want := range 3 {
			state, err := shake(t, door, client)
			if err != nil || state.DidResume != (want > 0) {
				t.Fatalf("connection %d: resumed %v, %v", want, state.DidResume, err)
			}
			if p, err := h.certificates.Principal(&state, h.now); err != nil || p.ID != h.id {
				t.Fatal(p, err)
			}
		}
		h.set(h.id, false)
		_, err := shake(t, door, client)
		wantCode(t, err, job.Forbidden)
		if asked != 1 {
			t.Fatalf("the certificate was shown %d times: the refusal was not that of a resumed session", asked)
		}
	})
}

func TestAnExpiredCertificateIsRefused(t *testing.T) {
	h := newHouse(t)
	var asked int
	state, err := shake(t, h.server.MQTT(), h.client(&asked, h.device))
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Time{lastDay.Add(time.Second), today.Add(-2 * backdate)} {
		_, err = h.certificates.Principal(&state, at)
		wantCode(t, err, job.Forbidden)
	}
}

// design.md decision 11: not requested where a browser asks. device-plane.md 6.1: ALPN.
func TestTheHTTPSDoorServesDevicesOperatorsAndBrowsers(t *testing.T) {
	h := newHouse(t)
	door := h.server.HTTPS("console.example.com")
	stranger, _ := h.issue(t)
	for _, c := range []struct {
		name        string
		host        string
		offers      []string
		certificate *tls.Certificate
		asked       bool
		protocol    string
		refused     bool // in the handshake
		principal   Kind
		code        job.Code // of the request's Principal
	}{
		{name: "a browser", offers: []string{"h2", "http/1.1"}, certificate: &h.device, protocol: "h2"},
		{name: "a browser's WebSocket on the console", host: "console.example.com", offers: []string{"http/1.1"}, certificate: &h.device, protocol: "http/1.1"},
		{name: "an SDK with an access key", asked: true},
		{name: "a device", certificate: &h.device, asked: true, principal: ByCertificate},
		{name: "a device with x-amzn-http-ca", offers: []string{ALPNHTTP}, certificate: &h.device, asked: true, protocol: ALPNHTTP, principal: ByCertificate},
		{name: "a device with x-amzn-mqtt-ca", offers: []string{ALPNMQTT}, certificate: &h.device, asked: true, protocol: ALPNMQTT, principal: ByCertificate},
		{name: "a stranger is answered", certificate: &stranger, asked: true, code: job.Forbidden},
		{name: "a stranger who wants MQTT is not", offers: []string{ALPNMQTT}, certificate: &stranger, asked: true, refused: true},
		{name: "MQTT without a certificate", offers: []string{ALPNMQTT}, asked: true, refused: true},
		{name: "a protocol that nobody speaks", offers: []string{"spdy/3"}, refused: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked int
			var client *tls.Config
			if c.certificate != nil {
				client = h.client(&asked, *c.certificate)
			} else {
				client = h.client(&asked)
			}
			client.NextProtos = c.offers
			if c.host != "" {
				client.ServerName = c.host
			}
			state, err := shake(t, door, client)
			if (err != nil) != c.refused || asked > 0 != c.asked {
				t.Fatalf("error %v, asked %d times", err, asked)
			}
			if c.refused {
				return
			}
			if state.NegotiatedProtocol != c.protocol {
				t.Fatalf("protocol %q", state.NegotiatedProtocol)
			}
			p, err := h.certificates.Principal(&state, h.now)
			if c.code != 0 {
				wantCode(t, err, c.code)
			} else if err != nil || p.Kind != c.principal {
				t.Fatal(p, err)
			}
		})
	}
}

func TestOldVersionsOfTLSAreRefused(t *testing.T) {
	h := newHouse(t)
	var asked int
	client := h.client(&asked, h.device)
	client.MinVersion, client.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	for name, door := range map[string]*tls.Config{"MQTT": h.server.MQTT(), "HTTPS": h.server.HTTPS("")} {
		if _, err := shake(t, door, client); err == nil {
			t.Fatalf("%s spoke TLS 1.1", name)
		}
	}
}

func TestTheServersCertificateIsReplacedBeforeItsEnd(t *testing.T) {
	h := newHouse(t)
	first := h.server.leaf
	h.now = first.Leaf.NotAfter.Add(-serverRenewal - time.Second)
	var asked int
	if _, err := shake(t, h.server.MQTT(), h.client(&asked, h.device)); err != nil || h.server.leaf != first {
		t.Fatal("replaced too early", err)
	}
	h.now = first.Leaf.NotAfter.Add(-serverRenewal)
	if _, err := shake(t, h.server.MQTT(), h.client(&asked, h.device)); err != nil || h.server.leaf == first {
		t.Fatal("not replaced", err)
	}
}

func TestCertificatesAnswerByTheNewStateAfterForget(t *testing.T) {
	h := newHouse(t)
	if things := h.certificates.Attached(h.id); len(things) != 1 || things[0] != "T" {
		t.Fatal(things)
	}
	h.known[h.id] = Certificate{Active: true, Things: []registry.Name{"Z", "A"}}
	if things := h.certificates.Attached(h.id); len(things) != 1 {
		t.Fatal("loaded again without need:", things)
	}
	h.certificates.Forget()
	if things := h.certificates.Attached(h.id); len(things) != 2 || things[0] != "A" {
		t.Fatal(things)
	}
	h.set(h.id, false)
	if things := h.certificates.Attached(h.id); len(things) != 0 {
		t.Fatal("a certificate that is not ACTIVE acts for", things)
	}
	if things := h.certificates.Attached("nobody"); len(things) != 0 || len(h.certificates.byID) != 1 {
		t.Fatal("a stranger is remembered", things)
	}
}

// What was read before a change must not be kept after it.
func TestALoadThatAForgetOvertookIsNotKept(t *testing.T) {
	var c *Certificates
	state := Certificate{Active: true, Things: []registry.Name{"T"}}
	loads := 0
	c = NewCertificates(func(id string) (Certificate, error) {
		read := state
		if loads++; loads == 1 { // the change commits while this load is under way
			state.Active = false
			c.Forget(id)
		}
		return read, nil
	})
	c.Attached("c1")
	if things := c.Attached("c1"); len(things) != 0 || loads != 2 {
		t.Fatalf("%v after %d loads", things, loads)
	}
}

func TestWhoCannotBeLoadedIsRefused(t *testing.T) {
	down := fmt.Errorf("disk on fire")
	h := newHouse(t)
	h.certificates.load = func(string) (Certificate, error) { return Certificate{}, down }
	h.certificates.Forget()
	var asked int
	if _, err := shake(t, h.server.MQTT(), h.client(&asked, h.device)); !errors.Is(err, down) {
		t.Fatal(err)
	}
	if h.certificates.Attached(h.id) != nil {
		t.Fatal("acts for things that could not be loaded")
	}
}

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
		wantCode(t, err, job.CertificateValidation)
		_, err = shake(t, door, client(sleeping))
		wantCode(t, err, job.CertificateValidation)
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
		wantCode(t, err, job.CertificateValidation)
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
		wantCode(t, err, job.CertificateValidation)
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
		{name: "a stranger is answered", certificate: &stranger, asked: true, code: job.CertificateValidation},
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
	things := func(id string) []registry.Name { names, _ := h.certificates.Attached(id); return names }
	if names := things(h.id); len(names) != 1 || names[0] != "T" {
		t.Fatal(names)
	}
	h.known[h.id] = Certificate{Active: true, Things: []registry.Name{"Z", "A"}}
	h.certificates.Forget("another")
	if names := things(h.id); len(names) != 1 {
		t.Fatal("loaded again without need:", names)
	}
	h.certificates.Forget("another", h.id)
	if names := things(h.id); len(names) != 2 || names[0] != "A" {
		t.Fatal(names)
	}
	h.set(h.id, false)
	if names, active := h.certificates.Attached(h.id); active || len(names) != 0 {
		t.Fatal("a certificate that is not ACTIVE acts for", names)
	}
	if names, active := h.certificates.Attached("nobody"); active || len(names) != 0 || len(h.certificates.byID) != 1 {
		t.Fatal("a stranger is remembered", names)
	}
	h.known[h.id] = Certificate{Active: true}
	h.certificates.Forget(h.id)
	if names, active := h.certificates.Attached(h.id); !active || len(names) != 0 {
		t.Fatal("an ACTIVE certificate without things", names, active)
	}
}

// What was read before a change must not be kept after it, whoever else reads
// at that moment; a change of another certificate is of no matter.
func TestALoadThatAForgetOvertookIsNotKept(t *testing.T) {
	var c *Certificates
	active, loads := true, 0
	c = NewCertificates(func(id string) (Certificate, error) {
		read := Certificate{Active: active}
		switch loads++; {
		case id == "other" && loads == 1:
			c.Forget("c1")
		case id == "c1" && loads == 2: // the change commits while this load is under way
			active = false
			c.Forget(id)
			if _, still := c.Attached(id); still {
				t.Error("who comes after the change sees what was before it")
			}
		}
		return read, nil
	})
	for _, row := range []struct {
		id     string
		active bool
		loads  int
	}{
		{"other", true, 1},
		{"other", true, 1},
		{"c1", true, 3}, // overtaken: the answer of before, but only this once
		{"c1", false, 4},
		{"c1", false, 4},
	} {
		if _, got := c.Attached(row.id); got != row.active || loads != row.loads {
			t.Fatalf("%s: active %t after %d loads, want %t after %d", row.id, got, loads, row.active, row.loads)
		}
	}
	if len(c.loading) != 0 {
		t.Error("a load that has ended is still noted")
	}
}

func TestWhoCannotBeLoadedIsRefused(t *testing.T) {
	down := fmt.Errorf("disk on fire")
	h := newHouse(t)
	h.certificates.load = func(string) (Certificate, error) { return Certificate{}, down }
	h.certificates.Forget(h.id)
	var asked int
	if _, err := shake(t, h.server.MQTT(), h.client(&asked, h.device)); !errors.Is(err, down) {
		t.Fatal(err)
	}
	if _, active := h.certificates.Attached(h.id); active {
		t.Fatal("acts though it could not be loaded")
	}
}

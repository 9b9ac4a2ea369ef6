package auth

import (
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
)

// The protocols that devices ask for by ALPN on a shared port
// (device-plane.md 6.1).
const (
	ALPNMQTT = "x-amzn-mqtt-ca"
	ALPNHTTP = "x-amzn-http-ca"
)

// Server is who the server is on its TLS doors. One Server serves all of them.
type Server struct {
	ca           *CA
	hosts        []string
	certificates *Certificates
	now          func() time.Time

	mu   sync.Mutex
	leaf *tls.Certificate // of our CA
	own  *OwnCertificate  // in place of it
}

// NewServer makes the server's certificate for hosts, DNS names and IP
// addresses. The certificate lives in memory: every start makes one, for the
// hosts of that start, and one that comes near its end is replaced in passing.
// now is transport time (design.md decision 6).
func NewServer(ca *CA, hosts []string, certificates *Certificates, now func() time.Time) (*Server, error) {
	s := &Server{ca: ca, hosts: slices.Clone(hosts), certificates: certificates, now: now}
	_, err := s.certificate(nil)
	return s, err
}

func (s *Server) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.own != nil {
		return &s.own.chain, nil
	}
	now := s.now()
	if s.leaf != nil && now.Add(serverRenewal).Before(s.leaf.Leaf.NotAfter) {
		return s.leaf, nil
	}
	leaf, err := s.ca.issueServer(s.hosts, now)
	if err == nil {
		s.leaf = leaf
	}
	return s.leaf, err
}

// MQTT is the TLS of the MQTT door: who shows no certificate, or one that is not
// registered and ACTIVE, does not get through the handshake. Any ALPN, or none,
// is taken (device-plane.md 6.1).
func (s *Server) MQTT() *tls.Config {
	c := s.config()
	c.ClientAuth = tls.RequestClientCert
	c.VerifyConnection = s.verifyDevice
	return c
}

// HTTPS is the TLS of the door that devices, operators and browsers share. A
// certificate is asked for, but not of a browser, which would show its user a
// dialog: not on consoleHost, nor where `h2` is offered. It is judged by request
// (Certificates.Principal), for a refusal is an answer there; only ALPNMQTT is
// judged in the handshake, as on the MQTT door.
func (s *Server) HTTPS(consoleHost string) *tls.Config {
	browser := s.config()
	browser.NextProtos = []string{"h2", "http/1.1"}

	device := s.config()
	device.NextProtos = []string{ALPNMQTT, ALPNHTTP, "http/1.1"}
	device.ClientAuth = tls.RequestClientCert
	device.VerifyConnection = func(state tls.ConnectionState) error {
		if state.NegotiatedProtocol == ALPNMQTT {
			return s.verifyDevice(state)
		}
		return nil
	}

	door := device.Clone()
	// net/http and http.Server.ServeTLS look here to see what the door speaks.
	door.NextProtos = []string{"h2", ALPNMQTT, ALPNHTTP, "http/1.1"}
	door.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.Contains(hello.SupportedProtos, "h2") || consoleHost != "" && strings.EqualFold(hello.ServerName, consoleHost) {
			return browser, nil
		}
		return device, nil
	}
	return door
}

func (s *Server) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.certificate, Time: s.now}
}

// errNoCertificate ends a handshake on the MQTT door.
var errNoCertificate = errors.New("the client showed no certificate: MQTT over TLS needs one that is registered and ACTIVE")

// verifyDevice runs in every handshake, also of a resumed session: a certificate
// that was deactivated in between does not come in by its ticket.
func (s *Server) verifyDevice(state tls.ConnectionState) error {
	p, err := s.certificates.Principal(&state, s.now())
	if err == nil && p.Kind != ByCertificate {
		err = errNoCertificate
	}
	return err
}

package server

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/auth/authtest"
)

// brought is a serve with a certificate of the operator's own.
type brought struct {
	t         *testing.T
	authority *authtest.Authority
	cfg       Config
}

func bring(t *testing.T) *brought {
	t.Helper()
	b := &brought{t: t, authority: authtest.New(t, "corp"), cfg: serveConfig(t)}
	dir := t.TempDir()
	b.cfg.TLSCert, b.cfg.TLSKey = dir+"/chain.pem", dir+"/key.pem"
	b.cfg.TLSCA = authtest.Write(t, dir, "root.pem", authtest.PEM(b.authority.Root))
	b.renew(time.Now().Add(time.Hour), "localhost", "127.0.0.1", "first.example.com")
	return b
}

// renew writes a new certificate over the old one.
func (b *brought) renew(ends time.Time, hosts ...string) {
	chain, key := b.authority.Server(ends, hosts...)
	for path, text := range map[string][]byte{b.cfg.TLSCert: chain, b.cfg.TLSKey: key} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *brought) trust(certs ...tls.Certificate) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(b.authority.Root)
	return &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12, Certificates: certs}
}

// shown is the last name of the certificate that a door shows.
func (b *brought) shown(addr string) string {
	b.t.Helper()
	nc, err := tls.Dial("tcp", addr, b.trust())
	if err != nil {
		b.t.Fatal(err)
	}
	defer nc.Close()
	names := nc.ConnectionState().PeerCertificates[0].DNSNames
	return names[len(names)-1]
}

func TestACertificateOfTheOperatorsOwnIsShownAndReloaded(t *testing.T) {
	b := bring(t)
	s := begin(t, b.cfg)
	if got := b.shown(s.addrs.HTTPS); got != "first.example.com" {
		t.Errorf("shown: %s", got)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: b.trust()}}
	defer client.CloseIdleConnections()
	handedOut := func() string {
		t.Helper()
		resp, err := client.Get("https://" + s.addrs.HTTPS + "/ca.pem")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var body bytes.Buffer
		if _, err := body.ReadFrom(resp.Body); err != nil {
			t.Fatal(err)
		}
		return body.String()
	}
	if handedOut() != string(authtest.PEM(b.authority.Root)) {
		t.Error("/ca.pem is not the root to trust")
	}
	// A session that is there when the certificate changes.
	c, _ := upgradeOver(t, s, b.trust(), presign(s.keys(), "iotdevicegateway", s.addrs.HTTPS, time.Now()), nil)
	session := login(t, c, "before")
	if err := session.Subscribe(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}

	b.renew(time.Now().Add(time.Hour), "localhost", "127.0.0.1", "second.example.com")
	if got := b.shown(s.addrs.HTTPS); got != "first.example.com" {
		t.Errorf("shown before the reload: %s", got)
	}
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{s.addrs.HTTPS, s.addrs.MQTTS} {
		if got := b.shown(addr); got != "second.example.com" {
			t.Errorf("shown after the reload: %s", got)
		}
	}
	for name, spoil := range map[string]func(){
		"a key that is gone":           func() { os.Remove(b.cfg.TLSKey) },
		"a file half written":          func() { os.WriteFile(b.cfg.TLSCert, []byte("-----BEGIN CERT"), 0o600) },
		"a certificate that has ended": func() { b.renew(time.Now().Add(-time.Minute), "localhost", "third.example.com") },
	} {
		spoil()
		if err := s.Reload(); err == nil {
			t.Errorf("%s was taken", name)
		}
		if got := b.shown(s.addrs.HTTPS); got != "second.example.com" {
			t.Errorf("after %s: %s", name, got)
		}
		b.renew(time.Now().Add(time.Hour), "localhost", "fourth.example.com")
	}
	session.Publish("t", []byte("still here"))
	m, err := session.Receive(t.Context(), time.Time{})
	if err != nil || string(m.Payload) != "still here" {
		t.Errorf("the session that was there before: %+v, %v", m, err)
	}
}

func TestDevicesComeInByTheCertificateOfTheOperatorsOwn(t *testing.T) {
	b := bring(t)
	s := begin(t, b.cfg)
	api := operatorTrusting(t, s, b.cfg.TLSCA)
	cert, _ := certify(t, api, "pump-7")
	if err := connect(t, s.addrs.MQTTS, b.trust(cert)); err != nil {
		t.Error(err)
	}
	if err := connect(t, s.addrs.MQTTS, b.trust()); err == nil {
		t.Error("a device without a certificate came in")
	}
}

func TestAChainWithoutItsRootHandsNothingOut(t *testing.T) {
	b := bring(t)
	b.cfg.TLSCA = ""
	s := begin(t, b.cfg)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: b.trust()}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + s.addrs.HTTPS + "/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusNotFound || !strings.Contains(body.String(), "--tls-ca") {
		t.Errorf("%s %s (%v), want 404 and what to do", resp.Status, body.String(), err)
	}
}

func TestFilesThatCannotBeMeantAreAConfigError(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"a certificate without its key": {func(c *Config) { c.TLSKey = "" }, "belong together"},
		"a key without its certificate": {func(c *Config) { c.TLSCert, c.TLSCA = "", "" }, "belong together"},
		"a CA without a certificate":    {func(c *Config) { c.TLSCert, c.TLSKey = "", "" }, "--tls-ca"},
		"no door to show it":            {func(c *Config) { c.MQTTSAddr, c.HTTPSAddr = "", "" }, "no TLS door"},
		"a file that is not there":      {func(c *Config) { c.TLSCert += ".gone" }, "no such file"},
		"a file that is something else": {func(c *Config) { c.TLSKey = c.TLSCert }, "cannot be used"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := bring(t).cfg
			row.change(&cfg)
			s, err := Start(t.Context(), cfg)
			if err == nil {
				end(t, s)
			}
			var wrong *ConfigError
			if !errors.As(err, &wrong) || !strings.Contains(wrong.Message, row.want) || wrong.Next == "" {
				t.Errorf("got %v, want a ConfigError that says %q, and what to do", err, row.want)
			}
		})
	}
}

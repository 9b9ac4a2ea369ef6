package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/auth"
	"github.com/drover-iot/drover/internal/cli"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/sim"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/store/sqlite"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// setStatus is UpdateCertificate.
func setStatus(t *testing.T, c *cli.Client, arn, status string) {
	t.Helper()
	_, id, _ := strings.Cut(arn, "/")
	call := cli.Call{Operation: "UpdateCertificate", Method: "PUT", Path: "/certificates/" + id, Query: url.Values{"newStatus": {status}}}
	if err := c.Do(t.Context(), call, nil); err != nil {
		t.Error(err)
	}
}

func detach(t *testing.T, c *cli.Client, thing, arn string) {
	t.Helper()
	call := cli.Call{
		Operation: "DetachThingPrincipal", Method: "DELETE", Path: "/things/" + thing + "/principals",
		Header: http.Header{"X-Amzn-Principal": {arn}},
	}
	if err := c.Do(t.Context(), call, nil); err != nil {
		t.Fatal(err)
	}
}

// openSession opens a connection of a clean session and waits until it is in.
func openSession(t *testing.T, addr string, cfg *tls.Config, version byte, client string) *tls.Conn {
	t.Helper()
	nc, err := dialMQTT(addr, cfg, version, client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc
}

func dialMQTT(addr string, cfg *tls.Config, version byte, client string) (*tls.Conn, error) {
	nc, err := tls.Dial("tcp", addr, cfg)
	if err != nil {
		return nil, err
	}
	if err := hello(nc, version, client); err != nil {
		return nil, errors.Join(err, nc.Close())
	}
	return nc, nil
}

// hello sends a CONNECT and takes the CONNACK.
func hello(nc net.Conn, version byte, client string) error {
	body := append([]byte("\x00\x04MQTT"), version, 2, 0, 60)
	if version == 5 {
		body = append(body, 0) // no properties
	}
	body = append(append(body, 0, byte(len(client))), client...)
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := nc.Write(append([]byte{0x10, byte(len(body))}, body...)); err != nil {
		return err
	}
	connack := make([]byte, 4)
	if _, err := io.ReadFull(nc, connack); err != nil {
		return err
	}
	if connack[0] != 0x20 || connack[3] != 0 {
		return fmt.Errorf("CONNACK % x", connack)
	}
	_, err := io.ReadFull(nc, make([]byte, connack[1]-2)) // its properties
	return err
}

// alive asks whether the server still answers.
func alive(nc *tls.Conn) error {
	if _, err := nc.Write([]byte{0xc0, 0}); err != nil {
		return err
	}
	pong := make([]byte, 2)
	if _, err := io.ReadFull(nc, pong); err != nil {
		return err
	}
	if !bytes.Equal(pong, []byte{0xd0, 0}) {
		return fmt.Errorf("% x is no PINGRESP", pong)
	}
	return nil
}

// registry-and-auth.md E.2, Deactivation: at once. When the operator is answered
// the connections are ending by themselves, on every door; those of others stay.
func TestASessionEndsWhenItsCertificateMayDoLess(t *testing.T) {
	s := begin(t, serveConfig(t))
	c := operator(t, s)
	with := func(cert tls.Certificate, alpn ...string) *tls.Config {
		cfg := trust(t, s)
		cfg.Certificates, cfg.NextProtos = []tls.Certificate{cert}, alpn
		return cfg
	}
	bystander, _ := certify(t, c, "bystander")
	other := openSession(t, s.addrs.MQTTS, with(bystander), 5, "bystander")
	for cause, row := range map[string]struct {
		change func(arn string)
		again  bool // it may come back
	}{
		"deactivation": {func(arn string) { setStatus(t, c, arn, "INACTIVE") }, false},
		"revocation":   {func(arn string) { setStatus(t, c, arn, "REVOKED") }, false},
		"detachment":   {func(arn string) { detach(t, c, "pump-7", arn) }, true},
	} {
		t.Run(cause, func(t *testing.T) {
			cert, arn := certify(t, c, "pump-7")
			sessions := map[string]*tls.Conn{}
			for _, version := range []byte{4, 5} {
				sessions[fmt.Sprint(version, " on the MQTT door")] = openSession(t, s.addrs.MQTTS, with(cert), version, fmt.Sprint("a", version))
				sessions[fmt.Sprint(version, " on the shared door")] = openSession(t, s.addrs.HTTPS, with(cert, auth.ALPNMQTT), version, fmt.Sprint("b", version))
			}
			for name, nc := range sessions {
				if err := alive(nc); err != nil {
					t.Fatal(name, err)
				}
			}
			row.change(arn)
			for name, nc := range sessions {
				rest, err := io.ReadAll(nc)
				if err != nil {
					t.Errorf("%s did not end by itself: %v", name, err)
				}
				if v5 := name[0] == '5'; v5 && (len(rest) < 3 || rest[0] != 0xe0 || rest[2] != 0x87) || !v5 && len(rest) > 0 {
					t.Errorf("the last words of %s were % x; want DISCONNECT 0x87 on MQTT 5, and none before it", name, rest)
				}
			}
			for door, cfg := range map[string]*tls.Config{s.addrs.MQTTS: with(cert), s.addrs.HTTPS: with(cert, auth.ALPNMQTT)} {
				nc, err := dialMQTT(door, cfg, 5, "again")
				if (err == nil) != row.again {
					t.Errorf("it comes back: %v (%v), want %v", err == nil, err, row.again)
				}
				if err == nil {
					nc.Close()
				}
			}
		})
	}
	if err := alive(other); err != nil {
		t.Errorf("the session of another certificate: %v", err)
	}
}

// Devices come in while their certificate is deactivated: whoever got in, at
// whatever moment, does not stay.
func TestNobodyWhoIsJustConnectingStays(t *testing.T) {
	s := begin(t, serveConfig(t))
	c := operator(t, s)
	for round := range 5 {
		cert, arn := certify(t, c, "pump-7")
		cfg := trust(t, s)
		cfg.Certificates = []tls.Certificate{cert}
		in := make(chan *tls.Conn)
		var dialers sync.WaitGroup
		for i := range 6 {
			dialers.Go(func() {
				for n := 0; ; n++ {
					nc, err := dialMQTT(s.addrs.MQTTS, cfg, byte(4+i%2), fmt.Sprintf("dev-%d-%d", i, n))
					if err != nil { // not ACTIVE any more
						return
					}
					in <- nc
				}
			})
		}
		go func() { dialers.Wait(); close(in) }()
		first, ok := <-in
		if !ok {
			t.Fatal("nobody could connect")
		}
		sessions := []*tls.Conn{first}
		deactivated := make(chan struct{})
		go func() { setStatus(t, c, arn, "INACTIVE"); close(deactivated) }()
		for nc := range in {
			sessions = append(sessions, nc)
		}
		<-deactivated
		for _, nc := range sessions {
			if _, err := io.ReadAll(nc); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("round %d: one of %d sessions has outlived its certificate", round, len(sessions))
			}
			nc.Close()
		}
	}
}

// A persistent session outlives the detachment with its subscriptions. What they
// would bring is not for its holder any more.
func TestAResumedSessionHearsNothingOfAThingThatItWasDetachedFrom(t *testing.T) {
	s := begin(t, serveConfig(t))
	c := operator(t, s)
	cert, arn := certify(t, c, "pump-7")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	connect := func(resumed bool) *sim.Conn {
		t.Helper()
		cfg := trust(t, s)
		cfg.Certificates = []tls.Certificate{cert}
		nc, err := (&tls.Dialer{Config: cfg}).DialContext(ctx, "tcp", s.addrs.MQTTS)
		if err != nil {
			t.Fatal(err)
		}
		m, err := sim.Connect(ctx, nc, sim.Login{ClientID: "pump-7", KeepAlive: time.Minute, Persistent: true})
		if err != nil || m.Resumed() != resumed {
			t.Fatalf("resumed %t (%v)", m.Resumed(), err)
		}
		return m
	}
	const notify = "$aws/things/pump-7/jobs/notify"
	createJob := func(id string) {
		t.Helper()
		in := iot.CreateJobInput{Targets: []string{"arn:aws:iot:us-east-1:000000000000:thing/pump-7"}, Document: "{}"}
		if err := c.Do(ctx, cli.Call{Operation: "CreateJob", Method: "PUT", Path: "/jobs/" + id, In: in}, nil); err != nil {
			t.Fatal(err)
		}
	}
	m := connect(false)
	if err := m.Subscribe(ctx, notify, "echo"); err != nil {
		t.Fatal(err)
	}
	createJob("fw-1")
	if got, err := m.Receive(ctx, time.Time{}); err != nil || got.Topic != notify {
		t.Fatalf("%+v (%v), want to be notified", got, err)
	}
	detach(t, c, "pump-7", arn)
	if got, err := m.Receive(ctx, time.Time{}); err == nil {
		t.Fatalf("%+v, want the connection to end", got)
	}
	createJob("fw-2")
	m = connect(true)
	createJob("fw-3")
	m.Publish("echo", []byte("last"))
	if got, err := m.Receive(ctx, time.Time{}); err != nil || got.Topic != "echo" {
		t.Errorf("%s %s (%v), want its own message and nothing before it", got.Topic, got.Payload, err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// device-plane.md 5.2: a connection over HTTPS that is kept is judged anew by
// each request.
func TestAKeptHTTPSConnectionIsJudgedByRequest(t *testing.T) {
	s := begin(t, serveConfig(t))
	c := operator(t, s)
	cert, arn := certify(t, c, "pump-7")
	for _, alpn := range []string{"http/1.1", auth.ALPNHTTP} {
		t.Run(alpn, func(t *testing.T) {
			cfg := trust(t, s)
			cfg.Certificates, cfg.NextProtos = []tls.Certificate{cert}, []string{alpn}
			nc, err := tls.Dial("tcp", s.addrs.HTTPS, cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			from := bufio.NewReader(nc)
			ask := func(when string, status int, kind string) {
				t.Helper()
				if _, err := io.WriteString(nc, "GET /things/pump-7/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
					t.Fatal(when, err)
				}
				resp, err := http.ReadResponse(from, nil)
				if err != nil {
					t.Fatal(when, err)
				}
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				if err != nil || resp.StatusCode != status || resp.Header.Get("X-Amzn-Errortype") != kind {
					t.Errorf("%s: %s %s %s (%v), want %d %s", when, resp.Status, resp.Header.Get("X-Amzn-Errortype"), body, err, status, kind)
				}
			}
			ask("at first", 200, "")
			setStatus(t, c, arn, "INACTIVE")
			ask("deactivated", 400, "CertificateValidationException")
			setStatus(t, c, arn, "ACTIVE")
			ask("activated again", 200, "")
			detach(t, c, "pump-7", arn)
			ask("detached", 403, "ForbiddenException")
			attach(t, c, "pump-7", arn)
			ask("attached again", 200, "")
		})
	}
}

func TestABadClientCertificateIsAnsweredOverHTTPS(t *testing.T) {
	s := begin(t, serveConfig(t))
	c := operator(t, s)
	createThing(t, c, "pump-7")
	made := func(notAfter time.Time) (tls.Certificate, string) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(notAfter.Unix()), NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: notAfter}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	register := func(text, status string) {
		var out iot.RegisterCertificateWithoutCAOutput
		in := map[string]string{"certificatePem": text, "status": status}
		if err := c.Do(t.Context(), cli.Call{Operation: "RegisterCertificateWithoutCA", Method: "POST", Path: "/certificate/register-no-ca", In: in}, &out); err != nil {
			t.Fatal(err)
		}
		attach(t, c, "pump-7", out.CertificateARN)
	}
	good, text := made(time.Now().AddDate(1, 0, 0))
	register(text, "ACTIVE")
	inactive, text := made(time.Now().AddDate(2, 0, 0))
	register(text, "INACTIVE")
	expired, text := made(time.Now().AddDate(0, 0, -1))
	register(text, "ACTIVE")
	stranger, _ := made(time.Now().AddDate(3, 0, 0))
	for name, row := range map[string]struct {
		cert   tls.Certificate
		status int
		says   string
	}{
		"registered and ACTIVE": {good, 200, "queuedJobs"},
		"not registered":        {stranger, 400, "not registered and ACTIVE"},
		"INACTIVE":              {inactive, 400, "not registered and ACTIVE"},
		"expired":               {expired, 400, "is valid from"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := trust(t, s)
			cfg.Certificates = []tls.Certificate{row.cert}
			transport := &http.Transport{TLSClientConfig: cfg}
			defer transport.CloseIdleConnections()
			resp, err := (&http.Client{Transport: transport}).Get("https://" + s.addrs.HTTPS + "/things/pump-7/jobs")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if kind := resp.Header.Get("X-Amzn-Errortype"); err != nil || resp.StatusCode != row.status || !strings.Contains(string(body), row.says) ||
				row.status == 400 && kind != "CertificateValidationException" {
				t.Errorf("%s %s %s (%v)", resp.Status, kind, body, err)
			}
			if _, err := dialMQTT(s.addrs.MQTTS, cfg, 5, "pump-7"); (err == nil) != (row.status == 200) {
				t.Errorf("by MQTT: %v", err)
			}
		})
	}
}

// counted counts the questions that a store is asked.
type counted struct {
	store.Store
	views int
}

func (c *counted) View(ctx context.Context, fn func(store.Tx) error) error {
	c.views++
	return c.Store.View(ctx, fn)
}

func TestACertificateIsLoadedAloneWithAllItsThings(t *testing.T) {
	st, err := sqlite.Open(t.TempDir(), store.Config{Now: time.Now}, sqlite.Options{Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	const things = attachmentsPage + 7 // more than a page
	if err := st.Update(t.Context(), func(tx store.Tx) error {
		for id, s := range map[string]registry.CertificateStatus{"gateway": registry.Active, "single": registry.Active, "inactive": registry.Inactive} {
			c := registry.Certificate{ID: id}.Recorded(s, registry.ModeDefault, id, time.Now())
			if err := tx.PutCertificate(c); err != nil {
				return err
			}
		}
		for i := range things {
			thing := registry.NewThing("u", registry.Name(fmt.Sprintf("thing-%05d", i)), nil, time.Now())
			if err := tx.PutThing(&thing); err != nil {
				return err
			}
			if err := tx.Attach("gateway", thing.Key, false); err != nil {
				return err
			}
			if i == 0 {
				if err := errors.Join(tx.Attach("single", thing.Key, false), tx.Attach("inactive", thing.Key, false)); err != nil {
					return err
				}
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	asked := &counted{Store: st}
	certificates := auth.NewCertificates(certificateIn(asked))
	for _, row := range []struct {
		id     string
		things int
		active bool
		views  int
	}{
		{"gateway", things, true, 1},
		{"single", 1, true, 2},
		{"inactive", 0, false, 3},
		{"nobody", 0, false, 4},
		{"gateway", things, true, 4},
	} {
		if names, active := certificates.Attached(row.id); len(names) != row.things || active != row.active || asked.views != row.views {
			t.Errorf("%s: %d things, active %t after %d questions; want %+v", row.id, len(names), active, asked.views, row)
		}
	}
	for range 10 { // a fleet that is provisioned one by one
		certificates.Forget("single")
		certificates.Attached("gateway")
	}
	if asked.views != 4 {
		t.Errorf("%d questions: the change of one certificate is not for the others", asked.views)
	}
}

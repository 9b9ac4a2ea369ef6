package sim

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drover-iot/drover/internal/sim/packet"
)

// script answers CONNECT and SUBSCRIBE, then sends each part of more.
func answerWith(t *testing.T, server net.Conn, more ...[]byte) {
	buf := make([]byte, 4096)
	for _, answer := range [][]byte{packet.AppendConnack(nil, true, 0), packet.AppendSuback(nil, 1, 1, 1)} {
		if _, err := server.Read(buf); err != nil {
			t.Error(err)
		}
		if _, err := server.Write(answer); err != nil {
			t.Error(err)
		}
	}
	for _, b := range more {
		if _, err := server.Write(b); err != nil {
			t.Error(err)
		}
	}
	for {
		if _, err := server.Read(buf); err != nil {
			return
		}
	}
}

func connected(t *testing.T, more ...[]byte) *Conn {
	device, server := net.Pipe()
	go answerWith(t, server, more...)
	c, err := Connect(t.Context(), device, Login{ClientID: "pump-7", Persistent: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Subscribe(t.Context(), "a/#", "b"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Drop(); server.Close() })
	return c
}

func TestAMessageLargerThanTheBufferComesWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		large := []byte(strings.Repeat("z", 100_000))
		b := packet.AppendPublish(nil, "a/large", 1, 3, large)
		b = packet.AppendPublish(b, "a/small", 0, 0, []byte("s"))
		c := connected(t, b[:10], b[10:5000], b[5000:])
		if !c.Resumed() {
			t.Error("the session that was there is not reported")
		}
		m, err := c.Receive(t.Context(), time.Time{})
		if err != nil || m.Topic != "a/large" || string(m.Payload) != string(large) || m.QoS != 1 {
			t.Fatalf("%s of %d bytes, %v", m.Topic, len(m.Payload), err)
		}
		if m, err = c.Receive(t.Context(), time.Time{}); err != nil || m.Topic != "a/small" || m.QoS != 0 {
			t.Fatalf("%s, %v", m.Topic, err)
		}
		if _, err := c.Receive(t.Context(), time.Now().Add(time.Second)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("without a message: %v", err)
		}
		if len(c.buf) != readSize {
			t.Errorf("an idle connection keeps %d bytes", len(c.buf))
		}
	})
}

func TestReceiveEndsWithItsContextAndTheConnectionStaysGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connected(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.Receive(ctx, time.Time{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("%v", err)
		}
		if _, err := c.Receive(ctx, time.Time{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("once more: %v", err)
		}
		c.Publish("x", nil)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestABrokerThatBreaksTheProtocolIsAnError(t *testing.T) {
	for name, b := range map[string][]byte{
		"too large":  {0x30, 0xff, 0xff, 0xff, 0x7f},
		"QoS 2":      {0x34, 5, 0, 1, 'a', 0, 1},
		"disconnect": packet.AppendDisconnect(nil),
	} {
		synctest.Test(t, func(t *testing.T) {
			if m, err := connected(t, b).Receive(t.Context(), time.Time{}); err == nil {
				t.Errorf("%s: read as %+v", name, m)
			}
		})
	}
}

func TestASubscriptionThatIsNotGrantedIsAnError(t *testing.T) {
	for name, suback := range map[string][]byte{"refused": packet.AppendSuback(nil, 1, 0x80), "none": packet.AppendSuback(nil, 1)} {
		synctest.Test(t, func(t *testing.T) {
			device, server := net.Pipe()
			defer server.Close()
			go func() {
				buf := make([]byte, 100)
				_, _ = server.Read(buf)
				_, _ = server.Write(packet.AppendConnack(nil, false, 0))
				_, _ = server.Read(buf)
				_, _ = server.Write(suback)
			}()
			c, err := Connect(t.Context(), device, Login{ClientID: "x"})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Drop()
			if err := c.Subscribe(t.Context(), "a"); err == nil {
				t.Errorf("%s: no error", name)
			}
		})
	}
}

// TestOverTLS runs a fleet over a real socket: a read that timed out must not
// spoil a TLS connection, for that is how a device waits.
func TestOverTLS(t *testing.T) {
	cert, pool := certificate(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f := newFakeBroker(t)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.serve(c)
		}
	}()
	f.queue("pump-0", "fw")
	f.queue("pump-1", "fw")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var fleet *Fleet
	fleet = NewFleet(Config{
		Broker: l.Addr().String(), TLS: &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12},
		Things: things(2), Steps: 5, StepDelay: 5 * time.Millisecond,
		Events: func(Event) {
			if fleet.Stats().Succeeded == 2 {
				cancel()
			}
		},
	})
	if err := fleet.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if s := fleet.Stats(); s.Succeeded != 2 || s.Lost != 0 || s.Reports != 12 {
		t.Errorf("stats %+v", s)
	}
}

func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// What a client waits for is its own acknowledgement; what comes meanwhile is
// kept for Receive.
func TestAConfirmedMessageIsAcknowledgedByItsOwnId(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device, server := net.Pipe()
		defer server.Close()
		sent := make(chan []byte, 10)
		go func() {
			buf := make([]byte, 4096)
			for _, answer := range [][]byte{
				packet.AppendConnack(nil, false, 0),
				packet.AppendPuback(packet.AppendPublish(packet.AppendPuback(nil, 999), "x", 0, 0, []byte("meanwhile")), 1),
				{byte(packet.Unsuback) << 4, 2, 0, 2},
			} {
				n, err := server.Read(buf)
				if err != nil {
					t.Error(err)
				}
				sent <- append([]byte(nil), buf[:n]...)
				if _, err := server.Write(answer); err != nil {
					t.Error(err)
				}
			}
		}()
		c, err := Connect(t.Context(), device, Login{ClientID: "c", Will: &packet.Will{Topic: "w", Payload: []byte("gone")}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Drop() //nolint:errcheck // it is only a pipe
		if err := c.Confirm(t.Context(), "r", []byte("kept"), true); err != nil {
			t.Fatal(err)
		}
		if err := c.Unsubscribe(t.Context(), "r"); err != nil {
			t.Fatal(err)
		}
		if m, err := c.Receive(t.Context(), time.Time{}); err != nil || string(m.Payload) != "meanwhile" {
			t.Errorf("received %+v %v", m, err)
		}
		<-sent
		if b := <-sent; b[0] != byte(packet.Publish)<<4|1<<1|1 {
			t.Errorf("a retained PUBLISH of QoS 1 begins with %#x", b[0])
		}
	})
}

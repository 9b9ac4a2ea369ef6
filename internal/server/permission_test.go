package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/auth"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/sim"
	"github.com/drover-iot/drover/internal/store"
)

// withWill connects with a will on the topic alerts, and takes the CONNACK.
func withWill(t *testing.T, addr string, cfg *tls.Config, client string, delay byte) *tls.Conn {
	t.Helper()
	nc, err := tls.Dial("tcp", addr, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	// MQTT 5, a session of an hour, a will of QoS 0 with its delay.
	body := "\x00\x04MQTT\x05\x06\x00\x3c\x05\x11\x00\x00\x0e\x10" + "\x00" + string(byte(len(client))) + client +
		"\x05\x18\x00\x00\x00" + string(delay) + "\x00\x06alerts\x00" + string(byte(len(client))) + client
	if _, err := nc.Write(append([]byte{0x10, byte(len(body))}, body...)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(nc, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	return nc
}

// A certificate that is not ACTIVE says nothing any more, not even as a last will.
func TestTheWillOfADeactivatedCertificateIsNotPublished(t *testing.T) {
	s := begin(t, serveConfig(t))
	c := operator(t, s)
	with := func(cert tls.Certificate) *tls.Config {
		cfg := trust(t, s)
		cfg.Certificates = []tls.Certificate{cert}
		return cfg
	}
	bystander, _ := certify(t, c, "bystander")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	nc, err := tls.Dial("tcp", s.addrs.MQTTS, with(bystander))
	if err != nil {
		t.Fatal(err)
	}
	m, err := sim.Connect(ctx, nc, sim.Login{ClientID: "bystander", KeepAlive: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Subscribe(ctx, "alerts"); err != nil {
		t.Fatal(err)
	}
	bad, arn := certify(t, c, "pump-7")
	at := withWill(t, s.addrs.MQTTS, with(bad), "atonce", 0)
	later := withWill(t, s.addrs.MQTTS, with(bad), "later", 1)
	setStatus(t, c, arn, "INACTIVE")
	for _, nc := range []*tls.Conn{at, later} {
		if _, err := io.Copy(io.Discard, nc); err != nil {
			t.Error(err)
		}
	}
	// Those of others go out: the last of them after the delay of the one above.
	good := withWill(t, s.addrs.MQTTS, with(bystander), "goodlater", 2)
	good.Close()
	if got, err := m.Receive(ctx, time.Time{}); err != nil || string(got.Payload) != "goodlater" {
		t.Errorf("the first that is heard is %q of %q (%v)", got.Topic, got.Payload, err)
	}
}

// failing is a store whose Views fail while it is told to.
type failing struct {
	store.Store
	views atomic.Bool
}

func (f *failing) View(ctx context.Context, fn func(store.Tx) error) error {
	if f.views.Load() {
		return errors.New("disk on fire")
	}
	return f.Store.View(ctx, fn)
}

// Which topics are none of a device's business is said for certain, or not at all.
func TestWhatCannotBeReadOfACertificateIsNotARefusal(t *testing.T) {
	st := openStore(t, t.TempDir())
	defer st.Close()
	if err := st.Update(t.Context(), func(tx store.Tx) error {
		return tx.PutCertificate(registry.Certificate{ID: "c1"}.Recorded(registry.Active, registry.ModeDefault, "g", time.Now()))
	}); err != nil {
		t.Fatal(err)
	}
	f := &failing{Store: st}
	id := &identity{certificates: auth.NewCertificates(certificateIn(f))}
	ask := func() auth.Answer {
		return id.authorizer(false).Receive(auth.Principal{Kind: auth.ByCertificate, ID: "c1"}, "t")
	}
	id.certificates.Attached("c1")
	if got := ask(); got != auth.Yes {
		t.Errorf("held: %v", got)
	}
	f.views.Store(true)
	id.certificates.Forget("c1")
	if got := ask(); got != auth.Unsure {
		t.Errorf("not readable: %v", got)
	}
}

// device-plane.md 11 row 25, on serve too.
func TestTopicsOfOtherServicesNeverEndTheConnectionOfADevice(t *testing.T) {
	s := begin(t, serveConfig(t))
	c := operator(t, s)
	cert, _ := certify(t, c, "pump-7")
	cfg := trust(t, s)
	cfg.Certificates = []tls.Certificate{cert}
	nc := openSession(t, s.addrs.MQTTS, cfg, 4, "pump-7")
	for i, topic := range []string{
		"$aws/sitewise/asset-models/m/assets/a/properties/p", "$aws/commands/clients/pump-7/executions/e/response/json",
		"$aws/commands/things/pump-7/executions/e/response/json", "$aws/events/presence/connected/pump-7",
		"$aws/things/pump-7/defender/metrics/json", "$aws/things/pump-7/streams/s/get/json", "$aws/things/pump-7/tunnels/notify",
		"$aws/certificates/create/json", "$aws/provisioning-templates/t/provision/json", "$aws/device_location/pump-7/get_position_estimate",
		"$aws/rules/r/telemetry",
	} {
		p := append([]byte{0x32, byte(4 + len(topic)), 0, byte(len(topic))}, topic...)
		if _, err := nc.Write(append(p, 0, byte(i+1))); err != nil {
			t.Fatal(err)
		}
		for acknowledged := false; !acknowledged; { // a refusal may come before it, or after the one before
			var head [2]byte
			if _, err := io.ReadFull(nc, head[:]); err != nil {
				t.Fatalf("%s ended the connection: %v", topic, err)
			}
			n := int(head[1])
			if n >= 0x80 {
				var more [1]byte
				if _, err := io.ReadFull(nc, more[:]); err != nil {
					t.Fatal(err)
				}
				n = n&0x7f | int(more[0])<<7
			}
			body := make([]byte, n)
			if _, err := io.ReadFull(nc, body); err != nil {
				t.Fatal(err)
			}
			acknowledged = head[0] == 0x40 && body[1] == byte(i+1)
		}
	}
	if err := alive(nc); err != nil {
		t.Error(err)
	}
}

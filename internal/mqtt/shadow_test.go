package mqtt

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drover-iot/drover/internal/auth"
	"github.com/drover-iot/drover/internal/broker"
	"github.com/drover-iot/drover/internal/broker/brokertest"
	"github.com/drover-iot/drover/internal/broker/packet"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/shadow"
	"github.com/drover-iot/drover/internal/wire/shadowdata"
)

// pendingShadows are shadows whose answers wait until they are let go.
type pendingShadows struct{ answers []func() }

func (h *pendingShadows) GetThingShadowAsync(_ ops.Caller, _ *shadowdata.ReadInput, done func(shadow.Document, error)) {
	h.answers = append(h.answers, func() { done(shadow.Document{Version: 1}, nil) })
}

func (h *pendingShadows) UpdateThingShadowAsync(_ ops.Caller, in *shadowdata.UpdateThingShadowInput, done func(*shadowdata.UpdateThingShadowOutput, error)) {
	h.answers = append(h.answers, func() {
		done(&shadowdata.UpdateThingShadowOutput{Current: shadow.Document{Version: 1}}, shadowdata.DecodeUpdate(in))
	})
}

func (*pendingShadows) DeleteThingShadowAsync(ops.Caller, *shadowdata.ReadInput, func(shadow.Document, error)) {
}

func (h *pendingShadows) letGo() {
	for _, f := range h.answers {
		f()
	}
	h.answers = nil
}

// table is a gateway on a broker in virtual time, and one client of it.
type table struct {
	t       *testing.T
	shadows pendingShadows
	store   *brokertest.Memory
	log     bytes.Buffer
	b       *broker.Broker
	g       *Gateway
	nc      net.Conn
	heard   []string // topics, and PUBACK
}

func at(t *testing.T, f func(*table)) {
	synctest.Test(t, func(t *testing.T) {
		x := &table{t: t, store: brokertest.NewMemory()}
		log := slog.New(slog.NewTextHandler(&x.log, nil))
		x.g = New(Config{Authorizer: auth.Everything{}, Now: time.Now, Log: log})
		var err error
		if x.b, err = broker.New(broker.Config{Hooks: x.g, Sessions: x.store, Log: log}); err != nil {
			t.Fatal(err)
		}
		x.g.Bind(x.b, nil, &x.shadows)
		var server net.Conn
		x.nc, server = net.Pipe()
		x.b.Attach(server, nil)
		go x.listen()
		x.send(packet.AppendConnect(nil, &packet.Connect{Version: packet.V311, ClientID: "c", KeepAlive: 1200}))
		x.send(packet.AppendSubscribe(nil, packet.V311, &packet.Subscribe{ID: 1, Filters: []packet.Filter{{Filter: "$aws/things/pump/shadow/#", Options: 1}}}))
		f(x)
		if err := x.b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func (x *table) send(b []byte) {
	x.t.Helper()
	if _, err := x.nc.Write(b); err != nil {
		x.t.Fatal(err)
	}
	synctest.Wait()
}

func (x *table) listen() {
	defer x.nc.Close()
	for {
		var head [5]byte
		if _, err := io.ReadFull(x.nc, head[:2]); err != nil {
			return
		}
		n := 2
		for ; head[n-1] >= 0x80; n++ {
			if _, err := io.ReadFull(x.nc, head[n:n+1]); err != nil {
				return
			}
		}
		h, _, err := packet.ParseHeader(head[:n])
		body := make([]byte, h.Length)
		if _, e := io.ReadFull(x.nc, body); err != nil || e != nil {
			return
		}
		switch h.Type {
		case packet.PUBACK:
			x.heard = append(x.heard, "PUBACK")
		case packet.PUBLISH:
			var p packet.Publish
			if packet.ParsePublish(h, body, packet.V311, &p) == nil {
				x.heard = append(x.heard, string(p.Topic)+" "+string(p.Payload))
			}
		}
	}
}

func (x *table) publish(id uint16, topic, payload string) {
	x.t.Helper()
	x.send(packet.AppendPublish(nil, packet.V311, topic, []byte(payload), 1, false, id, nil))
}

// count is how often a text was heard since the last call.
func (x *table) count(text string) (n int) {
	synctest.Wait()
	for _, h := range x.heard {
		if strings.Contains(h, text) {
			n++
		}
	}
	return n
}

// 429 of the shadow service: more than 10 in-flight requests on one connection.
func TestAConnectionHasTenRequestsToShadowsInFlight(t *testing.T) {
	at(t, func(x *table) {
		for id := range uint16(12) {
			x.publish(id+10, "$aws/things/pump/shadow/get", "")
		}
		if n := x.count(`shadow/get/rejected {"code":429,`); n != 2 || len(x.shadows.answers) != 10 {
			t.Errorf("%d were refused and %d carried out, want 2 and 10: %q", n, len(x.shadows.answers), x.heard)
		}
		x.shadows.letGo()
		if n := x.count("PUBACK"); n != 12 {
			t.Errorf("%d were acknowledged, want 12", n)
		}
		x.heard = nil
		x.publish(30, "$aws/things/pump/shadow/get", "") // there is room again
		x.shadows.letGo()
		if n := x.count("shadow/get/accepted"); n != 1 {
			t.Errorf("after the others were answered: %q", x.heard)
		}
	})
}

func TestAPayloadThatIsTooLongNeverReachesTheShadows(t *testing.T) {
	at(t, func(x *table) {
		x.publish(10, "$aws/things/pump/shadow/update", `{"state":{"desired":{"a":[`+strings.Repeat("[],", 40_000)+`1]}}}`)
		if n := x.count(`shadow/update/rejected {"code":413,`); n != 1 || len(x.shadows.answers) != 0 {
			t.Errorf("heard %.200q, %d carried out", x.heard, len(x.shadows.answers))
		}
	})
}

// Acknowledged means on disk, for those too who must hear of a change.
func TestAShadowsRequestIsNotAcknowledgedWhenItsMessagesAreNotStored(t *testing.T) {
	for _, verb := range []string{"get", "update"} {
		at(t, func(x *table) {
			x.publish(10, "$aws/things/pump/shadow/"+verb, `{"state":{}}`)
			x.store.Fail(errors.New("disk full"))
			x.shadows.letGo()
			if n := x.count("PUBACK"); n != 0 {
				t.Errorf("%s was acknowledged", verb)
			}
			if !strings.Contains(x.log.String(), "disk full") {
				t.Errorf("the log does not say why:\n%s", x.log.String())
			}
			x.store.Fail(nil)
		})
	}
}

func TestAnHTTPSRequestToAShadowEndsWithTheStoresError(t *testing.T) {
	at(t, func(x *table) {
		told := make(chan error, 1)
		go func() {
			_, err := x.g.Shadow(context.Background(), ops.Caller{}, "update", shadowdata.Key{ThingName: "pump"}, []byte(`{"state":{}}`))
			told <- err
		}()
		synctest.Wait()
		full := errors.New("disk full")
		x.store.Fail(full)
		x.shadows.letGo()
		if err := <-told; !errors.Is(err, full) {
			t.Errorf("it ended with %v", err)
		}
		x.store.Fail(nil)
	})
}

// A message longer than any client could publish is left out, not the change.
func TestAMessageOfAShadowThatDoesNotFitIsLeftOut(t *testing.T) {
	at(t, func(x *table) {
		told := make(chan error, 1)
		tell := x.g.telling(func(err error) { told <- err })
		tell.say("$aws/things/pump/shadow/update/documents", make([]byte, 128<<10+1))
		tell.say("$aws/things/pump/shadow/update/accepted", nil)
		tell.allSaid()
		if err := <-told; err != nil || x.count("documents") != 0 || x.count("accepted") != 1 {
			t.Errorf("%v, heard %.100q", err, x.heard)
		}
		if !strings.Contains(x.log.String(), "update/documents") {
			t.Errorf("the log does not name it:\n%s", x.log.String())
		}
	})
}

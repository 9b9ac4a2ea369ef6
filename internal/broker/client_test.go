package broker_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drover-iot/drover/internal/broker"
	"github.com/drover-iot/drover/internal/broker/brokertest"
	"github.com/drover-iot/drover/internal/broker/packet"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv("DROVER_BROKER_BENCH_SERVER") != "" {
		serveForBench()
		return
	}
	goleak.VerifyTestMain(m)
}

// world is a broker in a bubble of virtual time; its clients speak over pipes.
type world struct {
	t     *testing.T
	b     *broker.Broker
	hooks *hooks
	store *brokertest.Memory
	cfg   broker.Config
}

// hooks records what it is told, and answers as it was set.
type hooks struct {
	connect   func(*broker.Conn, *broker.ConnectInfo) error
	publish   func(*broker.Conn, *broker.Message) broker.Verdict
	subscribe func(*broker.Conn, string, byte) broker.Verdict
	receive   func(*broker.Conn, string) broker.Reception
	will      func(any, *broker.Message) bool
	events    chan string
	filters   func(c *broker.Conn, verb string, filters []string)
}

func (h *hooks) Connect(c *broker.Conn, p *broker.ConnectInfo) error {
	if h.connect != nil {
		return h.connect(c, p)
	}
	return nil
}

func (h *hooks) Publish(c *broker.Conn, m *broker.Message) broker.Verdict {
	if h.publish != nil {
		return h.publish(c, m)
	}
	return broker.Forward
}

func (h *hooks) Subscribe(c *broker.Conn, f string, q byte) broker.Verdict {
	if h.subscribe != nil {
		return h.subscribe(c, f, q)
	}
	return broker.Forward
}

func (h *hooks) Receive(c *broker.Conn, topic string) broker.Reception {
	if h.receive != nil {
		return h.receive(c, topic)
	}
	return broker.Received
}

func (h *hooks) Will(facts any, m *broker.Message) bool { return h.will == nil || h.will(facts, m) }

func (h *hooks) Subscribed(c *broker.Conn, filters []string) {
	if h.filters != nil {
		h.filters(c, "has", filters)
	}
}

func (h *hooks) Unsubscribed(c *broker.Conn, filters []string) {
	if h.filters != nil {
		h.filters(c, "had", filters)
	}
}

func (h *hooks) Connected(c *broker.Conn, present bool) {
	h.events <- fmt.Sprintf("%s connected, session present %t", c.ClientID(), present)
}

func (h *hooks) Disconnected(c *broker.Conn, r broker.DisconnectReason) {
	h.events <- fmt.Sprintf("%s disconnected: %s", c.ClientID(), r)
}

// play runs f against a fresh broker with a session store in memory.
func play(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, hooks: &hooks{events: make(chan string, 1000)}, store: brokertest.NewMemory()}
		w.cfg = broker.Config{Hooks: w.hooks, Sessions: w.store}
		w.start()
		defer func() { w.stop() }()
		f(w)
	})
}

func (w *world) start() {
	b, err := broker.New(w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.b = b
}

func (w *world) stop() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := w.b.Close(ctx); err != nil {
		w.t.Errorf("Close: %v", err)
	}
}

// event expects the next call of Connected or Disconnected.
func (w *world) event(want string) {
	w.t.Helper()
	synctest.Wait()
	select {
	case got := <-w.hooks.events:
		if got != want {
			w.t.Errorf("event %q, want %q", got, want)
		}
	default:
		w.t.Errorf("no event, want %q", want)
	}
}

// until is event that does not care for what came before.
func (w *world) until(want string) {
	w.t.Helper()
	synctest.Wait()
	for len(w.hooks.events) > 0 {
		if <-w.hooks.events == want {
			return
		}
	}
	w.t.Errorf("no event %q", want)
}

// client is the other end of a connection: what arrives is read at once, and
// kept as text until the test looks at it.
type client struct {
	w       *world
	nc      net.Conn
	version byte
	got     chan string
}

// dial attaches a connection that has said nothing yet.
func (w *world) dial(version byte) *client { return w.dialUntil(version, time.Time{}) }

func (w *world) dialUntil(version byte, until time.Time) *client {
	ours, theirs := net.Pipe()
	c := &client{w: w, nc: ours, version: version, got: make(chan string, 100_000)}
	w.b.AttachUntil(theirs, "facts of "+w.t.Name(), until)
	go c.listen()
	return c
}

func (c *client) listen() {
	defer close(c.got)
	defer c.nc.Close()
	for {
		h, body, err := readPacket(c.nc)
		if err != nil {
			if err != io.EOF && err != io.ErrClosedPipe {
				c.got <- "broken: " + err.Error()
			}
			return
		}
		c.got <- show(h, body, c.version)
	}
}

func readPacket(r io.Reader) (packet.Header, []byte, error) {
	var head []byte
	for {
		var b [1]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return packet.Header{}, nil, err
		}
		head = append(head, b[0])
		h, n, err := packet.ParseHeader(head)
		if err != nil {
			return h, nil, err
		}
		if n > 0 {
			body := make([]byte, h.Length)
			_, err := io.ReadFull(r, body)
			return h, body, err
		}
	}
}

// show writes a packet from the broker as a line of a conversation.
func show(h packet.Header, body []byte, version byte) string {
	var s string
	var err error
	var props packet.Properties
	switch h.Type {
	case packet.CONNACK:
		var p packet.Connack
		p, err = packet.ParseConnack(body, version)
		if len(body) == 2 {
			p, err = packet.ParseConnack(body, packet.V311)
		}
		s, props = fmt.Sprintf("CONNACK %t %02X", p.SessionPresent, p.Code), p.Props
	case packet.PUBLISH:
		var p packet.Publish
		err = packet.ParsePublish(h, body, version, &p)
		s, props = fmt.Sprintf("PUBLISH q%d r%t d%t #%d %s %s", p.QoS, p.Retain, p.Dup, p.ID, p.Topic, p.Payload), p.Props
		s = strings.NewReplacer("rtrue", "r1", "rfalse", "r0", "dtrue", "d1", "dfalse", "d0").Replace(s)
	case packet.PUBACK:
		var p packet.Ack
		p, err = packet.ParsePuback(body, version)
		s, props = fmt.Sprintf("PUBACK #%d %02X", p.ID, byte(p.Code)), p.Props
	case packet.SUBACK, packet.UNSUBACK:
		var p packet.Suback
		p, err = packet.ParseSuback(h.Type, body, version)
		s, props = fmt.Sprintf("%s #%d % X", h.Type, p.ID, p.Codes), p.Props
	case packet.DISCONNECT:
		var p packet.Disconnect
		p, err = packet.ParseDisconnect(body, version)
		s, props = fmt.Sprintf("DISCONNECT %02X", byte(p.Code)), p.Props
	default:
		s = h.Type.String()
	}
	if err != nil {
		return "broken " + h.Type.String() + ": " + err.Error()
	}
	for _, p := range props {
		switch {
		case p.ID == packet.UserProperty:
			s += fmt.Sprintf(" %02X=%s:%s", byte(p.ID), p.Str, p.Val)
		case p.Str != "":
			s += fmt.Sprintf(" %02X=%s", byte(p.ID), p.Str)
		default:
			s += fmt.Sprintf(" %02X=%d", byte(p.ID), p.Num)
		}
	}
	return strings.TrimRight(s, " ")
}

func (c *client) send(p []byte) *client {
	c.w.t.Helper()
	if _, err := c.nc.Write(p); err != nil && err != io.ErrClosedPipe {
		c.w.t.Errorf("sending: %v", err)
	}
	return c
}

// expect takes the next packets; each want is the whole line, or ends in * where
// the rest does not matter.
func (c *client) expect(want ...string) *client {
	c.w.t.Helper()
	synctest.Wait()
	for _, line := range want {
		select {
		case got, open := <-c.got:
			if !open {
				got = "CLOSED"
			}
			prefix, any := strings.CutSuffix(line, "*")
			if got != line && !(any && strings.HasPrefix(got, prefix)) {
				c.w.t.Fatalf("got  %q\nwant %q", got, line)
			}
		default:
			c.w.t.Fatalf("got nothing, want %q", line)
		}
	}
	return c
}

// silent expects that nothing has come, and that the connection lives.
func (c *client) silent() *client {
	c.w.t.Helper()
	synctest.Wait()
	select {
	case got, open := <-c.got:
		c.w.t.Fatalf("got %q (open %t), want nothing", got, open)
	default:
	}
	return c
}

type connectOption func(*packet.Connect)

func keep(p *packet.Connect) { p.Clean = false }

func keepFor(seconds uint32) connectOption {
	return func(p *packet.Connect) {
		p.Clean = false
		p.Props = append(p.Props, packet.Property{ID: packet.SessionExpiry, Num: seconds})
	}
}

func prop(id packet.PropID, n uint32) connectOption {
	return func(p *packet.Connect) { p.Props = append(p.Props, packet.Property{ID: id, Num: n}) }
}

func will(w packet.Will) connectOption { return func(p *packet.Connect) { p.Will = &w } }

func (c *client) hello(id string, opts ...connectOption) *client {
	p := packet.Connect{Version: c.version, Clean: true, KeepAlive: 1200, ClientID: id}
	for _, o := range opts {
		o(&p)
	}
	return c.send(packet.AppendConnect(nil, &p))
}

// join connects a 3.1.1 client; join5 a MQTT 5 one.
func (w *world) join(id string, opts ...connectOption) *client {
	w.t.Helper()
	c := w.dial(packet.V311).hello(id, opts...).expect("CONNACK false 00")
	w.until(id + " connected, session present false")
	return c
}

func (w *world) join5(id string, opts ...connectOption) *client {
	w.t.Helper()
	c := w.dial(packet.V5).hello(id, opts...).expect("CONNACK false 00*")
	w.until(id + " connected, session present false")
	return c
}

func (c *client) sub(id uint16, opts packet.Options, filters ...string) *client {
	p := packet.Subscribe{ID: id}
	for _, f := range filters {
		p.Filters = append(p.Filters, packet.Filter{Filter: f, Options: opts})
	}
	return c.send(packet.AppendSubscribe(nil, c.version, &p))
}

func (c *client) unsub(id uint16, filters ...string) *client {
	return c.send(packet.AppendUnsubscribe(nil, c.version, &packet.Unsubscribe{ID: id, Filters: filters}))
}

// pub publishes; QoS 1 if there is an id.
func (c *client) pub(id uint16, topic, payload string, props ...packet.Property) *client {
	return c.send(packet.AppendPublish(nil, c.version, topic, []byte(payload), b2(id > 0), false, id, props))
}

func b2(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func (c *client) retain(id uint16, topic, payload string) *client {
	return c.send(packet.AppendPublish(nil, c.version, topic, []byte(payload), b2(id > 0), true, id, nil))
}

func (c *client) ack(id uint16) *client {
	return c.send(packet.AppendPuback(nil, c.version, id, 0))
}

func (c *client) bye() *client {
	return c.send(packet.AppendDisconnect(nil, c.version, &packet.Disconnect{}))
}

// drop breaks the connection without a word.
func (c *client) drop() *client {
	c.nc.Close()
	synctest.Wait()
	return c
}

// pipe attaches a connection whose other end sends first and then never reads.
func pipe(w *world, first []byte) (ours, theirs net.Conn) {
	w.t.Helper()
	ours, theirs = net.Pipe()
	w.b.Attach(theirs, nil)
	if _, err := ours.Write(first); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
	for len(w.hooks.events) > 0 {
		<-w.hooks.events
	}
	return ours, theirs
}

// silentEvents expects no call of Connected or Disconnected.
func (w *world) silentEvents() {
	w.t.Helper()
	synctest.Wait()
	for len(w.hooks.events) > 0 {
		if e := <-w.hooks.events; !strings.HasPrefix(e, "p ") {
			w.t.Errorf("event %q", e)
		}
	}
}

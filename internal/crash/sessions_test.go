package crash

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"github.com/drover-iot/drover/internal/sim/packet"
)

// Publishers send to persistent sessions that are away, that read, and that do
// not; sessions are made, ended and subscribed; jobs are made for devices that
// are away.
var sessionsPhase = &phase{
	name: "persistent sessions", weight: 3, plan: func(rnd *rand.Rand) plan {
		switch rnd.IntN(6) {
		case 0:
			return plan{kind: "UNSUBACK", facts: 1 + rnd.IntN(10)}
		case 1:
			return plan{kind: "CONNACK, clean", facts: 1 + rnd.IntN(10)}
		case 2, 3:
			return plan{kind: "PUBACK", facts: 1 + rnd.IntN(60)}
		}
		return plan{facts: 1 + rnd.IntN(150), delay: upTo(rnd, 2*time.Millisecond)}
	},
	run: func(r *round) {
		for range 4 {
			r.actor(r.publish)
		}
		r.actor(func(rnd *rand.Rand) { r.reads(r.boxes[0], rnd) })
		r.actor(func(rnd *rand.Rand) { r.reads(r.boxes[1], rnd) })
		r.actor(func(*rand.Rand) { r.sleepsThrough(r.boxes[2]) })
		r.actor(func(rnd *rand.Rand) { r.subscribes(r.boxes[3], rnd) })
		r.actor(func(rnd *rand.Rand) { r.comesAndGoes("phoenix", rnd) })
		r.actor(r.ages)
		r.actor(func(*rand.Rand) { r.jobsForSleepers() })
	},
}

// connected connects a client, as a fact or not; nil: the server is gone.
func (r *round) connected(id string, persistent bool, kind string) *client {
	var c *client
	o, err := r.request(kind, func(ctx context.Context) (err error) {
		c, err = dial(ctx, r.Ready.MQTT, id, persistent)
		return err
	})
	if o == refused {
		r.find(wrong, "%s of %s was refused: %v", kind, id, err)
	}
	return c
}

func (r *round) publish(rnd *rand.Rand) {
	c := r.connected(fmt.Sprintf("publisher-%d", rnd.Uint64()), false, "CONNECT")
	if c == nil {
		return
	}
	defer c.Drop() //nolint:errcheck // nothing is lost with it
	for {
		b := r.boxes[rnd.IntN(len(r.boxes))]
		text := r.letter(b)
		o, _ := r.request("PUBACK", func(ctx context.Context) error { return c.Confirm(ctx, b.topic, []byte(text), false) })
		if o != accepted {
			return
		}
		r.owe(b, text)
	}
}

// reads takes messages and acknowledges them, and loses its connection at times.
func (r *round) reads(b *box, rnd *rand.Rand) {
	for !r.ending.Load() {
		c := r.connected(b.id, true, "CONNECT, session present")
		if c == nil {
			return
		}
		if !c.Resumed() {
			r.find(lost, "the session of %s while the server lived", b.id)
		}
		in := map[string]bool{}
		for range 1 + rnd.IntN(30) {
			m, err := c.Receive(r.ctx, time.Time{})
			if err != nil {
				return
			}
			r.hear(b, m, in)
		}
		_ = c.Drop() // the next connection takes the session over
	}
}

// sleepsThrough is connected and acknowledges nothing.
func (r *round) sleepsThrough(b *box) {
	if c := r.connected(b.id, true, "CONNECT, session present"); c != nil {
		<-r.down
		_ = c.Drop() // the server is gone
	}
}

// subscribes takes a second filter and gives it back, over and over.
func (r *round) subscribes(b *box, rnd *rand.Rand) {
	c := r.connected(b.id, true, "CONNECT, session present")
	if c == nil {
		return
	}
	defer c.Drop() //nolint:errcheck // nothing is lost with it
	filter := b.topic + "/extra"
	if b.extra == nil {
		b.extra = &register{key: "the filter " + filter + " of " + b.id}
	}
	r.mu.Lock()
	b.touched = true
	r.mu.Unlock()
	for o := accepted; o == accepted; {
		if (b.extra.is == value{}) {
			o = r.set(b.extra, value{text: "subscribed"}, "SUBACK", func(ctx context.Context) error { return c.Subscribe(ctx, filter) })
		} else {
			o = r.set(b.extra, value{}, "UNSUBACK", func(ctx context.Context) error { return c.Unsubscribe(ctx, filter) })
		}
		r.rest(rnd)
	}
	// What came meanwhile was acknowledged, so it counts as heard.
	for in, passed := map[string]bool{}, time.Unix(1, 0); ; {
		m, err := c.Receive(r.ctx, passed)
		if m.Topic != "" {
			r.hear(b, m, in)
		} else if err != nil {
			return
		}
	}
}

// comesAndGoes makes a persistent session, and ends it with a clean one.
func (r *round) comesAndGoes(id string, rnd *rand.Rand) {
	g := r.register("session "+id, func(ctx context.Context) (value, error) {
		c, err := dial(ctx, r.world.Ready.MQTT, id, true)
		if err != nil {
			return value{}, err
		}
		if c.Resumed() {
			return value{text: "kept"}, c.Drop()
		}
		_ = c.Drop() // to ask was to make one: it goes
		if c, err = dial(ctx, r.world.Ready.MQTT, id, false); err == nil {
			err = c.Drop()
		}
		return value{}, err
	})
	for o := accepted; o == accepted; {
		to, kind, persistent := value{}, "CONNACK, clean", false
		if (g.is == value{}) {
			to, kind, persistent = value{text: "kept"}, "CONNACK, persistent", true
		}
		o = r.set(g, to, kind, func(ctx context.Context) error {
			c, err := dial(ctx, r.Ready.MQTT, id, persistent)
			if err == nil {
				_ = c.Drop() // its session is what counts
			}
			return err
		})
		r.rest(rnd)
	}
}

// ages makes sessions that end by themselves: soon, and not soon.
func (r *round) ages(rnd *rand.Rand) {
	for i, expiry := range []time.Duration{time.Second, time.Hour} {
		id := fmt.Sprintf("ageing-%d-%d", i, rnd.IntN(4))
		asked := time.Now()
		r.mu.Lock()
		_, known := r.ageing[id]
		r.mu.Unlock()
		if known {
			continue
		}
		o, _ := r.request("CONNACK, with an expiry", func(ctx context.Context) error {
			_, err := connect5(ctx, r.Ready.MQTT, id, expiry)
			return err
		})
		if o != accepted {
			return
		}
		r.mu.Lock()
		r.ageing[id] = &ageing{id: id, expiry: expiry, left: time.Now(), asked: asked}
		r.mu.Unlock()
	}
}

// connect5 connects with MQTT 5 and a session expiry, and leaves without a word.
func connect5(ctx context.Context, addr, id string, expiry time.Duration) (present bool, err error) {
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false, err
	}
	defer nc.Close()
	body := []byte{0, 4, 'M', 'Q', 'T', 'T', 5, 0, 0, 60, 5, 0x11} // keep-alive 60 s, one property of 5 bytes
	body = binary.BigEndian.AppendUint32(body, uint32(expiry/time.Second))
	body = append(binary.BigEndian.AppendUint16(body, uint16(len(id))), id...)
	if _, err := nc.Write(append([]byte{byte(packet.Connect) << 4, byte(len(body))}, body...)); err != nil {
		return false, err
	}
	deadline, _ := ctx.Deadline()
	if err := nc.SetReadDeadline(deadline); err != nil {
		return false, err
	}
	in := bufio.NewReader(nc)
	head := make([]byte, 4) // type, length, flags, reason: the length is below 128
	if _, err := io.ReadFull(in, head); err != nil {
		return false, err
	}
	if head[0] != byte(packet.Connack)<<4 || head[3] != 0 {
		return false, fmt.Errorf("CONNECT of %s is answered with % x", id, head)
	}
	return head[2]&1 != 0, nil
}

// jobsForSleepers makes a job for each device that is away and has none.
func (r *round) jobsForSleepers() {
	for _, s := range r.sleepers {
		if len(s.jobs) > 0 {
			continue
		}
		j := r.newJob("asleep", []string{s.thing}, true)
		r.mu.Lock()
		s.jobs = append(s.jobs, j)
		r.mu.Unlock()
		if o, _ := r.create(j, []string{s.arn}, 0); o != accepted {
			return
		}
	}
}

// hear waits for a message on one of the thing's topics.
func (c *client) hear(ctx context.Context, suffix string) (answer, error) {
	for {
		m, err := c.Receive(ctx, time.Time{})
		if err != nil {
			return answer{}, fmt.Errorf("waiting for %s: %w", suffix, err)
		}
		if m.Topic == c.topic(suffix) {
			var a answer
			return a, json.Unmarshal(m.Payload, &a)
		}
	}
}

const retainedTopics = 6

// Retained messages are set, replaced and cleared.
var retainedPhase = &phase{
	name: "retained messages", weight: 1, plan: anyFact(60, time.Millisecond),
	run: func(r *round) {
		for i := range retainedTopics {
			r.actor(func(rnd *rand.Rand) { r.retains(rnd, fmt.Sprintf("retained/%d", i)) })
		}
	},
}

func (r *round) retains(rnd *rand.Rand, topic string) {
	g := r.register("the retained message of "+topic, func(ctx context.Context) (value, error) {
		return readRetained(ctx, r.world.Ready.MQTT, topic)
	})
	c := r.connected("retainer-"+topic, false, "CONNECT")
	if c == nil {
		return
	}
	defer c.Drop() //nolint:errcheck // nothing is lost with it
	for o := accepted; o == accepted; {
		to := value{text: fmt.Sprint(rnd.Uint64())}
		if rnd.IntN(4) == 0 {
			to = value{}
		}
		o = r.set(g, to, "PUBACK, retained", func(ctx context.Context) error { return c.Confirm(ctx, topic, []byte(to.text), true) })
	}
}

func readRetained(ctx context.Context, addr, topic string) (value, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := dial(ctx, addr, "reader-"+topic, false)
	if err != nil {
		return value{}, err
	}
	defer c.Drop() //nolint:errcheck // nothing is lost with it
	barrier := topic + "/barrier"
	if err := c.Subscribe(ctx, topic, barrier); err != nil {
		return value{}, err
	}
	if err := c.Confirm(ctx, barrier, []byte("x"), false); err != nil {
		return value{}, err
	}
	var got value
	for {
		m, err := c.Receive(ctx, time.Time{})
		if err != nil || m.Topic == barrier {
			return got, err
		}
		got.text = string(m.Payload)
	}
}

const testators = 12

// Clients with wills are connected, lose their connection, or say farewell. A
// server that drains publishes the wills of those it cuts off; one that is
// killed may publish some, and none twice.
var willsPhase = &phase{
	name: "wills", weight: 1, plan: anyFact(testators, 10*time.Millisecond),
	run: func(r *round) {
		for i := range testators {
			r.actor(func(rnd *rand.Rand) { r.dies(rnd, i) })
		}
	},
}

func (r *round) dies(rnd *rand.Rand, i int) {
	b := r.executor
	text := r.letter(b)
	var c *client
	o, err := r.request("CONNACK, with a will", func(ctx context.Context) (err error) {
		c, err = dialWill(ctx, r.Ready.MQTT, fmt.Sprintf("testator-%d", i), false, &packet.Will{Topic: fmt.Sprintf("wills/%d", i), Payload: []byte(text)})
		return err
	})
	if o != accepted {
		if o == refused {
			r.find(wrong, "CONNECT with a will was refused: %v", err)
		}
		return
	}
	switch rnd.IntN(4) {
	case 0:
		_ = c.Close() // with DISCONNECT: no will, unless the server went first
		return
	case 1:
		_ = c.Drop()
	}
	<-r.down
	_ = c.Drop()
	if r.clean {
		r.owe(b, text)
	}
}

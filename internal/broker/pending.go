package broker

import (
	"sync"

	"github.com/drover-iot/drover/internal/broker/packet"
)

// Pending is a place in the order in which a connection is answered: a request
// that a hook began, or a packet whose acknowledgement waits for the disk. A
// request's Pending ends with exactly one call of Reply, Finish or Refuse, from
// any goroutine, and must not be touched after it.
type Pending struct {
	c       *Conn
	next    *Pending
	id      uint16 // of the packet to acknowledge; 0 for none
	code    packet.Code
	done    bool
	reply   bool
	topic   string
	payload []byte
	ack     []byte // a SUBACK, in place of a PUBACK
}

var pendings = sync.Pool{New: func() any { return new(Pending) }}

// Begin gives the PUBLISH that Hooks.Publish is being asked about its place in
// the order of answers, and keeps back its PUBACK. It may be called once in
// that call; the hook then returns Consumed. While 100 requests of a connection
// wait, nothing more is read from it.
func (c *Conn) Begin() *Pending {
	if c.in.begun {
		panic("broker: Begin called twice for one PUBLISH")
	}
	c.in.begun = true
	return c.begin(c.in.id)
}

func (c *Conn) begin(id uint16) *Pending {
	p := pendings.Get().(*Pending)
	*p = Pending{c: c, id: id}
	c.sess.mu.Lock()
	c.line(p)
	c.sess.mu.Unlock()
	return p
}

// line puts p at the end of the connection's order. sess.mu is held.
func (c *Conn) line(p *Pending) {
	if c.tail == nil {
		c.head = p
	} else {
		c.tail.next = p
	}
	c.tail = p
	c.pending.Add(1)
	if p.id != 0 && p.ack == nil {
		c.unacked.Add(1)
	}
}

// Conn is the connection that asked.
func (p *Pending) Conn() *Conn { return p.c }

// Reply answers the request: its PUBACK, if it was QoS 1, and the reply go to
// the requesting connection only, together, once all earlier requests of that
// connection have been answered (device-plane.md 1.4). payload belongs to the
// broker from now on. Where the connection is gone, so is the reply.
func (p *Pending) Reply(topic string, payload []byte) {
	p.reply, p.topic, p.payload = true, topic, payload
	p.complete()
}

// Finish acknowledges the request without a reply.
func (p *Pending) Finish() { p.complete() }

// Refuse is Finish with a reason: a PUBACK that carries it on MQTT 5 and QoS 1;
// otherwise the connection is closed, with the reason where there is a way to
// say it.
func (p *Pending) Refuse(reason byte) {
	c, code := p.c, packet.Code(reason)
	closes := c.version != packet.V5 || p.id == 0
	if closes {
		p.id = 0 // no PUBACK
	}
	p.code = code
	p.complete()
	if closes {
		c.shut(ForbiddenAccess, code)
	}
}

func (p *Pending) complete() {
	c := p.c
	c.sess.mu.Lock()
	if p.done {
		c.sess.mu.Unlock()
		panic("broker: a Pending was completed twice")
	}
	p.done = true
	room := c.release()
	c.sess.mu.Unlock()
	if room {
		c.kick()
	}
	c.flushSoon()
}

// release answers, in order, what is done at the head of the line. It reports
// whether the line was full, so that the reader may be waiting. sess.mu is held.
func (c *Conn) release() (wasFull bool) {
	wasFull = c.pending.Load() >= maxInflight
	for p := c.head; p != nil && p.done; p = c.head {
		if c.head = p.next; c.head == nil {
			c.tail = nil
		}
		c.emit(p)
		if p.id != 0 && p.ack == nil {
			c.unacked.Add(-1)
		}
		c.pending.Add(-1)
		*p = Pending{done: true}
		pendings.Put(p)
	}
	return wasFull
}

// Send is a reply that has lost its place in the order of answers: it goes to
// this connection alone, as Pending.Reply would have sent it, now. payload
// belongs to the broker from now on. Where the connection is gone, so is the
// reply. It must not be called before Hooks.Connected.
func (c *Conn) Send(topic string, payload []byte) {
	c.sess.mu.Lock()
	c.emit(&Pending{c: c, reply: true, topic: topic, payload: payload})
	c.sess.mu.Unlock()
	c.flushSoon()
}

// emit queues the acknowledgement and the reply of p, together. sess.mu is held.
func (c *Conn) emit(p *Pending) {
	s := c.sess
	var m *Message
	if p.reply {
		if m = (&Message{Topic: p.topic, Payload: p.payload}); s.grantedQoS(p.topic) > 0 {
			c.emitAck(p)
			e := entry{m: &Message{Topic: p.topic, Payload: p.payload, QoS: 1}, reply: true}
			c.emitQoS1(e)
			return
		}
	}
	c.emitAck(p)
	if m != nil {
		c.sendPublish(m, 0, false, 0)
	}
}

func (c *Conn) emitAck(p *Pending) {
	switch {
	case p.ack != nil:
		c.sendBytes(p.ack)
	case p.id != 0:
		c.sendPuback(p.id, p.code)
	}
}

// emitQoS1 sends a reply within the client's window. It is never stored.
func (c *Conn) emitQoS1(e entry) {
	s := c.sess
	if s.conn != c || s.queue.len() == 0 && s.ready(c) && s.transmit(c, e, nil) || s.overfull(len(e.m.Payload)) {
		return
	}
	s.queue.push(e)
	s.bytes += len(e.m.Payload)
}

// acknowledge answers a QoS 1 PUBLISH for which nothing has to be waited for.
func (c *Conn) acknowledge(id uint16, code packet.Code) {
	c.answer(&Pending{c: c, id: id, code: code, done: true})
}

// answer queues p's acknowledgement behind those that wait. Only the
// connection's own goroutine adds to the line, so an empty one stays empty.
func (c *Conn) answer(p *Pending) {
	if c.pending.Load() == 0 {
		c.emitAck(p)
		return
	}
	q := pendings.Get().(*Pending)
	*q = *p
	c.sess.mu.Lock()
	c.line(q)
	c.release()
	c.sess.mu.Unlock()
}

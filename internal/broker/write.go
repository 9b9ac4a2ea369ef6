package broker

import (
	"errors"
	"sync"
	"time"

	"github.com/drover-iot/drover/internal/broker/packet"
)

// buffer is a pooled byte slice, so that an idle connection owns none.
type buffer struct{ b []byte }

const (
	newBuffer  = 2 << 10
	keepBuffer = 64 << 10 // larger ones are left to the garbage collector
)

var buffers = sync.Pool{New: func() any { return &buffer{make([]byte, 0, newBuffer)} }}

func (b *buffer) free() {
	if cap(b.b) <= keepBuffer {
		b.b = b.b[:0]
		buffers.Put(b)
	}
}

// grab returns the queue's buffer, a fresh one if it is empty. o.mu is held.
func (o *outbound) grab() *buffer {
	if o.buf == nil {
		o.buf = buffers.Get().(*buffer)
	}
	return o.buf
}

// hasRoom says whether the connection's queue takes more messages.
func (c *Conn) hasRoom() bool {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.out.len() < c.b.limits.Outbound
}

func (o *outbound) len() int {
	if o.buf == nil {
		return 0
	}
	return len(o.buf.b)
}

// A control packet may not be dropped; a peer that makes the broker queue this
// much more than its limit of them is not reading, and is closed.
const controlRoom = 64 << 10

// sendBytes queues a control packet. The caller flushes.
func (c *Conn) sendBytes(p []byte) {
	if buf := c.openControl(); buf != nil {
		buf.b = append(buf.b, p...)
		c.out.mu.Unlock()
	}
}

// sendPuback queues a PUBACK. The caller flushes.
func (c *Conn) sendPuback(id uint16, code packet.Code) {
	if buf := c.openControl(); buf != nil {
		buf.b = packet.AppendPuback(buf.b, c.version, id, code)
		c.out.mu.Unlock()
	}
}

// openControl returns the queue locked, or nil where nothing may be added.
func (c *Conn) openControl() *buffer {
	o := &c.out
	o.mu.Lock()
	if !o.closing && o.len() <= c.b.limits.Outbound+controlRoom {
		return o.grab()
	}
	overflow := !o.closing
	o.mu.Unlock()
	if overflow {
		c.b.log.Warn("MQTT client does not read its acknowledgements: closed", "client", c.id)
		c.shut(ServerInitiated, packet.QuotaExceeded)
	}
	return nil
}

// sent is what became of a PUBLISH.
type sent byte

const (
	queued   sent = iota
	full          // no room now; for QoS 1 the session will be asked again
	tooLarge      // the client would not take it, or no packet can carry it
	gone          // the connection is closing
)

// sendPublish queues a PUBLISH. The caller flushes.
func (c *Conn) sendPublish(m *Message, qos byte, retain bool, id uint16) sent {
	var props packet.Properties
	if c.version == packet.V5 {
		props = c.b.wireProps(m)
	}
	if !packet.CanPublish(m.Topic, props) || c.maxPacket > 0 && packet.PublishSize(c.version, m.Topic, m.Payload, qos, props) > c.maxPacket {
		return tooLarge
	}
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closing:
		return gone
	case o.len() >= c.b.limits.Outbound:
		o.starved = o.starved || qos > 0
		return full
	}
	buf := o.grab()
	buf.b = packet.AppendPublish(buf.b, c.version, m.Topic, m.Payload, qos, retain, id, props)
	return queued
}

// flush writes what is queued, as far as the socket takes it, unless somebody
// is writing already: then that one takes it along. It does not block: where
// the socket is full, or the transport cannot say so, a goroutine goes on.
func (c *Conn) flush() {
	o := &c.out
	o.mu.Lock()
	for !o.writing && o.buf != nil {
		o.writing = true
		buf := o.buf
		o.buf = nil
		o.mu.Unlock()
		n, err := c.in.tryWrite(buf.b)
		if errors.Is(err, errWouldBlock) {
			c.b.wg.Add(1)
			go c.drain(buf, n)
			return
		}
		buf.free()
		c.written(err)
		o.mu.Lock()
	}
	if o.closing && !o.writing && !o.finished {
		o.finished = true
		close(o.drained)
	}
	o.mu.Unlock()
}

// written gives the right to write back, after a write that ended with err.
func (c *Conn) written(err error) {
	o := &c.out
	o.mu.Lock()
	o.writing = false
	if err != nil {
		o.buf = nil // nobody will read it
	}
	starved := o.starved && o.buf == nil && !o.closing
	if starved {
		o.starved = false
	}
	wake := o.wake
	o.mu.Unlock()
	kick(wake) // the reader may be waiting for room
	if err != nil {
		c.shut(ConnectionLost, 0)
	} else if starved {
		c.sess.mu.Lock()
		c.sess.pump(c)
		c.sess.mu.Unlock()
	}
}

// drain writes what the socket did not take at once, and then whatever was
// queued behind it. It exists only while it has to wait. A peer that takes
// nothing for the WriteTimeout is stuck, and is closed.
func (c *Conn) drain(buf *buffer, n int) {
	defer c.b.wg.Done()
	const chunk = 64 << 10
	var err error
	for rest := buf.b[n:]; len(rest) > 0 && err == nil; {
		if timeout := c.b.limits.WriteTimeout; !c.dying.Load() {
			c.nc.SetWriteDeadline(time.Now().Add(timeout))
		}
		if c.dying.Load() { // shut may have come between: its deadline is the nearer one
			c.nc.SetWriteDeadline(time.Now().Add(c.b.limits.CloseTimeout))
		}
		var k int
		k, err = c.nc.Write(rest[:min(chunk, len(rest))])
		rest = rest[k:]
	}
	buf.free()
	if err == nil && !c.dying.Load() {
		c.nc.SetWriteDeadline(time.Time{})
	}
	c.written(err)
	c.flush()
}

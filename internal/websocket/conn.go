package websocket

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// pongTimeout is how long a peer that pings may leave no room for the answer.
	pongTimeout = 10 * time.Second
	// closeTimeout is for a close frame, and for the peer to read why.
	closeTimeout = time.Second
	// lingerBytes is how much of what a failed peer still sends is thrown away, so
	// that closing does not take our last words away.
	lingerBytes = 256 << 10
	// writeChunk is the longest frame that is written.
	writeChunk = 64 << 10
)

// Conn is the stream of bytes that the binary frames of a connection carry. It
// answers pings and the peer's close frame while it is read. One goroutine may
// read and one may write at a time; the other methods may be called from any.
// A Read or Write that ends with a deadline can be tried again, but for a Write
// that was cut in the middle.
type Conn struct {
	nc   net.Conn
	in   input
	gone atomic.Bool // nothing will come any more: there is nobody to be polite to
	bad  atomic.Bool // the peer broke the protocol: it should be able to read why
	cut  atomic.Bool // a write failed: nothing can be answered any more

	out struct {
		sync.Mutex       // of who writes
		err        error // nothing can follow what was written
	}
	pong atomic.Pointer[[]byte] // to be sent by whoever holds out next

	deadline struct {
		sync.Mutex
		write time.Time // as the owner has set it
	}
}

var (
	errClosed = errors.New("websocket: the close frame was sent")
	errCut    = errors.New("websocket: a ping could not be answered, for a write has failed")
)

// Read gives bytes of the messages, io.EOF after the peer's close frame.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for c.in.finished == nil {
		n, err := c.receive(p)
		n, broken := c.in.take(p[:n], c.control)
		if broken != nil {
			c.in.finished = broken
			c.refuse(broken)
		}
		switch {
		case n > 0:
			return n, nil // the error, if there was one, comes again
		case c.in.finished == nil && err != nil:
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				c.gone.Store(true)
			}
			return 0, err
		}
	}
	return 0, c.in.finished
}

// receive gives bytes as they came over the network.
func (c *Conn) receive(p []byte) (int, error) {
	if len(c.in.early) == 0 {
		return c.nc.Read(p)
	}
	n := copy(p, c.in.early)
	if c.in.early = c.in.early[n:]; len(c.in.early) == 0 {
		c.in.early = nil
	}
	return n, nil
}

// control answers a control frame.
func (c *Conn) control(op byte, payload []byte) error {
	switch op {
	case opPing:
		answer := append([]byte(nil), payload...)
		c.pong.Store(&answer) // in place of an older one (RFC 6455 section 5.5.3)
		if c.answer(); c.cut.Load() {
			return errCut
		}
	case opClose:
		code, err := closeCode(payload)
		if err != nil {
			return err
		}
		c.gone.Store(true)
		c.sayClose(code)
		return io.EOF
	}
	return nil
}

// refuse tells the peer what it did wrong.
func (c *Conn) refuse(err error) {
	if f := (*failure)(nil); errors.As(err, &f) {
		c.bad.Store(true)
		c.sayClose(f.code)
	}
}

// Write sends p in binary frames.
func (c *Conn) Write(p []byte) (n int, err error) {
	c.out.Lock()
	for n < len(p) && err == nil {
		var k int
		k, err = c.send(opBinary, p[n:min(len(p), n+writeChunk)])
		n += k
	}
	c.out.Unlock()
	c.answer()
	return n, err
}

// answer sends the pong that waits, unless somebody writes: who does calls it
// when the frame is out.
func (c *Conn) answer() {
	for c.pong.Load() != nil && c.out.TryLock() {
		if payload := c.pong.Swap(nil); payload != nil {
			c.within(pongTimeout, func() { _, _ = c.send(opPong, *payload) }) // an error stays in out
		}
		c.out.Unlock()
	}
}

var frames = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// send writes one frame in one piece and returns how much of p is out. c.out is
// held.
func (c *Conn) send(op byte, p []byte) (int, error) {
	if c.out.err != nil {
		return 0, c.out.err
	}
	buf := frames.Get().(*[]byte)
	frame := appendFrame((*buf)[:0], op, p)
	n, err := c.nc.Write(frame)
	if err != nil {
		c.out.err = err // the frame may have been cut
		c.cut.Store(true)
	}
	*buf = frame
	frames.Put(buf)
	return max(0, n-(len(frame)-len(p))), err
}

// within runs a write of our own, which must not wait for ever where the owner
// has set no deadline.
func (c *Conn) within(d time.Duration, write func()) {
	c.deadline.Lock()
	if c.deadline.write.IsZero() {
		_ = c.nc.SetWriteDeadline(time.Now().Add(d)) // it fails only on a closed connection
	}
	c.deadline.Unlock()
	write()
	c.deadline.Lock()
	_ = c.nc.SetWriteDeadline(c.deadline.write)
	c.deadline.Unlock()
}

// sayClose sends a close frame, once, and reports whether this call did; with
// code 0 it has none. While somebody writes there is no room for it.
func (c *Conn) sayClose(code uint16) (sent bool) {
	if !c.out.TryLock() {
		return false
	}
	defer c.out.Unlock()
	if c.out.err != nil {
		return false
	}
	var payload []byte
	if code != 0 {
		payload = binary.BigEndian.AppendUint16(nil, code)
	}
	c.within(closeTimeout, func() { _, _ = c.send(opClose, payload) }) // the peer may be gone
	if c.out.err != nil {
		return false
	}
	c.out.err = errClosed
	return true
}

// CloseWrite sends a close frame that says that the server goes away. What the
// peer still sends can be read, until its close frame.
func (c *Conn) CloseWrite() error {
	c.sayClose(closeGoingAway)
	return nil
}

// Close sends a close frame if none was sent, and closes the connection. A peer
// that has not said goodbye itself is given a second to read ours.
func (c *Conn) Close() error {
	if first := c.sayClose(closeNormal); first && !c.gone.Load() || c.bad.Load() {
		c.linger()
	}
	return c.nc.Close()
}

// linger throws away what the peer still sends: closing TCP with unread input
// resets it, and takes the close frame with it.
func (c *Conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(closeTimeout)) // it fails only on a closed connection
	b := make([]byte, 4<<10)
	for left := lingerBytes; left > 0; {
		n, err := c.nc.Read(b)
		if left -= n; err != nil {
			return
		}
	}
}

// LocalAddr and RemoteAddr are those of the connection beneath.
func (c *Conn) LocalAddr() net.Addr  { return c.nc.LocalAddr() }
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline is of the connection beneath.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.nc.SetReadDeadline(t) }

// SetWriteDeadline is of the connection beneath; it holds for our own frames too.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.deadline.Lock()
	defer c.deadline.Unlock()
	c.deadline.write = t
	return c.nc.SetWriteDeadline(t)
}

var _ net.Conn = (*Conn)(nil)

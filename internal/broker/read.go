package broker

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/drover-iot/drover/internal/broker/packet"
)

// errWouldBlock says that a write has to wait.
var errWouldBlock = errors.New("would block")

// batch is what a goroutine needs while it works on packets, and does not need
// while it waits for them: an idle connection holds none.
type batch struct {
	buf     []byte
	pub     packet.Publish
	msg     Message
	targets []target
	dirty   []*Conn // have bytes queued that nobody was asked to write yet
}

const batchBytes = 32 << 10

var batches = sync.Pool{New: func() any { return &batch{buf: make([]byte, batchBytes)} }}

func getBatch() *batch { return batches.Get().(*batch) }

func putBatch(bt *batch) {
	bt.msg, bt.pub = Message{}, packet.Publish{}
	clear(bt.targets)
	if cap(bt.targets) > 4096 {
		bt.targets = nil
	}
	bt.targets = bt.targets[:0]
	batches.Put(bt)
}

// touch notes that c has something to write.
func (bt *batch) touch(c *Conn) {
	for i := len(bt.dirty) - 1; i >= 0 && i >= len(bt.dirty)-4; i-- {
		if bt.dirty[i] == c {
			return
		}
	}
	bt.dirty = append(bt.dirty, c)
}

// flush writes to every connection that was touched, once.
func (bt *batch) flush() {
	for i, c := range bt.dirty {
		if !c.busy.Load() {
			c.flush()
		}
		bt.dirty[i] = nil
	}
	bt.dirty = bt.dirty[:0]
}

// flushOthers is flush, but for the reader's own connection. That one is written
// to when whoever else is ready to run has run: where there is much to do, what
// they have for it goes out in the same write as its acknowledgements, and where
// there is not, nothing is waited for.
func (bt *batch) flushOthers(own *Conn) {
	for i, c := range bt.dirty {
		if c != own {
			c.flush()
		}
		bt.dirty[i] = nil
	}
	bt.dirty = bt.dirty[:0]
}

// flushSoon is flush for those who have no time.
func (bt *batch) flushSoon() {
	for i, c := range bt.dirty {
		c.flushSoon()
		bt.dirty[i] = nil
	}
	bt.dirty = bt.dirty[:0]
}

// inbound is the reading half, owned by the connection's goroutine.
type inbound struct {
	raw  *rawConn // nil where the transport cannot be asked for readiness
	rest []byte   // the beginning of a packet whose end has not come
	need int      // its length, as far as it is known
	idle []byte   // the buffer to wait with, where raw is nil

	last    time.Time     // when the last whole packet came
	limit   time.Duration // how long after it the client counts as gone
	armed   bool          // the read deadline is last+limit, or earlier
	id      uint16        // packet id of the PUBLISH that a hook is asked about
	begun   bool          // the hook began a Pending for it
	aliases []string      // MQTT 5 topic aliases, by alias-1
}

const idleBytes = 512

func (in *inbound) init(c *Conn) {
	if in.raw = newRawConn(c.nc); in.raw == nil {
		in.idle = make([]byte, 0, idleBytes)
	}
	in.last, in.limit = time.Now(), c.b.limits.ConnectTimeout
}

func (in *inbound) tryWrite(p []byte) (int, error) {
	if in.raw == nil {
		return 0, errWouldBlock
	}
	return in.raw.tryWrite(p)
}

// flushHere is to how many connections a reader writes by itself. One that speaks
// to many (a service behind the broker) goes on reading instead, for each write
// costs more than the message did.
const flushHere = 4

// run is the connection's goroutine.
func (c *Conn) run() {
	for !c.dying.Load() {
		bt, data, err := c.read()
		if err != nil {
			c.readFailed(err)
			continue
		}
		c.busy.Store(true)
		c.keep(c.consume(bt, data))
		if len(bt.dirty) > flushHere {
			bt.flushSoon()
		} else {
			bt.flushOthers(c)
		}
		putBatch(bt)
		runtime.Gosched() // see flushOthers
		c.busy.Store(false)
		c.flush()
	}
	c.end()
}

// read waits for bytes, and returns all that is there of incomplete packets.
// The deadline is set once and moved only when it has come, so that a packet
// costs no timer (transport time is real time, design.md decision 6).
func (c *Conn) read() (*batch, []byte, error) {
	in := &c.in
	if !in.armed {
		in.armed = true
		deadline := in.last.Add(in.limit)
		if !c.until.IsZero() && c.until.Before(deadline) {
			deadline = c.until
		}
		c.nc.SetReadDeadline(deadline)
		if c.dying.Load() {
			return nil, nil, os.ErrDeadlineExceeded
		}
	}
	if in.raw != nil {
		return in.raw.read(in)
	}
	if in.rest == nil {
		in.rest = in.idle
	}
	in.grow()
	n, err := c.nc.Read(in.rest[len(in.rest):cap(in.rest)])
	in.rest = in.rest[:len(in.rest)+n]
	if n > 0 {
		err = nil // it will come again
	}
	if err != nil {
		return nil, nil, err
	}
	return getBatch(), in.rest, nil
}

// grow makes room behind rest: as much again as has come, so that a client has
// to send what it makes the broker allocate.
func (in *inbound) grow() {
	if len(in.rest) < cap(in.rest) {
		return
	}
	grown := make([]byte, len(in.rest), max(idleBytes, min(2*len(in.rest), max(in.need, len(in.rest)+1))))
	copy(grown, in.rest)
	in.rest = grown
}

// keep holds on to the incomplete packet at the end of what was read.
func (c *Conn) keep(left []byte) {
	in := &c.in
	switch {
	case len(left) == 0:
		in.rest, in.need = nil, 0
	case in.rest == nil: // in a batch
		in.rest = append(make([]byte, 0, len(left)), left...)
	case &left[0] != &in.rest[0]:
		in.rest = append(in.rest[:0], left...)
	}
}

// readFailed tells a deadline that has only to be moved from a client that was
// silent for too long, and from a connection that is gone.
func (c *Conn) readFailed(err error) {
	in := &c.in
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		c.shut(ConnectionLost, 0)
		return
	}
	in.armed = false
	switch {
	case !c.until.IsZero() && !time.Now().Before(c.until):
		c.shut(ServerInitiated, packet.AdministrativeAction)
		return
	case time.Since(in.last) < in.limit:
		return
	}
	if c.sess == nil {
		c.shut(ClientError, 0) // never finished its CONNECT
		return
	}
	c.shut(KeepAliveTimeout, packet.KeepAliveTimeout)
}

// consume works on every whole packet in data and returns what is left.
func (c *Conn) consume(bt *batch, data []byte) []byte {
	in := &c.in
	whole := false
	defer func() {
		if whole && c.sess != nil {
			in.last = time.Now()
		}
	}()
	for !c.dying.Load() {
		h, n, err := packet.ParseHeader(data)
		if err == nil && n > 0 {
			err = c.admit(h)
		}
		if err != nil {
			c.fail(bt, err)
			break
		}
		if n == 0 {
			in.need = packet.MaxHeader
			return data
		}
		if in.need = n + h.Length; len(data) < in.need {
			return data
		}
		if err := c.handle(bt, h, data[n:in.need]); err != nil {
			c.fail(bt, err)
			break
		}
		data, whole = data[in.need:], true
	}
	return nil
}

// admit judges a packet by its fixed header, before its body is taken in.
func (c *Conn) admit(h packet.Header) error {
	switch {
	case c.sess == nil && h.Type != packet.CONNECT:
		return &packet.Error{Code: packet.ProtocolError, Clause: "3.1.0-1", Detail: "a first packet that is not CONNECT"}
	case h.Length > c.b.limits.MaxPayload+c.b.limits.HeaderRoom:
		return &packet.Error{Code: packet.QuotaExceeded, Clause: "device-plane.md 6.2", Detail: "a packet longer than the maximum packet size"}
	}
	return nil
}

// fail ends a connection whose client broke the protocol or a limit.
func (c *Conn) fail(bt *batch, err error) {
	code := packet.Unspecified
	var pe *packet.Error
	if errors.As(err, &pe) {
		code = pe.Code
	}
	reason := ClientError
	if code == packet.NotAuthorized {
		reason = ForbiddenAccess
	}
	c.b.log.Info("closing an MQTT connection", "client", c.id, "remote", c.nc.RemoteAddr(), "reason", reason, "err", err)
	bt.flush()
	c.shut(reason, code)
}

// isRetryable reports whether a system call has only to be repeated.
func isRetryable(err error) bool { return err == syscall.EINTR }

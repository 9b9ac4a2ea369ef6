package broker

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drover-iot/drover/internal/broker/packet"
)

// Conn is one client's connection. Its exported methods may be called from any
// goroutine unless they say otherwise.
type Conn struct {
	b     *Broker
	nc    net.Conn
	facts any
	until time.Time // when it ends at the latest, in transport time; zero is never

	// Set before the session is attached, and never changed after.
	id        string
	serial    int64 // of the connections with a session
	version   byte
	window    int // QoS 1 messages the client takes unacknowledged
	maxPacket int // the longest packet the client takes; 0 is any
	sess      *session
	will      *Message
	willDelay time.Duration

	in  inbound // owned by the connection's goroutine
	out outbound

	busy   atomic.Bool // the goroutine works on what it read, and will flush
	dying  atomic.Bool // shut was called: the goroutine is on its way out
	reason DisconnectReason

	// Requests and acknowledgements that wait, in arrival order; the list is
	// guarded by sess.mu.
	head, tail *Pending
	pending    atomic.Int32
	unacked    atomic.Int32 // those of them that are QoS 1
}

// ClientID is the client's id, also the one that the broker assigned.
func (c *Conn) ClientID() string { return c.id }

// Version is the protocol level: 4 for MQTT 3.1.1, 5 for MQTT 5.
func (c *Conn) Version() byte { return c.version }

// Serial numbers the connections in the order in which they are accepted. It goes on
// growing over a restart, for it begins at the time of the clock.
func (c *Conn) Serial() int64 { return c.serial }

// Facts is what Attach was given, or SetFacts.
func (c *Conn) Facts() any { return c.facts }

// SetFacts replaces the facts; only Hooks.Connect may call it.
func (c *Conn) SetFacts(facts any) { c.facts = facts }

// RemoteAddr is the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// NetConn is the transport, for looking at only.
func (c *Conn) NetConn() net.Conn { return c.nc }

// Disconnect ends the connection from the server's side; a MQTT 5 client that has
// its CONNACK is told the reason.
func (c *Conn) Disconnect(reason byte) { c.shut(ServerInitiated, packet.Code(reason)) }

func newConn(b *Broker, nc net.Conn, facts any) *Conn {
	c := &Conn{b: b, nc: nc, facts: facts}
	c.in.init(c)
	return c
}

// shut begins the connection's end; the first call decides its reason. What is
// queued, and for MQTT 5 a DISCONNECT with code (0 sends none), still goes out
// if the peer takes it within the CloseTimeout. It never blocks; the
// connection's goroutine does the rest.
func (c *Conn) shut(reason DisconnectReason, code packet.Code) {
	o := &c.out
	o.mu.Lock()
	if o.closing {
		o.mu.Unlock()
		return
	}
	if code != 0 && o.greeted && c.version == packet.V5 {
		o.buf = o.grab()
		o.buf.b = packet.AppendDisconnect(o.buf.b, packet.V5, &packet.Disconnect{Code: code})
	}
	o.closing = true
	o.drained = make(chan struct{})
	c.reason = reason
	c.dying.Store(true)
	wake := o.wake
	o.mu.Unlock()
	kick(wake)
	c.nc.SetWriteDeadline(time.Now().Add(c.b.limits.CloseTimeout))
	c.nc.SetReadDeadline(time.Unix(1, 0)) // the goroutine stops waiting
	c.flush()
}

// rest blocks the connection's goroutine in the middle of its work until ready,
// or until shut; whoever makes it ready kicks. What was queued so far is
// flushed.
func (c *Conn) rest(bt *batch, ready func() bool) {
	c.busy.Store(false)
	defer c.busy.Store(true)
	c.flush()
	bt.flush()
	c.out.mu.Lock()
	if c.out.wake == nil {
		c.out.wake = make(chan struct{}, 1)
	}
	wake := c.out.wake
	c.out.mu.Unlock()
	for !ready() && !c.dying.Load() {
		<-wake
	}
}

func (c *Conn) kick() {
	c.out.mu.Lock()
	wake := c.out.wake
	c.out.mu.Unlock()
	kick(wake)
}

func kick(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default: // nobody waits, or a kick is already there
	}
}

// end is the last thing the connection's goroutine does, after shut: the
// session is left, the will published, the last bytes are waited for.
func (c *Conn) end() {
	defer c.b.wg.Done()
	if c.sess != nil {
		c.b.detach(c)
	}
	<-c.out.drained
	if c.reason != ConnectionLost && c.reason != ClientInitiated {
		c.linger()
	}
	c.nc.Close()
	c.b.mu.Lock()
	delete(c.b.conns, c)
	c.b.mu.Unlock()
}

// linger lets the peer read our last words: closing a TCP connection with
// unread input resets it, and takes them away. Bounded in time and bytes.
func (c *Conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.nc.SetReadDeadline(time.Now().Add(c.b.limits.CloseTimeout))
	bt := getBatch()
	defer putBatch(bt)
	for left := 256 << 10; left > 0; {
		n, err := c.nc.Read(bt.buf)
		if left -= n; err != nil {
			return
		}
	}
}

// serial is the last number of a connection.
type serial struct{ last atomic.Int64 }

// next is the number of a connection that is accepted now: later than every other,
// and than those before a restart, unless the clock was set back meanwhile.
func (s *serial) next(now time.Time) int64 {
	for {
		last := s.last.Load()
		if n := max(last+1, now.UnixMilli()); s.last.CompareAndSwap(last, n) {
			return n
		}
	}
}

// outbound is a connection's queue of bytes, and the right to write them.
type outbound struct {
	mu       sync.Mutex
	buf      *buffer       // nil while empty
	writing  bool          // somebody writes, and will take what is appended
	greeted  bool          // CONNACK is in: other packets may follow
	starved  bool          // the session has QoS 1 messages for which there was no room
	closing  bool          // nothing is appended any more
	finished bool          // drained is closed
	due      bool          // in the flusher's list; guarded by its lock
	drained  chan struct{} // made by shut, closed when nothing will be written any more
	wake     chan struct{} // made by rest
}

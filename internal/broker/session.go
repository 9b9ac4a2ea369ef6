package broker

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// session is what the broker keeps for a client id: for a persistent one also
// while the client is away.
type session struct {
	b  *Broker
	id string

	// persistent is also asked by HasPersistentAudience, without the lock.
	persistent atomic.Bool

	mu     sync.Mutex
	conn   *Conn // nil while offline
	live   bool  // the CONNACK is queued: deliveries may follow it
	stored bool  // a persistent one is on disk: it may be resumed
	dead   bool  // replaced or expired: nothing is added any more
	full   bool  // a message was dropped since the queue was last empty
	expiry time.Duration
	left   time.Time    // domain time of the disconnect; zero while connected
	timer  Timer        // expiry, while offline
	will   *delayedWill // while offline
	again  Timer        // to send what could not be judged; nil: nothing waits for it

	subs    []Subscription
	queue   deque[entry]
	bytes   int // payloads of the queue and of stored messages in flight
	flights flights
}

// entry is a QoS 1 message that the session has to deliver.
type entry struct {
	m      *Message
	seq    int64 // of the stored message; 0 where nothing is stored
	retain bool
	reply  bool // to a request: it dies with its connection, and Receive is not asked
}

// subscription returns the place of filter in subs, or -1.
func (s *session) subscription(filter string) int {
	for i := range s.subs {
		if s.subs[i].Filter == filter {
			return i
		}
	}
	return -1
}

// grantedQoS is the highest QoS of the filters that match topic; 0 where none
// does (device-plane.md 1.4). s.mu is held.
func (s *session) grantedQoS(topic string) (qos byte) {
	for i := range s.subs {
		if q := s.subs[i].Options.QoS(); q > qos && Match(s.subs[i].Filter, topic) {
			qos = q
		}
	}
	return qos
}

// deliverQoS0 hands a QoS 0 message to the session's connection: what cannot be
// queued there is lost. It returns the connection that now has bytes to write.
func (s *session) deliverQoS0(m *Message, retain bool) *Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.conn
	if c == nil || !s.live || s.b.hooks.Receive(c, m.Topic) != Received {
		return nil
	}
	if c.sendPublish(m, 0, retain, 0) != queued {
		return nil
	}
	return c
}

// deliverQoS1 hands a QoS 1 message to the session: it goes out at once if it
// can, and waits in the queue otherwise. For a persistent session the change
// that stores it is appended to changes.
func (s *session) deliverQoS1(f *fanout, retain bool, changes []Change) (*Conn, []Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.conn
	durable := s.persistent.Load()
	if s.dead || c == nil && !durable {
		return nil, changes
	}
	if s.overfull(len(f.m.Payload)) {
		return nil, changes
	}
	e := entry{m: f.m, retain: retain}
	if durable && s.b.store != nil {
		e.m, e.seq = f.keep(), s.b.seq.Add(1)
		changes = append(changes, Change{Kind: QueueAppend, ClientID: s.id, Seq: e.seq, Message: e.m})
	}
	if s.queue.len() == 0 && s.ready(c) && s.transmit(c, e, f) {
		return c, changes
	}
	e.m = f.keep()
	s.queue.push(e)
	s.bytes += len(e.m.Payload)
	return nil, changes
}

// overfull reports whether another message has no room: the newest is dropped,
// and the log says so once until the queue has been empty again.
func (s *session) overfull(n int) bool {
	l := &s.b.limits
	if held := s.queue.len() + s.flights.len(); held == 0 || held < l.SessionQueue && s.bytes+n <= l.SessionBytes {
		return false
	}
	if !s.full {
		s.full = true
		s.b.log.Warn("the MQTT session's queue is full: new QoS 1 messages are dropped until there is room",
			"client", s.id, "messages", s.queue.len()+s.flights.len(), "bytes", s.bytes, "connected", s.conn != nil)
	}
	return true
}

// ready reports whether c takes another QoS 1 message now.
func (s *session) ready(c *Conn) bool {
	return c != nil && c == s.conn && s.live && s.flights.len() < c.window
}

// transmit takes e off the session's hands if it can: sent, or not to be sent at
// all. False means that it stays, or goes, into the queue. f, if not nil, knows
// how to keep a message that is only valid now.
func (s *session) transmit(c *Conn, e entry, f *fanout) bool {
	if !e.reply {
		may := s.b.hooks.Receive(c, e.m.Topic)
		if may == NotReceived || s.b.expired(e.m) {
			s.b.removals.add(s.b, s, e.seq)
			return true
		}
		if may == ReceivedLater {
			s.askAgain()
			return false
		}
	}
	id := s.flights.nextID()
	switch c.sendPublish(e.m, 1, e.retain, id) {
	case queued:
	case tooLarge: // v5 3.1.2.11.4: as if it had been sent
		s.b.removals.add(s.b, s, e.seq)
		return true
	default:
		return false
	}
	switch {
	case e.reply || !s.persistent.Load():
		e = entry{} // never sent again: only its id counts
	case f != nil:
		e.m = f.keep()
		fallthrough
	default:
		s.bytes += len(e.m.Payload)
	}
	s.flights.push(id, e)
	return true
}

// askAgainAfter is how long a message waits whose reception is not known.
const askAgainAfter = time.Second

// askAgain tries again later to send what waits in the queue. s.mu is held.
func (s *session) askAgain() {
	if s.again != nil {
		return
	}
	s.again = s.b.clock.AfterFunc(askAgainAfter, func() {
		s.mu.Lock()
		s.again = nil
		c := s.conn
		sent := c != nil && s.pump(c)
		s.mu.Unlock()
		if sent {
			c.flushSoon()
		}
	})
}

// pump sends what waits in the queue, as far as c takes it. It reports whether
// there is something to flush. s.mu is held.
func (s *session) pump(c *Conn) (sent bool) {
	for s.queue.len() > 0 && s.ready(c) {
		e := s.queue.front()
		s.bytes -= len(e.m.Payload)
		if !s.transmit(c, e, nil) {
			s.bytes += len(e.m.Payload)
			break
		}
		s.queue.pop()
		sent = true
	}
	if s.queue.len() == 0 {
		s.full = false
	}
	return sent
}

// acked takes the client's PUBACK: the message is done, and the next may go.
func (s *session) acked(c *Conn, id uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != c {
		return
	}
	e, ok := s.flights.ack(id)
	if !ok {
		return // already acknowledged, or of an earlier connection
	}
	if e.m != nil {
		s.bytes -= len(e.m.Payload)
		s.b.removals.add(s.b, s, e.seq)
	}
	s.pump(c)
}

// suspend puts what was not acknowledged back to the front of the queue, in
// order; replies are lost with their connection. s.mu is held.
func (s *session) suspend() {
	var again deque[entry]
	for _, f := range s.flights.pending() {
		if f.e.m != nil { // its bytes stay counted
			again.push(f.e)
		}
	}
	for s.queue.len() > 0 {
		if e := s.queue.pop(); !e.reply {
			again.push(e)
		} else {
			s.bytes -= len(e.m.Payload)
		}
	}
	s.queue, s.flights = again, flights{}
}

// deque is a FIFO that holds no memory while it is empty.
type deque[T any] struct {
	items []T
	head  int
}

func (d *deque[T]) len() int { return len(d.items) - d.head }
func (d *deque[T]) front() T { return d.items[d.head] }
func (d *deque[T]) push(v T) { d.items = append(d.items, v) }
func (d *deque[T]) all() []T { return d.items[d.head:] }
func (d *deque[T]) pop() (v T) {
	var zero T
	v, d.items[d.head] = d.items[d.head], zero
	if d.head++; d.head == len(d.items) {
		*d = deque[T]{}
	} else if d.head >= 64 && d.head*2 >= len(d.items) {
		n := copy(d.items, d.items[d.head:])
		clear(d.items[n:])
		d.items, d.head = d.items[:n], 0
	}
	return v
}

// flights are the QoS 1 messages that were sent and not acknowledged, in the
// order of sending, under packet ids of their own: the client's ids are another
// space (2.3.1).
type flights struct {
	list []flight // acknowledged ones in the middle have id 0
	head int
	n    int
	sent uint64 // counts sendings; ids follow from it
}

type flight struct {
	id  uint16
	nth uint64
	e   entry
}

func (f *flights) len() int { return f.n }

// nextID is the id that push will use: 1..65535 in turn, but for those that are
// still in flight. Only a message that is a whole round old can hold one.
func (f *flights) nextID() uint16 {
	for {
		id := uint16(f.sent%65535) + 1
		if f.n == 0 || f.sent-f.list[f.head].nth < 65535 || f.find(id) < 0 {
			return id
		}
		f.sent++
	}
}

func (f *flights) push(id uint16, e entry) {
	if len(f.list) == cap(f.list) && len(f.list) >= 2*f.n { // mostly acknowledged: no need to grow
		f.list = slices.DeleteFunc(f.list, func(x flight) bool { return x.id == 0 })
		f.head = 0
	}
	f.list = append(f.list, flight{id, f.sent, e})
	f.n++
	f.sent++
}

func (f *flights) find(id uint16) int {
	for i := f.head; i < len(f.list); i++ {
		if f.list[i].id == id {
			return i
		}
	}
	return -1
}

func (f *flights) ack(id uint16) (e entry, ok bool) {
	i := f.find(id)
	if id == 0 || i < 0 {
		return e, false
	}
	e = f.list[i].e
	f.list[i] = flight{}
	f.n--
	for f.head < len(f.list) && f.list[f.head].id == 0 {
		f.head++
	}
	if f.n == 0 && cap(f.list) > 8 {
		f.list, f.head = nil, 0 // a burst is over: give its memory back
	}
	return e, true
}

// pending returns what is in flight, oldest first.
func (f *flights) pending() (out []flight) {
	for _, x := range f.list[f.head:] {
		if x.id != 0 {
			out = append(out, x)
		}
	}
	return out
}

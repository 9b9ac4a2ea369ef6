package broker

import (
	"slices"
	"time"
)

// delayedWill waits for its connection's client to come back (v5 3.1.3.2.2). It
// is not stored: a restart of the server forgets it.
type delayedWill struct {
	m     *Message
	timer Timer
}

// attach gives c its session: the stored one if the client may resume it, else
// a new one. An older connection of the same client id is taken over: it keeps
// nothing, and is told so. What the CONNACK says of a persistent session must be
// on disk first: that it is there from now on, or that it ends. stored is called
// when it is; waits says that it will be.
func (b *Broker) attach(c *Conn, clean bool, expiry time.Duration, stored func(error)) (present, waits bool) {
	b.mu.Lock()
	old := b.sessions[c.id]
	b.storeMu.Lock()
	var prev *Conn
	var will *Message
	if present = old != nil && !clean && old.resumable(); present {
		prev, waits = old.resume(c, expiry, stored)
	} else {
		if old != nil {
			// The group of a new session, if there will be one, comes after this.
			ended := stored
			if expiry > 0 {
				ended = nil
			}
			prev, will, waits = b.drop(old, ended)
		}
		s := &session{b: b, id: c.id, conn: c, expiry: expiry, stored: b.store == nil}
		c.sess = s
		b.sessions[c.id] = s
		if expiry > 0 {
			s.persistent.Store(true)
			b.durable.Add(1)
			if waits = b.store != nil; waits {
				b.store.Apply([]Change{{Kind: SessionPut, ClientID: s.id, Expiry: expiry}}, stored)
			}
		}
	}
	b.storeMu.Unlock()
	b.mu.Unlock()
	if prev != nil {
		prev.shut(DuplicateClientID, codeTakenOver)
	}
	if will != nil {
		b.publishWill(will)
	}
	return present, waits
}

// resumable reports whether the session outlives its connection and its time is
// not over. Broker.mu is held.
func (s *session) resumable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.persistent.Load() && s.stored && s.expiry > 0 &&
		(s.conn != nil || s.b.clock.Now().Before(s.left.Add(s.expiry)))
}

// resume hands the session to c and returns the connection that had it. What
// was not acknowledged waits in the queue again, until c's CONNACK is out. One
// that is to end with c is taken off the disk: ended is called when it is, and
// waits says that it will be. Broker.mu and storeMu are held.
func (s *session) resume(c *Conn, expiry time.Duration, ended func(error)) (prev *Conn, waits bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	prev = s.conn
	s.stopTimers()
	s.suspend()
	c.sess = s
	s.conn, s.live, s.left, s.expiry = c, false, time.Time{}, expiry
	change := Change{Kind: SessionPut, ClientID: s.id, Expiry: expiry}
	if expiry == 0 { // it ends with this connection, so nothing of it is worth storing
		change = Change{Kind: SessionDelete, ClientID: s.id}
		s.persistent.Store(false)
		s.b.durable.Add(-1)
		for i := range s.queue.all() {
			s.queue.all()[i].seq = 0
		}
	}
	if s.b.store == nil {
		return prev, false
	}
	if waits = expiry == 0; !waits {
		ended = nil
	}
	s.b.store.Apply([]Change{change}, ended)
	return prev, waits
}

// drop ends a session for good, and returns the connection it had and the will
// that waited for its end. ended, if not nil, is called when it is off the disk;
// waits says that it was there. Broker.mu and storeMu are held.
func (b *Broker) drop(s *session, ended func(error)) (prev *Conn, will *Message, waits bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.sessions[s.id] == s {
		delete(b.sessions, s.id)
	}
	if s.will != nil {
		will = s.will.m
	}
	s.stopTimers()
	prev = s.conn
	s.conn, s.live, s.dead = nil, false, true
	for i := range s.subs {
		b.index.remove(s.subs[i].Filter, s)
	}
	s.subs, s.queue, s.flights = nil, deque[entry]{}, flights{}
	if s.persistent.Swap(false) {
		b.durable.Add(-1)
		if waits = b.store != nil; waits {
			b.store.Apply([]Change{{Kind: SessionDelete, ClientID: s.id}}, ended)
		}
	}
	return prev, will, waits
}

func (s *session) stopTimers() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	if s.will != nil {
		s.will.timer.Stop()
		s.will = nil
	}
}

// detach is called once for a connection that had a session, on its own
// goroutine: the session is left to wait for its client, or ends with the
// connection, unless a newer connection has it already.
func (b *Broker) detach(c *Conn) {
	s := c.sess
	b.mu.Lock()
	b.storeMu.Lock()
	s.mu.Lock()
	owner := s.conn == c
	waits := owner && s.expiry > 0 && s.persistent.Load()
	ended := s.dead || owner && !waits
	will := c.will
	if waits {
		s.leave()
		if will != nil && c.willDelay > 0 {
			s.delayWill(will, c.willDelay)
			will = nil
		}
	}
	s.mu.Unlock()
	if owner && !waits {
		b.drop(s, nil)
	}
	b.storeMu.Unlock()
	b.mu.Unlock()
	if will != nil && (c.willDelay == 0 || ended) {
		b.publishWill(will)
	}
	b.hooks.Disconnected(c, c.reason)
}

// leave makes the session wait for its client. s.mu is held.
func (s *session) leave() {
	b := s.b
	s.conn, s.live, s.left = nil, false, b.clock.Now()
	s.suspend()
	if b.store != nil {
		b.store.Apply([]Change{{Kind: SessionPut, ClientID: s.id, Expiry: s.expiry, DisconnectedAt: s.left}}, nil)
	}
	s.expireIn(s.expiry)
}

// expireIn ends the session d from now if its client has not come back.
func (s *session) expireIn(d time.Duration) {
	left := s.left
	s.timer = s.b.clock.AfterFunc(max(d, 0), func() { s.b.expire(s, left) })
}

func (b *Broker) expire(s *session, left time.Time) {
	b.mu.Lock()
	b.storeMu.Lock()
	s.mu.Lock()
	over := s.conn == nil && !s.dead && s.left.Equal(left)
	s.mu.Unlock()
	var will *Message
	if over && !b.closed {
		_, will, _ = b.drop(s, nil)
	}
	b.storeMu.Unlock()
	b.mu.Unlock()
	if will != nil {
		b.publishWill(will)
	}
	if over {
		b.timed(s.id, SessionExpired)
	}
}

func (s *session) delayWill(m *Message, d time.Duration) {
	w := &delayedWill{m: m}
	s.will = w
	w.timer = s.b.clock.AfterFunc(min(d, s.expiry), func() {
		s.mu.Lock()
		due := s.will == w
		if due {
			s.will = nil
		}
		s.mu.Unlock()
		if due {
			s.b.publishWill(m)
			s.b.timed(s.id, WillPublished)
		}
	})
}

// publishWill publishes what a connection left behind; permission was asked
// when it connected.
func (b *Broker) publishWill(m *Message) {
	bt := getBatch()
	b.route(bt, m, origin{}, true)
	bt.flushSoon()
	putBatch(bt)
}

// restore makes a session of what was stored. It is called before the broker
// serves anyone.
func (b *Broker) restore(st StoredSession) error {
	s := &session{b: b, id: st.ClientID, expiry: st.Expiry, left: st.DisconnectedAt, stored: true}
	if s.left.IsZero() {
		s.left = b.clock.Now()
	}
	s.persistent.Store(true)
	b.durable.Add(1)
	b.sessions[s.id] = s
	s.subs = slices.Clone(st.Subscriptions)
	for _, sub := range s.subs {
		b.index.put(sub.Filter, s, sub.Options)
	}
	for _, q := range st.Queue {
		s.queue.push(entry{m: q.Message, seq: q.Seq})
		s.bytes += len(q.Message.Payload)
		b.seq.Store(max(b.seq.Load(), q.Seq))
	}
	s.expireIn(s.left.Add(s.expiry).Sub(b.clock.Now()))
	return nil
}

// stopTimers is the last act of Close: what is offline stays so.
func (b *Broker) stopTimers() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.sessions {
		s.mu.Lock()
		s.stopTimers()
		s.mu.Unlock()
	}
}

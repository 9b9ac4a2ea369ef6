package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drover-iot/drover/internal/broker/packet"
)

// Limits bound what clients may make the broker hold. A zero field is its
// default. Those that AWS publishes and that cost nothing are constants
// (device-plane.md 6.2).
type Limits struct {
	MaxPayload     int           // of a PUBLISH and of a will; 128 KiB
	HeaderRoom     int           // a packet may be this much longer than MaxPayload; 8 KiB
	Outbound       int           // bytes a connection's queue may hold before QoS 0 is dropped and QoS 1 waits; 256 KiB
	SessionQueue   int           // QoS 1 messages a session may hold unacknowledged; 10,000
	SessionBytes   int           // and their payload bytes; 4 MiB
	Retained       int           // retained messages; 100,000
	RetainedBytes  int           // and their payload bytes; 256 MiB
	ConnectTimeout time.Duration // from the transport's start to the end of CONNECT; 10 s
	WriteTimeout   time.Duration // without progress of a write; then a peer that does not read is closed; 20 s
	CloseTimeout   time.Duration // for the last bytes to a connection that is being closed; 1 s
	SessionExpiry  time.Duration // of a MQTT 3.1.1 session after its disconnect; 1 h
	MaxExpiry      time.Duration // what a MQTT 5 client may ask for at most; 7 days
}

func (l Limits) withDefaults() Limits {
	num := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	dur := func(p *time.Duration, v time.Duration) {
		if *p <= 0 {
			*p = v
		}
	}
	num(&l.MaxPayload, 128<<10)
	num(&l.HeaderRoom, 8<<10)
	num(&l.Outbound, 256<<10)
	num(&l.SessionQueue, 10_000)
	num(&l.SessionBytes, 4<<20)
	num(&l.Retained, 100_000)
	num(&l.RetainedBytes, 256<<20)
	dur(&l.ConnectTimeout, 10*time.Second)
	dur(&l.WriteTimeout, 20*time.Second)
	dur(&l.CloseTimeout, time.Second)
	dur(&l.SessionExpiry, time.Hour)
	dur(&l.MaxExpiry, 7*24*time.Hour)
	return l
}

// Limits of device-plane.md 6.2 that are not configurable.
const (
	maxFilters       = 8   // in one SUBSCRIBE
	maxSubscriptions = 50  // of one connection
	maxInflight      = 100 // unacknowledged QoS 1, each way; also requests that wait
	maxAliases       = 8
	minKeepAlive     = 30 * time.Second
	maxKeepAlive     = 1200 * time.Second
)

// Config is what a Broker is made of; the zero value works.
type Config struct {
	Clock    Clock        // domain time; nil is the real one
	Sessions SessionStore // nil: sessions live in memory only, and nothing waits
	Hooks    Hooks        // nil allows everything
	Log      *slog.Logger // nil is silent
	Limits   Limits
	// Timed hears what the Clock has caused, when it is done. nil: nobody asks.
	Timed func(clientID string, what Timed)
}

// Timed is what happens in a session because its time has come.
type Timed byte

// The kinds of Timed.
const (
	SessionExpired Timed = iota + 1 // its client did not come back
	WillPublished                   // the will's delay is over
)

// Broker is the core. Its methods may be called from any goroutine; Publish,
// HasAudience and the Pendings' replies never wait for a client or a disk.
type Broker struct {
	clock  Clock
	store  SessionStore
	hooks  Hooks
	log    *slog.Logger
	limits Limits
	timed  func(string, Timed)

	index    *index
	retained retained
	seq      atomic.Int64 // the last sequence number of a stored message
	serial   serial       // of connections
	durable  atomic.Int64 // persistent sessions, connected or not
	removals removals
	flusher  flusher

	// mu guards who is here. It is held while a session changes hands, so that
	// for one client id the newest connection wins, and the changes of its
	// sessions reach the store in order.
	mu        sync.Mutex
	sessions  map[string]*session
	conns     map[*Conn]struct{}
	listeners map[net.Listener]struct{}
	closed    bool

	// storeMu keeps the store's order that of the broker: held shared from the
	// moment a message gets its sequence number until its group was handed over,
	// exclusively while persistent sessions are made or end, and while
	// acknowledged messages are removed.
	storeMu sync.RWMutex

	wg sync.WaitGroup // connections, and goroutines that outlive a call
}

// New makes a Broker and loads what its SessionStore holds: the persistent
// sessions, offline, and the retained messages. Sessions that were connected
// when the server went down count as disconnected now.
func New(cfg Config) (*Broker, error) {
	b := &Broker{
		clock: cfg.Clock, store: cfg.Sessions, hooks: cfg.Hooks, log: cfg.Log, limits: cfg.Limits.withDefaults(),
		timed:     cfg.Timed,
		index:     newIndex(),
		sessions:  make(map[string]*session),
		conns:     make(map[*Conn]struct{}),
		listeners: make(map[net.Listener]struct{}),
	}
	if b.clock == nil {
		b.clock = realClock{}
	}
	if b.hooks == nil {
		b.hooks = AllowAll{}
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if b.timed == nil {
		b.timed = func(string, Timed) {}
	}
	b.retained.m = make(map[string]*Message)
	if b.store == nil {
		return b, nil
	}
	keep := func(m Message) error { b.retained.put(&m); return nil }
	if err := b.store.Load(context.Background(), b.restore, keep); err != nil {
		return nil, fmt.Errorf("load MQTT sessions: %w", err)
	}
	return b, nil
}

// Serve accepts connections until ln fails or Close, and returns nil after
// Close. It closes ln.
func (b *Broker) Serve(ln net.Listener) error {
	defer ln.Close()
	if !b.watch(ln) {
		return nil
	}
	defer b.unwatch(ln)
	for wait := 5 * time.Millisecond; ; {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			wait = 5 * time.Millisecond
			b.Attach(nc, nil)
		case b.isClosed():
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default: // out of file descriptors, most likely: some will come back
			b.log.Warn("accepting MQTT connections failed, will try again", "err", err, "wait", wait)
			time.Sleep(wait)
			wait = min(2*wait, time.Second)
		}
	}
}

func (b *Broker) watch(ln net.Listener) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.listeners[ln] = struct{}{}
	return true
}

func (b *Broker) unwatch(ln net.Listener) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.listeners, ln)
}

func (b *Broker) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

// Attach takes over an established connection: plain, *tls.Conn, or anything
// else that is a stream. It returns at once; a goroutine of the broker's owns nc
// from then on. facts is what the caller knows of the peer (Conn.Facts).
func (b *Broker) Attach(nc net.Conn, facts any) { b.AttachUntil(nc, facts, time.Time{}) }

// AttachUntil is Attach of a connection that ends at this time at the latest,
// which is transport time; a MQTT 5 client is told 0x98 then. The zero time is
// never.
func (b *Broker) AttachUntil(nc net.Conn, facts any, until time.Time) {
	c := newConn(b, nc, facts)
	c.until = until
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		nc.Close()
		return
	}
	b.conns[c] = struct{}{}
	b.wg.Add(1)
	b.mu.Unlock()
	go c.run()
}

// Close ends every connection (MQTT 5: DISCONNECT 0x8B), publishes the wills
// that this leaves, and returns when all goroutines have ended and the session
// store has synced what it was given, or with ctx's error. A second call
// returns when the first does.
func (b *Broker) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	for ln := range b.listeners {
		ln.Close()
	}
	b.mu.Unlock()
	b.shutAll(packet.ServerShuttingDown)
	ended := make(chan error, 1)
	go func() {
		b.wg.Wait()
		b.stopTimers()
		b.removals.flush(b)
		if b.store == nil {
			ended <- nil
			return
		}
		b.store.Apply(nil, func(err error) { ended <- err })
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return fmt.Errorf("closing the MQTT broker: %w", ctx.Err())
	}
}

// Publish fans m out from the server to every session with a matching filter;
// nobody's permission to publish is asked. The broker keeps m.Payload: it must
// not change any more. token, unless nil, is handed to SessionStore.Apply in
// the group that stores m for the persistent sessions that must hear it, in a
// group of its own when there is none. Without a SessionStore it is ignored.
// What Check refuses is dropped and logged; its token is handed over all the same.
func (b *Broker) Publish(m Message, token any) {
	if err := b.Check(&m); err != nil {
		b.log.Error("a message of the server is none that MQTT can carry: dropped", "topic", m.Topic, "bytes", len(m.Payload), "err", err)
		if token != nil && b.store != nil {
			b.store.Apply([]Change{{Kind: Token, Token: token}}, nil)
		}
		return
	}
	bt := getBatch()
	b.route(bt, &m, origin{token: token}, true)
	bt.flushSoon()
	putBatch(bt)
}

// Forget consumes a token as Publish does, for a message that nobody will hear.
func (b *Broker) Forget(token any) {
	if b.store == nil || token == nil {
		return
	}
	b.storeMu.RLock()
	defer b.storeMu.RUnlock()
	b.store.Apply([]Change{{Kind: Token, Token: token}}, nil)
}

// Flush writes what is queued for every connection, as far as the sockets take
// it: when it returns, what was published before has left, but for peers that do
// not read and for what a connection's own goroutine is writing at that moment.
func (b *Broker) Flush() {
	b.mu.Lock()
	all := make([]*Conn, 0, len(b.conns))
	for c := range b.conns {
		all = append(all, c)
	}
	b.mu.Unlock()
	for _, c := range all {
		c.flush()
	}
}

// HasAudience reports whether any session, connected or persistent, has a
// filter that matches topic.
func (b *Broker) HasAudience(topic string) bool {
	return b.index.any(topic, func(target) bool { return true })
}

// HasPersistentAudience reports whether any persistent session has a filter
// that matches topic. A filter counts from before its SUBACK. It is cheap, and
// waits for nothing but the index's own short locks.
func (b *Broker) HasPersistentAudience(topic string) bool {
	return b.durable.Load() > 0 && b.index.any(topic, func(t target) bool { return t.s.persistent.Load() })
}

// Disconnect ends the connection of a client id, if there is one; a MQTT 5
// client is told the reason. Its will is published.
func (b *Broker) Disconnect(clientID string, reason byte) {
	b.mu.Lock()
	s := b.sessions[clientID]
	b.mu.Unlock()
	if s == nil {
		return
	}
	s.mu.Lock()
	c := s.conn
	s.mu.Unlock()
	if c != nil {
		c.shut(ServerInitiated, packet.Code(reason))
	}
}

func (b *Broker) shutAll(code packet.Code) {
	b.mu.Lock()
	all := make([]*Conn, 0, len(b.conns))
	for c := range b.conns {
		all = append(all, c)
	}
	b.mu.Unlock()
	for i, c := range all {
		c.shut(ServerInitiated, code)
		if i%256 == 255 {
			runtime.Gosched() // a fleet's worth of closing leaves room for others
		}
	}
}

// Stats are counts for metrics.
type Stats struct{ Connections, Sessions, Retained int }

// Stats returns the current counts.
func (b *Broker) Stats() Stats {
	b.mu.Lock()
	st := Stats{Connections: len(b.conns), Sessions: len(b.sessions)}
	b.mu.Unlock()
	b.retained.mu.RLock()
	st.Retained = len(b.retained.m)
	b.retained.mu.RUnlock()
	return st
}

package brokertest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/drover-iot/drover/internal/broker"
)

// Memory is a SessionStore that outlives brokers, but not the process. Its disk
// can be held up, and made to fail.
type Memory struct {
	mu       sync.Mutex
	sessions map[string]*broker.StoredSession
	retained map[string]broker.Message
	tokens   []any
	waiting  []group
	running  bool
	held     bool
	fail     error
}

type group struct {
	changes []broker.Change
	done    func(error)
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory {
	return &Memory{sessions: make(map[string]*broker.StoredSession), retained: make(map[string]broker.Message)}
}

// Hold keeps everything that is applied from now on from reaching the disk.
func (m *Memory) Hold() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = true
}

// Release ends Hold, and Fail.
func (m *Memory) Release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held, m.fail = false, nil
	m.start()
}

// Fail makes every group fail with err from now on.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// Lose forgets what was applied but is still held, as a crash does; nobody is
// told.
func (m *Memory) Lose() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting = nil
}

// Tokens returns the tokens that were consumed, in order.
func (m *Memory) Tokens() []any {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.tokens)
}

// Session returns what is stored for a client id; nil if there is nothing.
func (m *Memory) Session(id string) *broker.StoredSession {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.sessions[id]; s != nil {
		return clone(s)
	}
	return nil
}

// Load implements broker.SessionStore.
func (m *Memory) Load(ctx context.Context, yield func(broker.StoredSession) error, retained func(broker.Message) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(m.sessions)) {
		if err := cmp.Or(ctx.Err(), yield(*clone(m.sessions[id]))); err != nil {
			return err
		}
	}
	for _, topic := range slices.Sorted(maps.Keys(m.retained)) {
		if err := cmp.Or(ctx.Err(), retained(m.retained[topic])); err != nil {
			return err
		}
	}
	return nil
}

func clone(s *broker.StoredSession) *broker.StoredSession {
	c := *s
	c.Subscriptions, c.Queue = slices.Clone(s.Subscriptions), slices.Clone(s.Queue)
	return &c
}

// Apply implements broker.SessionStore.
func (m *Memory) Apply(changes []broker.Change, done func(error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting = append(m.waiting, group{changes, done})
	m.start()
}

func (m *Memory) start() {
	if !m.running && !m.held && len(m.waiting) > 0 {
		m.running = true
		go m.commit()
	}
}

func (m *Memory) commit() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.waiting) > 0 && !m.held {
		groups, fail := m.waiting, m.fail
		m.waiting = nil
		if fail == nil {
			for _, g := range groups {
				for _, c := range g.changes {
					m.apply(c)
				}
			}
		}
		m.mu.Unlock()
		for _, g := range groups {
			if g.done != nil {
				g.done(fail)
			}
		}
		m.mu.Lock()
	}
	m.running = false
}

func (m *Memory) apply(c broker.Change) {
	s := m.sessions[c.ClientID]
	switch c.Kind {
	case broker.SessionPut:
		if s == nil {
			s = &broker.StoredSession{ClientID: c.ClientID}
			m.sessions[c.ClientID] = s
		}
		s.Expiry, s.DisconnectedAt = c.Expiry, c.DisconnectedAt
		return
	case broker.SessionDelete:
		delete(m.sessions, c.ClientID)
		return
	case broker.RetainedPut:
		m.retained[c.Message.Topic] = *c.Message
		return
	case broker.RetainedDelete:
		delete(m.retained, c.Message.Topic)
		return
	case broker.Token:
		m.tokens = append(m.tokens, c.Token)
		return
	}
	if s == nil {
		return
	}
	switch c.Kind {
	case broker.SubscriptionPut:
		if i := slices.IndexFunc(s.Subscriptions, hasFilter(c.Filter)); i >= 0 {
			s.Subscriptions[i].Options = c.Options
		} else {
			s.Subscriptions = append(s.Subscriptions, broker.Subscription{Filter: c.Filter, Options: c.Options})
		}
	case broker.SubscriptionDelete:
		s.Subscriptions = slices.DeleteFunc(s.Subscriptions, hasFilter(c.Filter))
	case broker.QueueAppend:
		i, _ := slices.BinarySearchFunc(s.Queue, c.Seq, func(q broker.QueuedMessage, seq int64) int { return cmp.Compare(q.Seq, seq) })
		s.Queue = slices.Insert(s.Queue, i, broker.QueuedMessage{Seq: c.Seq, Message: c.Message})
	case broker.QueueRemove:
		s.Queue = slices.DeleteFunc(s.Queue, func(q broker.QueuedMessage) bool { return slices.Contains(c.Seqs, q.Seq) })
	}
}

func hasFilter(filter string) func(broker.Subscription) bool {
	return func(s broker.Subscription) bool { return s.Filter == filter }
}

var _ broker.SessionStore = (*Memory)(nil)

// Fork returns a Memory with what is on disk now: what a crash at this moment
// leaves.
func (m *Memory) Fork() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := NewMemory()
	for id, s := range m.sessions {
		f.sessions[id] = clone(s)
	}
	maps.Copy(f.retained, m.retained)
	f.tokens = slices.Clone(m.tokens)
	return f
}

package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/drover-iot/drover/internal/broker"
	"github.com/drover-iot/drover/internal/mqtt"
	"github.com/drover-iot/drover/internal/store"
)

// sessions is the broker's SessionStore over the store. One goroutine takes all
// groups that wait and commits them as one transaction, so that a thousand
// sessions cost one sync; done follows in the order of the calls.
type sessions struct {
	store store.Store
	log   *slog.Logger

	mu      sync.Mutex
	more    sync.Cond // on mu: something waits, or closed
	waiting []group
	closed  bool
	ended   chan struct{}

	// known are the clients that have a session, as committed. Only Load and
	// then the goroutine touch it.
	known map[string]bool
}

// group is what one call of Apply makes durable, all or nothing.
type group struct {
	changes []broker.Change
	done    func(error)
}

var _ broker.SessionStore = (*sessions)(nil)

// batchBytes bounds how much one transaction takes of what waits: a slow disk
// must not make it grow without end. One group always fits.
const batchBytes = 4 << 20

func newSessions(st store.Store, log *slog.Logger) *sessions {
	s := &sessions{store: st, log: log, ended: make(chan struct{}), known: map[string]bool{}}
	s.more.L = &s.mu
	go s.run()
	return s
}

var errSessionsClosed = errors.New("the session store is closed")

// Apply enqueues a group.
func (s *sessions) Apply(changes []broker.Change, done func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		if done != nil {
			go done(errSessionsClosed) // never before Apply has returned
		}
		return
	}
	s.waiting = append(s.waiting, group{changes, done})
	s.more.Signal()
}

// close commits what waits and ends the goroutine.
func (s *sessions) close() {
	s.mu.Lock()
	s.closed = true
	s.more.Signal()
	s.mu.Unlock()
	<-s.ended
}

func (s *sessions) run() {
	defer close(s.ended)
	for {
		batch := s.take()
		if batch == nil {
			return
		}
		s.commit(batch)
	}
}

// take waits for groups and takes as many as one transaction should hold; nil
// when there are none and there will be none.
func (s *sessions) take() []group {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.waiting) == 0 {
		if s.closed {
			return nil
		}
		s.more.Wait()
	}
	n, bytes := 0, 0
	for n < len(s.waiting) && (n == 0 || bytes < batchBytes) {
		bytes += s.waiting[n].size()
		n++
	}
	batch := s.waiting[:n:n]
	s.waiting = s.waiting[n:]
	if len(s.waiting) == 0 {
		s.waiting = nil
	}
	return batch
}

// size is about what a group costs.
func (g group) size() int {
	n := 0
	for i := range g.changes {
		n += 64
		if m := g.changes[i].Message; m != nil {
			n += len(m.Topic) + len(m.Payload)
		}
	}
	return n
}

// commit makes a batch durable and says so. When the transaction fails as a
// whole, each group is tried alone: one that cannot be written harms no other.
func (s *sessions) commit(batch []group) {
	var err error
	if slices.ContainsFunc(batch, func(g group) bool { return len(g.changes) > 0 }) {
		err = s.write(batch)
	}
	if err != nil && len(batch) > 1 {
		for i := range batch {
			s.commit(batch[i : i+1])
		}
		return
	}
	for _, g := range batch {
		switch {
		case g.done != nil:
			g.done(err)
		case err != nil: // nobody waits for it
			s.log.Error("storing changes of MQTT sessions failed: they are lost with the process", "changes", len(g.changes), "err", err)
		}
	}
}

func (s *sessions) write(batch []group) error {
	var moved map[string]bool // what this batch makes of known
	// No deadline: what was accepted is written, or the disk says why not.
	err := s.store.Update(context.Background(), func(tx store.Tx) error {
		moved = map[string]bool{}
		for _, g := range batch {
			for i := range g.changes {
				if err := s.applyChange(tx, &g.changes[i], moved); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for client, lives := range moved {
		if lives {
			s.known[client] = true
		} else {
			delete(s.known, client)
		}
	}
	return nil
}

func (s *sessions) applyChange(tx store.Tx, c *broker.Change, moved map[string]bool) error {
	switch c.Kind {
	case broker.SubscriptionPut, broker.QueueAppend:
		// A group that was on its way when the session ended must leave nothing.
		lives, known := moved[c.ClientID]
		if !known {
			lives = s.known[c.ClientID]
		}
		if !lives {
			return nil
		}
	case broker.SessionPut, broker.SessionDelete:
		moved[c.ClientID] = c.Kind == broker.SessionPut
	}
	return write(tx, c)
}

func write(tx store.Tx, c *broker.Change) error {
	switch c.Kind {
	case broker.SessionPut:
		return tx.PutSession(store.Session{Client: c.ClientID, Expiry: c.Expiry, DisconnectedAt: c.DisconnectedAt})
	case broker.SessionDelete:
		return tx.DeleteSession(c.ClientID)
	case broker.SubscriptionPut:
		return tx.PutSubscription(c.ClientID, c.Filter, byte(c.Options))
	case broker.SubscriptionDelete:
		return tx.DeleteSubscription(c.ClientID, c.Filter)
	case broker.QueueAppend:
		return tx.EnqueueMessage(c.ClientID, c.Seq, encodeMessage(c.Message))
	case broker.QueueRemove:
		return tx.DequeueMessages(c.ClientID, c.Seqs)
	case broker.RetainedPut:
		return tx.PutRetained(c.Message.Topic, encodeMessage(c.Message))
	case broker.RetainedDelete:
		return tx.PutRetained(c.Message.Topic, nil)
	case broker.Token:
		switch row := c.Token.(type) {
		case int64:
			return tx.DropEffect(row)
		case mqtt.EventRow:
			return tx.DropEvent(int64(row))
		}
		return fmt.Errorf("a token is %T, expected the row of an effect or of an event", c.Token)
	}
	return fmt.Errorf("the broker asks for a change of kind %d, which is not known", c.Kind)
}

// Load yields what is stored. It comes before the first Apply.
func (s *sessions) Load(ctx context.Context, yield func(broker.StoredSession) error, retained func(broker.Message) error) error {
	return s.store.View(ctx, func(tx store.Tx) error {
		var all []store.Session
		if err := tx.Sessions(func(one store.Session) error { all = append(all, one); return nil }); err != nil {
			return err
		}
		for _, one := range all {
			s.known[one.Client] = true
			loaded, err := loadSession(tx, one)
			if err == nil {
				err = yield(loaded)
			}
			if err != nil {
				return err
			}
		}
		return tx.Retained(func(topic string, b []byte) error {
			m, err := decodeMessage(b)
			if err != nil {
				return fmt.Errorf("the retained message of %s: %w", topic, err)
			}
			return retained(*m)
		})
	})
}

func loadSession(tx store.Tx, one store.Session) (broker.StoredSession, error) {
	out := broker.StoredSession{ClientID: one.Client, Expiry: one.Expiry, DisconnectedAt: one.DisconnectedAt}
	err := tx.Subscriptions(one.Client, func(filter string, options byte) error {
		out.Subscriptions = append(out.Subscriptions, broker.Subscription{Filter: filter, Options: broker.Options(options)})
		return nil
	})
	if err != nil {
		return out, err
	}
	err = tx.Messages(one.Client, func(seq int64, b []byte) error {
		m, err := decodeMessage(b)
		if err != nil {
			return fmt.Errorf("message %d of session %s: %w", seq, one.Client, err)
		}
		out.Queue = append(out.Queue, broker.QueuedMessage{Seq: seq, Message: m})
		return nil
	})
	return out, err
}

package server

import (
	"context"
	"sync"

	"github.com/drover-iot/drover/internal/store"
)

// Changed gives a channel that is closed when something may have changed: a
// request was carried out, or what was due was done, or a fault was injected. Who
// asks for it before looking at a state misses nothing. Dev only: elsewhere it is
// never closed.
func (s *Server) Changed() <-chan struct{} {
	_, next := s.changes.wait()
	return next
}

// changes wakes those who wait for a state.
type changes struct {
	mu    sync.Mutex
	seq   int64
	ended bool
	next  chan struct{} // nil while nobody waits
}

// wait gives the number of the latest change, and what is closed at the next, or
// at the end.
func (c *changes) wait() (seq int64, next <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil {
		next := make(chan struct{})
		if c.ended {
			close(next)
			return c.seq, next
		}
		c.next = next
	}
	return c.seq, c.next
}

// end lets nobody wait any more.
func (c *changes) end() {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.signal()
}

func (c *changes) signal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	if c.next != nil {
		close(c.next)
		c.next = nil
	}
}

// watched is a store that signals what was done with it.
type watched struct {
	store.Store
	changes *changes
}

func (w watched) Submit(keys store.Keys, decide store.Decide, done func(store.Commit, error)) {
	w.Store.Submit(keys, decide, func(c store.Commit, err error) {
		done(c, err)
		w.changes.signal()
	})
}

func (w watched) Transact(ctx context.Context, keys store.Keys, decide store.Decide) (store.Commit, error) {
	defer w.changes.signal()
	return w.Store.Transact(ctx, keys, decide)
}

func (w watched) Update(ctx context.Context, fn func(store.Tx) error) error {
	defer w.changes.signal()
	return w.Store.Update(ctx, fn)
}

// watchedStore is the store as operations and scheduler use it.
func (s *Server) watchedStore() store.Store {
	if !s.cfg.Dev {
		return s.store
	}
	return watched{s.store, &s.changes}
}

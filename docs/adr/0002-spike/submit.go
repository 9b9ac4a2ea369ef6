package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/store"
)

// submitter is the part of store.Store that the spike proves.
type submitter interface {
	Submit(keys store.Keys, decide store.Decide, done func(store.Commit, error))
	Transact(ctx context.Context, keys store.Keys, decide store.Decide) (store.Commit, error)
}

var _ submitter = (*pg)(nil)

type task struct {
	keys   store.Keys
	decide store.Decide
	done   func(store.Commit, error)
	err    error
	ch     store.Changes
}

// pg is Submit on PostgreSQL: one writer goroutine with one connection, and one
// goroutine that answers.
type pg struct {
	dsn, lock string
	slot      int
	shuffle   bool // the control run
	visible   int
	limit     int
	turns     turns

	mu      sync.Mutex
	wake    *sync.Cond
	waiting []*task
	closed  bool
	answers chan answer
	ended   sync.WaitGroup

	conn                        *pgx.Conn
	seq                         int64
	batches, retries, deadlocks int64
	resolved, extra             int64
	broken                      int64 // writes that did not find what was read under the lock
}

type answer struct {
	tasks  []*task
	commit store.Commit
}

func open(dsn string, slot, limit int) *pg {
	p := &pg{dsn: dsn, lock: sqlLock, slot: slot, visible: 10, limit: limit, answers: make(chan answer, 2)}
	p.wake = sync.NewCond(&p.mu)
	return p
}

func (p *pg) start() {
	p.ended.Add(2)
	go func() {
		defer p.ended.Done()
		defer close(p.answers)
		p.run()
	}()
	go func() {
		defer p.ended.Done()
		for a := range p.answers {
			for _, t := range a.tasks {
				t.done(a.commit, t.err)
			}
		}
	}()
}

func (p *pg) close() {
	p.mu.Lock()
	p.closed = true
	p.wake.Signal()
	p.mu.Unlock()
	p.ended.Wait()
	if p.conn != nil {
		_ = p.conn.Close(context.Background())
	}
}

// Submit is store.Store's.
func (p *pg) Submit(keys store.Keys, decide store.Decide, done func(store.Commit, error)) {
	p.mu.Lock()
	p.waiting = append(p.waiting, &task{keys: keys, decide: decide, done: done})
	p.wake.Signal()
	p.mu.Unlock()
}

// Transact is store.Store's.
func (p *pg) Transact(ctx context.Context, keys store.Keys, decide store.Decide) (store.Commit, error) {
	type result struct {
		c   store.Commit
		err error
	}
	got := make(chan result, 1)
	p.Submit(keys, decide, func(c store.Commit, err error) { got <- result{c, err} })
	select {
	case r := <-got:
		return r.c, r.err
	case <-ctx.Done():
		return store.Commit{}, context.Cause(ctx)
	}
}

func (p *pg) run() {
	for {
		p.mu.Lock()
		for len(p.waiting) == 0 && !p.closed {
			p.wake.Wait()
		}
		n := min(len(p.waiting), p.limit)
		tasks := p.waiting[:n:n]
		p.waiting = p.waiting[n:]
		p.mu.Unlock()
		if n == 0 {
			return
		}
		p.answers <- answer{tasks, p.commit(context.Background(), tasks)}
	}
}

// attempts of a batch that the server ended for a reason that passes.
const maxAttempts = 20

// commit runs a batch. What spoils the batch for good (a row that breaks a
// constraint) spoils it alone: then each decision is tried by itself.
func (p *pg) commit(ctx context.Context, tasks []*task) store.Commit {
	var err error
	for range maxAttempts {
		for _, t := range tasks {
			t.err, t.ch = nil, store.Changes{}
		}
		if err = p.attempt(ctx, tasks); err == nil {
			p.seq++
			p.batches++
			return store.Commit{Seq: p.seq}
		}
		if !passing(err) {
			break
		}
		p.retries++
		var e *pgconn.PgError
		if errors.As(err, &e) && e.Code == "40P01" {
			p.deadlocks++
		}
	}
	if len(tasks) == 1 || passing(err) {
		for _, t := range tasks {
			t.err = err
		}
		return store.Commit{}
	}
	var last store.Commit
	for _, t := range tasks {
		last = p.commit(ctx, []*task{t})
	}
	return last
}

// passing says whether trying again can help: the connection was lost, or the
// server chose this transaction to end a deadlock or a long wait.
func passing(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return !errors.Is(err, errMove)
	}
	switch e.Code {
	case "40P01", "40001", "55P03", "57P01", "57P02", "57P03", "25P03":
		return true // deadlock, serialization, lock_timeout, shutdown, idle in transaction
	}
	return false
}

func (p *pg) attempt(ctx context.Context, tasks []*task) (err error) {
	if p.conn == nil || p.conn.IsClosed() {
		if p.conn, err = connect(ctx, p.dsn, &p.turns); err != nil {
			time.Sleep(10 * time.Millisecond) // the server is coming back
			return err
		}
	}
	xid := ""
	defer func() {
		if err == nil {
			return
		}
		if xid != "" && p.conn.IsClosed() { // COMMIT was on its way: only the server knows
			if p.committed(ctx, xid) {
				p.resolved++
				err = nil
			}
			return
		}
		if !p.conn.IsClosed() {
			if _, e := p.conn.Exec(ctx, "ROLLBACK"); e != nil {
				_ = p.conn.Close(ctx)
			}
		}
	}()
	reads := &pgx.Batch{}
	w := read(reads, tasks, p.visible, p.lock)
	if err := p.conn.SendBatch(ctx, reads).Close(); err != nil {
		return fmt.Errorf("read turn: %w", err)
	}
	c := newChanges(w)
	for _, t := range tasks {
		snap, short := w.snapshot(t.keys, now())
		if short {
			if snap, err = p.readRest(ctx, w, t.keys); err != nil {
				return fmt.Errorf("extra turn: %w", err)
			}
		}
		if t.ch, t.err = t.decide(snap); t.err == nil {
			t.err = c.add(t.ch)
		}
	}
	writes := &pgx.Batch{}
	if err := c.queue(writes, p); err != nil {
		return err
	}
	xid = w.xid
	if err := p.conn.SendBatch(ctx, writes).Close(); err != nil {
		return fmt.Errorf("write turn: %w", err)
	}
	return nil
}

// readRest is the turn that only a queue with many hidden rows costs. What the
// batch has moved already is laid over it again.
func (p *pg) readRest(ctx context.Context, w *working, k store.Keys) (store.Snapshot, error) {
	p.extra++
	q := &queue{complete: true}
	b := &pgx.Batch{}
	b.Queue(sqlPending, []string{string(k.Thing)}, []int32{math.MaxInt32}, []string{""}, []int64{0}).Query(func(rows pgx.Rows) error {
		return w.scan(rows, func(e job.Execution) {
			if moved, ok := w.moved[keyOf(e)]; ok {
				e = moved
			}
			if e.Status.Pending() {
				q.rows = append(q.rows, e)
			}
		})
	})
	if err := p.conn.SendBatch(ctx, b).Close(); err != nil {
		return store.Snapshot{}, err
	}
	slices.SortFunc(q.rows, func(a, b job.Execution) int {
		if job.Less(a, b) {
			return -1
		}
		return 1
	})
	w.queues[w.things[k.Thing]] = q
	snap, _ := w.snapshot(k, now())
	return snap, nil
}

// committed asks what became of a transaction whose COMMIT was sent and not
// answered. It waits while the server is still at it.
func (p *pg) committed(ctx context.Context, xid string) bool {
	for {
		c, err := connect(ctx, p.dsn, &p.turns)
		if err != nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		var status *string
		err = c.QueryRow(ctx, `SELECT pg_xact_status($1::text::xid8)`, xid).Scan(&status)
		_ = c.Close(ctx)
		if err == nil && status != nil && *status != "in progress" {
			return *status == "committed"
		}
		time.Sleep(5 * time.Millisecond)
	}
}

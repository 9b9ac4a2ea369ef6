package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

// Open opens the store that lives at a place: the same place again, after
// Close, holds the same data. A new place is an empty store.
type Open func(t testing.TB, place string, c store.Config) store.Store

// Run holds an engine against the contract of package store.
func Run(t *testing.T, open Open) {
	for _, part := range [][]check{batches, again, registryChecks, hierarchies, certificates, lists, rollouts, following, sessions, shadows, random, durable} {
		for _, c := range part {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				c.run(t, newWorld(t, open))
			})
		}
	}
}

// A check is one sentence of the contract.
type check struct {
	name string
	run  func(*testing.T, *world)
}

// world is a store under test, with its clock and what it has told.
type world struct {
	testing.TB
	store.Store
	open  Open
	place string
	told  *recorder

	mu  sync.Mutex
	at  time.Time
	cfg store.Config
}

var ctx = context.Background()

func newWorld(t testing.TB, open Open) *world {
	w := &world{TB: t, open: open, place: t.TempDir(), at: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), told: new(recorder)}
	w.cfg = store.Config{Visible: 10, Now: w.now, Observer: w.told}
	w.Store = open(t, w.place, w.cfg)
	t.Cleanup(func() {
		if err := w.Store.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return w
}

// reopen closes the store and opens it again.
func (w *world) reopen() {
	w.Helper()
	if err := w.Store.Close(); err != nil {
		w.Fatalf("closing: %v", err)
	}
	w.Store = w.open(w.TB, w.place, w.cfg)
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

// recorder writes down, in order, what is told: effects by their thing, and
// the answers that a test notes.
type recorder struct {
	mu      sync.Mutex
	lines   []string
	effects []job.Effect
	events  []job.Message
	wakes   []time.Time
}

func (r *recorder) Effects(es []job.Effect) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range es {
		r.lines = append(r.lines, "effect "+e.Thing)
	}
	r.effects = append(r.effects, es...)
}

func (r *recorder) Events(es []job.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range es {
		r.lines = append(r.lines, "event "+e.Topic)
	}
	r.events = append(r.events, es...)
}

func (r *recorder) Wake(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wakes = append(r.wakes, at)
}

func (r *recorder) note(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line)
}

// take empties the record, after everything that was committed has been told.
func (w *world) take() (lines []string, effects []job.Effect, wakes []time.Time) {
	w.Helper()
	for range 2 {
		w.update(func(store.Tx) error { return nil })
	}
	r := w.told
	r.mu.Lock()
	defer r.mu.Unlock()
	lines, effects, wakes = r.lines, r.effects, r.wakes
	r.lines, r.effects, r.wakes = nil, nil, nil
	return lines, effects, wakes
}

func (w *world) update(fn func(store.Tx) error) {
	w.Helper()
	if err := w.Update(ctx, fn); err != nil {
		w.Fatal(err)
	}
}

func (w *world) view(fn func(store.Tx) error) {
	w.Helper()
	if err := w.View(ctx, fn); err != nil {
		w.Fatal(err)
	}
}

// thing registers a thing and gives its key.
func (w *world) thing(name registry.Name) int64 {
	w.Helper()
	t := registry.NewThing("uuid-of-"+string(name), name, nil, w.now())
	w.update(func(tx store.Tx) error { return tx.PutThing(&t) })
	return t.Key
}

func (w *world) things(n int) []registry.Name {
	w.Helper()
	names := make([]registry.Name, n)
	w.update(func(tx store.Tx) error {
		for i := range names {
			names[i] = registry.Name(fmt.Sprintf("thing-%05d", i))
			t := registry.NewThing(string(names[i]), names[i], nil, w.now())
			if err := tx.PutThing(&t); err != nil {
				return err
			}
		}
		return nil
	})
	return names
}

func (w *world) group(name registry.GroupName) int64 {
	w.Helper()
	g := registry.NewGroup("uuid-of-"+string(name), name, 0, "", nil, w.now())
	w.update(func(tx store.Tx) error { return tx.PutGroup(&g) })
	return g.Key
}

// job creates a job whose rollout is over.
func (w *world) job(id job.ID, minutes int64) job.Job {
	w.Helper()
	return w.namespaced("", id, minutes)
}

// namespaced is job, in a namespace.
func (w *world) namespaced(n job.Namespace, id job.ID, minutes int64) job.Job {
	w.Helper()
	j := job.NewJob(id, []string{"arn:of:nothing"}, nil, 0, w.now())
	j.InProgressMinutes, j.Namespace = minutes, n
	j.Expansion.Done = true
	w.update(func(tx store.Tx) error { return tx.PutJob(&j, []byte(`{"job":"`+string(id)+`"}`)) })
	return j
}

// enqueue makes the next attempt of a job on a thing.
func (w *world) enqueue(j job.Job, things ...registry.Name) {
	w.Helper()
	w.update(func(tx store.Tx) error {
		for _, n := range things {
			if err := w.enqueueIn(tx, j, n); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *world) enqueueIn(tx store.Tx, j job.Job, thing registry.Name) error {
	snap, err := tx.Snapshot(store.Keys{Thing: thing, Job: j.ID, Queue: store.WholeQueue})
	if err != nil {
		return err
	}
	if snap.ThingKey == 0 {
		return fmt.Errorf("enqueue on %s: %w", thing, store.ErrNotFound)
	}
	e := job.New(snap.ThingKey, j.Key, j.ID, snap.Queue.Named.Number+1, w.now())
	e.RetryAttempt = snap.Queue.Named.Number
	out := snap.Queue.Enqueue(job.Entry{Execution: e, Job: j.State}, w.now())
	return tx.Write(w.changes(thing, out))
}

func (w *world) changes(thing registry.Name, out job.Outcome) store.Changes {
	for i := range out.Effects {
		out.Effects[i].Thing = string(thing)
	}
	return store.Changes{Moves: out.Moves, Effects: out.Effects, At: w.now()}
}

// ask is a decision: one change of one execution.
func (w *world) ask(thing registry.Name, r job.Ref, c job.Change) (store.Keys, store.Decide) {
	keys := store.Keys{Thing: thing, Job: r.Job, Number: r.Number, Queue: store.WholeQueue}
	return keys, func(snap store.Snapshot) (store.Changes, error) {
		out, err := snap.Queue.Apply(r, c, w.now())
		if len(out.Moves) > 0 {
			err = nil
		}
		return w.changes(thing, out), err
	}
}

// report is a device's update of the newest execution.
func (w *world) report(thing registry.Name, id job.ID, s job.Status, details job.Details) error {
	keys, decide := w.ask(thing, job.Ref{Job: id}, job.Change{Kind: job.Report, Status: s, Details: details, Actor: string(thing)})
	_, err := w.Transact(ctx, keys, decide)
	return err
}

func (w *world) snapshot(k store.Keys) (snap store.Snapshot) {
	w.Helper()
	w.view(func(tx store.Tx) (err error) {
		snap, err = tx.Snapshot(k)
		return err
	})
	return snap
}

// execution is a stored execution, the newest of the job.
func (w *world) execution(thing registry.Name, id job.ID) job.Execution {
	w.Helper()
	return w.snapshot(store.Keys{Thing: thing, Job: id}).Queue.Named.Execution
}

func (w *world) missing(what string, err error) {
	w.Helper()
	if !errors.Is(err, store.ErrNotFound) {
		w.Errorf("%s: got %v, want ErrNotFound", what, err)
	}
}

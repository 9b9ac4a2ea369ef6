package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

var random = []check{
	{"both counter sets, the queues and the histories hold under random changes", randomChanges},
}

func randomChanges(t *testing.T, w *world) {
	rapid.Check(t, func(r *rapid.T) {
		f := newWorld(t, w.open) // its own store each time
		defer f.close()
		choose := func(n int) int { return rapid.IntRange(0, n-1).Draw(r, "choice") }
		for range rapid.IntRange(5, 60).Draw(r, "steps") {
			f.step(choose)
		}
		f.consistent()
		before := f.dump()
		f.reopen()
		if after := f.dump(); after != before {
			r.Fatalf("a restart changed\n%s\nto\n%s", before, after)
		}
		if t.Failed() {
			r.Fatal("the steps above break what must hold")
		}
	})
}

// close ends a world before its test does.
func (w *world) close() {
	w.Helper()
	if err := w.Store.Close(); err != nil {
		w.Error(err)
	}
	w.Store = closed{w.Store}
}

// closed may be closed again.
type closed struct{ store.Store }

func (closed) Close() error { return nil }

// step makes one change, or a batch of them, that a fleet might make. choose
// gives a number below n.
func (w *world) step(choose func(n int) int) {
	w.Helper()
	if choose(12) > 0 {
		w.change(choose)
		return
	}
	w.together(func(submit func(store.Keys, store.Decide, func(store.Commit, error))) {
		for range 2 + choose(8) {
			keys, decide := w.randomDecision(choose, registry.Name(fmt.Sprintf("thing-%d", choose(4))))
			submit(keys, decide, func(_ store.Commit, err error) { w.tolerate(err) })
		}
	})
}

// change makes one change: one commit at most.
func (w *world) change(choose func(n int) int) {
	w.Helper()
	thing := registry.Name(fmt.Sprintf("thing-%d", choose(4)))
	id := job.ID(fmt.Sprintf("job-%d", choose(3)))
	switch choose(12) {
	case 0:
		w.toggleThing(thing, choose(4) == 0)
	case 1:
		w.moveJob(id, choose(5), int64(choose(3)))
	case 2, 3:
		w.tryEnqueue(id, thing)
	case 4:
		w.advance(time.Duration(choose(90)) * time.Second)
	case 5:
		w.markLeft(id, thing, choose(2) == 0)
	default:
		keys, decide := w.randomDecision(choose, thing)
		_, err := w.Transact(ctx, keys, decide)
		w.tolerate(err)
	}
}

// namespaceOf makes a job's namespace of a number: most are plain.
func namespaceOf(n int) job.Namespace { return []job.Namespace{"", "gg", "", "other", ""}[n] }

// tolerate lets the refusals of the job rules pass.
func (w *world) tolerate(err error) {
	w.Helper()
	var refusal *job.Error
	if err != nil && !errors.As(err, &refusal) {
		w.Errorf("the store failed: %v", err)
	}
}

// randomDecision is what a device, an operator or the scheduler asks.
func (w *world) randomDecision(choose func(n int) int, thing registry.Name) (store.Keys, store.Decide) {
	if choose(4) == 0 {
		return store.Keys{Thing: thing, Queue: store.WholeQueue, Namespace: namespaceOf(choose(3))}, func(snap store.Snapshot) (store.Changes, error) {
			out, _, _, err := snap.Queue.StartNext(job.Change{Kind: job.Start, Actor: "device"}, w.now())
			return w.changes(thing, out), err
		}
	}
	r := job.Ref{Job: job.ID(fmt.Sprintf("job-%d", choose(3))), Number: int64(max(0, choose(5)-2))}
	changes := []job.Change{
		{Kind: job.Report, Status: job.InProgress, Details: job.Details{"pct": fmt.Sprint(choose(100))}},
		{Kind: job.Report, Status: job.InProgress, Step: job.StepTimeout{Minutes: 1}},
		{Kind: job.Report, Status: job.Succeeded},
		{Kind: job.Report, Status: job.Failed},
		{Kind: job.Report, Status: job.Rejected},
		{Kind: job.Cancel},
		{Kind: job.Cancel, Force: true},
		{Kind: job.Delete, Force: choose(2) == 0},
		{Kind: job.Sweep},
	}
	return w.ask(thing, r, changes[choose(len(changes))])
}

// toggleThing registers a thing, or deletes it as ops does: what is pending is
// REMOVED first.
func (w *world) toggleThing(name registry.Name, remove bool) {
	w.Helper()
	w.update(func(tx store.Tx) error {
		thing, err := tx.Thing(name)
		if errors.Is(err, store.ErrNotFound) {
			thing = registry.NewThing("u", name, nil, w.now())
			return tx.PutThing(&thing)
		}
		if err != nil || !remove {
			return err
		}
		for {
			namespaces, err := tx.PendingNamespaces(thing.Key)
			if err != nil {
				return err
			}
			if len(namespaces) == 0 {
				return tx.DeleteThing(thing.Key)
			}
			snap, err := tx.Snapshot(store.Keys{Thing: name, Queue: store.WholeQueue, Namespace: namespaces[0]})
			if err != nil {
				return err
			}
			e := snap.Queue.Pending[0]
			if snap, err = tx.Snapshot(store.Keys{Thing: name, Job: e.JobID, Number: e.Number, Queue: store.WholeQueue}); err != nil {
				return err
			}
			out, err := snap.Queue.Apply(e.Ref(), job.Change{Kind: job.Remove}, w.now())
			if len(out.Moves) == 0 && err != nil {
				out = snap.Queue.Drop(w.now()) // of a job that is being deleted
			}
			if err := tx.Write(w.changes(name, out)); err != nil {
				return err
			}
		}
	})
}

// moveJob creates a job that is not there, or moves on one that is.
func (w *world) moveJob(id job.ID, what int, minutes int64) {
	w.Helper()
	w.update(func(tx store.Tx) error {
		j, _, err := tx.Job(id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			j = job.NewJob(id, []string{"arn:of:nothing"}, nil, 0, w.now())
			j.InProgressMinutes, j.Expansion.Done = minutes, true
			j.Retries = []job.Budget{{}, {Failed: 2, TimedOut: 1}, {Both: 2}}[what%3]
			j.Namespace = namespaceOf(what)
			return tx.PutJob(&j, []byte("{}"))
		case err != nil:
			return err
		case j.Status == job.JobDeletionInProgress:
			return w.drop(tx, j)
		case what == 0:
			j, _, err = j.Cancel(minutes == 0, "", "", w.now())
		case what == 1:
			j, err = j.Delete(true, w.now())
		}
		if err != nil {
			return nil //nolint:nilerr // the job rules refuse
		}
		return tx.PutJob(&j, nil)
	})
}

// drop takes one execution of a deleted job away, or the job.
func (w *world) drop(tx store.Tx, j job.Job) error {
	rows, _, err := tx.ExecutionsForJob(j.Key, store.ExecutionFilter{}, store.Page{Limit: 2})
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return tx.DropJob(j.Key)
	}
	q := job.Queue{Named: rows[0].Entry}
	if len(rows) > 1 && rows[1].ThingKey == rows[0].ThingKey {
		q.Previous = rows[1].Entry
	}
	return tx.Write(w.changes(rows[0].Thing, q.Drop(w.now())))
}

// markLeft says that a thing has left, or not, while its newest attempt runs.
func (w *world) markLeft(id job.ID, thing registry.Name, left bool) {
	w.Helper()
	w.update(func(tx store.Tx) error {
		snap, err := tx.Snapshot(store.Keys{Thing: thing, Job: id})
		if err != nil || snap.Queue.Named.Status != job.InProgress {
			return err
		}
		return tx.MarkLeft(snap.Queue.Named.Execution, left)
	})
}

// tryEnqueue makes another attempt where the last has ended.
func (w *world) tryEnqueue(id job.ID, thing registry.Name) {
	w.Helper()
	w.update(func(tx store.Tx) error {
		j, _, err := tx.Job(id)
		if errors.Is(err, store.ErrNotFound) || err == nil && j.Status != job.JobInProgress {
			return nil
		}
		if err != nil {
			return err
		}
		snap, err := tx.Snapshot(store.Keys{Thing: thing, Job: id})
		if err != nil || snap.ThingKey == 0 || snap.Queue.Named.Number != 0 && snap.Queue.Named.Status.Pending() {
			return err
		}
		return w.enqueueIn(tx, j, thing)
	})
}

package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

// again is what a request needs that comes when a timer has run out.
var again = []check{
	{"the queue of a thing whose timer has run out is read when it is asked for so", queueIfLate},
	{"a decision that asks to be asked again sees its changes, and nobody is in between", askedAgain},
	{"what was asked to be made first stays when the decision then fails", againRefused},
	{"an overtaken execution comes with its queue", queueIfOvertaken},
}

// seen is the snapshot that the writer shows a decision.
func (w *world) seen(k store.Keys) (snap store.Snapshot) {
	w.Helper()
	_, err := w.Transact(ctx, k, func(s store.Snapshot) (store.Changes, error) { snap = s; return store.Changes{}, nil })
	if err != nil {
		w.Fatal(err)
	}
	return snap
}

func queueIfLate(t *testing.T, w *world) {
	w.things(3)
	w.thing("pump")
	timed, calm := w.job("timed", 5), w.job("calm", 0)
	w.enqueue(timed, "pump")
	w.enqueue(calm, "pump")
	for _, id := range []job.ID{"calm", "timed"} {
		if err := w.report("pump", id, job.InProgress, nil); err != nil {
			t.Fatal(err)
		}
	}
	want := func(when string, late bool) {
		t.Helper()
		for need, read := range map[store.QueueNeed]bool{store.NoQueue: false, store.WholeQueue: true, store.QueueUnlessStarted: late, store.QueueIfLate: late} {
			for _, id := range []job.ID{"calm", "timed"} {
				k := store.Keys{Thing: "pump", Job: id, Queue: need}
				for _, snap := range []store.Snapshot{w.seen(k), w.snapshot(k)} {
					if snap.HasQueue != read || read != (len(snap.Queue.Pending) == 2) || !snap.At.Equal(w.now()) {
						t.Errorf("%s, job %s, need %d: %+v", when, id, need, snap)
					}
				}
			}
		}
	}
	want("before the deadline", false)
	w.advance(5*time.Minute - time.Millisecond)
	want("a millisecond before it", false)
	w.advance(time.Millisecond)
	want("at it", true)
	w.reopen()
	want("after a restart", true)
	// A transaction that is taken back has written nothing down.
	backed := errors.New("taken back")
	if err := w.Update(ctx, func(tx store.Tx) error {
		if err := w.timeOut(tx, "pump", "timed"); err != nil {
			return err
		}
		snap, err := tx.Snapshot(store.Keys{Thing: "pump", Job: "calm", Queue: store.QueueIfLate})
		if snap.HasQueue || err != nil {
			t.Errorf("in the transaction that writes it down: %+v (%v)", snap, err)
		}
		return backed
	}); !errors.Is(err, backed) {
		t.Error(err)
	}
	want("after an attempt to write it down", true)
	w.update(func(tx store.Tx) error { return w.timeOut(tx, "pump", "timed") })
	for _, need := range []store.QueueNeed{store.QueueUnlessStarted, store.QueueIfLate} {
		if snap := w.seen(store.Keys{Thing: "pump", Job: "calm", Queue: need}); snap.HasQueue {
			t.Errorf("need %d: the queue is read, and every time-out is written down", need)
		}
	}
	// A timer that starts now is the earliest.
	w.enqueue(w.job("next", 1), "pump")
	if err := w.report("pump", "next", job.InProgress, nil); err != nil {
		t.Fatal(err)
	}
	w.advance(time.Minute)
	if snap := w.seen(store.Keys{Thing: "pump", Job: "calm", Queue: store.QueueIfLate}); !snap.HasQueue {
		t.Error("the queue is not read, and a new timer has run out")
	}
}

// timeOut writes one time-out down.
func (w *world) timeOut(tx store.Tx, thing registry.Name, id job.ID) error {
	snap, err := tx.Snapshot(store.Keys{Thing: thing, Job: id, Queue: store.WholeQueue})
	if err != nil {
		return err
	}
	out, err := snap.Queue.Apply(job.Ref{Job: id}, job.Change{Kind: job.Sweep}, w.now())
	if err != nil {
		return err
	}
	return tx.Write(w.changes(thing, out))
}

func queueIfOvertaken(t *testing.T, w *world) {
	w.thing("pump")
	j := w.job("fw", 0)
	w.enqueue(j, "pump")
	if err := w.report("pump", "fw", job.InProgress, nil); err != nil {
		t.Fatal(err)
	}
	k := store.Keys{Thing: "pump", Job: "fw", Queue: store.QueueUnlessStarted}
	if snap := w.seen(k); snap.HasQueue {
		t.Error("the queue is read for one that runs")
	}
	j.Status, j.ForceCanceled, j.ChangedAt = job.JobCanceled, true, w.now()
	w.update(func(tx store.Tx) error { return tx.PutJob(&j, nil) })
	if snap := w.seen(k); !snap.HasQueue || len(snap.Queue.Pending) != 1 {
		t.Errorf("its job was cancelled with force: %+v", snap)
	}
}

func askedAgain(t *testing.T, w *world) {
	w.thing("pump")
	w.enqueue(w.job("fw", 0), "pump")
	w.take()
	var versions []int64
	keys := store.Keys{Thing: "pump", Job: "fw", Queue: store.WholeQueue}
	progress := func(snap store.Snapshot, rounds int64) (store.Changes, error) {
		versions = append(versions, snap.Queue.Named.Version)
		out, err := snap.Queue.Apply(job.Ref{Job: "fw"}, job.Change{Kind: job.Report, Status: job.InProgress}, w.now())
		ch := w.changes("pump", out)
		ch.Again = snap.Queue.Named.Version < rounds
		return ch, err
	}
	w.together(func(submit func(store.Keys, store.Decide, func(store.Commit, error))) {
		done := func(_ store.Commit, err error) {
			if err != nil {
				t.Error(err)
			}
		}
		submit(keys, func(snap store.Snapshot) (store.Changes, error) { return progress(snap, 3) }, done)
		submit(keys, func(snap store.Snapshot) (store.Changes, error) { return progress(snap, 0) }, done)
	})
	if want := []int64{1, 2, 3, 4}; !slices.Equal(versions, want) {
		t.Errorf("the decisions saw the versions %v, want %v", versions, want)
	}
	if e := w.execution("pump", "fw"); e.Version != 5 {
		t.Errorf("it is at version %d, want 5", e.Version)
	}
	w.consistent()
}

func againRefused(t *testing.T, w *world) {
	w.thing("pump")
	w.enqueue(w.job("fw", 0), "pump")
	w.take()
	refusal := errors.New("not this one")
	keys := store.Keys{Thing: "pump", Job: "fw", Queue: store.WholeQueue}
	_, err := w.Transact(ctx, keys, func(snap store.Snapshot) (store.Changes, error) {
		if snap.Queue.Named.Status.Terminal() {
			return store.Changes{}, refusal
		}
		out, err := snap.Queue.Apply(job.Ref{Job: "fw"}, job.Change{Kind: job.Report, Status: job.Failed}, w.now())
		ch := w.changes("pump", out)
		ch.Again = true
		return ch, err
	})
	if !errors.Is(err, refusal) {
		t.Errorf("answered %v, want the refusal", err)
	}
	if e := w.execution("pump", "fw"); e.Status != job.Failed {
		t.Errorf("it is %s, want what was to be made first", e.Status)
	}
	if _, effects, _ := w.take(); len(effects) != 1 || !effects[0].Notify {
		t.Errorf("told: %+v, want of what was made", effects)
	}
	w.consistent()
}

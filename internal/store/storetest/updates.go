package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

func pressedUpdate(t *testing.T, w *world) {
	w.thing("pump")
	decided := make(chan error, 1)
	var at store.Commit
	w.update(func(tx store.Tx) error {
		if tx.Pressed() {
			t.Error("nobody waits")
		}
		w.Submit(store.Keys{Thing: "pump"}, func(store.Snapshot) (store.Changes, error) { return store.Changes{}, nil },
			func(c store.Commit, err error) { at = c; decided <- err })
		for range 1000 {
			if tx.Pressed() {
				return nil
			}
		}
		t.Error("a device waits, and the update is not told")
		return nil
	})
	if err := <-decided; err != nil {
		t.Error(err)
	}
	if next, err := w.Transact(ctx, store.Keys{Thing: "pump"}, func(store.Snapshot) (store.Changes, error) { return store.Changes{}, nil }); err != nil || next.Seq != at.Seq+1 {
		t.Errorf("the decision is in commit %d, and the next, %v, in %d", at.Seq, err, next.Seq)
	}
	w.view(func(tx store.Tx) error {
		if tx.Pressed() {
			t.Error("nobody waits for a View")
		}
		return nil
	})
}

func unwritableBesideAnUpdate(t *testing.T, w *world) {
	things := w.things(3)
	j := w.job("fw", 0)
	w.enqueue(j, things...)
	errs := make([]error, len(things))
	var answered sync.WaitGroup
	var once bool
	w.update(func(tx store.Tx) error {
		for i, thing := range things {
			if once { // an update is made again when its commit failed as a whole
				break
			}
			keys, decide := w.ask(thing, job.Ref{Job: "fw"}, job.Change{Kind: job.Report, Status: job.InProgress})
			if i == 1 { // it makes an execution that is there already
				decide = func(snap store.Snapshot) (store.Changes, error) {
					return store.Changes{Moves: []job.Move{{After: snap.Queue.Named.Execution, Kind: job.Enqueue}}, At: w.now()}, nil
				}
			}
			answered.Add(1)
			w.Submit(keys, decide, func(_ store.Commit, err error) { errs[i] = err; answered.Done() })
		}
		once = true
		other := registry.NewThing("u", "other", nil, w.now())
		return tx.PutThing(&other)
	})
	answered.Wait()
	for i, thing := range things {
		want := int64(2)
		if i == 1 {
			want = 1
		}
		if e := w.execution(thing, "fw"); e.Version != want || (errs[i] != nil) != (i == 1) {
			t.Errorf("%s: version %d, want %d; answered %v", thing, e.Version, want, errs[i])
		}
	}
	w.view(func(tx store.Tx) error {
		_, err := tx.Thing("other")
		return err
	})
	w.consistent()
}

func failingUpdate(t *testing.T, w *world) {
	w.thing("pump")
	j := w.job("fw", 5)
	w.take()
	before := w.dump()
	refusal := errors.New("no")
	err := w.Update(ctx, func(tx store.Tx) error {
		other := registry.NewThing("u", "other", nil, w.now())
		if err := tx.PutThing(&other); err != nil {
			return err
		}
		if err := w.enqueueIn(tx, j, "pump"); err != nil {
			return err
		}
		if err := w.enqueueIn(tx, j, "other"); err != nil {
			return err
		}
		if err := tx.SetDue(j.Key, w.now()); err != nil {
			return err
		}
		return refusal
	})
	if err != refusal {
		t.Errorf("got %v, want its own error as it is", err)
	}
	if after := w.dump(); after != before {
		t.Errorf("it changed\n%s\nto\n%s", before, after)
	}
	if lines, _, wakes := w.take(); len(lines)+len(wakes) > 0 {
		t.Errorf("it told %v and woke %v", lines, wakes)
	}
	// And the engine has not kept in mind what was taken back.
	if snap := w.snapshot(store.Keys{Thing: "other"}); snap.ThingKey != 0 {
		t.Error("the thing is still known")
	}
	if _, err := w.Transact(ctx, store.Keys{Thing: "other"}, func(snap store.Snapshot) (store.Changes, error) {
		if snap.ThingKey != 0 {
			t.Error("a decision still sees the thing")
		}
		return store.Changes{}, nil
	}); err != nil {
		t.Error(err)
	}
	w.enqueue(j, "pump")
	w.consistent()
}

func endedContext(t *testing.T, w *world) {
	ended, end := context.WithCancelCause(ctx)
	why := errors.New("the caller has gone")
	end(why)
	err := w.Update(ended, func(store.Tx) error { t.Error("it was made"); return nil })
	if !errors.Is(err, why) {
		t.Errorf("got %v, want the cause", err)
	}
}

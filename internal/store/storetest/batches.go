package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/store"
)

var batches = []check{
	{"one failing decision in a batch of 64 leaves the other 63 intact", oneFailingDecision},
	{"one decision that cannot be written harms no neighbour", oneUnwritableDecision},
	{"two requests on one thing in one batch see each other", seeEachOther},
	{"an answer comes before its effects, both in the order of the decisions", answersAndEffects},
	{"a decision that fails changes nothing", failingDecision},
	{"an update that fails changes nothing", failingUpdate},
	{"an update whose context has ended is not made", endedContext},
	{"a view sees all that was committed before it, and nothing that comes after", viewIsConsistent},
	{"the queue is read as far as was asked for", queueNeeds},
	{"a queue holds one more than a device may see", queueIsBounded},
	{"the queues of a thing's namespaces are apart, each with its own limit", namespaces},
	{"a decision sees a job's flag as the last update left it", freshFlag},
	{"a named execution comes with its neighbours", neighbours},
	{"an update is told that a device waits for it, and shares its commit with it", pressedUpdate},
	{"an unwritable decision that shares the commit of an update harms neither it nor others", unwritableBesideAnUpdate},
	{"after Close nothing is accepted", afterClose},
	{"what is submitted from many goroutines is done once each", manyGoroutines},
}

// together submits what fill submits while the store is busy, so that it waits
// and forms a batch, and returns when all of it has been answered.
func (w *world) together(fill func(submit func(k store.Keys, d store.Decide, done func(store.Commit, error)))) {
	w.Helper()
	busy, free := make(chan struct{}), make(chan struct{})
	var wait sync.WaitGroup
	begun := sync.OnceFunc(func() { close(busy) }) // it is made again when its commit failed as a whole
	wait.Go(func() {
		if err := w.Update(ctx, func(store.Tx) error { begun(); <-free; return nil }); err != nil {
			w.Error(err)
		}
	})
	<-busy
	fill(func(k store.Keys, d store.Decide, done func(store.Commit, error)) {
		wait.Add(1)
		w.Submit(k, d, func(c store.Commit, err error) { done(c, err); wait.Done() })
	})
	close(free)
	wait.Wait()
}

func oneFailingDecision(t *testing.T, w *world) {
	things := w.things(64)
	j := w.job("fw", 0)
	w.enqueue(j, things...)
	refusal := errors.New("not this one")
	errs, commits := make([]error, len(things)), make([]store.Commit, len(things))
	w.together(func(submit func(store.Keys, store.Decide, func(store.Commit, error))) {
		for i, thing := range things {
			keys, decide := w.ask(thing, job.Ref{Job: "fw"}, job.Change{Kind: job.Report, Status: job.InProgress})
			if i == 31 {
				decide = func(store.Snapshot) (store.Changes, error) { return store.Changes{}, refusal }
			}
			submit(keys, decide, func(c store.Commit, err error) { commits[i], errs[i] = c, err })
		}
	})
	for i, thing := range things {
		want, version := error(nil), int64(2)
		if i == 31 {
			want, version = refusal, 1
		}
		if errs[i] != want {
			t.Errorf("%s: got %v, want %v", thing, errs[i], want)
		}
		if e := w.execution(thing, "fw"); e.Version != version {
			t.Errorf("%s: version %d, want %d", thing, e.Version, version)
		}
		if commits[i].Seq != commits[0].Seq {
			t.Errorf("%s was committed apart: this test needs one batch", thing)
		}
	}
	w.consistent()
}

func oneUnwritableDecision(t *testing.T, w *world) {
	things := w.things(64)
	j := w.job("fw", 0)
	w.enqueue(j, things...)
	errs := make([]error, len(things))
	w.together(func(submit func(store.Keys, store.Decide, func(store.Commit, error))) {
		for i, thing := range things {
			keys, decide := w.ask(thing, job.Ref{Job: "fw"}, job.Change{Kind: job.Report, Status: job.InProgress})
			if i == 31 { // it makes an execution that is there already
				decide = func(snap store.Snapshot) (store.Changes, error) {
					return store.Changes{Moves: []job.Move{{After: snap.Queue.Named.Execution, Kind: job.Enqueue}}, At: w.now()}, nil
				}
			}
			submit(keys, decide, func(_ store.Commit, err error) { errs[i] = err })
		}
	})
	for i, thing := range things {
		if failed := errs[i] != nil; failed != (i == 31) {
			t.Errorf("%s: got %v", thing, errs[i])
		}
		want := int64(2)
		if i == 31 {
			want = 1
		}
		if e := w.execution(thing, "fw"); e.Version != want {
			t.Errorf("%s: version %d, want %d", thing, e.Version, want)
		}
	}
	w.consistent()
}

func seeEachOther(t *testing.T, w *world) {
	w.thing("pump")
	first, second := w.job("first", 0), w.job("second", 0)
	w.enqueue(first, "pump")
	w.enqueue(second, "pump")
	var heads []job.ID
	var versions []int64
	var commits []int64
	keys := store.Keys{Thing: "pump", Queue: store.WholeQueue}
	w.together(func(submit func(store.Keys, store.Decide, func(store.Commit, error))) {
		note := func(c store.Commit, err error) {
			if err != nil {
				t.Error(err)
			}
			commits = append(commits, c.Seq)
		}
		for range 3 { // start, hand out again, and again
			submit(keys, func(snap store.Snapshot) (store.Changes, error) {
				out, head, _, err := snap.Queue.StartNext(job.Change{Kind: job.Start}, w.now())
				heads, versions = append(heads, head.JobID), append(versions, head.Version)
				return w.changes("pump", out), err
			}, note)
		}
		k, decide := w.ask("pump", job.Ref{Job: "first"}, job.Change{Kind: job.Report, Status: job.Succeeded})
		submit(k, decide, note)
		submit(keys, func(snap store.Snapshot) (store.Changes, error) {
			head, _ := job.Head(snap.Queue, w.now())
			heads, versions = append(heads, head.JobID), append(versions, head.Version)
			return store.Changes{}, nil
		}, note)
	})
	if want := []job.ID{"first", "first", "first", "second"}; !slices.Equal(heads, want) {
		t.Errorf("the heads were %v, want %v", heads, want)
	}
	if want := []int64{2, 2, 2, 1}; !slices.Equal(versions, want) {
		t.Errorf("their versions were %v, want %v", versions, want)
	}
	if slices.Max(commits) != slices.Min(commits) {
		t.Errorf("committed in %v: this test needs one batch", commits)
	}
	w.consistent()
}

func answersAndEffects(t *testing.T, w *world) {
	things := w.things(5)
	j := w.job("fw", 0)
	w.enqueue(j, things...)
	w.take()
	var want []string
	w.together(func(submit func(store.Keys, store.Decide, func(store.Commit, error))) {
		for _, thing := range things {
			keys, decide := w.ask(thing, job.Ref{Job: "fw"}, job.Change{Kind: job.Report, Status: job.Failed})
			submit(keys, decide, func(store.Commit, error) { w.told.note("answer " + string(thing)) })
			want = append(want, "answer "+string(thing), "effect "+string(thing))
		}
	})
	w.update(func(tx store.Tx) error { return w.enqueueIn(tx, w.jobIn(tx, "fw"), things[0]) })
	want = append(want, "effect "+string(things[0]))
	if lines, _, _ := w.take(); !slices.Equal(lines, want) {
		t.Errorf("told in the order\n%v\nwant\n%v", lines, want)
	}
}

func (w *world) jobIn(tx store.Tx, id job.ID) job.Job {
	w.Helper()
	j, _, err := tx.Job(id)
	if err != nil {
		w.Fatal(err)
	}
	return j
}

func failingDecision(t *testing.T, w *world) {
	w.thing("pump")
	w.enqueue(w.job("fw", 5), "pump")
	w.take()
	before := w.dump()
	refusal := errors.New("no")
	keys, decide := w.ask("pump", job.Ref{Job: "fw"}, job.Change{Kind: job.Report, Status: job.InProgress})
	_, err := w.Transact(ctx, keys, func(snap store.Snapshot) (store.Changes, error) {
		changes, _ := decide(snap)
		return changes, refusal
	})
	if !errors.Is(err, refusal) {
		t.Errorf("got %v, want the decision's error", err)
	}
	if after := w.dump(); after != before {
		t.Errorf("it changed\n%s\nto\n%s", before, after)
	}
	if lines, _, wakes := w.take(); len(lines)+len(wakes) > 0 {
		t.Errorf("it told %v and woke %v", lines, wakes)
	}
}

func viewIsConsistent(t *testing.T, w *world) {
	w.thing("a")
	w.view(func(tx store.Tx) error {
		if _, err := tx.Thing("a"); err != nil {
			t.Errorf("a: %v", err)
		}
		w.thing("b")
		_, err := tx.Thing("b")
		w.missing("a thing that came after", err)
		return nil
	})
	w.view(func(tx store.Tx) error {
		_, err := tx.Thing("b")
		return err
	})
}

func queueNeeds(t *testing.T, w *world) {
	w.thing("pump")
	w.enqueue(w.job("fw", 0), "pump")
	for _, row := range []struct {
		need    store.QueueNeed
		started bool
		want    bool
	}{
		{store.NoQueue, false, false},
		{store.WholeQueue, false, true},
		{store.QueueUnlessStarted, false, true},
		{store.NoQueue, true, false},
		{store.WholeQueue, true, true},
		{store.QueueUnlessStarted, true, false},
	} {
		if row.started && w.execution("pump", "fw").Status == job.Queued {
			if err := w.report("pump", "fw", job.InProgress, nil); err != nil {
				t.Fatal(err)
			}
		}
		snap := w.snapshot(store.Keys{Thing: "pump", Job: "fw", Queue: row.need})
		if snap.HasQueue != row.want || (len(snap.Queue.Pending) == 1) != row.want || snap.Queue.Named.Number != 1 {
			t.Errorf("need %d, started %v: %+v", row.need, row.started, snap)
		}
	}
	if snap := w.snapshot(store.Keys{Thing: "nobody", Job: "fw", Queue: store.WholeQueue}); snap.ThingKey != 0 || snap.Queue.Named.Number != 0 {
		t.Errorf("a thing that nobody registered: %+v", snap)
	}
	if snap := w.snapshot(store.Keys{Thing: "pump", Job: "nothing"}); snap.ThingKey == 0 || snap.Queue.Named.Number != 0 {
		t.Errorf("a job that is not there: %+v", snap)
	}
}

func queueIsBounded(t *testing.T, w *world) {
	w.thing("pump")
	for i := range 15 {
		j := w.job(job.ID(fmt.Sprintf("job-%02d", i)), 0)
		w.enqueue(j, "pump")
		if i%5 == 0 { // hidden rows do not count
			j, _, err := j.Cancel(false, "", "", w.now())
			if err != nil {
				t.Fatal(err)
			}
			w.update(func(tx store.Tx) error { return tx.PutJob(&j, nil) })
		}
	}
	check := func(limit, want int) {
		t.Helper()
		w.cfg.Visible = limit
		w.reopen()
		q := w.snapshot(store.Keys{Thing: "pump", Queue: store.WholeQueue}).Queue
		if got := len(q.Visible(w.now())); got != want {
			t.Errorf("with a limit of %d the queue shows %d, want %d", limit, got, want)
		}
		if head, _ := job.Head(q, w.now()); head.JobID != "job-01" {
			t.Errorf("the head is %s, want job-01", head.JobID)
		}
	}
	check(10, 11)
	check(3, 4)
	check(0, 12)
}

func namespaces(t *testing.T, w *world) {
	key := w.thing("pump")
	want := func(namespaces ...job.Namespace) {
		t.Helper()
		w.view(func(tx store.Tx) error {
			got, err := tx.PendingNamespaces(key)
			if !slices.Equal(got, namespaces) {
				t.Errorf("pending in %q, want %q", got, namespaces)
			}
			return err
		})
	}
	want()
	for i := range 14 {
		w.enqueue(w.namespaced("gg", job.ID(fmt.Sprintf("gg-%02d", i)), 0), "pump")
	}
	want("gg")
	w.enqueue(w.job("plain", 0), "pump")
	w.enqueue(w.namespaced("zz", "zz", 0), "pump")
	want("", "gg", "zz")
	heads := func(want map[store.Keys]string) {
		t.Helper()
		for k, head := range want {
			k.Thing, k.Queue = "pump", store.WholeQueue
			q := w.snapshot(k).Queue
			got := ""
			for _, e := range q.Pending {
				if e.Job.Namespace != q.Pending[0].Job.Namespace {
					t.Errorf("%+v: %s is of namespace %q", k, e.JobID, e.Job.Namespace)
				}
			}
			if len(q.Pending) > 0 {
				got = fmt.Sprint(q.Pending[0].JobID, " of ", len(q.Pending))
			}
			if got != head {
				t.Errorf("%+v: the queue is %q, want %q", k, got, head)
			}
		}
	}
	heads(map[store.Keys]string{
		{}:                             "plain of 1",
		{Namespace: "gg"}:              "gg-00 of 11",
		{Namespace: "g"}:               "",
		{Job: "gg-13"}:                 "gg-00 of 11",
		{Job: "gg-13", Namespace: "x"}: "gg-00 of 11", // a job is in the queue of its own namespace
		{Job: "plain"}:                 "plain of 1",
	})
	if err := w.report("pump", "gg-13", job.InProgress, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.report("pump", "plain", job.Succeeded, nil); err != nil {
		t.Fatal(err)
	}
	w.reopen()
	heads(map[store.Keys]string{{}: "", {Namespace: "gg"}: "gg-13 of 11"})
	w.consistent()
}

func freshFlag(t *testing.T, w *world) {
	w.thing("pump")
	j := w.job("fw", 0)
	w.enqueue(j, "pump")
	seen := func() (named, pending job.State) {
		if _, err := w.Transact(ctx, store.Keys{Thing: "pump", Job: "fw", Queue: store.WholeQueue}, func(snap store.Snapshot) (store.Changes, error) {
			named, pending = snap.Queue.Named.Job, snap.Queue.Pending[0].Job
			return store.Changes{}, nil
		}); err != nil {
			t.Fatal(err)
		}
		return named, pending
	}
	for _, move := range []func() error{
		func() error { return nil },
		func() (err error) { j, _, err = j.Cancel(false, "", "", w.now()); return err },
		func() (err error) { j, _, err = j.Cancel(true, "", "", w.now()); return err },
		func() (err error) { j, err = j.Delete(true, w.now()); return err },
	} {
		seen() // so that the engine could keep it in mind
		w.advance(time.Second)
		if err := move(); err != nil {
			t.Fatal(err)
		}
		w.update(func(tx store.Tx) error { return tx.PutJob(&j, nil) })
		if named, pending := seen(); named != j.State || pending != j.State {
			t.Errorf("the named one's job is %+v, the pending one's %+v, want %+v", named, pending, j.State)
		}
	}
}

func neighbours(t *testing.T, w *world) {
	w.thing("pump")
	j := w.job("fw", 0)
	for range 3 {
		w.enqueue(j, "pump")
		if err := w.report("pump", "fw", job.Failed, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct{ ask, named, previous, newer int64 }{
		{0, 3, 2, 0}, {3, 3, 2, 0}, {2, 2, 1, 3}, {1, 1, 0, 3}, {4, 0, 0, 0}, {-1, 0, 0, 0},
	} {
		q := w.snapshot(store.Keys{Thing: "pump", Job: "fw", Number: row.ask}).Queue
		if q.Named.Number != row.named || row.named != 0 && (q.Previous.Number != row.previous || q.Newer.Number != row.newer) {
			t.Errorf("asked for %d: named %d, previous %d, newer %d; want %+v", row.ask, q.Named.Number, q.Previous.Number, q.Newer.Number, row)
		}
		if q.Named.Number != 0 && (q.Named.JobID != "fw" || q.Named.Job.ID != "fw" || q.Named.Job.Status != job.JobInProgress) {
			t.Errorf("asked for %d: its job is %+v", row.ask, q.Named.Job)
		}
	}
}

func afterClose(t *testing.T, w *world) {
	s := w.Store
	w.reopen()
	if err := s.Update(ctx, func(store.Tx) error { return nil }); err == nil {
		t.Error("an update was made")
	}
	if _, err := s.Transact(ctx, store.Keys{Thing: "pump"}, func(store.Snapshot) (store.Changes, error) { return store.Changes{}, nil }); err == nil {
		t.Error("a decision was made")
	}
}

func manyGoroutines(t *testing.T, w *world) {
	const workers, reports = 16, 25
	things := w.things(workers / 2) // two for each thing
	w.enqueue(w.job("fw", 0), things...)
	var wait sync.WaitGroup
	for i := range workers {
		wait.Go(func() {
			for n := range reports {
				if err := w.report(things[i%len(things)], "fw", job.InProgress, job.Details{"n": fmt.Sprint(n)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 20 { // control plane beside them
		w.view(func(tx store.Tx) error { _, _, err := tx.Job("fw"); return err })
		w.advance(time.Millisecond)
		w.update(func(store.Tx) error { return nil })
	}
	wait.Wait()
	for _, thing := range things {
		if e := w.execution(thing, "fw"); e.Version != 1+2*reports {
			t.Errorf("%s: version %d, want %d", thing, e.Version, 1+2*reports)
		}
	}
	w.consistent()
}

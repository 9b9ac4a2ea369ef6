package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

// following is what continuous jobs, retries and quotas need.
var following = []check{
	{"a continuous job follows its groups until it is over", followers},
	{"what has become of a job's things is kept in order until it is dropped", retargets},
	{"a dissolved group's memberships are kept while somebody has to walk them", dissolvedIsKept},
	{"whether a thing has left is no change of its execution", markLeft},
	{"the things that have left a job are walked by key", whoLeft},
	{"the execution that was queued last has the last sequence", lastQueued},
	{"jobs are counted by status and selection, up to a limit", countJobs},
	{"an attempt knows the latest finished one before it, whatever is deleted", finishedBefore},
	{"a retry is written with the end that it follows", retryWritten},
}

func followers(t *testing.T, w *world) {
	line, other := w.group("line"), w.group("other")
	target := func(key int64) job.Target { return job.Target{Group: true, Key: key, Name: "g"} }
	make := func(id job.ID, s job.Selection, targets ...job.Target) job.Job {
		j := job.NewJob(id, nil, targets, 0, w.now())
		j.Selection = s
		w.update(func(tx store.Tx) error { return tx.PutJob(&j, []byte("1")) })
		return j
	}
	one := make("one", job.Continuous, target(line), target(line), job.Target{Key: other, Name: "a thing"})
	two := make("two", job.Continuous, target(line), target(other))
	make("snap", job.Snapshot, target(line))
	want := func(when string, group int64, jobs ...job.Job) {
		t.Helper()
		w.view(func(tx store.Tx) error {
			got, err := tx.Followers(group)
			var keys []int64
			for _, j := range jobs {
				keys = append(keys, j.Key)
			}
			if !slices.Equal(got, keys) {
				t.Errorf("%s: group %d is followed by %v, want %v", when, group, got, keys)
			}
			return err
		})
	}
	put := func(j *job.Job) { w.update(func(tx store.Tx) error { return tx.PutJob(j, nil) }) }
	want("at first", line, one, two)
	want("at first", other, two)
	one.Resolved = append(slices.Clone(one.Resolved), target(other))
	put(&one)
	want("after it was associated", other, one, two)
	two.Status = job.JobScheduled
	two.ChangedAt = w.now().Add(time.Second)
	put(&two)
	want("SCHEDULED is not over", line, one, two)
	two.Status = job.JobCanceled
	put(&two)
	want("after a cancellation", line, one)
	w.reopen()
	want("after a restart", other, one)
	w.update(func(tx store.Tx) error { return tx.DropJob(one.Key) })
	want("after its end", line)
}

func retargets(t *testing.T, w *world) {
	j := w.job("fw", 0)
	other := w.job("other", 0)
	a, b := w.thing("a"), w.thing("b")
	w.take()
	w.update(func(tx store.Tx) error {
		for _, r := range []store.Retarget{
			{Thing: store.Member{Key: a}, Joined: true},
			{Thing: store.Member{Key: b}, Joined: true},
			{Thing: store.Member{Key: a}},
			{Group: 7},
		} {
			if err := tx.AddRetarget(j.Key, r); err != nil {
				return err
			}
		}
		return tx.AddRetarget(other.Key, store.Retarget{Thing: store.Member{Key: b}})
	})
	if _, _, wakes := w.take(); len(wakes) == 0 {
		t.Error("nobody was woken")
	}
	want := func(limit int, want ...store.Retarget) {
		t.Helper()
		w.view(func(tx store.Tx) error {
			got, err := tx.Retargets(j.Key, limit)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			return err
		})
	}
	all := []store.Retarget{
		{Seq: 1, Thing: store.Member{Key: a, Name: "a"}, Joined: true},
		{Seq: 2, Thing: store.Member{Key: b, Name: "b"}, Joined: true},
		{Seq: 3, Thing: store.Member{Key: a, Name: "a"}},
		{Seq: 4, Group: 7},
	}
	want(10, all...)
	want(2, all[:2]...)
	w.view(func(tx store.Tx) error {
		due, err := tx.DueJobs(w.now(), 10)
		if !slices.Equal(due, []int64{j.Key, other.Key}) {
			t.Errorf("due are %v", due)
		}
		return err
	})
	all[3].After = 99
	w.update(func(tx store.Tx) error {
		if err := tx.PutRetarget(j.Key, all[3]); err != nil {
			return err
		}
		return tx.DeleteThing(b)
	})
	all[1].Thing.Name = "" // gone
	w.reopen()
	want(10, all...)
	w.update(func(tx store.Tx) error { return tx.DropRetargets(j.Key, 2) })
	want(10, all[2:]...)
	w.update(func(tx store.Tx) error {
		return tx.AddRetarget(j.Key, store.Retarget{Thing: store.Member{Key: a}, Joined: true})
	})
	want(10, all[2], all[3], store.Retarget{Seq: 5, Thing: store.Member{Key: a, Name: "a"}, Joined: true})
	w.missing("a note that is not there", w.Update(ctx, func(tx store.Tx) error { return tx.PutRetarget(j.Key, store.Retarget{Seq: 9}) }))
	w.update(func(tx store.Tx) error { return tx.DropJob(j.Key) })
	w.view(func(tx store.Tx) error {
		left, err := tx.Retargets(other.Key, 10)
		if len(left) != 1 {
			t.Errorf("another job's notes: %v", left)
		}
		return err
	})
}

func dissolvedIsKept(t *testing.T, w *world) {
	j := w.job("fw", 0)
	group := w.group("line")
	for _, n := range []registry.Name{"a", "b"} {
		key := w.thing(n)
		w.update(func(tx store.Tx) error { return tx.Join(group, key) })
	}
	w.update(func(tx store.Tx) error {
		if err := tx.AddRetarget(j.Key, store.Retarget{Group: group}); err != nil {
			return err
		}
		return tx.DeleteGroup(group)
	})
	members := func() (n int) {
		w.view(func(tx store.Tx) error {
			pin, err := tx.Pin()
			if err != nil {
				return err
			}
			m, err := tx.Members(group, pin, 0, 10)
			n = len(m)
			return err
		})
		return n
	}
	prune := func() (more bool) {
		w.update(func(tx store.Tx) (err error) { more, err = tx.Prune(10); return err })
		return more
	}
	if prune() || members() != 2 {
		t.Errorf("before they were walked %d members are left, want 2", members())
	}
	w.update(func(tx store.Tx) error { return tx.DropRetargets(j.Key, 1) })
	for prune() {
	}
	if members() != 0 {
		t.Errorf("after that %d members are left", members())
	}
}

func markLeft(t *testing.T, w *world) {
	w.thing("pump")
	j := w.job("fw", 0)
	w.enqueue(j, "pump")
	if err := w.report("pump", "fw", job.InProgress, job.Details{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	before := w.execution("pump", "fw")
	w.take()
	for _, left := range []bool{true, false, true} {
		w.update(func(tx store.Tx) error { return tx.MarkLeft(before, left) })
		want := before
		want.Left = left
		if diff := cmp.Diff(want, w.execution("pump", "fw")); diff != "" {
			t.Error(diff)
		}
	}
	if _, effects, _ := w.take(); len(effects) > 0 {
		t.Error("devices are told")
	}
	if err := w.report("pump", "fw", job.InProgress, nil); err != nil {
		t.Fatal(err)
	}
	if !w.execution("pump", "fw").Left {
		t.Error("a report takes the mark away")
	}
	other := before
	other.Number = 2
	w.missing("an execution that is not there", w.Update(ctx, func(tx store.Tx) error { return tx.MarkLeft(other, true) }))
	w.consistent()
}

func whoLeft(t *testing.T, w *world) {
	j, other := w.job("fw", 0), w.job("other", 0)
	keys := map[registry.Name]int64{}
	mark := func(thing registry.Name, id job.ID, left bool) {
		w.update(func(tx store.Tx) error { return tx.MarkLeft(w.execution(thing, id), left) })
	}
	for _, n := range []registry.Name{"a", "b", "c", "d", "stayed", "came-back", "gone"} {
		keys[n] = w.thing(n)
		for _, of := range []job.Job{j, other} {
			w.enqueue(of, n)
			if err := w.report(n, of.ID, job.InProgress, nil); err != nil {
				t.Fatal(err)
			}
		}
		if n != "stayed" {
			mark(n, "fw", true)
		}
	}
	mark("came-back", "fw", false)
	mark("stayed", "other", true)
	if err := w.report("b", "fw", job.Failed, nil); err != nil { // marked all the same
		t.Fatal(err)
	}
	w.enqueue(j, "b")
	mark("b", "fw", true)
	w.update(func(tx store.Tx) error { return tx.DeleteThing(keys["gone"]) })
	all := []store.Member{{Key: keys["a"], Name: "a"}, {Key: keys["b"], Name: "b"}, {Key: keys["c"], Name: "c"}, {Key: keys["d"], Name: "d"}}
	for limit := 1; limit < 6; limit++ {
		var got []store.Member
		for after := int64(0); ; after = got[len(got)-1].Key {
			var some []store.Member
			w.view(func(tx store.Tx) (err error) { some, err = tx.WhoLeft(j.Key, after, limit); return err })
			if len(some) > limit {
				t.Fatalf("%d things, at most %d were asked for", len(some), limit)
			}
			if got = append(got, some...); len(some) == 0 {
				break
			}
		}
		if !slices.Equal(got, all) {
			t.Errorf("%d at a time: %v, want %v", limit, got, all)
		}
	}
}

func lastQueued(t *testing.T, w *world) {
	w.thing("a")
	j := w.job("fw", 0)
	want := func(when string, seq int64) {
		t.Helper()
		var read, written int64
		w.view(func(tx store.Tx) (err error) { read, err = tx.LastQueued(); return err })
		w.update(func(tx store.Tx) (err error) { written, err = tx.LastQueued(); return err })
		if read != seq || written != seq {
			t.Errorf("%s: %d for a reader, %d for a writer, want %d", when, read, written, seq)
		}
	}
	want("nothing was queued", 0)
	w.enqueue(j, "a")
	first := w.execution("a", "fw").Seq
	want("after the first", first)
	if err := w.report("a", "fw", job.Failed, nil); err != nil {
		t.Fatal(err)
	}
	want("after its end", first)
	w.enqueue(w.job("other", 0), "a")
	second := w.execution("a", "other").Seq
	want("after the second", second)
	if second <= first {
		t.Errorf("the second is %d after %d", second, first)
	}
	w.reopen()
	want("after a restart", second)
}

func countJobs(t *testing.T, w *world) {
	for i := range 9 {
		j := job.NewJob(job.ID(fmt.Sprint("j", i)), nil, nil, 0, w.now())
		if i%3 == 0 {
			j.Selection = job.Continuous
		}
		if i > 6 {
			j.Status = job.JobCanceled
		}
		w.update(func(tx store.Tx) error { return tx.PutJob(&j, []byte("1")) })
	}
	for _, row := range []struct {
		s     job.JobStatus
		of    job.Selection
		limit int
		want  int
	}{
		{job.JobInProgress, 0, 100, 7},
		{job.JobInProgress, job.Continuous, 100, 3},
		{job.JobInProgress, job.Snapshot, 100, 4},
		{job.JobInProgress, job.Snapshot, 2, 2},
		{job.JobCanceled, 0, 100, 2},
		{job.JobCanceled, job.Continuous, 100, 0},
		{job.JobDeletionInProgress, 0, 100, 0},
	} {
		w.view(func(tx store.Tx) error {
			n, err := tx.CountJobs(row.s, row.of, row.limit)
			if n != row.want {
				t.Errorf("%s %s up to %d: %d, want %d", row.s, row.of, row.limit, n, row.want)
			}
			return err
		})
	}
}

// finishedBefore makes five attempts, some of which never finish, and deletes
// them in every order.
func finishedBefore(t *testing.T, w *world) {
	ends := []job.Status{job.Failed, job.Removed, job.TimedOut, job.Canceled, job.Queued}
	for i, order := range [][]int64{{1, 2, 3, 4, 5}, {5, 4, 3, 2, 1}, {3, 1, 5, 2, 4}, {3, 5, 4, 1, 2}, {2, 4, 3, 5, 1}} {
		thing := registry.Name(fmt.Sprint("thing-", i))
		w.thing(thing)
		j := w.job(job.ID(fmt.Sprint("fw", i)), 1)
		for _, end := range ends {
			w.enqueue(j, thing)
			switch end {
			case job.Failed:
				if err := w.report(thing, j.ID, job.Failed, nil); err != nil {
					t.Fatal(err)
				}
			case job.TimedOut:
				if err := w.report(thing, j.ID, job.InProgress, nil); err != nil {
					t.Fatal(err)
				}
				w.advance(2 * time.Minute)
				w.change1(t, thing, job.Ref{Job: j.ID}, job.Change{Kind: job.Sweep})
			case job.Removed:
				w.change1(t, thing, job.Ref{Job: j.ID}, job.Change{Kind: job.Remove})
			case job.Canceled:
				w.change1(t, thing, job.Ref{Job: j.ID}, job.Change{Kind: job.Cancel})
			}
		}
		if e := w.execution(thing, j.ID); e.Number != 5 || e.FinishedBefore != job.TimedOut {
			t.Errorf("the newest is %+v", e)
		}
		w.consistent()
		for _, number := range order {
			w.change1(t, thing, job.Ref{Job: j.ID, Number: number}, job.Change{Kind: job.Delete})
			w.consistent()
			if t.Failed() {
				t.Fatalf("after the deletion of %d in the order %v", number, order)
			}
		}
	}
}

// change1 makes a change that must succeed.
func (w *world) change1(t *testing.T, thing registry.Name, r job.Ref, c job.Change) {
	t.Helper()
	keys, decide := w.ask(thing, r, c)
	if _, err := w.Transact(ctx, keys, decide); err != nil {
		t.Fatal(err)
	}
}

func retryWritten(t *testing.T, w *world) {
	w.thing("pump")
	j := job.NewJob("fw", nil, nil, 0, w.now())
	j.Expansion.Done, j.Retries = true, job.Budget{Failed: 2}
	w.update(func(tx store.Tx) error { return tx.PutJob(&j, []byte("1")) })
	w.enqueue(j, "pump")
	w.take()
	if err := w.report("pump", "fw", job.Failed, nil); err != nil {
		t.Fatal(err)
	}
	e := w.execution("pump", "fw")
	if e.Number != 2 || e.Status != job.Queued || e.RetryAttempt != 1 || e.RetriesFailed != 1 || e.FinishedBefore != job.Failed || e.Seq == 0 {
		t.Errorf("the retry is %+v", e)
	}
	if _, effects, _ := w.take(); len(effects) != 1 || !effects[0].Notify || !effects[0].Next {
		t.Errorf("devices are told %+v", effects)
	}
	snap := w.snapshot(store.Keys{Thing: "pump", Job: "fw", Number: 1})
	if snap.Queue.Newer.Number != 2 || snap.Queue.Superseded {
		t.Errorf("behind the first are %+v, superseded %v", snap.Queue.Newer, snap.Queue.Superseded)
	}
	if err := w.report("pump", "fw", job.Failed, nil); err != nil {
		t.Fatal(err)
	}
	if snap = w.snapshot(store.Keys{Thing: "pump", Job: "fw", Number: 1}); snap.Queue.Newer.Number != 3 || !snap.Queue.Superseded {
		t.Errorf("behind the first are %+v, superseded %v", snap.Queue.Newer, snap.Queue.Superseded)
	}
	w.consistent()
	w.reopen()
	w.consistent()
}

package sched

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// onlyOnce is a store of which the server ends after the first transaction that is
// let through.
type onlyOnce struct {
	store.Store
	armed, done bool
}

var errEnded = errors.New("the server has ended")

func (o *onlyOnce) Update(ctx context.Context, fn func(store.Tx) error) error {
	if o.done {
		return errEnded
	}
	o.done = o.armed
	return o.Store.Update(ctx, fn)
}

// burdened is a fleet whose thing "a" has this many jobs to do, of the namespace
// "gg" the last; thing "b" has them too. The store ends after its next transaction.
func burdened(t *testing.T, jobs int) (*fleet, *onlyOnce) {
	t.Helper()
	var once *onlyOnce
	f := newFleet(t, func(c *ops.Config) {
		once = &onlyOnce{Store: c.Store}
		c.Store = once
	})
	f.things("a", "b")
	for i := range jobs {
		f.job(fmt.Sprintf("fw-%03d", i), "thing/a", "thing/b")
	}
	f.jobIn("gg", "gg", "thing/a", "thing/b")
	f.settle()
	f.heard.take()
	f.audience.live["a"], f.audience.live[inNamespace("a", "gg")] = true, true
	once.armed = true
	return f, once
}

// TestAThingWithMuchToDoIsGoneInOneTransaction: the server ends right after it, and
// what is left becomes REMOVED when it runs again, in slices (control-plane.md B.3).
func TestAThingWithMuchToDoIsGoneInOneTransaction(t *testing.T) {
	const jobs = 3*ops.Removals + 5
	f, _ := burdened(t, jobs)
	if err := f.report("a", "fw-001", job.InProgress); err != nil {
		t.Fatal(err)
	}
	if err := f.report("a", "fw-002", job.Failed); err != nil {
		t.Fatal(err)
	}
	f.heard.take()
	f.deleteThing("a")
	if _, err := f.control.DescribeThing(t.Context(), caller, &iot.DescribeThingInput{ThingName: "a"}); err == nil {
		t.Error("the thing is still there")
	}
	wantCode(t, f.report("a", "fw-001", job.Succeeded), job.NotFound)
	told := map[job.Namespace]bool{}
	for _, e := range f.heard.take() {
		if told[e.Namespace] || e.Thing != "a" || !e.Notify || e.Next != (e.Namespace == "") || len(e.After.Pending) != 0 {
			t.Errorf("devices hear %+v: want of each queue once that it is empty", e)
		}
		told[e.Namespace] = true
	}
	if len(told) != 2 {
		t.Errorf("devices hear of %v", told)
	}
	removed := func() (n int) {
		for i := range jobs {
			n += f.stored(fmt.Sprintf("fw-%03d", i))[job.Removed]
		}
		return n
	}
	if n := removed(); n != ops.Removals {
		t.Errorf("with the thing %d are REMOVED, want %d", n, ops.Removals)
	}

	f.restart()
	before := removed()
	f.round()
	if n := removed(); n <= before || n > before+slice {
		t.Errorf("after a slice %d are REMOVED, before it %d", n, before)
	}
	if next := f.settle(); !next.IsZero() {
		t.Errorf("something is due at %s, and nothing runs", next)
	}
	if n := removed(); n != jobs-1 {
		t.Errorf("in the end %d are REMOVED, want all %d but the one that failed", n, jobs-1)
	}
	f.want(f.executions("gg"), []string{"a#1 REMOVED", "b#1 QUEUED"})
	f.want(f.executions("fw-001"), []string{"a#1 REMOVED", "b#1 QUEUED"})
	f.want(f.executions("fw-002"), []string{"a#1 FAILED", "b#1 QUEUED"})
	for i := range jobs {
		f.recount(fmt.Sprintf("fw-%03d", i))
	}
	if es := f.heard.take(); len(es) != 0 {
		t.Errorf("devices hear of it again: %+v", es)
	}
}

// TestANewThingHasNothingOfTheOneThatHadItsName, though what that one had to do is
// still there.
func TestANewThingHasNothingOfTheOneThatHadItsName(t *testing.T) {
	const jobs = ops.Removals + 20
	f, once := burdened(t, jobs)
	f.deleteThing("a")
	once.armed, once.done = false, false
	f.heard.take()
	f.things("a")
	f.job("new", "thing/a")
	f.settle()
	f.want(f.executions("new"), []string{"a#1 QUEUED"})
	f.want(f.executions("gg"), []string{"a#1 REMOVED", "b#1 QUEUED"})
	for _, e := range f.heard.take() {
		if len(e.After.Pending) != 1 || e.After.Pending[0].JobID != "new" {
			t.Errorf("devices hear %+v", e)
		}
	}
	if err := f.report("a", "new", job.Succeeded); err != nil {
		t.Error(err)
	}
}

// TestWhatADeletedThingHadToDoMeetsTheEndOfItsJobs: each ends once, and all of it.
func TestWhatADeletedThingHadToDoMeetsTheEndOfItsJobs(t *testing.T) {
	const jobs = 2 * ops.Removals
	f, once := burdened(t, jobs)
	f.deleteThing("a")
	once.armed, once.done = false, false
	id := func(i int) string { return fmt.Sprintf("fw-%03d", i) }
	for i := range jobs {
		switch i % 4 {
		case 0:
			f.cancel(id(i), true)
		case 1:
			must(f.control.DeleteJob(context.Background(), caller, &iot.DeleteJobInput{JobID: job.ID(id(i)), Force: true}))(t)
		case 2:
			if err := f.report("b", id(i), job.Succeeded); err != nil {
				t.Fatal(err)
			}
		}
	}
	if next := f.settle(); !next.IsZero() {
		t.Errorf("something is due at %s", next)
	}
	for i := range jobs {
		switch i % 4 {
		case 0:
			if s := f.describe(id(i)).Status; s != job.JobCanceled {
				t.Errorf("%s is %s", id(i), s)
			}
			if got := f.stored(id(i)); got[job.Queued] != 0 {
				t.Errorf("%s: %v", id(i), got)
			}
		case 1:
			_, err := f.control.DescribeJob(context.Background(), caller, &iot.DescribeJobInput{JobID: job.ID(id(i))})
			wantCode(t, err, job.NotFound)
			continue
		case 2:
			if s := f.describe(id(i)).Status; s != job.JobCompleted {
				t.Errorf("%s is %s: nothing of it is pending", id(i), s)
			}
		}
		f.recount(id(i))
	}
}

// TestATimerOfADeletedThingRunsOutForNobody.
func TestATimerOfADeletedThingRunsOutForNobody(t *testing.T) {
	f := newFleet(t)
	f.things("a")
	minute := int64(1)
	for i := range ops.Removals + 5 {
		f.timedJob(fmt.Sprintf("fw-%03d", i), &minute, "thing/a")
	}
	f.settle()
	for i := range ops.Removals + 5 {
		if err := f.report("a", fmt.Sprintf("fw-%03d", i), job.InProgress); err != nil {
			t.Fatal(err)
		}
	}
	f.dial.advance(59 * time.Second)
	f.deleteThing("a")
	if next := f.settle(); !next.IsZero() {
		t.Errorf("something is due at %s", next)
	}
	f.want(f.executions("fw-000"), []string{"a#1 REMOVED"})
	f.want(f.executions(fmt.Sprintf("fw-%03d", ops.Removals+4)), []string{"a#1 REMOVED"})
}

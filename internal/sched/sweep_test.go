package sched

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/iot"
)

func (f *fleet) cancel(id string, force bool) {
	f.t.Helper()
	must(f.control.CancelJob(context.Background(), caller, &iot.CancelJobInput{JobID: job.ID(id), Force: force}))(f.t)
}

func (f *fleet) stored(id string) map[job.Status]int {
	m := map[job.Status]int{}
	for _, e := range f.all(id) {
		m[e.Status]++
	}
	return m
}

func TestCancellingHidesAtOnceAndIsWrittenDownInSlices(t *testing.T) {
	f := newFleet(t)
	f.fill("line", 3*slice)
	f.job("fw", "thinggroup/line")
	f.settle()
	for _, i := range []int{0, slice + 1, 3*slice - 1} { // one in each slice
		if err := f.report(fmt.Sprintf("l%06d", i), "fw", job.InProgress); err != nil {
			t.Fatal(err)
		}
	}
	f.settle()
	f.dial.advance(time.Minute)
	f.cancel("fw", false)
	if got := f.stored("fw")[job.Queued]; got != 3*slice-3 {
		t.Fatalf("%d stored rows are QUEUED before the sweep, want %d", got, 3*slice-3)
	}
	seen := f.executions("fw")
	canceled := 0
	for _, e := range seen {
		if e[len("l000000#1 "):] == "CANCELED" {
			canceled++
		}
	}
	if canceled != 3*slice-3 {
		t.Errorf("%d are seen as CANCELED before the sweep, want %d", canceled, 3*slice-3)
	}
	if j := f.describe("fw"); !j.IsConcurrent || j.ForceCanceled == nil || *j.ForceCanceled {
		t.Errorf("while it is being cancelled: concurrent %v, forceCanceled %v", j.IsConcurrent, j.ForceCanceled)
	}
	f.round()
	if got := f.stored("fw")[job.Queued]; got != 2*slice-2 {
		t.Errorf("%d stored rows are QUEUED after one slice, want %d", got, 2*slice-2)
	}
	f.settle()
	if got := f.stored("fw"); got[job.Canceled] != 3*slice-3 || got[job.InProgress] != 3 || got[job.Queued] != 0 {
		t.Errorf("after the sweep: %v", got)
	}
	if j := f.describe("fw"); j.IsConcurrent || j.JobProcessDetails.NumberOfCanceledThings != 3*slice-3 || j.JobProcessDetails.NumberOfInProgressThings != 3 {
		t.Errorf("after the sweep: %+v", j.JobProcessDetails)
	}
	f.recount("fw")

	// The running ones go on, until the operator forces them.
	if err := f.report("l000000", "fw", job.Succeeded); err != nil {
		t.Errorf("a running execution of a job that was cancelled without force: %v", err)
	}
	f.cancel("fw", true)
	f.settle()
	if got := f.stored("fw"); got[job.InProgress] != 0 || got[job.Canceled] != 3*slice-1 || got[job.Succeeded] != 1 {
		t.Errorf("after the force: %v", got)
	}
	for _, e := range f.all("fw") {
		if e.ForceCanceled != (!e.StartedAt.IsZero() && e.Status == job.Canceled) {
			t.Errorf("thing %d: forceCanceled is %v", e.ThingKey, e.ForceCanceled)
		}
	}
	f.recount("fw")
	if next := f.settle(); !next.IsZero() {
		t.Errorf("something is due at %s, and all is done", next)
	}
}

func TestACancelledRolloutStops(t *testing.T) {
	f := newFleet(t, func(c *ops.Config) { c.RolloutDefault = 60 })
	f.fill("line", 10)
	f.job("fw", "thinggroup/line")
	f.settle()
	f.cancel("fw", false)
	f.drain()
	f.want(f.executions("fw"), []string{"l000000#1 CANCELED"})
}

func TestASweepGoesOnAfterARestart(t *testing.T) {
	f := newFleet(t)
	f.fill("line", 4*slice)
	f.job("fw", "thinggroup/line")
	f.settle()
	f.cancel("fw", false)
	f.round()
	f.restart()
	f.settle()
	if got := f.stored("fw")[job.Canceled]; got != 4*slice {
		t.Errorf("%d executions are CANCELED, want %d", got, 4*slice)
	}
}

func TestADeletedJobIsSeenByNobodyAndItsIDIsFreeInTheEnd(t *testing.T) {
	f := newFleet(t)
	f.fill("line", 2*slice)
	f.things("gone")
	f.job("fw", "thinggroup/line", "thing/gone")
	f.settle()
	must(f.control.DeleteThing(context.Background(), caller, &iot.DeleteThingInput{ThingName: "gone"}))(t)
	if err := f.report("l000003", "fw", job.Failed); err != nil {
		t.Fatal(err)
	}
	_, err := f.control.DeleteJob(context.Background(), caller, &iot.DeleteJobInput{JobID: "fw"})
	wantCode(t, err, job.InvalidStateTransition)
	must(f.control.DeleteJob(context.Background(), caller, &iot.DeleteJobInput{JobID: "fw", Force: true}))(t)
	f.want(f.executions("fw"), nil)
	wantCode(t, f.report("l000000", "fw", job.InProgress), job.NotFound)
	_, err = f.control.CreateJob(context.Background(), caller, &iot.CreateJobInput{JobID: "fw", Document: "{}", Targets: []string{account + "thing/l000000"}})
	wantCode(t, err, job.AlreadyExists)
	f.round()
	f.recount("fw")
	f.settle()
	_, err = f.control.DescribeJob(context.Background(), caller, &iot.DescribeJobInput{JobID: "fw"})
	wantCode(t, err, job.NotFound)
	f.job("fw", "thing/l000000")
	f.settle()
	f.want(f.executions("fw"), []string{"l000000#1 QUEUED"})
	if next := f.settle(); !next.IsZero() {
		t.Errorf("something is due at %s, and all is done", next)
	}
}

func wantCode(t *testing.T, err error, want job.Code) {
	t.Helper()
	var e *job.Error
	if !errors.As(err, &e) || e.Code != want {
		t.Errorf("got %v, want code %d", err, want)
	}
}

func TestAnExecutionWhoseTimeRanOutBecomesTimedOut(t *testing.T) {
	f := newFleet(t)
	f.things("a", "b")
	ten := int64(10)
	f.timedJob("fw", &ten, "thing/a", "thing/b")
	f.settle()
	if err := f.report("a", "fw", job.InProgress); err != nil {
		t.Fatal(err)
	}
	start := f.dial.Now()
	if next := f.settle(); !next.Equal(start.Add(10 * time.Minute)) {
		t.Fatalf("due next at %s, want ten minutes after %s", next, start)
	}
	f.dial.advance(10*time.Minute - time.Millisecond)
	f.settle()
	f.want(f.executions("fw"), []string{"a#1 IN_PROGRESS", "b#1 QUEUED"})
	f.dial.advance(time.Hour)
	f.settle()
	f.want(f.executions("fw"), []string{"a#1 TIMED_OUT", "b#1 QUEUED"})
	for _, e := range f.all("fw") {
		if e.Status == job.TimedOut && !e.LastUpdatedAt.Equal(start.Add(10*time.Minute)) {
			t.Errorf("it is said to have timed out at %s, want %s", e.LastUpdatedAt, start.Add(10*time.Minute))
		}
	}
	if d := f.describe("fw").JobProcessDetails; d.NumberOfTimedOutThings != 1 || d.NumberOfQueuedThings != 1 {
		t.Errorf("the counters: %+v", d)
	}
	f.recount("fw")
}

func TestTimersOfAJobThatIsBeingDeletedDoNotHoldUpOthers(t *testing.T) {
	f := newFleet(t)
	f.things("a", "b")
	one := int64(1)
	f.timedJob("fw", &one, "thing/a")
	f.timedJob("other", &one, "thing/b")
	f.settle()
	for thing, id := range map[string]string{"a": "fw", "b": "other"} {
		if err := f.report(thing, id, job.InProgress); err != nil {
			t.Fatal(err)
		}
	}
	must(f.control.DeleteJob(context.Background(), caller, &iot.DeleteJobInput{JobID: "fw", Force: true}))(t)
	f.dial.advance(time.Hour)
	f.settle()
	f.want(f.executions("other"), []string{"b#1 TIMED_OUT"})
	if s := f.describe("other").Status; s != job.JobCompleted {
		t.Errorf("other is %s, want COMPLETED", s)
	}
}

func TestAListenerIsToldInTheOrderOfTheCommits(t *testing.T) {
	f := newFleet(t)
	f.things("a", "b")
	f.audience.live["a"] = true
	f.job("first", "thing/a", "thing/b")
	f.settle()
	f.job("second", "thing/a", "thing/b")
	f.settle()
	f.cancel("first", false)
	f.settle()
	must(f.control.DeleteJob(context.Background(), caller, &iot.DeleteJobInput{JobID: "second", Force: true}))(t)
	f.settle()
	f.flush()
	type told struct {
		thing        string
		notify, next bool
		head         job.ID
		pending      int
	}
	var got []told
	for _, e := range f.heard.take() {
		head, _ := job.Head(e.After, e.At)
		got = append(got, told{e.Thing, e.Notify, e.Next, head.JobID, len(e.After.Visible(e.At))})
	}
	want := []told{
		{"a", true, true, "first", 1},  // queued on an empty queue
		{"a", true, false, "first", 2}, // queued behind another
		{"a", true, true, "second", 1}, // the head is cancelled
		{"a", true, true, "", 0},       // the head is deleted with its job
	}
	if len(got) != len(want) {
		t.Fatalf("told %v, want %v: nobody listens for b", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("effect %d: got %+v, want %+v", i, got[i], want[i])
		}
	}
}

// flush returns when the effects of everything before have been handed over.
func (f *fleet) flush() {
	f.t.Helper()
	for range 2 {
		if err := f.store.Update(context.Background(), func(store.Tx) error { return nil }); err != nil {
			f.t.Fatal(err)
		}
	}
}

func TestAPersistentListenerGetsADurableRow(t *testing.T) {
	f := newFleet(t)
	f.things("a", "b")
	f.audience.queue["b"] = true
	f.job("fw", "thing/a", "thing/b")
	f.settle()
	var rows []store.EffectRow
	if err := f.store.View(context.Background(), func(tx store.Tx) error {
		return tx.Effects(func(r store.EffectRow) error { rows = append(rows, r); return nil })
	}); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 1 || rows[0].Thing != "b" || !rows[0].Notify || !rows[0].Next {
		t.Errorf("durable effects: %+v, want one for b", rows)
	}
}

func TestWhoBeginsToListenWhileASliceCommitsIsTold(t *testing.T) {
	f := newFleet(t)
	f.things("a", "b")
	// a subscribes after the scheduler has asked and before the commit.
	f.audience.onAsk = func(thing string) {
		if thing == "a" {
			f.audience.live["a"] = true
		}
	}
	f.job("fw", "thing/a", "thing/b")
	f.settle()
	f.flush()
	es := f.heard.take()
	if len(es) != 1 || es[0].Thing != "a" || !es[0].Notify || !es[0].Next || len(es[0].After.Pending) != 1 {
		t.Errorf("told %+v, want the queue of a, once", es)
	}

	f.audience.live["a"] = false // the same once more, behind another
	f.job("second", "thing/a")
	f.settle()
	f.flush()
	es = f.heard.take()
	if len(es) != 1 || !es[0].Notify || es[0].Next || len(es[0].After.Pending) != 2 {
		t.Errorf("told %+v, want the queue of a, and no new head", es)
	}
}

func TestAJobOnOfflineThingsRendersNothing(t *testing.T) {
	f := newFleet(t)
	f.fill("line", 3*slice)
	f.job("fw", "thinggroup/line")
	f.settle()
	f.cancel("fw", false)
	f.settle()
	must(f.control.DeleteJob(context.Background(), caller, &iot.DeleteJobInput{JobID: "fw"}))(t)
	f.settle()
	f.flush()
	if es := f.heard.take(); len(es) != 0 {
		t.Errorf("%d effects were handed over, and nobody listens", len(es))
	}
}

func TestTheCountersHoldWhileAJobWithRetriesIsBeingDeleted(t *testing.T) {
	f := newFleet(t)
	n := slice/2 + 10 // two attempts of each: a slice ends between them
	f.fill("line", n)
	f.job("fw", "thinggroup/line")
	f.settle()
	for i := range n {
		name := registry.Name(fmt.Sprintf("l%06d", i))
		if err := f.report(string(name), "fw", job.Failed); err != nil {
			t.Fatal(err)
		}
		err := f.store.Update(context.Background(), func(tx store.Tx) error {
			snap, err := tx.Snapshot(store.Keys{Thing: name, Job: "fw", Queue: store.WholeQueue})
			if err != nil {
				return err
			}
			e := job.New(snap.ThingKey, snap.Queue.Named.JobKey, "fw", 2, f.dial.Now())
			out := snap.Queue.Enqueue(job.Entry{Execution: e, Job: snap.Queue.Named.Job}, f.dial.Now())
			return tx.Write(store.Changes{Moves: out.Moves, At: f.dial.Now()})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	must(f.control.DeleteJob(context.Background(), caller, &iot.DeleteJobInput{JobID: "fw", Force: true}))(t)
	f.round()
	if left := len(f.all("fw")); left != 2*n-slice {
		t.Errorf("%d executions are left after a slice, want %d", left, 2*n-slice)
	}
	f.recount("fw")
}

func TestAForcedCancellationReachesWhatTheSweepHasPassed(t *testing.T) {
	f := newFleet(t)
	f.fill("line", slice+1)
	f.job("fw", "thinggroup/line")
	f.settle()
	for i := range slice {
		if err := f.report(fmt.Sprintf("l%06d", i), "fw", job.InProgress); err != nil {
			t.Fatal(err)
		}
	}
	f.settle()
	f.cancel("fw", false)
	f.round() // passes the running ones, which it leaves alone
	_, err := f.control.CancelJobExecution(context.Background(), caller, &iot.CancelJobExecutionInput{JobID: "fw", ThingName: registry.Name(fmt.Sprintf("l%06d", slice))})
	wantCode(t, err, job.InvalidStateTransition) // the request has swept it
	f.dial.advance(time.Second)
	f.cancel("fw", true)
	f.settle()
	if got := f.stored("fw"); got[job.Canceled] != slice+1 {
		t.Errorf("stored: %v, want all CANCELED", got)
	}
}

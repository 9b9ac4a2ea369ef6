package sched

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/iot"
)

func TestAJobWhoseTargetsHoldNothingCompletesAtOnce(t *testing.T) {
	f := newFleet(t)
	f.group("empty")
	f.job("fw", "thinggroup/empty")
	f.settle()
	if j := f.describe("fw"); j.Status != job.JobCompleted || j.IsConcurrent {
		t.Errorf("got %s, concurrent %v", j.Status, j.IsConcurrent)
	}
}

func TestAThingReachedThroughSeveralTargetsGetsOneExecution(t *testing.T) {
	f := newFleet(t)
	f.things("a", "b", "c", "d")
	f.group("left", "a", "b")
	f.group("right", "b", "c")
	f.job("fw", "thing/a", "thinggroup/left", "thinggroup/right", "thing/c", "thing/d", "thing/d")
	f.settle()
	f.want(f.executions("fw"), []string{"a#1 QUEUED", "b#1 QUEUED", "c#1 QUEUED", "d#1 QUEUED"})
	f.recount("fw")
}

func TestADeletedExecutionIsNotMadeAgainByALaterTarget(t *testing.T) {
	f := newFleet(t, func(c *ops.Config) { c.RolloutDefault = 60 }) // one a second
	f.things("a", "b")
	f.group("left", "a")
	f.group("right", "a", "b")
	f.job("fw", "thinggroup/left", "thinggroup/right")
	f.settle()
	f.want(f.executions("fw"), []string{"a#1 QUEUED"})
	must(f.control.DeleteJobExecution(context.Background(), caller, &iot.DeleteJobExecutionInput{JobID: "fw", ThingName: "a", ExecutionNumber: 1}))(t)
	f.drain()
	f.want(f.executions("fw"), []string{"b#1 QUEUED"})
}

// drain advances the clock through everything that is due.
func (f *fleet) drain() {
	f.t.Helper()
	for {
		next := f.settle()
		if next.IsZero() {
			return
		}
		f.dial.advance(next.Sub(f.dial.Now()))
	}
}

func TestMembershipIsPinnedWhenTheJobIsCreated(t *testing.T) {
	f := newFleet(t, func(c *ops.Config) { c.RolloutDefault = 60 })
	f.things("a", "b", "c", "d", "late", "gone")
	f.group("line", "a", "b", "c", "d", "gone")
	f.job("fw", "thinggroup/line")
	f.round()
	f.join("line", "late") // joins during the rollout: not part of it
	must(f.control.RemoveThingFromThingGroup(context.Background(), caller, &iot.RemoveThingFromThingGroupInput{ThingGroupName: "line", ThingName: "d"}))(t)
	must(f.control.DeleteThing(context.Background(), caller, &iot.DeleteThingInput{ThingName: "gone"}))(t) // deleted before its turn: skipped
	f.drain()
	f.want(f.executions("fw"), []string{"a#1 QUEUED", "b#1 QUEUED", "c#1 QUEUED", "d#1 QUEUED"})
}

func TestAGroupThatIsDeletedDuringTheRolloutIsWalkedToItsEnd(t *testing.T) {
	f := newFleet(t, func(c *ops.Config) { c.RolloutDefault = 60 })
	f.things("a", "b", "c")
	f.group("line", "a", "b", "c")
	f.job("fw", "thinggroup/line")
	f.round()
	must(f.control.DeleteThingGroup(context.Background(), caller, &iot.DeleteThingGroupInput{ThingGroupName: "line"}))(t)
	f.group("line", "c") // the name lives again, as another group
	f.drain()
	f.want(f.executions("fw"), []string{"a#1 QUEUED", "b#1 QUEUED", "c#1 QUEUED"})
	out := must(f.control.ListThingsInThingGroup(context.Background(), caller, &iot.ListThingsInThingGroupInput{ThingGroupName: "line"}))(t)
	if !slices.Equal(out.Things, []registry.Name{"c"}) {
		t.Errorf("after the pruning the new group holds %v, want [c]", out.Things)
	}
	if err := f.store.View(context.Background(), func(tx store.Tx) error {
		more, err := tx.Prune(0)
		if more {
			t.Error("memberships of the deleted group are left, and no rollout can walk them")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestAThingTargetThatWasDeletedAndMadeAgainIsAnotherThing(t *testing.T) {
	f := newFleet(t)
	f.things("a")
	f.job("fw", "thing/a")
	must(f.control.DeleteThing(context.Background(), caller, &iot.DeleteThingInput{ThingName: "a"}))(t)
	f.things("a")
	f.settle()
	f.want(f.executions("fw"), nil)
	if s := f.describe("fw").Status; s != job.JobCompleted {
		t.Errorf("the job is %s, want COMPLETED", s)
	}
}

func TestTheRolloutReleasesAtMostItsRateInAnyMinute(t *testing.T) {
	f := newFleet(t, func(c *ops.Config) { c.RolloutDefault, c.RolloutMax = 500, 120 })
	f.fill("line", 300)
	f.job("fw", "thinggroup/line")
	f.drain()
	var at []time.Time
	for _, e := range f.all("fw") {
		at = append(at, e.QueuedAt)
	}
	if len(at) != 300 {
		t.Fatalf("%d executions, want 300", len(at))
	}
	slices.SortFunc(at, time.Time.Compare)
	for i := range at {
		if j := i + 120; j < len(at) && at[j].Sub(at[i]) < time.Minute {
			t.Fatalf("121 executions within %s from %s", at[j].Sub(at[i]), at[i])
		}
	}
	if took := at[299].Sub(at[0]); took > 3*time.Minute {
		t.Errorf("300 executions at 120 a minute took %s, at most 3 minutes are expected", took)
	}
}

func TestARolloutGoesOnWhereARestartLeftIt(t *testing.T) {
	f := newFleet(t, func(c *ops.Config) { c.RolloutDefault = 120 })
	f.fill("line", 100)
	f.job("fw", "thinggroup/line")
	for range 5 {
		f.settle()
		f.dial.advance(time.Second)
		f.restart()
	}
	f.drain()
	if n := len(f.executions("fw")); n != 100 {
		t.Errorf("%d executions, want 100", n)
	}
	f.recount("fw")
}

// fill makes a group of n things called f000000 and so on, straight in the store.
func (f *fleet) fill(group string, n int) {
	f.t.Helper()
	f.group(group)
	for from := 0; from < n; from += 1000 {
		err := f.store.Update(context.Background(), func(tx store.Tx) error {
			g, err := tx.Group(registry.GroupName(group))
			for i := from; i < min(n, from+1000) && err == nil; i++ {
				name := fmt.Sprintf("%s%06d", group[:1], i)
				t := registry.NewThing(name, registry.Name(name), nil, f.dial.Now())
				if err = tx.PutThing(&t); err == nil {
					err = tx.Join(g.Key, t.Key)
				}
			}
			return err
		})
		if err != nil {
			f.t.Fatal(err)
		}
	}
}

// all are a job's stored executions.
func (f *fleet) all(id string) (all []job.Execution) {
	f.t.Helper()
	err := f.store.View(context.Background(), func(tx store.Tx) error {
		j, _, err := tx.Job(job.ID(id))
		if err != nil {
			return err
		}
		for page := (store.Page{Limit: 1000}); ; {
			rows, next, err := tx.ExecutionsForJob(j.Key, store.ExecutionFilter{}, page)
			for _, r := range rows {
				all = append(all, r.Execution)
			}
			if page.After = next; err != nil || next == "" {
				return err
			}
		}
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return all
}

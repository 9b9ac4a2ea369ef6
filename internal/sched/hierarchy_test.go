package sched

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// below makes a group below another, with things in it.
func (f *fleet) below(parent, name string, things ...string) {
	f.t.Helper()
	must(f.control.CreateThingGroup(context.Background(), caller, &iot.CreateThingGroupInput{
		ThingGroupName: registry.GroupName(name), ParentGroupName: registry.GroupName(parent),
	}))(f.t)
	for _, thing := range things {
		f.join(name, thing)
	}
}

func (f *fleet) deleteGroup(name string) {
	f.t.Helper()
	must(f.control.DeleteThingGroup(context.Background(), caller, &iot.DeleteThingGroupInput{ThingGroupName: registry.GroupName(name)}))(f.t)
}

// regroup moves a thing in one transaction.
func (f *fleet) regroup(thing, from, to string) {
	f.t.Helper()
	must(f.control.UpdateThingGroupsForThing(context.Background(), caller, &iot.UpdateThingGroupsForThingInput{
		ThingName: registry.Name(thing), ThingGroupsToAdd: []registry.GroupName{registry.GroupName(to)}, ThingGroupsToRemove: []registry.GroupName{registry.GroupName(from)},
	}))(f.t)
}

// plant is a hierarchy of three levels with a thing on each, and one beside it.
func plant(t *testing.T) *fleet {
	f := newFleet(t)
	f.things("top", "mid", "low", "beside", "out")
	f.group("plant", "top")
	f.below("plant", "line", "mid")
	f.below("plant", "empty")
	f.below("line", "bay", "low")
	f.group("other", "beside")
	return f
}

// control-plane.md B.3: a group target covers the group and its child groups.
func TestAGroupTargetCoversTheGroupsBelowIt(t *testing.T) {
	for _, row := range []struct{ target, want string }{
		{"plant", "low#1 QUEUED, mid#1 QUEUED, top#1 QUEUED"},
		{"line", "low#1 QUEUED, mid#1 QUEUED"},
		{"bay", "low#1 QUEUED"},
		{"empty", ""},
	} {
		t.Run(row.target, func(t *testing.T) {
			f := plant(t)
			f.job("fw", "thinggroup/"+row.target)
			f.settle()
			if got := strings.Join(f.executions("fw"), ", "); got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
			if s := f.describe("fw").Status; (s == job.JobCompleted) != (row.want == "") {
				t.Errorf("the job is %s", s)
			}
			f.recount("fw")
		})
	}
}

func TestAThingBelongsToTheFirstTargetWhoseSubtreeHeldIt(t *testing.T) {
	f := plant(t)
	f.job("fw", "thinggroup/bay", "thinggroup/plant", "thinggroup/line", "thing/low")
	f.settle()
	f.want(f.executions("fw"), []string{"low#1 QUEUED", "mid#1 QUEUED", "top#1 QUEUED"})
	f.recount("fw")
}

// design.md decision 9: what changes during a rollout cannot blur a SNAPSHOT.
func TestASnapshotOfAHierarchyIsPinned(t *testing.T) {
	f := plant(t)
	f.job("fw", "thinggroup/plant")
	f.regroup("low", "bay", "line")
	f.leave("line", "mid")
	f.deleteGroup("bay")
	f.below("plant", "late", "out")
	f.settle()
	f.want(f.executions("fw"), []string{"low#1 QUEUED", "mid#1 QUEUED", "top#1 QUEUED"})
	f.recount("fw")
}

func TestARolloutWalksManyGroupsOverManySlicesAndARestart(t *testing.T) {
	f := newFleet(t)
	f.group("plant")
	var want []string
	for i := range 40 {
		name := fmt.Sprintf("g%02d", i)
		f.below("plant", name)
		if i%3 == 0 {
			for n := range 12 {
				thing := fmt.Sprintf("%s-%02d", name, n)
				f.things(thing)
				f.join(name, thing)
				want = append(want, thing+"#1 QUEUED")
			}
		}
	}
	f.job("fw", "thinggroup/plant")
	f.round() // one slice, in the middle of a group
	j := f.describe("fw")
	if n := j.JobProcessDetails.NumberOfQueuedThings; n == 0 || n == int64(len(want)) {
		t.Fatalf("%d of %d after one slice: the test has lost its point", n, len(want))
	}
	f.restart()
	if n := f.describe("fw").JobProcessDetails.NumberOfQueuedThings; n != j.JobProcessDetails.NumberOfQueuedThings {
		t.Errorf("%d are QUEUED after the restart, %d before it", n, j.JobProcessDetails.NumberOfQueuedThings)
	}
	f.round() // from where it was, not from the start
	if n := f.describe("fw").JobProcessDetails.NumberOfQueuedThings; n <= j.JobProcessDetails.NumberOfQueuedThings {
		t.Errorf("%d are QUEUED a slice later, %d before it", n, j.JobProcessDetails.NumberOfQueuedThings)
	}
	f.settle()
	slices.Sort(want)
	f.want(f.executions("fw"), want)
	f.recount("fw")
}

// A CONTINUOUS job follows the groups below its targets (control-plane.md B.3).
func TestAContinuousJobFollowsTheGroupsBelowItsTargets(t *testing.T) {
	for _, row := range []struct {
		name string
		do   func(f *fleet)
		want string
	}{
		{"joins a child", func(f *fleet) { f.join("bay", "out") }, "low#1 QUEUED, mid#1 QUEUED, out#1 QUEUED, top#1 QUEUED"},
		{"joins a child that was made later", func(f *fleet) { f.below("bay", "late", "out") }, "low#1 QUEUED, mid#1 QUEUED, out#1 QUEUED, top#1 QUEUED"},
		{"leaves a child", func(f *fleet) { f.leave("bay", "low") }, "low#1 REMOVED, mid#1 QUEUED, top#1 QUEUED"},
		{"moves within the hierarchy, and stays", func(f *fleet) { f.regroup("low", "bay", "line") }, "low#1 QUEUED, mid#1 QUEUED, top#1 QUEUED"},
		{"moves out of the hierarchy", func(f *fleet) { f.regroup("low", "bay", "other") }, "low#1 REMOVED, mid#1 QUEUED, top#1 QUEUED"},
		{"moves into it", func(f *fleet) { f.regroup("beside", "other", "bay") }, "beside#1 QUEUED, low#1 QUEUED, mid#1 QUEUED, top#1 QUEUED"},
		{"loses its group", func(f *fleet) { f.deleteGroup("bay") }, "low#1 REMOVED, mid#1 QUEUED, top#1 QUEUED"},
		{"loses its group, which is made anew below another", func(f *fleet) { f.deleteGroup("bay"); f.below("other", "bay", "low") }, "low#1 REMOVED, mid#1 QUEUED, top#1 QUEUED"},
		{"leaves and comes back elsewhere below", func(f *fleet) { f.leave("bay", "low"); f.settle(); f.join("empty", "low") }, "low#1 REMOVED, low#2 QUEUED, mid#1 QUEUED, top#1 QUEUED"},
	} {
		for _, when := range []string{"after the rollout", "before anything was handed out"} {
			if when != "after the rollout" && strings.Contains(row.want, "REMOVED") {
				continue // it is no target when its turn comes, and gets nothing
			}
			t.Run(row.name+", "+when, func(t *testing.T) {
				f := plant(t)
				f.create("fw", func(in *iot.CreateJobInput) { in.TargetSelection = "CONTINUOUS" }, "thinggroup/plant")
				if when == "after the rollout" {
					f.settle()
				}
				row.do(f)
				f.settle()
				got := f.executions("fw")
				slices.Sort(got)
				if got := strings.Join(got, ", "); got != row.want {
					t.Errorf("got  %s\nwant %s", got, row.want)
				}
				f.recount("fw")
			})
		}
	}
}

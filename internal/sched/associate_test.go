package sched

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// TestWhatRanOnAfterItsThingLeftIsTriedAgainOnceATargetThatHoldsItIsAssociated,
// though its turn in the rollout, which is the last of four at one a second, has
// not come (control-plane.md B.3). Group "line" is the job's target; "other" and
// "else" are not yet.
func TestWhatRanOnAfterItsThingLeftIsTriedAgainOnceATargetThatHoldsItIsAssociated(t *testing.T) {
	for _, row := range []struct {
		name, before string
		targets      []string
		after, want  string
	}{
		{"it fails before its turn", "IN_PROGRESS leave", []string{"thinggroup/other"}, "FAILED", "a#1 FAILED, a#2 QUEUED/1"},
		{"it fails after its turn", "IN_PROGRESS leave", []string{"thinggroup/other"}, "rollout FAILED", "a#1 FAILED, a#2 QUEUED/1"},
		{"it times out", "IN_PROGRESS leave", []string{"thinggroup/other"}, "minute", "a#1 TIMED_OUT, a#2 QUEUED/1"},
		{"the thing itself is associated", "IN_PROGRESS leave", []string{"thing/a"}, "FAILED", "a#1 FAILED, a#2 QUEUED/1"},
		{"its leaving is worked off after the association", "IN_PROGRESS leave -", []string{"thinggroup/other"}, "FAILED", "a#1 FAILED, a#2 QUEUED/1"},
		{"another target is associated", "IN_PROGRESS leave", []string{"thinggroup/else"}, "FAILED", "a#1 FAILED"},
		{"it failed before: the rollout brings the next, with its retries anew", "IN_PROGRESS leave FAILED", []string{"thinggroup/other"}, "", "a#1 FAILED, a#2 QUEUED"},
		{"it timed out before, which nobody has written down", "IN_PROGRESS leave minute -", []string{"thinggroup/other"}, "", "a#1 TIMED_OUT, a#2 QUEUED"},
		{"it leaves again", "IN_PROGRESS leave", []string{"thinggroup/other"}, "unother FAILED", "a#1 FAILED"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFleet(t, func(c *ops.Config) { c.RolloutDefault = 60 })
			f.things("x1", "x2", "x3", "a")
			f.group("line", "a")
			f.group("other", "x1", "x2", "x3", "a")
			f.group("else", "x1")
			f.create("fw", func(in *iot.CreateJobInput) {
				in.TargetSelection = "CONTINUOUS"
				in.TimeoutConfig = &iot.TimeoutConfig{InProgressTimeoutInMinutes: ptr(int64(1))}
				in.JobExecutionsRetryConfig = retries("ALL", 1)
			}, "thinggroup/line")
			f.settle()
			f.do(row.before)
			if err := f.associate("fw", row.targets...); err != nil {
				t.Fatal(err)
			}
			f.settle()
			for step := range strings.FieldsSeq(row.after) {
				switch step {
				case "rollout":
					for range 5 {
						f.dial.advance(time.Second)
						f.settle()
					}
				case "unother":
					f.leave("other", "a")
					f.settle()
				default:
					f.do(step)
				}
			}
			f.drain()
			if got := strings.Join(f.tried("fw", "a"), ", "); got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
			f.recount("fw")
		})
	}
}

// TestATimeOutThatCameBeforeTheAssociationIsNotTriedAgain, although so many timers
// have run out that the association is worked off before this one: the rollout
// brings the thing its next.
func TestATimeOutThatCameBeforeTheAssociationIsNotTriedAgain(t *testing.T) {
	for _, associated := range []string{"thinggroup/other", "thing/a"} {
		t.Run(associated, func(t *testing.T) {
			f := newFleet(t)
			f.fill("line", timerStep)
			f.things("a")
			f.join("line", "a")
			f.group("other", "a")
			f.create("fw", func(in *iot.CreateJobInput) {
				in.TargetSelection = "CONTINUOUS"
				in.TimeoutConfig = &iot.TimeoutConfig{InProgressTimeoutInMinutes: ptr(int64(1))}
				in.JobExecutionsRetryConfig = retries("ALL", 1)
			}, "thinggroup/line")
			f.settle()
			for i := range timerStep {
				if err := f.report(fmt.Sprintf("l%06d", i), "fw", job.InProgress); err != nil {
					t.Fatal(err)
				}
			}
			f.do("IN_PROGRESS leave")
			f.dial.advance(time.Minute)
			f.also(associated)
			if got := strings.Join(f.tried("fw", "a"), ", "); got != "a#1 TIMED_OUT, a#2 QUEUED" {
				t.Errorf("got %s", got)
			}
			f.recount("fw")
		})
	}
}

// tried are a thing's executions of a job, with their retryAttempt behind a
// slash.
func (f *fleet) tried(id, thing string) (all []string) {
	f.t.Helper()
	out := must(f.control.ListJobExecutionsForThing(context.Background(), caller, &iot.ListJobExecutionsForThingInput{
		ThingName: registry.Name(thing), JobID: job.ID(id),
	}))(f.t)
	for _, s := range out.ExecutionSummaries {
		e := s.JobExecutionSummary
		line := fmt.Sprintf("%s#%d %s", thing, e.ExecutionNumber, e.Status)
		if e.RetryAttempt != nil {
			line += fmt.Sprint("/", *e.RetryAttempt)
		}
		all = append([]string{line}, all...)
	}
	return all
}

// TestAnAssociationDuringARolloutGivesNobodyTheJobTwice: "left" is rolled out at
// one a second, then "right" is associated, then others while that one is on its
// way. What happens to thing "a" in between is in the row.
func TestAnAssociationDuringARolloutGivesNobodyTheJobTwice(t *testing.T) {
	for _, row := range []struct {
		name  string
		steps func(f *fleet)
		want  string
	}{
		{"it joins the target that is walked, ahead of the walk, and succeeds", func(f *fleet) {
			f.also("thinggroup/right")
			f.join("right", "a")
			f.settle()
			f.do("SUCCEEDED")
			f.also("thing/y")
		}, "a#1 SUCCEEDED"},
		{"it joins a target of the creation, ahead of the walk, and what it gets is deleted", func(f *fleet) {
			f.join("left", "a")
			f.settle()
			f.deleteExecution("a")
			f.also("thing/y")
		}, ""},
		{"the walk of the first has reached it, and the second holds it too", func(f *fleet) {
			f.join("right", "a")
			f.join("third", "a")
			f.also("thinggroup/right")
			f.drain()
			f.do("SUCCEEDED")
			f.also("thinggroup/third")
		}, "a#1 SUCCEEDED"},
		{"both are associated one after the other, at one instant", func(f *fleet) {
			f.join("right", "a")
			f.join("third", "a")
			f.also("thinggroup/right")
			f.also("thinggroup/third")
			f.drain()
			f.do("SUCCEEDED")
		}, "a#1 SUCCEEDED"},
		{"it joins after the association, at its instant, and succeeds at it", func(f *fleet) {
			f.also("thinggroup/right")
			f.join("right", "a")
			f.settle()
			f.do("SUCCEEDED")
			f.also("thing/y", "thinggroup/third")
			f.join("third", "a")
		}, "a#1 SUCCEEDED"},
		{"it had it and left, and comes again with the second alone", func(f *fleet) {
			f.join("right", "a")
			f.also("thinggroup/right")
			f.drain()
			f.do("SUCCEEDED")
			f.leave("right", "a")
			f.join("third", "a")
			f.also("thinggroup/third")
		}, "a#1 SUCCEEDED, a#2 QUEUED"},
		{"and all of it at one instant", func(f *fleet) {
			f.join("left", "a")
			f.settle()
			f.do("SUCCEEDED")
			f.leave("left", "a")
			f.settle()
			f.join("third", "a")
			f.also("thinggroup/third")
		}, "a#1 SUCCEEDED, a#2 QUEUED"},
		{"it leaves the first before its turn, and the second holds it", func(f *fleet) {
			f.join("right", "a")
			f.join("third", "a")
			f.also("thinggroup/right", "thinggroup/third")
			f.leave("right", "a")
		}, "a#1 QUEUED"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFleet(t, func(c *ops.Config) { c.RolloutDefault = 60 })
			f.things("l1", "l2", "r1", "r2", "y", "a", "z")
			f.group("left", "l1", "l2", "z")
			f.group("right", "r1", "r2")
			f.group("third", "y")
			f.create("fw", func(in *iot.CreateJobInput) { in.TargetSelection = "CONTINUOUS" }, "thinggroup/left")
			f.settle()
			row.steps(f)
			f.drain()
			if got := strings.Join(f.tried("fw", "a"), ", "); got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
			for _, other := range []string{"l1", "l2", "z"} {
				if got := strings.Join(f.tried("fw", other), ", "); got != other+"#1 QUEUED" {
					t.Errorf("%s: %s", other, got)
				}
			}
			f.recount("fw")
		})
	}
}

// also associates targets with the job.
func (f *fleet) also(targets ...string) {
	f.t.Helper()
	if err := f.associate("fw", targets...); err != nil {
		f.t.Fatal(err)
	}
	f.settle()
}

func (f *fleet) deleteExecution(thing string) {
	f.t.Helper()
	must(f.control.DeleteJobExecution(context.Background(), caller, &iot.DeleteJobExecutionInput{JobID: "fw", ThingName: registry.Name(thing), ExecutionNumber: 1}))(f.t)
	f.settle()
}

// TestThoseWhoLeftAreWalkedInSlicesWhenATargetIsAssociated, over a restart: each
// running attempt is its thing's again.
func TestThoseWhoLeftAreWalkedInSlicesWhenATargetIsAssociated(t *testing.T) {
	f := newFleet(t, func(c *ops.Config) { c.RolloutDefault = 1 })
	const n = 2*slice + 3
	f.fill("line", n)
	f.group("job")
	f.create("fw", func(in *iot.CreateJobInput) { in.TargetSelection = "CONTINUOUS" }, "thinggroup/job")
	for i := range n {
		f.join("job", fmt.Sprintf("l%06d", i))
	}
	f.settle()
	for i := range n {
		if err := f.report(fmt.Sprintf("l%06d", i), "fw", job.InProgress); err != nil {
			t.Fatal(err)
		}
	}
	must(f.control.DeleteThingGroup(context.Background(), caller, &iot.DeleteThingGroupInput{ThingGroupName: "job"}))(t)
	f.settle()
	left := func() (n int) {
		for _, e := range f.all("fw") {
			if e.Left {
				n++
			}
		}
		return n
	}
	if got := left(); got != n {
		t.Fatalf("%d have left, want all %d", got, n)
	}
	if err := f.associate("fw", "thinggroup/line"); err != nil {
		t.Fatal(err)
	}
	f.round()
	if got := left(); got != n-slice {
		t.Errorf("after a slice %d have left, want %d", got, n-slice)
	}
	f.restart()
	f.settle()
	if got := left(); got != 0 {
		t.Errorf("in the end %d have left", got)
	}
	if got := f.stored("fw"); got[job.InProgress] != n {
		t.Errorf("stored: %v", got)
	}
}

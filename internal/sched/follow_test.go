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
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/iot"
)

func (f *fleet) leave(group, thing string) {
	f.t.Helper()
	must(f.control.RemoveThingFromThingGroup(context.Background(), caller, &iot.RemoveThingFromThingGroupInput{ThingGroupName: registry.GroupName(group), ThingName: registry.Name(thing)}))(f.t)
}

func (f *fleet) deleteThing(name string) {
	f.t.Helper()
	must(f.control.DeleteThing(context.Background(), caller, &iot.DeleteThingInput{ThingName: registry.Name(name)}))(f.t)
}

// do plays a line of steps on thing "a" and group "line": a status is a report of
// it, "cancel" cancels the execution, a number of minutes is time that passes.
func (f *fleet) do(steps string) {
	f.t.Helper()
	for step := range strings.FieldsSeq(steps) {
		switch step {
		case "join":
			f.join("line", "a")
		case "joinSecond":
			f.join("second", "a")
		case "leave":
			f.leave("line", "a")
		case "delete":
			f.deleteThing("a")
		case "create":
			f.things("a")
		case "cancel":
			must(f.control.CancelJobExecution(context.Background(), caller, &iot.CancelJobExecutionInput{JobID: "fw", ThingName: "a", Force: true}))(f.t)
		case "minute":
			f.dial.advance(time.Minute)
		case "-": // the next step comes before the scheduler has done anything
			continue
		default:
			s, ok := job.ParseStatus(step)
			if !ok {
				f.t.Fatalf("no step is called %q", step)
			}
			if err := f.report("a", "fw", s); err != nil {
				f.t.Fatalf("%s: %v", step, err)
			}
		}
		if !strings.Contains(steps, step+" -") {
			f.settle()
		}
	}
}

// TestJoiningLeavingRejoiningAndBeingDeletedInEachState is control-plane.md B.3:
// the thing is not in the group when the job is created; its retries have a
// budget of one, its timer a minute.
func TestJoiningLeavingRejoiningAndBeingDeletedInEachState(t *testing.T) {
	for _, row := range []struct{ name, steps, want string }{
		{"joins", "join", "a#1 QUEUED"},
		{"joins a group that is a target twice over", "join join", "a#1 QUEUED"},
		{"leaves while QUEUED", "join leave", "a#1 REMOVED"},
		{"leaves while IN_PROGRESS, which goes on", "join IN_PROGRESS leave", "a#1 IN_PROGRESS"},
		{"and may succeed", "join IN_PROGRESS leave SUCCEEDED", "a#1 SUCCEEDED"},
		{"or fail, without a retry", "join IN_PROGRESS leave FAILED", "a#1 FAILED"},
		{"or time out, without a retry", "join IN_PROGRESS leave minute", "a#1 TIMED_OUT"},
		{"leaves while a retry is QUEUED", "join FAILED leave", "a#1 FAILED, a#2 REMOVED"},
		{"leaves while a retry is IN_PROGRESS", "join FAILED IN_PROGRESS leave SUCCEEDED", "a#1 FAILED, a#2 SUCCEEDED"},
		{"leaves after it has succeeded", "join SUCCEEDED leave", "a#1 SUCCEEDED"},
		{"leaves and the failure comes before anybody has worked it off", "join IN_PROGRESS leave - FAILED", "a#1 FAILED, a#2 REMOVED"},
		{"leaves and the time-out comes before anybody has worked it off", "join IN_PROGRESS leave - minute", "a#1 TIMED_OUT, a#2 REMOVED"},
		{"rejoins after it was removed", "join leave join", "a#1 REMOVED, a#2 QUEUED"},
		{"rejoins before anybody has worked off its leaving", "join leave - join", "a#1 REMOVED, a#2 QUEUED"},
		{"joins and leaves before anybody has worked off its joining", "join - leave", "a#1 REMOVED"},
		{"rejoins after it has succeeded", "join SUCCEEDED leave join", "a#1 SUCCEEDED, a#2 QUEUED"},
		{"rejoins after it has failed for good, with its retries anew", "join FAILED FAILED leave join FAILED", "a#1 FAILED, a#2 FAILED, a#3 FAILED, a#4 QUEUED"},
		{"rejoins after it was rejected", "join REJECTED leave join", "a#1 REJECTED, a#2 QUEUED"},
		{"rejoins after it was canceled", "join cancel leave join", "a#1 CANCELED, a#2 QUEUED"},
		{"rejoins while it still runs, and keeps what runs", "join IN_PROGRESS leave join", "a#1 IN_PROGRESS"},
		{"which is tried again then", "join IN_PROGRESS leave join FAILED", "a#1 FAILED, a#2 QUEUED"},
		{"rejoins when what ran has ended", "join IN_PROGRESS leave FAILED join", "a#1 FAILED, a#2 QUEUED"},
		{"is deleted while QUEUED", "join delete", "a#1 REMOVED"},
		{"is deleted while IN_PROGRESS", "join IN_PROGRESS delete", "a#1 REMOVED"},
		{"is deleted while a retry is QUEUED", "join FAILED delete", "a#1 FAILED, a#2 REMOVED"},
		{"is deleted when it has succeeded", "join SUCCEEDED delete", "a#1 SUCCEEDED"},
		{"is deleted after it has left", "join IN_PROGRESS leave delete", "a#1 REMOVED"},
		{"is deleted before anybody has worked off its joining", "join - delete", ""},
		{"is deleted, made anew and joins: another thing", "join delete create join", "a#1 QUEUED, a#1 REMOVED"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFleet(t)
			f.things("a")
			f.group("line")
			f.create("fw", func(in *iot.CreateJobInput) {
				in.TargetSelection = "CONTINUOUS"
				in.TimeoutConfig = &iot.TimeoutConfig{InProgressTimeoutInMinutes: ptr(int64(1))}
				in.JobExecutionsRetryConfig = retries("ALL", 1)
			}, "thinggroup/line")
			f.settle()
			f.do(row.steps)
			if got := strings.Join(f.executions("fw"), ", "); got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
			if s := f.describe("fw").Status; s != job.JobInProgress {
				t.Errorf("the job is %s", s)
			}
			f.recount("fw")
			if next := f.settle(); !next.IsZero() && f.stored("fw")[job.InProgress] == 0 {
				t.Errorf("something is due at %s, and nothing runs", next)
			}
		})
	}
}

// TestASnapshotIgnoresWhoJoinsAndLeaves, but not who is deleted.
func TestASnapshotIgnoresWhoJoinsAndLeaves(t *testing.T) {
	for _, row := range []struct{ name, steps, want string }{
		{"leaves while QUEUED", "leave", "a#1 QUEUED"},
		{"leaves and rejoins", "leave join", "a#1 QUEUED"},
		{"leaves, and its failure is tried again", "IN_PROGRESS leave FAILED", "a#1 FAILED, a#2 QUEUED"},
		{"succeeds, leaves and rejoins", "SUCCEEDED leave join", "a#1 SUCCEEDED"},
		{"is deleted while QUEUED", "delete", "a#1 REMOVED"},
		{"is deleted while IN_PROGRESS", "IN_PROGRESS delete", "a#1 REMOVED"},
		{"is deleted, made anew and joins", "delete create join", "a#1 REMOVED"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFleet(t)
			f.things("a", "b")
			f.group("line", "a", "b")
			f.create("fw", func(in *iot.CreateJobInput) { in.JobExecutionsRetryConfig = retries("ALL", 1) }, "thinggroup/line")
			f.settle()
			f.do(row.steps)
			if got := strings.Join(f.executions("fw"), ", "); got != row.want+", b#1 QUEUED" {
				t.Errorf("got  %s\nwant %s, b#1 QUEUED", got, row.want)
			}
			f.recount("fw")
		})
	}
}

// TestJoiningAndLeavingInTheMiddleOfARollout: thing "a" is the third of five, at
// one a second, and something happens to it after the first.
func TestJoiningAndLeavingInTheMiddleOfARollout(t *testing.T) {
	for _, row := range []struct{ name, steps, want string }{
		{"nothing happens", "", "a#1 QUEUED"},
		{"leaves before its turn", "leave", ""},
		{"leaves and rejoins before its turn: at once, and once", "leave join", "a#1 QUEUED"},
		{"leaves and rejoins unseen", "leave - join", "a#1 QUEUED"},
		{"rejoins and succeeds before its turn", "leave join SUCCEEDED", "a#1 SUCCEEDED"},
		{"rejoins and leaves before its turn", "leave join leave", "a#1 REMOVED"},
		{"is deleted before its turn", "delete", ""},
		{"is deleted and made anew", "delete create", ""},
		{"is deleted, made anew and joins", "delete create join", "a#1 QUEUED"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFleet(t, func(c *ops.Config) { c.RolloutDefault = 60 })
			f.things("x1", "x2", "a", "x3", "x4")
			f.group("line", "x1", "x2", "a", "x3", "x4")
			f.create("fw", func(in *iot.CreateJobInput) { in.TargetSelection = "CONTINUOUS" }, "thinggroup/line")
			f.settle()
			f.do(row.steps)
			if row.steps == "leave join" {
				f.want(f.executions("fw"), []string{"a#1 QUEUED", "x1#1 QUEUED"}) // it did not wait for its turn
			}
			f.drain()
			want := "x1#1 QUEUED, x2#1 QUEUED, x3#1 QUEUED, x4#1 QUEUED"
			if row.want != "" {
				want = row.want + ", " + want
			}
			if got := strings.Join(f.executions("fw"), ", "); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			f.recount("fw")
		})
	}
}

func TestAThingMovesBetweenTwoTargetsOfAContinuousJob(t *testing.T) {
	for _, row := range []struct {
		name  string
		slow  bool
		steps func(f *fleet)
		want  []string
	}{
		{"joins the second: nothing new", false, func(f *fleet) { f.join("right", "a") }, []string{"a#1 QUEUED"}},
		{"and leaves the first: still a target", false, func(f *fleet) { f.join("right", "a"); f.leave("left", "a") }, []string{"a#1 QUEUED"}},
		{"and leaves the second too", false, func(f *fleet) { f.join("right", "a"); f.leave("left", "a"); f.leave("right", "a") }, []string{"a#1 REMOVED"}},
		{"has succeeded and joins the second: nothing new", false, func(f *fleet) { f.do("SUCCEEDED"); f.join("right", "a") }, []string{"a#1 SUCCEEDED"}},
		{"leaves the first before it joins the second", false, func(f *fleet) { f.leave("left", "a"); f.join("right", "a") }, []string{"a#1 REMOVED", "a#2 QUEUED"}},
		{"moves before its turn, and gets it at its turn", true, func(f *fleet) { f.join("right", "a"); f.leave("left", "a") }, []string{"a#1 QUEUED"}},
		{"is a thing target as well: never leaves", false, func(f *fleet) { f.join("left", "b"); f.leave("left", "b") }, []string{"a#1 QUEUED", "b#1 QUEUED"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFleet(t, func(c *ops.Config) {
				if row.slow {
					c.RolloutDefault = 60
				}
			})
			f.things("first", "a", "b")
			f.group("left", "first", "a")
			f.group("right")
			targets := []string{"thinggroup/left", "thinggroup/right"}
			if strings.HasPrefix(row.name, "is a thing target") {
				targets = append(targets, "thing/b")
			}
			f.create("fw", func(in *iot.CreateJobInput) { in.TargetSelection = "CONTINUOUS" }, targets...)
			f.settle()
			row.steps(f)
			f.drain()
			f.want(f.executions("fw"), append(row.want, "first#1 QUEUED"))
			f.recount("fw")
		})
	}
}

func TestJoiningBypassesTheRate(t *testing.T) {
	f := newFleet(t, func(c *ops.Config) { c.RolloutDefault = 1 })
	f.fill("line", 5)
	f.create("fw", func(in *iot.CreateJobInput) { in.TargetSelection = "CONTINUOUS" }, "thinggroup/line")
	f.settle()
	f.things("p", "q", "r")
	for _, n := range []string{"p", "q", "r"} {
		f.join("line", n)
	}
	f.settle()
	if n := len(f.executions("fw")); n != 4 {
		t.Errorf("%d executions, want the first of the rollout and three that joined", n)
	}
}

func TestASucceededThingMayBeLeftAloneWhenItRejoins(t *testing.T) {
	f := newFleet(t)
	f.sched.NoSecondSuccess = true
	f.things("a")
	f.group("line")
	f.create("fw", func(in *iot.CreateJobInput) { in.TargetSelection = "CONTINUOUS" }, "thinggroup/line")
	f.do("join SUCCEEDED leave join")
	f.want(f.executions("fw"), []string{"a#1 SUCCEEDED"})
}

// TestADissolvedGroupIsWalkedInSlices: its things leave, those that are targets
// otherwise stay, and a restart goes on where it was.
func TestADissolvedGroupIsWalkedInSlices(t *testing.T) {
	f := newFleet(t)
	f.fill("line", 3*slice)
	f.group("other", "l000005")
	f.create("fw", func(in *iot.CreateJobInput) { in.TargetSelection = "CONTINUOUS" }, "thinggroup/line", "thinggroup/other")
	f.settle()
	if err := f.report("l000007", "fw", job.InProgress); err != nil {
		t.Fatal(err)
	}
	f.settle()
	must(f.control.DeleteThingGroup(context.Background(), caller, &iot.DeleteThingGroupInput{ThingGroupName: "line"}))(t)
	f.round()
	if n := f.stored("fw")[job.Removed]; n == 0 || n > slice {
		t.Errorf("after a slice %d are REMOVED, want at most %d", n, slice)
	}
	f.restart()
	f.settle()
	if got := f.stored("fw"); got[job.Removed] != 3*slice-2 || got[job.Queued] != 1 || got[job.InProgress] != 1 {
		t.Errorf("in the end %v", got)
	}
	f.recount("fw")
	if err := f.store.View(context.Background(), func(tx store.Tx) error {
		more, err := tx.Prune(0)
		if more {
			t.Error("memberships are left, and nobody walks them")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// TestManyWhoJoinAndLeaveAreWorkedOffInSlices, over restarts, and a job that is
// over forgets the rest.
func TestManyWhoJoinAndLeaveAreWorkedOffInSlices(t *testing.T) {
	f := newFleet(t)
	const n = 3*slice + 5
	f.fill("crowd", n)
	f.group("line")
	f.create("fw", func(in *iot.CreateJobInput) { in.TargetSelection = "CONTINUOUS" }, "thinggroup/line")
	f.settle()
	for i := range n {
		f.join("line", fmt.Sprintf("c%06d", i))
	}
	f.round()
	if got := len(f.all("fw")); got != slice {
		t.Errorf("after a slice there are %d executions, want %d", got, slice)
	}
	f.restart()
	f.settle()
	if got := f.stored("fw")[job.Queued]; got != n {
		t.Errorf("%d are QUEUED, want %d", got, n)
	}
	for i := range n {
		f.leave("line", fmt.Sprintf("c%06d", i))
	}
	f.round()
	f.cancel("fw", false)
	f.settle()
	if got := f.stored("fw"); got[job.Removed] != slice || got[job.Canceled] != n-slice {
		t.Errorf("canceled after a slice of leaving: %v", got)
	}
	f.recount("fw")
	if next := f.settle(); !next.IsZero() {
		t.Errorf("something is due at %s, and all is done", next)
	}
}

func (f *fleet) associate(id string, targets ...string) error {
	in := &iot.AssociateTargetsWithJobInput{JobID: job.ID(id)}
	for _, target := range targets {
		in.Targets = append(in.Targets, account+target)
	}
	_, err := f.control.AssociateTargetsWithJob(context.Background(), caller, in)
	return err
}

func TestAssociatedTargetsAreRolledOutAtTheRate(t *testing.T) {
	f := newFleet(t, func(c *ops.Config) { c.RolloutDefault = 60 })
	f.things("a", "b", "gone", "ran", "x", "y")
	f.group("left", "a", "gone", "ran")
	f.group("right", "a", "b", "gone", "ran")
	f.create("fw", func(in *iot.CreateJobInput) { in.TargetSelection = "CONTINUOUS" }, "thinggroup/left")
	f.drain()
	if err := f.report("ran", "fw", job.Succeeded); err != nil {
		t.Fatal(err)
	}
	f.leave("left", "gone")
	f.settle()
	f.dial.advance(time.Second)
	if err := f.associate("fw", "thinggroup/right", "thinggroup/left", "thing/x"); err != nil {
		t.Fatal(err)
	}
	j := f.describe("fw")
	if len(j.Targets) != 3 || !j.IsConcurrent || text(t, j.JobProcessDetails.ProcessingTargets) != text(t, []string{account + "thinggroup/right", account + "thing/x"}) {
		t.Errorf("while they are rolled out: %+v", j)
	}
	f.settle()
	f.join("right", "y") // follows the new group from now on
	f.settle()
	f.want(f.executions("fw"), []string{"a#1 QUEUED", "b#1 QUEUED", "gone#1 REMOVED", "ran#1 SUCCEEDED", "y#1 QUEUED"})
	f.drain()
	f.want(f.executions("fw"), []string{
		"a#1 QUEUED", "b#1 QUEUED", "gone#1 REMOVED", "gone#2 QUEUED", "ran#1 SUCCEEDED", "x#1 QUEUED", "y#1 QUEUED",
	})
	if j := f.describe("fw"); j.IsConcurrent || j.JobProcessDetails.ProcessingTargets != nil {
		t.Errorf("after it: %+v", j)
	}
	f.recount("fw")

	wantCode(t, f.associate("none", "thing/x"), job.NotFound)
	wantCode(t, f.associate("fw", "thing/nobody"), job.NotFound)
	f.job("snap", "thing/x")
	wantCode(t, f.associate("snap", "thing/y"), job.InvalidRequest)
	f.cancel("fw", false)
	wantCode(t, f.associate("fw", "thing/y"), job.InvalidRequest)
}

// TestATimeOutThatCameBeforeTheLeavingIsTriedAgainAndRemoved, although so many
// timers have run out that the leaving is worked off before this one.
func TestATimeOutThatCameBeforeTheLeavingIsTriedAgainAndRemoved(t *testing.T) {
	f := newFleet(t)
	f.fill("line", timerStep)
	f.things("a")
	f.join("line", "a")
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
	f.do("IN_PROGRESS")
	f.dial.advance(time.Minute)
	f.leave("line", "a")
	f.settle()
	f.want(f.executions("fw")[:2], []string{"a#1 TIMED_OUT", "a#2 REMOVED"})
	f.recount("fw")
}

// TestEveryTransitionLeavesItsLine, REMOVED and retries included.
func TestEveryTransitionLeavesItsLine(t *testing.T) {
	f := newFleet(t)
	f.things("a")
	f.group("line")
	f.create("fw", func(in *iot.CreateJobInput) {
		in.TargetSelection = "CONTINUOUS"
		in.JobExecutionsRetryConfig = retries("FAILED", 1)
	}, "thinggroup/line")
	f.do("join IN_PROGRESS FAILED leave")
	var lines []string
	for _, e := range f.all("fw") {
		err := f.store.View(context.Background(), func(tx store.Tx) error {
			return tx.History(e, func(ev job.Event) error {
				lines = append(lines, fmt.Sprintf("#%d v%d kind %d %s by %s", ev.Number, ev.Version, ev.Kind, ev.Status, ev.Actor))
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	f.want(lines, []string{
		fmt.Sprintf("#2 v2 kind %d REMOVED by service", job.Remove),
		fmt.Sprintf("#2 v1 kind %d QUEUED by service", job.Enqueue),
		fmt.Sprintf("#1 v3 kind %d FAILED by a", job.Report),
		fmt.Sprintf("#1 v2 kind %d IN_PROGRESS by a", job.Report),
		fmt.Sprintf("#1 v1 kind %d QUEUED by service", job.Enqueue),
	})
}

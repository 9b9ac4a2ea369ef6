package sqlite

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/drover-iot/drover/internal/clock"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/sched"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/iot"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
)

// upgraded is a folder of format 1, opened by this build a second after the build of
// that time has ended.
type upgraded struct {
	*testing.T
	*Store
	*ops.Control
	data  *ops.Data
	clock *clock.Virtual
	sched *sched.Sched
}

const arns = "arn:aws:iot:us-east-1:000000000000:"

var operator = ops.Caller{Principal: "operator"}

func upgrade(t *testing.T) *upgraded {
	t.Helper()
	u := &upgraded{T: t, clock: clock.NewVirtual(time.Date(2026, 11, 23, 9, 1, 4, 0, time.UTC))}
	var err error
	u.Store, err = Open(oldFolder(t, 1), store.Config{Visible: 10, Now: u.clock.Now}, Options{Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := u.Store.Close(); err != nil {
			t.Error(err)
		}
	})
	u.data, u.Control = ops.New(ops.Config{
		Store: u.Store, Now: u.clock.Now, Region: "us-east-1", Account: "000000000000", PendingLimit: 10, RolloutDefault: 60, RolloutMax: 60,
	})
	u.sched = sched.New(sched.Config{Store: u.Store, Clock: u.clock, Log: slog.New(slog.DiscardHandler)})
	return u
}

// settle lets happen what is due now.
func (u *upgraded) settle() (next time.Time) {
	u.Helper()
	_, next, err := u.sched.Settle(u.Context())
	if err != nil {
		u.Fatal(err)
	}
	return next
}

// pass lets so much time pass, and everything that is due in it.
func (u *upgraded) pass(d time.Duration) {
	u.Helper()
	end := u.clock.Now().Add(d)
	for next := u.settle(); !next.IsZero() && !next.After(end); next = u.settle() {
		u.clock.AdvanceTo(next)
	}
	u.clock.AdvanceTo(end)
	u.settle()
}

func got[T any](u *upgraded) func(T, error) T {
	return func(v T, err error) T {
		u.Helper()
		if err != nil {
			u.Fatal(err)
		}
		return v
	}
}

// executions are "thing STATUS" of a job.
func (u *upgraded) executions(id job.ID) (all []string) {
	u.Helper()
	list := got[*iot.ListJobExecutionsForJobOutput](u)(u.ListJobExecutionsForJob(u.Context(), operator, &iot.ListJobExecutionsForJobInput{JobID: id}))
	for _, s := range list.ExecutionSummaries {
		all = append(all, strings.TrimPrefix(s.ThingARN, arns+"thing/")+" "+s.JobExecutionSummary.Status.String())
	}
	slices.Sort(all)
	return all
}

func (u *upgraded) same(what string, got, want any) {
	u.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		u.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func (u *upgraded) view(fn func(store.Tx) error) {
	u.Helper()
	if err := u.View(u.Context(), fn); err != nil {
		u.Error(err)
	}
}

func TestGroupsOfFormat1AreTheRootsOfHierarchies(t *testing.T) {
	u := upgrade(t)
	ctx := t.Context()
	u.view(func(tx store.Tx) error {
		for _, key := range []int64{1, 2, 3, 4} { // 4 is deleted, and its things are still walked
			above, err := tx.Above(key)
			if err != nil {
				return err
			}
			next, err := tx.NextGroup(key, key)
			u.same(fmt.Sprint("above group ", key), above, []int64{key})
			u.same(fmt.Sprint("below group ", key), next, int64(0))
			if err != nil {
				return err
			}
		}
		return nil
	})
	got[*iot.CreateThingGroupOutput](u)(u.CreateThingGroup(ctx, operator, &iot.CreateThingGroupInput{ThingGroupName: "bay", ParentGroupName: "line"}))
	got[*iot.CreateThingGroupOutput](u)(u.CreateThingGroup(ctx, operator, &iot.CreateThingGroupInput{ThingGroupName: "slot", ParentGroupName: "bay"}))
	add := func(group registry.GroupName, thing registry.Name) error {
		_, err := u.AddThingToThingGroup(ctx, operator, &iot.AddThingToThingGroupInput{ThingGroupName: group, ThingName: thing})
		return err
	}
	if err := add("slot", "idle"); err != nil {
		t.Error(err)
	}
	refused := func(what string, err error) {
		t.Helper()
		if e := (*job.Error)(nil); !errors.As(err, &e) || e.Code != job.InvalidRequest {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("two groups of a hierarchy", add("bay", "pump-7"))
	_, err := u.DeleteThingGroup(ctx, operator, &iot.DeleteThingGroupInput{ThingGroupName: "line"})
	refused("a group with children is deleted", err)

	described := got[*iot.DescribeThingGroupOutput](u)(u.DescribeThingGroup(ctx, operator, &iot.DescribeThingGroupInput{ThingGroupName: "slot"}))
	u.same("the way to the root", described.ThingGroupMetadata.RootToParentThingGroups,
		[]iot.GroupNameAndARN{{GroupName: "line", GroupARN: arns + "thinggroup/line"}, {GroupName: "bay", GroupARN: arns + "thinggroup/bay"}})
	groups := func(in *iot.ListThingGroupsInput) (names []registry.GroupName) {
		for _, g := range got[*iot.ListThingGroupsOutput](u)(u.ListThingGroups(ctx, operator, in)).ThingGroups {
			names = append(names, g.GroupName)
		}
		return names
	}
	yes, no := true, false
	u.same("the roots", groups(&iot.ListThingGroupsInput{Recursive: &no}), []registry.GroupName{"empty", "hall", "line"})
	u.same("all below a root", groups(&iot.ListThingGroupsInput{ParentGroup: "line", Recursive: &yes}), []registry.GroupName{"bay", "slot"})
	things := func(group registry.GroupName) []registry.Name {
		return got[*iot.ListThingsInThingGroupOutput](u)(u.ListThingsInThingGroup(ctx, operator, &iot.ListThingsInThingGroupInput{ThingGroupName: group, Recursive: true})).Things
	}
	u.same("the things of a hierarchy", things("line"), []registry.Name{"late", "pump-10", "pump-7", "pump-8", "idle"})
	u.same("the things of a group", things("hall"), []registry.Name{"idle", "pump-7"})
}

// TestWorkOfFormat1GoesOn: each thing that the membership of that time held gets the
// job once, in the old and the deleted group, at its rate; what was cancelled or to be
// deleted is; timers run.
func TestWorkOfFormat1GoesOn(t *testing.T) {
	u := upgrade(t)
	ctx := t.Context()
	u.same("at first", u.executions("fw-1"), []string{"pump-7 IN_PROGRESS", "pump-8 QUEUED"})
	u.settle()
	u.same("at one a second", u.executions("fw-1"), []string{"pump-7 IN_PROGRESS", "pump-8 QUEUED", "pump-9 QUEUED"})
	u.pass(time.Minute)
	u.same("rolled out", u.executions("fw-1"), []string{
		"old-1 QUEUED", "old-2 QUEUED", "pump-10 QUEUED", "pump-7 IN_PROGRESS", "pump-8 QUEUED", "pump-9 QUEUED",
	})
	u.same("cancelled", u.executions("cancelled"), []string{"idle CANCELED"})
	u.same("cancelled before it was rolled out", u.executions("halted"), []string(nil))
	u.same("failed, and its deleted thing", u.executions("failed"), []string{"gone REMOVED", "idle QUEUED", "pump-8 FAILED"})
	_, err := u.DescribeJob(ctx, operator, &iot.DescribeJobInput{JobID: "deleting"})
	if e := (*job.Error)(nil); !errors.As(err, &e) || e.Code != job.NotFound {
		t.Errorf("the job that was being deleted: %v", err)
	}
	u.view(func(tx store.Tx) error { // nothing walks the past any more
		more, err := tx.Prune(0)
		if above, _ := tx.Above(4); more || len(above) > 0 {
			t.Errorf("the deleted group is left: %v, %v", more, above)
		}
		return err
	})

	report := func(thing registry.Name, id job.ID, s job.Status) {
		t.Helper()
		got[*jobsdata.UpdateJobExecutionOutput](u)(u.data.UpdateJobExecution(ctx, ops.Caller{}, &jobsdata.UpdateJobExecutionInput{ThingName: thing, JobID: id, Status: s}))
	}
	pending := got[*jobsdata.GetPendingJobExecutionsOutput](u)(u.data.GetPendingJobExecutions(ctx, ops.Caller{}, &jobsdata.GetPendingJobExecutionsInput{ThingName: "pump-7"}))
	if len(pending.InProgressJobs) != 1 || len(pending.QueuedJobs) != 0 || pending.InProgressJobs[0].VersionNumber != 2 {
		t.Errorf("pump-7 has to do: %+v", pending)
	}
	report("idle", "failed", job.Succeeded)
	for _, thing := range []registry.Name{"pump-8", "pump-9", "pump-10", "old-1", "old-2"} {
		report(thing, "fw-1", job.Succeeded)
	}
	u.pass(5 * time.Minute) // the timer of pump-7
	u.same("in the end", u.executions("fw-1"), []string{
		"old-1 SUCCEEDED", "old-2 SUCCEEDED", "pump-10 SUCCEEDED", "pump-7 TIMED_OUT", "pump-8 SUCCEEDED", "pump-9 SUCCEEDED",
	})
	u.view(func(tx store.Tx) error {
		for _, id := range []job.ID{"done", "failed", "fw-1", "cancelled", "halted"} {
			j, counted, err := tx.Job(id)
			if err != nil {
				return err
			}
			real, err := tx.Recount(j.Key)
			u.same("the counters of "+string(id), counted, real)
			if want := job.JobCompleted; err != nil || id != "cancelled" && id != "halted" && j.Status != want {
				t.Errorf("%s is %s, want %s (%v)", id, j.Status, want, err)
			}
		}
		return nil
	})
}

// TestAJobOnAGroupOfFormat1 covers its things and those of the groups that were made
// below it since, and follows them.
func TestAJobOnAGroupOfFormat1(t *testing.T) {
	u := upgrade(t)
	ctx := t.Context()
	got[*iot.CreateThingGroupOutput](u)(u.CreateThingGroup(ctx, operator, &iot.CreateThingGroupInput{ThingGroupName: "bay", ParentGroupName: "line"}))
	got[*iot.AddThingToThingGroupOutput](u)(u.AddThingToThingGroup(ctx, operator, &iot.AddThingToThingGroupInput{ThingGroupName: "bay", ThingName: "idle"}))
	got[*iot.CreateJobOutput](u)(u.CreateJob(ctx, operator, &iot.CreateJobInput{
		JobID: "next", Document: "{}", Targets: []string{arns + "thinggroup/line"}, TargetSelection: "CONTINUOUS",
	}))
	u.pass(time.Minute)
	u.same("rolled out", u.executions("next"), []string{"idle QUEUED", "late QUEUED", "pump-10 QUEUED", "pump-7 QUEUED", "pump-8 QUEUED"})
	got[*iot.RemoveThingFromThingGroupOutput](u)(u.RemoveThingFromThingGroup(ctx, operator, &iot.RemoveThingFromThingGroupInput{ThingGroupName: "line", ThingName: "late"}))
	got[*iot.AddThingToThingGroupOutput](u)(u.AddThingToThingGroup(ctx, operator, &iot.AddThingToThingGroupInput{ThingGroupName: "line", ThingName: "pump-9"}))
	u.settle()
	u.same("later", u.executions("next"), []string{"idle QUEUED", "late REMOVED", "pump-10 QUEUED", "pump-7 QUEUED", "pump-8 QUEUED", "pump-9 QUEUED"})
}

// TestWhatSessionsOfFormat1HaveIsStillTheirs, the effects that nobody took included.
func TestWhatSessionsOfFormat1HaveIsStillTheirs(t *testing.T) {
	u := upgrade(t)
	var all []string
	note := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	u.view(func(tx store.Tx) error {
		return errors.Join(
			tx.Sessions(func(s store.Session) error { note("session %s for %s", s.Client, s.Expiry); return nil }),
			tx.Subscriptions("pump-7", func(filter string, qos byte) error { note("%s at %d", filter, qos); return nil }),
			tx.Messages("pump-7", func(seq int64, m []byte) error { note("message %d %s", seq, m); return nil }),
			tx.Retained(func(topic string, m []byte) error { note("retained %s %s", topic, m); return nil }),
			tx.Effects(func(e store.EffectRow) error {
				note("effect of %s in %q: %v %v", e.Thing, e.Namespace, e.Notify, e.Next)
				return nil
			}),
		)
	})
	u.same("what is there", all, []string{
		"session pump-7 for 1h0m0s", "$aws/things/pump-7/jobs/notify-next at 1", "message 1 waits", "retained plant/state kept", `effect of pump-7 in "": true true`,
	})
}

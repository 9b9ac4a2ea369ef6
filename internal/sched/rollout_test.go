package sched

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/wire/iot"
)

func ptr[T any](v T) *T { return &v }

// create makes a job on these targets with whatever edit adds.
func (f *fleet) create(id string, edit func(*iot.CreateJobInput), targets ...string) {
	f.t.Helper()
	in := &iot.CreateJobInput{JobID: job.ID(id), Document: `{"op":"flash"}`}
	for _, target := range targets {
		in.Targets = append(in.Targets, account+target)
	}
	edit(in)
	must(f.control.CreateJob(context.Background(), caller, in))(f.t)
}

func (f *fleet) update(in *iot.UpdateJobInput) {
	f.t.Helper()
	must(f.control.UpdateJob(context.Background(), caller, in))(f.t)
}

func exponential(base int64, factor float64, notified, succeeded *int64) *iot.JobExecutionsRolloutConfig {
	return &iot.JobExecutionsRolloutConfig{ExponentialRate: &iot.ExponentialRolloutRate{
		BaseRatePerMinute: &base, IncrementFactor: &factor,
		RateIncreaseCriteria: &iot.RateIncreaseCriteria{NumberOfNotifiedThings: notified, NumberOfSucceededThings: succeeded},
	}}
}

// queuedBy counts a job's executions that were queued before so much time had passed.
func (f *fleet) queuedBy(id string, start time.Time, by time.Duration) (n int) {
	for _, e := range f.all(id) {
		if e.QueuedAt.Before(start.Add(by)) {
			n++
		}
	}
	return n
}

// TestTheExponentialExampleOfTheGuide is control-plane.md B.4 with times, over
// the store: base 50, factor 2, 1000 notified or 1000 succeeded.
func TestTheExponentialExampleOfTheGuide(t *testing.T) {
	if testing.Short() {
		t.Skip("3450 things one by one: package job has the same table without a store")
	}
	f := newFleet(t, func(c *ops.Config) { c.RolloutDefault, c.RolloutMax = 1000, 1000 })
	f.fill("line", 3450)
	f.create("fw", func(in *iot.CreateJobInput) {
		in.JobExecutionsRolloutConfig = exponential(50, 2, ptr(int64(1000)), ptr(int64(1000)))
	}, "thinggroup/line")
	start := f.dial.Now()
	f.drain()
	var perMinute [37]int
	for _, e := range f.all("fw") {
		perMinute[e.QueuedAt.Sub(start)/time.Minute]++
	}
	// The rate is higher from the thing on that meets the criterion: two seconds
	// before the end of minute 19, a few more at the later steps.
	for i, n := range perMinute {
		want := 50
		switch {
		case i == 19:
			want = 52
		case i == 29:
			want = 103
		case i == 34:
			want = 207
		case i == 36:
			want = 3450 - 3412
		case i > 34:
			want = 400
		case i > 29:
			want = 200
		case i > 19:
			want = 100
		}
		if n != want {
			t.Errorf("minute %d queues %d, want %d", i, n, want)
		}
	}
	f.recount("fw")
}

// TestTheRateRisesAsSoonAsEnoughHaveSucceeded: the counters of a report wake the
// rollout.
func TestTheRateRisesAsSoonAsEnoughHaveSucceeded(t *testing.T) {
	f := newFleet(t, func(c *ops.Config) { c.RolloutDefault, c.RolloutMax = 1000, 1000 })
	f.fill("line", 100)
	f.create("fw", func(in *iot.CreateJobInput) {
		in.JobExecutionsRolloutConfig = exponential(1, 5, nil, ptr(int64(1)))
	}, "thinggroup/line")
	if next := f.settle(); !next.Equal(f.dial.Now().Add(time.Minute)) {
		t.Fatalf("at one a minute the second is due at %s", next)
	}
	f.dial.advance(10 * time.Second)
	if err := f.report("l000000", "fw", job.Succeeded); err != nil {
		t.Fatal(err)
	}
	// Five a minute: of every twelfth second, so the next is at the second 12.
	if next := f.settle(); !next.Equal(f.dial.Now().Add(2 * time.Second)) {
		t.Errorf("at five a minute the next is due in %s", next.Sub(f.dial.Now()))
	}
	must(f.control.DeleteJobExecution(context.Background(), caller, &iot.DeleteJobExecutionInput{JobID: "fw", ThingName: "l000000", ExecutionNumber: 1}))(t)
	if next := f.settle(); !next.Equal(f.dial.Now().Add(2 * time.Second)) {
		t.Errorf("the rate fell again: the next is due in %s", next.Sub(f.dial.Now()))
	}
	f.dial.advance(2 * time.Second)
	f.settle()
	if n := len(f.all("fw")); n != 1 {
		t.Errorf("%d executions, want the second", n)
	}
}

// TestUpdateJobChangesTheRateAtOnce, and the minute that has passed counts.
func TestUpdateJobChangesTheRateAtOnce(t *testing.T) {
	f := newFleet(t, func(c *ops.Config) { c.RolloutDefault, c.RolloutMax = 1000, 1000 })
	f.fill("line", 400)
	f.create("fw", func(in *iot.CreateJobInput) {
		in.JobExecutionsRolloutConfig = &iot.JobExecutionsRolloutConfig{MaximumPerMinute: ptr(int64(60))}
	}, "thinggroup/line")
	start := f.dial.Now()
	until := func(end time.Duration) {
		for {
			next := f.settle()
			if next.IsZero() || next.After(start.Add(end)) {
				f.dial.advance(start.Add(end).Sub(f.dial.Now()))
				f.settle()
				return
			}
			f.dial.advance(next.Sub(f.dial.Now()))
		}
	}
	rate := func(n int64) {
		f.update(&iot.UpdateJobInput{JobID: "fw", JobExecutionsRolloutConfig: &iot.JobExecutionsRolloutConfig{MaximumPerMinute: &n}})
	}
	until(29 * time.Second)
	f.restart()
	rate(240)
	until(59 * time.Second)
	rate(10)
	until(119 * time.Second)
	for _, row := range []struct {
		until time.Duration
		want  int
	}{{29*time.Second + 1, 33}, {30 * time.Second, 33}, {31 * time.Second, 37}, {60 * time.Second, 153}, {119 * time.Second, 153}} {
		if got := f.queuedBy("fw", start, row.until); got != row.want {
			t.Errorf("by +%s %d are queued, want %d", row.until, got, row.want)
		}
	}
}

func TestWhatUpdateJobMayAndMayNot(t *testing.T) {
	f := newFleet(t, func(c *ops.Config) { c.RolloutMax = 1000 })
	f.things("a", "b")
	f.create("fw", func(in *iot.CreateJobInput) {
		in.Description = "old"
		in.TimeoutConfig = &iot.TimeoutConfig{InProgressTimeoutInMinutes: ptr(int64(10))}
		in.JobExecutionsRetryConfig = retries("FAILED", 1, "TIMED_OUT", 2)
	}, "thing/a", "thing/b")
	f.settle()
	if err := f.report("a", "fw", job.InProgress); err != nil {
		t.Fatal(err)
	}
	f.update(&iot.UpdateJobInput{
		JobID: "fw", Description: "new", TimeoutConfig: &iot.TimeoutConfig{InProgressTimeoutInMinutes: ptr(int64(20))},
		JobExecutionsRetryConfig: retries("TIMED_OUT", 0),
	})
	if err := f.report("b", "fw", job.InProgress); err != nil {
		t.Fatal(err)
	}
	j := f.describe("fw")
	if j.Description != "new" || *j.TimeoutConfig.InProgressTimeoutInMinutes != 20 ||
		fmt.Sprint(*j.JobExecutionsRetryConfig.CriteriaList[0].NumberOfRetries, *j.JobExecutionsRetryConfig.CriteriaList[1].NumberOfRetries) != "1 0" {
		t.Errorf("got %+v", j)
	}
	f.dial.advance(10 * time.Minute)
	f.settle()
	f.want(f.executions("fw"), []string{"a#1 TIMED_OUT", "b#1 IN_PROGRESS"})
	f.dial.advance(10 * time.Minute)
	f.settle()
	f.want(f.executions("fw"), []string{"a#1 TIMED_OUT", "b#1 TIMED_OUT"})

	refused := func(in *iot.UpdateJobInput, code job.Code) {
		t.Helper()
		_, err := f.control.UpdateJob(context.Background(), caller, in)
		wantCode(t, err, code)
	}
	refused(&iot.UpdateJobInput{JobID: "fw", Description: "x"}, job.InvalidRequest) // it has completed
	refused(&iot.UpdateJobInput{JobID: "none", Description: "x"}, job.NotFound)
	f.job("other", "thing/a")
	refused(&iot.UpdateJobInput{JobID: "other", JobExecutionsRetryConfig: retries("ALL", 1)}, job.InvalidRequest)
	refused(&iot.UpdateJobInput{JobID: "other", JobExecutionsRolloutConfig: &iot.JobExecutionsRolloutConfig{MaximumPerMinute: ptr(int64(1001))}}, job.InvalidRequest)
	refused(&iot.UpdateJobInput{JobID: "other", JobExecutionsRolloutConfig: exponential(1, 1.15, ptr(int64(1)), nil)}, job.InvalidRequest)
	f.cancel("other", false)
	refused(&iot.UpdateJobInput{JobID: "other", Description: "x"}, job.InvalidRequest)
}

func retries(pairs ...any) *iot.JobExecutionsRetryConfig {
	c := &iot.JobExecutionsRetryConfig{}
	for i := 0; i < len(pairs); i += 2 {
		n := int64(pairs[i+1].(int))
		c.CriteriaList = append(c.CriteriaList, iot.RetryCriteria{FailureType: pairs[i].(string), NumberOfRetries: &n})
	}
	return c
}

func abortAt(failure string, percent float64, least int64) *iot.AbortConfig {
	return &iot.AbortConfig{CriteriaList: []iot.AbortCriteria{
		{FailureType: failure, Action: "CANCEL", ThresholdPercentage: &percent, MinNumberOfExecutedThings: &least},
	}}
}

// TestAJobAbortsExactlyAtItsThreshold and hands out nothing after it: the rest
// of the rollout, joins and retries included.
func TestAJobAbortsExactlyAtItsThreshold(t *testing.T) {
	f := newFleet(t, func(c *ops.Config) { c.RolloutDefault = 60 })
	f.fill("line", 40)
	f.things("late")
	f.create("fw", func(in *iot.CreateJobInput) {
		in.TargetSelection = "CONTINUOUS"
		in.AbortConfig = abortAt("ALL", 30, 10)
		in.JobExecutionsRetryConfig = retries("FAILED", 3)
	}, "thinggroup/line")
	for range 20 {
		f.dial.advance(f.settle().Sub(f.dial.Now()))
	}
	f.settle()
	before := len(f.all("fw"))
	end := func(i int, s job.Status) {
		t.Helper()
		if err := f.report(fmt.Sprintf("l%06d", i), "fw", s); err != nil {
			t.Fatal(err)
		}
		f.settle()
	}
	for i := range 7 {
		end(i, job.Succeeded)
	}
	end(7, job.Rejected)
	end(8, job.Failed) // tried again: it counts all the same
	if j := f.describe("fw"); j.Status != job.JobInProgress {
		t.Fatalf("at 2 of 9 it is %s", j.Status)
	}
	end(9, job.InProgress)
	if err := f.report("l000010", "fw", job.InProgress); err != nil {
		t.Fatal(err)
	}
	f.join("line", "late") // known before the trip, but worked off in the same round as it
	if err := f.report("l000009", "fw", job.Failed); err != nil {
		t.Fatal(err)
	}
	f.drain()
	j := f.describe("fw")
	if j.Status != job.JobCanceled || j.ReasonCode != "ABORT_CRITERIA_MET" || *j.ForceCanceled || !strings.Contains(j.Comment, "3 of 10") {
		t.Fatalf("at 3 of 10 it is %s, %q: %q", j.Status, j.ReasonCode, j.Comment)
	}
	if after := len(f.all("fw")); after != before+2 { // the two retries
		t.Errorf("%d executions before the trip, %d after it", before, after)
	}
	got := f.stored("fw")
	if got[job.InProgress] != 1 || got[job.Queued] != 0 || got[job.Failed] != 2 || got[job.Succeeded] != 7 {
		t.Errorf("stored: %v", got)
	}
	if err := f.report("l000010", "fw", job.Failed); err != nil { // goes on to its end, and that is it
		t.Fatal(err)
	}
	f.settle()
	if n := len(f.all("fw")); n != before+2 {
		t.Errorf("a failure after the trip is tried again: %d executions", n)
	}
	f.recount("fw")
}

// TestALastFailureAbortsAJobThatIsThenDone: abort comes before completion.
func TestALastFailureAbortsAJobThatIsThenDone(t *testing.T) {
	f := newFleet(t)
	f.things("a")
	f.create("fw", func(in *iot.CreateJobInput) { in.AbortConfig = abortAt("FAILED", 100, 1) }, "thing/a")
	f.settle()
	if err := f.report("a", "fw", job.Failed); err != nil {
		t.Fatal(err)
	}
	f.settle()
	if s := f.describe("fw").Status; s != job.JobCanceled {
		t.Errorf("it is %s, want CANCELED", s)
	}
}

// TestUpdateJobMayTripTheJobAtOnce by a criterion that is met already.
func TestUpdateJobMayTripTheJobAtOnce(t *testing.T) {
	f := newFleet(t)
	f.things("a", "b")
	f.job("fw", "thing/a", "thing/b")
	f.settle()
	if err := f.report("a", "fw", job.Failed); err != nil {
		t.Fatal(err)
	}
	f.settle()
	f.update(&iot.UpdateJobInput{JobID: "fw", AbortConfig: abortAt("FAILED", 99.99, 1)})
	f.settle()
	f.want(f.executions("fw"), []string{"a#1 FAILED", "b#1 CANCELED"})
}

// TestRetriesAreQueuedAtOnceWhateverTheRate, by reports and by time-outs, and the
// job is done only when the last of them is.
func TestRetriesAreQueuedAtOnceWhateverTheRate(t *testing.T) {
	f := newFleet(t, func(c *ops.Config) { c.RolloutDefault = 1 })
	f.things("a")
	f.create("fw", func(in *iot.CreateJobInput) {
		in.TimeoutConfig = &iot.TimeoutConfig{InProgressTimeoutInMinutes: ptr(int64(5))}
		in.JobExecutionsRetryConfig = retries("FAILED", 2, "TIMED_OUT", 1)
	}, "thing/a")
	f.settle()
	step := func(s job.Status) {
		t.Helper()
		if err := f.report("a", "fw", s); err != nil {
			t.Fatal(err)
		}
		f.settle()
	}
	step(job.Failed)
	f.want(f.executions("fw"), []string{"a#1 FAILED", "a#2 QUEUED"})
	if j := f.describe("fw"); j.Status != job.JobInProgress || j.JobProcessDetails.NumberOfQueuedThings != 1 || j.JobProcessDetails.NumberOfFailedThings != 0 {
		t.Errorf("while a retry waits: %+v", j.JobProcessDetails)
	}
	step(job.InProgress)
	f.dial.advance(5 * time.Minute)
	f.settle()
	f.want(f.executions("fw"), []string{"a#1 FAILED", "a#2 TIMED_OUT", "a#3 QUEUED"})
	step(job.Failed)
	step(job.InProgress)
	f.dial.advance(5 * time.Minute)
	f.settle()
	f.want(f.executions("fw"), []string{"a#1 FAILED", "a#2 TIMED_OUT", "a#3 FAILED", "a#4 TIMED_OUT"})
	if j := f.describe("fw"); j.Status != job.JobCompleted || j.JobProcessDetails.NumberOfTimedOutThings != 1 || j.JobProcessDetails.NumberOfFailedThings != 0 {
		t.Errorf("in the end %s: %+v", j.Status, j.JobProcessDetails)
	}
	f.recount("fw")
}

func TestQuotasOfJobs(t *testing.T) {
	f := newFleet(t, func(c *ops.Config) { c.MaxActiveSnapshot, c.MaxActiveContinuous, c.MaxDeleting = 2, 1, 1 })
	f.things("a")
	create := func(id, selection string) error {
		_, err := f.control.CreateJob(context.Background(), caller, &iot.CreateJobInput{
			JobID: job.ID(id), Document: "{}", Targets: []string{account + "thing/a"}, TargetSelection: selection,
		})
		return err
	}
	del := func(id string) error {
		_, err := f.control.DeleteJob(context.Background(), caller, &iot.DeleteJobInput{JobID: job.ID(id), Force: true})
		return err
	}
	for _, row := range []struct {
		id, selection string
		ok            bool
	}{{"s1", "", true}, {"s2", "SNAPSHOT", true}, {"s3", "SNAPSHOT", false}, {"c1", "CONTINUOUS", true}, {"c2", "CONTINUOUS", false}} {
		err := create(row.id, row.selection)
		if row.ok && err != nil {
			t.Fatal(err)
		}
		if !row.ok {
			wantCode(t, err, job.LimitExceeded)
		}
	}
	f.cancel("s1", false)
	if err := create("s3", ""); err != nil {
		t.Errorf("a canceled job is not active: %v", err)
	}
	if err := del("s1"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, del("s2"), job.LimitExceeded)
	wantCode(t, del("s1"), job.InvalidStateTransition)
	f.settle()
	if err := del("s2"); err != nil {
		t.Errorf("once the first is gone: %v", err)
	}
}

func TestDescribeJobShowsItsConfigurationAsItWasGiven(t *testing.T) {
	f := newFleet(t, func(c *ops.Config) { c.RolloutDefault, c.RolloutMax = 1000, 1000 })
	f.things("a", "b")
	in := &iot.CreateJobInput{
		JobID: "fw", Document: "{}", Targets: []string{account + "thing/a"}, TargetSelection: "CONTINUOUS",
		JobExecutionsRolloutConfig: exponential(50, 1.5, ptr(int64(10)), nil),
		AbortConfig:                abortAt("TIMED_OUT", 20.55, 3), JobExecutionsRetryConfig: retries("TIMED_OUT", 2, "FAILED", 1),
	}
	in.JobExecutionsRolloutConfig.MaximumPerMinute = ptr(int64(100))
	must(f.control.CreateJob(context.Background(), caller, in))(t)
	j := f.describe("fw")
	for _, pair := range [][2]any{
		{j.JobExecutionsRolloutConfig, in.JobExecutionsRolloutConfig},
		{j.AbortConfig, in.AbortConfig},
		{j.JobExecutionsRetryConfig, in.JobExecutionsRetryConfig},
		{j.TargetSelection, "CONTINUOUS"},
		{j.JobProcessDetails.ProcessingTargets, in.Targets},
	} {
		if got, want := text(t, pair[0]), text(t, pair[1]); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f.job("plain", "thing/b")
	if j := f.describe("plain"); j.JobExecutionsRolloutConfig != nil || j.AbortConfig != nil || j.JobExecutionsRetryConfig != nil {
		t.Errorf("what was not given is shown: %+v", j)
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	return string(must(json.Marshal(v))(t))
}

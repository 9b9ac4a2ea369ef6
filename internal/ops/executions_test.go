package ops_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/wire/iot"
)

func TestDescribingAnExecutionOnTheControlPlane(t *testing.T) {
	p := newPlane(t)
	p.things("pump")
	ok[*iot.CreateJobOutput](t)(p.CreateJob(ctx, operator, &iot.CreateJobInput{
		JobID: "fw", Targets: []string{arns + "thing/pump"}, Document: "{}",
		TimeoutConfig: &iot.TimeoutConfig{InProgressTimeoutInMinutes: ptr(int64(10))},
	}))
	p.queue("fw", "pump")
	if e := p.describe("fw", "pump"); e.Status != job.Queued || e.VersionNumber != 1 || e.ExecutionNumber != 1 || e.ThingARN != arns+"thing/pump" ||
		!e.QueuedAt.Equal(p.now()) || !e.StartedAt.IsZero() || len(e.StatusDetails.DetailsMap) != 0 || e.ApproximateSecondsBeforeTimedOut != nil || e.ForceCanceled == nil || *e.ForceCanceled {
		t.Errorf("queued: %+v", e)
	}
	p.advance(time.Second)
	p.report("fw", "pump", job.InProgress, job.Details{"pct": "40"})
	p.advance(1500 * time.Millisecond)
	if e := p.describe("fw", "pump"); e.Status != job.InProgress || e.VersionNumber != 2 || !maps.Equal(e.StatusDetails.DetailsMap, job.Details{"pct": "40"}) ||
		e.ApproximateSecondsBeforeTimedOut == nil || *e.ApproximateSecondsBeforeTimedOut != 598 {
		t.Errorf("in progress: %+v", e)
	}
	started := p.describe("fw", "pump").StartedAt
	p.advance(time.Hour)
	if e := p.describe("fw", "pump"); e.Status != job.TimedOut || e.VersionNumber != 3 || e.ApproximateSecondsBeforeTimedOut != nil ||
		!e.LastUpdatedAt.Equal(started.Add(10*time.Minute)) {
		t.Errorf("timed out, and not swept: %+v", e)
	}
	p.queue("fw", "pump") // a second attempt
	for number, want := range map[int64]job.Status{1: job.TimedOut, 2: job.Queued} {
		out := ok[*iot.DescribeJobExecutionOutput](t)(p.DescribeJobExecution(ctx, operator, &iot.DescribeJobExecutionInput{JobID: "fw", ThingName: "pump", ExecutionNumber: &number}))
		if out.Execution.Status != want || out.Execution.ExecutionNumber != number {
			t.Errorf("number %d: got %+v, want %s", number, out.Execution, want)
		}
	}
	if e := p.describe("fw", "pump"); e.ExecutionNumber != 2 {
		t.Errorf("without a number: got %d, want the newest", e.ExecutionNumber)
	}
	for name, in := range map[string]iot.DescribeJobExecutionInput{
		"an unknown thing":  {JobID: "fw", ThingName: "x"},
		"an unknown job":    {JobID: "x", ThingName: "pump"},
		"an unknown number": {JobID: "fw", ThingName: "pump", ExecutionNumber: ptr(int64(3))},
		"number 0":          {JobID: "fw", ThingName: "pump", ExecutionNumber: ptr(int64(0))},
	} {
		_, err := p.DescribeJobExecution(ctx, operator, &in)
		t.Run(name+" is not found", func(t *testing.T) { refused(t, err, job.NotFound) })
	}
}

func TestCancellingAnExecution(t *testing.T) {
	p := newPlane(t)
	cancel := func(in iot.CancelJobExecutionInput) error {
		in.JobID = "fw"
		_, err := p.CancelJobExecution(ctx, operator, &in)
		return err
	}
	p.things("a", "b", "c", "d", "e")
	p.job("fw", "thing/a")
	p.queue("fw", "a", "b", "c", "d", "e")
	for _, thing := range []registry.Name{"b", "c", "d"} {
		p.report("fw", thing, job.InProgress, job.Details{"pct": "1"})
	}
	p.report("fw", "d", job.Succeeded, nil)
	p.effects()

	t.Run("QUEUED becomes CANCELED", func(t *testing.T) {
		if err := cancel(iot.CancelJobExecutionInput{ThingName: "a", StatusDetails: job.Details{"why": "wrong"}}); err != nil {
			t.Fatal(err)
		}
		if e := p.describe("fw", "a"); e.Status != job.Canceled || e.VersionNumber != 2 || e.StatusDetails.DetailsMap["why"] != "wrong" || *e.ForceCanceled {
			t.Errorf("got %+v", e)
		}
		if es := p.effects(); len(es) != 1 || es[0].Thing != "a" || !es[0].Notify || !es[0].Next {
			t.Errorf("devices hear %+v", es)
		}
	})
	t.Run("IN_PROGRESS needs force, and keeps its details", func(t *testing.T) {
		if e := refused(t, cancel(iot.CancelJobExecutionInput{ThingName: "b"}), job.InvalidStateTransition); e.State == nil || e.State.Status != job.InProgress {
			t.Errorf("the state is %+v", e.State)
		}
		if err := cancel(iot.CancelJobExecutionInput{ThingName: "b", Force: true}); err != nil {
			t.Fatal(err)
		}
		if e := p.describe("fw", "b"); e.Status != job.Canceled || !*e.ForceCanceled || e.StatusDetails.DetailsMap["pct"] != "1" {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("another expected version is a conflict", func(t *testing.T) {
		refused(t, cancel(iot.CancelJobExecutionInput{ThingName: "c", Force: true, ExpectedVersion: ptr(int64(1))}), job.VersionMismatch)
		if err := cancel(iot.CancelJobExecutionInput{ThingName: "c", Force: true, ExpectedVersion: ptr(int64(2))}); err != nil {
			t.Error(err)
		}
	})
	t.Run("a terminal one is final", func(t *testing.T) {
		refused(t, cancel(iot.CancelJobExecutionInput{ThingName: "d", Force: true}), job.InvalidStateTransition)
	})
	t.Run("what is not there is not found", func(t *testing.T) {
		refused(t, cancel(iot.CancelJobExecutionInput{ThingName: "x"}), job.NotFound)
		_, err := p.CancelJobExecution(ctx, operator, &iot.CancelJobExecutionInput{JobID: "x", ThingName: "e"})
		refused(t, err, job.NotFound)
	})
	t.Run("one that its job has cancelled is swept, and the request is refused", func(t *testing.T) {
		ok[*iot.CancelJobOutput](t)(p.CancelJob(ctx, operator, &iot.CancelJobInput{JobID: "fw"}))
		p.effects()
		refused(t, cancel(iot.CancelJobExecutionInput{ThingName: "e"}), job.InvalidStateTransition)
		if d := ok[*iot.DescribeJobOutput](t)(p.DescribeJob(ctx, operator, &iot.DescribeJobInput{JobID: "fw"})).Job.JobProcessDetails; d.NumberOfQueuedThings != 0 || d.NumberOfCanceledThings != 4 {
			t.Errorf("the counters: %+v", d)
		}
		if es := p.effects(); len(es) != 1 || es[0].Thing != "e" {
			t.Errorf("devices hear %+v", es)
		}
	})
}

func TestDeletingAnExecution(t *testing.T) {
	p := newPlane(t)
	remove := func(thing registry.Name, number int64, force bool) error {
		_, err := p.DeleteJobExecution(ctx, operator, &iot.DeleteJobExecutionInput{JobID: "fw", ThingName: thing, ExecutionNumber: number, Force: force})
		return err
	}
	p.things("a", "b", "c")
	p.job("fw", "thing/a")
	p.queue("fw", "a", "b", "c")
	p.report("fw", "b", job.InProgress, nil)
	p.report("fw", "c", job.Failed, nil)
	p.queue("fw", "c")

	refused(t, remove("a", 2, false), job.NotFound)
	refused(t, remove("a", 0, false), job.NotFound)
	refused(t, remove("x", 1, false), job.NotFound)
	refused(t, remove("b", 1, false), job.InvalidStateTransition)
	for _, row := range []struct {
		name   string
		thing  registry.Name
		number int64
		force  bool
		left   iot.JobProcessDetails
	}{
		{"QUEUED", "a", 1, false, iot.JobProcessDetails{NumberOfInProgressThings: 1, NumberOfQueuedThings: 1}},
		{"IN_PROGRESS, with force", "b", 1, true, iot.JobProcessDetails{NumberOfQueuedThings: 1}},
		{"an older attempt", "c", 1, false, iot.JobProcessDetails{NumberOfQueuedThings: 1}},
		{"the newest attempt", "c", 2, false, iot.JobProcessDetails{}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := remove(row.thing, row.number, row.force); err != nil {
				t.Fatal(err)
			}
			refused(t, remove(row.thing, row.number, row.force), job.NotFound)
			d := ok[*iot.DescribeJobOutput](t)(p.DescribeJob(ctx, operator, &iot.DescribeJobInput{JobID: "fw"})).Job.JobProcessDetails
			if d.ProcessingTargets = nil; fmt.Sprint(*d) != fmt.Sprint(row.left) {
				t.Errorf("left are %+v, want %+v", *d, row.left)
			}
		})
	}
	p.queue("fw", "a")
	if e := p.describe("fw", "a"); e.ExecutionNumber != 1 || e.VersionNumber != 1 {
		t.Errorf("a number may be used again: got %+v", e)
	}
}

func TestListingExecutions(t *testing.T) {
	p := newPlane(t)
	p.things("a", "b", "c", "d")
	p.job("fw", "thing/a")
	p.job("other", "thing/a")
	p.queue("fw", "d", "c", "b", "a")
	p.report("fw", "b", job.Failed, nil)
	p.report("fw", "c", job.InProgress, nil)
	p.advance(time.Second)
	p.queue("fw", "b")
	p.queue("other", "b")
	forJob := func(in iot.ListJobExecutionsForJobInput) string {
		in.JobID = "fw"
		var got []string
		for {
			out := ok[*iot.ListJobExecutionsForJobOutput](t)(p.ListJobExecutionsForJob(ctx, operator, &in))
			for _, s := range out.ExecutionSummaries {
				e := s.JobExecutionSummary
				if e.QueuedAt.IsZero() || e.LastUpdatedAt.IsZero() || (e.RetryAttempt != nil) != (e.ExecutionNumber > 1) {
					t.Errorf("got %+v", e)
				}
				got = append(got, fmt.Sprintf("%s%d:%s", s.ThingARN[len(arns+"thing/"):], e.ExecutionNumber, e.Status))
			}
			if in.NextToken = out.NextToken; in.NextToken == "" {
				return strings.Join(got, " ")
			}
		}
	}
	forThing := func(in iot.ListJobExecutionsForThingInput) string {
		in.ThingName = "b"
		var got []string
		for {
			out := ok[*iot.ListJobExecutionsForThingOutput](t)(p.ListJobExecutionsForThing(ctx, operator, &in))
			for _, s := range out.ExecutionSummaries {
				got = append(got, fmt.Sprintf("%s%d:%s", s.JobID, s.JobExecutionSummary.ExecutionNumber, s.JobExecutionSummary.Status))
			}
			if in.NextToken = out.NextToken; in.NextToken == "" {
				return strings.Join(got, " ")
			}
		}
	}
	two := ptr(int64(2))
	check := func(name, got, want string) {
		t.Run(name, func(t *testing.T) {
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	all := "a1:QUEUED b2:QUEUED b1:FAILED c1:IN_PROGRESS d1:QUEUED"
	check("of a job, by thing, the newest attempt first", forJob(iot.ListJobExecutionsForJobInput{}), all)
	check("of a job, in pages that split a thing", forJob(iot.ListJobExecutionsForJobInput{MaxResults: two}), all)
	check("of a job, of a status, in pages", forJob(iot.ListJobExecutionsForJobInput{Status: job.Queued, MaxResults: two}), "a1:QUEUED b2:QUEUED d1:QUEUED")
	check("of a thing, the newest first", forThing(iot.ListJobExecutionsForThingInput{}), "other1:QUEUED fw2:QUEUED fw1:FAILED")
	check("of a thing, in pages", forThing(iot.ListJobExecutionsForThingInput{MaxResults: two}), "other1:QUEUED fw2:QUEUED fw1:FAILED")
	check("of a thing and a job", forThing(iot.ListJobExecutionsForThingInput{JobID: "fw", MaxResults: ptr(int64(1))}), "fw2:QUEUED fw1:FAILED")
	check("of a thing and a status", forThing(iot.ListJobExecutionsForThingInput{Status: job.Failed}), "fw1:FAILED")
	check("of a thing and a job that has none of it", forThing(iot.ListJobExecutionsForThingInput{JobID: "x"}), "")

	p.things("z", "e")
	p.queue("fw", "e", "z")
	check("of a job, in the order in which things were registered", forJob(iot.ListJobExecutionsForJobInput{MaxResults: two}), all+" z1:QUEUED e1:QUEUED")
	for _, thing := range []registry.Name{"z", "e"} {
		ok[*iot.DeleteJobExecutionOutput](t)(p.DeleteJobExecution(ctx, operator, &iot.DeleteJobExecutionInput{JobID: "fw", ThingName: thing, ExecutionNumber: 1}))
	}

	ok[*iot.CancelJobOutput](t)(p.CancelJob(ctx, operator, &iot.CancelJobInput{JobID: "fw"}))
	check("of a job that is cancelled and not swept, as they are to be seen", forJob(iot.ListJobExecutionsForJobInput{}),
		"a1:CANCELED b2:CANCELED b1:FAILED c1:IN_PROGRESS d1:CANCELED")
	check("by what is to be seen of them", forJob(iot.ListJobExecutionsForJobInput{Status: job.Canceled, MaxResults: two}), "a1:CANCELED b2:CANCELED d1:CANCELED")
	check("not by what is stored", forJob(iot.ListJobExecutionsForJobInput{Status: job.Queued}), "")
	check("of a thing, as they are to be seen", forThing(iot.ListJobExecutionsForThingInput{Status: job.Canceled}), "fw2:CANCELED")

	_, err := p.ListJobExecutionsForJob(ctx, operator, &iot.ListJobExecutionsForJobInput{JobID: "x"})
	refused(t, err, job.NotFound)
	_, err = p.ListJobExecutionsForThing(ctx, operator, &iot.ListJobExecutionsForThingInput{ThingName: "x"})
	refused(t, err, job.NotFound)
}

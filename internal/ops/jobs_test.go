package ops_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/iot"
)

func TestCreatingAJob(t *testing.T) {
	p := newPlane(t)
	p.things("pump:7")
	p.groups("line")
	targets := []string{arns + "thing/pump:7", arns + "thinggroup/line"}
	out := ok[*iot.CreateJobOutput](t)(p.CreateJob(ctx, operator, &iot.CreateJobInput{
		JobID: "fw", Targets: targets, Document: `{"op":"flash"}`, Description: "new firmware",
		TimeoutConfig: &iot.TimeoutConfig{InProgressTimeoutInMinutes: ptr(int64(30))},
	}))
	if *out != (iot.CreateJobOutput{JobARN: arns + "job/fw", JobID: "fw", Description: "new firmware"}) {
		t.Errorf("got %+v", out)
	}
	j := ok[*iot.DescribeJobOutput](t)(p.DescribeJob(ctx, operator, &iot.DescribeJobInput{JobID: "fw"})).Job
	if j.JobARN != out.JobARN || j.TargetSelection != "SNAPSHOT" || j.Status != job.JobInProgress || !j.IsConcurrent ||
		!slices.Equal(j.Targets, targets) || !slices.Equal(j.JobProcessDetails.ProcessingTargets, targets) ||
		!j.CreatedAt.Equal(p.now()) || !j.LastUpdatedAt.Equal(p.now()) || !j.CompletedAt.IsZero() ||
		*j.TimeoutConfig.InProgressTimeoutInMinutes != 30 || j.Description != "new firmware" || j.ForceCanceled != nil {
		t.Errorf("got %+v", j)
	}
	if doc := ok[*iot.GetJobDocumentOutput](t)(p.GetJobDocument(ctx, operator, &iot.GetJobDocumentInput{JobID: "fw"})); doc.Document != `{"op":"flash"}` {
		t.Errorf("the document is %q", doc.Document)
	}
	p.update(func(tx store.Tx) error {
		due, err := tx.DueJobs(p.now(), 10)
		if len(due) != 1 {
			t.Errorf("%d jobs are due, want the new one", len(due))
		}
		return err
	})
}

func TestCreateJobRefuses(t *testing.T) {
	p := newPlane(t)
	p.things("pump")
	p.job("taken", "thing/pump")
	for _, row := range []struct {
		name string
		edit func(*iot.CreateJobInput)
		want job.Code
	}{
		{"an id that is taken", func(in *iot.CreateJobInput) { in.JobID = "taken" }, job.AlreadyExists},
		{"no document", func(in *iot.CreateJobInput) { in.Document = "" }, job.InvalidRequest},
		{"a document that is not JSON", func(in *iot.CreateJobInput) { in.Document = `{"a":` }, job.InvalidRequest},
		{"two documents in one", func(in *iot.CreateJobInput) { in.Document = `{} {}` }, job.InvalidRequest},
		{"a document that is not UTF-8", func(in *iot.CreateJobInput) { in.Document = "\"\xff\"" }, job.InvalidRequest},
		{"a document of more bytes than characters", func(in *iot.CreateJobInput) { in.Document = `"` + strings.Repeat("é", 16_384) + `"` }, job.InvalidRequest},
		{"a target that is no ARN", func(in *iot.CreateJobInput) { in.Targets = []string{"pump"} }, job.InvalidRequest},
		{"a target of another region", func(in *iot.CreateJobInput) { in.Targets = []string{"arn:aws:iot:us-east-1:123456789012:thing/pump"} }, job.InvalidRequest},
		{"a target of another account", func(in *iot.CreateJobInput) {
			in.Targets = []string{"arn:aws:iot:eu-central-1:210987654321:thing/pump"}
		}, job.InvalidRequest},
		{"a target of another partition", func(in *iot.CreateJobInput) {
			in.Targets = []string{"arn:aws-cn:iot:eu-central-1:123456789012:thing/pump"}
		}, job.InvalidRequest},
		{"a target of another service", func(in *iot.CreateJobInput) { in.Targets = []string{"arn:aws:s3:eu-central-1:123456789012:thing/pump"} }, job.InvalidRequest},
		{"a target whose name no thing can have", func(in *iot.CreateJobInput) { in.Targets = []string{arns + "thing/pump/7"} }, job.InvalidRequest},
		{"a target whose name no group can have", func(in *iot.CreateJobInput) { in.Targets = []string{arns + "thinggroup/a b"} }, job.InvalidRequest},
		{"a target without a name", func(in *iot.CreateJobInput) { in.Targets = []string{arns + "thing/"} }, job.InvalidRequest},
		{"a target that is a job", func(in *iot.CreateJobInput) { in.Targets = []string{arns + "job/taken"} }, job.InvalidRequest},
		{"a thing that is not there", func(in *iot.CreateJobInput) { in.Targets = append(in.Targets, arns+"thing/x") }, job.NotFound},
		{"a group that is not there", func(in *iot.CreateJobInput) { in.Targets = []string{arns + "thinggroup/pump"} }, job.NotFound},
		{"101 targets", func(in *iot.CreateJobInput) { in.Targets = slices.Repeat(in.Targets, 101) }, job.LimitExceeded},
	} {
		t.Run(row.name, func(t *testing.T) {
			in := &iot.CreateJobInput{JobID: "fw", Targets: []string{arns + "thing/pump"}, Document: "{}"}
			row.edit(in)
			_, err := p.CreateJob(ctx, operator, in)
			e := refused(t, err, row.want)
			if row.want == job.AlreadyExists && (e.Resource == nil || e.Resource.ARN != arns+"job/taken" || e.Resource.ID != "taken") {
				t.Errorf("the resource is %+v", e.Resource)
			}
			_, err = p.DescribeJob(ctx, operator, &iot.DescribeJobInput{JobID: "fw"})
			refused(t, err, job.NotFound)
		})
	}
	t.Run("not a document that is any JSON value", func(t *testing.T) {
		for i, document := range []string{`"run"`, "7", "null", "[1,2]", " {} \n", strings.Repeat("[", 500) + strings.Repeat("]", 500)} {
			ok[*iot.CreateJobOutput](t)(p.CreateJob(ctx, operator, &iot.CreateJobInput{
				JobID: job.ID(fmt.Sprintf("any-%d", i)), Targets: slices.Repeat([]string{arns + "thing/pump"}, 100), Document: document,
			}))
		}
	})
}

func TestTheRolloutOfAJobIsTheServersDefaultWithinItsLimit(t *testing.T) {
	for _, row := range []struct{ byDefault, limit, want int64 }{
		{1000, 1000, 1000}, {0, 0, 0}, {0, 500, 500}, {2000, 500, 500}, {100, 0, 100},
	} {
		p := newPlane(t, func(c *ops.Config) { c.RolloutDefault, c.RolloutMax = row.byDefault, row.limit })
		p.things("pump")
		p.job("fw", "thing/pump")
		p.update(func(tx store.Tx) error {
			j, _, err := tx.Job("fw")
			if j.Rollout.PerMinute != row.want {
				t.Errorf("default %d, limit %d: got %d a minute, want %d", row.byDefault, row.limit, j.Rollout.PerMinute, row.want)
			}
			return err
		})
	}
}

func TestDescribeJobCountsThingsByTheirLatestExecution(t *testing.T) {
	p := newPlane(t)
	p.things("a", "b", "c", "d", "e")
	p.groups("line")
	p.job("fw", "thinggroup/line")
	p.queue("fw", "a", "b", "c", "d", "e")
	p.report("fw", "a", job.InProgress, nil)
	p.report("fw", "b", job.Failed, nil)
	p.report("fw", "c", job.Rejected, nil)
	p.report("fw", "d", job.Failed, nil)
	p.queue("fw", "d") // its second attempt
	d := ok[*iot.DescribeJobOutput](t)(p.DescribeJob(ctx, operator, &iot.DescribeJobInput{JobID: "fw"})).Job.JobProcessDetails
	want := iot.JobProcessDetails{NumberOfInProgressThings: 1, NumberOfFailedThings: 1, NumberOfRejectedThings: 1, NumberOfQueuedThings: 2}
	d.ProcessingTargets = nil
	if fmt.Sprint(*d) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", *d, want)
	}
}

func TestListingJobs(t *testing.T) {
	p := newPlane(t)
	p.things("pump")
	p.groups("line", "other")
	line := ok[*iot.DescribeThingGroupOutput](t)(p.DescribeThingGroup(ctx, operator, &iot.DescribeThingGroupInput{ThingGroupName: "line"})).ThingGroupID
	for i := range 9 {
		target := "thing/pump"
		if i%3 == 0 {
			target = "thinggroup/line"
		}
		p.job(job.ID(fmt.Sprintf("job-%d", i)), target)
		p.advance(time.Second)
	}
	ok[*iot.CancelJobOutput](t)(p.CancelJob(ctx, operator, &iot.CancelJobInput{JobID: "job-3"}))
	ok[*iot.CancelJobOutput](t)(p.CancelJob(ctx, operator, &iot.CancelJobInput{JobID: "job-4"}))
	ok[*iot.DeleteJobOutput](t)(p.DeleteJob(ctx, operator, &iot.DeleteJobInput{JobID: "job-8", Force: true}))
	for _, row := range []struct {
		name string
		in   iot.ListJobsInput
		want string
	}{
		{"the newest first, without what is being deleted", iot.ListJobsInput{}, "7 6 5 4 3 2 1 0"},
		{"in pages", iot.ListJobsInput{MaxResults: ptr(int64(3))}, "7 6 5 4 3 2 1 0"},
		{"of a status", iot.ListJobsInput{Status: job.JobCanceled}, "4 3"},
		{"of a status, in pages", iot.ListJobsInput{Status: job.JobInProgress, MaxResults: ptr(int64(2))}, "7 6 5 2 1 0"},
		{"that are being deleted, when they are asked for", iot.ListJobsInput{Status: job.JobDeletionInProgress}, "8"},
		{"of a selection", iot.ListJobsInput{TargetSelection: "CONTINUOUS"}, ""},
		{"that target a group", iot.ListJobsInput{ThingGroupName: "line", MaxResults: ptr(int64(2))}, "6 3 0"},
		{"that target a group by id", iot.ListJobsInput{ThingGroupID: line}, "6 3 0"},
		{"that target a group by both, of a status", iot.ListJobsInput{ThingGroupName: "line", ThingGroupID: line, Status: job.JobCanceled}, "3"},
		{"that target a group without jobs", iot.ListJobsInput{ThingGroupName: "other"}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got []string
			for {
				out := ok[*iot.ListJobsOutput](t)(p.ListJobs(ctx, operator, &row.in))
				for _, j := range out.Jobs {
					got = append(got, string(j.JobID[4:]))
					byGroup := row.in.ThingGroupName != "" || row.in.ThingGroupID != ""
					if (j.ThingGroupID == line) != byGroup || j.TargetSelection != "SNAPSHOT" || j.JobARN == "" || j.CreatedAt.IsZero() {
						t.Errorf("got %+v", j)
					}
					if j.IsConcurrent != (j.Status == job.JobInProgress) {
						t.Errorf("%s is %s, and isConcurrent is %v", j.JobID, j.Status, j.IsConcurrent)
					}
				}
				if row.in.NextToken = out.NextToken; out.NextToken == "" {
					break
				}
			}
			if strings.Join(got, " ") != row.want {
				t.Errorf("got %v, want %s", got, row.want)
			}
		})
	}
	_, err := p.ListJobs(ctx, operator, &iot.ListJobsInput{ThingGroupName: "x"})
	refused(t, err, job.NotFound)
	_, err = p.ListJobs(ctx, operator, &iot.ListJobsInput{ThingGroupID: "x"})
	refused(t, err, job.NotFound)
	_, err = p.ListJobs(ctx, operator, &iot.ListJobsInput{ThingGroupName: "other", ThingGroupID: line})
	refused(t, err, job.InvalidRequest)

	// Another group of the same name is the target of no job of the one before it.
	ok[*iot.DeleteThingGroupOutput](t)(p.DeleteThingGroup(ctx, operator, &iot.DeleteThingGroupInput{ThingGroupName: "line"}))
	p.groups("line")
	p.job("job-9", "thinggroup/line")
	out := ok[*iot.ListJobsOutput](t)(p.ListJobs(ctx, operator, &iot.ListJobsInput{ThingGroupName: "line"}))
	if len(out.Jobs) != 1 || out.Jobs[0].JobID != "job-9" {
		t.Errorf("that target the new group: %+v", out.Jobs)
	}
}

func TestCancellingAJob(t *testing.T) {
	p := newPlane(t)
	p.things("pump")
	p.job("fw", "thing/pump")
	p.queue("fw", "pump")
	p.advance(time.Minute)
	ok[*iot.CancelJobOutput](t)(p.CancelJob(ctx, operator, &iot.CancelJobInput{JobID: "fw", ReasonCode: "WRONG", Comment: "wrong build"}))
	j := ok[*iot.DescribeJobOutput](t)(p.DescribeJob(ctx, operator, &iot.DescribeJobInput{JobID: "fw"})).Job
	if j.Status != job.JobCanceled || j.ForceCanceled == nil || *j.ForceCanceled || j.ReasonCode != "WRONG" || j.Comment != "wrong build" ||
		!j.LastUpdatedAt.Equal(p.now()) || !j.CompletedAt.IsZero() || !j.IsConcurrent || j.JobProcessDetails.ProcessingTargets != nil {
		t.Errorf("got %+v", j)
	}
	if e := p.describe("fw", "pump"); e.Status != job.Canceled || e.VersionNumber != 2 || e.ForceCanceled == nil || *e.ForceCanceled {
		t.Errorf("its execution is hidden at once: got %+v", e)
	}

	t.Run("again changes nothing, unless it is with force", func(t *testing.T) {
		p.advance(time.Minute)
		ok[*iot.CancelJobOutput](t)(p.CancelJob(ctx, operator, &iot.CancelJobInput{JobID: "fw", Comment: "other"}))
		again := ok[*iot.DescribeJobOutput](t)(p.DescribeJob(ctx, operator, &iot.DescribeJobInput{JobID: "fw"})).Job
		if !again.LastUpdatedAt.Equal(j.LastUpdatedAt) || again.Comment != j.Comment {
			t.Errorf("got %+v", again)
		}
		ok[*iot.CancelJobOutput](t)(p.CancelJob(ctx, operator, &iot.CancelJobInput{JobID: "fw", Force: true}))
		again = ok[*iot.DescribeJobOutput](t)(p.DescribeJob(ctx, operator, &iot.DescribeJobInput{JobID: "fw"})).Job
		if !*again.ForceCanceled || again.Comment != j.Comment {
			t.Errorf("got %+v", again)
		}
	})
	t.Run("that is being deleted is refused", func(t *testing.T) {
		ok[*iot.DeleteJobOutput](t)(p.DeleteJob(ctx, operator, &iot.DeleteJobInput{JobID: "fw"}))
		_, err := p.CancelJob(ctx, operator, &iot.CancelJobInput{JobID: "fw"})
		refused(t, err, job.InvalidRequest)
	})
	t.Run("that is not there is not found", func(t *testing.T) {
		_, err := p.CancelJob(ctx, operator, &iot.CancelJobInput{JobID: "x"})
		refused(t, err, job.NotFound)
	})
}

func TestDeletingAJob(t *testing.T) {
	p := newPlane(t)
	p.things("pump")
	p.job("fw", "thing/pump")
	p.queue("fw", "pump")
	_, err := p.DeleteJob(ctx, operator, &iot.DeleteJobInput{JobID: "fw"})
	refused(t, err, job.InvalidStateTransition)
	ok[*iot.DeleteJobOutput](t)(p.DeleteJob(ctx, operator, &iot.DeleteJobInput{JobID: "fw", Force: true}))
	_, err = p.DeleteJob(ctx, operator, &iot.DeleteJobInput{JobID: "fw", Force: true})
	refused(t, err, job.InvalidStateTransition)
	if j := ok[*iot.DescribeJobOutput](t)(p.DescribeJob(ctx, operator, &iot.DescribeJobInput{JobID: "fw"})).Job; j.Status != job.JobDeletionInProgress {
		t.Errorf("got %s, want DELETION_IN_PROGRESS", j.Status)
	}
	for name, err := range map[string]error{
		"described": second(p.DescribeJobExecution(ctx, operator, &iot.DescribeJobExecutionInput{JobID: "fw", ThingName: "pump"})),
		"cancelled": second(p.CancelJobExecution(ctx, operator, &iot.CancelJobExecutionInput{JobID: "fw", ThingName: "pump"})),
		"deleted":   second(p.DeleteJobExecution(ctx, operator, &iot.DeleteJobExecutionInput{JobID: "fw", ThingName: "pump", ExecutionNumber: 1})),
	} {
		t.Run("its execution cannot be "+name, func(t *testing.T) { refused(t, err, job.NotFound) })
	}
	if list := ok[*iot.ListJobExecutionsForThingOutput](t)(p.ListJobExecutionsForThing(ctx, operator, &iot.ListJobExecutionsForThingInput{ThingName: "pump"})); len(list.ExecutionSummaries) != 0 {
		t.Errorf("its execution is listed: %+v", list.ExecutionSummaries)
	}
	_, err = p.DeleteJob(ctx, operator, &iot.DeleteJobInput{JobID: "x"})
	refused(t, err, job.NotFound)
}

func second[T any](_ T, err error) error { return err }

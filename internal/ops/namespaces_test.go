package ops_test

import (
	"slices"
	"testing"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// deployment creates a job of a namespace.
func (p *plane) deployment(id job.ID, namespace job.Namespace, target string) {
	p.t.Helper()
	ok[*iot.CreateJobOutput](p.t)(p.CreateJob(ctx, operator, &iot.CreateJobInput{
		JobID: id, Document: `{"op":"deploy"}`, Targets: []string{arns + target}, NamespaceID: namespace,
	}))
}

func TestAJobShowsItsNamespaceAndListsAreNarrowedByIt(t *testing.T) {
	p := newPlane(t)
	p.things("core")
	p.job("fw", "thing/core")
	p.deployment("d1", "gg", "thing/core")
	p.deployment("d2", "gg", "thing/core")
	p.queue("fw", "core")
	p.queue("d1", "core")
	p.queue("d2", "core")
	for id, want := range map[job.ID]job.Namespace{"fw": "", "d1": "gg"} {
		if got := ok[*iot.DescribeJobOutput](t)(p.DescribeJob(ctx, operator, &iot.DescribeJobInput{JobID: id})).Job.NamespaceID; got != want {
			t.Errorf("%s is of namespace %q, want %q", id, got, want)
		}
	}
	for namespace, want := range map[job.Namespace][]job.ID{"": {"d2", "d1", "fw"}, "gg": {"d2", "d1"}, "g": nil} {
		var jobs, executions []job.ID
		for _, j := range ok[*iot.ListJobsOutput](t)(p.ListJobs(ctx, operator, &iot.ListJobsInput{NamespaceID: namespace})).Jobs {
			jobs = append(jobs, j.JobID)
		}
		list := ok[*iot.ListJobExecutionsForThingOutput](t)(p.ListJobExecutionsForThing(ctx, operator,
			&iot.ListJobExecutionsForThingInput{ThingName: "core", NamespaceID: namespace}))
		for _, s := range list.ExecutionSummaries {
			executions = append(executions, s.JobID)
		}
		if !slices.Equal(jobs, want) || !slices.Equal(executions, want) {
			t.Errorf("namespace %q: jobs %v and executions %v, want %v", namespace, jobs, executions, want)
		}
	}
}

func TestDeletingInANamespaceFindsNoJobOfAnother(t *testing.T) {
	p := newPlane(t)
	p.things("core")
	p.deployment("d1", "gg", "thing/core")
	p.queue("d1", "core")
	_, err := p.DeleteJob(ctx, operator, &iot.DeleteJobInput{JobID: "d1", Force: true, NamespaceID: "other"})
	refused(t, err, job.NotFound)
	_, err = p.DeleteJobExecution(ctx, operator, &iot.DeleteJobExecutionInput{JobID: "d1", ThingName: "core", ExecutionNumber: 1, NamespaceID: "other"})
	refused(t, err, job.NotFound)
	ok[*iot.DeleteJobExecutionOutput](t)(p.DeleteJobExecution(ctx, operator,
		&iot.DeleteJobExecutionInput{JobID: "d1", ThingName: "core", ExecutionNumber: 1, NamespaceID: "gg"}))
	ok[*iot.DeleteJobOutput](t)(p.DeleteJob(ctx, operator, &iot.DeleteJobInput{JobID: "d1", Force: true, NamespaceID: "gg"}))
}

func TestDeletingAThingRemovesWhatItHadToDoInEveryNamespace(t *testing.T) {
	p := newPlane(t)
	p.things("core")
	p.job("fw", "thing/core")
	p.deployment("d1", "gg", "thing/core")
	p.deployment("d2", "other", "thing/core")
	for _, id := range []job.ID{"d2", "fw", "d1"} {
		p.queue(id, "core")
	}
	p.effects()
	ok[*iot.DeleteThingOutput](t)(p.DeleteThing(ctx, operator, &iot.DeleteThingInput{ThingName: "core"}))
	told := map[job.Namespace]bool{}
	for _, e := range p.effects() {
		told[e.Namespace] = e.Notify && len(e.After.Pending) == 0
	}
	if len(told) != 3 || !told[""] || !told["gg"] || !told["other"] {
		t.Errorf("told %v, want an empty queue in each namespace", told)
	}
	for _, id := range []job.ID{"fw", "d1", "d2"} {
		j := ok[*iot.DescribeJobOutput](t)(p.DescribeJob(ctx, operator, &iot.DescribeJobInput{JobID: id})).Job.JobProcessDetails
		if j.NumberOfRemovedThings != 1 || j.NumberOfQueuedThings != 0 {
			t.Errorf("%s: %+v, want one REMOVED", id, j)
		}
	}
}

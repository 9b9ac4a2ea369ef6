package year

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/wire/iot"
	"github.com/drover-iot/drover/internal/year/reference"
)

var caller = ops.Caller{Principal: "operator"}

func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

func (r *run) describe(id string) *iot.Job {
	out, err := r.s.control.DescribeJob(r.ctx, caller, &iot.DescribeJobInput{JobID: job.ID(id)})
	if err != nil {
		r.failf("job %s: %v", id, err)
	}
	return out.Job
}

// same fails unless the product's code is the reference's.
func (r *run) same(err error, want reference.Code, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	got := codeOf(err)
	r.notef("%s: %q", what, got)
	if got != want {
		r.failf("%s: got %q (%v), want %q", what, got, err, want)
	}
}

// checkJob holds a job against the reference: its state and its counters.
func (r *run) checkJob(j *reference.Job) {
	if r.w.Job(j.ID) != j {
		if _, err := r.s.control.DescribeJob(r.ctx, caller, &iot.DescribeJobInput{JobID: job.ID(j.ID)}); codeOf(err) != reference.NotFound {
			r.failf("job %s was deleted, and DescribeJob says %v", j.ID, err)
		}
		return
	}
	got := r.describe(j.ID)
	want := jobLine(j.Status, j.Status == reference.Cancelled && j.Forced, j.Reason, j.LastUpdatedAt, j.CompletedAt, j.Status == reference.Active && j.Rolling, j.Details())
	d := got.JobProcessDetails
	is := jobLine(got.Status.String(), got.ForceCanceled != nil && *got.ForceCanceled, got.ReasonCode, got.LastUpdatedAt, got.CompletedAt, got.IsConcurrent, map[reference.Status]int64{
		reference.Queued: d.NumberOfQueuedThings, reference.InProgress: d.NumberOfInProgressThings, reference.Succeeded: d.NumberOfSucceededThings,
		reference.Failed: d.NumberOfFailedThings, reference.TimedOut: d.NumberOfTimedOutThings, reference.Rejected: d.NumberOfRejectedThings,
		reference.Removed: d.NumberOfRemovedThings, reference.Canceled: d.NumberOfCanceledThings,
	})
	r.notef("job %s: %s", j.ID, is)
	if is != want {
		r.failf("job %s:\ngot  %s\nwant %s", j.ID, is, want)
	}
	if j.Reason == reference.Aborted && got.Comment == "" {
		r.failf("job %s has cancelled itself and does not say by which criterion", j.ID)
	}
	if j.Reason != reference.Aborted && got.Comment != j.Comment {
		r.failf("job %s has comment %q, want %q", j.ID, got.Comment, j.Comment)
	}
}

func jobLine(status string, forced bool, reason string, updated, completed time.Time, rolling bool, n map[reference.Status]int64) string {
	line := fmt.Sprintf("%s forced=%v reason=%q updated=%s completed=%s rolling=%v", status, forced, reason, stamp(updated), stamp(completed), rolling)
	for _, s := range sorted(n) {
		if n[s] != 0 {
			line += fmt.Sprintf(" %s=%d", s, n[s])
		}
	}
	return line
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("01-02T15:04:05.000")
}

// checkAttempt holds the newest execution of a job on a thing against the
// reference, with all that DescribeJobExecution shows.
func (r *run) checkAttempt(id, thing string) {
	out, err := r.s.control.DescribeJobExecution(r.ctx, caller, &iot.DescribeJobExecutionInput{JobID: job.ID(id), ThingName: registry.Name(thing)})
	a := r.w.Newest(id, thing)
	if a == nil {
		if codeOf(err) != reference.NotFound {
			r.failf("job %s on thing %s: got %v, want none", id, thing, err)
		}
		return
	}
	if err != nil {
		r.failf("job %s on thing %s: %v", id, thing, err)
	}
	e := out.Execution
	left := "-"
	if n := e.ApproximateSecondsBeforeTimedOut; n != nil {
		left = fmt.Sprint(*n)
	}
	is := fmt.Sprintf("#%d v%d %s %v forced=%v queued=%s started=%s updated=%s left=%s", e.ExecutionNumber, e.VersionNumber, e.Status, map[string]string(e.StatusDetails.DetailsMap),
		*e.ForceCanceled, stamp(e.QueuedAt), stamp(e.StartedAt), stamp(e.LastUpdatedAt), left)
	left = "-"
	if n, ok := a.SecondsLeft(r.now()); ok {
		left = fmt.Sprint(n)
	}
	want := fmt.Sprintf("#%d v%d %s %v forced=%v queued=%s started=%s updated=%s left=%s", a.Number, a.Version, a.Status, a.Details,
		a.Forced, stamp(a.QueuedAt), stamp(a.StartedAt), stamp(a.LastUpdatedAt), left)
	if is != want {
		r.failf("job %s on thing %s:\ngot  %s\nwant %s", id, thing, is, want)
	}
}

// checkAll holds everything against the reference, and the counters of every job
// against a recount.
func (r *run) checkAll() {
	in := &iot.ListJobsInput{}
	var got, want []string
	for {
		out, err := r.s.control.ListJobs(r.ctx, caller, in)
		if err != nil {
			r.failf("ListJobs: %v", err)
		}
		for _, j := range out.Jobs {
			got = append(got, string(j.JobID))
		}
		if in.NextToken = out.NextToken; in.NextToken == "" {
			break
		}
	}
	slices.Sort(got)
	for _, j := range r.w.Jobs() {
		want = append(want, j.ID)
		r.checkJob(j)
		r.checkExecutions(j)
		r.checkCounters(j)
		for _, a := range r.someAttempts(j) {
			r.checkAttempt(j.ID, a.Thing.Name)
		}
	}
	if !slices.Equal(got, want) {
		r.failf("the jobs:\ngot  %v\nwant %v", got, want)
	}
}

func (r *run) checkExecutions(j *reference.Job) {
	var got, want []string
	most := int64(250)
	in := &iot.ListJobExecutionsForJobInput{JobID: job.ID(j.ID), MaxResults: &most}
	for {
		out, err := r.s.control.ListJobExecutionsForJob(r.ctx, caller, in)
		if err != nil {
			r.failf("ListJobExecutionsForJob %s: %v", j.ID, err)
		}
		for _, s := range out.ExecutionSummaries {
			x := s.JobExecutionSummary
			retry := int64(0)
			if x.RetryAttempt != nil {
				retry = *x.RetryAttempt
			}
			got = append(got, executionLine(s.ThingARN[strings.LastIndexByte(s.ThingARN, '/')+1:], x.ExecutionNumber, x.Status.String(), retry, x.QueuedAt, x.StartedAt, x.LastUpdatedAt))
		}
		if in.NextToken = out.NextToken; in.NextToken == "" {
			break
		}
	}
	for _, a := range j.Attempts() {
		want = append(want, executionLine(a.Thing.Name, a.Number, string(a.Status), a.Retry, a.QueuedAt, a.StartedAt, a.LastUpdatedAt))
	}
	slices.Sort(got)
	slices.Sort(want)
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			r.failf("job %s has %d executions, want %d; the first that differ:\ngot  %s\nwant %s", j.ID, len(got), len(want), at(got, i), at(want, i))
		}
	}
	r.count["executions compared"] += len(got)
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "none"
}

func executionLine(thing string, number int64, status string, retry int64, queued, started, updated time.Time) string {
	return fmt.Sprintf("%s#%d %s retry=%d queued=%s started=%s updated=%s", thing, number, status, retry, stamp(queued), stamp(started), stamp(updated))
}

// checkCounters: both counters equal a recount of the rows, and the abort rule's
// the reference's too (jobProcessDetails is checkJob's).
func (r *run) checkCounters(j *reference.Job) {
	counted, recounted, err := r.s.tallies(r.ctx, j.ID)
	if err != nil {
		r.failf("job %s: %v", j.ID, err)
	}
	if counted != recounted {
		r.failf("job %s: the counters say %v, its rows %v", j.ID, counted, recounted)
	}
	want := j.Finished()
	for _, s := range job.Statuses() {
		if counted.Finished[s] != want[reference.Status(s.String())] {
			r.failf("job %s: %d things are counted as having ended %s, want %d", j.ID, counted.Finished[s], s, want[reference.Status(s.String())])
		}
	}
}

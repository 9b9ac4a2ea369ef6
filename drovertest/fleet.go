package drovertest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"
)

// The statuses of executions and of jobs, as AWS spells them.
const (
	Queued     = "QUEUED"
	InProgress = "IN_PROGRESS"
	Succeeded  = "SUCCEEDED"
	Failed     = "FAILED"
	TimedOut   = "TIMED_OUT"
	Rejected   = "REJECTED"
	Removed    = "REMOVED"
	Canceled   = "CANCELED"

	Completed = "COMPLETED" // a job; it may be InProgress and Canceled too

	AnyFailure = "ALL" // in Retries and Abort: each of the failures that they know
)

// Thing registers things.
func (d *Drover) Thing(names ...string) {
	d.t.Helper()
	for _, name := range names {
		d.must("POST", "/things/"+url.PathEscape(name), struct{}{}, nil)
	}
}

// Group makes a static group of things.
func (d *Drover) Group(name string, things ...string) {
	d.t.Helper()
	d.must("POST", "/thing-groups/"+url.PathEscape(name), struct{}{}, nil)
	for _, thing := range things {
		d.must("PUT", "/thing-groups/addThingToThingGroup", map[string]string{"thingGroupName": name, "thingName": thing}, nil)
	}
}

// Job says what a job is.
type Job struct {
	Document          string // JSON; `{}` if it is empty
	Things, Groups    []string
	InProgressTimeout time.Duration // in whole minutes; 0: none
	// Retries is how often a thing is given the job again: {Failed: 2, TimedOut: 1}, or
	// AnyFailure alone.
	Retries map[string]int
	Abort   []Criterion // any of them cancels the job
	// Config has what else CreateJob takes, by AWS's names, as it goes into JSON:
	// {"targetSelection": "CONTINUOUS"}.
	Config map[string]any
}

// Criterion cancels a job when, of at least MinNumberOfExecutedThings that have
// ended it, ThresholdPercentage or more have failed in this way.
type Criterion struct {
	FailureType               string // Failed, TimedOut, Rejected, AnyFailure
	ThresholdPercentage       float64
	MinNumberOfExecutedThings int
}

// Job creates a job. On a clock that the test moves, the executions that its
// rollout allows at once are queued when it returns, and devices have been told.
func (d *Drover) Job(id string, j Job) {
	d.t.Helper()
	in := map[string]any{"document": j.Document}
	if j.Document == "" {
		in["document"] = "{}"
	}
	targets := []string{}
	for _, thing := range j.Things {
		targets = append(targets, d.arn("thing", thing))
	}
	for _, group := range j.Groups {
		targets = append(targets, d.arn("thinggroup", group))
	}
	in["targets"] = targets
	if j.InProgressTimeout > 0 {
		in["timeoutConfig"] = map[string]int64{"inProgressTimeoutInMinutes": int64(j.InProgressTimeout / time.Minute)}
	}
	var retries, abort []any
	for failure, n := range j.Retries {
		retries = append(retries, map[string]any{"failureType": failure, "numberOfRetries": n})
	}
	for _, c := range j.Abort {
		abort = append(abort, map[string]any{
			"failureType": c.FailureType, "action": "CANCEL",
			"thresholdPercentage": c.ThresholdPercentage, "minNumberOfExecutedThings": c.MinNumberOfExecutedThings,
		})
	}
	for config, list := range map[string][]any{"jobExecutionsRetryConfig": retries, "abortConfig": abort} {
		if len(list) > 0 {
			in[config] = map[string]any{"criteriaList": list}
		}
	}
	maps.Copy(in, j.Config)
	d.must("PUT", "/jobs/"+url.PathEscape(id), in, nil)
	d.Settle()
}

func (d *Drover) arn(kind, name string) string {
	return fmt.Sprintf("arn:aws:iot:%s:%s:%s/%s", d.Region, d.Account, kind, name)
}

// CancelJob cancels a job; with force also what devices have begun. Devices have
// been told when it returns, on a clock that the test moves.
func (d *Drover) CancelJob(id string, force bool) {
	d.t.Helper()
	d.must("PUT", fmt.Sprintf("/jobs/%s/cancel?force=%t", url.PathEscape(id), force), struct{}{}, nil)
	d.Settle()
}

// CancelExecution cancels what one thing has of a job; with force also what it has
// begun.
func (d *Drover) CancelExecution(thing, job string, force bool) {
	d.t.Helper()
	d.must("PUT", fmt.Sprintf("/things/%s/jobs/%s/cancel?force=%t", url.PathEscape(thing), url.PathEscape(job), force), struct{}{}, nil)
	d.Settle()
}

// Execution is a job on a thing: its newest attempt.
type Execution struct {
	Status   string
	Details  map[string]string
	Number   int64
	Version  int64
	Queued   time.Time
	Started  time.Time // zero: not yet
	Updated  time.Time
	TimedOut int64 // seconds that are left of its time; 0: it has no timer
}

// Execution reads what a thing has of a job; ok is false if that is nothing.
func (d *Drover) Execution(thing, job string) (e Execution, ok bool) {
	d.t.Helper()
	var out struct {
		Execution struct {
			Status                           string
			StatusDetails                    struct{ DetailsMap map[string]string }
			ExecutionNumber                  int64
			VersionNumber                    int64
			QueuedAt                         instant
			StartedAt                        instant
			LastUpdatedAt                    instant
			ApproximateSecondsBeforeTimedOut int64
		}
	}
	path := "/things/" + url.PathEscape(thing) + "/jobs/" + url.PathEscape(job)
	err := d.Call(context.Background(), "GET", path, nil, &out)
	if notFound(err) {
		return e, false
	}
	if err != nil {
		d.t.Fatalf("drovertest: GET %s: %v", path, err)
	}
	x := out.Execution
	return Execution{
		Status: x.Status, Details: x.StatusDetails.DetailsMap, Number: x.ExecutionNumber, Version: x.VersionNumber,
		Queued: x.QueuedAt.Time, Started: x.StartedAt.Time, Updated: x.LastUpdatedAt.Time, TimedOut: x.ApproximateSecondsBeforeTimedOut,
	}, true
}

// Attempts are the statuses of all that a thing has had of a job, the first attempt
// first.
func (d *Drover) Attempts(thing, job string) (statuses []string) {
	d.t.Helper()
	type attempt struct {
		JobExecutionSummary struct {
			Status          string
			ExecutionNumber int64
		}
	}
	var out struct{ ExecutionSummaries []attempt }
	d.must("GET", "/things/"+url.PathEscape(thing)+"/jobs?jobId="+url.QueryEscape(job), nil, &out)
	slices.SortFunc(out.ExecutionSummaries, func(a, b attempt) int {
		return cmp.Compare(a.JobExecutionSummary.ExecutionNumber, b.JobExecutionSummary.ExecutionNumber)
	})
	for _, a := range out.ExecutionSummaries {
		statuses = append(statuses, a.JobExecutionSummary.Status)
	}
	return statuses
}

// JobStatus reads a job's status; ok is false if there is no such job.
func (d *Drover) JobStatus(id string) (status string, ok bool) {
	d.t.Helper()
	var out struct{ Job struct{ Status string } }
	path := "/jobs/" + url.PathEscape(id)
	err := d.Call(context.Background(), "GET", path, nil, &out)
	if notFound(err) {
		return "", false
	}
	if err != nil {
		d.t.Fatalf("drovertest: GET %s: %v", path, err)
	}
	return out.Job.Status, true
}

// WaitExecution returns when what a thing has of a job has a status.
func (d *Drover) WaitExecution(thing, job, status string) Execution {
	d.t.Helper()
	return d.WaitExecutionUntil(thing, job, func(e Execution) bool { return e.Status == status })
}

// WaitExecutionUntil returns when what a thing has of a job is as the caller wants.
func (d *Drover) WaitExecutionUntil(thing, job string, is func(Execution) bool) (e Execution) {
	d.t.Helper()
	d.until(fmt.Sprintf("the execution of %s on %s is what is waited for", job, thing), func() (any, bool) {
		var there bool
		e, there = d.Execution(thing, job)
		if !there {
			return "nothing", false
		}
		return e, is(e)
	})
	return e
}

// WaitJob returns when a job has a status.
func (d *Drover) WaitJob(id, status string) {
	d.t.Helper()
	d.until("job "+id+" is "+status, func() (any, bool) {
		now, there := d.JobStatus(id)
		if !there {
			return "not there", false
		}
		return now, now == status
	})
}

// margin is what is left of the test's own time when waiting ends: enough to say
// what was waited for.
const margin = 2 * time.Second

// until looks at a state, and again whenever Drover has done something.
func (d *Drover) until(what string, look func() (state any, ok bool)) {
	d.t.Helper()
	end := time.Now().Add(d.patience)
	if t, ok := d.t.(interface{ Deadline() (time.Time, bool) }); ok {
		if last, ends := t.Deadline(); ends && last.Add(-margin).Before(end) {
			end = last.Add(-margin)
		}
	}
	over := time.NewTimer(time.Until(end))
	defer over.Stop()
	for {
		changed := d.server.Changed() // before the look, so that nothing is missed
		state, ok := look()
		if ok {
			return
		}
		select {
		case <-changed:
		case err := <-d.server.Failed():
			d.t.Fatalf("drovertest: the service has failed: %v", err)
		case <-over.C:
			d.t.Fatalf("drovertest: waited in vain until %s; it is %+v", what, state)
		}
	}
}

package sched

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/iot"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
)

// requests are what can be asked of a thing, in words.
func requests() (all []string) {
	all = []string{"get", "start-next", "describe $next", "cancel fw", "cancel fw force"}
	for _, id := range []string{"fw", "also", "calm"} {
		for _, number := range []string{"", " number=1", " number=2"} {
			all = append(all, "describe "+id+number)
			for _, s := range []string{"IN_PROGRESS", "SUCCEEDED", "FAILED", "QUEUED"} {
				all = append(all, "update "+id+" "+s+number)
			}
		}
		for version := 1; version < 4; version++ {
			all = append(all, fmt.Sprintf("update %s IN_PROGRESS version=%d", id, version))
		}
	}
	return all
}

// ask makes a request of requests, and gives its answer as text.
func (f *fleet) ask(thing registry.Name, request string) string {
	f.t.Helper()
	words := strings.Fields(request)
	var number, version *int64
	for _, w := range words[1:] {
		var n int64
		if _, err := fmt.Sscanf(w, "number=%d", &n); err == nil {
			number = &n
		}
		if _, err := fmt.Sscanf(w, "version=%d", &n); err == nil {
			version = &n
		}
	}
	ctx, device := context.Background(), ops.Caller{Principal: string(thing)}
	var out any
	var err error
	switch words[0] {
	case "get":
		out, err = f.data.GetPendingJobExecutions(ctx, device, &jobsdata.GetPendingJobExecutionsInput{ThingName: thing})
	case "start-next":
		out, err = f.data.StartNextPendingJobExecution(ctx, device, &jobsdata.StartNextPendingJobExecutionInput{ThingName: thing})
	case "describe":
		out, err = f.data.DescribeJobExecution(ctx, device, &jobsdata.DescribeJobExecutionInput{ThingName: thing, JobID: job.ID(words[1]), ExecutionNumber: number})
	case "update":
		s, _ := job.ParseStatus(words[2])
		out, err = f.data.UpdateJobExecution(ctx, device, &jobsdata.UpdateJobExecutionInput{
			ThingName: thing, JobID: job.ID(words[1]), Status: s, ExecutionNumber: number, ExpectedVersion: version, IncludeJobExecutionState: ptr(true),
		})
	case "cancel":
		out, err = f.control.CancelJobExecution(ctx, caller, &iot.CancelJobExecutionInput{ThingName: thing, JobID: job.ID(words[1]), Force: len(words) > 2})
	}
	if e := (*job.Error)(nil); errors.As(err, &e) {
		return fmt.Sprint(e.Code, " ", text(f.t, e.State))
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return strings.ReplaceAll(text(f.t, out), string(thing), "THING")
}

// hears is what the devices of each thing hear, rendered as far as the rules do it.
func (f *fleet) hears() map[string][]string {
	all := map[string][]string{}
	for _, e := range f.heard.take() {
		var queue []string
		for _, seen := range e.After.Visible(e.At) {
			queue = append(queue, fmt.Sprintf("%s#%d v%d %s", seen.JobID, seen.Number, seen.Version, seen.Status))
		}
		all[e.Thing] = append(all[e.Thing], fmt.Sprintf("hears: notify %v next %v: %s", e.Notify, e.Next, strings.Join(queue, ", ")))
	}
	return all
}

// TestARequestAtADeadlineComesAfterTheTimeOut: a timer that runs out at this instant,
// or has run out, did so before the request, whoever of the two reaches the server
// first (device-plane.md 3.4, Timers). Of each thing two timed executions run and one
// waits; each request, to a thing of its own, is made before the scheduler has seen
// the timers, and after it.
func TestARequestAtADeadlineComesAfterTheTimeOut(t *testing.T) {
	jobs := []string{"fw", "also", "calm"}
	run := func(t *testing.T, retry int, late time.Duration, sweepFirst bool) map[string][]string {
		f := newFleet(t)
		f.group("line")
		things := map[string]string{}
		for i, request := range requests() {
			things[request] = fmt.Sprint("a", i)
			f.things(things[request])
			f.join("line", things[request])
			f.audience.live[things[request]] = true
		}
		for _, id := range jobs {
			f.create(id, func(in *iot.CreateJobInput) {
				in.TimeoutConfig = &iot.TimeoutConfig{InProgressTimeoutInMinutes: ptr(int64(1))}
				in.JobExecutionsRetryConfig = retries("ALL", retry)
			}, "thinggroup/line")
			f.settle()
			f.dial.advance(time.Second)
		}
		for _, id := range jobs[:2] {
			for _, thing := range things {
				if err := f.report(thing, id, job.InProgress); err != nil {
					t.Fatal(err)
				}
			}
			f.dial.advance(time.Second)
		}
		f.settle()
		f.dial.advance(time.Minute - time.Second + late) // the deadline of the second
		f.heard.take()
		if sweepFirst {
			f.settle()
		}
		all := map[string][]string{}
		for _, request := range requests() {
			all[request] = append(all[request], "answer: "+f.ask(registry.Name(things[request]), request))
		}
		f.settle()
		hears := f.hears()
		executions := map[int64][]string{}
		for _, id := range jobs {
			f.recount(id)
			for _, e := range f.all(id) {
				executions[e.ThingKey] = append(executions[e.ThingKey],
					fmt.Sprintf("in the end: %s#%d v%d %s retry %d updated %s", id, e.Number, e.Version, e.Status, e.RetryAttempt, e.LastUpdatedAt))
			}
		}
		err := f.store.View(t.Context(), func(tx store.Tx) error {
			for request, name := range things {
				thing, err := tx.Thing(registry.Name(name))
				if err != nil {
					return err
				}
				all[request] = slices.Concat(all[request], hears[name], executions[thing.Key])
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	for _, retry := range []int{0, 1} {
		for _, late := range []time.Duration{-time.Millisecond, 0, time.Second} {
			t.Run(fmt.Sprintf("%d retries, %s after the deadline of the second", retry, late), func(t *testing.T) {
				got, want := run(t, retry, late, false), run(t, retry, late, true)
				for _, request := range requests() {
					if diff := cmp.Diff(want[request], got[request]); diff != "" {
						t.Errorf("%s, after the sweep (-) and before it (+):\n%s", request, diff)
					}
				}
			})
		}
	}
}

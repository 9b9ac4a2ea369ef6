package sched

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// line is a step of a story: at what time, what happens ("a FAILED" is a report,
// "a cancel" and "a delete" are of its execution, "" is that time passes), and what
// is there then.
type line struct {
	at   time.Duration
	does string
	want string
}

// play tells a story, and says what is there after each step.
func (f *fleet) play(story []line, is func() string) {
	f.t.Helper()
	start := f.dial.Now()
	for _, l := range story {
		f.dial.advance(start.Add(l.at).Sub(f.dial.Now()))
		f.settle()
		thing, does, _ := strings.Cut(l.does, " ")
		switch s, isStatus := job.ParseStatus(does); {
		case isStatus:
			if err := f.report(thing, "fw", s); err != nil {
				f.t.Fatalf("+%s %s: %v", l.at, l.does, err)
			}
		case does == "cancel":
			must(f.control.CancelJobExecution(context.Background(), caller, &iot.CancelJobExecutionInput{JobID: "fw", ThingName: registry.Name(thing)}))(f.t)
		case does == "delete":
			must(f.control.DeleteJobExecution(context.Background(), caller, &iot.DeleteJobExecutionInput{JobID: "fw", ThingName: registry.Name(thing), ExecutionNumber: 1}))(f.t)
		case l.does != "":
			f.t.Fatalf("no step is called %q", l.does)
		}
		f.settle()
		if got := is(); got != l.want {
			f.t.Errorf("+%s %s: got %s, want %s", l.at, l.does, got, l.want)
		}
	}
	f.recount("fw")
}

var criterionOf = regexp.MustCompile(`^Abort criterion (\d+) \((\w+)\): (\d+ of \d+) `)

// executed is how many things have executed the job, as its abort criteria count
// them; once it was aborted, which criterion did it, by which numbers.
func (f *fleet) executed() string {
	f.t.Helper()
	j := f.describe("fw")
	if j.Status == job.JobCanceled {
		m := criterionOf.FindStringSubmatch(j.Comment)
		if m == nil || j.ReasonCode != "ABORT_CRITERIA_MET" || *j.ForceCanceled {
			f.t.Fatalf("%s with %q: %q", j.Status, j.ReasonCode, j.Comment)
		}
		return fmt.Sprintf("criterion %s, %s: %s", m[1], m[2], m[3])
	}
	var bad, all int64
	err := f.store.View(context.Background(), func(tx store.Tx) error {
		_, tally, err := tx.Job("fw")
		for s, n := range tally.Finished {
			all += n
			if job.Status(s) != job.Succeeded {
				bad += n
			}
		}
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return fmt.Sprintf("%d of %d", bad, all)
}

// criteria are an abortConfig: "FAILED 50% 2" is 50 percent of at least two.
func criteria(lines ...string) *iot.AbortConfig {
	c := &iot.AbortConfig{}
	for _, l := range lines {
		var failure string
		var percent float64
		var least int64
		if _, err := fmt.Sscanf(l, "%s %f%% %d", &failure, &percent, &least); err != nil {
			panic(err)
		}
		c.CriteriaList = append(c.CriteriaList, iot.AbortCriteria{
			FailureType: failure, Action: "CANCEL", ThresholdPercentage: &percent, MinNumberOfExecutedThings: &least,
		})
	}
	return c
}

// TestAnAbortStepByStep is control-plane.md B.5 on the clock: exactly at the
// threshold and not one before, in the order of the list, a retry that is queued,
// running or over counted for its thing.
func TestAnAbortStepByStep(t *testing.T) {
	const m, s = time.Minute, time.Second
	for _, row := range []struct {
		name  string
		abort *iot.AbortConfig
		retry *iot.JobExecutionsRetryConfig
		story []line
	}{
		{"at the least number, not one before", criteria("ALL 50% 4"), nil, []line{
			{0, "a FAILED", "1 of 1"},
			{1 * s, "b REJECTED", "2 of 2"},
			{2 * s, "c SUCCEEDED", "2 of 3"},
			{3 * s, "d SUCCEEDED", "criterion 1, ALL: 2 of 4"},
		}},
		{"at the threshold, not one before", criteria("FAILED 40% 2"), nil, []line{
			{0, "a SUCCEEDED", "0 of 1"},
			{1 * s, "b SUCCEEDED", "0 of 2"},
			{2 * s, "c SUCCEEDED", "0 of 3"},
			{3 * s, "d FAILED", "1 of 4"},
			{4 * s, "e FAILED", "criterion 1, FAILED: 2 of 5"},
		}},
		{"a third is more than 33.33 percent", criteria("FAILED 33.33% 3"), nil, []line{
			{0, "a SUCCEEDED", "0 of 1"}, {1 * s, "b SUCCEEDED", "0 of 2"}, {2 * s, "c FAILED", "criterion 1, FAILED: 1 of 3"},
		}},
		{"and less than 33.34 percent", criteria("FAILED 33.34% 3"), nil, []line{
			{0, "a SUCCEEDED", "0 of 1"},
			{1 * s, "b SUCCEEDED", "0 of 2"},
			{2 * s, "c FAILED", "1 of 3"},
			{3 * s, "d SUCCEEDED", "1 of 4"},
			{4 * s, "e FAILED", "criterion 1, FAILED: 2 of 5"},
		}},
		{"the first of the list is met first", criteria("ALL 50% 3", "FAILED 25% 4"), nil, []line{
			{0, "a FAILED", "1 of 1"}, {1 * s, "b FAILED", "2 of 2"}, {2 * s, "c SUCCEEDED", "criterion 1, ALL: 2 of 3"},
		}},
		{"the second of the list is met first", criteria("ALL 50% 3", "FAILED 25% 4"), nil, []line{
			{0, "a FAILED", "1 of 1"},
			{1 * s, "b SUCCEEDED", "1 of 2"},
			{2 * s, "c SUCCEEDED", "1 of 3"},
			{3 * s, "d SUCCEEDED", "criterion 2, FAILED: 1 of 4"},
		}},
		{"all of three are met at once: the first in the order of the list", criteria("FAILED 50% 2", "ALL 50% 2", "FAILED 1% 2"), nil, []line{
			{0, "a FAILED", "1 of 1"}, {1 * s, "b SUCCEEDED", "criterion 1, FAILED: 1 of 2"},
		}},
		{"the last two of three are met at once, in another order", criteria("TIMED_OUT 1% 1", "FAILED 1% 2", "ALL 50% 2"), nil, []line{
			{0, "a FAILED", "1 of 1"}, {1 * s, "b SUCCEEDED", "criterion 2, FAILED: 1 of 2"},
		}},
		{"a failure whose retry is queued counts", criteria("FAILED 50% 2"), retries("FAILED", 2), []line{
			{0, "a FAILED", "1 of 1"}, {1 * s, "b SUCCEEDED", "criterion 1, FAILED: 1 of 2"},
		}},
		{"one thing counts once, however often it fails", criteria("FAILED 60% 2"), retries("FAILED", 5), []line{
			{0, "a FAILED", "1 of 1"},
			{1 * s, "a FAILED", "1 of 1"},
			{2 * s, "a FAILED", "1 of 1"},
			{3 * s, "b SUCCEEDED", "1 of 2"},
			{4 * s, "c FAILED", "criterion 1, FAILED: 2 of 3"},
		}},
		{"a retry that runs leaves the failure before it, one that succeeds takes it back", criteria("FAILED 50% 4"), retries("FAILED", 2), []line{
			{0, "a FAILED", "1 of 1"},
			{1 * s, "a IN_PROGRESS", "1 of 1"},
			{2 * s, "b FAILED", "2 of 2"},
			{3 * s, "a SUCCEEDED", "1 of 2"},
			{4 * s, "c SUCCEEDED", "1 of 3"},
			{5 * s, "d SUCCEEDED", "1 of 4"},
			{6 * s, "e FAILED", "2 of 5"},
			{7 * s, "f FAILED", "criterion 1, FAILED: 3 of 6"},
		}},
		{"a retry that ends in another way is another failure", criteria("FAILED 50% 2", "REJECTED 50% 2"), retries("FAILED", 1), []line{
			{0, "a FAILED", "1 of 1"}, {1 * s, "a REJECTED", "1 of 1"}, {2 * s, "b SUCCEEDED", "criterion 2, REJECTED: 1 of 2"},
		}},
		{"a retry that was canceled leaves the failure before it", criteria("FAILED 50% 2"), retries("FAILED", 1), []line{
			{0, "a FAILED", "1 of 1"}, {1 * s, "a cancel", "1 of 1"}, {2 * s, "b SUCCEEDED", "criterion 1, FAILED: 1 of 2"},
		}},
		{"what was canceled has not executed", criteria("ALL 50% 2"), nil, []line{
			{0, "a FAILED", "1 of 1"}, {1 * s, "b cancel", "1 of 1"}, {2 * s, "c SUCCEEDED", "criterion 1, ALL: 1 of 2"},
		}},
		{"what was deleted has not either", criteria("FAILED 50% 1"), nil, []line{
			{0, "a SUCCEEDED", "0 of 1"},
			{1 * s, "b SUCCEEDED", "0 of 2"},
			{2 * s, "c FAILED", "1 of 3"},
			{3 * s, "a delete", "criterion 1, FAILED: 1 of 2"},
		}},
		{"a time-out counts at its time", criteria("TIMED_OUT 50% 2"), nil, []line{
			{0, "a IN_PROGRESS", "0 of 0"},
			{20 * s, "b IN_PROGRESS", "0 of 0"},
			{30 * s, "b SUCCEEDED", "0 of 1"},
			{1*m - time.Millisecond, "", "0 of 1"},
			{1 * m, "", "criterion 1, TIMED_OUT: 1 of 2"},
		}},
		{"a time-out whose retry is queued counts too", criteria("ALL 100% 2"), retries("TIMED_OUT", 1), []line{
			{0, "a IN_PROGRESS", "0 of 0"},
			{30 * s, "b IN_PROGRESS", "0 of 0"},
			{1 * m, "", "1 of 1"},
			{1*m + 29*s, "", "1 of 1"},
			{1*m + 30*s, "", "criterion 1, ALL: 2 of 2"},
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFleet(t)
			f.things("a", "b", "c", "d", "e", "f", "g")
			f.group("line", "a", "b", "c", "d", "e", "f", "g")
			f.create("fw", func(in *iot.CreateJobInput) {
				in.AbortConfig, in.JobExecutionsRetryConfig = row.abort, row.retry
				in.TimeoutConfig = &iot.TimeoutConfig{InProgressTimeoutInMinutes: ptr(int64(1))}
			}, "thinggroup/line")
			f.settle()
			f.play(row.story, f.executed)
			if n := f.stored("fw")[job.Queued]; n != 0 {
				t.Errorf("%d are QUEUED after the abort", n)
			}
		})
	}
}

// TestRetryBudgetsStepByStep is control-plane.md B.8 on the clock: budgets for FAILED
// and TIMED_OUT apart, and one for both. A thing is tried again at once.
func TestRetryBudgetsStepByStep(t *testing.T) {
	const m, s = time.Minute, time.Second
	for _, row := range []struct {
		name  string
		retry *iot.JobExecutionsRetryConfig
		story []line
	}{
		{"none", nil, []line{{0, "a FAILED", "#1 FAILED"}}},
		{"apart: a failure is tried again as often as its budget says", retries("FAILED", 2, "TIMED_OUT", 1), []line{
			{0, "a FAILED", "#1 FAILED, #2 QUEUED +0s retry 1"},
			{10 * s, "a FAILED", "#1 FAILED, #2 FAILED, #3 QUEUED +10s retry 2"},
			{20 * s, "a FAILED", "#1 FAILED, #2 FAILED, #3 FAILED"},
		}},
		{"apart: a time-out has its own budget, and the failures keep theirs", retries("FAILED", 2, "TIMED_OUT", 1), []line{
			{0, "a FAILED", "#1 FAILED, #2 QUEUED +0s retry 1"},
			{10 * s, "a IN_PROGRESS", "#1 FAILED, #2 IN_PROGRESS"},
			{1*m + 9*s, "", "#1 FAILED, #2 IN_PROGRESS"},
			{1*m + 10*s, "", "#1 FAILED, #2 TIMED_OUT, #3 QUEUED +1m10s retry 2"},
			{2 * m, "a FAILED", "#1 FAILED, #2 TIMED_OUT, #3 FAILED, #4 QUEUED +2m0s retry 3"},
			{2 * m, "a IN_PROGRESS", "#1 FAILED, #2 TIMED_OUT, #3 FAILED, #4 IN_PROGRESS"},
			{3 * m, "", "#1 FAILED, #2 TIMED_OUT, #3 FAILED, #4 TIMED_OUT"},
		}},
		{"apart: only the one that is given", retries("TIMED_OUT", 3), []line{
			{0, "a IN_PROGRESS", "#1 IN_PROGRESS"},
			{1 * m, "", "#1 TIMED_OUT, #2 QUEUED +1m0s retry 1"},
			{2 * m, "a FAILED", "#1 TIMED_OUT, #2 FAILED"},
		}},
		{"shared: both use up one budget", retries("ALL", 2), []line{
			{0, "a FAILED", "#1 FAILED, #2 QUEUED +0s retry 1"},
			{10 * s, "a IN_PROGRESS", "#1 FAILED, #2 IN_PROGRESS"},
			{1*m + 10*s, "", "#1 FAILED, #2 TIMED_OUT, #3 QUEUED +1m10s retry 2"},
			{2 * m, "a FAILED", "#1 FAILED, #2 TIMED_OUT, #3 FAILED"},
		}},
		{"shared: whichever comes", retries("ALL", 1), []line{
			{0, "a IN_PROGRESS", "#1 IN_PROGRESS"},
			{1 * m, "", "#1 TIMED_OUT, #2 QUEUED +1m0s retry 1"},
			{2 * m, "a FAILED", "#1 TIMED_OUT, #2 FAILED"},
		}},
		{"a rejection is final, and so is a retry of one that was rejected", retries("ALL", 5), []line{
			{0, "a FAILED", "#1 FAILED, #2 QUEUED +0s retry 1"},
			{10 * s, "a REJECTED", "#1 FAILED, #2 REJECTED"},
		}},
		{"a retry that was canceled is not made again", retries("ALL", 5), []line{
			{0, "a FAILED", "#1 FAILED, #2 QUEUED +0s retry 1"},
			{10 * s, "a cancel", "#1 FAILED, #2 CANCELED"},
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFleet(t)
			f.things("a", "b")
			f.create("fw", func(in *iot.CreateJobInput) {
				in.JobExecutionsRetryConfig = row.retry
				in.TimeoutConfig = &iot.TimeoutConfig{InProgressTimeoutInMinutes: ptr(int64(1))}
			}, "thing/a", "thing/b")
			f.settle()
			f.play(row.story, f.attempts)
			if s := f.describe("fw").Status; s != job.JobInProgress {
				t.Errorf("while b has it QUEUED the job is %s", s)
			}
		})
	}
}

// attempts are those of the thing "a": how each has come out, and when one that is a
// queued retry was queued.
func (f *fleet) attempts() string {
	f.t.Helper()
	out := must(f.control.ListJobExecutionsForThing(context.Background(), caller, &iot.ListJobExecutionsForThingInput{ThingName: "a"}))(f.t)
	var all []string
	for i := len(out.ExecutionSummaries) - 1; i >= 0; i-- { // the newest comes first
		e := out.ExecutionSummaries[i].JobExecutionSummary
		text := fmt.Sprintf("#%d %s", e.ExecutionNumber, e.Status)
		if e.Status == job.Queued && e.RetryAttempt != nil {
			text += fmt.Sprintf(" +%s retry %d", e.QueuedAt.Sub(f.describe("fw").CreatedAt), *e.RetryAttempt)
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func TestAThingIsTriedAgainTenTimesAtMost(t *testing.T) {
	f := newFleet(t)
	f.things("a")
	f.create("fw", func(in *iot.CreateJobInput) { in.JobExecutionsRetryConfig = retries("FAILED", 10) }, "thing/a")
	f.settle()
	for n := 1; n <= 10; n++ {
		f.do("FAILED")
		if got := f.stored("fw"); got[job.Failed] != n || got[job.Queued] != 1 {
			t.Fatalf("after %d failures: %v", n, got)
		}
	}
	f.do("FAILED")
	if got, j := f.stored("fw"), f.describe("fw"); got[job.Failed] != 11 || got[job.Queued] != 0 || j.Status != job.JobCompleted {
		t.Errorf("after the eleventh: %v, and the job is %s", got, j.Status)
	}
}

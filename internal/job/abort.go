package job

import (
	"fmt"
	"time"
)

// Failure is a kind of end that a criterion counts: a status, or AnyFailure.
type Failure Status

// AnyFailure is ALL: every failure that the criterion's config knows.
const AnyFailure Failure = 0

// ParseFailure gives the failure type with this name. Errors: InvalidRequest.
func ParseFailure(name string) (Failure, error) {
	if name == "ALL" {
		return AnyFailure, nil
	}
	if s, ok := ParseStatus(name); ok && s.Finished() && s != Succeeded {
		return Failure(s), nil
	}
	return 0, Errorf(InvalidRequest, "Unknown failureType %q: expected FAILED, REJECTED, TIMED_OUT or ALL", name)
}

func (f Failure) String() string {
	if f == AnyFailure {
		return "ALL"
	}
	return Status(f).String()
}

// Criterion cancels a job when, of at least Min things that have executed it, at
// least Hundredths of a hundredth have failed in this way.
type Criterion struct {
	Failure    Failure
	Hundredths int64 // of a percent: thresholdPercentage 20.5 is 2050
	Min        int64 // minNumberOfExecutedThings
}

// AbortPolicy is a job's abortConfig: its criteria in the order of the list.
type AbortPolicy []Criterion

// Trip is a criterion that is met, with the numbers that met it.
type Trip struct {
	Criterion
	Place            int // in the list, from 1
	Failed, Executed int64
}

// Trips gives the first criterion that is met. Things count by their latest
// finished attempt: a failed one counts even if a retry is queued, one that was
// canceled or removed does not (control-plane.md B.5).
func (a AbortPolicy) Trips(t Tally) (_ Trip, ok bool) {
	if len(a) == 0 {
		return Trip{}, false
	}
	var executed int64
	for s := range t.Finished {
		executed += t.Finished[s]
	}
	for i, c := range a {
		failed := executed - t.Finished[Succeeded]
		if c.Failure != AnyFailure {
			failed = t.Finished[c.Failure]
		}
		if executed > 0 && executed >= c.Min && failed*10_000 >= c.Hundredths*executed {
			return Trip{c, i + 1, failed, executed}, true
		}
	}
	return Trip{}, false
}

// ReasonAborted is the reasonCode of a job that its own criteria have canceled.
const ReasonAborted = "ABORT_CRITERIA_MET"

// Aborted is the job once it has cancelled itself without force, and says why (control-plane.md B.5).
func (j Job) Aborted(t Trip, now time.Time) (Job, error) {
	kind := "failed"
	if t.Failure != AnyFailure {
		kind = "are " + t.Failure.String()
	}
	comment := fmt.Sprintf("Abort criterion %d (%s): %d of %d executed things %s, which is %s%% or more; the criterion asks for %d executed things.",
		t.Place, t.Failure, t.Failed, t.Executed, kind, decimal(t.Hundredths), t.Min)
	j, _, err := j.Cancel(false, ReasonAborted, comment, now)
	return j, err
}

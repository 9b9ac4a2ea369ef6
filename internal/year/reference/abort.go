package reference

import (
	"math/big"
	"time"
)

// Criterion is one of abortConfig.
type Criterion struct {
	Failure    string // FAILED, REJECTED, TIMED_OUT or ALL
	Hundredths int64  // of a percent
	Min        int64
}

// Aborted is the reasonCode of a job that has cancelled itself.
const Aborted = "ABORT_CRITERIA_MET"

// abort cancels a job, without force, at its first criterion that is met (B.5).
func (w *World) abort(j *Job, now time.Time) {
	if j.Status != Active || len(j.Abort) == 0 {
		return
	}
	n := j.Finished()
	executed := n[Succeeded] + n[Failed] + n[Rejected] + n[TimedOut]
	for _, c := range j.Abort {
		failures := n[Status(c.Failure)]
		if c.Failure == "ALL" {
			failures = n[Failed] + n[Rejected] + n[TimedOut]
		}
		if executed == 0 || executed < c.Min {
			continue
		}
		if big.NewRat(100*failures, executed).Cmp(big.NewRat(c.Hundredths, 100)) >= 0 {
			w.cancel(j, false, Aborted, "", now)
			return
		}
	}
}

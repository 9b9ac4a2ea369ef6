package reference

import (
	"cmp"
	"time"
)

// Status is the status of an execution.
type Status string

// The statuses.
const (
	Queued     Status = "QUEUED"
	InProgress Status = "IN_PROGRESS"
	Succeeded  Status = "SUCCEEDED"
	Failed     Status = "FAILED"
	TimedOut   Status = "TIMED_OUT"
	Rejected   Status = "REJECTED"
	Removed    Status = "REMOVED"
	Canceled   Status = "CANCELED"
)

// Attempt is one execution.
type Attempt struct {
	Job     *Job
	Thing   *Thing
	Number  int64
	Status  Status
	Version int64
	Details map[string]string
	Forced  bool

	QueuedAt, StartedAt, LastUpdatedAt time.Time

	Retry int64 // retryAttempt

	whole, step time.Time // the two timers; zero: not running
	afterFailed int64     // how many of the retries were for FAILED
	left        bool      // the thing ceased to be a target while it ran
}

func (a *Attempt) pending() bool { return a.Status == Queued || a.Status == InProgress }

func (a *Attempt) finished() bool {
	return a.Status == Succeeded || a.Status == Failed || a.Status == TimedOut || a.Status == Rejected
}

// deadline is the earlier of the two timers; zero: none runs (B.6).
func (a *Attempt) deadline() time.Time {
	if a.step.IsZero() || !a.whole.IsZero() && a.whole.Before(a.step) {
		return a.whole
	}
	return a.step
}

// SecondsLeft is approximateSecondsBeforeTimedOut; ok is false when no timer runs.
func (a *Attempt) SecondsLeft(now time.Time) (seconds int64, ok bool) {
	if a.deadline().IsZero() {
		return 0, false
	}
	return int64(a.deadline().Sub(now) / time.Second), true
}

func before(a, b *Attempt) bool {
	return cmp.Or(cmp.Compare(a.Thing.serial, b.Thing.serial), cmp.Compare(a.Job.ID, b.Job.ID)) < 0
}

// queue makes the thing's next attempt, its retries counted from 0.
func (w *World) queue(j *Job, t *Thing, now time.Time) *Attempt {
	a := &Attempt{Job: j, Thing: t, Number: 1, Status: Queued, Version: 1, QueuedAt: now, LastUpdatedAt: now}
	if newest := j.newest(t); newest != nil {
		a.Number = newest.Number + 1
	}
	j.attempts[t] = append(j.attempts[t], a)
	w.dirty[j] = true
	return a
}

// end makes an attempt terminal, and queues the one that follows it, if any: B.2,
// B.8.
func (w *World) end(a *Attempt, s Status, now time.Time) {
	a.Status = s
	a.Version++
	a.LastUpdatedAt = now
	a.whole, a.step = time.Time{}, time.Time{}
	delete(w.timed, a)
	w.dirty[a.Job] = true
	if a.left || a.Job.Status != Active || !a.mayRetry() {
		return
	}
	next := w.queue(a.Job, a.Thing, now)
	next.Retry, next.afterFailed = a.Retry+1, a.afterFailed
	if s == Failed {
		next.afterFailed++
	}
}

// mayRetry: only FAILED and TIMED_OUT are tried again, each within its own budget,
// or both within that of ALL.
func (a *Attempt) mayRetry() bool {
	for _, r := range a.Job.Config.Retries {
		used := map[string]int64{"FAILED": a.afterFailed, "TIMED_OUT": a.Retry - a.afterFailed, "ALL": a.Retry}[r.Failure]
		counts := r.Failure == string(a.Status) || r.Failure == "ALL" && (a.Status == Failed || a.Status == TimedOut)
		if counts && used < r.Number {
			return true
		}
	}
	return false
}

// CancelExecution is A.3, CancelJobExecution.
func (w *World) CancelExecution(id, thing string, force bool, expected *int64, details map[string]string, now time.Time) Code {
	a := w.Newest(id, thing)
	switch {
	case a == nil:
		return NotFound
	case expected != nil && *expected != a.Version:
		return VersionMismatch
	case a.Status != Queued && !(a.Status == InProgress && force):
		return InvalidStateTransition
	}
	a.Forced = a.Status == InProgress
	if details != nil {
		a.Details = details
	}
	w.end(a, Canceled, now)
	return ""
}

// DeleteExecution is A.3, DeleteJobExecution.
func (w *World) DeleteExecution(id, thing string, number int64, force bool) Code {
	a := w.numbered(id, thing, number)
	switch {
	case a == nil:
		return NotFound
	case a.Status == InProgress && !force:
		return InvalidStateTransition
	}
	delete(w.timed, a)
	j, t := a.Job, a.Thing
	var left []*Attempt
	for _, other := range j.attempts[t] {
		if other != a {
			left = append(left, other)
		}
	}
	if j.attempts[t] = left; len(left) == 0 {
		delete(j.attempts, t)
	}
	w.dirty[j] = true
	return ""
}

// Attempt is one of the living thing with this name; nil: there is none.
func (w *World) Attempt(id, thing string, number int64) *Attempt {
	return w.numbered(id, thing, number)
}

func (w *World) numbered(id, thing string, number int64) *Attempt {
	j, t := w.jobs[id], w.things[thing]
	if j == nil || t == nil {
		return nil
	}
	for _, a := range j.attempts[t] {
		if a.Number == number {
			return a
		}
	}
	return nil
}

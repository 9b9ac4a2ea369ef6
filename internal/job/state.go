package job

import "time"

// State is the part of a job that decides how its executions are seen: small,
// read with every row.
type State struct {
	Key               int64
	ID                ID
	Status            JobStatus
	ForceCanceled     bool      // CancelJob with force
	ChangedAt         time.Time // when Status last changed: the time of a cancellation
	InProgressMinutes int64     // timeoutConfig; 0: none
	Retries           Budget    // jobExecutionsRetryConfig
	Namespace         Namespace // of its executions' queues; empty: the plain ones
}

// Effective is what the job's flag and the clock make of a stored row that no
// sweep has reached yet; the flag wins over the row (design.md section 2).
// ok is false when the row is to be seen by nobody: its job is being deleted.
// A row that Effective leaves alone comes back unchanged, version and all.
func Effective(e Execution, s State, now time.Time) (_ Execution, ok bool) {
	if s.Status == JobDeletionInProgress {
		return e, false
	}
	// A time-out that came before the cancellation happened first.
	if due := e.Due(); !due.IsZero() && !due.After(now) && (s.Status != JobCanceled || due.Before(s.ChangedAt)) {
		return e.swept(TimedOut, due), true
	}
	if s.Status == JobCanceled && (e.Status == Queued || e.Status == InProgress && s.ForceCanceled) {
		forced := e.Status == InProgress
		e = e.swept(Canceled, s.ChangedAt)
		e.ForceCanceled = forced
		return e, true
	}
	if due := e.Due(); !due.IsZero() && !due.After(now) {
		return e.swept(TimedOut, due), true
	}
	return e, true
}

func (e Execution) swept(to Status, at time.Time) Execution {
	e.Status = to
	e.Version++
	e.LastUpdatedAt = at
	e.InProgressDeadline, e.StepDeadline = time.Time{}, time.Time{}
	return e
}

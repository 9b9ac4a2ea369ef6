package job

import (
	"time"
)

// Execution is one attempt of one job on one thing (device-plane.md 2.1). A
// zero time means unset.
type Execution struct {
	ThingKey int64 // the thing's internal id
	JobKey   int64 // the job's internal id
	JobID    ID
	Number   int64 // executionNumber: 1 for the first attempt on this thing
	Seq      int64 // queue sequence, monotonic over the store; breaks ties of QueuedAt

	Status        Status
	Details       Details
	ForceCanceled bool
	Version       int64 // versionNumber: 1 at creation, +1 for each accepted change

	QueuedAt      time.Time
	StartedAt     time.Time
	LastUpdatedAt time.Time

	InProgressDeadline time.Time // of the job's timeoutConfig, set when it starts
	StepDeadline       time.Time // of stepTimeoutInMinutes

	RetryAttempt  int64 // retries before this attempt; 0 for the first
	RetriesFailed int64 // how many of them were for FAILED; the others were for TIMED_OUT
	// FinishedBefore is the status of the latest attempt before this one that was
	// finished; 0: there was none.
	FinishedBefore Status
	// Left says that the thing ceased to be a target of a CONTINUOUS job while
	// this attempt ran: it goes on, and is not tried again.
	Left bool

	LastEvent int64 // sequence of its latest history event; the store fills it
}

// New is the first state of an execution: QUEUED, version 1.
func New(thingKey, jobKey int64, id ID, number int64, now time.Time) Execution {
	return Execution{
		ThingKey: thingKey, JobKey: jobKey, JobID: id, Number: number,
		Status: Queued, Version: 1, QueuedAt: now, LastUpdatedAt: now,
	}
}

// Ref names an execution within its thing. Number 0 means the newest.
type Ref struct {
	Job    ID
	Number int64
}

// Ref is the execution's own name.
func (e Execution) Ref() Ref { return Ref{e.JobID, e.Number} }

// State is what a refused device is told.
func (e Execution) State() ExecutionState {
	return ExecutionState{Status: e.Status, Details: e.Details, Version: e.Version}
}

// Due is when the execution times out: the earlier of its two deadlines, zero
// when no timer runs (device-plane.md 3.4, Timers).
func (e Execution) Due() time.Time {
	if e.Status != InProgress {
		return time.Time{}
	}
	switch {
	case e.StepDeadline.IsZero():
		return e.InProgressDeadline
	case e.InProgressDeadline.IsZero() || e.StepDeadline.Before(e.InProgressDeadline):
		return e.StepDeadline
	}
	return e.InProgressDeadline
}

// SecondsBeforeTimedOut is approximateSecondsBeforeTimedOut: whole seconds left,
// at least 0; ok is false when no timer runs.
func (e Execution) SecondsBeforeTimedOut(now time.Time) (seconds int64, ok bool) {
	due := e.Due()
	if due.IsZero() {
		return 0, false
	}
	return max(0, int64(due.Sub(now)/time.Second)), true
}

// Kind says what a Change is.
type Kind uint8

// The changes that an execution can be asked to make.
const (
	Start   Kind = iota + 1 // StartNextPendingJobExecution
	Report                  // UpdateJobExecution
	Cancel                  // CancelJobExecution
	Remove                  // the thing is gone, or no longer a target
	Delete                  // DeleteJobExecution
	Sweep                   // write down what Effective says: a cancelled job, a time-out
	Enqueue                 // the execution is new
)

// Change is a request to move one execution.
type Change struct {
	Kind            Kind
	Status          Status      // Report: the status asked for
	Details         Details     // nil keeps the stored ones
	ExpectedVersion *int64      // Report, Cancel: nil does not ask
	Step            StepTimeout // Start, Report
	Force           bool        // Cancel, Delete
	Actor           string      // who asked, for the history
}

// StepTimeout is what a request says of the step timer: the zero value says
// nothing, Drop ends it, else it runs for Minutes from now.
type StepTimeout struct {
	Minutes int64
	Drop    bool
}

// Apply makes change c of this one execution and returns it as it then is. The
// job's in-progress timeout in minutes (0: none) starts with the execution.
//
// Errors: VersionMismatch (before the transition is looked at, because a device
// retries with the version it holds and must learn the new one),
// InvalidStateTransition, InvalidRequest for a status no device may set; the
// first two carry the current state. Source: device-plane.md 3.2, 3.4,
// control-plane.md A.3, B.6, B.7.
func (e Execution) Apply(c Change, inProgressMinutes int64, now time.Time) (Execution, error) {
	if c.ExpectedVersion != nil && *c.ExpectedVersion != e.Version {
		return e, Errorf(VersionMismatch, "Expected version %d but found version %d", *c.ExpectedVersion, e.Version).With(e.State())
	}
	target, err := e.target(c)
	if err != nil {
		return e, err
	}
	if c.Kind == Start && e.Status == InProgress {
		return e, nil // handed out again as it is: no version, no details, no timer
	}
	next := e
	next.Status = target
	next.Version++
	next.LastUpdatedAt = now
	if c.Details != nil {
		next.Details = c.Details
	}
	device := c.Kind == Start || c.Kind == Report
	if device && e.StartedAt.IsZero() {
		next.StartedAt = now
	}
	if c.Kind == Cancel && e.Status == InProgress {
		next.ForceCanceled = true
	}
	next.setTimers(e, c, inProgressMinutes, now)
	return next, nil
}

func (e *Execution) setTimers(before Execution, c Change, inProgressMinutes int64, now time.Time) {
	if e.Status != InProgress {
		e.InProgressDeadline, e.StepDeadline = time.Time{}, time.Time{}
		return
	}
	if before.Status == Queued && inProgressMinutes > 0 {
		e.InProgressDeadline = now.Add(time.Duration(inProgressMinutes) * time.Minute)
	}
	switch {
	case c.Step.Drop:
		e.StepDeadline = time.Time{}
	case c.Step.Minutes > 0:
		e.StepDeadline = now.Add(time.Duration(c.Step.Minutes) * time.Minute)
	}
}

// target is the status that c leads to from here, or why it does not: the
// transition tables of device-plane.md 3.4 and control-plane.md A.3.
func (e Execution) target(c Change) (Status, error) {
	switch c.Kind {
	case Start:
		if e.Status.Pending() {
			return InProgress, nil
		}
		return 0, e.refuse(InProgress)
	case Report:
		return e.reportTarget(c.Status)
	case Cancel:
		if e.Status == Queued || e.Status == InProgress && c.Force {
			return Canceled, nil
		}
		if e.Status == InProgress {
			return 0, Errorf(InvalidStateTransition,
				"The job execution is IN_PROGRESS: set force to cancel it").With(e.State())
		}
		return 0, e.refuse(Canceled)
	case Remove:
		if e.Status.Pending() {
			return Removed, nil
		}
		return 0, e.refuse(Removed)
	}
	return 0, Errorf(Internal, "change %d does not lead to a status", c.Kind)
}

func (e Execution) reportTarget(asked Status) (Status, error) {
	switch asked {
	case InProgress, Succeeded, Failed, Rejected:
		if e.Status.Pending() {
			return asked, nil
		}
		return 0, e.refuse(asked)
	case Queued:
		return 0, e.refuse(asked)
	}
	return 0, Errorf(InvalidRequest,
		"A device cannot set status %s: expected one of IN_PROGRESS, SUCCEEDED, FAILED, REJECTED", asked)
}

func (e Execution) refuse(asked Status) *Error {
	return Errorf(InvalidStateTransition,
		"Invalid state transition from %s to %s", e.Status, asked).With(e.State())
}

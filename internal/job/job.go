package job

import "time"

// Selection says whether a job takes things that join its targets later.
type Selection uint8

// The target selections of CreateJob.
const (
	Snapshot Selection = iota + 1
	Continuous
)

func (s Selection) String() string {
	switch s {
	case Snapshot:
		return "SNAPSHOT"
	case Continuous:
		return "CONTINUOUS"
	}
	return ""
}

// NewJob is a job as it is created, SNAPSHOT unless its Selection is set to
// another: IN_PROGRESS, its membership pinned, its rollout about to begin.
func NewJob(id ID, targets []string, resolved []Target, pin int64, now time.Time) Job {
	return Job{
		State:     State{ID: id, Status: JobInProgress, ChangedAt: now},
		Selection: Snapshot, Targets: targets, Resolved: resolved,
		CreatedAt: now, LastUpdatedAt: now,
		Expansion: Expansion{Pin: pin, Stats: Stats{Start: now}},
	}
}

// MaxTargets is how many targets a job may have at AWS (control-plane.md H).
const MaxTargets = 100

// ParseSelection gives the selection with this name. Errors: InvalidRequest.
func ParseSelection(name string) (Selection, error) {
	for _, s := range []Selection{Snapshot, Continuous} {
		if s.String() == name {
			return s, nil
		}
	}
	return 0, Errorf(InvalidRequest, "Unknown targetSelection %q: expected SNAPSHOT or CONTINUOUS", name)
}

// Job is one job: what CreateJob was told, and where it has come to. Its
// document is kept apart, immutable (control-plane.md A.3, B.1).
type Job struct {
	State
	Description string
	Selection   Selection
	Targets     []string // ARNs, in the order given
	Resolved    []Target // what they named at creation, in the same order
	ReasonCode  string   // of its cancellation
	Comment     string   // of its cancellation
	Swept       bool     // its cancellation has been carried through
	Actor       string   // who created it

	CreatedAt     time.Time
	LastUpdatedAt time.Time
	CompletedAt   time.Time // zero unless COMPLETED

	// Expansion is how far its targets have become executions.
	Expansion Expansion
	Rollout   Rollout
	Abort     AbortPolicy
	Retry     RetryPolicy // State.Retries is what it allows
}

// Target is the thing or group that a target's ARN named when the job was
// created: a name that is reused later is another target.
type Target struct {
	Group bool
	Key   int64
	Name  string
	// Pin is the membership sequence when the target was associated later, Since the
	// queue sequence of the execution that was queued last then; 0: it was given at
	// the creation.
	Pin, Since int64
}

// Same says whether both are one target, whenever they were given.
func (t Target) Same(o Target) bool { return t.Group == o.Group && t.Key == o.Key }

// Expansion is the stored cursor over (target, group, thing) of a job's rollout. The
// membership of its groups is pinned to a sequence number, that of the job or of a
// later association, so that what joins or leaves meanwhile cannot blur it
// (design.md decision 9).
type Expansion struct {
	Done   bool
	Pin    int64 // membership sequence when the job first became IN_PROGRESS
	Target int   // index of the target being walked
	Group  int64 // key of the group being walked: the target, or one below it; 0: none yet
	After  int64 // key of the last thing taken of that group, or of the target
	Stats  Stats // what the rollout has released so far
}

// PinOf is the membership sequence that the walk of a target is pinned to.
func (x Expansion) PinOf(t Target) int64 { return max(x.Pin, t.Pin) }

// Taken says that a thing whose newest attempt is this one (Number 0: none) is
// not for the target to take: it has the job already. What a thing had before the
// target was associated does not count, once it has ended.
func (t Target) Taken(newest Execution) bool {
	return newest.Number != 0 && (newest.Status.Pending() || newest.Seq > t.Since)
}

// Complete says whether the job is finished: everything was handed out and
// nothing is pending any more (control-plane.md B.1; SNAPSHOT only).
func (j Job) Complete(t Tally) bool {
	return j.Status == JobInProgress && j.Selection == Snapshot && j.Expansion.Done && t.Pending() == 0
}

// Completed is the job once Complete said so.
func (j Job) Completed(now time.Time) Job {
	j.Status = JobCompleted
	j.ChangedAt, j.LastUpdatedAt, j.CompletedAt = now, now, now
	return j
}

// Processing are the targets that are still being handed out: none once the
// rollout is done (control-plane.md B.11).
func (j Job) Processing() []string {
	if j.Status != JobInProgress || j.Expansion.Done {
		return nil
	}
	return j.Targets[min(j.Expansion.Target, len(j.Targets)):]
}

// Concurrent is isConcurrent: the service is handing out executions, or taking
// them back.
func (j Job) Concurrent(t Tally) bool {
	switch j.Status {
	case JobInProgress:
		return !j.Expansion.Done
	case JobCanceled:
		return t.Things[Queued] > 0 || j.ForceCanceled && t.Things[InProgress] > 0
	}
	return false
}

// Cancel flips the job's flag; the flag hides its executions at once and a
// sweep rewrites them. changed is false when there was nothing to do. Errors:
// InvalidRequest for a job that is COMPLETED or being deleted
// (control-plane.md A.3 CancelJob, B.7).
func (j Job) Cancel(force bool, reason, comment string, now time.Time) (_ Job, changed bool, _ error) {
	switch j.Status {
	case JobInProgress, JobScheduled:
		j.Status, j.ForceCanceled, j.Swept = JobCanceled, force, false
		j.ReasonCode, j.Comment = reason, comment
		j.Expansion.Done = true // what was not handed out never will be
		j.ChangedAt, j.LastUpdatedAt = now, now
		return j, true, nil
	case JobCanceled:
		if !force || j.ForceCanceled {
			return j, false, nil
		}
		// What QUEUED there was is cancelled already: from now the flag takes
		// the running ones too.
		j.ForceCanceled, j.Swept = true, false
		j.ChangedAt, j.LastUpdatedAt = now, now
		if reason != "" {
			j.ReasonCode = reason
		}
		if comment != "" {
			j.Comment = comment
		}
		return j, true, nil
	}
	return j, false, Errorf(InvalidRequest, "Job %s cannot be canceled: it is %s, expected IN_PROGRESS, SCHEDULED or CANCELED", j.ID, j.Status)
}

// Delete marks the job as being deleted: from then on nobody sees it.
// Errors: InvalidStateTransition when it is neither COMPLETED nor CANCELED and
// force is not set, or when it is being deleted already.
func (j Job) Delete(force bool, now time.Time) (Job, error) {
	switch {
	case j.Status == JobDeletionInProgress:
		return j, Errorf(InvalidStateTransition, "Job %s is being deleted already", j.ID)
	case j.Status != JobCompleted && j.Status != JobCanceled && !force:
		return j, Errorf(InvalidStateTransition,
			"Job %s is %s: only a COMPLETED or CANCELED job can be deleted without force", j.ID, j.Status)
	}
	j.Status = JobDeletionInProgress
	j.Expansion.Done = true
	j.ChangedAt, j.LastUpdatedAt = now, now
	return j, nil
}

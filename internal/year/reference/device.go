package reference

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Queue is what waits for a thing in a namespace: IN_PROGRESS first, each by
// queuedAt (B.11, device-plane.md 3.2); of those of one time by job.
func (w *World) Queue(thing, namespace string) (q []*Attempt) {
	t := w.things[thing]
	for _, j := range w.jobs {
		if a := j.newest(t); a != nil && a.pending() && j.Namespace == namespace {
			q = append(q, a)
		}
	}
	slices.SortFunc(q, func(a, b *Attempt) int {
		if a.Status != b.Status {
			return cmp.Compare(a.Status, b.Status) // IN_PROGRESS before QUEUED
		}
		return cmp.Or(a.QueuedAt.Compare(b.QueuedAt), cmp.Compare(a.Job.ID, b.Job.ID))
	})
	return q
}

// Heads are those that may be next for the thing: more than one when they were
// queued at the same time.
func (w *World) Heads(thing, namespace string) []*Attempt {
	q := w.Queue(thing, namespace)
	for i, a := range q {
		if a.Status != q[0].Status || !a.QueuedAt.Equal(q[0].QueuedAt) {
			return q[:i]
		}
	}
	return q
}

// Start is StartNextPendingJobExecution of the one that is next: one that runs is
// handed out as it is (device-plane.md 3.2).
func (w *World) Start(a *Attempt, details map[string]string, step int64, now time.Time) {
	if a.Status == InProgress {
		return
	}
	w.progress(a, details, step, now)
}

// Report is what UpdateJobExecution is told.
type Report struct {
	Status   Status
	Details  map[string]string // nil: stays
	Expected *int64
	Number   int64 // 0: the newest
	Step     int64 // 0: nothing, -1: no step timer any more
}

// Update is UpdateJobExecution (device-plane.md 3.4).
func (w *World) Update(id, thing string, r Report, now time.Time) Code {
	a := w.Newest(id, thing)
	if r.Number != 0 {
		a = w.numbered(id, thing, r.Number)
	}
	switch {
	case a == nil:
		return NotFound
	case r.Expected != nil && *r.Expected != a.Version:
		return VersionMismatch
	case r.Status == Canceled || r.Status == TimedOut || r.Status == Removed:
		return InvalidRequest
	case r.Status == Queued || !a.pending():
		return InvalidStateTransition
	case r.Status == InProgress:
		w.progress(a, r.Details, r.Step, now)
		return ""
	}
	if a.StartedAt.IsZero() {
		a.StartedAt = now
	}
	if r.Details != nil {
		a.Details = maps.Clone(r.Details)
	}
	w.end(a, r.Status, now)
	return ""
}

// progress makes an attempt IN_PROGRESS, or reports that it still is.
func (w *World) progress(a *Attempt, details map[string]string, step int64, now time.Time) {
	if a.Status == Queued {
		a.Status, a.StartedAt = InProgress, now
		if a.Job.Minutes > 0 {
			a.whole = now.Add(time.Duration(a.Job.Minutes) * time.Minute)
		}
	}
	a.Version++
	a.LastUpdatedAt = now
	if details != nil {
		a.Details = maps.Clone(details)
	}
	switch {
	case step > 0:
		a.step = now.Add(time.Duration(step) * time.Minute)
	case step < 0:
		a.step = time.Time{}
	}
	if delete(w.timed, a); !a.deadline().IsZero() {
		w.timed[a] = true
	}
	w.dirty[a.Job] = true
}

// Describe is DescribeJobExecution of a device: only what is pending (3.3).
func (w *World) Describe(id, thing string) (*Attempt, Code) {
	switch a := w.Newest(id, thing); {
	case a == nil:
		return nil, NotFound
	case !a.pending():
		return nil, TerminalStateReached
	default:
		return a, ""
	}
}

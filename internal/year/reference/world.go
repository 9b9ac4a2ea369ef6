package reference

import (
	"cmp"
	"slices"
	"time"
)

// Code is why something is refused; empty: it is not.
type Code string

// The codes.
const (
	NotFound               Code = "NotFound"
	InvalidRequest         Code = "InvalidRequest"
	InvalidStateTransition Code = "InvalidStateTransition"
	VersionMismatch        Code = "VersionMismatch"
	TerminalStateReached   Code = "TerminalStateReached"
	AlreadyExists          Code = "AlreadyExists"
	LimitExceeded          Code = "LimitExceeded"
)

// Limits are what the product is configured with.
type Limits struct {
	RatePerMinute                 int64 // of a job that names none, and the most
	ActiveSnapshot, ActiveForever int   // jobs at once
	NoSecondSuccess               bool  // a thing that succeeded and rejoins is left alone
}

// World is the whole; New makes one.
type World struct {
	Limits
	things map[string]*Thing
	groups map[string]*Group
	jobs   map[string]*Job
	timed  map[*Attempt]bool // those with a timer
	dirty  map[*Job]bool     // jobs whose attempts have changed since Settle
	wrong  []string
	made   int

	// Seen counts what a thing had of a job when it joined, left or was deleted:
	// whether a fleet was lively enough to try every rule of B.3.
	Seen map[string]int
}

// New gives an empty world.
func New(l Limits) *World {
	return &World{
		Limits: l, things: map[string]*Thing{}, groups: map[string]*Group{}, jobs: map[string]*Job{},
		timed: map[*Attempt]bool{}, dirty: map[*Job]bool{}, Seen: map[string]int{},
	}
}

// Advance has time pass: what runs out on the way is TIMED_OUT at its time (B.6),
// and a rollout that did less than its rate is complained of.
func (w *World) Advance(to time.Time) {
	for {
		var first *Attempt
		for a := range w.timed {
			if first == nil || a.deadline().Before(first.deadline()) || a.deadline().Equal(first.deadline()) && before(a, first) {
				first = a
			}
		}
		if first == nil || first.deadline().After(to) {
			break
		}
		w.end(first, TimedOut, first.deadline())
	}
	for _, j := range w.Jobs() {
		w.checkPace(j, to)
	}
}

// Wrong is what the product was told to have done and may not have, since the
// last call.
func (w *World) Wrong() []string {
	wrong := w.wrong
	w.wrong = nil
	return wrong
}

// Settle does what is left to the service after the attempts have changed: abort
// (B.5), and the growth of rates (B.4). It says which jobs have changed.
func (w *World) Settle(now time.Time) []*Job {
	var touched []*Job
	for _, j := range w.Jobs() {
		if w.dirty[j] {
			touched = append(touched, j)
			w.abort(j, now)
			j.grow()
		}
	}
	return touched
}

// Finish completes what is done (B.1), once the product has told how far its
// rollouts are, and drops what was deleted.
func (w *World) Finish(now time.Time) {
	for j := range w.dirty {
		w.complete(j, now)
		if j.Status == Deleting {
			delete(w.jobs, j.ID)
		}
	}
	clear(w.dirty)
}

// Jobs are the jobs that are there, by id.
func (w *World) Jobs() []*Job {
	all := make([]*Job, 0, len(w.jobs))
	for _, j := range w.jobs {
		all = append(all, j)
	}
	slices.SortFunc(all, func(a, b *Job) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// Job is the job with this id, nil if there is none.
func (w *World) Job(id string) *Job { return w.jobs[id] }

// Thing is the living thing with this name, nil if there is none.
func (w *World) Thing(name string) *Thing { return w.things[name] }

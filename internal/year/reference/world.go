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

// World is the whole: its zero value with its Limits is empty.
type World struct {
	Limits
	things map[string]*Thing
	groups map[string]*Group
	jobs   map[string]*Job
	timed  map[*Attempt]bool // those with a timer
	dirty  map[*Job]bool     // jobs whose attempts have changed since Settle
	wrong  []string
	made   int
}

// Thing is one thing: one that is deleted and made again is another.
type Thing struct {
	Name   string
	groups map[*Group]bool
	gone   bool
	serial int
}

// Group is one group, as Thing is one thing.
type Group struct {
	Name    string
	members map[*Thing]bool
}

// New gives an empty world.
func New(l Limits) *World {
	return &World{
		Limits: l, things: map[string]*Thing{}, groups: map[string]*Group{}, jobs: map[string]*Job{},
		timed: map[*Attempt]bool{}, dirty: map[*Job]bool{},
	}
}

// CreateThing makes a thing; one that is there stays as it is.
func (w *World) CreateThing(name string) {
	if w.things[name] == nil {
		w.made++
		w.things[name] = &Thing{Name: name, groups: map[*Group]bool{}, serial: w.made}
	}
}

// CreateGroup makes a group; one that is there stays as it is.
func (w *World) CreateGroup(name string) {
	if w.groups[name] == nil {
		w.groups[name] = &Group{Name: name, members: map[*Thing]bool{}}
	}
}

// Join puts a thing into a group.
func (w *World) Join(group, thing string, now time.Time) Code {
	g, t := w.groups[group], w.things[thing]
	if g == nil || t == nil {
		return NotFound
	}
	w.moving([]*Thing{t}, now, func() { g.members[t], t.groups[g] = true, true })
	return ""
}

// Leave takes a thing out of a group.
func (w *World) Leave(group, thing string, now time.Time) Code {
	g, t := w.groups[group], w.things[thing]
	if g == nil || t == nil {
		return NotFound
	}
	w.moving([]*Thing{t}, now, func() { delete(g.members, t); delete(t.groups, g) })
	return ""
}

// DeleteGroup takes a group away, with all its memberships.
func (w *World) DeleteGroup(name string, now time.Time) {
	g := w.groups[name]
	if g == nil {
		return
	}
	w.moving(inOrder(g.members), now, func() {
		for t := range g.members {
			delete(t.groups, g)
		}
		g.members = map[*Thing]bool{}
		delete(w.groups, name)
	})
}

// DeleteThing takes a thing away: what it had pending is REMOVED, whoever started
// it (B.3).
func (w *World) DeleteThing(name string, now time.Time) {
	t := w.things[name]
	if t == nil {
		return
	}
	for _, j := range w.Jobs() {
		if a := j.newest(t); a != nil && a.pending() {
			w.end(a, Removed, now)
		}
		delete(j.waiting, t)
	}
	for g := range t.groups {
		delete(g.members, t)
	}
	t.gone = true
	delete(w.things, name)
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

// Members are the things of a group, in the order in which they were made.
func (w *World) Members(group string) []*Thing {
	if g := w.groups[group]; g != nil {
		return inOrder(g.members)
	}
	return nil
}

// Groups are the groups that a thing is in, by name.
func (t *Thing) Groups() (names []string) {
	for g := range t.groups {
		names = append(names, g.Name)
	}
	slices.Sort(names)
	return names
}

func inOrder(set map[*Thing]bool) []*Thing {
	all := make([]*Thing, 0, len(set))
	for t := range set {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b *Thing) int { return cmp.Compare(a.serial, b.serial) })
	return all
}

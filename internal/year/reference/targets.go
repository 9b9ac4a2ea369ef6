package reference

import (
	"slices"
	"time"
)

// covers says whether a target of the job holds the thing now: a group holds what
// the groups below it hold (B.3).
func (j *Job) covers(t *Thing) bool {
	return slices.ContainsFunc(j.targets, func(by target) bool { return by.holds(t) })
}

func (t target) holds(x *Thing) bool {
	return t.thing == x || t.group != nil && t.group.holds(x)
}

// moving has a change of memberships happen, and does for the CONTINUOUS jobs what
// follows for the things that became a target or ceased to be one (B.3). SNAPSHOT
// jobs ignore it.
func (w *World) moving(things []*Thing, now time.Time, change func()) {
	type pair struct {
		j *Job
		t *Thing
	}
	was := map[pair]bool{}
	for _, j := range w.jobs {
		for _, t := range things {
			was[pair{j, t}] = j.covers(t)
		}
	}
	change()
	for _, j := range w.Jobs() {
		if !j.Forever || j.Status != Active {
			continue
		}
		for _, t := range things {
			switch is := j.covers(t); {
			case is && !was[pair{j, t}]:
				w.joined(j, t, now)
			case !is && was[pair{j, t}]:
				w.left(j, t, now)
			}
		}
	}
}

// joined: near-real-time and past the rate; what was there before counts no more,
// but what still goes on does.
func (w *World) joined(j *Job, t *Thing, now time.Time) {
	w.dirty[j] = true
	a := j.newest(t)
	w.see("joined", a)
	switch {
	case a != nil && a.pending():
		a.left = false
	case a != nil && a.Status == Succeeded && w.NoSecondSuccess:
	default:
		delete(j.waiting, t)
		w.queue(j, t, now)
	}
}

// left: what is QUEUED is REMOVED, what is IN_PROGRESS goes on and is not tried
// again.
func (w *World) left(j *Job, t *Thing, now time.Time) {
	w.dirty[j] = true
	delete(j.waiting, t)
	a := j.newest(t)
	w.see("left", a)
	switch {
	case a == nil:
	case a.Status == Queued:
		w.end(a, Removed, now)
	case a.Status == InProgress:
		a.left = true
	}
}

// Associate adds targets to a CONTINUOUS job; what they bring that it had not is
// rolled out at its rate (A.3 AssociateTargetsWithJob).
func (w *World) Associate(id string, named []Target, comment string, now time.Time) Code {
	j := w.jobs[id]
	if j == nil {
		return NotFound
	}
	found, code := w.resolve(named)
	switch {
	case code != "":
		return code
	case !j.Forever || j.Status != Active:
		return InvalidRequest
	}
	held := map[*Thing]bool{}
	for _, t := range j.targets {
		for _, thing := range t.things() {
			held[thing] = true
		}
	}
	for i, t := range found {
		if slices.Contains(j.targets, t) {
			continue
		}
		j.Targets, j.targets = append(j.Targets, named[i]), append(j.targets, t)
		j.resume(now)
		for _, thing := range t.things() {
			if held[thing] {
				continue
			}
			if a := j.newest(thing); a == nil || !a.pending() {
				j.waiting[thing] = true
			} else {
				a.left = false // it is the thing's again
			}
		}
	}
	if comment != "" {
		j.Comment = comment
	}
	j.LastUpdatedAt = now
	w.dirty[j] = true
	return ""
}

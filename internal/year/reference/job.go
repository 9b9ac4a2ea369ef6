package reference

import (
	"cmp"
	"slices"
	"time"
)

// The statuses of a job.
const (
	Active    = "IN_PROGRESS"
	Completed = "COMPLETED"
	Cancelled = "CANCELED"
	Deleting  = "DELETION_IN_PROGRESS"
)

// Config is what CreateJob is told.
type Config struct {
	ID        string
	Targets   []Target
	Forever   bool // CONTINUOUS
	Namespace string
	Rollout   Rollout
	Abort     []Criterion
	Minutes   int64 // inProgressTimeoutInMinutes; 0: none
	Retries   []Retries
}

// Target names a thing or a group.
type Target struct {
	Group bool
	Name  string
}

// Retries is one criterion of jobExecutionsRetryConfig.
type Retries struct {
	Failure string // FAILED, TIMED_OUT or ALL
	Number  int64
}

// Job is one job.
type Job struct {
	Config
	Status        string
	Forced        bool
	Reason        string
	Comment       string // only what an operator gave
	CreatedAt     time.Time
	LastUpdatedAt time.Time
	CompletedAt   time.Time
	// Rolling says that the product has not said that the rollout is done.
	Rolling bool

	targets  []target
	waiting  map[*Thing]bool // what the rollout has still to reach
	attempts map[*Thing][]*Attempt
	pace     pace
}

// target is what a Target named when the job was given it.
type target struct {
	group *Group
	thing *Thing
}

// CreateJob is A.3.
func (w *World) CreateJob(c Config, now time.Time) Code {
	if w.jobs[c.ID] != nil {
		return AlreadyExists
	}
	targets, code := w.resolve(c.Targets)
	if code != "" {
		return code
	}
	limit, active := w.ActiveSnapshot, 0
	if c.Forever {
		limit = w.ActiveForever
	}
	for _, j := range w.jobs {
		if j.Status == Active && j.Forever == c.Forever {
			active++
		}
	}
	if active >= limit {
		return LimitExceeded
	}
	j := &Job{
		Config: c, Status: Active, CreatedAt: now, LastUpdatedAt: now, Rolling: true,
		targets: targets, waiting: map[*Thing]bool{}, attempts: map[*Thing][]*Attempt{},
	}
	j.Targets, j.Abort, j.Config.Retries = slices.Clone(c.Targets), slices.Clone(c.Abort), slices.Clone(c.Retries)
	for _, t := range targets {
		for _, thing := range t.things() {
			j.waiting[thing] = true
		}
	}
	w.jobs[c.ID] = j
	j.startPace(now, w.RatePerMinute)
	w.dirty[j] = true
	return ""
}

func (w *World) resolve(named []Target) (found []target, code Code) {
	for _, n := range named {
		t := target{group: w.groups[n.Name]}
		if !n.Group {
			t = target{thing: w.things[n.Name]}
		}
		if t.group == nil && t.thing == nil {
			return nil, NotFound
		}
		found = append(found, t)
	}
	return found, ""
}

func (t target) things() []*Thing {
	switch {
	case t.group != nil:
		return t.group.under()
	case t.thing.gone:
		return nil
	}
	return []*Thing{t.thing}
}

// CancelJob is A.3, B.7.
func (w *World) CancelJob(id string, force bool, reason, comment string, now time.Time) Code {
	j := w.jobs[id]
	switch {
	case j == nil:
		return NotFound
	case j.Status == Completed || j.Status == Deleting:
		return InvalidRequest
	case j.Status == Cancelled && (!force || j.Forced):
		return ""
	case j.Status == Cancelled:
		reason, comment = cmp.Or(reason, j.Reason), cmp.Or(comment, j.Comment)
	}
	w.cancel(j, force, reason, comment, now)
	return ""
}

// cancel ends what is QUEUED, and with force what is IN_PROGRESS.
func (w *World) cancel(j *Job, force bool, reason, comment string, now time.Time) {
	j.Status, j.Forced, j.Reason, j.Comment = Cancelled, force, reason, comment
	j.LastUpdatedAt = now
	j.stopRollout()
	for _, t := range j.reached() {
		switch a := j.newest(t); {
		case a.Status == Queued:
			w.end(a, Canceled, now)
		case a.Status == InProgress && force:
			a.Forced = true
			w.end(a, Canceled, now)
		}
	}
	w.dirty[j] = true
}

// DeleteJob is A.3. What is deleted is gone for devices at once, and its id is free
// when the product has Finished.
func (w *World) DeleteJob(id string, force bool, now time.Time) Code {
	j := w.jobs[id]
	switch {
	case j == nil:
		return NotFound
	case j.Status == Deleting, !force && j.Status == Active:
		return InvalidStateTransition
	}
	j.Status, j.LastUpdatedAt = Deleting, now
	j.stopRollout()
	for _, all := range j.attempts {
		for _, a := range all {
			delete(w.timed, a)
		}
	}
	j.attempts = map[*Thing][]*Attempt{}
	w.dirty[j] = true
	return ""
}

// Change is what UpdateJob is told; what is nil or zero stays.
type Change struct {
	Rollout *Rollout
	Abort   []Criterion
	Minutes int64
	Retries []Retries
}

// UpdateJob is A.3.
func (w *World) UpdateJob(id string, c Change, now time.Time) Code {
	j := w.jobs[id]
	switch {
	case j == nil:
		return NotFound
	case j.Status != Active:
		return InvalidRequest
	}
	left := slices.Clone(j.Config.Retries)
	for _, r := range c.Retries {
		if r.Number != 0 {
			return InvalidRequest
		}
		for i := range left {
			if left[i].Failure == "ALL" && left[i].Number > 0 && r.Failure != "ALL" {
				return InvalidRequest
			}
			if r.Failure == "ALL" || r.Failure == left[i].Failure {
				left[i].Number = 0
			}
		}
	}
	j.Config.Retries = left
	if c.Rollout != nil {
		j.Rollout = *c.Rollout
		j.changePace(now, w.RatePerMinute)
	}
	if c.Abort != nil {
		j.Abort = slices.Clone(c.Abort)
	}
	if c.Minutes > 0 {
		j.Minutes = c.Minutes
	}
	j.LastUpdatedAt = now
	w.dirty[j] = true
	return ""
}

// complete: a SNAPSHOT that has reached all and waits for none is COMPLETED (B.1).
func (w *World) complete(j *Job, now time.Time) {
	if j.Status != Active || j.Forever || j.Rolling || j.Pending() > 0 {
		return
	}
	j.Status, j.LastUpdatedAt, j.CompletedAt = Completed, now, now
}

// Pending is how many things have it QUEUED or IN_PROGRESS.
func (j *Job) Pending() int64 { n := j.Details(); return n[Queued] + n[InProgress] }

// Details counts things by their latest attempt: jobProcessDetails (B.8, B.11).
func (j *Job) Details() map[Status]int64 {
	n := map[Status]int64{}
	for t := range j.attempts {
		n[j.newest(t).Status]++
	}
	return n
}

// Finished counts things by their latest attempt that the device or the time has
// ended (B.5).
func (j *Job) Finished() map[Status]int64 {
	n := map[Status]int64{}
	for _, all := range j.attempts {
		for _, a := range slices.Backward(all) {
			if a.finished() {
				n[a.Status]++
				break
			}
		}
	}
	return n
}

// Attempts are all of the job's, of every thing.
func (j *Job) Attempts() (all []*Attempt) {
	for _, of := range j.attempts {
		all = append(all, of...)
	}
	return all
}

// Newest is the newest attempt of the living thing with this name; nil: none.
func (w *World) Newest(id, thing string) *Attempt {
	j, t := w.jobs[id], w.things[thing]
	if j == nil || t == nil {
		return nil
	}
	return j.newest(t)
}

func (j *Job) newest(t *Thing) *Attempt {
	if all := j.attempts[t]; len(all) > 0 {
		return all[len(all)-1]
	}
	return nil
}

// reached are the things that have an attempt, in the order in which they were made.
func (j *Job) reached() []*Thing {
	set := map[*Thing]bool{}
	for t := range j.attempts {
		set[t] = true
	}
	return inOrder(set)
}

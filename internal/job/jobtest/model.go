package jobtest

import (
	"maps"
	"slices"
	"time"
)

// Execution is one execution as the model knows it; statuses are AWS's words.
type Execution struct {
	Thing, Job    string
	Number        int64
	Version       int64
	Status        string
	Details       map[string]string
	Order         int // of creation, over everything
	QueuedAt      time.Time
	StartedAt     time.Time
	LastUpdatedAt time.Time
	Deadline      time.Time // of the job's timeout
	Step          time.Time // of the step timer
	Forced        bool
	Used          map[string]int // retries before it, by the status that asked for them
	Gone          bool           // its thing left while it ran
}

// Job is one job as the model knows it.
type Job struct {
	ID             string
	Namespace      string // empty: its executions are in the plain queues
	TimeoutMinutes int
	Retries        map[string]int // by FAILED, TIMED_OUT, or ALL for both
	Abort          []Abort
	Group          string // of a CONTINUOUS job; empty: it is a SNAPSHOT
	Over           string // COMPLETED or CANCELED, once it is
}

// Model is a fleet: its jobs, and every execution there is.
type Model struct {
	Now   time.Time
	Jobs  map[string]*Job
	Order []string // of the jobs' creation
	Rows  []*Execution
	next  int
}

// New is an empty fleet.
func New(now time.Time) *Model { return &Model{Now: now, Jobs: map[string]*Job{}} }

// Result is what a request must be answered: a refusal's MQTT code, with the
// state if the code carries one, or the execution it was about.
type Result struct {
	Code      string
	Execution *Execution // nil: the answer names none
}

// Create puts a job on things.
func (m *Model) Create(id, namespace string, timeoutMinutes int, things ...string) {
	m.Order = append(m.Order, id)
	m.Jobs[id] = &Job{ID: id, Namespace: namespace, TimeoutMinutes: timeoutMinutes}
	for _, t := range things {
		m.enqueue(t, id, 1, nil)
	}
}

func (m *Model) enqueue(thing, job string, number int64, used map[string]int) {
	m.next++
	m.Rows = append(m.Rows, &Execution{
		Thing: thing, Job: job, Number: number, Version: 1, Status: "QUEUED", Order: m.next, QueuedAt: m.Now, LastUpdatedAt: m.Now, Used: used,
	})
}

// Pending are a thing's executions of a namespace in the order of its queue.
func (m *Model) Pending(thing, namespace string) []*Execution {
	var p []*Execution
	for _, e := range m.Rows {
		if e.Thing == thing && m.Jobs[e.Job].Namespace == namespace && (e.Status == "QUEUED" || e.Status == "IN_PROGRESS") {
			p = append(p, e)
		}
	}
	slices.SortFunc(p, func(a, b *Execution) int {
		switch {
		case a.Status != b.Status && a.Status == "IN_PROGRESS":
			return -1
		case a.Status != b.Status:
			return 1
		case !a.QueuedAt.Equal(b.QueuedAt):
			return a.QueuedAt.Compare(b.QueuedAt)
		}
		return a.Order - b.Order
	})
	return p
}

// Head is what is next for a thing in a namespace, nil when that queue is empty.
func (m *Model) Head(thing, namespace string) *Execution {
	if p := m.Pending(thing, namespace); len(p) > 0 {
		return p[0]
	}
	return nil
}

// Find is a thing's newest execution of a job, nil if there is none.
func (m *Model) Find(thing, job string) (newest *Execution) {
	for _, e := range m.Rows {
		if e.Thing == thing && e.Job == job && (newest == nil || e.Number > newest.Number) {
			newest = e
		}
	}
	return newest
}

// Has says whether a request that names this namespace finds the job in it.
func (m *Model) Has(job, namespace string) bool {
	j := m.Jobs[job]
	return j != nil && (namespace == "" || j.Namespace == namespace)
}

// StartNext is StartNextPendingJobExecution: of the plain queue.
func (m *Model) StartNext(thing string, details map[string]string, stepMinutes int) Result {
	e := m.Head(thing, "")
	if e != nil && e.Status == "QUEUED" {
		m.change(e, "IN_PROGRESS", details)
		m.start(e)
		if stepMinutes > 0 {
			e.Step = m.Now.Add(time.Duration(stepMinutes) * time.Minute)
		}
	}
	return Result{Execution: e}
}

// Describe is DescribeJobExecution of a named job, asked for in a namespace.
func (m *Model) Describe(thing, job, namespace string) Result {
	e := m.Find(thing, job)
	switch {
	case e == nil || !m.Has(job, namespace):
		return Result{Code: "ResourceNotFound"}
	case e.Status != "QUEUED" && e.Status != "IN_PROGRESS":
		return Result{Code: "TerminalStateReached"}
	}
	return Result{Execution: e}
}

// Update is UpdateJobExecution, asked for in a namespace; expected -1 asks for
// no version, stepMinutes 0 says nothing of the timer and -1 drops it.
func (m *Model) Update(thing, job, namespace, status string, expected int64, details map[string]string, stepMinutes int) Result {
	e := m.Find(thing, job)
	pending := e != nil && (e.Status == "QUEUED" || e.Status == "IN_PROGRESS")
	switch {
	case e == nil || !m.Has(job, namespace):
		return Result{Code: "ResourceNotFound"}
	case expected >= 0 && expected != e.Version:
		return Result{Code: "VersionMismatch", Execution: e}
	case status == "CANCELED" || status == "TIMED_OUT" || status == "REMOVED":
		return Result{Code: "InvalidRequest"}
	case !pending || status == "QUEUED":
		return Result{Code: "InvalidStateTransition", Execution: e}
	}
	m.change(e, status, details)
	m.start(e)
	switch {
	case status != "IN_PROGRESS":
		e.Deadline, e.Step = time.Time{}, time.Time{}
		m.again(e)
	case stepMinutes < 0:
		e.Step = time.Time{}
	case stepMinutes > 0:
		e.Step = m.Now.Add(time.Duration(stepMinutes) * time.Minute)
	}
	return Result{Execution: e}
}

// CancelExecution is CancelJobExecution: 409 for what cannot be cancelled.
func (m *Model) CancelExecution(thing, job string, force bool) Result {
	e := m.Find(thing, job)
	switch {
	case e == nil:
		return Result{Code: "ResourceNotFound"}
	case e.Status == "QUEUED" || e.Status == "IN_PROGRESS" && force:
		e.Forced = e.Status == "IN_PROGRESS"
		m.end(e, "CANCELED", m.Now)
		return Result{Execution: e}
	}
	return Result{Code: "InvalidStateTransition", Execution: e}
}

// CancelJob is CancelJob of a job that is not completed.
func (m *Model) CancelJob(job string, force bool) {
	m.Jobs[job].Over = "CANCELED"
	for _, e := range m.Rows {
		if e.Job == job && (e.Status == "QUEUED" || e.Status == "IN_PROGRESS" && force) {
			e.Forced = e.Status == "IN_PROGRESS"
			m.end(e, "CANCELED", m.Now)
		}
	}
}

// DeleteExecution is DeleteJobExecution of the attempt with this number.
func (m *Model) DeleteExecution(thing, job string, number int64, force bool) Result {
	var e *Execution
	for _, x := range m.Rows {
		if x.Thing == thing && x.Job == job && x.Number == number {
			e = x
		}
	}
	switch {
	case e == nil:
		return Result{Code: "ResourceNotFound"}
	case e.Status == "IN_PROGRESS" && !force:
		return Result{Code: "InvalidStateTransition", Execution: e}
	}
	m.Rows = slices.DeleteFunc(m.Rows, func(x *Execution) bool { return x == e })
	return Result{Execution: e}
}

// Advance lets time pass: what is due by then times out, at its own time.
func (m *Model) Advance(d time.Duration) {
	m.Now = m.Now.Add(d)
	for _, e := range m.Rows {
		due := e.Due()
		if !due.IsZero() && !due.After(m.Now) {
			m.end(e, "TIMED_OUT", due)
			m.again(e)
		}
	}
}

// Due is the earlier of an execution's two deadlines.
func (e *Execution) Due() time.Time {
	if e.Deadline.IsZero() || !e.Step.IsZero() && e.Step.Before(e.Deadline) {
		return e.Step
	}
	return e.Deadline
}

// Counts are a job's things by the status of their latest execution.
func (m *Model) Counts(job string) map[string]int64 {
	n := map[string]int64{}
	for _, e := range m.Rows {
		if e.Job == job && m.Find(e.Thing, job) == e {
			n[e.Status]++
		}
	}
	return n
}

func (m *Model) change(e *Execution, status string, details map[string]string) {
	e.Status, e.LastUpdatedAt = status, m.Now
	e.Version++
	if details != nil {
		e.Details = maps.Clone(details)
	}
}

func (m *Model) start(e *Execution) {
	if !e.StartedAt.IsZero() {
		return
	}
	e.StartedAt = m.Now
	if minutes := m.Jobs[e.Job].TimeoutMinutes; minutes > 0 && e.Status == "IN_PROGRESS" {
		e.Deadline = m.Now.Add(time.Duration(minutes) * time.Minute)
	}
}

func (m *Model) end(e *Execution, status string, at time.Time) {
	e.Status, e.LastUpdatedAt = status, at
	e.Version++
	e.Deadline, e.Step = time.Time{}, time.Time{}
}

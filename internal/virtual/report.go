package virtual

import (
	"sync"
	"time"
)

// Kind says what an Event is of.
type Kind string

// The kinds.
const (
	OfExecution Kind = "execution"
	OfJob       Kind = "job"
	OfSession   Kind = "session"
)

// What Event.Is says beside the statuses of AWS.
const (
	Deleted       = "DELETED"
	Expired       = "EXPIRED"        // a session: its client did not come back
	WillPublished = "WILL_PUBLISHED" // a session: its delayed will was published
)

// Event is one thing that has happened.
type Event struct {
	At     time.Time
	Kind   Kind
	Thing  string // of an execution
	Job    string // of an execution and a job
	Number int64  // of an execution
	Client string // of a session
	Was    string // the status before; empty for what is new
	Is     string // the status after
}

// MaxEvents is how many events a Report lists; its counts are of all.
const MaxEvents = 1000

// Report tells what a move of the clock has caused.
type Report struct {
	From, Now time.Time
	// Next is when the next thing is due; zero: nothing is to come, and Idle.
	Next time.Time
	Idle bool
	// Events are the first MaxEvents, in the order in which they happened.
	Events []Event
	// Total counts all events, Counts by what they are of and what it became.
	Total  int
	Counts map[Kind]map[string]int
}

// recorder listens while somebody moves the clock.
type recorder struct {
	mu     sync.Mutex
	on     bool
	report Report
}

func (r *recorder) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.on, r.report = true, Report{Counts: map[Kind]map[string]int{}}
}

func (r *recorder) end() Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.on = false
	return r.report
}

func (r *recorder) add(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.on {
		return
	}
	p := &r.report
	p.Total++
	if len(p.Events) < MaxEvents {
		p.Events = append(p.Events, e)
	}
	if p.Counts[e.Kind] == nil {
		p.Counts[e.Kind] = map[string]int{}
	}
	p.Counts[e.Kind][e.Is]++
}

package job

import "time"

// Event is one line of history: a transition of one execution (design.md
// decision 5). Events are appended, never changed.
type Event struct {
	Seq      int64 // its place in the log
	Previous int64 // Seq of the same execution's event before it, 0 for the first
	At       time.Time
	ThingKey int64
	JobKey   int64
	Number   int64
	Kind     Kind
	Status   Status // afterwards; 0 when the execution was deleted
	Version  int64
	Details  Details
	Actor    string
}

// Event is the line that m leaves in the history.
func (m Move) Event(at time.Time) Event {
	e := m.After
	if e.Number == 0 {
		e = m.Before
		e.Status = 0
	}
	return Event{
		Previous: m.Before.LastEvent, At: at, ThingKey: e.ThingKey, JobKey: e.JobKey, Number: e.Number,
		Kind: m.Kind, Status: e.Status, Version: e.Version, Details: e.Details, Actor: m.Actor,
	}
}

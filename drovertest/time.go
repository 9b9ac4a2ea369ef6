package drovertest

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
)

// Now is domain time.
func (d *Drover) Now() time.Time {
	d.t.Helper()
	return d.clock().Now.Time
}

// NextDue is when the next thing will happen by itself; zero: nothing is to come,
// or the clock is real. What is due now has happened when it returns.
func (d *Drover) NextDue() time.Time {
	d.t.Helper()
	return d.clock().NextDue.Time
}

type clockState struct{ Now, NextDue instant }

func (d *Drover) clock() (c clockState) {
	d.t.Helper()
	d.must("GET", "/drover/v1/clock", nil, &c)
	return c
}

// Move is what a move of the clock has caused.
type Move struct {
	From, To time.Time
	NextDue  time.Time // zero: nothing is to come
	Events   []Event   // the first thousand, in order
	Total    int       // of all
}

// Event is one thing that happened because its time had come.
type Event struct {
	At     time.Time
	Kind   string // execution, job, session
	Thing  string
	Job    string
	Number int64  // of an execution
	Client string // of a session
	Was    string // the status before; empty for a new execution
	Status string // and after
}

// String is the event in one line: "execution fw-42/pump-7#1 IN_PROGRESS -> TIMED_OUT".
func (e Event) String() string {
	what := e.Job + e.Client
	if e.Thing != "" {
		what += fmt.Sprintf("/%s#%d", e.Thing, e.Number)
	}
	if e.Was == "" {
		return fmt.Sprintf("%s %s %s", e.Kind, what, e.Status)
	}
	return fmt.Sprintf("%s %s %s -> %s", e.Kind, what, e.Was, e.Status)
}

// String lists the events, one a line.
func (m Move) String() string {
	var lines []string
	for _, e := range m.Events {
		lines = append(lines, e.String())
	}
	return strings.Join(lines, "\n")
}

// Advance moves the clock by d. What is due on the way has happened when it
// returns, in the order of its time, and devices have been told.
func (d *Drover) Advance(by time.Duration) Move {
	d.t.Helper()
	return d.move(map[string]any{"by": by.Seconds()})
}

// AdvanceTo is Advance, to a time.
func (d *Drover) AdvanceTo(at time.Time) Move {
	d.t.Helper()
	return d.move(map[string]any{"to": at.UTC().Format(time.RFC3339Nano)})
}

// AdvanceUntilIdle moves the clock from one thing that is due to the next, until
// nothing is to come. It fails the test if that is not within 366 days.
func (d *Drover) AdvanceUntilIdle() Move {
	d.t.Helper()
	m := d.move(map[string]any{"until": "idle"})
	if !m.NextDue.IsZero() {
		d.t.Fatalf("drovertest: after a year there is still something to come, at %s", m.NextDue)
	}
	return m
}

// Settle has happen what is due now: the first executions of a job that was
// created by another client, say.
func (d *Drover) Settle() {
	d.t.Helper()
	d.clock()
}

func (d *Drover) move(in map[string]any) Move {
	d.t.Helper()
	var out struct {
		From, Now, NextDue instant
		Total              int
		Fired              []struct {
			At              instant
			Kind            string
			ThingName       string
			JobID           string
			ExecutionNumber int64
			ClientID        string
			Was, Status     string
		}
	}
	d.must("POST", "/drover/v1/clock/advance", in, &out)
	m := Move{From: out.From.Time, To: out.Now.Time, NextDue: out.NextDue.Time, Total: out.Total}
	for _, f := range out.Fired {
		m.Events = append(m.Events, Event{f.At.Time, f.Kind, f.ThingName, f.JobID, f.ExecutionNumber, f.ClientID, f.Was, f.Status})
	}
	return m
}

// instant is epoch seconds on the wire, in milliseconds at most.
type instant struct{ time.Time }

func (i *instant) UnmarshalJSON(b []byte) error {
	var seconds float64
	if err := json.Unmarshal(b, &seconds); err != nil {
		return err
	}
	i.Time = time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
	return nil
}

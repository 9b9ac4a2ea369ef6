package drovertest

import "time"

// Fault says which messages of a device are disturbed, and how; docs/dev-api.md has
// what each kind does to each message. The zero value of a field is the first of
// its choices.
type Fault struct {
	Thing       string        // all things; a name; "pump-*"
	Operation   string        // any; Get, StartNext, Describe, Update, Notify, NotifyNext, Connect
	Direction   string        // Request, Notification for Notify and NotifyNext; Response
	Kind        string        // Drop, Delay, Duplicate, Reorder, Answer, Throttle, Disconnect, StaleVersion
	Over        string        // either; "mqtt", "https"
	Skip        int           // matching messages that pass first
	Count       int           // one; more; Always
	Probability float64       // 1; less
	Seed        uint64        // of the probability
	By          time.Duration // Delay: how long, in domain time
	Code        string        // Answer: an error as a device hears it, "InternalError"
	Message     string        // Answer
	PerSecond   float64       // Throttle: all; what is above this rate
}

// Always is a Count without end.
const Always = -1

// What a Fault may say.
const (
	Get        = "get"
	StartNext  = "start-next"
	Describe   = "describe"
	Update     = "update"
	Notify     = "notify"
	NotifyNext = "notify-next"
	Connect    = "connect"

	Request      = "request"
	Response     = "response"
	Notification = "notification"

	Drop         = "drop"
	Delay        = "delay"
	Duplicate    = "duplicate"
	Reorder      = "reorder"
	Answer       = "answer"
	Throttle     = "throttle"
	Disconnect   = "disconnect"
	StaleVersion = "staleVersion"
)

// Injected is a fault in force.
type Injected struct {
	ID string
	d  *Drover
}

// Inject puts a fault in force.
func (d *Drover) Inject(f Fault) *Injected {
	d.t.Helper()
	in := map[string]any{"kind": f.Kind}
	set := func(key string, value any, given bool) {
		if given {
			in[key] = value
		}
	}
	set("thing", f.Thing, f.Thing != "")
	set("operation", f.Operation, f.Operation != "")
	set("direction", f.Direction, f.Direction != "")
	set("over", f.Over, f.Over != "")
	set("skip", f.Skip, f.Skip != 0)
	set("count", max(f.Count, 0), f.Count != 0)
	set("probability", f.Probability, f.Probability != 0)
	set("seed", f.Seed, f.Seed != 0)
	set("by", f.By.Seconds(), f.By != 0)
	set("code", f.Code, f.Code != "")
	set("message", f.Message, f.Message != "")
	set("perSecond", f.PerSecond, f.PerSecond != 0)
	out := &Injected{d: d}
	d.must("POST", "/drover/v1/faults", in, out)
	return out
}

// Remove ends the fault; a message that it held back goes.
func (i *Injected) Remove() {
	i.d.t.Helper()
	i.d.must("DELETE", "/drover/v1/faults/"+i.ID, nil, nil)
}

// Times is how many messages the fault has disturbed.
func (i *Injected) Times() int {
	i.d.t.Helper()
	n := 0
	for _, x := range i.d.Injections() {
		if x.Fault == i.ID {
			n++
		}
	}
	return n
}

// Wait returns when the fault has disturbed n messages.
func (i *Injected) Wait(n int) {
	i.d.t.Helper()
	i.d.until("fault "+i.ID+" has been injected", func() (any, bool) {
		times := i.Times()
		return times, times >= n
	})
}

// Injection is one message that was disturbed.
type Injection struct {
	At                                      time.Time
	Fault                                   string // its id
	Kind, Thing, Operation, Direction, Over string
	Job, Client                             string
	Did                                     string // in words
}

// Injections are the messages that were disturbed, the latest thousand, in order.
func (d *Drover) Injections() (all []Injection) {
	d.t.Helper()
	var out struct {
		Injected []struct {
			At                                             instant
			Fault, Kind, Thing, Operation, Direction, Over string
			JobID, ClientID, Did                           string
		}
	}
	d.must("GET", "/drover/v1/faults/report", nil, &out)
	for _, i := range out.Injected {
		all = append(all, Injection{i.At.Time, i.Fault, i.Kind, i.Thing, i.Operation, i.Direction, i.Over, i.JobID, i.ClientID, i.Did})
	}
	return all
}

// ClearFaults ends all faults, and empties Injections.
func (d *Drover) ClearFaults() {
	d.t.Helper()
	d.must("DELETE", "/drover/v1/faults", nil, nil)
}

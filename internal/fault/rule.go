package fault

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/drover-iot/drover/internal/job"
)

// Operation is what a message is of.
type Operation string

// The operations. Any is every operation of the direction, Connect excepted.
const (
	Any        Operation = "any"
	Get        Operation = "get"
	StartNext  Operation = "start-next"
	Describe   Operation = "describe"
	Update     Operation = "update"
	Notify     Operation = "notify"
	NotifyNext Operation = "notify-next"
	Connect    Operation = "connect"
)

// Direction is which way a message goes.
type Direction string

// The directions.
const (
	Request      Direction = "request"      // from the device, before it took effect
	Response     Direction = "response"     // its answer, after it took effect
	Notification Direction = "notification" // from the service, unasked
)

// Kind is what is done to a message.
type Kind string

// The kinds.
const (
	Drop         Kind = "drop"
	Delay        Kind = "delay"
	Duplicate    Kind = "duplicate"
	Reorder      Kind = "reorder"
	Answer       Kind = "answer"
	Throttle     Kind = "throttle"
	Disconnect   Kind = "disconnect"
	StaleVersion Kind = "staleVersion"
)

// Via is what a message travels over.
type Via string

// The ways.
const (
	MQTT  Via = "mqtt"
	HTTPS Via = "https"
)

// Rule says which messages are disturbed, and how.
type Rule struct {
	ID        string
	Thing     string // a name; a `*` at its end stands for anything. Of Connect: the client id.
	Operation Operation
	Direction Direction
	Kind      Kind
	Over      Via // empty: either

	Skip        int     // matching messages that pass first
	Count       int     // how many are disturbed; 0: all
	Probability float64 // of each, 0 < p <= 1
	Seed        uint64  // of the chance: the same seed and messages, the same faults

	By        time.Duration // Delay: how long, in domain time
	Code      job.Code      // Answer
	Message   string        // Answer; empty: one that says it was injected
	PerSecond float64       // Throttle: only requests above this rate of domain time; 0: all
}

// Message is what a rule is held against.
type Message struct {
	At        time.Time // domain time
	Thing     string    // of Connect: the client id
	Job       string    // where there is one
	Client    string    // the client id, over MQTT
	Operation Operation
	Direction Direction
	Via       Via
}

var (
	operations = map[Direction][]Operation{
		Request:      {Any, Get, StartNext, Describe, Update, Connect},
		Response:     {Any, Get, StartNext, Describe, Update, Connect},
		Notification: {Any, Notify, NotifyNext},
	}
	kinds = map[Direction][]Kind{
		Request:      {Drop, Delay, Duplicate, Reorder, Answer, Throttle, Disconnect, StaleVersion},
		Response:     {Drop, Delay, Duplicate, Reorder, Answer, Disconnect},
		Notification: {Drop, Delay, Duplicate, Reorder, Disconnect},
	}
	onConnect = map[Direction][]Kind{
		Request:  {Throttle, Disconnect},
		Response: {Disconnect},
	}
)

// Check refuses what cannot be meant; the error says what could be.
func (r Rule) Check() error {
	bad := func(format string, args ...any) error { return job.Errorf(job.InvalidRequest, format, args...) }
	ops, known := operations[r.Direction]
	can := kinds[r.Direction]
	if r.Operation == Connect {
		can = onConnect[r.Direction]
	}
	prefix, _ := strings.CutSuffix(r.Thing, "*")
	switch {
	case !known:
		return bad("direction is %q, expected %q, %q or %q.", r.Direction, Request, Response, Notification)
	case !has(ops, r.Operation):
		return bad("operation is %q, expected for a %s one of %s.", r.Operation, r.Direction, list(ops))
	case !has(can, r.Kind):
		return bad("kind is %q, expected for the %s of %q one of %s.", r.Kind, r.Direction, r.Operation, list(can))
	case r.Kind == StaleVersion && r.Operation != Update:
		return bad("kind %q is for operation %q, which has an expectedVersion; operation is %q.", StaleVersion, Update, r.Operation)
	case r.Thing == "" || strings.Contains(prefix, "*") || len(r.Thing) > 129:
		return bad("thing is %q, expected a name, the beginning of one with a `*` after it, or `*` alone.", r.Thing)
	case r.Over != "" && r.Over != MQTT && r.Over != HTTPS:
		return bad("over is %q, expected %q or %q.", r.Over, MQTT, HTTPS)
	case r.Over == HTTPS && !r.travels(HTTPS):
		return bad("kind %q of the %s of %q has no meaning over HTTPS.", r.Kind, r.Direction, r.Operation)
	case r.Skip < 0 || r.Count < 0:
		return bad("skip is %d and count %d, expected 0 or more.", r.Skip, r.Count)
	case !(r.Probability > 0 && r.Probability <= 1):
		return bad("probability is %g, expected more than 0 and at most 1.", r.Probability)
	case (r.By > 0) != (r.Kind == Delay) || r.By < 0:
		return bad("by is %s: kind %q, and no other, needs how long.", r.By, Delay)
	case r.Kind != Answer && (r.Code != 0 || r.Message != ""):
		return bad("message is for kind %q, not %q.", Answer, r.Kind)
	case r.PerSecond != 0 && (r.Kind != Throttle || !(r.PerSecond > 0) || math.IsInf(r.PerSecond, 0)):
		return bad("perSecond is %g: it is for kind %q, and more than 0.", r.PerSecond, Throttle)
	}
	return nil
}

func has[T comparable](all []T, one T) bool {
	for _, x := range all {
		if x == one {
			return true
		}
	}
	return false
}

func list[T ~string](all []T) string {
	var names []string
	for _, x := range all {
		names = append(names, string(x))
	}
	return strings.Join(names, ", ")
}

// travels says whether the rule has a meaning over v. One HTTP request has one
// answer, and no order among others.
func (r Rule) travels(v Via) bool {
	if r.Over != "" && r.Over != v {
		return false
	}
	if v == MQTT {
		return true
	}
	return r.Direction != Notification && r.Operation != Connect && r.Kind != Reorder &&
		!(r.Direction == Response && r.Kind == Duplicate)
}

// matches says whether the rule is about m, its count and chance aside.
func (r Rule) matches(m Message) bool {
	if r.Direction != m.Direction || !r.travels(m.Via) {
		return false
	}
	if r.Operation != m.Operation && (r.Operation != Any || m.Operation == Connect) {
		return false
	}
	if prefix, open := strings.CutSuffix(r.Thing, "*"); open {
		return strings.HasPrefix(m.Thing, prefix)
	}
	return r.Thing == m.Thing
}

// Error is what Answer and Throttle say to the device.
func (r Rule) Error() *job.Error {
	if r.Kind == Throttle {
		return job.Errorf(job.Throttled, "Rate exceeded; this was injected by fault %s.", r.ID)
	}
	if r.Message != "" {
		return job.Errorf(r.Code, "%s", r.Message)
	}
	return job.Errorf(r.Code, "This error was injected by fault %s.", r.ID)
}

// NotBumped is what a StaleVersion did not do.
const NotBumped = "nothing: the execution was not IN_PROGRESS, so nobody could have changed it"

// Bumped is what a StaleVersion did.
func Bumped(version int64) string {
	return fmt.Sprintf("version %d became %d before the request was carried out", version, version+1)
}

// did says what happened to the message, for the report.
func (r Rule) did(v Via) string {
	if v == HTTPS {
		return overHTTPS[r.Direction][r.Kind]
	}
	if r.Operation == Connect {
		return overConnect[r.Direction][r.Kind]
	}
	text := overMQTT[r.Direction][r.Kind]
	if r.Kind == Delay {
		text = fmt.Sprintf(text, r.By)
	}
	return text
}

var (
	overMQTT = map[Direction]map[Kind]string{
		Request: {
			Drop:       "the PUBLISH was acknowledged and forgotten",
			Delay:      "the PUBLISH was acknowledged, and carried out %s later",
			Duplicate:  "the request was carried out twice",
			Reorder:    "the PUBLISH was acknowledged, and carried out after the thing's next request",
			Answer:     "the request was not carried out, and rejected",
			Throttle:   "the request was not carried out, and rejected with RequestThrottled",
			Disconnect: "the connection was closed, the request not carried out and not acknowledged",
		},
		Response: {
			Drop:       "the request was acknowledged and carried out, its response PUBLISH never sent",
			Delay:      "the response PUBLISH was sent %s late",
			Duplicate:  "the response PUBLISH was sent twice",
			Reorder:    "the response PUBLISH was sent after the thing's next response",
			Answer:     "the request was carried out, and a rejection sent",
			Disconnect: "the request was carried out, the connection closed without acknowledgement and response",
		},
		Notification: {
			Drop:       "the notification PUBLISH was never sent",
			Delay:      "the notification PUBLISH was sent %s late",
			Duplicate:  "the notification PUBLISH was sent twice",
			Reorder:    "the notification PUBLISH was sent after the thing's next notification",
			Disconnect: "the connection was closed before the notification PUBLISH",
		},
	}
	overConnect = map[Direction]map[Kind]string{
		Request: {
			Throttle:   "the CONNECT was refused with reason 0x97 on MQTT 5, closed without CONNACK on 3.1.1",
			Disconnect: "the connection was closed in place of the CONNACK",
		},
		Response: {Disconnect: "the connection was closed after the CONNACK"},
	}
	overHTTPS = map[Direction]map[Kind]string{
		Request: {
			Drop:       "the connection was closed without an answer, the request not carried out",
			Delay:      "the request was carried out late",
			Duplicate:  "the request was carried out twice, and the second answer given",
			Answer:     "the request was not carried out, and refused",
			Throttle:   "the request was not carried out, and refused with ThrottlingException",
			Disconnect: "the connection was closed without an answer, the request not carried out",
		},
		Response: {
			Drop:       "the request was carried out, the connection closed without an answer",
			Delay:      "the answer was given late",
			Answer:     "the request was carried out, and an error answered",
			Disconnect: "the request was carried out, the connection closed without an answer",
		},
	}
)

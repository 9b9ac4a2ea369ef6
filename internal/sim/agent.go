package sim

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// behaviour is how the devices of a fleet do their work.
type behaviour struct {
	seed      uint64
	fail      float64       // share of executions that do not succeed
	steps     int           // progress reports of one execution
	stepDelay time.Duration // mean time that a step takes
}

// stepNames are what a firmware update goes through; longer scripts repeat the
// last one.
var stepNames = []string{"download", "verify", "install", "restart"}

// reasons are why an execution fails, and refusals why it is rejected at once.
var (
	reasons  = []string{"checksum mismatch", "no space left", "battery low", "timeout while writing"}
	refusals = []string{"unknown operation", "wrong model"}
)

// retryDelay is how long a device waits before it asks again after a refusal.
const retryDelay = 2 * time.Second

// agent is one device's mind: it is told what happened and says what to do. It
// has one request under way at most.
type agent struct {
	thing string
	behaviour
	rnd   *rand.Rand // how long steps take; never what they end in
	token uint64     // of the request under way
	work  *work      // nil: idle
}

// work is an execution that the device has started.
type work struct {
	jobID   string
	number  int64
	version int64
	step    int    // steps done
	end     Status // what it will come to
	endStep int    // the step at which it does
	reason  string
	sent    Status // of the report under way
	next    bool   // the queue already told of the work after this
}

// reaction is what an agent does next. Each part may be absent.
type reaction struct {
	send   request
	wait   time.Duration // then call due; 0 = wait for messages only
	events []Event
}

type request struct {
	topic string
	body  []byte
}

// execution is a JobExecution as a device reads it (device-plane.md 2.1).
type execution struct {
	JobID   string            `json:"jobId"`
	Status  Status            `json:"status"`
	Details map[string]string `json:"statusDetails"`
	Version int64             `json:"versionNumber"`
	Number  int64             `json:"executionNumber"`
}

// envelope is any message on a Jobs topic (device-plane.md 2.4).
type envelope struct {
	Token     string     `json:"clientToken"`
	Execution *execution `json:"execution"`
	Code      string     `json:"code"`
	Message   string     `json:"message"`
	State     *execution `json:"executionState"`
}

func newAgent(thing string, b behaviour) *agent {
	return &agent{thing: thing, behaviour: b, rnd: rand.New(rand.NewPCG(b.seed, hash(thing)))}
}

func hash(s ...string) uint64 {
	h := fnv.New64a()
	for _, part := range s {
		_, _ = h.Write(append([]byte(part), 0))
	}
	return h.Sum64()
}

// connected is what a device does first on every connection: jobs made while it
// was away are seen only by asking (device-plane.md 4.3).
func (a *agent) connected() reaction {
	a.work = nil
	return a.ask()
}

func (a *agent) ask() reaction { return reaction{send: a.request("$next/get", nil)} }

func (a *agent) start() reaction { return reaction{send: a.request("start-next", nil)} }

// request makes a request with a token of its own.
func (a *agent) request(suffix string, body map[string]any) request {
	if body == nil {
		body = map[string]any{}
	}
	a.token++
	body["clientToken"] = strconv.FormatUint(a.token, 10)
	b, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("sim: a request of strings and maps of strings: %v", err))
	}
	return request{topic: jobsTopic(a.thing) + suffix, body: b}
}

// message is told everything that arrives. An answer to another request than
// the one under way is ignored; a response names the thing in its topic, and
// one for another thing is none of ours (device-plane.md 1.2).
func (a *agent) message(topic string, payload []byte) (r reaction, answered bool) {
	suffix := cutJobsTopic(a.thing, topic)
	if suffix == "" {
		return r, false
	}
	var m envelope
	if err := json.Unmarshal(payload, &m); err != nil {
		return reaction{events: []Event{a.event(Refused, fmt.Errorf("%s: %w in %q", topic, err, payload))}}, false
	}
	if suffix == "notify-next" {
		return a.notified(m.Execution), false
	}
	if m.Token != strconv.FormatUint(a.token, 10) {
		return r, false
	}
	verb, accepted := strings.CutSuffix(suffix, "/accepted")
	if !accepted {
		return a.refused(m), true
	}
	switch verb {
	case "$next/get":
		if m.Execution != nil {
			r = a.start()
		}
	case "start-next":
		if m.Execution != nil {
			r = a.begin(*m.Execution)
		}
	default: // J/update
		if a.work != nil {
			r = a.reported()
		}
	}
	return r, true
}

// notified is told the head of the queue. Another head than the work in hand
// means that the work was taken away: cancelled, timed out or deleted.
func (a *agent) notified(head *execution) (r reaction) {
	w := a.work
	if w != nil && head != nil && head.JobID == w.jobID && head.Number == w.number {
		return r
	}
	if w != nil {
		if w.sent.terminal() { // our own report made the change; its answer is on the way
			w.next = head != nil
			return r
		}
		r.events = append(r.events, a.event(Abandoned, nil))
		a.work = nil
	}
	if head != nil {
		r.send = a.start().send
	}
	return r
}

// begin starts on an execution, or goes on with one that an earlier connection
// had started.
func (a *agent) begin(e execution) reaction {
	a.work = &work{jobID: e.JobID, number: e.Number, version: e.Version, step: a.stepAt(e.Details["progress"])}
	a.decide(a.work)
	return reaction{wait: a.pause(), events: []Event{a.event(Started, nil)}}
}

// decide settles how an execution will end, by the seed and its names alone, so
// that the same fleet has the same fate however its messages interleave.
func (a *agent) decide(w *work) {
	rnd := rand.New(rand.NewPCG(a.seed, hash(a.thing, w.jobID, strconv.FormatInt(w.number, 10))))
	w.end, w.endStep = Succeeded, a.steps+1
	if rnd.Float64() >= a.fail {
		return
	}
	if rnd.IntN(4) == 0 {
		w.end, w.endStep, w.reason = Rejected, 1, refusals[rnd.IntN(len(refusals))]
		return
	}
	w.end, w.endStep, w.reason = Failed, 1+rnd.IntN(a.steps+1), reasons[rnd.IntN(len(reasons))]
}

// due is called when the time of a reaction is up.
func (a *agent) due() reaction {
	w := a.work
	if w == nil {
		return a.ask()
	}
	w.sent = InProgress
	details := map[string]string{"step": a.stepName(w.step), "progress": strconv.Itoa(a.percent(w.step + 1))}
	if w.step+1 >= w.endStep {
		w.sent = w.end
		if w.reason != "" {
			details["progress"], details["reason"] = strconv.Itoa(a.percent(w.step)), w.reason
		}
	}
	return reaction{send: a.request(w.jobID+"/update", map[string]any{
		"status":          w.sent,
		"statusDetails":   details,
		"expectedVersion": strconv.FormatInt(w.version, 10),
		"executionNumber": w.number,
	})}
}

// reported is told that the report under way was accepted.
func (a *agent) reported() reaction {
	w := a.work
	w.version++
	w.step++
	if !w.sent.terminal() {
		return reaction{wait: a.pause(), events: []Event{a.event(Progress, nil)}}
	}
	r := reaction{events: []Event{a.event(Ended, nil)}}
	a.work = nil // what comes next is told by notify-next
	if w.next {
		r.send = a.start().send
	}
	return r
}

// refused is told that the request under way was rejected (device-plane.md 5).
func (a *agent) refused(m envelope) reaction {
	err := fmt.Errorf("%s: %s", m.Code, m.Message)
	w := a.work
	if w == nil {
		return reaction{wait: retryDelay, events: []Event{a.event(Refused, err)}}
	}
	switch {
	case m.Code == "VersionMismatch" && m.State != nil && m.State.Status == InProgress:
		w.version = m.State.Version
		return reaction{wait: a.pause()}
	case m.Code == "VersionMismatch", m.Code == "InvalidStateTransition", m.Code == "ResourceNotFound":
		lost := a.event(Abandoned, err)
		a.work = nil
		return reaction{send: a.ask().send, events: []Event{lost}}
	}
	return reaction{wait: retryDelay, events: []Event{a.event(Refused, err)}}
}

// pause is how long a step takes: the mean, give or take a half.
func (a *agent) pause() time.Duration {
	return max(1, time.Duration(float64(a.stepDelay)*(0.5+a.rnd.Float64())))
}

func (a *agent) stepName(step int) string { return stepNames[min(step, len(stepNames)-1)] }

func (a *agent) percent(step int) int { return 100 * step / (a.steps + 1) }

// stepAt is the number of steps that a reported percentage stands for.
func (a *agent) stepAt(progress string) int {
	n, err := strconv.Atoi(progress)
	if err != nil || n < 0 || n > 100 {
		return 0
	}
	return min((n*(a.steps+1)+99)/100, a.steps)
}

func (a *agent) event(k Kind, err error) Event {
	e := Event{Kind: k, Thing: a.thing, Err: err}
	if w := a.work; w != nil {
		e.JobID, e.Status, e.Percent, e.Step = w.jobID, w.sent, a.percent(w.step), a.stepName(max(w.step-1, 0))
		if w.sent == "" {
			e.Status = InProgress
		}
		if w.sent.terminal() {
			e.Reason = w.reason
		}
	}
	return e
}

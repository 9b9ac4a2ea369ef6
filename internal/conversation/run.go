package conversation

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Target is a running server with a clock that only a conversation moves.
type Target interface {
	MQTTAddr() string
	HTTPAddr() string
	// Now is the domain time of the server; it stands still between Advances.
	Now() time.Time
	// Advance moves domain time and returns when what became due has happened.
	Advance(d time.Duration) error
	// Restart stops the server and starts it on the same data and addresses.
	Restart() error
	// BreakStorage makes every use of the stored executions fail, or work again.
	BreakStorage(broken bool) error
	Close() error
}

// Run plays a conversation over one protocol. The error says where and how the
// server differs from the file.
func Run(c Conversation, over Protocol, t Target) error {
	r := &runner{
		conv: c, over: over, target: t, start: t.Now(),
		http: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 4}},
		raw:  map[string]*client{}, pushes: map[string][]message{},
	}
	defer r.close()
	if err := r.listen(); err != nil {
		return fmt.Errorf("%s over %s: %w", c.Name, over, err)
	}
	for _, s := range c.Steps {
		if s.Only != "" && s.Only != over {
			continue
		}
		if err := r.step(s); err != nil {
			return fmt.Errorf("%s.txtar:%d: %s over %s: %w", c.Name, s.Line, s, over, err)
		}
	}
	if err := r.end(); err != nil {
		return fmt.Errorf("%s.txtar over %s: at the end: %w", c.Name, over, err)
	}
	return nil
}

// runner is the state of one run. Its methods are called by one goroutine.
type runner struct {
	conv   Conversation
	over   Protocol
	target Target
	start  time.Time // T
	http   *http.Client

	raw    map[string]*client // the connections of the MQTT steps, by name
	device *client            // the connection of the device steps over MQTT
	reply  *reply             // of the device step before, not yet looked at
	answer *answer            // of the operator or request step before
	counts struct{ tokens, probes, markers int }

	observer *client // hears every push
	strict   bool    // every push must be expected
	pushes   map[string][]message
	marked   bool // the marker thing is registered
}

func (r *runner) matcher(inOrder bool) matcher { return matcher{start: r.start, inOrder: inOrder} }

func (r *runner) step(s Step) error {
	switch s.Verb {
	case "answer", "accepted", "rejected":
	default:
		if err := r.nothingPending(); err != nil {
			return err
		}
	}
	switch s.Verb {
	case "thing":
		return r.things(s.Args)
	case "job":
		return r.jobs(s)
	case "operator":
		return r.ask(request{method: s.Args[0], path: s.Args[1], body: s.Body, service: "iot"})
	case "request":
		return r.ask(request{method: s.Args[0], path: s.Args[1], body: s.Body, service: s.Options["signed"], host: s.Options["host"]})
	case "answer":
		return r.answered(s)
	case "gone":
		return r.gone(s.Args[0])
	case "clock":
		return r.clock(s.Args[0])
	case "restart":
		return r.restart()
	case "break", "mend":
		return r.target.BreakStorage(s.Verb == "break")
	case "device":
		return r.operate(s)
	case "accepted", "rejected":
		return r.replied(s)
	case "notify", "notify-next":
		return r.pushed(s)
	case "silence":
		return r.silence()
	case "forget":
		return r.forget()
	}
	return r.mqttStep(s)
}

// nothingPending fails when a reply was not looked at, or an operator's request
// without an `answer` step did not succeed.
func (r *runner) nothingPending() error {
	if r.reply != nil {
		return fmt.Errorf("the device step before has no accepted or rejected; the reply was %s", r.reply)
	}
	if a := r.answer; a != nil && (a.request.service != "iot" || a.status/100 != 2) {
		return fmt.Errorf("%s was answered %s, and no answer step expected that", a.request, a)
	}
	r.answer = nil
	return nil
}

// end is the last step of every conversation: nothing may be left unread.
func (r *runner) end() error {
	if err := r.nothingPending(); err != nil {
		return err
	}
	if r.strict {
		if err := r.silence(); err != nil {
			return err
		}
	}
	for _, name := range r.names() {
		if c := r.raw[name]; c.alive() {
			if err := r.quiet(name, c); err != nil {
				return err
			}
		}
	}
	if r.device != nil {
		return r.quiet("the device", r.device)
	}
	return nil
}

// quiet pings a connection and fails if it holds a message nobody expected.
func (r *runner) quiet(name string, c *client) error {
	if err := c.ping(); err != nil {
		return fmt.Errorf("%s: ping: %w", name, err)
	}
	if m := c.waiting(); len(m) > 0 {
		return fmt.Errorf("%s got %d messages that nobody expected, first %s %s", name, len(m), m[0].topic, m[0].payload)
	}
	return nil
}

func (r *runner) names() []string {
	var names []string
	for n := range r.raw {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func (r *runner) close() {
	for _, c := range r.raw {
		c.close()
	}
	if r.device != nil {
		r.device.close()
	}
	if r.observer != nil {
		r.observer.close()
	}
	r.http.CloseIdleConnections()
}

func (r *runner) things(names []string) error {
	for _, n := range names {
		if err := r.must(request{method: "POST", path: "/things/" + n, body: "{}", service: "iot"}, nil); err != nil {
			return err
		}
	}
	return nil
}

// thingARN is where CreateJob finds a thing; the region and account are the
// defaults of the server.
func thingARN(name string) string { return "arn:aws:iot:us-east-1:000000000000:thing/" + name }

func (r *runner) jobs(s Step) error {
	minutes, err := s.number("timeout", 0)
	if err != nil {
		return err
	}
	for _, id := range series(s.Args[0]) {
		if err := r.createJob(id, s.Args[1:], s.Body, minutes, s.Options["namespace"]); err != nil {
			return err
		}
		if err := r.queued(id, len(s.Args)-1); err != nil {
			return err
		}
	}
	if r.observer == nil {
		return nil
	}
	return r.marker() // who subscribes in the next step is not told of this one
}

func (r *runner) createJob(id string, things []string, document string, minutes int, namespace string) error {
	in := map[string]any{"document": document}
	var targets []string
	for _, t := range things {
		targets = append(targets, thingARN(t))
	}
	in["targets"] = targets
	if minutes > 0 {
		in["timeoutConfig"] = map[string]int{"inProgressTimeoutInMinutes": minutes}
	}
	if namespace != "" {
		in["namespaceId"] = namespace
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return r.must(request{method: "PUT", path: "/jobs/" + id, body: string(body), service: "iot"}, nil)
}

// queued waits until the expansion of the job, which may be streamed, has made
// an execution for each thing.
func (r *runner) queued(id string, things int) error {
	if err := r.target.Advance(0); err != nil {
		return err
	}
	return until(fmt.Sprintf("job %s has %d executions", id, things), func() (bool, error) {
		var out struct {
			ExecutionSummaries []json.RawMessage `json:"executionSummaries"`
		}
		err := r.must(request{method: "GET", path: "/jobs/" + id + "/things", service: "iot"}, &out)
		return len(out.ExecutionSummaries) >= things, err
	})
}

// gone waits until the sweep of a deleted job is over.
func (r *runner) gone(id string) error {
	if err := r.target.Advance(0); err != nil {
		return err
	}
	return until("job "+id+" is gone", func() (bool, error) {
		a, err := r.do(request{method: "GET", path: "/jobs/" + id, service: "iot"})
		return err == nil && a.status == http.StatusNotFound, err
	})
}

// until asks again and again; it fails after the runner's patience.
func until(what string, ask func() (bool, error)) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		ok, err := ask()
		if ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return errors.New("waited in vain until " + what)
		}
	}
}

func (r *runner) clock(by string) error {
	d, err := time.ParseDuration(strings.TrimPrefix(by, "+"))
	if err != nil || !strings.HasPrefix(by, "+") {
		return fmt.Errorf("clock %s: want +10s, +5m or +2h", by)
	}
	return r.target.Advance(d)
}

func (r *runner) restart() error {
	for _, c := range r.raw {
		c.close()
	}
	clear(r.raw)
	if r.device != nil {
		r.device.close()
		r.device = nil
	}
	if r.observer != nil {
		r.observer.close()
		r.observer = nil
	}
	r.http.CloseIdleConnections()
	if err := r.target.Restart(); err != nil {
		return err
	}
	return r.listen()
}

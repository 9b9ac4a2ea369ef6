package conversation

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/job/jobtest"
)

// fleet is the model of package job beside a running server: every request
// goes to both, and the answers must agree.
type fleet struct {
	r      *runner
	c      *client
	m      *jobtest.Model
	thing  string // whose devices are listened to
	things []string
	prefix string // of job ids, and of the group
	inside map[string]bool
	// several: a step told devices more than once, so that only the last counts.
	several bool
}

// group is what the continuous jobs of the fleet target.
func (f *fleet) group() string { return f.prefix + "line" }

// marker joins or leaves after every other thing: when it is where it belongs,
// those before it are.
func (f *fleet) marker() string { return f.prefix + "marker" }

// gg is the namespace beside the plain queue that the jobs are in.
const gg = "gg"

// within is the topic of a verb, of a namespace where there is one.
func within(namespace, id, verb string) string {
	if namespace != "" {
		id += "/namespace-" + namespace
	}
	return id + "/" + verb
}

// shown is an execution, a summary or a state, as a device gets it.
type shown struct {
	JobID           string            `json:"jobId"`
	Status          string            `json:"status"`
	StatusDetails   map[string]string `json:"statusDetails"`
	VersionNumber   int64             `json:"versionNumber"`
	ExecutionNumber int64             `json:"executionNumber"`
	QueuedAt        int64             `json:"queuedAt"`
	StartedAt       int64             `json:"startedAt"`
	LastUpdatedAt   int64             `json:"lastUpdatedAt"`
	Left            *int64            `json:"approximateSecondsBeforeTimedOut"`
	JobDocument     json.RawMessage   `json:"jobDocument"`
}

type reaction struct {
	Code           string             `json:"code"`
	Execution      *shown             `json:"execution"`
	ExecutionState *shown             `json:"executionState"`
	InProgress     []shown            `json:"inProgressJobs"`
	Queued         []shown            `json:"queuedJobs"`
	Jobs           map[string][]shown `json:"jobs"`
}

// ask publishes a request and takes its answer; pushes that come before it are
// left in pushed.
func (f *fleet) ask(t *rapid.T, suffix string, body map[string]any) (got reaction, pushed []message) {
	return f.askOf(t, f.thing, suffix, body)
}

func (f *fleet) askOf(t *rapid.T, thing, suffix string, body map[string]any) (got reaction, pushed []message) {
	var payload []byte // no bytes at all mean {}
	if body != nil {
		var err error
		if payload, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	topic := "$aws/things/" + thing + "/jobs/" + suffix
	if _, err := f.c.publish(topic, payload, publishOptions{qos: 1}); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := f.c.next()
		if err != nil {
			t.Fatalf("%s: %v", suffix, err)
		}
		if !strings.HasPrefix(m.topic, topic+"/") {
			pushed = append(pushed, m)
			continue
		}
		if err := json.Unmarshal(m.payload, &got); err != nil {
			t.Fatalf("%s: %v in %s", suffix, err, m.payload)
		}
		return got, pushed
	}
}

// same holds an execution against the model's.
func (f *fleet) same(t *rapid.T, what string, got *shown, want *jobtest.Execution) {
	if (got == nil) != (want == nil) {
		t.Fatalf("%s: got %+v, the model says %+v", what, got, want)
	}
	if got == nil {
		return
	}
	var started int64
	if !want.StartedAt.IsZero() {
		started = want.StartedAt.Unix()
	}
	if got.JobID != want.Job || got.Status != want.Status || got.VersionNumber != want.Version || got.ExecutionNumber != want.Number ||
		!maps.Equal(got.StatusDetails, want.Details) ||
		got.QueuedAt != want.QueuedAt.Unix() || got.StartedAt != started || got.LastUpdatedAt != want.LastUpdatedAt.Unix() {
		t.Fatalf("%s: got %+v, the model says %+v", what, *got, *want)
	}
	var left int64 = -1
	if due := want.Due(); !due.IsZero() && want.Status == "IN_PROGRESS" {
		left = max(0, int64(due.Sub(f.m.Now)/time.Second))
	}
	if (got.Left == nil) != (left < 0) || got.Left != nil && *got.Left != left {
		t.Fatalf("%s: %v seconds are left, the model says %d", what, got.Left, left)
	}
}

// step does one thing to the server and the model, and then looks at all that
// a device can see: what it was told, the head, the pending lists.
func (f *fleet) step(t *rapid.T, do func() (pushed []message)) {
	before, beforeIn, headBefore := f.pending(""), f.pending(gg), f.head()
	f.several = false
	pushed := do()
	if f.m.Settle() { // a job was canceled on top
		f.several = true
	}
	f.settled(t)
	var want []string
	if !maps.Equal(before, f.pending("")) {
		want = append(want, "notify")
	}
	if headBefore != f.head() {
		want = append(want, "notify-next")
	}
	if !maps.Equal(beforeIn, f.pending(gg)) {
		want = append(want, "notify-namespace-"+gg)
	}
	for len(pushed) < len(want) && !f.several {
		m, err := f.c.next()
		if err != nil {
			t.Fatalf("told %d of %v: %v", len(pushed), want, err)
		}
		pushed = append(pushed, m)
	}
	for _, n := range []string{"", gg} {
		next, more := f.ask(t, within(n, "$next", "get"), nil)
		pushed = append(pushed, more...)
		f.same(t, "$next", next.Execution, f.m.Head(f.thing, n))
	}

	var told []string
	for _, m := range pushed {
		var r reaction
		if err := json.Unmarshal(m.payload, &r); err != nil {
			t.Fatal(err)
		}
		verb := m.topic[strings.LastIndex(m.topic, "/")+1:]
		told = append(told, verb)
		if f.several {
			continue
		}
		switch verb {
		case "notify":
			f.lists(t, verb, "", r.Jobs["IN_PROGRESS"], r.Jobs["QUEUED"])
		case "notify-namespace-" + gg:
			f.lists(t, verb, gg, r.Jobs["IN_PROGRESS"], r.Jobs["QUEUED"])
		case "notify-next":
			f.same(t, verb, r.Execution, f.m.Head(f.thing, ""))
		}
	}
	slices.Sort(told)
	slices.Sort(want)
	if f.several {
		told = slices.Compact(told)
		told = slices.DeleteFunc(told, func(verb string) bool { return !slices.Contains(want, verb) }) // there and back again
	}
	if !slices.Equal(told, want) {
		t.Fatalf("devices were told %v, and should be told %v", told, want)
	}
	list, _ := f.ask(t, "get", nil)
	f.lists(t, "get", "", list.InProgress, list.Queued)
}

func (f *fleet) lists(t *rapid.T, what, namespace string, inProgress, queued []shown) {
	var got, want []string
	for _, s := range inProgress {
		got = append(got, fmt.Sprint(s.JobID, " IN_PROGRESS ", s.VersionNumber))
	}
	for _, s := range queued {
		got = append(got, fmt.Sprint(s.JobID, " QUEUED ", s.VersionNumber))
	}
	for _, e := range f.m.Pending(f.thing, namespace) {
		want = append(want, fmt.Sprint(e.Job, " ", e.Status, " ", e.Version))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%s lists %v, the model says %v", what, got, want)
	}
}

func (f *fleet) pending(namespace string) map[string]bool {
	set := map[string]bool{}
	for _, e := range f.m.Pending(f.thing, namespace) {
		set[fmt.Sprint(e.Job, "#", e.Number)] = true
	}
	return set
}

func (f *fleet) head() string {
	if e := f.m.Head(f.thing, ""); e != nil {
		return fmt.Sprint(e.Job, "#", e.Number)
	}
	return ""
}

// operate makes a control-plane request that must have this status.
func (f *fleet) operate(t *rapid.T, method, path, body string, status int) []byte {
	a, err := f.r.do(request{method: method, path: path, body: body, service: "iot"})
	if err != nil {
		t.Fatal(err)
	}
	if a.status != status {
		t.Fatalf("%s %s was answered %s, the model says %d", method, path, a, status)
	}
	return a.body
}

var httpStatus = map[string]int{
	"": http.StatusOK, "ResourceNotFound": http.StatusNotFound, "InvalidStateTransition": http.StatusConflict,
}

// TestTheServerAgreesWithTheModel sends random requests of devices and
// operators to a running server and to the model of package job: versions grow
// by one, terminal is final, one winner for each expected version, the order of
// the queue, notify-next equals what $next describes, counters equal recounts.
func TestTheServerAgreesWithTheModel(t *testing.T) {
	target := startServer(t, nil)
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		f := &fleet{
			r:     &runner{target: target, start: target.Now(), http: &http.Client{Timeout: patience}},
			thing: fmt.Sprintf("model-%d", round), prefix: fmt.Sprintf("m%d-", round), m: jobtest.New(target.Now()),
			inside: map[string]bool{},
		}
		f.things = []string{f.thing, f.prefix + "x", f.prefix + "y"}
		defer f.r.close()
		if err := f.r.things(append([]string{f.marker()}, f.things...)); err != nil {
			t.Fatal(err)
		}
		f.operate(t, "POST", "/thing-groups/"+f.group(), "{}", http.StatusOK)
		f.listen(t)
		defer f.c.close()
		job := rapid.Custom(func(t *rapid.T) string {
			return f.prefix + rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "job")
		})
		t.Repeat(f.actions(job))
		f.recount(t)
	})
}

func (f *fleet) listen(t *rapid.T) {
	var err error
	if f.c, err = dial(f.r.target.MQTTAddr(), connectOptions{id: f.thing}); err != nil {
		t.Fatal(err)
	}
	jobs := "$aws/things/" + f.thing + "/jobs/"
	if err := f.c.welcomed(false); err != nil {
		t.Fatal(err)
	}
	id, err := f.c.subscribe([]string{jobs + "notify", jobs + "notify-next", jobs + "notify-namespace-" + gg}, 1, 0)
	if err == nil {
		_, err = f.c.granted(id)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (f *fleet) actions(jobs *rapid.Generator[string]) map[string]func(*rapid.T) {
	namespaces := rapid.SampledFrom([]string{"", gg})
	details := rapid.MapOfN(rapid.StringMatching(`[a-z]{1,3}`), rapid.StringMatching(`[a-z0-9]{1,5}`), 0, 3)
	return map[string]func(*rapid.T){
		"create": func(t *rapid.T) {
			id, minutes := jobs.Draw(t, "job"), rapid.IntRange(0, 4).Draw(t, "timeout")
			namespace := namespaces.Draw(t, "namespace")
			retries := rapid.SampledFrom([]map[string]int{nil, {"FAILED": 2, "TIMED_OUT": 1}, {"ALL": 2}}).Draw(t, "retries")
			aborts := rapid.SampledFrom([][]jobtest.Abort{nil, nil, {{Failure: "ALL", Percent: 50, Least: 2}}, {{Failure: "TIMED_OUT", Percent: 1, Least: 1}, {Failure: "FAILED", Percent: 66.5, Least: 3}}}).Draw(t, "abort")
			continuous := rapid.Bool().Draw(t, "continuous")
			if f.m.Jobs[id] != nil {
				return
			}
			f.step(t, func() []message {
				var targets, on []string
				for _, thing := range f.things {
					targets = append(targets, thingARN(thing))
				}
				on = f.things
				body := map[string]any{"document": `{"job":"` + id + `"}`}
				if continuous {
					targets, on = []string{strings.Replace(thingARN(f.group()), ":thing/", ":thinggroup/", 1)}, nil
					for _, thing := range append([]string{f.marker()}, f.things...) { // in the order of their keys
						if f.inside[thing] {
							on = append(on, thing)
						}
					}
					body["targetSelection"] = "CONTINUOUS"
				}
				body["targets"] = targets
				configure(body, retries, aborts)
				if minutes > 0 {
					body["timeoutConfig"] = map[string]any{"inProgressTimeoutInMinutes": minutes}
				}
				if namespace != "" {
					body["namespaceId"] = namespace
				}
				b, _ := json.Marshal(body)
				f.operate(t, "PUT", "/jobs/"+id, string(b), http.StatusOK)
				f.m.Create(id, namespace, minutes, on...)
				j := f.m.Jobs[id]
				j.Retries, j.Abort = retries, aborts
				if continuous {
					j.Group = f.group()
				}
				return nil
			})
		},
		"start-next": func(t *rapid.T) {
			d, minutes := details.Draw(t, "details"), rapid.IntRange(0, 3).Draw(t, "step")
			f.step(t, func() []message {
				body := map[string]any{"statusDetails": d}
				if minutes > 0 {
					body["stepTimeoutInMinutes"] = minutes
				}
				got, pushed := f.ask(t, "start-next", body)
				f.same(t, "start-next", got.Execution, f.m.StartNext(f.thing, d, minutes).Execution)
				return pushed
			})
		},
		"update": func(t *rapid.T) {
			who := rapid.SampledFrom(f.things).Draw(t, "thing")
			f.update(t, who, jobs.Draw(t, "job"), namespaces.Draw(t, "in"), details.Draw(t, "details"))
		},
		"describe": func(t *rapid.T) {
			id, in := jobs.Draw(t, "job"), namespaces.Draw(t, "in")
			got, _ := f.ask(t, within(in, id, "get"), nil)
			want := f.m.Describe(f.thing, id, in)
			if got.Code != want.Code {
				t.Fatalf("describe: got %q, the model says %q", got.Code, want.Code)
			}
			f.same(t, "describe", got.Execution, want.Execution)
		},
		"cancel execution": func(t *rapid.T) {
			id, force := jobs.Draw(t, "job"), rapid.Bool().Draw(t, "force")
			f.step(t, func() []message {
				want := f.m.CancelExecution(f.thing, id, force)
				f.operate(t, "PUT", fmt.Sprintf("/things/%s/jobs/%s/cancel?force=%v", f.thing, id, force), "{}", httpStatus[want.Code])
				return nil
			})
		},
		"delete execution": func(t *rapid.T) {
			id, force := jobs.Draw(t, "job"), rapid.Bool().Draw(t, "force")
			f.step(t, func() []message {
				number := rapid.Int64Range(1, 3).Draw(t, "number")
				want := f.m.DeleteExecution(f.thing, id, number, force)
				f.operate(t, "DELETE", fmt.Sprintf("/things/%s/jobs/%s/executionNumber/%d?force=%v", f.thing, id, number, force), "", httpStatus[want.Code])
				return nil
			})
		},
		"cancel job": func(t *rapid.T) {
			id, force := jobs.Draw(t, "job"), rapid.Bool().Draw(t, "force")
			if j := f.m.Jobs[id]; j == nil || j.Over != "" {
				return
			}
			f.step(t, func() []message {
				f.m.CancelJob(id, force)
				f.operate(t, "PUT", fmt.Sprintf("/jobs/%s/cancel?force=%v", id, force), "{}", http.StatusOK)
				return nil
			})
		},
		"time": func(t *rapid.T) {
			by := f.untilDue(time.Duration(rapid.IntRange(1, 100).Draw(t, "seconds")) * time.Second)
			f.step(t, func() []message {
				f.several = f.expiring(by) > 1
				f.m.Advance(by)
				if err := f.r.target.Advance(by); err != nil {
					t.Fatal(err)
				}
				return nil
			})
		},
		"join or leave": func(t *rapid.T) {
			who := rapid.SampledFrom(f.things).Draw(t, "thing")
			f.step(t, func() []message {
				following := 0
				for _, j := range f.m.Jobs {
					if j.Group != "" && j.Over == "" {
						following++
					}
				}
				f.several = following > 1 // each tells devices for itself
				f.move(t, who)
				f.move(t, f.marker())
				return nil
			})
		},
	}
}

// expiring counts the executions of the thing that time out within d.
func (f *fleet) expiring(d time.Duration) (n int) {
	for _, e := range f.m.Rows {
		if due := e.Due(); e.Thing == f.thing && !due.IsZero() && !due.After(f.m.Now.Add(d)) {
			n++
		}
	}
	return n
}

func (f *fleet) update(t *rapid.T, who, id, in string, details map[string]string) {
	status := rapid.SampledFrom(job.Statuses()).Draw(t, "status").String()
	expected := rapid.Int64Range(-1, 4).Draw(t, "expectedVersion")
	minutes := rapid.IntRange(-1, 3).Draw(t, "step")
	f.step(t, func() []message {
		body := map[string]any{"status": status, "includeJobExecutionState": true, "statusDetails": details}
		if expected >= 0 {
			body["expectedVersion"] = expected
		}
		if minutes != 0 {
			body["stepTimeoutInMinutes"] = minutes
		}
		got, pushed := f.askOf(t, who, within(in, id, "update"), body)
		want := f.m.Update(who, id, in, status, expected, details, minutes)
		if got.Code != want.Code {
			t.Fatalf("update to %s: got %q, the model says %q", status, got.Code, want.Code)
		}
		if s, w := got.ExecutionState, want.Execution; (s == nil) != (w == nil) ||
			s != nil && (s.Status != w.Status || s.VersionNumber != w.Version || !maps.Equal(s.StatusDetails, w.Details)) {
			t.Fatalf("update to %s: the state is %+v, the model's %+v", status, s, w)
		}
		return pushed
	})
}

// recount holds each job's counters against the model's rows.
func (f *fleet) recount(t *rapid.T) {
	for id := range f.m.Jobs {
		var got struct {
			Job struct {
				Details map[string]int64 `json:"jobProcessDetails"`
			} `json:"job"`
		}
		if err := json.Unmarshal(f.operate(t, "GET", "/jobs/"+id, "", http.StatusOK), &got); err != nil {
			t.Fatal(err)
		}
		want := f.m.Counts(id)
		for status, name := range map[string]string{
			"QUEUED": "numberOfQueuedThings", "IN_PROGRESS": "numberOfInProgressThings", "SUCCEEDED": "numberOfSucceededThings",
			"FAILED": "numberOfFailedThings", "TIMED_OUT": "numberOfTimedOutThings", "REJECTED": "numberOfRejectedThings",
			"REMOVED": "numberOfRemovedThings", "CANCELED": "numberOfCanceledThings",
		} {
			if got.Job.Details[name] != want[status] {
				t.Fatalf("job %s: %s is %d, the model counts %d", id, name, got.Job.Details[name], want[status])
			}
		}
	}
}

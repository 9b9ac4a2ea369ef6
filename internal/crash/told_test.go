package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/sim"
	"github.com/drover-iot/drover/internal/sim/operator"
)

// told is the ledger's part about events (control-plane.md C): what the service has
// told of jobs and executions, to sessions that are away most of the time. In every
// other folder they are enabled.
type told struct {
	clerks []*clerk
	heard  map[notice]map[string]bool // the eventIds
	due    []due                      // by the verification under way
}

// notice is what an event tells; without a thing it is of the job itself.
type notice struct{ job, thing, operation string }

// due is what must have been told of a job, or of its executions on one thing: each
// operation so often, and no other. loosely: others may have been told as well, but
// the end of an execution once at most.
type due struct {
	job, thing string
	operations map[string]times
	loosely    bool
}

type times struct{ least, most int }

var once = times{1, 1}

// clerk is a persistent session that hears some events.
type clerk struct {
	id      string
	filters []string
}

// A session holds 10,000 messages, so a clerk hears one kind of what happens to a
// job on thousands.
var clerks = []clerk{
	{"clerk-jobs", []string{"$aws/events/job/#"}},
	{"clerk-canceled", []string{"$aws/events/jobExecution/+/canceled"}},
	{"clerk-deleted", []string{"$aws/events/jobExecution/+/deleted"}},
	{"clerk-ended", []string{
		"$aws/events/jobExecution/+/succeeded", "$aws/events/jobExecution/+/failed", "$aws/events/jobExecution/+/rejected",
		"$aws/events/jobExecution/+/timed_out", "$aws/events/jobExecution/+/removed",
	}},
}

func (c *clerk) barrier() string { return "barrier/" + c.id }

// tells says whether this folder's server tells of its jobs.
func (w *world) tells() bool { return w.n%2 == 0 }

// openTold enables the events of a new folder and makes the sessions.
func (r *round) openTold() error {
	r.heard = map[notice]map[string]bool{}
	if !r.tells() {
		return nil
	}
	if err := r.api.EnableEvents(r.ctx, "JOB", "JOB_EXECUTION"); err != nil {
		return err
	}
	for _, c := range clerks {
		r.clerks = append(r.clerks, &c)
		s, err := dial(r.ctx, r.Ready.MQTT, c.id, true)
		if err != nil {
			return err
		}
		if err := s.Subscribe(r.ctx, append([]string{c.barrier()}, c.filters...)...); err != nil {
			return err
		}
		if err := s.Drop(); err != nil {
			return err
		}
	}
	return nil
}

// listen has a clerk hear at once what others hear when they come back, in one round
// of three.
func (r *round) listen() {
	if !r.tells() || r.rnd.IntN(3) > 0 {
		return
	}
	c := r.clerks[r.rnd.IntN(len(r.clerks))]
	r.listeners.Go(func() {
		s, err := dial(r.ctx, r.Ready.MQTT, c.id, true)
		if err != nil {
			r.unanswered("CONNECT, session present", err)
			return
		}
		defer s.Drop() //nolint:errcheck // what is not acknowledged comes again
		for in := map[string]bool{}; ; {
			m, err := s.Receive(r.ctx, time.Time{})
			if m.Topic != "" {
				r.hears(c, m, in)
			}
			if err != nil {
				return
			}
		}
	})
}

// hears notes an event that came; in is what came in this connection.
func (r *round) hears(c *clerk, m sim.Message, in map[string]bool) {
	if m.Topic == c.barrier() {
		return // of a drain that the end of a server cut off
	}
	var e struct {
		EventID   string `json:"eventId"`
		JobID     string `json:"jobId"`
		ThingARN  string `json:"thingArn"`
		Operation string `json:"operation"`
	}
	if err := json.Unmarshal(m.Payload, &e); err != nil || e.EventID == "" || e.JobID == "" {
		r.find(wrong, "an event on %s is %q: %v", m.Topic, m.Payload, err)
		return
	}
	if in[e.EventID] {
		r.find(doubled, "%s hears event %s twice in one connection: %s", c.id, e.EventID, m.Payload)
	}
	in[e.EventID] = true
	what := notice{e.JobID, e.ThingARN[strings.LastIndexByte(e.ThingARN, '/')+1:], e.Operation}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.heard[what] == nil {
		r.heard[what] = map[string]bool{}
	}
	r.heard[what][e.EventID] = true
}

// drain has a clerk hear all that its session holds.
func (r *round) drain(c *clerk) error {
	s, err := dial(r.ctx, r.Ready.MQTT, c.id, true)
	if err != nil {
		return err
	}
	defer s.Drop() //nolint:errcheck // nothing is lost with it
	if !s.Resumed() {
		r.find(lost, "the session %s", c.id)
		return nil
	}
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	// One by one: what was acknowledged is noted, also when the server ends meanwhile.
	text := fmt.Sprint(rand.Uint64())
	s.Publish(c.barrier(), []byte(text))
	for in := map[string]bool{}; ; {
		m, err := s.Receive(ctx, time.Time{})
		switch {
		case m.Topic == c.barrier() && string(m.Payload) == text:
			return nil
		case m.Topic != "":
			r.hears(c, m, in)
		case err != nil:
			return fmt.Errorf("waiting for its barrier: %w", err)
		}
	}
}

func (r *round) drainAll() error {
	for _, c := range r.clerks {
		if err := r.drain(c); err != nil {
			return fmt.Errorf("%s: %w", c.id, err)
		}
	}
	return nil
}

// mustTell notes what must have been told.
func (r *round) mustTell(d due) {
	if !r.tells() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.due = append(r.due, d)
}

// verifyTold holds what was heard against what must have been told, once each.
// Whoever is told is told after the commit, so it may take a moment.
func (r *round) verifyTold() error {
	all := r.due
	r.due = nil
	if !r.tells() {
		return nil
	}
	r.report.note(func() { r.report.Checks += len(all) })
	ctx, cancel := context.WithTimeout(r.ctx, settling)
	defer cancel()
	err := until(ctx, "", func() (bool, error) {
		if err := r.drainAll(); err != nil {
			return false, err
		}
		all = slices.DeleteFunc(all, func(d due) bool { v, _ := r.judgeDue(d); return v == "" })
		waiting := slices.ContainsFunc(all, func(d due) bool { v, _ := r.judgeDue(d); return v == lost })
		return !waiting, nil
	})
	for _, d := range all {
		if v, why := r.judgeDue(d); v != "" {
			r.find(v, "%s", why)
		}
	}
	if errors.Is(err, context.DeadlineExceeded) && r.ctx.Err() == nil {
		return nil
	}
	return err
}

// operations are what can be told, of an execution and of a job.
var (
	executionOperations = []string{"canceled", "succeeded", "failed", "rejected", "timed_out", "removed", "deleted"}
	jobOperations       = []string{"completed", "cancellation_in_progress", "canceled", "deletion_in_progress", "deleted"}
)

func (t *told) judgeDue(d due) (verdict, string) {
	of, known := "the execution of "+d.job+" on "+d.thing, executionOperations
	if d.thing == "" {
		of, known = d.job, jobOperations
	}
	ends := 0
	for _, operation := range known {
		n := len(t.heard[notice{d.job, d.thing, operation}])
		want, named := d.operations[operation]
		if operation != "deleted" {
			ends += n
		}
		switch {
		case n < want.least:
			return lost, fmt.Sprintf("that %s was %s is told %d times, want %d", of, operation, n, want.least)
		case n > want.most && (named || !d.loosely):
			return doubled, fmt.Sprintf("that %s was %s is told %d times, want %d", of, operation, n, want.most)
		}
	}
	if d.loosely && d.thing != "" && ends > 1 {
		return doubled, fmt.Sprintf("that %s has ended is told %d times", of, ends)
	}
	return "", ""
}

// mustTellEnds notes that the ends in a job's list must have been told.
func (r *round) mustTellEnds(job string, list []operator.JobExecution) {
	for thing, mine := range attempts(list) {
		told := map[string]times{}
		for _, e := range mine {
			if operation := strings.ToLower(e.Status); slices.Contains(executionOperations, operation) {
				n := told[operation].least + 1
				told[operation] = times{n, n}
			}
		}
		r.mustTell(due{job: job, thing: thing, operations: told})
	}
}

// The ledger of events must be able to fail too.
func TestCrashToldTellsWhatWasToldTooOftenOrNever(t *testing.T) {
	heard := func(operations ...string) told {
		all := told{heard: map[notice]map[string]bool{}}
		for i, o := range operations {
			what := notice{"j", "t", o}
			if all.heard[what] == nil {
				all.heard[what] = map[string]bool{}
			}
			all.heard[what][fmt.Sprint(i)] = true
		}
		return all
	}
	canceled := due{job: "j", thing: "t", operations: map[string]times{"canceled": once}}
	gone := due{job: "j", thing: "t", operations: map[string]times{"deleted": once}, loosely: true}
	for _, x := range []struct {
		name string
		told told
		due  due
		want verdict
	}{
		{"it was canceled once", heard("canceled"), canceled, ""},
		{"it was never told", heard(), canceled, lost},
		{"it was told twice", heard("canceled", "canceled"), canceled, doubled},
		{"it was told to have ended otherwise too", heard("canceled", "succeeded"), canceled, doubled},
		{"it ended, and was deleted", heard("succeeded", "deleted"), gone, ""},
		{"it did not end before", heard("deleted"), gone, ""},
		{"its deletion was told twice", heard("deleted", "deleted"), gone, doubled},
		{"its deletion was not told", heard("succeeded"), gone, lost},
		{"it ended twice", heard("succeeded", "canceled", "deleted"), gone, doubled},
		{"nothing has happened to it", heard("failed"), due{job: "j", thing: "t"}, doubled},
		{"it may have been told twice", heard("canceled", "canceled"), due{job: "j", thing: "t", operations: map[string]times{"canceled": {1, 2}}}, ""},
	} {
		if got, why := x.told.judgeDue(x.due); got != x.want {
			t.Errorf("%s: verdict %q, want %q (%s)", x.name, got, x.want, why)
		}
	}
}

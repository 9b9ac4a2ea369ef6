package job_test

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/job/jobtest"
)

// domain drives package job the way a store does, for one thing.
type domain struct {
	rows map[job.ID][]job.Entry // attempts, oldest first
	now  time.Time
	seq  int64
	jobs map[job.ID]job.State
}

func (d *domain) queue(id job.ID) job.Queue {
	q := d.queueOf(d.jobs[id].Namespace)
	if attempts := d.rows[id]; len(attempts) > 0 {
		q.Named = attempts[len(attempts)-1]
		if len(attempts) > 1 {
			q.Previous = attempts[len(attempts)-2]
		}
	}
	q.Named.Job = d.jobs[id]
	return q
}

func (d *domain) queueOf(n job.Namespace) (q job.Queue) {
	for id, attempts := range d.rows {
		for _, e := range attempts {
			if e.Status.Pending() && d.jobs[id].Namespace == n {
				e.Job = d.jobs[id]
				q.Pending = append(q.Pending, e)
			}
		}
	}
	slices.SortFunc(q.Pending, func(a, b job.Entry) int {
		if job.Less(a.Execution, b.Execution) {
			return -1
		}
		return 1
	})
	return q
}

func (d *domain) write(out job.Outcome) {
	for _, m := range out.Moves {
		id := m.After.JobID + m.Before.JobID
		if m.Before.Number == 0 {
			d.seq++
			m.After.Seq = d.seq
			d.rows[id] = append(d.rows[id], job.Entry{Execution: m.After})
			continue
		}
		id = m.Before.JobID
		at := slices.IndexFunc(d.rows[id], func(e job.Entry) bool { return e.Number == m.Before.Number })
		if m.After.Number == 0 {
			d.rows[id] = slices.Delete(d.rows[id], at, at+1)
			continue
		}
		d.rows[id][at].Execution = m.After
	}
}

// sweep is what the scheduler does when timers have run out: for jobs that try
// again, since the others may as well stay as they are stored.
func (d *domain) sweep() {
	var running []job.Entry
	for id, attempts := range d.rows {
		for _, e := range attempts {
			if due := e.Due(); !due.IsZero() && !due.After(d.now) && d.jobs[id].Retries != (job.Budget{}) {
				running = append(running, e)
			}
		}
	}
	slices.SortFunc(running, func(a, b job.Entry) int { return int(a.Seq - b.Seq) })
	for _, e := range running {
		_ = d.apply(e.JobID, "", job.Change{Kind: job.Sweep})
	}
}

func (d *domain) apply(id job.ID, n job.Namespace, c job.Change) error {
	out, err := d.queue(id).Within(n).Apply(job.Ref{Job: id}, c, d.now)
	d.write(out)
	return err
}

// words are the MQTT spellings of the codes that the model speaks of.
var words = map[job.Code]string{
	job.NotFound: "ResourceNotFound", job.VersionMismatch: "VersionMismatch",
	job.InvalidStateTransition: "InvalidStateTransition", job.InvalidRequest: "InvalidRequest",
}

func agree(t *rapid.T, what string, err error, want jobtest.Result) {
	var e *job.Error
	got := ""
	if errors.As(err, &e) {
		got = words[e.Code]
	}
	if got != want.Code {
		t.Fatalf("%s: the domain says %q (%v), the model %q", what, got, err, want.Code)
	}
	if e != nil && e.State != nil && (e.State.Version != want.Execution.Version || e.State.Status.String() != want.Execution.Status) {
		t.Fatalf("%s: the state is %+v, the model's %+v", what, e.State, want.Execution)
	}
}

// TestTheDomainAgreesWithTheModel runs random requests against both.
func TestTheDomainAgreesWithTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := time.UnixMilli(1_760_000_000_000).UTC()
		m := jobtest.New(start)
		d := &domain{rows: map[job.ID][]job.Entry{}, now: start, jobs: map[job.ID]job.State{}}
		jobs := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"})
		namespaces := rapid.SampledFrom([]string{"", "gg", "other"})
		t.Repeat(map[string]func(*rapid.T){
			"create": func(t *rapid.T) {
				id := jobs.Draw(t, "job")
				if m.Jobs[id] != nil {
					return
				}
				minutes := rapid.IntRange(0, 5).Draw(t, "timeout")
				namespace := namespaces.Draw(t, "namespace")
				m.Create(id, namespace, minutes, "t")
				s := job.State{Key: int64(id[0]), ID: job.ID(id), Status: job.JobInProgress, InProgressMinutes: int64(minutes), Namespace: job.Namespace(namespace)}
				m.Jobs[id].Retries = rapid.SampledFrom([]map[string]int{nil, {"FAILED": 2, "TIMED_OUT": 1}, {"ALL": 3}}).Draw(t, "retries")
				r := m.Jobs[id].Retries
				s.Retries = job.Budget{Failed: int64(r["FAILED"]), TimedOut: int64(r["TIMED_OUT"]), Both: int64(r["ALL"])}
				d.jobs[s.ID] = s
				d.write(d.queue(s.ID).Enqueue(job.Entry{Execution: job.New(1, s.Key, s.ID, 1, d.now), Job: s}, d.now))
			},
			"start-next": func(t *rapid.T) {
				step := rapid.IntRange(0, 3).Draw(t, "step")
				out, head, ok, err := d.queueOf("").StartNext(job.Change{Kind: job.Start, Step: job.StepTimeout{Minutes: int64(step)}}, d.now)
				d.write(out)
				want := m.StartNext("t", nil, step).Execution
				if err != nil || ok != (want != nil) || ok && (string(head.JobID) != want.Job || head.Version != want.Version) {
					t.Fatalf("start-next gave %+v %v, the model %+v", head, err, want)
				}
			},
			"update": func(t *rapid.T) {
				id := jobs.Draw(t, "job")
				status := rapid.SampledFrom(job.Statuses()).Draw(t, "status")
				expected := rapid.Int64Range(-1, 4).Draw(t, "expectedVersion")
				step := rapid.IntRange(-1, 3).Draw(t, "step")
				details := map[string]string{"n": rapid.StringMatching(`[a-z]{1,3}`).Draw(t, "n")}
				c := job.Change{Kind: job.Report, Status: status, Details: details}
				if expected >= 0 {
					c.ExpectedVersion = &expected
				}
				if step < 0 {
					c.Step.Drop = true
				} else {
					c.Step.Minutes = int64(step)
				}
				in := namespaces.Draw(t, "asked in")
				agree(t, "update", d.apply(job.ID(id), job.Namespace(in), c), m.Update("t", id, in, status.String(), expected, details, step))
			},
			"cancel execution": func(t *rapid.T) {
				id, force := jobs.Draw(t, "job"), rapid.Bool().Draw(t, "force")
				agree(t, "cancel", d.apply(job.ID(id), "", job.Change{Kind: job.Cancel, Force: force}), m.CancelExecution("t", id, force))
			},
			"delete execution": func(t *rapid.T) {
				id, force := jobs.Draw(t, "job"), rapid.Bool().Draw(t, "force")
				number := d.queue(job.ID(id)).Named.Number
				agree(t, "delete", d.apply(job.ID(id), "", job.Change{Kind: job.Delete, Force: force}), m.DeleteExecution("t", id, number, force))
			},
			"time": func(t *rapid.T) {
				by := time.Duration(rapid.IntRange(1, 150).Draw(t, "seconds")) * time.Second
				m.Advance(by)
				d.now = d.now.Add(by)
				d.sweep()
			},
			"": func(t *rapid.T) {
				for _, n := range []string{"", "gg", "other"} {
					var want, got []string
					for _, e := range m.Pending("t", n) {
						want = append(want, e.Job+e.Status)
					}
					for _, e := range d.queueOf(job.Namespace(n)).Visible(d.now) {
						got = append(got, string(e.JobID)+e.Status.String())
					}
					if !slices.Equal(want, got) {
						t.Fatalf("pending in %q is %v, the model's %v", n, got, want)
					}
				}
				for id, attempts := range d.rows {
					if len(attempts) == 0 {
						continue
					}
					row := attempts[len(attempts)-1]
					seen, _ := job.Effective(row.Execution, d.jobs[id], d.now)
					e := m.Find("t", string(id))
					if e == nil || seen.Number != e.Number || int(seen.RetryAttempt) != e.Used["FAILED"]+e.Used["TIMED_OUT"] || seen.Version != e.Version || seen.Status.String() != e.Status ||
						!maps.Equal(seen.Details, e.Details) || !seen.LastUpdatedAt.Equal(e.LastUpdatedAt) || !seen.StartedAt.Equal(e.StartedAt) {
						t.Fatalf("job %s is %+v, the model's %+v", id, seen, e)
					}
				}
			},
		})
	})
}

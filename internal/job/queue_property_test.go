package job

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// machine is a thing with several jobs under random changes: the rules hold
// after each of them.
type machine struct {
	now     time.Time
	rows    map[ID][]Execution // attempts by job, oldest first
	states  map[ID]State
	tallies map[ID]Tally
	told    Ref // the plain head as devices were told
	pending map[Namespace]map[Ref]bool
	seq     int64
}

// budgets of the machine's jobs: none, separate, one that is shared, a short one.
var budgets = []Budget{{}, {Failed: 2, TimedOut: 1}, {Both: 3}, {TimedOut: 1}}

func newMachine() *machine {
	m := &machine{
		now: epoch, rows: map[ID][]Execution{}, states: map[ID]State{}, tallies: map[ID]Tally{},
		pending: map[Namespace]map[Ref]bool{},
	}
	for i, id := range []ID{"a", "b", "c", "d"} {
		m.states[id] = State{Key: int64(i + 1), ID: id, Status: JobInProgress, InProgressMinutes: int64(i) * 3, Retries: budgets[i]}
		if i >= 2 { // two jobs in each of two namespaces
			s := m.states[id]
			s.Namespace = "gg"
			m.states[id] = s
		}
	}
	return m
}

// queue is what the store would hand to a decision.
func (m *machine) queue(r Ref) Queue {
	q := m.queueOf(m.states[r.Job].Namespace)
	attempts := m.rows[r.Job]
	for i, e := range attempts {
		if e.Number == r.Number || r.Number == 0 && i == len(attempts)-1 {
			q.Named = Entry{e, m.states[r.Job]}
			if i > 0 {
				q.Previous = Entry{attempts[i-1], m.states[r.Job]}
			}
			if i < len(attempts)-1 {
				q.Newer = Entry{attempts[len(attempts)-1], m.states[r.Job]}
				q.Superseded = slices.ContainsFunc(attempts[i+1:], func(e Execution) bool { return e.Status.Finished() })
			}
		}
	}
	return q
}

// queueOf is the queue of a namespace.
func (m *machine) queueOf(n Namespace) Queue {
	var q Queue
	for id, attempts := range m.rows {
		if m.states[id].Namespace != n {
			continue
		}
		for _, e := range attempts {
			if e.Status.Pending() {
				q.Pending = append(q.Pending, Entry{e, m.states[id]})
			}
		}
	}
	slices.SortFunc(q.Pending, func(a, b Entry) int { return compare(a.Execution, b.Execution) })
	return q
}

// write applies an outcome as a store would, checking each move on the way.
func (m *machine) write(t *rapid.T, out Outcome) {
	for _, move := range out.Moves {
		b, a := move.Before, move.After
		id := ID(b.JobID + a.JobID)
		if b.Number != 0 && a.Number != 0 {
			id = a.JobID
			if a.Version != b.Version+1 {
				t.Fatalf("the version went from %d to %d", b.Version, a.Version)
			}
			if b.Status.Terminal() {
				t.Fatalf("%s is final, and became %s", b.Status, a.Status)
			}
			if !b.StartedAt.IsZero() && a.StartedAt != b.StartedAt {
				t.Fatal("startedAt moved")
			}
		}
		if move.Namespace != m.states[id].Namespace {
			t.Fatalf("a move of %s is in namespace %q", id, move.Namespace)
		}
		m.tallies[id] = m.tallies[id].Plus(move.Tally)
		switch {
		case b.Number == 0:
			m.seq++
			a.Seq = m.seq
			m.rows[id] = append(m.rows[id], a)
		case a.Number == 0:
			m.rows[id] = slices.DeleteFunc(m.rows[id], func(e Execution) bool { return e.Number == b.Number })
			m.relink(id)
		default:
			for i := range m.rows[id] {
				if m.rows[id][i].Number == a.Number {
					m.rows[id][i] = a
				}
			}
		}
	}
	for _, e := range out.Effects {
		head, _ := Head(e.After, m.now)
		if e.Next && e.Namespace != "" {
			t.Fatal("a namespace has no notify-next")
		}
		if e.Next {
			m.told = head.refIfAny()
		}
		if e.Notify {
			m.pending[e.Namespace] = pendingSet(e.After, m.now)
		}
	}
}

// relink keeps, after one was deleted, what attempts know of those before them.
func (m *machine) relink(id ID) {
	var behind Status
	for i := range m.rows[id] {
		m.rows[id][i].FinishedBefore = behind
		behind = m.rows[id][i].Latest()
	}
}

func (e Execution) refIfAny() Ref {
	if e.Number == 0 {
		return Ref{}
	}
	return e.Ref()
}

func pendingSet(q Queue, now time.Time) map[Ref]bool {
	set := map[Ref]bool{}
	for _, e := range q.Visible(now) {
		set[e.Ref()] = true
	}
	return set
}

// sweep writes down what the flags and the clock have made of the rows, as the
// scheduler does.
func (m *machine) sweep(t *rapid.T) {
	for id := range m.states {
		for _, e := range slices.Clone(m.rows[id]) {
			out, err := m.queue(e.Ref()).Apply(e.Ref(), Change{Kind: Sweep}, m.now)
			if err == nil {
				m.write(t, out)
			}
		}
	}
}

func (m *machine) check(t *rapid.T) {
	head, _ := Head(m.queueOf(""), m.now)
	if m.told != head.refIfAny() {
		t.Fatalf("devices were told that %v is next, and it is %v", m.told, head.refIfAny())
	}
	for _, n := range []Namespace{"", "gg"} {
		q := m.queueOf(n)
		if seen := pendingSet(q, m.now); !maps.Equal(seen, m.pending[n]) {
			t.Fatalf("devices were told of %v in %q, and pending is %v", m.pending[n], n, seen)
		}
		visible := q.Visible(m.now)
		for i := 1; i < len(visible); i++ {
			if !Less(visible[i-1], visible[i]) {
				t.Fatalf("the queue of %q is out of order at %d", n, i)
			}
		}
	}
	for id, attempts := range m.rows {
		for i, e := range attempts {
			if e.Status.Pending() && i < len(attempts)-1 {
				t.Fatalf("attempt %d of job %s is pending behind a newer one", e.Number, id)
			}
		}
		m.checkRetries(t, id)
		var want Tally
		if n := len(attempts); n > 0 {
			want.Things[attempts[n-1].Status]++
			for i := n - 1; i >= 0; i-- {
				if attempts[i].Status.Finished() {
					want.Finished[attempts[i].Status]++
					break
				}
			}
		}
		if m.tallies[id] != want {
			t.Fatalf("job %s counts %+v, a recount says %+v", id, m.tallies[id], want)
		}
	}
}

// checkRetries recounts what each attempt says of the retries before it.
func (m *machine) checkRetries(t *rapid.T, id ID) {
	for i, e := range m.rows[id] {
		if e.RetryAttempt == 0 {
			continue
		}
		b := m.states[id].Retries
		if e.RetryAttempt > max(b.Both, b.Failed+b.TimedOut) || e.RetriesFailed > max(b.Both, b.Failed) ||
			e.RetryAttempt-e.RetriesFailed > max(b.Both, b.TimedOut) {
			t.Fatalf("job %s with the budget %+v has a retry %+v", id, b, e)
		}
		if i == 0 || m.rows[id][i-1].Number != e.Number-1 {
			continue // the one before was deleted
		}
		before := m.rows[id][i-1]
		failed := before.Status == Failed
		if !failed && before.Status != TimedOut || before.Left || e.RetryAttempt != before.RetryAttempt+1 ||
			(e.RetriesFailed != before.RetriesFailed) != failed {
			t.Fatalf("a retry %+v follows %+v", e, before)
		}
	}
}

// TestTheQueueUnderRandomChanges: versions grow by one, terminal is final, one
// winner per expected version, the queue is in order, what devices were last
// told is what there is, and both counter sets equal their recounts.
func TestTheQueueUnderRandomChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine()
		ids := rapid.SampledFrom([]ID{"a", "b", "c", "d"})
		t.Repeat(map[string]func(*rapid.T){
			"enqueue": func(t *rapid.T) {
				id := ids.Draw(t, "job")
				attempts := m.rows[id]
				q := m.queue(Ref{Job: id})
				if n := len(attempts); n > 0 && attempts[n-1].Status.Pending() || m.states[id].Status != JobInProgress {
					return // only the newest is ever pending
				}
				e := New(7, m.states[id].Key, id, q.Named.Number+1, m.now)
				m.write(t, q.Enqueue(Entry{e, m.states[id]}, m.now))
			},
			"start-next": func(t *rapid.T) {
				q := m.queueOf(rapid.SampledFrom([]Namespace{"", "gg"}).Draw(t, "namespace"))
				head, any := Head(q, m.now)
				out, got, ok, err := q.StartNext(Change{Kind: Start}, m.now)
				if err != nil || ok != any || ok && (got.Ref() != head.Ref() || got.Status != InProgress) {
					t.Fatalf("start-next gave %v %v %v, the head was %v %v", got, ok, err, head, any)
				}
				if len(out.Effects) != 0 {
					t.Fatal("starting the head is silent")
				}
				m.write(t, out)
			},
			"report": func(t *rapid.T) {
				id := ids.Draw(t, "job")
				q := m.queue(Ref{Job: id})
				now, found := q.Find(m.now)
				expected := rapid.Int64Range(0, 6).Draw(t, "expectedVersion")
				status := rapid.SampledFrom(Statuses()).Draw(t, "status")
				c := Change{Kind: Report, Status: status, ExpectedVersion: &expected}
				c.Step.Minutes = rapid.Int64Range(0, 4).Draw(t, "step")
				out, err := q.Apply(Ref{Job: id}, c, m.now)
				if found == nil && now.Version != expected && code(err) != VersionMismatch {
					t.Fatalf("expected version %d against %d gave %v", expected, now.Version, err)
				}
				m.write(t, out)
				if err == nil {
					same := Ref{id, now.Number} // without a number it is the retry that is meant now
					again, err := m.queue(same).Apply(same, c, m.now)
					if code(err) != VersionMismatch || len(again.Moves) != 0 {
						t.Fatalf("a second winner for version %d: %v", expected, err)
					}
				}
			},
			"cancel": func(t *rapid.T) {
				id := ids.Draw(t, "job")
				out, _ := m.queue(Ref{Job: id}).Apply(Ref{Job: id}, Change{Kind: Cancel, Force: rapid.Bool().Draw(t, "force")}, m.now)
				m.write(t, out)
			},
			"remove": func(t *rapid.T) {
				id := ids.Draw(t, "job")
				out, _ := m.queue(Ref{Job: id}).Apply(Ref{Job: id}, Change{Kind: Remove}, m.now)
				m.write(t, out)
			},
			"delete": func(t *rapid.T) {
				id := ids.Draw(t, "job")
				n := rapid.Int64Range(0, 4).Draw(t, "number")
				out, _ := m.queue(Ref{id, n}).Apply(Ref{id, n}, Change{Kind: Delete, Force: rapid.Bool().Draw(t, "force")}, m.now)
				m.write(t, out)
			},
			"leave": func(t *rapid.T) {
				id := ids.Draw(t, "job")
				if n := len(m.rows[id]); n > 0 && Leaves(m.rows[id][n-1]) == Mark {
					m.rows[id][n-1].Left = true
				}
			},
			"cancel job": func(t *rapid.T) {
				id := ids.Draw(t, "job")
				s := m.states[id]
				j, _, err := Job{State: s}.Cancel(rapid.Bool().Draw(t, "force"), "", "", m.now)
				if err != nil {
					t.Fatal(err)
				}
				m.states[id] = j.State
				m.sweep(t)
			},
			"time": func(t *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.IntRange(1, 200).Draw(t, "seconds")) * time.Second)
				m.sweep(t)
			},
			"": m.check,
		})
	})
}

package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

// contents is all that a store holds of the fleet, read through its interface.
type contents struct {
	things []registry.Thing
	jobs   []job.Job
	rows   []store.Row                       // by job, then thing
	queues map[place][]job.Entry             // as decisions see them
	tally  map[job.ID]job.Tally              // as counted
	real   map[job.ID]job.Tally              // as recounted
	events map[int64]map[job.Ref][]job.Event // by thing, newest first
	due    []int64
}

// place is one queue: a thing's, of a namespace.
type place struct {
	thing     registry.Name
	namespace job.Namespace
}

const far = 1000 * time.Hour

// read reads everything, in small pages.
func read(t testing.TB, s store.Store, now time.Time) (c contents) {
	t.Helper()
	c.queues, c.tally, c.real = map[place][]job.Entry{}, map[job.ID]job.Tally{}, map[job.ID]job.Tally{}
	c.events = map[int64]map[job.Ref][]job.Event{}
	err := s.View(ctx, func(tx store.Tx) (err error) {
		if c.things, err = all(func(p store.Page) ([]registry.Thing, string, error) { return tx.Things(store.ThingFilter{}, p) }); err != nil {
			return err
		}
		if c.jobs, err = all(func(p store.Page) ([]job.Job, string, error) { return tx.JobList(store.JobFilter{}, p) }); err != nil {
			return err
		}
		for _, thing := range c.things {
			for _, n := range c.namespaces() {
				snap, err := tx.Snapshot(store.Keys{Thing: thing.Name, Queue: store.WholeQueue, Namespace: n})
				if err != nil {
					return err
				}
				c.queues[place{thing.Name, n}] = snap.Queue.Pending
			}
		}
		for _, j := range c.jobs {
			if err := c.readJob(tx, j); err != nil {
				return err
			}
		}
		c.due, err = tx.DueJobs(now.Add(far), 1000)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// namespaces are those of the jobs, and the plain one.
func (c *contents) namespaces() []job.Namespace {
	all := []job.Namespace{""}
	for _, j := range c.jobs {
		all = append(all, j.Namespace)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (c *contents) readJob(tx store.Tx, j job.Job) (err error) {
	if _, c.tally[j.ID], err = tx.JobByKey(j.Key); err != nil {
		return err
	}
	if c.real[j.ID], err = tx.Recount(j.Key); err != nil {
		return err
	}
	rows, err := all(func(p store.Page) ([]store.Row, string, error) {
		return tx.ExecutionsForJob(j.Key, store.ExecutionFilter{}, p)
	})
	c.rows = append(c.rows, rows...)
	for _, r := range rows {
		of := c.events[r.ThingKey]
		if of == nil {
			of = map[job.Ref][]job.Event{}
			c.events[r.ThingKey] = of
		}
		if err := tx.History(r.Execution, func(ev job.Event) error { of[r.Ref()] = append(of[r.Ref()], ev); return nil }); err != nil {
			return err
		}
	}
	return err
}

// all reads a list to its end, in pages of seven.
func all[T any](list func(store.Page) ([]T, string, error)) (every []T, err error) {
	for p := (store.Page{Limit: 7}); ; {
		page, next, err := list(p)
		if err != nil {
			return nil, err
		}
		every = append(every, page...)
		if next == "" {
			return every, nil
		}
		if p.After = next; len(page) > p.Limit {
			return nil, fmt.Errorf("a page of %d holds %d", p.Limit, len(page))
		}
	}
}

// consistent checks what must hold at every moment.
func (w *world) consistent() {
	w.Helper()
	CheckConsistent(w.TB, w.Store, w.now(), w.cfg.Visible)
}

// CheckConsistent checks, at any moment of any store: both counter sets equal their recount, the queue of each
// thing is its pending rows in order, and the history of each execution leads
// from its first state to its last without a gap, and ends once.
func CheckConsistent(t testing.TB, s store.Store, now time.Time, visible int) {
	t.Helper()
	c := read(t, s, now)
	for id, counted := range c.tally {
		if counted != c.real[id] {
			t.Errorf("job %s: the counters say %v, the rows %v", id, counted, c.real[id])
		}
	}
	pending, living := map[place][]job.Entry{}, map[int64]bool{}
	for _, thing := range c.things {
		living[thing.Key] = true
	}
	for i, r := range c.rows {
		c.checkPast(t, i)
		if r.Status.Pending() && living[r.ThingKey] {
			at := place{r.Thing, r.Entry.Job.Namespace}
			pending[at] = append(pending[at], r.Entry)
		}
		c.checkHistory(t, r)
	}
	for at, queue := range c.queues {
		rows := pending[at]
		slices.SortFunc(rows, func(a, b job.Entry) int {
			if job.Less(a.Execution, b.Execution) {
				return -1
			}
			return 1
		})
		if len(queue) > len(rows) || len(queue) < len(rows) && (visible == 0 || len(queue) <= visible) {
			t.Errorf("%s: the queue holds %d of %d pending rows", at, len(queue), len(rows))
			continue
		}
		for i, e := range queue {
			if fmt.Sprint(e) != fmt.Sprint(rows[i]) {
				t.Errorf("%s: place %d of the queue is\n%v, want\n%v", at, i, e, rows[i])
			}
		}
	}
}

// checkPast checks what an attempt knows of those before it: they follow it in
// the rows, and only the newest may be pending.
func (c *contents) checkPast(t testing.TB, i int) {
	t.Helper()
	r := c.rows[i]
	var want job.Status
	for _, older := range c.rows[i+1:] {
		if older.JobKey != r.JobKey || older.ThingKey != r.ThingKey {
			break
		}
		if older.Status.Pending() {
			t.Errorf("%s of %s: attempt %d is pending behind %d", r.JobID, r.Thing, older.Number, r.Number)
		}
		if older.Status.Finished() && want == 0 {
			want = older.Status
		}
	}
	if r.FinishedBefore != want {
		t.Errorf("%s of %s: before attempt %d the latest finished is said to be %q, and is %q", r.JobID, r.Thing, r.Number, r.FinishedBefore, want)
	}
}

func (c *contents) checkHistory(t testing.TB, r store.Row) {
	t.Helper()
	events := c.events[r.ThingKey][r.Ref()]
	if len(events) == 0 {
		t.Errorf("%s of %s has no history", r.JobID, r.Thing)
		return
	}
	if last := events[0]; last.Seq != r.LastEvent || last.Status != r.Status || last.Version != r.Version {
		t.Errorf("%s of %s is %s at version %d, its last event says %s at %d", r.JobID, r.Thing, r.Status, r.Version, last.Status, last.Version)
	}
	for i, ev := range events {
		if want := r.Version - int64(i); ev.Version != want {
			t.Errorf("%s of %s: event %d from the end is of version %d, want %d", r.JobID, r.Thing, i, ev.Version, want)
		}
		if i > 0 && ev.Status.Terminal() {
			t.Errorf("%s of %s: version %d says %s, and there is a version after its end", r.JobID, r.Thing, ev.Version, ev.Status)
		}
		if ev.ThingKey != r.ThingKey || ev.JobKey != r.JobKey || ev.Number != r.Number {
			t.Errorf("%s of %s has the event of another execution: %+v", r.JobID, r.Thing, ev)
		}
	}
	if first := events[len(events)-1]; first.Version != 1 || first.Kind != job.Enqueue {
		t.Errorf("%s of %s: its history begins with %+v", r.JobID, r.Thing, first)
	}
}

// dump is all that the store holds, as text: equal texts are equal contents.
func (w *world) dump() string { w.Helper(); return Dump(w.TB, w.Store, w.now()) }

// Dump is all that a store holds of the fleet, as text.
func Dump(t testing.TB, s store.Store, now time.Time) string {
	t.Helper()
	c := read(t, s, now)
	var b strings.Builder
	for _, thing := range c.things {
		fmt.Fprintf(&b, "thing %+v\n", thing)
		for _, n := range c.namespaces() {
			fmt.Fprintf(&b, " queue %s", n)
			for _, e := range c.queues[place{thing.Name, n}] {
				fmt.Fprintf(&b, " %s#%d", e.JobID, e.Number)
			}
			b.WriteByte('\n')
		}
	}
	for _, j := range c.jobs {
		fmt.Fprintf(&b, "job %+v\n counts %v\n", j, c.tally[j.ID])
	}
	for _, r := range c.rows {
		fmt.Fprintf(&b, "execution of %s %+v\n", r.Thing, r.Execution)
		for _, ev := range c.events[r.ThingKey][r.Ref()] {
			fmt.Fprintf(&b, " event %+v\n", ev)
		}
	}
	fmt.Fprintf(&b, "due %v\n", c.due)
	return b.String()
}

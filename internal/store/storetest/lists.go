package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

var lists = []check{
	{"a job is kept as it was put, with its document and its cursor", jobsAreKept},
	{"jobs are listed newest first, by status, selection, target and namespace", listJobs},
	{"executions of a job are listed by thing, the newest attempt first", executionsForJob},
	{"executions of a thing are listed newest first", executionsForThing},
	{"lists are filtered by what is to be seen, not by what is stored", effectiveFilter},
	{"pages are stable under writes", stablePages},
	{"a filtered page ends short after it has examined its share", examined},
	{"what is no cursor is refused", badCursors},
	{"a thing with 10,000 ended executions answers like a new one", longPast},
	{"the history of an execution is its chain of events", history},
}

func jobsAreKept(t *testing.T, w *world) {
	j := job.Job{
		State:       job.State{ID: "fw", Status: job.JobInProgress, ChangedAt: w.now(), InProgressMinutes: 30},
		Description: `a "description" é`, Selection: job.Snapshot,
		Targets:   []string{"arn:1", "arn:2", "arn:1"},
		Resolved:  []job.Target{{Key: 7, Name: "pump"}, {Group: true, Key: 9, Name: "line"}, {Key: 7, Name: "pump", Pin: 12, Since: 34}},
		Actor:     "AKID",
		CreatedAt: w.now(), LastUpdatedAt: w.now(),
		Expansion: job.Expansion{Pin: 12, Stats: job.Stats{Start: w.now()}},
		Rollout:   job.Rollout{Asked: 900, PerMinute: 1000, Growth: job.Growth{Base: 50, Tenths: 15, Notified: 3, Succeeded: 4}},
		Abort:     job.AbortPolicy{{Failure: job.Failure(job.TimedOut), Hundredths: 2050, Min: 7}, {Hundredths: 1, Min: 1}},
		Retry:     job.RetryPolicy{{Failure: job.Failure(job.Failed), Number: 3}, {Failure: job.Failure(job.TimedOut), Number: 2}},
	}
	j.Retries = j.Retry.Budget()
	document := []byte("{\"op\": \"flash\",\n \"z\":1, \"a\":[\"\\u00e9\"]}")
	w.update(func(tx store.Tx) error { return tx.PutJob(&j, document) })
	same := func() {
		t.Helper()
		w.view(func(tx store.Tx) error {
			byID, _, err := tx.Job("fw")
			if err != nil {
				return err
			}
			byKey, tally, err := tx.JobByKey(j.Key)
			if diff := cmp.Diff(j, byID) + cmp.Diff(j, byKey); diff != "" {
				t.Error(diff)
			}
			if !tally.Zero() {
				t.Errorf("it counts %v", tally)
			}
			return err
		})
		got, err := w.Document(j.Key)
		if err != nil || string(got) != string(document) {
			t.Errorf("the document is %q (%v): its bytes never change", got, err)
		}
	}
	same()
	j.Expansion = job.Expansion{Pin: 12, Target: 1, After: 44, Stats: job.Stats{
		Start: w.now(), Released: 77, Steps: 3, Recent: []job.Batch{{At: w.now(), N: 3}, {At: w.now().Add(1500 * time.Millisecond), N: 74}},
	}}
	w.update(func(tx store.Tx) error { return tx.PutJob(&j, nil) })
	same()
	j.InProgressMinutes, j.Rollout, j.Abort, j.Retry, j.Retries = 20, job.Rollout{}, nil, job.RetryPolicy{{Number: 1}}, job.Budget{Both: 1}
	w.update(func(tx store.Tx) error { return tx.PutJob(&j, nil) })
	same()
	j.Status, j.ForceCanceled, j.ReasonCode, j.Comment = job.JobCanceled, true, "WRONG", "wrong build"
	j.ChangedAt, j.LastUpdatedAt, j.Expansion.Done = w.now().Add(time.Second), w.now().Add(time.Minute), true
	w.update(func(tx store.Tx) error { return tx.PutJob(&j, nil) })
	same()
	w.reopen()
	same()
	// Decisions see the flag at once.
	w.thing("pump")
	if snap := w.snapshot(store.Keys{Thing: "pump", Job: "fw"}); snap.ThingKey == 0 {
		t.Error("the thing is not there")
	}
	w.enqueue(j, "pump")
	if q := w.snapshot(store.Keys{Thing: "pump", Job: "fw"}).Queue; !cmp.Equal(q.Named.Job, j.State) {
		t.Error(cmp.Diff(j.State, q.Named.Job))
	}
	other := j
	other.Key = 0
	if err := w.Update(ctx, func(tx store.Tx) error { return tx.PutJob(&other, document) }); err == nil {
		t.Error("two jobs have one id")
	}
	w.view(func(tx store.Tx) error {
		_, _, err := tx.Job("none")
		w.missing("a job that is not there", err)
		_, _, err = tx.JobByKey(j.Key + 1)
		w.missing("a key that is not there", err)
		return nil
	})
	_, err := w.Document(j.Key + 1)
	w.missing("a document that is not there", err)
	w.missing("dropping a job that is not there", w.Update(ctx, func(tx store.Tx) error { return tx.DropJob(j.Key + 1) }))
}

func listJobs(t *testing.T, w *world) {
	for i := range 20 {
		j := job.NewJob(job.ID(fmt.Sprintf("j%02d", i)), []string{"arn:all"}, nil, 0, w.now())
		if i%3 == 0 {
			j.Targets = append(j.Targets, "arn:third")
		}
		if i%2 == 0 {
			j.Status = job.JobCanceled
		}
		if i%5 == 0 {
			j.Selection = job.Continuous
		}
		if i%6 == 0 {
			j.Namespace = "gg"
		}
		w.update(func(tx store.Tx) error { return tx.PutJob(&j, []byte("1")) })
	}
	for _, row := range []struct {
		f    store.JobFilter
		want []int
	}{
		{store.JobFilter{}, []int{19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}},
		{store.JobFilter{Status: job.JobCanceled}, []int{18, 16, 14, 12, 10, 8, 6, 4, 2, 0}},
		{store.JobFilter{Selection: job.Continuous}, []int{15, 10, 5, 0}},
		{store.JobFilter{Target: "arn:third"}, []int{18, 15, 12, 9, 6, 3, 0}},
		{store.JobFilter{Target: "arn:third", Status: job.JobInProgress}, []int{15, 9, 3}},
		{store.JobFilter{Target: "arn:third", Status: job.JobInProgress, Selection: job.Continuous}, []int{15}},
		{store.JobFilter{Target: "arn:none"}, nil},
		{store.JobFilter{Namespace: "gg"}, []int{18, 12, 6, 0}},
		{store.JobFilter{Namespace: "gg", Selection: job.Continuous, Target: "arn:third"}, []int{0}},
		{store.JobFilter{Namespace: "g"}, nil},
	} {
		w.view(func(tx store.Tx) error {
			jobs, err := all(func(p store.Page) ([]job.Job, string, error) { return tx.JobList(row.f, p) })
			var got []int
			for _, j := range jobs {
				var i int
				if _, err := fmt.Sscanf(string(j.ID), "j%d", &i); err != nil {
					return err
				}
				got = append(got, i)
			}
			if !slices.Equal(got, row.want) {
				t.Errorf("%+v: %v, want %v", row.f, got, row.want)
			}
			return err
		})
	}
}

// mixed makes five things with one to three attempts of "fw", one of which is
// still pending, and one of "other".
func (w *world) mixed() (fw, other job.Job, names []registry.Name) {
	w.Helper()
	names = w.things(5)
	fw, other = w.job("fw", 0), w.job("other", 0)
	for i, n := range names {
		for attempt := range i%3 + 1 {
			w.enqueue(fw, n)
			if attempt < i%3 {
				if err := w.report(n, "fw", job.Failed, job.Details{"attempt": fmt.Sprint(attempt)}); err != nil {
					w.Fatal(err)
				}
			}
			w.advance(time.Second)
		}
		w.enqueue(other, n)
	}
	return fw, other, names
}

func executionsForJob(t *testing.T, w *world) {
	fw, _, names := w.mixed()
	var want []string
	for i, n := range names {
		for attempt := i%3 + 1; attempt > 0; attempt-- {
			want = append(want, fmt.Sprintf("%s#%d", n, attempt))
		}
	}
	for limit := 1; limit < 12; limit++ {
		var got []string
		w.view(func(tx store.Tx) error {
			for p := (store.Page{Limit: limit}); ; {
				rows, next, err := tx.ExecutionsForJob(fw.Key, store.ExecutionFilter{}, p)
				for _, r := range rows {
					got = append(got, fmt.Sprintf("%s#%d", r.Thing, r.Number))
					if r.Entry.Job.ID != "fw" || r.JobID != "fw" || r.JobKey != fw.Key {
						t.Errorf("its job is %+v", r.Entry)
					}
				}
				if len(rows) > limit {
					t.Errorf("a page of %d holds %d", limit, len(rows))
				}
				if p.After = next; err != nil || next == "" {
					return err
				}
			}
		})
		if !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %v, want %v", limit, got, want)
		}
	}
}

func executionsForThing(t *testing.T, w *world) {
	fw, _, names := w.mixed()
	w.enqueue(fw, names[2])
	w.enqueue(w.namespaced("gg", "deployment", 0), names[2])
	key := w.snapshot(store.Keys{Thing: names[2]}).ThingKey
	for _, row := range []struct {
		f    store.ExecutionFilter
		want []string
	}{
		{store.ExecutionFilter{}, []string{"deployment#1", "fw#4", "other#1", "fw#3", "fw#2", "fw#1"}},
		{store.ExecutionFilter{Job: "fw"}, []string{"fw#4", "fw#3", "fw#2", "fw#1"}},
		{store.ExecutionFilter{Job: "other"}, []string{"other#1"}},
		{store.ExecutionFilter{Job: "none"}, nil},
		{store.ExecutionFilter{Namespace: "gg"}, []string{"deployment#1"}},
		{store.ExecutionFilter{Namespace: "gg", Status: job.Failed, Now: w.now()}, nil},
		{store.ExecutionFilter{Namespace: "gg", Job: "fw"}, nil},
		{store.ExecutionFilter{Namespace: "gg", Job: "deployment"}, []string{"deployment#1"}},
		{store.ExecutionFilter{Status: job.Failed, Now: w.now()}, []string{"fw#2", "fw#1"}},
		{store.ExecutionFilter{Status: job.Queued, Job: "fw", Now: w.now()}, []string{"fw#4", "fw#3"}},
	} {
		for limit := 1; limit < 7; limit++ {
			var got []string
			w.view(func(tx store.Tx) error {
				for p := (store.Page{Limit: limit}); ; {
					rows, next, err := tx.ExecutionsForThing(key, row.f, p)
					for _, r := range rows {
						got = append(got, fmt.Sprintf("%s#%d", r.JobID, r.Number))
						if r.Thing != names[2] || r.Entry.Job.ID != r.JobID {
							t.Errorf("got %+v", r)
						}
					}
					if p.After = next; err != nil || next == "" {
						return err
					}
				}
			})
			if !slices.Equal(got, row.want) {
				t.Errorf("%+v in pages of %d: %v, want %v", row.f, limit, got, row.want)
			}
		}
	}
}

func effectiveFilter(t *testing.T, w *world) {
	names := w.things(4)
	j := w.job("fw", 10)
	w.enqueue(j, names...)
	for _, n := range names[:2] {
		if err := w.report(n, "fw", job.InProgress, nil); err != nil {
			t.Fatal(err)
		}
	}
	count := func(s job.Status) (n int) {
		w.view(func(tx store.Tx) error {
			rows, _, err := tx.ExecutionsForJob(j.Key, store.ExecutionFilter{Status: s, Now: w.now()}, store.Page{Limit: 10})
			n = len(rows)
			return err
		})
		return n
	}
	want := func(when string, queued, inProgress, canceled, timedOut int) {
		t.Helper()
		got := [...]int{count(job.Queued), count(job.InProgress), count(job.Canceled), count(job.TimedOut)}
		if got != [...]int{queued, inProgress, canceled, timedOut} {
			t.Errorf("%s: %v", when, got)
		}
	}
	want("at first", 2, 2, 0, 0)
	w.advance(11 * time.Minute)
	want("when the time has run out", 2, 0, 0, 2)
	j, _, err := j.Cancel(true, "", "", w.now())
	if err != nil {
		t.Fatal(err)
	}
	w.update(func(tx store.Tx) error { return tx.PutJob(&j, nil) })
	want("when the job is cancelled", 0, 0, 2, 2)
	if j, err = j.Delete(true, w.now()); err != nil {
		t.Fatal(err)
	}
	w.update(func(tx store.Tx) error { return tx.PutJob(&j, nil) })
	want("when the job is being deleted", 0, 0, 0, 0)
}

// stablePages pages through things while others write: a thing that is there
// all the time is seen exactly once.
func stablePages(t *testing.T, w *world) {
	round := 0
	rapid.Check(t, func(r *rapid.T) {
		round++
		n := rapid.IntRange(0, 30).Draw(r, "things")
		name := func(i int) registry.Name { return registry.Name(fmt.Sprintf("r%06d-%02d", round, i)) }
		j := w.job(job.ID(fmt.Sprintf("j%06d", round)), 0)
		stays := map[registry.Name]bool{}
		alive := map[registry.Name]int64{}
		add := func(i int) {
			if _, ok := alive[name(i)]; !ok {
				alive[name(i)] = w.thing(name(i))
				w.enqueue(j, name(i))
			}
		}
		for range n {
			i := rapid.IntRange(0, 40).Draw(r, "i")
			add(i)
			stays[name(i)] = true
		}
		churn := func() {
			for range rapid.IntRange(0, 3).Draw(r, "writes") {
				i := rapid.IntRange(0, 40).Draw(r, "write")
				if key, ok := alive[name(i)]; ok && !stays[name(i)] {
					w.update(func(tx store.Tx) error { return tx.DeleteThing(key) })
					delete(alive, name(i))
				} else {
					add(i)
				}
			}
		}
		limit := rapid.IntRange(1, 7).Draw(r, "limit")
		seenThings, seenRows := map[registry.Name]int{}, map[registry.Name]int{}
		for p := (store.Page{Limit: limit, After: fmt.Sprintf("r%06d", round)}); ; {
			w.view(func(tx store.Tx) error {
				things, next, err := tx.Things(store.ThingFilter{}, p)
				for _, thing := range things {
					seenThings[thing.Name]++
				}
				p.After = next
				return err
			})
			if churn(); p.After == "" {
				break
			}
		}
		for p := (store.Page{Limit: limit}); ; {
			w.view(func(tx store.Tx) error {
				rows, next, err := tx.ExecutionsForJob(j.Key, store.ExecutionFilter{}, p)
				for _, row := range rows {
					if alive[row.Thing] == row.ThingKey {
						seenRows[row.Thing]++
					}
				}
				p.After = next
				return err
			})
			if churn(); p.After == "" {
				break
			}
		}
		for name := range stays {
			if seenThings[name] != 1 || seenRows[name] != 1 {
				r.Fatalf("%s was listed %d times as a thing and %d times as an execution", name, seenThings[name], seenRows[name])
			}
		}
	})
}

func examined(t *testing.T, w *world) {
	const n = store.Examine + 50
	w.things(n)
	marked := registry.NewThing("u", "zzz", map[string]string{"mark": "1"}, w.now())
	w.update(func(tx store.Tx) error { return tx.PutThing(&marked) })
	f := store.ThingFilter{Attribute: "mark", Value: "1"}
	w.view(func(tx store.Tx) error {
		first, next, err := tx.Things(f, store.Page{Limit: 5})
		if len(first) != 0 || next == "" {
			t.Errorf("the first page holds %d, next %q: it looks at %d rows", len(first), next, store.Examine)
		}
		second, next, err2 := tx.Things(f, store.Page{Limit: 5, After: next})
		if len(second) != 1 || next != "" {
			t.Errorf("the second page holds %d, next %q", len(second), next)
		}
		return errors.Join(err, err2)
	})
}

func badCursors(t *testing.T, w *world) {
	key := w.thing("pump")
	j := w.job("fw", 0)
	w.enqueue(j, "pump")
	w.view(func(tx store.Tx) error {
		for _, after := range []string{"x", "1.2.3", "1.x", "-", "999999999999999999999"} {
			p := store.Page{After: after, Limit: 1}
			_, _, one := tx.JobList(store.JobFilter{}, p)
			_, _, two := tx.ExecutionsForJob(j.Key, store.ExecutionFilter{}, p)
			_, _, three := tx.ExecutionsForThing(key, store.ExecutionFilter{}, p)
			_, _, four := tx.CertificatesOfThing(key, store.AttachmentFilter{}, p)
			_, _, five := tx.ThingsOfCertificate("aa", store.AttachmentFilter{}, p)
			p.After = "x" + after // the second half of its cursor is an id, which may be anything
			_, _, six := tx.Certificates(false, p)
			for i, err := range []error{one, two, three, four, five, six} {
				if !errors.Is(err, store.ErrCursor) {
					t.Errorf("list %d after %q: got %v, want ErrCursor", i, after, err)
				}
			}
		}
		return nil
	})
}

// longPast compares a thing with a long past to a new one. That both cost the
// same is for the engine's own tests, which know its plans.
func longPast(t *testing.T, w *world) {
	const past = 10_000
	w.thing("old")
	w.thing("new")
	ended := w.job("ended", 0)
	for done := 0; done < past; done += 500 {
		w.update(func(tx store.Tx) error {
			for range 500 {
				if err := w.enqueueIn(tx, ended, "old"); err != nil {
					return err
				}
				keys, decide := w.ask("old", job.Ref{Job: "ended"}, job.Change{Kind: job.Report, Status: job.Succeeded})
				snap, err := tx.Snapshot(keys)
				if err != nil {
					return err
				}
				changes, err := decide(snap)
				if err != nil {
					return err
				}
				changes.Effects = nil
				if err := tx.Write(changes); err != nil {
					return err
				}
			}
			return nil
		})
	}
	fw := w.job("fw", 0)
	w.enqueue(fw, "old", "new")
	keys := func(n registry.Name) store.Keys { return store.Keys{Thing: n, Job: "fw", Queue: store.WholeQueue} }
	same := cmp.FilterPath(func(p cmp.Path) bool {
		switch p.Last().String() {
		case ".ThingKey", ".Seq", ".LastEvent":
			return true
		}
		return false
	}, cmp.Ignore())
	if diff := cmp.Diff(w.snapshot(keys("new")), w.snapshot(keys("old")), same); diff != "" {
		t.Error(diff)
	}
	if q := w.snapshot(store.Keys{Thing: "old", Job: "ended", Queue: store.WholeQueue}).Queue; q.Named.Number != past || q.Previous.Number != past-1 || len(q.Pending) != 1 {
		t.Errorf("newest %d, before it %d, pending %d", q.Named.Number, q.Previous.Number, len(q.Pending))
	}
}

func history(t *testing.T, w *world) {
	w.thing("pump")
	j := w.job("fw", 0)
	w.enqueue(j, "pump")
	for _, step := range []struct {
		s job.Status
		d job.Details
	}{{job.InProgress, job.Details{"pct": "1"}}, {job.InProgress, nil}, {job.InProgress, job.Details{"pct": "9", "é": "ü"}}, {job.Succeeded, job.Details{}}} {
		w.advance(time.Second)
		if err := w.report("pump", "fw", step.s, step.d); err != nil {
			t.Fatal(err)
		}
	}
	w.enqueue(j, "pump") // another attempt has a history of its own
	e := w.snapshot(store.Keys{Thing: "pump", Job: "fw", Number: 1}).Queue.Named.Execution
	var got []string
	w.view(func(tx store.Tx) error {
		return tx.History(e, func(ev job.Event) error {
			got = append(got, fmt.Sprintf("%d %s %v %s %s", ev.Version, ev.Status, ev.Details, ev.Actor, ev.At.Format("05")))
			return nil
		})
	})
	want := []string{
		"5 SUCCEEDED map[] pump 04",
		"4 IN_PROGRESS map[pct:9 é:ü] pump 03",
		"3 IN_PROGRESS map[pct:1] pump 02",
		"2 IN_PROGRESS map[pct:1] pump 01",
		"1 QUEUED map[] service 00",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
	stop := errors.New("enough")
	if err := w.View(ctx, func(tx store.Tx) error { return tx.History(e, func(job.Event) error { return stop }) }); !errors.Is(err, stop) {
		t.Errorf("the visitor's error became %v", err)
	}
}

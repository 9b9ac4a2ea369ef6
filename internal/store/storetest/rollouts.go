package storetest

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

var rollouts = []check{
	{"members are those of a group as it was at the pin, by key, living ones only", members},
	{"jobs are due when they were said to be, and when their counters changed", dueJobs},
	{"timers are due in their order, and a report that leaves them alone keeps them", dueTimers},
	{"a thing's newest attempt of a job, or none", newest},
	{"memberships are pruned only when no expansion can walk them", prune},
}

// members holds the temporal membership against a list of what was in the
// group at each pin.
func members(t *testing.T, w *world) {
	open := job.NewJob("open", nil, nil, 0, w.now()) // an expansion under way keeps the past
	w.update(func(tx store.Tx) error { return tx.PutJob(&open, []byte("1")) })
	rapid.Check(t, func(r *rapid.T) {
		name := registry.GroupName(rapid.StringMatching(`[a-z]{12}`).Draw(r, "group"))
		group := w.group(name)
		keys := make([]int64, 6)
		for i := range keys {
			keys[i] = w.thing(registry.Name(string(name) + string(rune('0'+i))))
		}
		in := map[int64]bool{}
		dead := map[int64]bool{}
		type moment struct {
			pin int64
			in  []int64
		}
		var past []moment
		groupAlive := true
		for range rapid.IntRange(1, 25).Draw(r, "steps") {
			key := rapid.SampledFrom(keys).Draw(r, "thing")
			switch rapid.SampledFrom([]string{"join", "join", "leave", "pin", "pin", "delete", "dissolve"}).Draw(r, "step") {
			case "join":
				if !dead[key] && groupAlive {
					w.update(func(tx store.Tx) error { return tx.Join(group, key) })
					in[key] = true
				}
			case "leave":
				w.update(func(tx store.Tx) error { return tx.Leave(group, key) })
				if groupAlive {
					delete(in, key)
				}
			case "delete":
				if !dead[key] && len(dead) < 2 {
					w.update(func(tx store.Tx) error { return tx.DeleteThing(key) })
					dead[key] = true
					delete(in, key)
				}
			case "dissolve":
				if groupAlive && len(past) > 3 {
					w.update(func(tx store.Tx) error { return tx.DeleteGroup(group) })
					groupAlive = false
				}
			case "pin":
				if !groupAlive {
					continue // nobody can target a group that is gone
				}
				w.view(func(tx store.Tx) error {
					pin, err := tx.Pin()
					m := moment{pin: pin}
					for k := range in {
						m.in = append(m.in, k)
					}
					past = append(past, m)
					return err
				})
			}
		}
		limit := rapid.IntRange(1, 4).Draw(r, "limit")
		for _, m := range past {
			want := slices.DeleteFunc(slices.Clone(m.in), func(k int64) bool { return dead[k] })
			slices.Sort(want)
			var got []int64
			w.view(func(tx store.Tx) error {
				for after := int64(0); ; {
					page, err := tx.Members(group, m.pin, after, limit)
					for _, member := range page {
						got = append(got, member.Key)
						after = member.Key
					}
					if err != nil || len(page) == 0 {
						return err
					}
				}
			})
			if !slices.Equal(got, want) {
				r.Fatalf("at pin %d the group held %v, want %v", m.pin, got, want)
			}
			w.view(func(tx store.Tx) error {
				for _, key := range keys {
					was, err := tx.WasMember(group, m.pin, key)
					if err != nil {
						return err
					}
					if want := slices.Contains(m.in, key); was != want {
						r.Fatalf("at pin %d thing %d was a member: %v, want %v", m.pin, key, was, want)
					}
				}
				return nil
			})
		}
	})
}

func dueJobs(t *testing.T, w *world) {
	one, two := w.job("one", 0), w.job("two", 0)
	due := func(in time.Duration) (keys []int64, next time.Time) {
		w.view(func(tx store.Tx) (err error) {
			if keys, err = tx.DueJobs(w.now().Add(in), 10); err != nil {
				return err
			}
			next, err = tx.NextJob()
			return err
		})
		return keys, next
	}
	if keys, next := due(far); len(keys) > 0 || !next.IsZero() {
		t.Errorf("nothing was said to be due, and %v is, next %s", keys, next)
	}
	w.update(func(tx store.Tx) error {
		if err := tx.SetDue(one.Key, w.now().Add(time.Minute)); err != nil {
			return err
		}
		return tx.SetDue(two.Key, w.now().Add(time.Second))
	})
	if keys, next := due(time.Second - 1); len(keys) > 0 || !next.Equal(w.now().Add(time.Second)) {
		t.Errorf("too early: %v, next %s", keys, next)
	}
	if keys, _ := due(time.Hour); !slices.Equal(keys, []int64{two.Key, one.Key}) {
		t.Errorf("after an hour %v are due, want two and one", keys)
	}
	w.update(func(tx store.Tx) error { return tx.SetDue(two.Key, time.Time{}) })
	if keys, _ := due(time.Hour); !slices.Equal(keys, []int64{one.Key}) {
		t.Errorf("after an hour %v are due, want one", keys)
	}
	w.thing("pump")
	w.take()
	w.enqueue(two, "pump") // its counters change
	if keys, next := due(0); !slices.Equal(keys, []int64{two.Key}) || next.After(w.now()) {
		t.Errorf("after its counters changed %v are due, next %s", keys, next)
	}
	if _, _, wakes := w.take(); !slices.ContainsFunc(wakes, time.Time.IsZero) {
		t.Errorf("nobody was woken for it: %v", wakes)
	}
	w.update(func(tx store.Tx) error { return tx.SetDue(two.Key, time.Time{}) })
	if err := w.report("pump", "two", job.InProgress, nil); err != nil {
		t.Fatal(err)
	}
	w.update(func(tx store.Tx) error { return tx.SetDue(two.Key, time.Time{}) })
	if err := w.report("pump", "two", job.InProgress, nil); err != nil {
		t.Fatal(err)
	}
	if keys, _ := due(0); len(keys) > 0 {
		t.Errorf("a progress report counts nothing, and %v are due", keys)
	}
	at := w.now().Add(30 * time.Second)
	w.take()
	w.update(func(tx store.Tx) error { return tx.SetDue(one.Key, at) })
	if _, _, wakes := w.take(); !slices.ContainsFunc(wakes, at.Equal) {
		t.Errorf("SetDue woke nobody: %v", wakes)
	}
	w.reopen()
	if _, next := due(0); !next.Equal(at) {
		t.Errorf("after a restart the next is due at %s, want %s", next, at)
	}
}

func dueTimers(t *testing.T, w *world) {
	names := w.things(3)
	for i, id := range []job.ID{"ten", "five", "none"} {
		w.enqueue(w.job(id, []int64{10, 5, 0}[i]), names[i])
		if err := w.report(names[i], id, job.InProgress, nil); err != nil {
			t.Fatal(err)
		}
	}
	start := w.now()
	due := func(in time.Duration) (ids []job.ID, next time.Time) {
		w.view(func(tx store.Tx) error {
			timers, err := tx.DueTimers(w.now().Add(in), 10)
			for _, d := range timers {
				ids = append(ids, d.Ref.Job)
				if d.Ref.Number != 1 || d.At.After(w.now().Add(in)) || d.Thing == "" {
					t.Errorf("got %+v", d)
				}
			}
			if err != nil {
				return err
			}
			next, err = tx.NextTimer()
			return err
		})
		return ids, next
	}
	if ids, next := due(5*time.Minute - 1); len(ids) > 0 || !next.Equal(start.Add(5*time.Minute)) {
		t.Errorf("too early: %v, next %s", ids, next)
	}
	w.advance(time.Minute)
	if err := w.report(names[0], "ten", job.InProgress, job.Details{"pct": "1"}); err != nil {
		t.Fatal(err)
	}
	if ids, _ := due(far); !slices.Equal(ids, []job.ID{"five", "ten"}) {
		t.Errorf("all timers in order: %v", ids)
	}
	keys, decide := w.ask(names[0], job.Ref{Job: "ten"}, job.Change{Kind: job.Report, Status: job.InProgress, Step: job.StepTimeout{Minutes: 1}})
	if _, err := w.Transact(ctx, keys, decide); err != nil {
		t.Fatal(err)
	}
	if ids, next := due(far); !slices.Equal(ids, []job.ID{"ten", "five"}) || !next.Equal(start.Add(2*time.Minute)) {
		t.Errorf("a step timer goes before: %v, next %s", ids, next)
	}
	w.reopen()
	if err := w.report(names[0], "ten", job.Succeeded, nil); err != nil {
		t.Fatal(err)
	}
	if ids, next := due(far); !slices.Equal(ids, []job.ID{"five"}) || !next.Equal(start.Add(5*time.Minute)) {
		t.Errorf("what has ended has no timer: %v, next %s", ids, next)
	}
	w.update(func(tx store.Tx) error {
		j := w.jobIn(tx, "five")
		j, err := j.Delete(true, w.now())
		if err != nil {
			return err
		}
		return tx.PutJob(&j, nil)
	})
	if ids, _ := due(far); len(ids) > 0 {
		t.Errorf("a job that is being deleted has timers: %v", ids)
	}
}

func newest(t *testing.T, w *world) {
	one, two := w.thing("one"), w.thing("two")
	j := w.job("fw", 0)
	other := w.job("other", 0)
	w.enqueue(j, "one")
	if err := w.report("one", "fw", job.Failed, nil); err != nil {
		t.Fatal(err)
	}
	w.enqueue(j, "one")
	w.view(func(tx store.Tx) error {
		for _, row := range []struct {
			job, thing int64
			want       int64
		}{{j.Key, one, 2}, {j.Key, two, 0}, {other.Key, one, 0}} {
			e, err := tx.Newest(row.job, row.thing)
			if err != nil {
				return err
			}
			if e.Number != row.want || row.want != 0 && (e.ThingKey != row.thing || e.JobKey != row.job || e.Status != job.Queued) {
				t.Errorf("job %d on thing %d: %+v, want number %d", row.job, row.thing, e, row.want)
			}
		}
		return nil
	})
}

func prune(t *testing.T, w *world) {
	group, dissolved := w.group("line"), w.group("gone")
	var keys []int64
	for _, n := range w.things(5) {
		key := w.snapshot(store.Keys{Thing: n}).ThingKey
		keys = append(keys, key)
		w.update(func(tx store.Tx) error {
			if err := tx.Join(group, key); err != nil {
				return err
			}
			return tx.Join(dissolved, key)
		})
	}
	ask := func() (more bool) {
		w.view(func(tx store.Tx) (err error) {
			more, err = tx.Prune(0)
			return err
		})
		return more
	}
	open := job.NewJob("open", nil, nil, 0, w.now())
	w.update(func(tx store.Tx) error { return tx.PutJob(&open, []byte("1")) })
	var pin int64
	w.view(func(tx store.Tx) (err error) { pin, err = tx.Pin(); return err })
	w.update(func(tx store.Tx) error {
		if err := tx.Leave(group, keys[0]); err != nil {
			return err
		}
		return tx.DeleteGroup(dissolved)
	})
	count := func() int {
		n := 0
		w.view(func(tx store.Tx) error {
			for _, g := range []int64{group, dissolved} {
				m, err := tx.Members(g, pin, 0, 100)
				if err != nil {
					return err
				}
				n += len(m)
			}
			return nil
		})
		return n
	}
	if ask() || count() != 10 {
		t.Errorf("while an expansion is under way: prunable %v, %d members at its pin, want 10", ask(), count())
	}
	open.Expansion.Done = true
	w.update(func(tx store.Tx) error { return tx.PutJob(&open, nil) })
	if !ask() {
		t.Error("after the expansion nothing is said to be prunable")
	}
	for range 10 {
		w.update(func(tx store.Tx) error { _, err := tx.Prune(2); return err })
	}
	if ask() || count() != 4 {
		t.Errorf("after the pruning: prunable %v, %d members left, want 4", ask(), count())
	}
	w.view(func(tx store.Tx) error {
		names, _, err := tx.ThingsInGroup(group, store.Page{Limit: 10})
		if len(names) != 4 {
			t.Errorf("the living group holds %v", names)
		}
		return err
	})
}

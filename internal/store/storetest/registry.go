package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

var registryChecks = []check{
	{"things are kept as they were put", thingsAreKept},
	{"groups are kept as they were put", groupsAreKept},
	{"names are reused after delete, keys are not", namesAreReused},
	{"a deleted thing's executions keep its name, and are nobody's queue", deletedThing},
	{"things are listed by name, by attribute, in pages", listThings},
	{"groups are listed by name and prefix", listGroups},
	{"membership is idempotent, and both its lists are ordered by name", membership},
}

func thingsAreKept(t *testing.T, w *world) {
	thing := registry.NewThing("u-1", "pump:7", map[string]string{"site": `"north" é`, "empty": ""}, w.now())
	w.update(func(tx store.Tx) error { return tx.PutThing(&thing) })
	if thing.Key == 0 {
		t.Fatal("it has no key")
	}
	same := func(want registry.Thing) {
		t.Helper()
		w.view(func(tx store.Tx) error {
			got, err := tx.Thing("pump:7")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			return err
		})
	}
	same(thing)
	thing.Attributes, thing.Version = nil, 2
	w.update(func(tx store.Tx) error { return tx.PutThing(&thing) })
	same(thing)
	w.reopen()
	same(thing)
	w.view(func(tx store.Tx) error {
		_, err := tx.Thing("pump:8")
		w.missing("a thing that is not there", err)
		return nil
	})
	gone := registry.Thing{Key: thing.Key + 100, Name: "x", Version: 1}
	w.missing("rewriting a thing that is not there", w.Update(ctx, func(tx store.Tx) error { return tx.PutThing(&gone) }))
}

func groupsAreKept(t *testing.T, w *world) {
	g := registry.NewGroup("u-1", "line", 0, "the first", map[string]string{"floor": "2"}, w.now())
	w.update(func(tx store.Tx) error { return tx.PutGroup(&g) })
	g.Description, g.Version = "the second", 2
	w.update(func(tx store.Tx) error { return tx.PutGroup(&g) })
	w.view(func(tx store.Tx) error {
		byName, err := tx.Group("line")
		if err != nil {
			return err
		}
		byUUID, err := tx.GroupByUUID("u-1")
		if diff := cmp.Diff(g, byName) + cmp.Diff(g, byUUID); diff != "" {
			t.Error(diff)
		}
		_, none := tx.Group("x")
		w.missing("a group that is not there", none)
		_, none = tx.GroupByUUID("x")
		w.missing("an id that is not there", none)
		return err
	})
	w.missing("deleting a group that is not there", w.Update(ctx, func(tx store.Tx) error { return tx.DeleteGroup(g.Key + 100) }))
}

func namesAreReused(t *testing.T, w *world) {
	thing, group := w.thing("pump"), w.group("line")
	j := w.job("fw", 0)
	w.update(func(tx store.Tx) error { return tx.Join(group, thing) })
	w.enqueue(j, "pump")
	second := registry.NewThing("u", "pump", nil, w.now())
	if err := w.Update(ctx, func(tx store.Tx) error { return tx.PutThing(&second) }); err == nil {
		t.Error("two living things have one name")
	}
	second.Key = 0
	w.update(func(tx store.Tx) error {
		if err := tx.DeleteThing(thing); err != nil {
			return err
		}
		return tx.DeleteGroup(group)
	})
	w.view(func(tx store.Tx) error {
		_, err := tx.Thing("pump")
		w.missing("the deleted thing", err)
		_, err = tx.Group("line")
		w.missing("the deleted group", err)
		return nil
	})
	newThing, newGroup := w.thing("pump"), w.group("line")
	if newThing == thing || newGroup == group {
		t.Error("a key was used again")
	}
	if e := w.execution("pump", "fw"); e.Number != 0 {
		t.Errorf("the new thing has the old one's execution: %+v", e)
	}
	w.view(func(tx store.Tx) error {
		names, _, err := tx.ThingsInGroup(newGroup, store.Page{Limit: 10})
		if len(names) > 0 {
			t.Errorf("the new group has the old one's things: %v", names)
		}
		return err
	})

	// A job's id is free when its row is dropped.
	w.update(func(tx store.Tx) error {
		rows, _, err := tx.ExecutionsForJob(j.Key, store.ExecutionFilter{}, store.Page{Limit: 10})
		if err != nil || len(rows) != 1 || rows[0].Thing != "pump" || rows[0].ThingKey != thing {
			t.Errorf("the deleted thing's execution: %+v, %v", rows, err)
		}
		return tx.Write(store.Changes{Moves: []job.Move{{Before: rows[0].Execution, Kind: job.Delete}}, At: w.now()})
	})
	w.update(func(tx store.Tx) error { return tx.DropJob(j.Key) })
	again := w.job("fw", 7)
	if again.Key == j.Key {
		t.Error("a job's key was used again")
	}
	w.view(func(tx store.Tx) error {
		_, tally, err := tx.JobByKey(again.Key)
		if !tally.Zero() {
			t.Errorf("the new job has the old one's counters: %v", tally)
		}
		_, err2 := tx.Document(j.Key)
		w.missing("the old job's document", err2)
		return err
	})
	w.enqueue(again, "pump")
	w.consistent()
}

func deletedThing(t *testing.T, w *world) {
	key := w.thing("pump")
	j := w.job("fw", 5)
	w.enqueue(j, "pump")
	if err := w.report("pump", "fw", job.InProgress, nil); err != nil {
		t.Fatal(err)
	}
	w.update(func(tx store.Tx) error { return tx.DeleteThing(key) })
	w.view(func(tx store.Tx) error {
		timers, err := tx.DueTimers(w.now().Add(far), 10)
		if len(timers) > 0 {
			t.Errorf("its timer still runs: %+v", timers)
		}
		if next, _ := tx.NextTimer(); !next.IsZero() {
			t.Errorf("its timer is still next: %s", next)
		}
		rows, _, _ := tx.ExecutionsForJob(j.Key, store.ExecutionFilter{}, store.Page{Limit: 10})
		if len(rows) != 1 || rows[0].Thing != "pump" {
			t.Errorf("the job lists %+v", rows)
		}
		return err
	})
	if snap := w.snapshot(store.Keys{Thing: "pump", Job: "fw", Queue: store.WholeQueue}); snap.ThingKey != 0 {
		t.Errorf("a decision sees the deleted thing: %+v", snap)
	}
	// What it had pending is there by its key, until that says otherwise.
	removals := func(want ...store.Member) {
		t.Helper()
		w.view(func(tx store.Tx) error {
			got, err := tx.Removals(10)
			if !slices.Equal(got, want) {
				t.Errorf("to be removed: %v, want %v", got, want)
			}
			return err
		})
	}
	w.reopen()
	w.thing("pump") // the name lives again
	removals(store.Member{Key: key, Name: "pump"})
	w.update(func(tx store.Tx) error {
		if n, err := tx.PendingNamespaces(key); err != nil || len(n) != 1 {
			t.Errorf("pending in %q (%v)", n, err)
		}
		snap, err := tx.Snapshot(store.Keys{ThingKey: key, Job: "fw", Queue: store.WholeQueue})
		if err != nil || snap.ThingKey != key || snap.Queue.Named.Status != job.InProgress || len(snap.Queue.Pending) != 1 {
			t.Errorf("by its key: %+v (%v)", snap, err)
		}
		out, err := snap.Queue.Apply(job.Ref{Job: "fw"}, job.Change{Kind: job.Remove}, w.now())
		if err != nil {
			return err
		}
		if err := tx.Write(store.Changes{Moves: out.Moves, At: w.now()}); err != nil {
			return err
		}
		return tx.Removed(key)
	})
	removals()
	w.missing("removing it again", w.Update(ctx, func(tx store.Tx) error { return tx.Removed(key) }))
	w.consistent()
	w.update(func(tx store.Tx) error {
		now, err := tx.Thing("pump")
		if err != nil {
			return err
		}
		return tx.DeleteThing(now.Key)
	})
	removals() // it had nothing to do
	if _, err := w.Transact(ctx, store.Keys{Thing: "pump"}, func(snap store.Snapshot) (store.Changes, error) {
		if snap.ThingKey != 0 {
			t.Error("the writer remembers the deleted thing")
		}
		return store.Changes{}, nil
	}); err != nil {
		t.Error(err)
	}
	w.missing("deleting it again", w.Update(ctx, func(tx store.Tx) error { return tx.DeleteThing(key) }))
}

func listThings(t *testing.T, w *world) {
	var want []registry.Name
	w.update(func(tx store.Tx) error {
		for i := range 40 {
			thing := registry.NewThing("u", registry.Name(fmt.Sprintf("t%02d", 39-i)), nil, w.now())
			if i%4 == 0 {
				thing.Attributes = map[string]string{"site": fmt.Sprintf("north-%d", i%8)}
			}
			if err := tx.PutThing(&thing); err != nil {
				return err
			}
			want = append(want, thing.Name)
		}
		return nil
	})
	slices.Sort(want)
	for _, row := range []struct {
		f    store.ThingFilter
		want int
	}{
		{store.ThingFilter{}, 40},
		{store.ThingFilter{Attribute: "site", Value: "north-4"}, 5},
		{store.ThingFilter{Attribute: "site", Value: "north-", Prefix: true}, 10},
		{store.ThingFilter{Attribute: "site", Value: "north-"}, 0},
		{store.ThingFilter{Attribute: "other", Prefix: true}, 0},
	} {
		w.view(func(tx store.Tx) error {
			things, err := all(func(p store.Page) ([]registry.Thing, string, error) { return tx.Things(row.f, p) })
			var names []registry.Name
			for _, thing := range things {
				names = append(names, thing.Name)
			}
			if len(names) != row.want || !slices.IsSorted(names) || row.want == 40 && !slices.Equal(names, want) {
				t.Errorf("%+v: %v", row.f, names)
			}
			return err
		})
	}
}

func listGroups(t *testing.T, w *world) {
	for _, name := range []registry.GroupName{"b", "a", "ab", "abc", "ac", "A", "a:1"} {
		w.group(name)
	}
	for prefix, want := range map[string][]registry.GroupName{
		"": {"A", "a", "a:1", "ab", "abc", "ac", "b"}, "a": {"a", "a:1", "ab", "abc", "ac"}, "ab": {"ab", "abc"}, "x": nil,
	} {
		for limit := 1; limit < 8; limit++ {
			var got []registry.GroupName
			w.view(func(tx store.Tx) error {
				for p := (store.Page{Limit: limit}); ; {
					groups, next, err := tx.Groups(store.GroupFilter{NamePrefix: prefix}, p)
					for _, g := range groups {
						got = append(got, g.Name)
					}
					if p.After = next; err != nil || next == "" {
						return err
					}
				}
			})
			if !slices.Equal(got, want) {
				t.Errorf("prefix %q, pages of %d: %v, want %v", prefix, limit, got, want)
			}
		}
	}
}

func membership(t *testing.T, w *world) {
	names := []registry.Name{"c", "a", "b"}
	var keys []int64
	for _, n := range names {
		keys = append(keys, w.thing(n))
	}
	line, other := w.group("line"), w.group("also")
	w.update(func(tx store.Tx) error {
		for _, k := range append(keys, keys...) {
			if err := tx.Join(line, k); err != nil {
				return err
			}
		}
		return tx.Join(other, keys[0])
	})
	in := func() (got []registry.Name) {
		w.view(func(tx store.Tx) (err error) {
			got, err = all(func(p store.Page) ([]registry.Name, string, error) {
				p.Limit = 2
				return tx.ThingsInGroup(line, p)
			})
			return err
		})
		return got
	}
	if got := in(); !slices.Equal(got, []registry.Name{"a", "b", "c"}) {
		t.Errorf("in the group: %v", got)
	}
	w.view(func(tx store.Tx) error {
		groups, next, err := tx.GroupsOfThing(keys[0], store.Page{Limit: 1})
		if err != nil {
			return err
		}
		if len(groups) != 1 || groups[0].Name != "also" || next == "" {
			t.Errorf("the first group of c: %v, %q", groups, next)
		}
		groups, next, err = tx.GroupsOfThing(keys[0], store.Page{Limit: 1, After: next})
		if len(groups) != 1 || groups[0].Name != "line" || next != "" {
			t.Errorf("the second group of c: %v, %q", groups, next)
		}
		return err
	})
	w.update(func(tx store.Tx) error {
		for range 2 {
			if err := tx.Leave(line, keys[1]); err != nil {
				return err
			}
		}
		return tx.DeleteThing(keys[2])
	})
	if got := in(); !slices.Equal(got, []registry.Name{"c"}) {
		t.Errorf("after one left and one was deleted: %v", got)
	}
	w.missing("joining a deleted thing", w.Update(ctx, func(tx store.Tx) error { return tx.Join(line, keys[2]) }))
	w.missing("joining a group that is not there", w.Update(ctx, func(tx store.Tx) error { return tx.Join(line+100, keys[0]) }))
}

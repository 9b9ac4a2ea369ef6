package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

var hierarchies = []check{
	{"a group is below its parent, and its ancestors are known", groupsHaveParents},
	{"children are listed by name, a subtree from the top down, in pages", listSubtrees},
	{"the things of a subtree are listed group by group, in pages", thingsOfSubtrees},
	{"the walk of a subtree comes by every group, deleted ones too while it lasts", walkOfSubtrees},
	{"a thing was a member of what its group is below, as it was at the pin", wasMemberOfSubtree},
	{"thing types are kept as they were put, and listed by name", typesAreKept},
	{"things are listed by their type", thingsByType},
	{"tags are kept for their resource, and go with it", tagsAreKept},
	{"the event configuration is kept", eventConfigurationIsKept},
	{"events are told with the commit; those with a payload are kept until they are dropped", eventsAreTold},
}

// child makes a group below another.
func (w *world) child(parent int64, name registry.GroupName) int64 {
	w.Helper()
	g := registry.NewGroup("uuid-of-"+string(name), name, parent, "", nil, w.now())
	w.update(func(tx store.Tx) error { return tx.PutGroup(&g) })
	return g.Key
}

func (w *world) deleteGroup(key int64) {
	w.Helper()
	w.update(func(tx store.Tx) error { return tx.DeleteGroup(key) })
}

func (w *world) joins(group int64, things ...int64) {
	w.Helper()
	w.update(func(tx store.Tx) error {
		for _, thing := range things {
			if err := tx.Join(group, thing); err != nil {
				return err
			}
		}
		return nil
	})
}

func groupsHaveParents(t *testing.T, w *world) {
	root := w.group("root")
	mid := w.child(root, "mid")
	leaf := w.child(mid, "leaf")
	w.reopen()
	w.view(func(tx store.Tx) error {
		g, err := tx.GroupByKey(leaf)
		if err != nil || g.Name != "leaf" || g.Parent != mid {
			t.Errorf("the leaf: %+v (%v)", g, err)
		}
		for key, want := range map[int64][]int64{root: {root}, mid: {root, mid}, leaf: {root, mid, leaf}, leaf + 100: nil} {
			if got, err := tx.Above(key); err != nil || !slices.Equal(got, want) {
				t.Errorf("above %d: %v, want %v (%v)", key, got, want, err)
			}
		}
		for key, want := range map[int64]int{root: 1, leaf: 0} {
			if n, err := tx.CountChildren(key, 10); err != nil || n != want {
				t.Errorf("%d has %d children, want %d (%v)", key, n, want, err)
			}
		}
		_, err = tx.GroupByKey(leaf + 100)
		w.missing("a key that is not there", err)
		return nil
	})
	orphan := registry.NewGroup("u", "orphan", leaf+100, "", nil, w.now())
	w.missing("a parent that is not there", w.Update(ctx, func(tx store.Tx) error { return tx.PutGroup(&orphan) }))
}

// groupNames lists all groups of a filter, a few at a time.
func groupNames(w *world, f store.GroupFilter) (names []string) {
	w.Helper()
	w.view(func(tx store.Tx) error {
		for after, first := "", true; first || after != ""; first = false {
			groups, next, err := tx.Groups(f, store.Page{After: after, Limit: 2})
			if err != nil {
				return err
			}
			for _, g := range groups {
				names = append(names, string(g.Name))
			}
			after = next
		}
		return nil
	})
	return names
}

func listSubtrees(t *testing.T, w *world) {
	plant, other := w.group("plant"), w.group("other")
	line := w.child(plant, "line-b")
	w.child(plant, "line-a")
	w.child(plant, "office")
	for _, name := range []registry.GroupName{"line-b2", "line-b1", "yard"} {
		w.child(line, name)
	}
	w.child(other, "line-x")
	for name, row := range map[string]struct {
		f    store.GroupFilter
		want []string
	}{
		"all":                 {store.GroupFilter{}, []string{"line-a", "line-b", "line-b1", "line-b2", "line-x", "office", "other", "plant", "yard"}},
		"roots":               {store.GroupFilter{Of: store.ChildrenOf}, []string{"other", "plant"}},
		"children":            {store.GroupFilter{Of: store.ChildrenOf, Group: plant}, []string{"line-a", "line-b", "office"}},
		"children by prefix":  {store.GroupFilter{Of: store.ChildrenOf, Group: plant, NamePrefix: "line"}, []string{"line-a", "line-b"}},
		"below":               {store.GroupFilter{Of: store.Below, Group: plant}, []string{"line-b", "line-b2", "line-b1", "yard", "line-a", "office"}},
		"below, by prefix":    {store.GroupFilter{Of: store.Below, Group: plant, NamePrefix: "line-b"}, []string{"line-b", "line-b2", "line-b1"}},
		"below a leaf":        {store.GroupFilter{Of: store.Below, Group: line + 1}, nil},
		"below what is not":   {store.GroupFilter{Of: store.Below, Group: 1 << 40}, nil},
		"the prefix of roots": {store.GroupFilter{Of: store.ChildrenOf, NamePrefix: "o"}, []string{"other"}},
	} {
		if got := groupNames(w, row.f); !slices.Equal(got, row.want) {
			t.Errorf("%s: %v, want %v", name, got, row.want)
		}
	}
}

func thingsOfSubtrees(t *testing.T, w *world) {
	plant := w.group("plant")
	empty := w.child(plant, "empty")
	line := w.child(plant, "line")
	w.child(empty, "empty-too")
	w.joins(line, w.thing("c"), w.thing("a"), w.thing("b"))
	w.joins(plant, w.thing("z"), w.thing("y"))
	w.joins(w.group("other"), w.thing("o"))
	for limit := 1; limit < 7; limit++ {
		var names []registry.Name
		w.view(func(tx store.Tx) error {
			for after, first := "", true; first || after != ""; first = false {
				some, next, err := tx.ThingsUnder(plant, store.Page{After: after, Limit: limit})
				if err != nil {
					return err
				}
				names, after = append(names, some...), next
				if len(some) > limit {
					t.Errorf("%d things on a page of %d", len(some), limit)
				}
			}
			_, _, err := tx.ThingsUnder(plant, store.Page{After: "x y", Limit: limit})
			if !errors.Is(err, store.ErrCursor) {
				t.Errorf("after what is no cursor: %v", err)
			}
			return nil
		})
		if want := []registry.Name{"y", "z", "a", "b", "c"}; !slices.Equal(names, want) {
			t.Errorf("in pages of %d: %v, want %v", limit, names, want)
		}
	}
}

// walked are the groups of a walk from the start.
func walked(w *world, group int64) (keys []int64) {
	w.Helper()
	w.view(func(tx store.Tx) error {
		for at := int64(0); ; {
			next, err := tx.NextGroup(group, at)
			if err != nil || next == 0 {
				return err
			}
			keys, at = append(keys, next), next
		}
	})
	return keys
}

func walkOfSubtrees(t *testing.T, w *world) {
	open := job.NewJob("open", nil, nil, 0, w.now()) // an expansion under way
	w.update(func(tx store.Tx) error { return tx.PutJob(&open, []byte("1")) })
	plant, other := w.group("plant"), w.group("other")
	var want []int64
	want = append(want, plant)
	lines := make([]int64, 12)
	for i := range lines {
		lines[i] = w.child(plant, registry.GroupName(fmt.Sprintf("line-%d", i)))
	}
	bay := w.child(lines[3], "bay")
	for i, line := range lines {
		want = append(want, line)
		if i == 3 {
			want = append(want, bay)
		}
	}
	got := walked(w, plant)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the walk is %v, want %v", got, want)
	}
	if got := walked(w, lines[3]); !slices.Equal(got, []int64{lines[3], bay}) {
		t.Errorf("the walk of a line is %v", got)
	}
	if got := walked(w, other); !slices.Equal(got, []int64{other}) {
		t.Errorf("the walk of a group alone is %v", got)
	}

	w.deleteGroup(bay)
	w.deleteGroup(lines[3])
	if got := walked(w, lines[3]); !slices.Equal(got, []int64{lines[3], bay}) {
		t.Errorf("the walk of what was deleted meanwhile is %v", got)
	}
	w.update(func(tx store.Tx) error {
		open.Expansion.Done = true
		return tx.PutJob(&open, nil)
	})
	for more := true; more; {
		w.update(func(tx store.Tx) (err error) { more, err = tx.Prune(1); return err })
	}
	w.view(func(tx store.Tx) error {
		if keys, err := tx.Above(bay); err != nil || len(keys) != 0 {
			t.Errorf("what nobody walks is still known: %v (%v)", keys, err)
		}
		return nil
	})
}

func wasMemberOfSubtree(t *testing.T, w *world) {
	open := job.NewJob("open", nil, nil, 0, w.now())
	w.update(func(tx store.Tx) error { return tx.PutJob(&open, []byte("1")) })
	plant := w.group("plant")
	a, b := w.child(plant, "line-a"), w.child(plant, "line-b")
	pump := w.thing("pump")
	pin := func() (at int64) {
		w.view(func(tx store.Tx) (err error) { at, err = tx.Pin(); return err })
		return at
	}
	before := pin()
	w.joins(a, pump)
	inA := pin()
	w.update(func(tx store.Tx) error {
		if err := tx.Leave(a, pump); err != nil {
			return err
		}
		return tx.Join(b, pump)
	})
	inB := pin()
	w.deleteGroup(b)
	for _, row := range []struct {
		group, pin int64
		want       bool
	}{
		{plant, before, false},
		{a, before, false},
		{plant, inA, true},
		{a, inA, true},
		{b, inA, false},
		{plant, inB, true},
		{a, inB, false},
		{b, inB, true},
	} {
		w.view(func(tx store.Tx) error {
			got, err := tx.WasMember(row.group, row.pin, pump)
			if got != row.want {
				t.Errorf("in group %d at %d: %t", row.group, row.pin, got)
			}
			return err
		})
	}
}

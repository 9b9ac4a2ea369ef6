package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

func typesAreKept(t *testing.T, w *world) {
	of, err := registry.NewType("u-1", "pump", "moves \"water\"", []string{"site", "flow"}, w.now())
	if err != nil {
		t.Fatal(err)
	}
	w.update(func(tx store.Tx) error { return tx.PutType(&of) })
	if of.Key == 0 {
		t.Fatal("it has no key")
	}
	same := func() {
		t.Helper()
		w.view(func(tx store.Tx) error {
			got, err := tx.Type("pump")
			if diff := cmp.Diff(of, got); diff != "" {
				t.Error(diff)
			}
			return err
		})
	}
	same()
	of.Description, of.Searchable = "", nil
	of = of.Deprecate(false, w.now())
	w.update(func(tx store.Tx) error { return tx.PutType(&of) })
	w.reopen()
	same()
	for _, name := range []registry.TypeName{"valve", "fan"} {
		other := registry.Type{UUID: "u", Name: name, CreatedAt: w.now()}
		w.update(func(tx store.Tx) error { return tx.PutType(&other) })
	}
	w.view(func(tx store.Tx) error {
		first, next, err := tx.Types(store.Page{Limit: 2})
		if err != nil {
			return err
		}
		rest, end, err := tx.Types(store.Page{After: next, Limit: 2})
		if len(first) != 2 || first[0].Name != "fan" || first[1].Name != "pump" || len(rest) != 1 || rest[0].Name != "valve" || end != "" {
			t.Errorf("listed: %+v, then %+v, then %q", first, rest, end)
		}
		_, none := tx.Type("x")
		w.missing("a type that is not there", none)
		return err
	})
	w.update(func(tx store.Tx) error { return tx.DeleteType(of.Key) })
	w.missing("deleting a type that is not there", w.Update(ctx, func(tx store.Tx) error { return tx.DeleteType(of.Key) }))
}

func thingsByType(t *testing.T, w *world) {
	for i, of := range []registry.TypeName{"", "pump", "valve", "pump", "pump"} {
		thing := registry.NewThing("u", registry.Name(fmt.Sprintf("t-%d", i)), map[string]string{"odd": fmt.Sprint(i % 2)}, w.now())
		thing.Type = of
		w.update(func(tx store.Tx) error { return tx.PutThing(&thing) })
	}
	names := func(f store.ThingFilter) (names []registry.Name) {
		w.view(func(tx store.Tx) error {
			for after, first := "", true; first || after != ""; first = false {
				things, next, err := tx.Things(f, store.Page{After: after, Limit: 2})
				if err != nil {
					return err
				}
				for _, thing := range things {
					names = append(names, thing.Name)
				}
				after = next
			}
			return nil
		})
		return names
	}
	for want, f := range map[string]store.ThingFilter{
		"[t-1 t-3 t-4]": {Type: "pump"}, "[t-1 t-3]": {Type: "pump", Attribute: "odd", Value: "1"}, "[]": {Type: "fan"}, "[t-0 t-1 t-2 t-3 t-4]": {},
	} {
		if got := fmt.Sprint(names(f)); got != want {
			t.Errorf("%+v: %s, want %s", f, got, want)
		}
	}
	w.update(func(tx store.Tx) error {
		thing, err := tx.Thing("t-1")
		if err != nil {
			return err
		}
		thing.Type = ""
		return tx.PutThing(&thing)
	})
	if got := names(store.ThingFilter{Type: "pump"}); len(got) != 2 {
		t.Errorf("one that has lost its type is listed: %v", got)
	}
}

func tagsAreKept(t *testing.T, w *world) {
	j := w.job("fw", 0)
	group := w.group("line")
	of := registry.Type{UUID: "u", Name: "pump", CreatedAt: w.now()}
	w.update(func(tx store.Tx) error { return tx.PutType(&of) })
	all := []registry.Tagged{{Kind: registry.TaggedJob, Key: j.Key}, {Kind: registry.TaggedGroup, Key: group}, {Kind: registry.TaggedType, Key: of.Key}}
	tags := func(of registry.Tagged) (text string) {
		w.view(func(tx store.Tx) error {
			for after, first := "", true; first || after != ""; first = false {
				tags, next, err := tx.Tags(of, store.Page{After: after, Limit: 2})
				if err != nil {
					return err
				}
				text, after = text+fmt.Sprint(tags), next
			}
			return nil
		})
		return text
	}
	for _, of := range all {
		w.update(func(tx store.Tx) error {
			for _, tag := range []registry.Tag{{Key: "c", Value: "1"}, {Key: "a", Value: "x y"}, {Key: "b"}, {Key: "c", Value: "3"}} {
				if err := tx.PutTag(of, tag); err != nil {
					return err
				}
			}
			if err := tx.DeleteTag(of, "nothing"); err != nil {
				return err
			}
			return nil
		})
		if got := tags(of); got != "[{a x y} {b }][{c 3}]" {
			t.Errorf("%+v: %s", of, got)
		}
	}
	w.update(func(tx store.Tx) error { return tx.DeleteTag(all[0], "b") })
	w.reopen()
	if got := tags(all[0]); got != "[{a x y} {c 3}]" {
		t.Errorf("after one was taken away: %s", got)
	}
	w.update(func(tx store.Tx) error {
		if err := tx.DropJob(j.Key); err != nil {
			return err
		}
		if err := tx.DeleteGroup(group); err != nil {
			return err
		}
		return tx.DeleteType(of.Key)
	})
	for _, of := range all {
		if got := tags(of); got != "[]" {
			t.Errorf("the tags of what is gone: %s", got)
		}
	}
}

func eventConfigurationIsKept(t *testing.T, w *world) {
	var want registry.EventConfiguration
	for _, set := range []registry.EventSet{0, registry.EventSet(0).With(registry.CACertificateEvents, true).With(registry.JobEvents, true)} {
		w.view(func(tx store.Tx) error {
			got, err := tx.EventConfiguration()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			return err
		})
		want = want.Changed(set, w.now())
		w.update(func(tx store.Tx) error { return tx.PutEventConfiguration(want) })
		w.reopen()
	}
	w.view(func(tx store.Tx) error {
		got, err := tx.EventConfiguration()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		return err
	})
}

func eventsAreTold(t *testing.T, w *world) {
	kept := job.Message{Topic: "a", Body: 1, Payload: []byte("{}")}
	w.update(func(tx store.Tx) error {
		return tx.Write(store.Changes{Events: []job.Message{kept, {Topic: "b", Body: 2}}, At: w.now()})
	})
	lines, _, _ := w.take()
	if want := []string{"event a", "event b"}; !slices.Equal(lines, want) {
		t.Errorf("told: %q, want %q", lines, want)
	}
	if err := w.Update(ctx, func(tx store.Tx) error {
		if err := tx.Write(store.Changes{Events: []job.Message{kept}, At: w.now()}); err != nil {
			return err
		}
		return errors.New("no")
	}); err == nil {
		t.Fatal("the refusal was lost")
	}
	if lines, _, _ = w.take(); len(lines) != 0 {
		t.Errorf("what was not committed was told: %q", lines)
	}
	w.thing("pump")
	if _, err := w.Transact(ctx, store.Keys{Thing: "pump"}, func(store.Snapshot) (store.Changes, error) {
		return store.Changes{Events: []job.Message{{Topic: "c", Payload: []byte("[]")}}, At: w.now()}, nil
	}); err != nil {
		t.Fatal(err)
	}
	if lines, _, _ = w.take(); !slices.Equal(lines, []string{"event c"}) {
		t.Errorf("told by a decision: %q", lines)
	}
	w.reopen()
	left := func() (all []job.Message) {
		w.view(func(tx store.Tx) error {
			return tx.Events(func(e job.Message) error { all = append(all, e); return nil })
		})
		return all
	}
	all := left()
	if len(all) != 2 || all[0].Topic != "a" || string(all[0].Payload) != "{}" || all[1].Topic != "c" || all[0].Row == 0 {
		t.Fatalf("kept are %+v, want a and c", all)
	}
	w.update(func(tx store.Tx) error { return tx.DropEvent(all[0].Row) })
	if all = left(); len(all) != 1 || all[0].Topic != "c" {
		t.Errorf("after one was dropped: %+v", all)
	}
}

package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

var shadows = []check{
	{"a shadow is kept as it was put, also as deleted, for each thing and name", shadowsAreKept},
	{"decisions of one batch on a shadow see each other", shadowsInABatch},
	{"a decision that fails leaves the shadow as it was", shadowRefused},
	{"a thing takes its shadows with it", shadowsOfADeletedThing},
}

func (w *world) shadow(thing registry.Name, name string) store.Shadow {
	w.Helper()
	return w.snapshot(store.Keys{Thing: thing, Shadow: &name}).Shadow
}

// putShadow writes the next version of a shadow.
func (w *world) putShadow(thing registry.Name, name string, document []byte) {
	w.Helper()
	keys, decide := w.nextShadow(thing, name, document)
	if _, err := w.Transact(ctx, keys, decide); err != nil {
		w.Fatal(err)
	}
}

func (w *world) nextShadow(thing registry.Name, name string, document []byte) (store.Keys, store.Decide) {
	return store.Keys{Thing: thing, Shadow: &name}, func(snap store.Snapshot) (store.Changes, error) {
		s := snap.Shadow
		s.Version, s.At, s.Document = s.Version+1, w.now(), document
		return store.Changes{Shadow: &s}, nil
	}
}

func shadowsAreKept(t *testing.T, w *world) {
	pump, valve := w.thing("pump"), w.thing("valve")
	if s := w.shadow("pump", ""); s.Version != 0 || s.Document != nil {
		t.Errorf("a shadow that nobody made: %+v", s)
	}
	if snap := w.snapshot(store.Keys{Thing: "pump"}); snap.Shadow.ThingKey != 0 {
		t.Errorf("a shadow that nobody asked for: %+v", snap.Shadow)
	}
	w.putShadow("pump", "", []byte(`{"a":1}`))
	w.putShadow("pump", "", []byte(`{}`))
	w.putShadow("pump", "config", []byte(`{"b":2}`))
	w.putShadow("valve", "", []byte(`{"c":3}`))
	w.putShadow("valve", "", nil)
	at := w.now()
	w.advance(time.Hour)
	w.reopen()
	for _, want := range []store.Shadow{
		{ThingKey: pump, Version: 2, At: at, Document: []byte(`{}`)},
		{ThingKey: pump, Name: "config", Version: 1, At: at, Document: []byte(`{"b":2}`)},
		{ThingKey: pump, Name: "confi"},
		{ThingKey: valve, Version: 2, At: at},
	} {
		thing := registry.Name("pump")
		if want.ThingKey == valve {
			thing = "valve"
		}
		if diff := cmp.Diff(want, w.shadow(thing, want.Name)); diff != "" {
			t.Error(diff)
		}
	}
}

func shadowsInABatch(t *testing.T, w *world) {
	w.thing("pump")
	w.together(func(submit func(store.Keys, store.Decide, func(store.Commit, error))) {
		for i := range 20 {
			keys, decide := w.nextShadow("pump", "", fmt.Appendf(nil, "%d", i))
			submit(keys, decide, func(_ store.Commit, err error) {
				if err != nil {
					t.Error(err)
				}
			})
		}
	})
	if s := w.shadow("pump", ""); s.Version != 20 || string(s.Document) != "19" {
		t.Errorf("after twenty: %+v", s)
	}
}

func shadowRefused(t *testing.T, w *world) {
	w.thing("pump")
	w.putShadow("pump", "", []byte(`1`))
	refusal := job.Errorf(job.Conflict, "another version")
	keys, decide := w.nextShadow("pump", "", []byte(`2`))
	_, err := w.Transact(ctx, keys, func(snap store.Snapshot) (store.Changes, error) {
		ch, _ := decide(snap)
		return ch, refusal
	})
	if !errors.Is(err, refusal) {
		t.Errorf("got %v", err)
	}
	if s := w.shadow("pump", ""); s.Version != 1 || string(s.Document) != "1" {
		t.Errorf("it became %+v", s)
	}
}

func shadowsOfADeletedThing(t *testing.T, w *world) {
	key := w.thing("pump")
	w.putShadow("pump", "", []byte(`1`))
	w.putShadow("pump", "config", []byte(`2`))
	w.update(func(tx store.Tx) error { return tx.DeleteThing(key) })
	w.thing("pump")
	for _, name := range []string{"", "config"} {
		if s := w.shadow("pump", name); s.Version != 0 {
			t.Errorf("a new thing of the name has the shadow %+v", s)
		}
	}
}

package ops_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/shadow"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/iot"
	"github.com/drover-iot/drover/internal/wire/shadowdata"
)

// blind is a store whose decisions see the shadow that there is, but not what is
// in it: who reads or merges documents in the writer fails.
type blind struct {
	store.Store
	between func() // called once, before the next Submit
	submits atomic.Int32
}

func (b *blind) Submit(keys store.Keys, decide store.Decide, done func(store.Commit, error)) {
	b.submits.Add(1)
	if f := b.between; f != nil {
		b.between = nil
		f()
	}
	b.Store.Submit(keys, func(snap store.Snapshot) (store.Changes, error) {
		if snap.Shadow.Document != nil {
			snap.Shadow.Document = []byte("not to be read here")
		}
		return decide(snap)
	}, done)
}

// shadows is a data plane whose store is blind.
type shadows struct {
	*plane
	*ops.Data
	blind *blind
}

func newShadows(t *testing.T, edit ...func(*ops.Config)) *shadows {
	s := &shadows{blind: new(blind)}
	s.plane = newPlane(t, append(edit, func(c *ops.Config) {
		s.blind.Store = c.Store
		data := *c
		data.Store = s.blind
		s.Data, _ = ops.New(data)
	})...)
	return s
}

type updated struct {
	out *shadowdata.UpdateThingShadowOutput
	err error
}

func (s *shadows) begin(key shadowdata.Key, payload string) <-chan updated {
	ch := make(chan updated, 1)
	s.UpdateThingShadowAsync(operator, &shadowdata.UpdateThingShadowInput{Key: key, Payload: []byte(payload)},
		func(out *shadowdata.UpdateThingShadowOutput, err error) { ch <- updated{out, err} })
	return ch
}

func (s *shadows) change(key shadowdata.Key, payload string) shadow.Document {
	s.t.Helper()
	u := <-s.begin(key, payload)
	if u.err != nil {
		s.t.Fatal(u.err)
	}
	return u.out.Current
}

type read struct {
	d   shadow.Document
	err error
}

func (s *shadows) get(key shadowdata.Key) read {
	ch := make(chan read, 1)
	s.GetThingShadowAsync(operator, &shadowdata.ReadInput{Key: key}, func(d shadow.Document, err error) { ch <- read{d, err} })
	return <-ch
}

func (s *shadows) remove(key shadowdata.Key) error {
	ch := make(chan error, 1)
	s.DeleteThingShadowAsync(operator, &shadowdata.ReadInput{Key: key}, func(_ shadow.Document, err error) { ch <- err })
	return <-ch
}

func state(d shadow.Document) string {
	b, _ := shadowdata.Marshal(nil, d)
	return string(b[len(`{"stamps":`):])
}

var pump = shadowdata.Key{ThingName: "pump"}

func TestAShadowIsReadAndMergedOutsideTheWriter(t *testing.T) {
	s := newShadows(t)
	s.things("pump")
	s.change(pump, `{"state":{"desired":{"a":1}}}`)
	if d := s.change(pump, `{"state":{"desired":{"b":2}}}`); d.Version != 2 || len(d.Desired.State) != 2 {
		t.Errorf("merged: %+v", d)
	}
	before := s.blind.submits.Load()
	if r := s.get(pump); r.err != nil || r.d.Version != 2 || len(r.d.Desired.State) != 2 {
		t.Errorf("read: %+v", r)
	}
	if n := s.blind.submits.Load() - before; n != 0 {
		t.Errorf("a get made %d decisions in the writer", n)
	}
	if err := s.remove(pump); err != nil {
		t.Error(err)
	}
	refused(t, s.get(pump).err, job.NotFound)
}

func TestUpdatesOfOneShadowAreDoneInTheirOrder(t *testing.T) {
	s := newShadows(t)
	s.things("pump")
	const n = 200 // more than are under way at once
	all := make([]<-chan updated, n)
	for i := range all {
		all[i] = s.begin(pump, fmt.Sprintf(`{"state":{"desired":{"n":%d,"n%d":0}}}`, i, i%7))
	}
	for i, ch := range all {
		u := <-ch
		if u.err != nil || u.out.Current.Version != int64(i+1) || u.out.Previous.Version != int64(i) || u.out.Current.Desired.State["n"] != shadow.Number(fmt.Sprint(i)) {
			t.Fatalf("update %d: %+v %v", i, u.out, u.err)
		}
	}
}

func TestManyShadowsAreUpdatedAtOnce(t *testing.T) {
	s := newShadows(t)
	s.things("pump")
	var all []<-chan updated
	for i := range 300 {
		all = append(all, s.begin(shadowdata.Key{ThingName: "pump", ShadowName: shadow.Name(fmt.Sprintf("s%d", i%50))}, `{"state":{"desired":{"a":1}}}`))
	}
	for _, ch := range all {
		if u := <-ch; u.err != nil {
			t.Error(u.err)
		}
	}
	if d := s.get(shadowdata.Key{ThingName: "pump", ShadowName: "s49"}).d; d.Version != 6 {
		t.Errorf("the last one has version %d, want 6", d.Version)
	}
}

func TestAnUpdateThatWasOvertakenIsMergedAgain(t *testing.T) {
	s := newShadows(t)
	s.things("pump")
	s.change(pump, `{"state":{"desired":{"a":1}}}`)
	other, _ := ops.New(ops.Config{Store: s.store, Now: s.now}) // whose requests do not wait for ours
	s.blind.between = func() {
		ch := make(chan error, 1)
		other.UpdateThingShadowAsync(operator, &shadowdata.UpdateThingShadowInput{Key: pump, Payload: []byte(`{"state":{"desired":{"b":2}}}`)},
			func(_ *shadowdata.UpdateThingShadowOutput, err error) { ch <- err })
		if err := <-ch; err != nil {
			t.Error(err)
		}
	}
	if d := s.change(pump, `{"state":{"desired":{"c":3}}}`); d.Version != 3 || len(d.Desired.State) != 3 {
		t.Errorf("version %d: %s", d.Version, state(d))
	}
}

func TestAnUpdateIsNotForAThingThatTookTheNameMeanwhile(t *testing.T) {
	s := newShadows(t)
	s.things("pump")
	s.change(pump, `{"state":{"desired":{"a":1}}}`)
	s.blind.between = func() {
		if _, err := s.DeleteThing(ctx, operator, &iot.DeleteThingInput{ThingName: "pump"}); err != nil {
			t.Error(err)
		}
		s.things("pump")
	}
	if d := s.change(pump, `{"state":{"desired":{"b":2}}}`); d.Version != 1 || len(d.Desired.State) != 1 {
		t.Errorf("version %d: %s", d.Version, state(d))
	}
	s.blind.between = func() {
		if _, err := s.DeleteThing(ctx, operator, &iot.DeleteThingInput{ThingName: "pump"}); err != nil {
			t.Error(err)
		}
	}
	refused(t, (<-s.begin(pump, `{"state":{"desired":{"b":2}}}`)).err, job.NotFound)
}

func TestAShadowOfAThingThatNobodyRegistered(t *testing.T) {
	s := newShadows(t)
	refused(t, s.get(pump).err, job.NotFound)
	refused(t, s.remove(pump), job.NotFound)
	auto := newShadows(t, func(c *ops.Config) { c.AutoThings = true })
	if d := auto.change(shadowdata.Key{ThingName: registry.Name("new")}, `{"state":{"reported":{"a":1}}}`); d.Version != 1 {
		t.Errorf("registered at its first update: %+v", d)
	}
}

func TestAThingHasABoundedNumberOfNamedShadows(t *testing.T) {
	s := newShadows(t, func(c *ops.Config) { c.NamedShadows = 3 })
	s.things("pump", "valve")
	named := func(name shadow.Name) shadowdata.Key { return shadowdata.Key{ThingName: "pump", ShadowName: name} }
	const some = `{"state":{"desired":{"a":1}}}`
	for _, name := range []shadow.Name{"a", "b", "c"} {
		s.change(named(name), some)
	}
	refused(t, (<-s.begin(named("d"), some)).err, job.LimitExceeded)
	s.change(pump, some) // the classic one is none of them
	s.change(named("c"), some)
	s.change(shadowdata.Key{ThingName: "valve", ShadowName: "d"}, some)
	// What was deleted makes room, and is remembered as long as there is some.
	for _, name := range []shadow.Name{"b", "c"} {
		if err := s.remove(named(name)); err != nil {
			t.Fatal(err)
		}
		s.advance(time.Second)
	}
	s.change(named("d"), some)
	for name, want := range map[shadow.Name]int64{"c": 3, "a": 2} {
		if d := s.change(named(name), some); d.Version != want {
			t.Errorf("%s has version %d, want %d: its past is remembered", name, d.Version, want)
		}
	}
	refused(t, (<-s.begin(named("b"), some)).err, job.LimitExceeded)
	if err := s.remove(named("d")); err != nil {
		t.Fatal(err)
	}
	if d := s.change(named("b"), some); d.Version != 1 {
		t.Errorf("b has version %d, want 1: it was deleted first, and forgotten", d.Version)
	}
}

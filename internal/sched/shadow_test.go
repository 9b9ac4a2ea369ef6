package sched

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/shadow"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/iot"
	"github.com/drover-iot/drover/internal/wire/shadowdata"
)

// shadow makes a shadow of a thing.
func (f *fleet) shadow(thing registry.Name, name shadow.Name) {
	f.t.Helper()
	done := make(chan error, 1)
	f.data.UpdateThingShadowAsync(caller, &shadowdata.UpdateThingShadowInput{
		Key: shadowdata.Key{ThingName: thing, ShadowName: name}, Payload: []byte(`{"state":{"desired":{"a":1}}}`),
	}, func(_ *shadowdata.UpdateThingShadowOutput, err error) { done <- err })
	if err := <-done; err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleet) deleteShadow(thing registry.Name, name shadow.Name) {
	f.t.Helper()
	done := make(chan error, 1)
	f.data.DeleteThingShadowAsync(caller, &shadowdata.ReadInput{Key: shadowdata.Key{ThingName: thing, ShadowName: name}},
		func(_ shadow.Document, err error) { done <- err })
	if err := <-done; err != nil {
		f.t.Fatal(err)
	}
}

// shadowsLeft says whether any deleted shadow is kept, and any of a deleted thing.
func (f *fleet) shadowsLeft() (deleted, ofDeleted bool) {
	f.t.Helper()
	synctest.Wait()
	if err := f.store.View(context.Background(), func(tx store.Tx) error {
		at, err := tx.NextShadow()
		if err != nil {
			return err
		}
		deleted = !at.IsZero()
		ofDeleted, err = tx.PruneShadows(time.Unix(1, 0), 0)
		return err
	}); err != nil {
		f.t.Fatal(err)
	}
	return deleted, ofDeleted
}

func TestTheVersionOfADeletedShadowIsForgottenAfterTwoDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := running(t, 0)
		defer stop()
		f.things("a")
		f.shadow("a", "config")
		f.deleteShadow("a", "config")
		time.Sleep(shadow.Remembered)
		if kept, _ := f.shadowsLeft(); !kept {
			t.Error("it was forgotten too early")
		}
		time.Sleep(time.Second)
		if kept, _ := f.shadowsLeft(); kept {
			t.Error("it is kept though its version is not remembered any more")
		}
	})
}

func TestTheShadowsOfADeletedThingGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := running(t, 0)
		defer stop()
		f.things("a")
		for i := range 2*shadowSlice + 1 {
			f.shadow("a", shadow.Name("s"+string(rune('A'+i%26))+string(rune('a'+i/26))))
		}
		if _, err := f.control.DeleteThing(context.Background(), caller, &iot.DeleteThingInput{ThingName: "a"}); err != nil {
			t.Fatal(err)
		}
		if _, left := f.shadowsLeft(); left {
			t.Error("shadows of a deleted thing are kept")
		}
	})
}

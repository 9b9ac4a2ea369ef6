package sched

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// told is what was handed over: each effect's queue, and what it says of it.
func (f *fleet) told() (all []string) {
	f.t.Helper()
	f.flush()
	for _, e := range f.heard.take() {
		line := fmt.Sprintf("%s notify=%v next=%v", inNamespace(e.Thing, e.Namespace), e.Notify, e.Next)
		for _, x := range e.After.Visible(e.At) {
			line += " " + string(x.JobID)
		}
		all = append(all, line)
	}
	return all
}

func TestAListenerOfANamespaceIsToldOfItsQueueAlone(t *testing.T) {
	f := newFleet(t)
	f.things("a", "b")
	f.audience.live["a gg"] = true
	f.job("plain", "thing/a")
	f.jobIn("gg", "first", "thing/a", "thing/b")
	f.jobIn("gg", "second", "thing/a")
	f.jobIn("other", "third", "thing/a")
	f.settle()
	f.want(f.told(), []string{"a gg notify=true next=false first", "a gg notify=true next=false first second"})
	f.cancel("first", false)
	f.settle()
	must(f.control.DeleteJob(context.Background(), caller, &iot.DeleteJobInput{JobID: "second", Force: true, NamespaceID: "gg"}))(t)
	f.settle()
	f.want(f.told(), []string{"a gg notify=true next=false second", "a gg notify=true next=false"})
	for _, id := range []string{"plain", "first", "third"} {
		f.recount(id)
	}
}

func TestAPersistentListenerOfANamespaceGetsADurableRow(t *testing.T) {
	f := newFleet(t)
	f.things("a")
	f.audience.queue["a gg"] = true
	f.jobIn("gg", "first", "thing/a")
	f.job("plain", "thing/a")
	f.settle()
	var rows []store.EffectRow
	if err := f.store.View(context.Background(), func(tx store.Tx) error {
		return tx.Effects(func(r store.EffectRow) error { r.Row = 0; rows = append(rows, r); return nil })
	}); err != nil {
		t.Fatal(err)
	}
	if want := []store.EffectRow{{Thing: "a", Namespace: "gg", Notify: true}}; !slices.Equal(rows, want) {
		t.Errorf("durable effects: %+v, want %+v", rows, want)
	}
}

func TestWhoBeginsToListenToANamespaceWhileASliceCommitsIsTold(t *testing.T) {
	f := newFleet(t)
	f.things("a")
	f.audience.onAsk = func(queue string) {
		if queue == "a gg" {
			f.audience.live["a gg"] = true
		}
	}
	f.job("plain", "thing/a")
	f.jobIn("gg", "first", "thing/a")
	f.settle()
	f.want(f.told(), []string{"a gg notify=true next=false first"})
}

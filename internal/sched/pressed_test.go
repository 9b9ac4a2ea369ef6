package sched

import (
	"context"
	"fmt"
	"testing"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// pressed is a store for whose updates a device always waits.
type pressed struct{ store.Store }

type pressedTx struct{ store.Tx }

func (pressedTx) Pressed() bool { return true }

func (p pressed) Update(ctx context.Context, fn func(store.Tx) error) error {
	return p.Store.Update(ctx, func(tx store.Tx) error { return fn(pressedTx{tx}) })
}

// While devices wait, a slice ends with the piece that it is in, whatever it is a
// slice of, and in the end everything is done all the same.
func TestWhileDevicesWaitASliceIsAPiece(t *testing.T) {
	f := newFleet(t)
	f.sched.Store = pressed{f.store}
	const n = 5*piece + 3
	f.fill("crowd", n)
	f.job("snap", "thinggroup/crowd")
	f.round()
	if got := len(f.all("snap")); got != piece {
		t.Errorf("after a slice there are %d executions, want %d", got, piece)
	}
	f.settle()
	f.counts("snap", job.Queued, n)

	f.cancel("snap", false)
	f.round()
	f.counts("snap", job.Canceled, piece)
	f.settle()
	f.counts("snap", job.Canceled, n)

	must(f.control.DeleteJob(context.Background(), caller, &iot.DeleteJobInput{JobID: "snap", Force: true}))(t)
	f.round()
	f.recount("snap")
	f.settle()
	_, err := f.control.DescribeJob(context.Background(), caller, &iot.DescribeJobInput{JobID: "snap"})
	wantCode(t, err, job.NotFound)

	f.group("line")
	f.create("cont", func(in *iot.CreateJobInput) { in.TargetSelection = "CONTINUOUS" }, "thinggroup/line")
	f.settle()
	for i := range n {
		f.join("line", fmt.Sprintf("c%06d", i))
	}
	f.round()
	f.counts("cont", job.Queued, 1) // each note may be a group to walk
	f.settle()
	f.counts("cont", job.Queued, n)
	must(f.control.DeleteThingGroup(context.Background(), caller, &iot.DeleteThingGroupInput{ThingGroupName: "line"}))(t)
	f.round()
	f.counts("cont", job.Removed, piece)
	f.settle()
	f.counts("cont", job.Removed, n)
	if next := f.settle(); !next.IsZero() {
		t.Errorf("something is due at %s, and all is done", next)
	}
}

// counts wants so many of a job's rows in a state, and its counters right.
func (f *fleet) counts(id string, s job.Status, want int) {
	f.t.Helper()
	if got := f.stored(id)[s]; got != want {
		f.t.Errorf("%d executions of %s are %s, want %d", got, id, s, want)
	}
	f.recount(id)
}

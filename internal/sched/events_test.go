package sched

import (
	"context"
	"slices"
	"testing"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// telling is a fleet whose scheduler and operations tell of jobs.
func telling(t *testing.T) *fleet {
	f := newFleet(t)
	e := &ops.Events{Region: "us-east-1", Account: "000000000000", Now: f.dial.Now}
	_, f.control = ops.New(ops.Config{Store: f.store, Now: f.dial.Now, Audience: f.audience, Events: e, Region: e.Region, Account: e.Account})
	f.sched.Events = e
	must(f.control.UpdateEventConfigurations(context.Background(), caller, &iot.UpdateEventConfigurationsInput{
		EventConfigurations: map[string]iot.Configuration{"JOB": {Enabled: true}},
	}))(t)
	return f
}

// saw are the topics of events since it was last asked.
func (f *fleet) saw() (topics []string) {
	f.t.Helper()
	f.flush()
	f.heard.mu.Lock()
	defer f.heard.mu.Unlock()
	topics, f.heard.events = f.heard.events, nil
	return topics
}

func (f *fleet) wantEvents(want ...string) {
	f.t.Helper()
	for i := range want {
		want[i] = "$aws/events/job/fw/" + want[i]
	}
	if got := f.saw(); !slices.Equal(got, want) {
		f.t.Errorf("told was %q, want %q", got, want)
	}
}

func TestACancellationIsToldOnceAndItsEscalationAgain(t *testing.T) {
	f := telling(t)
	f.things("a", "b")
	f.job("fw", "thing/a", "thing/b")
	f.settle()
	for _, thing := range []string{"a", "b"} {
		if err := f.report(thing, "fw", job.InProgress); err != nil {
			t.Fatal(err)
		}
	}
	f.wantEvents()
	f.cancel("fw", false)
	f.settle()
	f.wantEvents("cancellation_in_progress", "canceled")
	if err := f.report("a", "fw", job.Succeeded); err != nil {
		t.Fatal(err)
	}
	f.settle()
	f.wantEvents() // a device that ends later is no second cancellation
	f.cancel("fw", true)
	f.settle()
	f.wantEvents("cancellation_in_progress", "canceled")
	must(f.control.DeleteJob(context.Background(), caller, &iot.DeleteJobInput{JobID: "fw"}))(t)
	f.settle()
	f.wantEvents("deletion_in_progress", "deleted")
}

func TestAnAbortIsToldAsACancellation(t *testing.T) {
	f := telling(t)
	f.things("a", "b")
	percent, one := 50.0, int64(1)
	f.create("fw", func(in *iot.CreateJobInput) {
		in.AbortConfig = &iot.AbortConfig{CriteriaList: []iot.AbortCriteria{{FailureType: "FAILED", Action: "CANCEL", ThresholdPercentage: &percent, MinNumberOfExecutedThings: &one}}}
	}, "thing/a", "thing/b")
	f.settle()
	if err := f.report("a", "fw", job.Failed); err != nil {
		t.Fatal(err)
	}
	f.settle()
	f.wantEvents("cancellation_in_progress", "canceled")
}

func TestACompletedJobIsToldOnce(t *testing.T) {
	f := telling(t)
	f.things("a")
	f.job("fw", "thing/a")
	f.settle()
	if err := f.report("a", "fw", job.Succeeded); err != nil {
		t.Fatal(err)
	}
	f.settle()
	f.settle()
	f.wantEvents("completed")
}

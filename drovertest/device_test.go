package drovertest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/drover-iot/drover/drovertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// These are tests of a firmware, as its authors would write them.

func fleetOfOne(t *testing.T) *drovertest.Drover {
	d := drovertest.Start(t)
	d.Thing("pump-7")
	return d
}

var one = drovertest.Job{Things: []string{"pump-7"}, InProgressTimeout: 10 * time.Minute}

func TestFirmwareDoesItsJobs(t *testing.T) {
	t.Parallel()
	d := fleetOfOne(t)
	d.Job("fw-1", one)
	f := boot(t, d, "pump-7")
	d.WaitJob("fw-1", drovertest.Completed)
	d.Job("fw-2", one)
	d.WaitJob("fw-2", drovertest.Completed)
	if n := f.installs(); n != 2 {
		t.Errorf("%d installations of two jobs", n)
	}
}

func TestFirmwareThatHangsIsTimedOutAndGoesOnWithTheNextJob(t *testing.T) {
	t.Parallel()
	d := fleetOfOne(t)
	stuck := make(chan struct{})
	f := &firmware{thing: "pump-7", broker: d.MQTT, poll: make(chan struct{}, 1)}
	f.install = func(ctx context.Context, job string) error {
		if job == "hangs" {
			select {
			case <-stuck:
				return errors.New("it hung")
			case <-ctx.Done():
			}
		}
		return nil
	}
	f.boot(t)
	d.Job("hangs", one)
	d.WaitExecutionUntil("pump-7", "hangs", func(e drovertest.Execution) bool { return e.Version == 3 })
	d.Job("works", one)

	if early := d.Advance(10*time.Minute - time.Second); early.Total != 0 {
		t.Errorf("a second before its time: %s", early)
	}
	late := d.Advance(time.Second)
	if want := "execution hangs/pump-7#1 IN_PROGRESS -> TIMED_OUT\njob hangs IN_PROGRESS -> COMPLETED"; late.String() != want {
		t.Errorf("at its time:\n%s\nwant\n%s", late, want)
	}
	close(stuck) // the report comes too late
	d.WaitJob("works", drovertest.Completed)
	if e, _ := d.Execution("pump-7", "hangs"); e.Status != drovertest.TimedOut {
		t.Errorf("the late report made it %+v", e)
	}
}

func TestFirmwareWhoseJobIsCancelledInTheMiddleGivesItUp(t *testing.T) {
	t.Parallel()
	d := fleetOfOne(t)
	goOn := make(chan struct{})
	f := &firmware{thing: "pump-7", broker: d.MQTT, poll: make(chan struct{}, 1)}
	f.install = func(ctx context.Context, _ string) error {
		select {
		case <-goOn:
		case <-ctx.Done():
		}
		return nil
	}
	f.boot(t)
	d.Job("fw", one)
	d.WaitExecutionUntil("pump-7", "fw", func(e drovertest.Execution) bool { return e.Version == 3 })
	d.CancelJob("fw", true)
	if e, _ := d.Execution("pump-7", "fw"); e.Status != drovertest.Canceled {
		t.Errorf("cancelled, it is %+v", e)
	}
	close(goOn)
	d.Job("fw-2", one)
	d.WaitJob("fw-2", drovertest.Completed)
	if e, _ := d.Execution("pump-7", "fw"); e.Status != drovertest.Canceled {
		t.Errorf("what the firmware said after that made it %+v", e)
	}
}

func TestFirmwareThatMissedANotificationPollsForItsJob(t *testing.T) {
	t.Parallel()
	d := fleetOfOne(t)
	asked := d.Inject(drovertest.Fault{Kind: drovertest.Duplicate, Operation: drovertest.StartNext, Direction: drovertest.Response})
	f := boot(t, d, "pump-7")
	asked.Wait(1) // it has no job, and waits for one
	lost := d.Inject(drovertest.Fault{Kind: drovertest.Drop, Operation: drovertest.NotifyNext})
	d.Job("fw", one)
	lost.Wait(1)
	if e, _ := d.Execution("pump-7", "fw"); e.Status != drovertest.Queued {
		t.Errorf("nobody told it, and it is %+v", e)
	}
	f.poll <- struct{}{}
	d.WaitJob("fw", drovertest.Completed)
}

func TestFirmwareThatIsNotifiedTwiceInstallsOnce(t *testing.T) {
	t.Parallel()
	d := fleetOfOne(t)
	twice := d.Inject(drovertest.Fault{Kind: drovertest.Duplicate, Direction: drovertest.Notification, Count: drovertest.Always})
	asked := d.Inject(drovertest.Fault{Kind: drovertest.Duplicate, Operation: drovertest.StartNext, Direction: drovertest.Response})
	f := boot(t, d, "pump-7")
	asked.Wait(1) // it has no job, and waits for one
	d.Job("fw", one)
	d.WaitJob("fw", drovertest.Completed)
	twice.Wait(2) // that there is a job, and that there is none
	d.Job("fw-2", one)
	d.WaitJob("fw-2", drovertest.Completed)
	if n := f.installs(); n != 2 {
		t.Errorf("%d installations of two jobs", n)
	}
}

func TestFirmwareThatIsOvertakenLooksAgain(t *testing.T) {
	t.Parallel()
	d := fleetOfOne(t)
	d.Job("fw", one)
	stale := d.Inject(drovertest.Fault{Kind: drovertest.StaleVersion, Operation: drovertest.Update, Skip: 1})
	f := boot(t, d, "pump-7")
	e := d.WaitExecution("pump-7", "fw", drovertest.Succeeded)
	// Queued, started, its report, another's change, its success.
	if e.Version != 5 || stale.Times() != 1 || f.installs() != 1 {
		t.Errorf("%+v after %d faults and %d installations", e, stale.Times(), f.installs())
	}
}

func TestFirmwareThatLosesItsConnectionDoesNotInstallTwice(t *testing.T) {
	t.Parallel()
	for _, direction := range []string{drovertest.Request, drovertest.Response} {
		t.Run(direction, func(t *testing.T) {
			t.Parallel()
			d := fleetOfOne(t)
			d.Job("fw", one)
			// The second update is its success: before or after it took effect.
			lost := d.Inject(drovertest.Fault{Kind: drovertest.Disconnect, Operation: drovertest.Update, Direction: direction, Skip: 1})
			f := boot(t, d, "pump-7")
			lost.Wait(1)
			d.WaitExecution("pump-7", "fw", drovertest.Succeeded)
			d.Job("fw-2", one)
			d.WaitJob("fw-2", drovertest.Completed)
			if n := f.installs(); n != 2 {
				t.Errorf("%d installations of two jobs", n)
			}
		})
	}
}

func TestFirmwareGetsThroughABadDay(t *testing.T) {
	t.Parallel()
	d := fleetOfOne(t)
	bad := func(f drovertest.Fault) {
		f.Probability, f.Seed, f.Count = 0.2, 7, drovertest.Always
		d.Inject(f)
	}
	bad(drovertest.Fault{Kind: drovertest.Throttle})
	bad(drovertest.Fault{Kind: drovertest.Disconnect, Direction: drovertest.Response})
	bad(drovertest.Fault{Kind: drovertest.StaleVersion, Operation: drovertest.Update})
	bad(drovertest.Fault{Kind: drovertest.Duplicate, Direction: drovertest.Notification})
	f := boot(t, d, "pump-7")
	jobs := []string{"a", "b", "c", "d", "e"}
	for _, job := range jobs {
		d.Job(job, drovertest.Job{Things: []string{"pump-7"}})
	}
	for _, job := range jobs {
		d.WaitJob(job, drovertest.Completed)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if got := slices.Sorted(slices.Values(f.installed)); !slices.Equal(got, jobs) {
		t.Errorf("installed %q, want each once; the faults: %+v", f.installed, d.Injections())
	}
	if len(d.Injections()) == 0 {
		t.Error("it was a good day")
	}
}

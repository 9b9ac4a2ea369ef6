package drovertest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
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

// bootIdle boots a firmware that has no job, and returns when it waits for one.
func bootIdle(t *testing.T, d *drovertest.Drover, thing string) *firmware {
	asked := looks(d, thing)
	f := boot(t, d, thing, works)
	asked.Wait(1)
	return f
}

// looks notices when a thing asks for its next job.
func looks(d *drovertest.Drover, thing string) *drovertest.Injected {
	return d.Inject(drovertest.Fault{Thing: thing, Kind: drovertest.Duplicate, Operation: drovertest.StartNext, Direction: drovertest.Response})
}

// atWork is an execution that was queued, started, and reported so by the firmware.
func atWork(e drovertest.Execution) bool { return e.Version == 3 }

// wait is an installation that takes as long as the test wants.
func wait(ctx context.Context, goOn <-chan struct{}) {
	select {
	case <-goOn:
	case <-ctx.Done():
	}
}

func TestFirmwareDoesItsJobs(t *testing.T) {
	t.Parallel()
	d := fleetOfOne(t)
	d.Job("fw-1", one)
	f := boot(t, d, "pump-7", works)
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
	boot(t, d, "pump-7", func(ctx context.Context, job string) error {
		if job == "hangs" {
			wait(ctx, stuck)
			return errors.New("it hung")
		}
		return nil
	})
	d.Job("hangs", one)
	d.WaitExecutionUntil("pump-7", "hangs", atWork)
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

func TestFirmwareThatFailsIsGivenItsJobAgainWhileThereAreRetries(t *testing.T) {
	t.Parallel()
	const failed, succeeded = drovertest.Failed, drovertest.Succeeded
	for _, attempts := range [][]string{{failed, failed, succeeded}, {failed, failed, failed}} {
		t.Run(strings.Join(attempts, " "), func(t *testing.T) {
			t.Parallel()
			d := fleetOfOne(t)
			d.Job("fw", drovertest.Job{Things: []string{"pump-7"}, Retries: map[string]int{failed: 2}})
			tries := 0
			boot(t, d, "pump-7", func(context.Context, string) error {
				if tries++; tries < 3 || attempts[2] == failed {
					return errors.New("the checksum is wrong")
				}
				return nil
			})
			d.WaitJob("fw", drovertest.Completed) // and nobody has moved the clock
			if got := d.Attempts("pump-7", "fw"); !slices.Equal(got, attempts) {
				t.Errorf("its attempts: %q", got)
			}
		})
	}
}

func TestFirmwareThatHangsIsGivenItsJobAgainWhileThereAreRetries(t *testing.T) {
	t.Parallel()
	d := fleetOfOne(t)
	d.Job("fw", drovertest.Job{Things: []string{"pump-7"}, InProgressTimeout: 10 * time.Minute, Retries: map[string]int{drovertest.TimedOut: 1}})
	stuck := make(chan struct{}, 2)
	boot(t, d, "pump-7", func(ctx context.Context, job string) error {
		if job == "fw" {
			wait(ctx, stuck)
			return errors.New("it hung")
		}
		return nil
	})
	for _, want := range []string{
		"execution fw/pump-7#1 IN_PROGRESS -> TIMED_OUT\nexecution fw/pump-7#2 QUEUED",
		"execution fw/pump-7#2 IN_PROGRESS -> TIMED_OUT\njob fw IN_PROGRESS -> COMPLETED",
	} {
		d.WaitExecutionUntil("pump-7", "fw", atWork)
		if early := d.Advance(10*time.Minute - time.Second); early.Total != 0 {
			t.Errorf("a second before its time: %s", early)
		}
		if late := d.Advance(time.Second); late.String() != want {
			t.Errorf("at its time:\n%s\nwant\n%s", late, want)
		}
		stuck <- struct{}{} // it reports the attempt that is over, and not the next
	}
	d.Job("works", one)
	d.WaitJob("works", drovertest.Completed)
	if got := d.Attempts("pump-7", "fw"); !slices.Equal(got, []string{drovertest.TimedOut, drovertest.TimedOut}) {
		t.Errorf("its attempts: %q", got)
	}
}

func TestFirmwareHearsThatItsJobWasAborted(t *testing.T) {
	t.Parallel()
	d := drovertest.Start(t)
	fleet := []string{"breaks", "works", "works-too", "breaks-too", "slow", "idle"}
	d.Thing(fleet...)

	idle := bootIdle(t, d, "idle")
	lost := d.Inject(drovertest.Fault{Thing: "idle", Kind: drovertest.Drop, Operation: drovertest.NotifyNext})
	d.Job("fw", drovertest.Job{Things: fleet, Abort: []drovertest.Criterion{
		{FailureType: drovertest.Failed, ThresholdPercentage: 50, MinNumberOfExecutedThings: 3},
	}})
	lost.Wait(1) // it knows nothing of its job, which stays queued
	looked := looks(d, "idle")

	goOn := make(chan struct{})
	boot(t, d, "slow", func(ctx context.Context, _ string) error {
		wait(ctx, goOn)
		return nil
	})
	d.WaitExecutionUntil("slow", "fw", atWork)

	breaks := func(context.Context, string) error { return errors.New("the checksum is wrong") }
	for _, row := range []struct {
		thing   string
		install func(context.Context, string) error
		ends    string
		job     string // then
		idle    string // and what waits of it
	}{
		{"breaks", breaks, drovertest.Failed, drovertest.InProgress, drovertest.Queued},      // 1 of 1, fewer than three
		{"works", works, drovertest.Succeeded, drovertest.InProgress, drovertest.Queued},     // 1 of 2, fewer than three
		{"works-too", works, drovertest.Succeeded, drovertest.InProgress, drovertest.Queued}, // 1 of 3, less than half
		{"breaks-too", breaks, drovertest.Failed, drovertest.Canceled, drovertest.Canceled},  // 2 of 4
	} {
		boot(t, d, row.thing, row.install)
		d.WaitExecution(row.thing, "fw", row.ends)
		d.Settle()
		job, _ := d.JobStatus("fw")
		if e, _ := d.Execution("idle", "fw"); job != row.job || e.Status != row.idle {
			t.Errorf("after %s the job is %s, what waits of it %s", row.thing, job, e.Status)
		}
	}

	looked.Wait(1) // it was told, and looked
	if got := idle.heard(); !slices.Equal(got, []string{""}) || idle.installs() != 0 {
		t.Errorf("it heard of %q, and installed %d times", got, idle.installs())
	}
	close(goOn) // what had begun goes on
	d.WaitExecution("slow", "fw", drovertest.Succeeded)
	if job, _ := d.JobStatus("fw"); job != drovertest.Canceled {
		t.Errorf("in the end the job is %s", job)
	}
}

func TestFirmwareWhoseJobIsCancelledInTheMiddleGivesItUp(t *testing.T) {
	t.Parallel()
	d := fleetOfOne(t)
	goOn := make(chan struct{})
	boot(t, d, "pump-7", func(ctx context.Context, _ string) error {
		wait(ctx, goOn)
		return nil
	})
	d.Job("fw", one)
	d.WaitExecutionUntil("pump-7", "fw", atWork)
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
	f := bootIdle(t, d, "pump-7")
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
	f := bootIdle(t, d, "pump-7")
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
	f := boot(t, d, "pump-7", works)
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
			f := boot(t, d, "pump-7", works)
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
	f := boot(t, d, "pump-7", works)
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

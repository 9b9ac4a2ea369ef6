package sched

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drover-iot/drover/internal/clock"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/store"
)

// flaky is a store whose reads fail as long as a test says so.
type flaky struct {
	store.Store
	mu    sync.Mutex
	fails int
}

func (f *flaky) View(ctx context.Context, fn func(store.Tx) error) error {
	f.mu.Lock()
	fail := f.fails > 0
	f.fails--
	f.mu.Unlock()
	if fail {
		return errors.New("the disk is on fire")
	}
	return f.Store.View(ctx, fn)
}

// running is a fleet whose scheduler runs by itself, on the bubble's time.
func running(t *testing.T, fails int) (f *fleet, stop func()) {
	f = newFleet(t)
	f.dial.now = time.Now()
	f.sched = New(Config{Store: &flaky{Store: f.store, fails: fails}, Clock: clock.Real{}, Audience: f.audience, Log: f.sched.Log})
	f.store.SetObserver(waker{f.heard, f.sched})
	f.sched.Start()
	return f, f.sched.Stop
}

type waker struct {
	*heard
	sched *Sched
}

func (w waker) Wake(at time.Time) { w.sched.Wake(at) }

func TestTheLoopDoesWhatIsDueWhenItIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := running(t, 0)
		defer stop()
		f.things("a")
		ten := int64(10)
		f.timedJob("fw", &ten, "thing/a")
		synctest.Wait()
		f.want(f.executions("fw"), []string{"a#1 QUEUED"})
		if err := f.report("a", "fw", job.InProgress); err != nil {
			t.Fatal(err)
		}
		f.dial.advance(10 * time.Minute) // the store's clock; the loop's is the bubble's
		time.Sleep(10*time.Minute - time.Second)
		synctest.Wait()
		if s := f.stored("fw"); s[job.InProgress] != 1 {
			t.Errorf("a second before its time: %v", s)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s := f.stored("fw"); s[job.TimedOut] != 1 {
			t.Errorf("a second after its time: %v", s)
		}
		if s := f.describe("fw").Status; s != job.JobCompleted {
			t.Errorf("the job is %s, want COMPLETED", s)
		}
	})
}

func TestTheLoopTriesAgainWhatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := running(t, 3)
		defer stop()
		f.things("a")
		f.job("fw", "thing/a")
		synctest.Wait()
		time.Sleep(4 * afterFailure)
		synctest.Wait()
		f.want(f.executions("fw"), []string{"a#1 QUEUED"})
	})
}

func TestStartAndStopLeaveNothingRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		for range 50 {
			s := New(Config{Store: f.store, Clock: clock.Real{}, Log: f.sched.Log})
			s.Start()
			s.Wake(time.Time{})
			s.Stop()
			s.Stop()
		}
		New(Config{Store: f.store, Clock: clock.Real{}}).Stop()
	})
}

func TestOnlyAnEarlierTimeWakesTheLoop(t *testing.T) {
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		name        string
		armed, wake time.Time
		signalled   bool
	}{
		{"now, while it waits", at, time.Time{}, true},
		{"an earlier time", at, at.Add(-1), true},
		{"the same time", at, at, false},
		{"a later time", at, at.Add(1), false},
		{"any time, while it works", time.Time{}, at, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := New(Config{})
			s.armed = row.armed
			s.Wake(row.wake)
			if got := len(s.wakes) == 1; got != row.signalled {
				t.Errorf("signalled %v, want %v", got, row.signalled)
			}
			s.Wake(row.wake) // it never blocks
		})
	}
}

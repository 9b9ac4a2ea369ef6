package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// run runs a fleet against the broker in fake time for so long, and gives its
// statistics and events. during is called at the start.
func run(t *testing.T, f *fakeBroker, cfg Config, d time.Duration, during func()) (Stats, []Event) {
	t.Helper()
	var mu sync.Mutex
	var events []Event
	cfg.Dial = func(context.Context) (net.Conn, error) { return f.dial(), nil }
	cfg.Events = func(e Event) { mu.Lock(); defer mu.Unlock(); events = append(events, e) }
	fleet := NewFleet(cfg)
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if during != nil {
		go during()
	}
	if err := fleet.Run(ctx); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return fleet.Stats(), events
}

func things(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("pump-%d", i)
	}
	return names
}

func kinds(events []Event, thing string) (k []Kind) {
	for _, e := range events {
		if e.Thing == thing {
			k = append(k, e.Kind)
		}
	}
	return k
}

func TestADeviceDoesTheJobsThatWaitedAndThoseThatCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeBroker(t)
		f.queue("pump-0", "waited")
		s, events := run(t, f, Config{Things: things(1), Steps: 2, StepDelay: time.Second}, time.Minute, func() {
			time.Sleep(30 * time.Second)
			f.queue("pump-0", "came")
			f.queue("pump-0", "behind")
		})
		if s.Succeeded != 3 || s.Started != 3 || s.Reports != 9 || s.Connects != 1 || s.Lost != 0 || s.Connected != 0 {
			t.Errorf("stats %+v", s)
		}
		want := []Kind{Connected, Started, Progress, Progress, Ended, Started, Progress, Progress, Ended, Started, Progress, Progress, Ended}
		if diff := cmp.Diff(want, kinds(events, "pump-0")); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		reports := f.reports()
		first := []fakeReport{
			{"pump-0", "waited", InProgress, map[string]string{"step": "download", "progress": "33"}},
			{"pump-0", "waited", InProgress, map[string]string{"step": "verify", "progress": "66"}},
			{"pump-0", "waited", Succeeded, map[string]string{"step": "install", "progress": "100"}},
		}
		if diff := cmp.Diff(first, reports[:3]); diff != "" {
			t.Errorf("reports (-want +got):\n%s", diff)
		}
		if f.goodbye != 1 {
			t.Errorf("%d DISCONNECTs at the end, want 1", f.goodbye)
		}
		// $next once, three starts, nine reports; each was answered.
		if s.Requests != 13 || s.P99 < s.P50 {
			t.Errorf("latencies %+v", s)
		}
	})
}

func fates(t *testing.T, seed uint64) (all []fakeReport, s Stats) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeBroker(t)
		for _, thing := range things(200) {
			f.queue(thing, "fw")
		}
		s, _ = run(t, f, Config{Things: things(200), Seed: seed, Fail: 0.2, StepDelay: time.Second}, time.Minute, nil)
		for _, r := range f.reports() {
			if r.Status.terminal() {
				all = append(all, r)
			}
		}
	})
	slices.SortFunc(all, func(a, b fakeReport) int { return strings.Compare(a.Thing, b.Thing) })
	return all, s
}

func TestTheSameSeedGivesTheSameFates(t *testing.T) {
	one, s := fates(t, 7)
	if s.Done() != 200 || s.Failed == 0 || s.Rejected == 0 || s.Failed+s.Rejected < 20 || s.Failed+s.Rejected > 60 || s.Failed < s.Rejected {
		t.Errorf("of 200 with a share of 0.2: %+v", s)
	}
	again, _ := fates(t, 7)
	if diff := cmp.Diff(one, again); diff != "" {
		t.Errorf("seed 7 twice (-first +second):\n%s", diff)
	}
	if other, _ := fates(t, 8); cmp.Equal(one, other) {
		t.Error("seeds 7 and 8 gave the same fates")
	}
	for _, r := range one {
		if (r.Status == Succeeded) == (r.Details["reason"] != "") {
			t.Errorf("%s with reason %q", r.Status, r.Details["reason"])
		}
	}
}

func TestWorkThatIsTakenAwayIsAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeBroker(t)
		f.queue("pump-0", "long")
		s, _ := run(t, f, Config{Things: things(1), Steps: 100, StepDelay: 10 * time.Second}, time.Hour, func() {
			time.Sleep(35 * time.Second)
			f.cancel("pump-0")
			time.Sleep(10 * time.Minute)
			f.queue("pump-0", "next")
		})
		if s.Abandoned != 1 || s.Succeeded != 1 || s.Started != 2 || s.Lost != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestALostConnectionIsMadeAgainAndTheWorkGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeBroker(t)
		f.queue("pump-0", "fw")
		s, events := run(t, f, Config{Things: things(1), Steps: 9, StepDelay: 10 * time.Second}, time.Hour, func() {
			time.Sleep(45 * time.Second)
			f.cut("pump-0")
		})
		if s.Connects != 2 || s.Lost != 1 || s.Succeeded != 1 || s.Started != 2 {
			t.Errorf("stats %+v", s)
		}
		percent := 0
		for _, e := range events {
			if e.Kind == Progress && e.Percent <= percent {
				t.Errorf("progress fell from %d to %d %%: the device began again", percent, e.Percent)
			}
			percent = max(percent, e.Percent)
		}
		if n := len(f.reports()); n != 10 {
			t.Errorf("%d reports, want 10: nothing twice, nothing left out", n)
		}
	})
}

func TestAnotherVersionIsTakenFromTheRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeBroker(t)
		f.queue("pump-0", "fw")
		var once sync.Once
		f.before = func(f *fakeBroker, r report) {
			once.Do(func() { f.mu.Lock(); f.head(r.Thing).Version += 5; f.mu.Unlock() })
		}
		s, _ := run(t, f, Config{Things: things(1)}, time.Minute, nil)
		if s.Succeeded != 1 || s.Reports != 4 || s.Abandoned != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestARefusedRequestIsMadeAgainLater(t *testing.T) {
	for _, verb := range []string{"$next/get", "start-next", "fw/update"} {
		t.Run(verb, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeBroker(t)
				f.queue("pump-0", "fw")
				left := 2
				f.reject = func(topic string) string {
					if strings.HasSuffix(topic, verb) && left > 0 {
						left--
						return "RequestThrottled"
					}
					return ""
				}
				s, _ := run(t, f, Config{Things: things(1)}, time.Minute, nil)
				if s.Refused != 2 || s.Succeeded != 1 || s.Lost != 0 {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}

func TestAnExecutionThatIsGoneIsAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeBroker(t)
		f.queue("pump-0", "fw")
		f.before = func(f *fakeBroker, r report) { f.mu.Lock(); f.queues[r.Thing] = nil; f.mu.Unlock() }
		s, _ := run(t, f, Config{Things: things(1)}, time.Minute, nil)
		if s.Abandoned != 1 || s.Done() != 0 {
			t.Errorf("stats %+v", s)
		}
		if n := f.requests(jobsTopic("pump-0") + "$next/get"); n != 2 {
			t.Errorf("asked for work %d times, want 2", n)
		}
	})
}

func TestARequestWithoutAnAnswerEndsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeBroker(t)
		f.queue("pump-0", "fw")
		muted := 0
		f.mute = func(topic string) bool {
			if strings.HasSuffix(topic, "start-next") && muted < 2 {
				muted++
				return true
			}
			return false
		}
		s, events := run(t, f, Config{Things: things(1)}, 2*time.Minute, nil)
		if s.Lost != 2 || s.Connects != 3 || s.Succeeded != 1 {
			t.Errorf("stats %+v\n%v", s, events)
		}
	})
}

func TestABrokerThatDoesNotAnswerPingsIsLeft(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeBroker(t)
			f.deaf = deaf
			s, _ := run(t, f, Config{Things: things(1), KeepAlive: 10 * time.Second}, time.Hour, nil)
			if deaf == (s.Lost == 0) {
				t.Errorf("deaf %v: stats %+v", deaf, s)
			}
		})
	}
}

func TestARefusedLoginIsTriedAgainMoreAndMoreSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeBroker(t)
		f.connack = 5
		s, events := run(t, f, Config{Things: things(1)}, 10*time.Minute, nil)
		// At least maxBackoff/2 apart, after the first few.
		if s.Lost < 20 || s.Lost > 130 || s.Connects != 0 || s.Connected != 0 {
			t.Errorf("stats %+v", s)
		}
		if !errors.Is(events[0].Err, ErrRefused) || !strings.Contains(events[0].Err.Error(), "not authorised") {
			t.Errorf("event %+v", events[0])
		}
	})
}

func TestAFleetThatCannotWorkSaysWhy(t *testing.T) {
	for want, cfg := range map[string]Config{
		"without things": {},
		"share of 2":     {Things: things(1), Fail: 2},
		"-1 steps":       {Things: things(1), Steps: -1},
		"keep-alive 1s":  {Things: things(1), KeepAlive: time.Second},
	} {
		if err := NewFleet(cfg).Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
}

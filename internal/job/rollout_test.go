package job

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestTheExponentialRateGrowsWithCumulativeMultiples(t *testing.T) {
	guide := Rollout{PerMinute: 1000, Growth: Growth{Base: 50, Tenths: 20, Notified: 1000, Succeeded: 1000}}
	for _, row := range []struct {
		name                string
		r                   Rollout
		notified, succeeded int64
		want                int64
	}{
		{"the guide's example begins at its base", guide, 0, 0, 50},
		{"not one before", guide, 999, 0, 50},
		{"doubled at 1000 notified", guide, 1000, 0, 100},
		{"and at 2000", guide, 2000, 0, 200},
		{"and at 3000", guide, 3000, 0, 400},
		{"not one before the fourth step", guide, 3999, 0, 400},
		{"and at 4000", guide, 4000, 0, 800},
		{"by what has succeeded just as well", guide, 0, 1000, 100},
		{"the criterion that is further counts, not their sum", guide, 1999, 1000, 100},
		{"capped by maximumPerMinute", guide, 9000, 0, 1000},
		{"one criterion alone", Rollout{PerMinute: 1000, Growth: Growth{Base: 50, Tenths: 20, Succeeded: 10}}, 5000, 20, 200},
		{"a factor with a decimal, in whole executions", Rollout{PerMinute: 1000, Growth: Growth{Base: 10, Tenths: 11, Notified: 1}}, 2, 0, 12},
		{"not rounded between two steps", Rollout{PerMinute: 1000, Growth: Growth{Base: 1, Tenths: 15, Notified: 1}}, 4, 0, 5},
		{"a base above the maximum is the maximum", Rollout{PerMinute: 20, Growth: Growth{Base: 50, Tenths: 20, Notified: 1}}, 0, 0, 20},
		{"without a maximum it ends somewhere", Rollout{Growth: Growth{Base: 1000, Tenths: 50, Notified: 1}}, 1 << 50, 0, boundless},
		{"a constant rate stays", Rollout{PerMinute: 7}, 1 << 40, 1 << 40, 7},
		{"no limit at all", Rollout{}, 5, 5, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := row.r.Grown(Stats{Released: row.notified}, row.succeeded)
			if got := row.r.Rate(s.Steps); got != row.want {
				t.Errorf("%d a minute, want %d", got, row.want)
			}
			if again := row.r.Grown(s, 0); row.r.Rate(again.Steps) < row.want {
				t.Error("the rate falls when what has succeeded is deleted")
			}
		})
	}
}

// TestTheExampleOfTheGuide is the exponential example of control-plane.md B.4
// with times: base 50, factor 2, steps at 1000, 2000, 3000 and 4000 notified.
func TestTheExampleOfTheGuide(t *testing.T) {
	r := Rollout{PerMinute: 1000, Growth: Growth{Base: 50, Tenths: 20, Notified: 1000, Succeeded: 1000}}
	s, now := Stats{Start: epoch}, epoch
	at := map[int64]time.Duration{} // when so many were reached
	for now.Before(epoch.Add(41 * time.Minute)) {
		s = r.Grown(s, 0)
		quota, wake := r.Next(s, now)
		before := s.Released
		s = s.Release(quota, now)
		for n := before + 1; n <= s.Released; n++ {
			at[n] = now.Sub(epoch)
		}
		if r.Grown(s, 0).Steps == s.Steps { // else the counters ask again at once
			now = wake
		}
	}
	for _, row := range []struct {
		released int64
		at       time.Duration
	}{
		{1, 0},
		{2, 1 * time.Second}, // spread over the minute, the first ones early
		{50, 58 * time.Second},
		{51, time.Minute},
		{999, 19*time.Minute + 57*time.Second},
		{1000, 19*time.Minute + 58*time.Second}, // and from here on a hundred a minute
		{1003, 20 * time.Minute},
		{1102, 20*time.Minute + 59*time.Second},
		{2000, 29*time.Minute + 58*time.Second},
		{2006, 30 * time.Minute}, // two hundred
		{2205, 30*time.Minute + 59*time.Second},
		{3000, 34*time.Minute + 58*time.Second},
		{3013, 35 * time.Minute}, // four hundred
		{3412, 35*time.Minute + 59*time.Second},
		{4000, 37*time.Minute + 28*time.Second},
		{4425, 37*time.Minute + 59*time.Second}, // eight hundred
		{5000, 38*time.Minute + 43*time.Second},
		{5282, 38*time.Minute + 59*time.Second}, // a thousand, which is the maximum
		{6282, 39*time.Minute + 59*time.Second},
	} {
		if at[row.released] != row.at {
			t.Errorf("the %dth is released at %s, want %s", row.released, at[row.released], row.at)
		}
	}
}

// TestARolloutNeverExceedsItsRateInAnySlidingMinute asks at random moments,
// takes at random, and changes the rate on the way: no minute that ends at a
// release holds more than the rate of then.
func TestARolloutNeverExceedsItsRateInAnySlidingMinute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rates := rapid.Int64Range(1, 1000)
		r := Rollout{PerMinute: rates.Draw(t, "rate")}
		if rapid.Bool().Draw(t, "grows") {
			r.Growth = Growth{
				Base: rapid.Int64Range(1, 100).Draw(t, "base"), Tenths: rapid.Int64Range(11, 50).Draw(t, "tenths"),
				Notified: rapid.Int64Range(1, 100).Draw(t, "notified"),
			}
		}
		s := Stats{Start: epoch}
		now := epoch
		type release struct {
			at time.Time
			n  int64
		}
		var all []release
		for range rapid.IntRange(1, 300).Draw(t, "asks") {
			if rapid.IntRange(0, 30).Draw(t, "change") == 0 {
				r.PerMinute = rates.Draw(t, "new rate")
			}
			s = r.Grown(s, 0)
			quota, wake := r.Next(s, now)
			take := rapid.Int64Range(0, quota).Draw(t, "take")
			if rapid.Bool().Draw(t, "all") {
				take = quota
			}
			s = s.Release(take, now)
			all = append(all, release{now, take})
			if !wake.After(now) {
				t.Fatalf("wake %v is not after %v", wake, now)
			}
			var sum int64
			for i := len(all) - 1; i >= 0 && now.Sub(all[i].at) < time.Minute; i-- {
				sum += all[i].n
			}
			if rate := r.Rate(s.Steps); take > 0 && sum > rate {
				t.Fatalf("%d released within a minute, the rate is %d", sum, rate)
			}
			if len(s.Recent) > minute+1 {
				t.Fatalf("%d batches are remembered of a minute", len(s.Recent))
			}
			if rapid.Bool().Draw(t, "prompt") {
				now = wake
			} else {
				most := rapid.SampledFrom([]time.Duration{200 * time.Millisecond, time.Second, 5 * time.Second}).Draw(t, "at most")
				now = now.Add(time.Duration(rapid.Int64Range(1, int64(most)).Draw(t, "pause")))
			}
		}
	})
}

func TestARolloutThatIsAskedInTimeReachesItsRate(t *testing.T) {
	for _, rate := range []int64{1, 7, 60, 61, 1000} {
		for _, late := range []time.Duration{0, 3 * time.Millisecond} {
			t.Run(fmt.Sprintf("%d a minute, asked %s late", rate, late), func(t *testing.T) {
				r, s, now := Rollout{PerMinute: rate}, Stats{Start: epoch}, epoch
				for now.Before(epoch.Add(10 * time.Minute)) {
					quota, wake := r.Next(s, now)
					if now.Equal(epoch) && quota == 0 {
						t.Fatal("the first is not released at once")
					}
					s = s.Release(quota, now)
					now = wake.Add(late)
					late = late * 5 % (7 * time.Millisecond)
				}
				if s.Released != 10*rate {
					t.Errorf("%d released in ten minutes, want %d", s.Released, 10*rate)
				}
			})
		}
	}
}

// TestTwoReleasesOfOneSecondCountUntilTheLaterIsAMinuteOld: a second is
// remembered as one batch.
func TestTwoReleasesOfOneSecondCountUntilTheLaterIsAMinuteOld(t *testing.T) {
	r, s := Rollout{PerMinute: 600}, Stats{Start: epoch}
	at := func(ms int) time.Time { return epoch.Add(time.Duration(ms) * time.Millisecond) }
	s = s.Release(5, at(0)).Release(5, at(900))
	for i := 1; i < 60; i++ {
		quota, _ := r.Next(s, at(i*1000))
		s = s.Release(quota, at(i*1000))
	}
	if quota, wake := r.Next(s, at(60_000)); quota != 0 || !wake.Equal(at(60_900)) {
		t.Errorf("at +60s %d are released and the next at +%s, want 0 and +1m0.9s", quota, wake.Sub(epoch))
	}
	if quota, _ := r.Next(s, at(60_900)); quota != 10 {
		t.Errorf("at +60.9s %d are released, want 10", quota)
	}
}

func TestALoweredRateWaitsUntilTheMinuteHasRoom(t *testing.T) {
	s := Stats{Start: epoch}
	now := epoch
	for range 30 {
		quota, wake := Rollout{PerMinute: 60}.Next(s, now)
		s, now = s.Release(quota, now), wake
	}
	slow := Rollout{PerMinute: 10}
	quota, wake := slow.Next(s, now)
	if quota != 0 || !wake.Equal(epoch.Add(80*time.Second)) {
		t.Errorf("after 30 in half a minute the rate of 10 releases %d and asks at +%s, want 0 and +1m20s", quota, wake.Sub(epoch))
	}
	if quota, _ := slow.Next(s, wake.Add(-time.Millisecond)); quota != 0 {
		t.Errorf("%d a millisecond too early", quota)
	}
}

func TestRatesThatCannotBe(t *testing.T) {
	grows := func(g Growth) Rollout { return Rollout{Growth: g} }
	for _, row := range []struct {
		name  string
		r     Rollout
		limit int64
		fails bool
	}{
		{"nothing said", Rollout{}, 1000, false},
		{"the limit itself", Rollout{Asked: 1000}, 1000, false},
		{"above the limit", Rollout{Asked: 1001}, 1000, true},
		{"a limit that is lifted", Rollout{Asked: 1_000_000}, 0, false},
		{"a base above the limit", grows(Growth{Base: 1001, Tenths: 20, Notified: 1}), 1000, true},
		{"no criterion", grows(Growth{Base: 1, Tenths: 20}), 1000, true},
		{"one criterion", grows(Growth{Base: 1, Tenths: 20, Succeeded: 1}), 1000, false},
		{"both criteria", grows(Growth{Base: 1, Tenths: 20, Notified: 1, Succeeded: 1}), 1000, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := row.r.Check(row.limit); (err != nil) != row.fails {
				t.Errorf("got %v", err)
			}
		})
	}
}

package job

import (
	"math"
	"time"
)

// Rollout is how fast a job's executions are handed out (control-plane.md B.4).
type Rollout struct {
	PerMinute int64 // 0: without a limit
}

// Capped is the rollout of a job that asks for no rate of its own, or for r:
// the default then, and never more than max; 0 is without a limit.
func (r Rollout) Capped(byDefault, limit int64) Rollout {
	if r.PerMinute <= 0 {
		r.PerMinute = byDefault
	}
	if limit > 0 && (r.PerMinute <= 0 || r.PerMinute > limit) {
		r.PerMinute = limit
	}
	return r
}

// Stats is what a rollout has done: enough to go on after a restart.
type Stats struct {
	Start    time.Time // of the rollout
	Second   int64     // the latest second, counted from Start, in which some were released
	InSecond int64     // how many were released in it
	Released int64     // how many in all
}

// period is how many consecutive seconds share one minute's worth: a sliding
// window of 60 seconds touches at most 61 of them, so that any such window
// holds at most PerMinute.
const period = 61

// Next is how many executions may be released now, and when to ask again if
// more are wanted. What a second was not used for is lost, never caught up.
// Unlimited: all, and no wake.
func (r Rollout) Next(s Stats, now time.Time) (quota int64, wake time.Time) {
	if r.PerMinute <= 0 {
		return math.MaxInt64, time.Time{}
	}
	second := s.second(now)
	quota = r.share(second)
	if second == s.Second {
		quota -= s.InSecond
	}
	next := second + 1
	for r.share(next) == 0 {
		next++
	}
	return max(0, quota), s.Start.Add(time.Duration(next) * time.Second)
}

// Release notes that n were released now.
func (s Stats) Release(n int64, now time.Time) Stats {
	if n == 0 {
		return s
	}
	if second := s.second(now); second != s.Second {
		s.Second, s.InSecond = second, 0
	}
	s.InSecond += n
	s.Released += n
	return s
}

func (s Stats) second(now time.Time) int64 { return max(0, int64(now.Sub(s.Start)/time.Second)) }

// share is how many of a minute's executions fall on this second.
func (r Rollout) share(second int64) int64 {
	at := func(i int64) int64 { return (r.PerMinute*i + period - 1) / period }
	i := second % period
	return at(i+1) - at(i)
}

package job

import (
	"math"
	"math/big"
	"slices"
	"time"
)

// Rollout is how fast a job's executions are handed out (control-plane.md B.4).
type Rollout struct {
	Asked     int64  // maximumPerMinute as the job was given it; 0: it said nothing
	PerMinute int64  // the most that it is handed out at; 0: without a limit
	Growth    Growth // exponentialRate; its zero value: a constant rate
}

// Growth is a rate that begins at Base and is multiplied each time that Notified
// more things were reached or Succeeded more have succeeded.
type Growth struct {
	Base      int64 // per minute
	Tenths    int64 // of incrementFactor: 15 is 1.5
	Notified  int64 // 0: no criterion
	Succeeded int64 // 0: no criterion
}

// Check errors: InvalidRequest for a rate above limit (0: none), and for one
// that grows but not by any criterion.
func (r Rollout) Check(limit int64) error {
	for _, rate := range []struct {
		member string
		asked  int64
	}{{"maximumPerMinute", r.Asked}, {"exponentialRate.baseRatePerMinute", r.Growth.Base}} {
		if limit > 0 && rate.asked > limit {
			return Errorf(InvalidRequest, "jobExecutionsRolloutConfig.%s is %d: this server allows at most %d a minute", rate.member, rate.asked, limit)
		}
	}
	if r.Growth.Base > 0 && r.Growth.Notified == 0 && r.Growth.Succeeded == 0 {
		return Errorf(InvalidRequest, "jobExecutionsRolloutConfig.exponentialRate.rateIncreaseCriteria names no criterion: give numberOfNotifiedThings, numberOfSucceededThings or both")
	}
	return nil
}

// Capped is the rollout with its limit in force: what was asked for, or the
// default, and never more than limit; 0 is without a limit.
func (r Rollout) Capped(byDefault, limit int64) Rollout {
	r.PerMinute = r.Asked
	if r.PerMinute <= 0 {
		r.PerMinute = byDefault
	}
	if limit > 0 && (r.PerMinute <= 0 || r.PerMinute > limit) {
		r.PerMinute = limit
	}
	return r
}

// boundless is a rate that no fleet can follow: an exponential rate without a
// maximum stops growing there.
const boundless = 1 << 40

// Rate is how many are handed out a minute after so many steps of growth, in
// whole executions; 0: without a limit.
func (r Rollout) Rate(steps int64) int64 {
	if r.Growth.Base <= 0 {
		return r.PerMinute
	}
	most := r.PerMinute
	if most <= 0 {
		most = boundless
	}
	rate, over := big.NewInt(r.Growth.Base), big.NewInt(1)
	tenths, ten := big.NewInt(r.Growth.Tenths), big.NewInt(10)
	whole := new(big.Int)
	for whole.Quo(rate, over); steps > 0 && whole.IsInt64() && whole.Int64() < most && r.Growth.Tenths > 10; steps-- {
		whole.Quo(rate.Mul(rate, tenths), over.Mul(over, ten))
	}
	if !whole.IsInt64() {
		return most
	}
	return min(whole.Int64(), most)
}

// steps is how often the rate has grown: the criteria count cumulative
// multiples, and the one that is further counts.
func (g Growth) steps(notified, succeeded int64) (k int64) {
	if g.Base <= 0 {
		return 0
	}
	if g.Notified > 0 {
		k = notified / g.Notified
	}
	if g.Succeeded > 0 {
		k = max(k, succeeded/g.Succeeded)
	}
	return k
}

// Stats is what a rollout has done: enough to go on after a restart.
type Stats struct {
	Start    time.Time // of the rollout
	Released int64     // how many in all
	Steps    int64     // how often the rate has grown; it never shrinks by itself
	// Recent are the releases of the last minute, oldest first: at most one for
	// each second since Start.
	Recent []Batch
}

// Batch is so many executions that were released at one time.
type Batch struct {
	At time.Time
	N  int64
}

const minute = 60 // seconds

// Grown notes how far the rollout's criteria have been met, when so many things
// have succeeded.
func (r Rollout) Grown(s Stats, succeeded int64) Stats {
	s.Steps = max(s.Steps, r.Growth.steps(s.Released, succeeded))
	return s
}

// Next is how many executions may be released now, and when to ask again if
// more are wanted. The rate is spread over the seconds of a minute; what a
// second was not used for is lost, never caught up. Whatever the rate was
// before, no 60 seconds that end now hold more than the rate of now. Unlimited:
// all, and no wake.
func (r Rollout) Next(s Stats, now time.Time) (quota int64, wake time.Time) {
	rate := r.Rate(s.Steps)
	if rate <= 0 {
		return math.MaxInt64, time.Time{}
	}
	second := s.second(now)
	share := shareOf(rate, second)
	used := int64(0)
	for _, b := range s.Recent {
		if s.second(b.At) == second {
			share -= b.N
		}
		if b.At.Add(time.Minute).After(now) {
			used += b.N
		}
	}
	share = max(0, share)
	quota = max(0, min(share, rate-used))
	next := second + 1
	for shareOf(rate, next) == 0 {
		next++
	}
	wake = s.Start.Add(time.Duration(next) * time.Second)
	if share > quota { // the minute is full: ask when the oldest of it are past
		if at := s.frees(used+quota-rate, now); at.After(now) {
			wake = at
		}
	}
	return quota, wake
}

// frees is when more than n of the recent ones will be older than a minute.
func (s Stats) frees(n int64, now time.Time) (at time.Time) {
	for _, b := range s.Recent {
		if past := b.At.Add(time.Minute); past.After(now) && n >= 0 {
			n -= b.N
			at = past
		}
	}
	return at
}

// Release notes that n were released now.
func (s Stats) Release(n int64, now time.Time) Stats {
	if n == 0 {
		return s
	}
	s.Released += n
	recent := make([]Batch, 0, len(s.Recent)+1)
	for _, b := range s.Recent {
		if b.At.Add(time.Minute).After(now) {
			recent = append(recent, b)
		}
	}
	// Those of one second are one batch, which is as young as its youngest.
	if last := len(recent) - 1; last >= 0 && s.second(recent[last].At) == s.second(now) {
		recent[last].N += n
		if now.After(recent[last].At) {
			recent[last].At = now
		}
	} else {
		recent = append(recent, Batch{now, n})
		slices.SortStableFunc(recent, func(a, b Batch) int { return a.At.Compare(b.At) })
	}
	s.Recent = recent
	return s
}

func (s Stats) second(now time.Time) int64 { return max(0, int64(now.Sub(s.Start)/time.Second)) }

// shareOf is how many of a minute's executions fall on this second.
func shareOf(rate, second int64) int64 {
	at := func(i int64) int64 { return (rate*i + minute - 1) / minute }
	i := second % minute
	return at(i+1) - at(i)
}

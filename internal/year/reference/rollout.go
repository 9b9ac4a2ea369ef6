package reference

import (
	"fmt"
	"math/big"
	"time"
)

// Rollout is jobExecutionsRolloutConfig; 0 is a member that was not given.
type Rollout struct {
	PerMinute           int64 // maximumPerMinute
	Base                int64 // baseRatePerMinute
	Tenths              int64 // of incrementFactor
	Notified, Succeeded int64 // rateIncreaseCriteria
}

// slack is how long after a rollout has reached all that is left the product may
// take to see that it has.
const slack = 3 * time.Minute

// pace is how a rollout goes.
type pace struct {
	max      int64
	steps    int64 // of growth so far
	released []time.Time
	start    time.Time // seconds and minutes count from here
	since    time.Time // rolling without a change of the rate
	minute   int64     // the first that was not looked at
	atMinute int64     // the rate that the one before it began with
	rateNow  int64     // the rate that it began with
	total    int64
	emptyAt  time.Time // when nothing was left to reach; zero: something is
}

func (j *Job) startPace(now time.Time, limit int64) {
	j.pace = pace{max: limit, start: now, since: now}
	if j.Rollout.PerMinute > 0 {
		j.pace.max = min(limit, j.Rollout.PerMinute)
	}
	j.pace.rateNow = j.rate()
	j.pace.atMinute = j.pace.rateNow
}

// changePace is startPace for a job that is under way: what was released stays,
// the growth is counted anew.
func (j *Job) changePace(now time.Time, limit int64) {
	j.pace.max = limit
	if j.Rollout.PerMinute > 0 {
		j.pace.max = min(limit, j.Rollout.PerMinute)
	}
	j.pace.steps, j.pace.since = 0, now.Add(2*time.Minute)
	j.pace.rateNow = j.rate()
	j.pace.atMinute = j.pace.rateNow
}

func (j *Job) resume(now time.Time) {
	j.pace.emptyAt = time.Time{}
	if !j.Rolling {
		j.Rolling, j.pace.since = true, now
	}
}

func (j *Job) stopRollout() {
	j.Rolling, j.waiting = false, map[*Thing]bool{}
}

// stepsFor is k of B.4.
func (j *Job) stepsFor(notified int64) (k int64) {
	r := j.Rollout
	if r.Base == 0 {
		return 0
	}
	if r.Notified > 0 {
		k = notified / r.Notified
	}
	if r.Succeeded > 0 {
		k = max(k, j.Details()[Succeeded]/r.Succeeded)
	}
	return k
}

// grow notes how far the rate has grown; it does not shrink.
func (j *Job) grow() {
	if j.Rolling && j.Status == Active {
		j.pace.steps = max(j.pace.steps, j.stepsFor(j.pace.total))
	}
}

// rate is min(maximumPerMinute, base × factor^k), in whole executions (B.4).
func (j *Job) rate() int64 {
	if j.Rollout.Base == 0 {
		return j.pace.max
	}
	rate, factor := new(big.Rat).SetInt64(j.Rollout.Base), big.NewRat(j.Rollout.Tenths, 10)
	most := new(big.Rat).SetInt64(j.pace.max)
	for k := int64(0); k < j.pace.steps && rate.Cmp(most) < 0; k++ {
		rate.Mul(rate, factor)
	}
	if rate.Cmp(most) >= 0 {
		return j.pace.max
	}
	return new(big.Int).Quo(rate.Num(), rate.Denom()).Int64()
}

// Release says that the rollout has reached a thing: is it one that the job has
// still to reach, and is the rate kept in the sixty seconds that end now?
func (w *World) Release(id, thing string, now time.Time) {
	j, t := w.jobs[id], w.things[thing]
	complain := func(format string, args ...any) {
		w.wrong = append(w.wrong, fmt.Sprintf("job %s reached thing %s: ", id, thing)+fmt.Sprintf(format, args...))
	}
	switch {
	case j == nil || t == nil:
		complain("no such job or thing")
		return
	case j.Status != Active:
		complain("the job is %s", j.Status)
	case !j.waiting[t]:
		complain("the thing was no target to reach")
	case j.Forever && !j.covers(t):
		complain("the thing is no target any more")
	}
	delete(j.waiting, t)
	p := &j.pace
	recent := p.released[:0]
	for _, at := range p.released {
		if at.After(now.Add(-time.Minute)) {
			recent = append(recent, at)
		}
	}
	p.released = append(recent, now)
	if rate := j.rate(); int64(len(p.released)) > rate {
		complain("number %d within a minute, at a rate of %d", len(p.released), rate)
	}
	p.total++
	j.grow()
	w.queue(j, t, now)
}

// RolledOut says whether the product says that the rollout is done.
func (w *World) RolledOut(j *Job, done bool, now time.Time) {
	if len(j.waiting) > 0 {
		if done {
			w.wrong = append(w.wrong, fmt.Sprintf("job %s says that it is rolled out, and has not reached %d things such as %s", j.ID, len(j.waiting), inOrder(j.waiting)[0].Name))
		}
		return
	}
	if j.pace.emptyAt.IsZero() {
		j.pace.emptyAt = now
	}
	if done {
		j.Rolling = false
		w.dirty[j] = true
	} else if now.Sub(j.pace.emptyAt) > slack {
		w.wrong = append(w.wrong, fmt.Sprintf("job %s has reached all since %s and does not see it", j.ID, j.pace.emptyAt.Format(time.RFC3339Nano)))
	}
}

// Rollouts are the jobs that are rolling, by id.
func (w *World) Rollouts() (rolling []*Job) {
	for _, j := range w.Jobs() {
		if j.Rolling && j.Status == Active {
			rolling = append(rolling, j)
		}
	}
	return rolling
}

// noMinute is of a rollout that does not go on.
const noMinute = 1 << 40

// checkPace: a whole minute in which there was something to reach, at a rate that
// was not touched, reaches as many as the rate a minute before, or more: one that
// has grown since counts what the sixty seconds before have had.
func (w *World) checkPace(j *Job, now time.Time) {
	p := &j.pace
	if !j.Rolling || j.Status != Active {
		p.minute = noMinute
		return
	}
	minute := int64(now.Sub(p.start) / time.Minute)
	if minute < p.minute && p.minute != noMinute {
		return
	}
	from := p.start.Add(time.Duration(minute-1) * time.Minute)
	if minute == p.minute+1 && len(j.waiting) > 0 && !p.since.After(from) {
		n := int64(0)
		for _, at := range p.released {
			if !at.Before(from) && at.Before(from.Add(time.Minute)) {
				n++
			}
		}
		if n < p.atMinute {
			w.wrong = append(w.wrong, fmt.Sprintf("job %s reached %d things in its minute %d, at a rate of %d, and %d wait", j.ID, n, minute-1, p.atMinute, len(j.waiting)))
		}
	}
	if minute != p.minute {
		p.minute, p.atMinute, p.rateNow = minute, p.rateNow, j.rate()
	}
}

package crash

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/store"
)

// rate is how fast a campaign is handed out: base a minute, multiplied by tenths/10
// each time that so many more were notified or have succeeded (0: no criterion),
// and never more than most (0: without an end). Without a base it is constant.
type rate struct{ base, tenths, notified, succeeded, most int64 }

// rates are for campaigners: some seconds for each.
var rates = []rate{
	{most: 600},
	{base: 300, tenths: 15, succeeded: 4},
	{base: 240, tenths: 20, notified: 10, most: 1200},
	{base: 180, tenths: 20, notified: 15, succeeded: 3, most: 900},
}

// slowly is for a job that lasts as long as its folder, which is longer than a minute
// where it has timers: 120 a minute, and every 40 seconds or so half as many more.
var slowly = rate{base: 120, tenths: 15, notified: 80, most: 400}

// config is the rate as CreateJob wants it.
func (g rate) config() members {
	out := members{}
	if g.most > 0 {
		out["maximumPerMinute"] = g.most
	}
	if g.base > 0 {
		criteria := members{}
		if g.notified > 0 {
			criteria["numberOfNotifiedThings"] = g.notified
		}
		if g.succeeded > 0 {
			criteria["numberOfSucceededThings"] = g.succeeded
		}
		out["exponentialRate"] = members{
			"baseRatePerMinute": g.base, "incrementFactor": float64(g.tenths) / 10, "rateIncreaseCriteria": criteria,
		}
	}
	return members{"jobExecutionsRolloutConfig": out}
}

// steps is how often it has grown (control-plane.md B.4).
func (g rate) steps(notified, succeeded int64) (k int64) {
	if g.notified > 0 {
		k = notified / g.notified
	}
	if g.succeeded > 0 {
		k = max(k, succeeded/g.succeeded)
	}
	return k
}

// at is the rate after so many steps, in whole executions a minute.
func (g rate) at(steps int64) int64 {
	if g.base == 0 {
		return g.most
	}
	most := g.most
	if most == 0 {
		most = 1_000_000
	}
	rate, over := g.base, int64(1)
	for ; steps > 0 && rate/over < most; steps-- {
		rate, over = rate*g.tenths, over*10
	}
	return min(rate/over, most)
}

// openSlow makes the job that is handed out as long as the folder lives.
func (r *round) openSlow() error {
	g := slowly
	r.slow = &campaign{id: "slow", group: "wide", things: r.wide, rate: &g}
	return r.launch(r.slow, g.config())
}

// rollout is what a history says of a job's rollout, in the order of its events.
type rollout struct {
	start time.Time
	happenings
}

// happening is a first attempt that was handed out, or one that has succeeded.
type happening struct {
	seq      int64
	at       time.Time
	released bool
}

type happenings []happening

// until counts what happened before a place.
func (all happenings) until(i int) (released, succeeded int64) {
	for _, h := range all[:i] {
		if h.released {
			released++
		} else {
			succeeded++
		}
	}
	return released, succeeded
}

// judge holds a rollout against its rate: never more in 60 seconds, nor in one of
// its seconds, than the rate of then; and what is kept of it, from which it goes on
// after a restart, against what has happened.
func (g rate) judge(o rollout, kept job.Stats) (all []judged) {
	say := func(v verdict, format string, args ...any) {
		all = append(all, judged{v, fmt.Sprintf(format, args...)})
	}
	second := func(at time.Time) int64 { return int64(at.Sub(o.start) / time.Second) }
	var last happening
	var least int64 // how often it had grown when the last slice began
	perSecond := map[int64]int64{}
	for i, h := range o.happenings {
		if !h.released {
			continue
		}
		released, succeeded := o.until(i)
		now := g.at(g.steps(released, succeeded))
		if !h.at.Equal(last.at) { // a slice begins, and the job notes its growth
			least = g.steps(released, succeeded)
		}
		last = h
		perSecond[second(h.at)]++
		if n, most := perSecond[second(h.at)], (now+59)/60; n > most {
			say(doubled, "in second %d there are %d handed out, at a rate of %d a minute", second(h.at), n, now)
		}
		inMinute := int64(1)
		for _, before := range o.happenings[:i] {
			if before.released && before.at.Add(time.Minute).After(h.at) {
				inMinute++
			}
		}
		if inMinute > now {
			say(doubled, "%d were handed out in 60 seconds that end at second %d, at a rate of %d a minute", inMinute, second(h.at), now)
		}
	}
	released, succeeded := o.until(len(o.happenings))
	if !kept.Start.Equal(o.start) {
		say(lost, "its start is %v, it was made at %v", kept.Start, o.start)
	}
	if kept.Released != released {
		say(lost, "it knows of %d that were handed out, there are %d", kept.Released, released)
	}
	if most := g.steps(released, succeeded); kept.Steps < least || kept.Steps > most {
		say(lost, "it knows of %d steps of growth, by its criteria there are %d to %d", kept.Steps, least, most)
	}
	recent := map[int64]int64{}
	for _, b := range kept.Recent {
		recent[second(b.At)] += b.N
	}
	for s, n := range recent {
		if n != perSecond[s] {
			say(lost, "it knows of %d in second %d, there are %d", n, s, perSecond[s])
		}
	}
	for s, n := range perSecond {
		if recent[s] == 0 && s >= second(last.at)-59 {
			say(lost, "it knows of none in second %d, there are %d", s, n)
		}
	}
	return all
}

// rollout reads what the history says of a job.
func rolloutOf(tx store.Tx, j job.Job) (o rollout, err error) {
	o.start = j.CreatedAt
	for p := (store.Page{Limit: 500}); ; {
		rows, next, err := tx.ExecutionsForJob(j.Key, store.ExecutionFilter{}, p)
		if err != nil {
			return o, err
		}
		for _, row := range rows {
			err := tx.History(row.Execution, func(ev job.Event) error {
				released := ev.Kind == job.Enqueue && ev.Number == 1
				if released || ev.Status == job.Succeeded {
					o.happenings = append(o.happenings, happening{ev.Seq, ev.At, released})
				}
				return nil
			})
			if err != nil {
				return o, err
			}
		}
		if p.After = next; next == "" {
			break
		}
	}
	slices.SortFunc(o.happenings, func(a, b happening) int { return int(a.seq - b.seq) })
	return o, nil
}

// examineRate holds a campaign that has a rate against it, in a copy of what the end
// of the server has left.
func (r *round) examineRate(tx store.Tx, j job.Job) error {
	for _, c := range append(slices.Clone(r.campaigns), r.slow) {
		if c.rate == nil || c.id != string(j.ID) || j.Status == job.JobDeletionInProgress {
			continue
		}
		o, err := rolloutOf(tx, j)
		if err != nil {
			return err
		}
		r.checked()
		for _, w := range c.rate.judge(o, j.Expansion.Stats) {
			r.find(w.verdict, "%s: %s", c.id, w.why)
		}
	}
	return nil
}

// The check of rates must be able to fail too.
func TestCrashRateTellsWhatIsHandedOutTooFastOrForgotten(t *testing.T) {
	start := time.UnixMilli(1_700_000_000_000)
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	// 120 a minute, and 240 when two have succeeded: two in each second, then four.
	g := rate{base: 120, tenths: 20, succeeded: 2}
	good := happenings{{at: at(0), released: true}, {at: at(0), released: true}, {at: at(1), released: true}, {at: at(1.1)}, {at: at(1.2), released: true}, {at: at(1.3)}, {at: at(1.4), released: true}, {at: at(1.4), released: true}}
	kept := func(change func(*job.Stats)) job.Stats {
		s := job.Stats{Start: start, Released: 6, Steps: 1, Recent: []job.Batch{{At: at(0), N: 2}, {At: at(1.4), N: 4}}}
		if change != nil {
			change(&s)
		}
		return s
	}
	minute := func(perSecond, seconds int) (all happenings) {
		for s := range seconds {
			for range perSecond {
				all = append(all, happening{at: at(float64(s)), released: true})
			}
		}
		return all
	}
	for _, x := range []struct {
		name string
		g    rate
		h    happenings
		kept job.Stats
		want verdict
	}{
		{"all is as it should be", g, good, kept(nil), ""},
		{"a second had its share twice", g, append(slices.Clone(good), happening{at: at(1.5), released: true}), kept(func(s *job.Stats) { s.Released, s.Recent[1].N = 7, 5 }), doubled},
		{"it grew before its time", g, slices.Delete(slices.Clone(good), 5, 6), kept(func(s *job.Stats) { s.Steps = 0 }), doubled},
		{
			"the growth by its last slice is noted with the next",
			rate{base: 300, tenths: 20, notified: 2},
			minute(4, 1),
			job.Stats{Start: start, Released: 4, Recent: []job.Batch{{At: start, N: 4}}},
			"",
		},
		{"a minute is full", rate{most: 110}, minute(2, 56), job.Stats{Start: start, Released: 112, Recent: []job.Batch{{At: at(0), N: 2}}}, doubled},
		{"it has forgotten how many it handed out", g, good, kept(func(s *job.Stats) { s.Released = 4 }), lost},
		{"it has forgotten that it has grown", g, good, kept(func(s *job.Stats) { s.Steps = 0 }), lost},
		{"it has forgotten a second", g, good, kept(func(s *job.Stats) { s.Recent = s.Recent[:1] }), lost},
		{"it has forgotten a part of a second", g, good, kept(func(s *job.Stats) { s.Recent[1].N = 2 }), lost},
		{"it has begun anew", g, good, kept(func(s *job.Stats) { s.Start = at(1) }), lost},
	} {
		all := x.g.judge(rollout{start, x.h}, x.kept)
		if found := x.want == "" && len(all) == 0 || slices.ContainsFunc(all, func(j judged) bool { return j.verdict == x.want }); !found {
			t.Errorf("%s: found %v, want %q", x.name, all, x.want)
		}
	}
}

package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/sim/operator"
)

// attempt is an execution of a thing that joins and leaves.
type attempt struct {
	status string
	left   bool // it was running when the thing left, and is not tried again
	retry  int
}

func (a attempt) pending() bool { return a.status == "QUEUED" || a.status == "IN_PROGRESS" }

// course is what may have become of a thing and its executions of a CONTINUOUS
// job. The service follows a join, or a leave, in its own time.
type course struct {
	in       bool // the group
	attempts []attempt
	behind   []bool // joins (true) and leaves that the service has not followed yet
}

// follow is the course when the service has followed one more (control-plane.md B.3).
func (c course) follow() course {
	joined, n := c.behind[0], len(c.attempts)
	c.behind = c.behind[1:]
	switch {
	case joined && (n == 0 || !c.attempts[n-1].pending()):
		return c.with(n, attempt{status: "QUEUED"})
	case joined:
		return c.with(n-1, attempt{c.attempts[n-1].status, false, c.attempts[n-1].retry})
	case n > 0 && c.attempts[n-1].status == "QUEUED":
		return c.with(n-1, attempt{status: "REMOVED", retry: c.attempts[n-1].retry})
	case n > 0 && c.attempts[n-1].status == "IN_PROGRESS":
		return c.with(n-1, attempt{"IN_PROGRESS", true, c.attempts[n-1].retry})
	}
	return c
}

// with is the course with another attempt at a place, which may be a new one.
func (c course) with(at int, a attempt) course {
	c.attempts = append(slices.Clone(c.attempts[:at]), a)
	return c
}

// ways are all that a course may be by now: the service has followed some.
func (c course) ways() []course {
	all := []course{c}
	for len(c.behind) > 0 {
		c = c.follow()
		all = append(all, c)
	}
	return all
}

func (c course) drained() course {
	for len(c.behind) > 0 {
		c = c.follow()
	}
	return c
}

// A step is what a request may make of a course: none where it does not apply.
type step func(course) []course

func moved(in bool) step {
	return func(c course) []course {
		c.in, c.behind = in, append(slices.Clone(c.behind), in)
		return []course{c}
	}
}

// died: what a thing has pending goes with it, and what was not followed never is.
func died(c course) (all []course) {
	for _, c := range c.ways() {
		c.in, c.behind = false, nil
		if n := len(c.attempts); n > 0 && c.attempts[n-1].pending() {
			c = c.with(n-1, attempt{status: "REMOVED"})
		}
		all = append(all, c)
	}
	return all
}

// started is a start-next that was answered with this attempt; 0: not answered.
func started(number int64) step {
	return func(c course) (all []course) {
		for _, c := range c.ways() {
			n := len(c.attempts)
			if n > 0 && c.attempts[n-1].pending() && (number == 0 || number == int64(n)) {
				a := c.attempts[n-1]
				all = append(all, c.with(n-1, attempt{"IN_PROGRESS", a.left, a.retry}))
			}
		}
		return all
	}
}

// ended is a device's end of an attempt; one that FAILED is queued again, as
// often as the job allows, unless its thing has left.
func ended(number int64, status string, retries int) step {
	return func(c course) (all []course) {
		for _, c := range c.ways() {
			n := len(c.attempts)
			if int64(n) != number || c.attempts[n-1].status != "IN_PROGRESS" {
				continue
			}
			a := c.attempts[n-1]
			c = c.with(n-1, attempt{status, a.left, a.retry})
			if status == "FAILED" && !a.left && a.retry < retries {
				c = c.with(n, attempt{status: "QUEUED", retry: a.retry + 1})
			}
			all = append(all, c)
		}
		return all
	}
}

// follower is the ledger's knowledge of a thing that a CONTINUOUS job follows.
type follower struct {
	member *register
	may    []course
	open   step // asked for, and not answered; nil: nothing
}

func newFollower(member *register) *follower { return &follower{member: member, may: []course{{}}} }

// did is what an acknowledged step has made of it.
func (f *follower) did(s step) {
	f.open = nil
	f.may = stepped(f.may, s)
}

// stepped takes a step from each course, and gives those that differ.
func stepped(may []course, s step) (all []course) {
	seen := map[string]bool{}
	for _, c := range may {
		for _, next := range s(c) {
			if key := fmt.Sprint(next); !seen[key] {
				seen[key] = true
				all = append(all, next)
			}
		}
	}
	return all
}

// outcomes are what the courses come to when the service has nothing left to
// follow. Whether the thing is a member is known by then.
func (f *follower) outcomes() (all []course) {
	may := f.may
	if f.open != nil {
		may = append(slices.Clone(may), stepped(may, f.open)...)
	}
	for _, c := range stepped(may, func(c course) []course { return []course{c.drained()} }) {
		if c.in == (f.member.is.text == "in") {
			all = append(all, c)
		}
	}
	return all
}

func (c course) is(mine []operator.JobExecution) bool {
	return slices.EqualFunc(c.attempts, mine, func(a attempt, e operator.JobExecution) bool { return a.status == e.Status })
}

// judge holds a thing's executions against what may have become of it. A job that
// is over forgets what it has not followed.
func (f *follower) judge(mine []operator.JobExecution, over bool) (verdict, string) {
	all := f.outcomes()
	most := 0
	for _, c := range all {
		if c.is(mine) {
			return "", ""
		}
		most = max(most, len(c.attempts))
	}
	switch {
	case len(mine) > most:
		return doubled, fmt.Sprintf("it has more attempts than any of %v", all)
	case over:
		return "", ""
	}
	return lost, fmt.Sprintf("its attempts are none of %v", all)
}

// learn takes what was read as what is known.
func (f *follower) learn(mine []operator.JobExecution) {
	all := f.outcomes()
	f.open = nil
	f.may = slices.DeleteFunc(slices.Clone(all), func(c course) bool { return !c.is(mine) })
	if len(f.may) == 0 { // it is over
		one := course{in: f.member.is.text == "in"}
		for _, e := range mine {
			one.attempts = append(one.attempts, attempt{status: e.Status})
		}
		f.may = []course{one}
	}
}

// movers join and leave the group of a CONTINUOUS job.
const movers = 12

// openFollowed makes the things of a CONTINUOUS campaign and their empty group.
func (r *round) openFollowed(c *campaign) error {
	c.group, c.followed = c.id, map[string]*follower{}
	if err := r.fleet(c.group, 0, campaigner); err != nil {
		return err
	}
	for i := range movers {
		thing := fmt.Sprintf("%s-%02d", c.id, i)
		if _, err := r.api.CreateThing(r.ctx, thing); err != nil {
			return err
		}
		c.things = append(c.things, thing)
		c.followed[thing] = newFollower(r.register("member "+thing+" of "+c.group, func(ctx context.Context) (value, error) {
			names, err := r.world.api.Members(ctx, c.group)
			if !slices.Contains(names, thing) {
				return value{}, err
			}
			return value{text: "in"}, err
		}))
	}
	return nil
}

// Things join a CONTINUOUS job, work on it, leave it, join again, are deleted;
// things become targets of it; its description changes.
var continuousPhase = &phase{
	name: "continuous", weight: 3, plan: func(rnd *rand.Rand) plan {
		kinds := []string{"AddThingToThingGroup", "RemoveThingFromThingGroup", "StartNextPendingJobExecution", "UpdateJobExecution", ""}
		return plan{kind: kinds[rnd.IntN(len(kinds))], facts: 1 + rnd.IntN(25), delay: upTo(rnd, 4*time.Millisecond)}
	},
	setup: func(r *round) error {
		if err := r.fleet("nobody", 0, campaigner); err != nil {
			return err
		}
		return r.openCampaign("continuous", campaign{continuous: true, retries: 1}, members{
			"jobExecutionsRetryConfig": members{"criteriaList": []members{{"failureType": "FAILED", "numberOfRetries": 1}}},
		})
	},
	run: func(r *round) {
		c := r.newest()
		for i, thing := range c.things {
			r.actor(func(rnd *rand.Rand) { r.move(c, thing, rnd, i%4 == 0) })
		}
		if r.rnd.IntN(2) == 0 { // what is asked of a job that is over is refused
			r.actor(func(rnd *rand.Rand) { r.describe(c, rnd) })
		} else {
			r.meddle(c)
		}
	},
}

// move has a thing join, work and leave, until it is deleted.
func (r *round) move(c *campaign, thing string, rnd *rand.Rand, mortal bool) {
	f := c.followed[thing]
	for range 16 {
		in := f.member.is != value{}
		var o outcome
		switch n := rnd.IntN(8); {
		case mortal && n == 0:
			r.membership(f, died, value{}, "DeleteThing", func(ctx context.Context) error { return r.api.DeleteThing(ctx, thing) })
			return
		case in && n < 4 || !in && n < 2:
			o = r.workAs(c, thing, rnd)
		case in:
			o = r.membership(f, moved(false), value{}, "RemoveThingFromThingGroup", func(ctx context.Context) error {
				return r.api.RemoveFromGroup(ctx, c.group, thing)
			})
		default:
			o = r.membership(f, moved(true), value{text: "in"}, "AddThingToThingGroup", func(ctx context.Context) error {
				return r.api.AddToGroup(ctx, c.group, thing)
			})
		}
		if o == unanswered {
			return
		}
		r.rest(rnd)
	}
}

func (r *round) membership(f *follower, s step, to value, kind string, do func(context.Context) error) outcome {
	return r.course(f, s, func() (step, outcome) { return s, r.set(f.member, to, kind, do) })
}

// course notes a request about a follower. open is what it may do as long as it is
// not answered; do says what it has done.
func (r *round) course(f *follower, open step, do func() (step, outcome)) outcome {
	r.mu.Lock()
	f.open = open
	r.mu.Unlock()
	did, o := do()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case o == accepted && did != nil:
		f.did(did)
	case o != unanswered:
		f.open = nil
	}
	return o
}

// workAs has the device of a thing start what it has, and end it, or leave it for
// later. The device of one that has left may have it running still.
func (r *round) workAs(c *campaign, thing string, rnd *rand.Rand) outcome {
	f := c.followed[thing]
	d, err := dial(r.ctx, r.Ready.MQTT, thing, false)
	if err != nil {
		r.unanswered("CONNECT", err)
		return unanswered
	}
	defer d.Drop() //nolint:errcheck // nothing is lost with it
	var a answer
	o := r.course(f, started(0), func() (step, outcome) {
		var o outcome
		if a, o = r.startAttempt(d); a.Execution == nil {
			return nil, o
		}
		return started(a.Execution.Number), o
	})
	if o != accepted || a.Execution == nil || rnd.IntN(3) == 0 {
		return o
	}
	status := []string{"SUCCEEDED", "FAILED"}[rnd.IntN(2)]
	s := ended(a.Execution.Number, status, int(c.retries))
	return r.course(f, s, func() (step, outcome) {
		o, err := r.endAttempt(c, d, a, status)
		if o == refused && c.canceled == no && c.deleted == no {
			r.find(lost, "attempt %d of %s, which was started, could not be ended: %v", a.Execution.Number, thing, err)
		}
		return s, o
	})
}

// describe changes the job's description, and adds a target that has no things in it.
func (r *round) describe(c *campaign, rnd *rand.Rand) {
	g := r.register("description of "+c.id, func(ctx context.Context) (value, error) {
		d, err := r.world.api.Describe(ctx, c.id)
		return orNothing(value{text: fmt.Sprint(d.Description, " ", len(d.Targets))}, err)
	})
	if (g.is == value{}) {
		g.is = value{text: " 1"}
	}
	text, targets := "", 1
	for n := range 5 {
		var kind string
		var do func(context.Context) error
		if n == 2 {
			kind, targets = "AssociateTargetsWithJob", 2
			do = func(ctx context.Context) error { return r.api.Associate(ctx, c.id, r.groups["nobody"]) }
		} else {
			kind, text = "UpdateJob", fmt.Sprintf("text-%d", rnd.IntN(1_000_000))
			do = func(ctx context.Context) error { return r.api.UpdateJob(ctx, c.id, text) }
		}
		if r.set(g, value{text: fmt.Sprint(text, " ", targets)}, kind, do) != accepted {
			return
		}
		r.rest(rnd)
	}
}

// The ledger of what joins and leaves must be able to fail too.
func TestCrashFollowerTellsWhatNoCourseLeadsTo(t *testing.T) {
	join, leave := moved(true), moved(false)
	list := func(statuses ...string) (all []operator.JobExecution) {
		for i, s := range statuses {
			all = append(all, operator.JobExecution{Thing: "t", Number: int64(i + 1), Status: s})
		}
		return all
	}
	for _, x := range []struct {
		name string
		did  []step
		open step
		in   bool
		mine []operator.JobExecution
		over bool
		want verdict
	}{
		{"it joined", []step{join}, nil, true, list("QUEUED"), false, ""},
		{"a join is lost", []step{join}, nil, true, nil, false, lost},
		{"a join was done twice", []step{join}, nil, true, list("QUEUED", "QUEUED"), false, doubled},
		{"an open join was done", nil, join, true, list("QUEUED"), false, ""},
		{"an open join was not", nil, join, false, nil, false, ""},
		{"a leave is lost", []step{join, leave}, nil, false, list("QUEUED"), false, lost},
		{"what runs goes on when its thing leaves", []step{join, started(1), leave}, nil, false, list("IN_PROGRESS"), false, ""},
		{"it is tried again", []step{join, started(1), ended(1, "FAILED", 1)}, nil, true, list("FAILED", "QUEUED"), false, ""},
		{"its successor is lost", []step{join, started(1), ended(1, "FAILED", 1)}, nil, true, list("FAILED"), false, lost},
		{"twice is once too often", []step{join, started(1), ended(1, "FAILED", 1), started(2), ended(2, "FAILED", 1)}, nil, true, list("FAILED", "FAILED", "QUEUED"), false, doubled},
		{"a new join counts its retries anew", []step{
			join, started(1), ended(1, "FAILED", 1), started(2), ended(2, "FAILED", 1), leave, join, started(3), ended(3, "FAILED", 1),
		}, nil, true, list("FAILED", "FAILED", "FAILED", "QUEUED"), false, ""},
		{"it failed before the service knew that it had left", []step{join, started(1), leave, ended(1, "FAILED", 1)}, nil, false, list("FAILED", "REMOVED"), false, ""},
		{"or afterwards", []step{join, started(1), leave, ended(1, "FAILED", 1)}, nil, false, list("FAILED"), false, ""},
		{"and no third way", []step{join, started(1), leave, ended(1, "FAILED", 1)}, nil, false, list("FAILED", "QUEUED"), false, lost},
		{"one that succeeded gets it again", []step{join, started(1), ended(1, "SUCCEEDED", 1), leave, join}, nil, true, list("SUCCEEDED", "QUEUED"), false, ""},
		{"its new one is lost", []step{join, started(1), ended(1, "SUCCEEDED", 1), leave, join, started(2), leave}, nil, false, list("SUCCEEDED"), false, lost},
		{"what it had goes with the thing", []step{join, started(1), died}, nil, false, list("REMOVED"), false, ""},
		{"or stays", []step{join, started(1), died}, nil, false, list("IN_PROGRESS"), false, lost},
		{"it was followed too late", []step{join, died}, nil, false, nil, false, ""},
		{"a job that is over has not followed all", []step{join}, nil, true, nil, true, ""},
		{"and does not follow more", []step{join}, nil, true, list("CANCELED", "CANCELED"), true, doubled},
	} {
		f := newFollower(&register{})
		for _, s := range x.did {
			f.did(s)
		}
		if f.open = x.open; x.in {
			f.member.is = value{text: "in"}
		}
		if got, why := f.judge(x.mine, x.over); got != x.want {
			t.Errorf("%s: verdict %q, want %q (%s)", x.name, got, x.want, why)
		}
	}
}

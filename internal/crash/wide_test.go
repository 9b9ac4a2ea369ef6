package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/drover-iot/drover/internal/sim/operator"
)

// wideness is how many things a wide job has: a rollout or a sweep of it takes ten
// slices of the scheduler, and making and cancelling it is enough for a checkpoint
// of the log. deepness is how many a deep one has: a rollout or a sweep of it lasts
// so long that it can be ended at any place in the middle.
const (
	wideness = 1200
	deepness = 6000
)

// ofSize are the jobs of so many things that are not deleted, the oldest first.
func (r *round) ofSize(things int) (all []*jobFact) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, j := range r.jobs {
		if len(j.things) == things && j.deleted == no {
			all = append(all, j)
		}
	}
	slices.SortFunc(all, func(a, b *jobFact) int { return strings.Compare(a.id, b.id) })
	return all
}

// wideJob is a wide job that is there and not canceled, or a new one.
func (r *round) wideJob() (*jobFact, error) {
	for _, j := range r.ofSize(wideness) {
		if j.canceled == no {
			return j, nil
		}
	}
	return r.prepare("wide", "wide", r.wide, false)
}

// tidy deletes wide jobs but for a few.
func (r *round) tidy() { r.keep(wideness, 3) }

// keep deletes the oldest jobs of so many things but for a few.
func (r *round) keep(things, few int) {
	all := r.ofSize(things)
	for ; len(all) > few; all = all[1:] {
		r.remove(all[0])
	}
}

// A job is handed out to many things, slice by slice.
var rolloutPhase = &phase{
	name: "rollout", weight: 2, plan: fact("CreateJob", 2, 25*time.Millisecond),
	setup: func(r *round) error { r.tidy(); return nil },
	run: func(r *round) {
		r.actor(func(*rand.Rand) {
			for range 2 {
				j := r.newJob("wide", r.wide, false)
				if o, _ := r.create(j, []string{r.groups["wide"]}, 0); o == unanswered {
					return
				}
			}
		})
	},
}

// Jobs are canceled while devices work on them, and a wide one is swept.
var cancelPhase = &phase{
	name: "cancel sweep", weight: 2, plan: fact("CancelJob", 3, 12*time.Millisecond),
	setup: func(r *round) (err error) {
		r.tidy()
		if r.subject, err = r.wideJob(); err != nil {
			return err
		}
		return moreWork(1)(r)
	},
	run: func(r *round) {
		r.allWork()
		r.actor(func(rnd *rand.Rand) {
			force := rnd.IntN(2) == 0
			if j := r.anyWork(rnd); j != nil && r.cancel(j, force) == accepted && !force {
				r.cancel(j, true)
			}
			r.cancel(r.subject, force)
		})
	},
}

// Jobs are deleted with force while devices work on them, and a wide one is
// swept away.
var deletePhase = &phase{
	name: "delete sweep", weight: 2, plan: fact("DeleteJob", 2, 12*time.Millisecond),
	setup: cancelPhase.setup,
	run: func(r *round) {
		r.allWork()
		r.actor(func(rnd *rand.Rand) {
			if j := r.anyWork(rnd); j != nil && r.remove(j) != accepted {
				return
			}
			r.remove(r.subject)
		})
	},
}

const (
	handedOut = "handed out"
	swept     = "swept"
	dropped   = "dropped"
)

// A job on thousands is handed out, swept or dropped, and listed meanwhile; the server
// is ended when so many of its executions are done.
var thousandsPhase = &phase{
	name: "thousands", weight: 2, plan: func(rnd *rand.Rand) plan {
		p := moment(rnd, 4*time.Millisecond, handedOut, swept, dropped)
		p.facts += rnd.IntN(deepness * 9 / 10)
		return p
	},
	setup: func(r *round) (err error) {
		if r.groups["deep"] == "" {
			if err := r.fleet("deep", deepness, deepThing); err != nil {
				return err
			}
		}
		if err := r.clear(); err != nil {
			return err
		}
		if r.plan.kind == handedOut {
			r.subject = r.newJob("deep", deepThings(), false)
			return nil
		}
		r.subject, err = r.prepare("deep", "deep", deepThings(), false)
		return err
	},
	run: func(r *round) {
		j := r.subject
		r.actor(func(*rand.Rand) { r.lists(j) })
		r.actor(func(rnd *rand.Rand) {
			var o outcome
			switch r.plan.kind {
			case handedOut:
				o, _ = r.create(j, []string{r.groups["deep"]}, 0)
			case swept:
				o = r.cancel(j, rnd.IntN(2) == 0)
			case dropped:
				o = r.remove(j)
			}
			if o == accepted {
				r.awaitProgress(j)
			}
			r.tripNow()
		})
	},
}

// clear takes away what an earlier round has left of jobs on thousands, and has what
// is told of that heard: a session has no room for as much again.
func (r *round) clear() error {
	for _, j := range r.ofSize(deepness) {
		if r.remove(j) != accepted {
			return nil
		}
		if err := r.absent(j); err != nil {
			return err
		}
	}
	return r.drainAll()
}

func deepThing(i int) string { return fmt.Sprintf("deep-%04d", i) }

func deepThings() (names []string) {
	for i := range deepness {
		names = append(names, deepThing(i))
	}
	return names
}

// awaitProgress returns when as many executions of the job are done as the plan says.
func (r *round) awaitProgress(j *jobFact) {
	for {
		got, err := r.api.DescribeJob(r.ctx, j.id)
		done := map[string]int64{handedOut: got.Queued, swept: got.Canceled, dropped: deepness - got.Total()}[r.plan.kind]
		if err != nil || done >= int64(r.plan.facts) {
			return
		}
	}
}

// lists reads the list of a job, over and over; the end of the server cuts it off in
// the middle.
func (r *round) lists(j *jobFact) {
	for !r.ending.Load() {
		var list []operator.JobExecution
		o, err := r.request("ListJobExecutionsForJob", func(ctx context.Context) (err error) {
			list, err = r.api.JobExecutions(ctx, j.id)
			return err
		})
		switch {
		case o == unanswered:
			r.report.cut(cutList)
			return
		case o == refused && !missing(err): // not made yet, or gone
			r.find(wrong, "ListJobExecutionsForJob of %s was refused: %v", j.id, err)
		}
		for thing, mine := range attempts(list) {
			if len(mine) > 1 {
				r.find(doubled, "a list of %s has %s %d times", j.id, thing, len(mine))
			}
		}
	}
}

package crash

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/drover-iot/drover/internal/sim/operator"
)

// timed is the ledger's part about timers: executions that time out a minute
// after they were started, which is as short as the protocol has it. They are
// started early in a folder's life and fall due in whatever round it is then;
// the one that they fall due in is ended at that very moment.
type timed struct {
	batches []*batch
}

const (
	batches   = 3
	batchSize = 24
	apart     = 2 * time.Second // from batch to batch: a round for each
)

// batch is executions that fall due together.
type batch struct {
	job    string
	things []string
	due    time.Time // the first of them at the earliest
	late   time.Time // the last of them at the latest
	fired  bool      // and was looked at
}

func (t *timed) over() bool { return t.next() == nil && len(t.batches) == batches }

// next is the batch that falls due next.
func (t *timed) next() *batch {
	for _, b := range t.batches {
		if !b.fired {
			return b
		}
	}
	return nil
}

// beginTimers starts the next batch in one of a folder's first rounds.
func (r *round) beginTimers() error {
	if n := len(r.timed.batches); !r.ticks() || n == batches || n > 0 && time.Until(r.timed.batches[n-1].due) > time.Minute-apart {
		return nil
	}
	b := &batch{job: fmt.Sprintf("timed-%d", len(r.timed.batches))}
	r.timed.batches = append(r.timed.batches, b)
	for i := range batchSize {
		b.things = append(b.things, fmt.Sprintf("%s-%02d", b.job, i))
	}
	if err := r.fleet(b.job, batchSize, func(i int) string { return b.things[i] }); err != nil {
		return err
	}
	err := r.api.CreateJob(r.ctx, operator.Job{ID: b.job, Targets: []string{r.groups[b.job]}, Document: "{}", Timeout: 1})
	if err == nil {
		err = r.api.WaitQueued(r.ctx, b.job, batchSize, 2*time.Millisecond)
	}
	if err != nil {
		return err
	}
	b.due = time.Now().Truncate(time.Millisecond).Add(time.Minute) // times are kept in milliseconds
	err = each(b.things, func(thing string) error {
		c, err := dial(r.ctx, r.Ready.MQTT, thing, false)
		if err != nil {
			return err
		}
		defer c.Drop() //nolint:errcheck // nothing is lost with it
		_, err = c.ask(r.ctx, "start-next", map[string]any{})
		return err
	})
	b.late = time.Now().Add(time.Minute)
	r.report.note(func() { r.report.Acknowledged["StartNextPendingJobExecution, with a timer"] += batchSize })
	return err
}

// The server is ended while timers fire, or just before it, and is down when
// they are due.
var timersPhase = &phase{
	name: "timers", plan: func(rnd *rand.Rand) plan { return plan{facts: 1, delay: upTo(rnd, 60*time.Millisecond)} },
	run: func(r *round) {
		b := r.timed.next()
		early := upTo(r.rnd, 80*time.Millisecond)
		r.actor(func(*rand.Rand) {
			select {
			case <-time.After(time.Until(b.due) - early):
			case <-r.ctx.Done():
			}
		})
	},
	hold: func(r *round) {
		if b := r.timed.next(); r.rnd.IntN(3) == 0 {
			time.Sleep(time.Until(b.late)) // down while they are due
		}
	},
}

// verifyTimers: an execution is in progress until it is due, and TIMED_OUT, once,
// after it.
func (r *round) verifyTimers() error {
	for _, b := range r.timed.batches {
		if b.fired {
			continue
		}
		overdue := time.Now().After(b.late)
		err := each(b.things, func(thing string) error { return r.verifyTimer(b, thing, overdue) })
		if err == nil && overdue {
			b.fired = true
			for _, thing := range b.things {
				r.mustTell(due{job: b.job, thing: thing, operations: map[string]times{"timed_out": once}})
			}
			err = until(r.ctx, b.job+" does not complete", func() (bool, error) {
				got, err := r.api.DescribeJob(r.ctx, b.job)
				if err == nil && got.TimedOut != batchSize {
					err = fmt.Errorf("%s counts %+v, all %d have timed out", b.job, got, batchSize)
				}
				return got.Status == "COMPLETED", err
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *round) verifyTimer(b *batch, thing string, overdue bool) error {
	begun, over := state{"IN_PROGRESS", 2, 0}, state{"TIMED_OUT", 3, 0}
	var got state
	err := until(r.ctx, b.job+" of "+thing+" does not time out", func() (_ bool, err error) {
		got, err = r.readState(thing, b.job)
		return !overdue || got != begun, err
	})
	if err != nil {
		return err
	}
	r.checked()
	switch {
	case got.version > over.version:
		r.find(doubled, "%s of %s timed out and is %+v", b.job, thing, got)
	case got == over && time.Now().Before(b.due):
		r.find(wrong, "%s of %s timed out %v too early", b.job, thing, time.Until(b.due))
	case got != begun && got != over:
		r.find(lost, "%s of %s is %+v", b.job, thing, got)
	}
	return nil
}

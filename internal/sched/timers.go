package sched

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/store"
)

// sweepTimers makes executions TIMED_OUT whose time has run out. They go the
// way of device requests, so that those that wait together share a commit.
func (s *Sched) sweepTimers(ctx context.Context, timers []store.Due, now time.Time) error {
	var wait sync.WaitGroup
	errs := make([]error, len(timers))
	moves := make([][]job.Move, len(timers))
	for i, d := range timers {
		if ctx.Err() != nil {
			break
		}
		keys := store.Keys{Thing: d.Thing, Job: d.Ref.Job, Number: d.Ref.Number, Queue: store.WholeQueue}
		wait.Add(1)
		s.Store.Submit(keys, func(snap store.Snapshot) (store.Changes, error) {
			out, err := snap.Queue.Apply(d.Ref, job.Change{Kind: job.Sweep}, now)
			moves[i] = out.Moves
			var e *job.Error
			if errors.As(err, &e) && e.Code == job.NotFound {
				return store.Changes{}, nil // gone meanwhile
			}
			return store.Changes{
				Moves: out.Moves, Effects: ops.Address(s.Audience, d.Thing, out.Effects),
				Events: s.Events.Executions(d.Thing, out.Moves, now), At: now,
			}, err
		}, func(_ store.Commit, err error) {
			errs[i] = err
			wait.Done()
		})
	}
	wait.Wait()
	for i, d := range timers {
		if s.Did != nil && errs[i] == nil {
			s.tellDid(appendMoves(nil, d.Thing, moves[i], now))
		}
	}
	return errors.Join(errs...)
}

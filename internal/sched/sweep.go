package sched

import (
	"context"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/store"
)

// sweep is how far the sweep of a cancelled job has come.
type sweep struct {
	of      time.Time // the cancellation it is of: an escalation starts anew
	after   string    // cursor of the job's executions
	changed bool      // anything, since the first of them
}

// sweep writes down, for a slice of the job's executions, what its flag has
// made of them. Rows that a device has swept before, and those that the flag
// leaves alone, are passed over.
func (s *step) sweep(j job.Job) error {
	at := s.sweeps[j.Key]
	if !at.of.Equal(j.ChangedAt) {
		at = sweep{of: j.ChangedAt}
	}
	for done := 0; !full(s.tx, slice, done) && (done == 0 || at.after != ""); done += piece {
		rows, next, err := s.tx.ExecutionsForJob(j.Key, store.ExecutionFilter{}, store.Page{After: at.after, Limit: piece})
		if err != nil {
			return err
		}
		for _, r := range rows {
			seen, ok := job.Effective(r.Execution, r.Entry.Job, s.now)
			if !ok || seen.Version == r.Version {
				continue
			}
			if err := s.sweepRow(r); err != nil {
				return err
			}
			at.changed = true
		}
		at.after = next
	}
	if at.after == "" {
		if !at.changed {
			s.Log.Error("a cancelled job's counters say that executions are left to sweep, and there are none", "job", j.ID)
			delete(s.sweeps, j.Key)
			return s.tx.SetDue(j.Key, zero)
		}
		at = sweep{of: j.ChangedAt}
	}
	s.sweeps[j.Key] = at
	return s.tx.SetDue(j.Key, s.now)
}

func (s *step) sweepRow(r store.Row) error {
	heard := s.heard(r.Thing, r.Entry.Job.Namespace)
	keys := store.Keys{Thing: r.Thing, Job: r.JobID, Number: r.Number}
	if heard {
		keys.Queue = store.WholeQueue
	}
	snap, err := s.tx.Snapshot(keys)
	if err != nil || snap.ThingKey != r.ThingKey {
		return err
	}
	out, err := snap.Queue.Apply(r.Ref(), job.Change{Kind: job.Sweep}, s.now)
	if err != nil {
		return err
	}
	return s.write(r.Thing, r.JobID, heard, out)
}

// drop removes a slice of the executions of a job that is being deleted, and
// the job when there are none left: then its id is free.
func (s *step) drop(j job.Job) error {
	delete(s.sweeps, j.Key)
	for done := 0; !full(s.tx, slice, done); done += piece {
		if more, err := s.dropPiece(j); err != nil || !more {
			return err
		}
	}
	return s.tx.SetDue(j.Key, s.now)
}

// dropPiece removes some executions; when there are none left, the job.
func (s *step) dropPiece(j job.Job) (more bool, err error) {
	// One row more, because a row's counters depend on the attempt before it.
	rows, _, err := s.tx.ExecutionsForJob(j.Key, store.ExecutionFilter{}, store.Page{Limit: piece + 1})
	if err != nil {
		return false, err
	}
	if len(rows) == 0 {
		if err := s.tx.DropJob(j.Key); err != nil {
			return false, err
		}
		return false, s.Events.Job(s.tx, ops.JobDeleted, j, job.Tally{}, s.now)
	}
	for i, r := range rows[:min(piece, len(rows))] {
		q := job.Queue{Named: r.Entry}
		if i+1 < len(rows) && rows[i+1].ThingKey == r.ThingKey {
			q.Previous = rows[i+1].Entry
		}
		if err := s.dropRow(r, q); err != nil {
			return false, err
		}
	}
	return true, nil
}

func (s *step) dropRow(r store.Row, q job.Queue) error {
	heard := r.Status.Pending() && s.heard(r.Thing, r.Entry.Job.Namespace)
	if heard {
		snap, err := s.tx.Snapshot(store.Keys{Thing: r.Thing, Queue: store.WholeQueue, Namespace: r.Entry.Job.Namespace})
		if err != nil {
			return err
		}
		heard = snap.ThingKey == r.ThingKey
		q.Pending = snap.Queue.Pending
	}
	return s.write(r.Thing, r.JobID, heard, q.Drop(s.now))
}

// remove takes away a slice of what a deleted thing had to do. Its devices were told
// when it was deleted (control-plane.md B.3).
func (s *Sched) remove(ctx context.Context, thing store.Member, now time.Time) error {
	var moves []job.Move
	err := s.Store.Update(ctx, func(tx store.Tx) (err error) {
		if moves, err = ops.RemovePending(tx, s.Events, thing, job.ActorService, now); err != nil || len(moves) > 0 {
			return err
		}
		return tx.Removed(thing.Key)
	})
	if err == nil && s.Did != nil {
		s.tellDid(appendMoves(nil, thing.Name, moves, now))
	}
	return err
}

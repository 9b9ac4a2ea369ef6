package sched

import (
	"errors"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

// expand hands out one slice of the job, as far as its rollout allows: it walks
// (target, group, thing) from the stored cursor. A thing belongs to the first target
// that held it; one deleted before its turn is skipped (design.md decision 9).
func (s *step) expand(j job.Job, t job.Tally) error {
	x := &j.Expansion
	x.Stats = j.Rollout.Grown(x.Stats, t.Things[job.Succeeded])
	quota, wake := j.Rollout.Next(x.Stats, s.now)
	if quota == 0 {
		if err := s.tx.PutJob(&j, nil); err != nil {
			return err
		}
		return s.tx.SetDue(j.Key, wake)
	}
	var released int64
	for looked := 0; !full(s.tx, slice, looked) && released < quota; {
		if x.Target >= len(j.Resolved) {
			x.Done = true
			break
		}
		members, err := s.members(j, int(min(piece, quota-released)))
		if err != nil {
			return err
		}
		for _, m := range members {
			looked++
			x.After = m.Key
			newest, err := s.tx.Newest(j.Key, m.Key)
			if err != nil {
				return err
			}
			taken, err := s.taken(j, m, newest)
			if err != nil {
				return err
			}
			if taken {
				continue
			}
			if err := s.enqueue(j, m, newest); err != nil {
				return err
			}
			released++
		}
		if len(members) == 0 {
			looked++ // a hundred empty groups are work too
			if err := s.walkOn(&j); err != nil {
				return err
			}
		}
	}
	x.Stats = x.Stats.Release(released, s.now)
	if x.Done && released == 0 {
		if err := s.tx.PutJob(&j, nil); err != nil {
			return err
		}
		return s.settle(j, t)
	}
	if err := s.tx.PutJob(&j, nil); err != nil {
		return err
	}
	if released < quota {
		wake = s.now
	}
	return s.tx.SetDue(j.Key, wake)
}

// walkOn goes to the next group of the target that is being walked, or to the
// next target: a group target covers the groups below it (control-plane.md B.3).
func (s *step) walkOn(j *job.Job) error {
	x := &j.Expansion
	var next int64
	if target := j.Resolved[x.Target]; target.Group {
		var err error
		if next, err = s.tx.NextGroup(target.Key, max(x.Group, target.Key)); err != nil {
			return err
		}
	}
	if x.Group, x.After = next, 0; next == 0 {
		x.Target++
	}
	return nil
}

// members are the next things of the target that is being walked.
func (s *step) members(j job.Job, limit int) ([]store.Member, error) {
	x := j.Expansion
	target := j.Resolved[x.Target]
	if target.Group {
		return s.tx.Members(max(x.Group, target.Key), x.PinOf(target), x.After, limit)
	}
	if x.After >= target.Key {
		return nil, nil
	}
	t, err := s.tx.Thing(registry.Name(target.Name))
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && t.Key != target.Key:
		return nil, nil // deleted before its turn, though the name may live again
	case err != nil:
		return nil, err
	}
	return []store.Member{{Key: t.Key, Name: t.Name}}, nil
}

// taken says whether the thing is not for this target to take: it has the job
// already, or an earlier target held it and what that one made was deleted, or
// it has left a CONTINUOUS job before its turn.
func (s *step) taken(j job.Job, m store.Member, newest job.Execution) (bool, error) {
	target := j.Resolved[j.Expansion.Target]
	if target.Taken(newest) {
		return true, nil
	}
	for _, earlier := range j.Resolved[:j.Expansion.Target] {
		held := !earlier.Group && earlier.Key == m.Key
		if earlier.Group {
			var err error
			if held, err = s.tx.WasMember(earlier.Key, j.Expansion.PinOf(target), m.Key); err != nil {
				return false, err
			}
		}
		if held {
			return true, nil
		}
	}
	if j.Selection != job.Continuous {
		return false, nil
	}
	covered, err := ops.Covered(s.tx, j, m.Key)
	return !covered, err
}

// enqueue makes the thing's next execution, after newest. Its queue is read only
// when somebody hears what becomes of it, its past only when it has one.
func (s *step) enqueue(j job.Job, m store.Member, newest job.Execution) error {
	var q job.Queue
	keys := store.Keys{Thing: m.Name, Namespace: j.Namespace}
	heard := s.heard(m.Name, j.Namespace)
	if heard {
		keys.Queue = store.WholeQueue
	}
	if newest.Number != 0 {
		keys.Job = j.ID
	}
	if heard || newest.Number != 0 {
		snap, err := s.tx.Snapshot(keys)
		if err != nil {
			return err
		}
		q = snap.Queue
	}
	e := job.New(m.Key, j.Key, j.ID, newest.Number+1, s.now)
	return s.write(m.Name, j.ID, heard, q.Enqueue(job.Entry{Execution: e, Job: j.State}, s.now))
}

// zero is no time.
var zero time.Time

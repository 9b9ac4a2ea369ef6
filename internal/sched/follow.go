package sched

import (
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

// follow does a slice of what has become of the things that a CONTINUOUS job
// follows, in the order in which it happened: the rate is not asked
// (control-plane.md B.3). A job that is over forgets it. more is false when there
// was nothing.
func (s *step) follow(j job.Job) (more bool, err error) {
	all, err := s.tx.Retargets(j.Key, slice)
	if err != nil || len(all) == 0 {
		return false, err
	}
	var done int64 // all up to this one
	for i, r := range all {
		if full(s.tx, slice, i) {
			break
		}
		if j.Status == job.JobInProgress {
			walked, err := s.followOne(j, r)
			if err != nil {
				return true, err
			}
			if !walked {
				break
			}
		}
		done = r.Seq
	}
	if err := s.tx.DropRetargets(j.Key, done); err != nil {
		return true, err
	}
	return true, s.tx.SetDue(j.Key, s.now)
}

// followOne does what follows from one note; walked is false when a slice of a
// dissolved group has left others of its things.
func (s *step) followOne(j job.Job, r store.Retarget) (walked bool, err error) {
	if r.Group == 0 {
		return true, s.retarget(j, r.Thing, r.Joined)
	}
	pin, err := s.tx.Pin()
	if err != nil {
		return false, err
	}
	for done := 0; !full(s.tx, slice, done); done += piece {
		members, err := s.tx.Members(r.Group, pin, r.After, piece)
		if err != nil || len(members) == 0 {
			return true, err
		}
		for _, m := range members {
			r.After = m.Key
			if err := s.dissolved(j, m); err != nil {
				return false, err
			}
		}
	}
	return false, s.tx.PutRetarget(j.Key, r)
}

// dissolved does what follows for a thing of a group that is gone.
func (s *step) dissolved(j job.Job, m store.Member) error {
	if covered, err := ops.Covered(s.tx, j, m.Key); err != nil || covered {
		return err
	}
	return s.retarget(j, m, false)
}

// retarget does what follows for a thing that became a target of the job, or
// ceased to be one.
func (s *step) retarget(j job.Job, m store.Member, joined bool) error {
	if m.Name == "" {
		return nil // deleted since: what it had pending was removed with it
	}
	newest, err := s.tx.Newest(j.Key, m.Key)
	if err != nil {
		return err
	}
	if newest.Status.Pending() {
		// What the clock has overtaken happened before.
		if newest, err = s.swept(j, m.Name, newest); err != nil {
			return err
		}
	}
	verdict := job.Leaves(newest)
	if joined {
		verdict = job.Joins(newest, !s.NoSecondSuccess)
	}
	switch verdict {
	case job.Create:
		return s.enqueue(j, m, newest)
	case job.Take:
		return s.apply(j, m.Name, newest.Number, job.Change{Kind: job.Remove, Actor: job.ActorService})
	case job.Mark, job.Unmark:
		return s.tx.MarkLeft(newest, verdict == job.Mark)
	}
	return nil
}

// swept writes down what the clock has made of a pending attempt, and gives the
// newest as it then is.
func (s *step) swept(j job.Job, thing registry.Name, newest job.Execution) (job.Execution, error) {
	if seen, ok := job.Effective(newest, j.State, s.now); ok && seen.Version == newest.Version {
		return newest, nil
	}
	if err := s.apply(j, thing, newest.Number, job.Change{Kind: job.Sweep}); err != nil {
		return newest, err
	}
	return s.tx.Newest(j.Key, newest.ThingKey)
}

// apply changes one execution.
func (s *step) apply(j job.Job, thing registry.Name, number int64, c job.Change) error {
	heard := s.heard(thing, j.Namespace)
	keys := store.Keys{Thing: thing, Job: j.ID, Number: number}
	if heard {
		keys.Queue = store.WholeQueue
	}
	snap, err := s.tx.Snapshot(keys)
	if err != nil {
		return err
	}
	out, err := snap.Queue.Apply(job.Ref{Job: j.ID, Number: number}, c, s.now)
	if err != nil {
		return err
	}
	return s.write(thing, j.ID, heard, out)
}

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

// followOne does what follows from one note; walked is false when a slice of the
// things that it is about has left others of them.
func (s *step) followOne(j job.Job, r store.Retarget) (walked bool, err error) {
	if r.Thing.Key != 0 {
		if r.Joined {
			return true, s.retarget(j, r.Thing, s.joins)
		}
		return true, s.retarget(j, r.Thing, job.Leaves)
	}
	verdict, covers := job.Leaves, false // those of a dissolved group that no other target holds
	if r.Group == 0 {
		verdict, covers = job.Held, true // those of associated targets
	}
	for done := 0; !full(s.tx, slice, done); done += piece {
		members, err := s.concerned(j, r)
		if err != nil || len(members) == 0 {
			return true, err
		}
		for _, m := range members {
			r.After = m.Key
			covered, err := ops.Covered(s.tx, j, m.Key)
			if err != nil {
				return false, err
			}
			if covered != covers {
				continue
			}
			if err := s.retarget(j, m, verdict); err != nil {
				return false, err
			}
		}
	}
	return false, s.tx.PutRetarget(j.Key, r)
}

// concerned are the next things that a note is about which names none.
func (s *step) concerned(j job.Job, r store.Retarget) ([]store.Member, error) {
	if r.Group == 0 {
		return s.tx.WhoLeft(j.Key, r.After, piece)
	}
	pin, err := s.tx.Pin()
	if err != nil {
		return nil, err
	}
	return s.tx.Members(r.Group, pin, r.After, piece)
}

func (s *step) joins(newest job.Execution) job.Verdict { return job.Joins(newest, !s.NoSecondSuccess) }

// retarget does what follows for a thing that became a target of the job, or
// ceased to be one.
func (s *step) retarget(j job.Job, m store.Member, verdict func(newest job.Execution) job.Verdict) error {
	if m.Name == "" {
		return nil // deleted since: what it had pending was removed with it
	}
	newest, err := s.newest(j, m)
	if err != nil {
		return err
	}
	switch v := verdict(newest); v {
	case job.Create:
		return s.enqueue(j, m, newest)
	case job.Take:
		return s.apply(j, m.Name, newest.Number, job.Change{Kind: job.Remove, Actor: job.ActorService})
	case job.Mark, job.Unmark:
		return s.tx.MarkLeft(newest, v == job.Mark)
	}
	return nil
}

// newest is the thing's newest attempt of the job. What the clock has made of it
// happened before, and is written down.
func (s *step) newest(j job.Job, m store.Member) (job.Execution, error) {
	newest, err := s.tx.Newest(j.Key, m.Key)
	if err != nil || !newest.Status.Pending() {
		return newest, err
	}
	if seen, ok := job.Effective(newest, j.State, s.now); ok && seen.Version == newest.Version {
		return newest, nil
	}
	if err := s.apply(j, m.Name, newest.Number, job.Change{Kind: job.Sweep}); err != nil {
		return newest, err
	}
	return s.tx.Newest(j.Key, m.Key)
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

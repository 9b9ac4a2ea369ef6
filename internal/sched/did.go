package sched

import (
	"errors"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

// Event is a step of an execution, or of a job, that time has caused.
type Event struct {
	At     time.Time
	Job    job.ID
	Thing  registry.Name // with Number: the execution; without: the job itself
	Number int64
	// Was and Is are the statuses before and after; Was is empty for what is
	// new, Is for what is gone.
	Was, Is string
}

// note remembers the moves of an execution until they are committed.
func (s *step) note(thing registry.Name, moves []job.Move) {
	if s.Did != nil {
		s.did = appendMoves(s.did, thing, moves, s.now)
	}
}

func appendMoves(did []Event, thing registry.Name, moves []job.Move, now time.Time) []Event {
	for _, m := range moves {
		e := Event{At: now, Thing: thing, Job: m.After.JobID, Number: m.After.Number}
		if m.Before.Number != 0 {
			e.Job, e.Number, e.Was = m.Before.JobID, m.Before.Number, m.Before.Status.String()
		}
		if m.After.Number != 0 {
			e.Is = m.After.Status.String()
		}
		did = append(did, e)
	}
	return did
}

// noteJob remembers what the slice has made of the job's own status.
func (s *step) noteJob(before job.Job) error {
	if s.Did == nil {
		return nil
	}
	after, _, err := s.tx.JobByKey(before.Key)
	e := Event{At: s.now, Job: before.ID, Was: before.Status.String()}
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return err
	case after.Status == before.Status:
		return nil
	default:
		e.Is = after.Status.String()
	}
	s.did = append(s.did, e)
	return nil
}

func (s *Sched) tellDid(did []Event) {
	for _, e := range did {
		s.Did(e)
	}
}

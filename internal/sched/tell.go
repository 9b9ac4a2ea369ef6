package sched

import (
	"context"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

// late is an effect that nobody heard when its slice was made.
type late struct {
	thing     registry.Name
	job       job.ID
	namespace job.Namespace
}

// heard says whether anybody listens for the thing's queue. If not, it need not
// be read: a job on a hundred thousand offline things renders nothing.
func (s *Sched) heard(thing registry.Name, n job.Namespace) bool {
	return s.Audience != nil && (s.Audience.Hears(string(thing), n) || s.Audience.NeedsRow(string(thing), n))
}

// write writes an outcome of the slice. What nobody hears is remembered until
// the commit.
func (s *step) write(thing registry.Name, id job.ID, heard bool, out job.Outcome) error {
	ch := store.Changes{Moves: out.Moves, Events: s.Events.Executions(thing, out.Moves, s.now), At: s.now}
	s.note(thing, out.Moves)
	switch {
	case heard:
		ch.Effects = ops.Address(s.Audience, thing, out.Effects)
	case s.Audience != nil && len(out.Effects) > 0:
		s.late = append(s.late, late{thing, id, out.Effects[0].Namespace})
	}
	return s.tx.Write(ch)
}

// tellLate makes up for those who began to listen between the question and the
// commit: they were subscribed when the effect was committed, so they must
// hear it (design.md decision 2). They are told of the queue as it is now.
func (s *Sched) tellLate(ctx context.Context, missed []late, now time.Time) error {
	for _, l := range missed {
		if !s.heard(l.thing, l.namespace) {
			continue
		}
		keys := store.Keys{Thing: l.thing, Queue: store.WholeQueue, Namespace: l.namespace}
		_, err := s.Store.Transact(ctx, keys, func(snap store.Snapshot) (store.Changes, error) {
			if snap.ThingKey == 0 {
				return store.Changes{}, nil
			}
			head, some := job.Head(snap.Queue, now)
			e := job.Effect{
				ThingKey: snap.ThingKey, Namespace: l.namespace, After: snap.Queue, At: now,
				Notify: true, Next: l.namespace == "" && (!some || head.JobID == l.job),
			}
			return store.Changes{Effects: ops.Address(s.Audience, l.thing, []job.Effect{e}), At: now}, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

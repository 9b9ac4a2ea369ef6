package ops

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/events"
)

// Events makes the events of control-plane.md C of what is written. It is asked
// within transactions and on the device path: a type that is not enabled costs one
// look at a number. A nil Events makes none.
type Events struct {
	Region, Account string
	Audience        Audience // nil: no session is persistent
	Now             func() time.Time

	mu      sync.Mutex // of a change, so that enabled follows what was committed
	enabled atomic.Uint32
}

// Load reads which events are enabled, before anything is written.
func (e *Events) Load(ctx context.Context, s store.Store) error {
	return s.View(ctx, func(tx store.Tx) error {
		c, err := tx.EventConfiguration()
		e.enabled.Store(uint32(c.Enabled))
		return err
	})
}

// change changes which events are enabled; the set is in force when it returns.
func (e *Events) change(ctx context.Context, s store.Store, to func(registry.EventSet) registry.EventSet) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var after registry.EventConfiguration
	err := s.Update(ctx, func(tx store.Tx) error {
		before, err := tx.EventConfiguration()
		if err != nil {
			return err
		}
		after = before.Changed(to(before.Enabled), e.Now())
		return tx.PutEventConfiguration(after)
	})
	if err == nil {
		e.enabled.Store(uint32(after.Enabled))
	}
	return err
}

// on says whether events of a type are made.
func (e *Events) on(t registry.EventType) bool {
	return e != nil && registry.EventSet(e.enabled.Load()).Has(t)
}

// address completes an event: one that a persistent session must hear is written
// now, for it has to be on disk; another is not before somebody listens.
func (e *Events) address(v events.Event) job.Message {
	out := job.Message{Topic: v.Topic(), Body: v}
	if e.Audience != nil && e.Audience.NeedsEventRow(out.Topic) {
		out.Payload = events.Append(nil, v)
	}
	return out
}

// JobOperation is what happened to a job.
type JobOperation = events.JobOperation

// What can happen to a job.
const (
	JobCompleted              = events.JobCompleted
	JobCancellationInProgress = events.JobCancellationInProgress
	JobCanceled               = events.JobCanceled
	JobDeletionInProgress     = events.JobDeletionInProgress
	JobDeleted                = events.JobDeleted
)

// newID is an eventId.
func newID() string { return uuid.NewString() }

func (e *Events) core() *core { return &core{Config: Config{Region: e.Region, Account: e.Account}} }

// Executions are the events of what was done to executions of a thing: those that
// ended, and those that were deleted.
func (e *Events) Executions(thing registry.Name, moves []job.Move, at time.Time) (all []job.Message) {
	if !e.on(registry.JobExecutionEvents) {
		return nil
	}
	for i := range moves {
		before, after := &moves[i].Before, &moves[i].After
		switch {
		case after.Number == 0:
			all = append(all, e.address(events.NewJobExecution(newID(), "DELETED", e.core().thingARN(thing), *before, at)))
		case after.Status.Terminal() && after.Status != before.Status:
			all = append(all, e.address(events.NewJobExecution(newID(), after.Status.String(), e.core().thingARN(thing), *after, at)))
		}
	}
	return all
}

// Job writes the event of a job after an operation.
func (e *Events) Job(tx store.Tx, op events.JobOperation, j job.Job, t job.Tally, at time.Time) error {
	if !e.on(registry.JobEvents) {
		return nil
	}
	return e.write(tx, events.NewJob(newID(), op, j, t, at))
}

func (e *Events) write(tx store.Tx, v events.Event) error {
	return tx.Write(store.Changes{Events: []job.Message{e.address(v)}})
}

// tellThing tells that a thing was created, updated or deleted, and what that means
// for its type: had is the type that it had before.
func (c *Control) tellThing(tx store.Tx, t registry.Thing, operation string, had registry.TypeName) error {
	if operation == "deleted" {
		if err := c.tellAssociation(tx, t, had, ""); err != nil {
			return err
		}
	} else if err := c.tellAssociation(tx, t, had, t.Type); err != nil {
		return err
	}
	if !c.Events.on(registry.ThingEvents) {
		return nil
	}
	return c.Events.write(tx, events.NewThing(newID(), c.Account, operation, t, c.Now()))
}

// tellAssociation tells that a thing has another type than before.
func (c *Control) tellAssociation(tx store.Tx, t registry.Thing, had, has registry.TypeName) error {
	if had == has || !c.Events.on(registry.TypeAssociationEvents) {
		return nil
	}
	if had != "" {
		if err := c.Events.write(tx, events.NewAssociation(newID(), "removed", t, had, c.Now())); err != nil {
			return err
		}
	}
	if has == "" {
		return nil
	}
	return c.Events.write(tx, events.NewAssociation(newID(), "added", t, has, c.Now()))
}

// tellType tells that a thing type was created, updated or deleted.
func (c *Control) tellType(tx store.Tx, t registry.Type, operation string) error {
	if !c.Events.on(registry.ThingTypeEvents) {
		return nil
	}
	return c.Events.write(tx, events.NewThingType(newID(), c.Account, operation, t, c.Now()))
}

// tellGroup tells that a group was created, updated or deleted.
func (c *Control) tellGroup(tx store.Tx, g registry.Group, operation string) error {
	if !c.Events.on(registry.ThingGroupEvents) {
		return nil
	}
	above, err := ancestors(tx, g)
	if err != nil {
		return err
	}
	return c.Events.write(tx, events.NewGroup(newID(), c.Account, operation, g, above, c.groupARN, c.Now()))
}

// tellHierarchy tells that a group got a child or lost it; a root has no parent to
// tell of.
func (c *Control) tellHierarchy(tx store.Tx, parent, child registry.Group, operation string) error {
	if parent.Key == 0 || !c.Events.on(registry.HierarchyEvents) {
		return nil
	}
	return c.Events.write(tx, events.NewHierarchy(newID(), c.Account, operation, parent, child, c.Now()))
}

// tellMembership tells that a thing was put into a group or taken out. The
// membershipId is the same for the same two, so that both events name one.
func (c *Control) tellMembership(tx store.Tx, g registry.Group, t registry.Thing, operation string) error {
	if !c.Events.on(registry.MembershipEvents) {
		return nil
	}
	id := uuid.NewSHA1(uuid.NameSpaceOID, []byte(g.UUID+"/"+t.UUID)).String()
	return c.Events.write(tx, events.NewMembership(newID(), c.Account, operation, id, g, c.groupARN(g.Name), t, c.thingARN(t.Name), c.Now()))
}

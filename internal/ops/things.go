package ops

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/iot"
)

func noThing(name registry.Name) func() error {
	return func() error { return job.Errorf(job.NotFound, "Thing %s not found", name) }
}

// thing reads a thing. Errors: NotFound.
func thing(tx store.Tx, name registry.Name) (registry.Thing, error) {
	t, err := tx.Thing(name)
	return t, refused(err, noThing(name))
}

func attributesOf(p *iot.AttributePayload) map[string]string {
	if p == nil {
		return nil
	}
	return p.Attributes
}

// CreateThing registers a thing; again with the same configuration it answers
// the same (registry-and-auth.md D.3). Errors: AlreadyExists, InvalidRequest, NotFound
// for its type.
func (c *Control) CreateThing(ctx context.Context, _ Caller, in *iot.CreateThingInput) (*iot.CreateThingOutput, error) {
	given := attributesOf(in.AttributePayload)
	if err := c.quotas.CheckAttributes(given, in.ThingTypeName); err != nil {
		return nil, err
	}
	var t registry.Thing
	err := c.Store.Update(ctx, func(tx store.Tx) (err error) {
		t, err = tx.Thing(in.ThingName)
		if errors.Is(err, store.ErrNotFound) {
			if err := usable(tx, in.ThingTypeName, true); err != nil {
				return err
			}
			t = registry.NewThing(uuid.NewString(), in.ThingName, given, c.Now())
			t.Type = in.ThingTypeName
			if err := tx.PutThing(&t); err != nil {
				return err
			}
			return c.tellThing(tx, t, "created", "")
		}
		if err == nil && !t.SameAs(in.ThingTypeName, given) {
			e := job.Errorf(job.AlreadyExists, "Thing %s already exists with a different type or attributes", in.ThingName)
			e.Resource = &job.Resource{ID: t.UUID, ARN: c.thingARN(t.Name)}
			return e
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &iot.CreateThingOutput{ThingName: t.Name, ThingARN: c.thingARN(t.Name), ThingID: t.UUID}, nil
}

// DescribeThing errors: NotFound.
func (c *Control) DescribeThing(ctx context.Context, _ Caller, in *iot.DescribeThingInput) (*iot.DescribeThingOutput, error) {
	var t registry.Thing
	err := c.Store.View(ctx, func(tx store.Tx) (err error) {
		t, err = thing(tx, in.ThingName)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &iot.DescribeThingOutput{
		DefaultClientID: string(t.Name), ThingName: t.Name, ThingID: t.UUID, ThingARN: c.thingARN(t.Name),
		ThingTypeName: t.Type, Attributes: t.Attributes, Version: t.Version,
	}, nil
}

// UpdateThing errors: NotFound for the thing or its new type, VersionMismatch,
// InvalidRequest.
func (c *Control) UpdateThing(ctx context.Context, _ Caller, in *iot.UpdateThingInput) (*iot.UpdateThingOutput, error) {
	u := registry.ThingUpdate{Attributes: payloadOf(in.AttributePayload), Type: in.ThingTypeName, NoType: in.RemoveThingType}
	err := c.Store.Update(ctx, func(tx store.Tx) error {
		t, err := thing(tx, in.ThingName)
		if err != nil {
			return err
		}
		before := t.Type
		if u.Type != before {
			if err := usable(tx, u.Type, false); err != nil {
				return err
			}
		}
		if t, err = t.Update(u, in.ExpectedVersion, c.quotas); err != nil {
			return err
		}
		if err := tx.PutThing(&t); err != nil {
			return err
		}
		return c.tellThing(tx, t, "updated", before)
	})
	if err != nil {
		return nil, err
	}
	return &iot.UpdateThingOutput{}, nil
}

func payloadOf(p *iot.AttributePayload) *registry.Payload {
	if p == nil {
		return nil
	}
	return &registry.Payload{Attributes: p.Attributes, Merge: p.Merge}
}

// Removals is how many pending executions one transaction takes away from a thing
// that is deleted, so that devices never wait for a long one.
const Removals = 64

// DeleteThing takes a thing away: its name is free, its devices hear that there is
// nothing to do, and what it had pending becomes REMOVED, whoever started it
// (control-plane.md B.3); what is more than Removals the scheduler takes up. A thing
// that is not there is a success. Errors: VersionMismatch; InvalidRequest while
// principals are attached.
func (c *Control) DeleteThing(ctx context.Context, by Caller, in *iot.DeleteThingInput) (*iot.DeleteThingOutput, error) {
	err := c.Store.Update(ctx, func(tx store.Tx) error {
		t, err := tx.Thing(in.ThingName)
		if err != nil {
			return refused(err, func() error { return nil })
		}
		if err := registry.CheckVersion(t.Version, in.ExpectedVersion); err != nil {
			return err
		}
		attached, _, err := tx.CertificatesOfThing(t.Key, store.AttachmentFilter{}, store.Page{Limit: 1})
		if err != nil {
			return err
		}
		if len(attached) > 0 {
			return job.Errorf(job.InvalidRequest, "Cannot delete thing %s: it is still attached to one or more principals, detach them first", t.Name)
		}
		now := c.Now()
		if err := c.tellEmptied(tx, t, now); err != nil {
			return err
		}
		if _, err := RemovePending(tx, c.Events, store.Member{Key: t.Key, Name: t.Name}, by.Principal, now); err != nil {
			return err
		}
		return c.dropThing(tx, t)
	})
	if err != nil {
		return nil, err
	}
	return &iot.DeleteThingOutput{}, nil
}

// tellEmptied tells the devices of a thing that nothing of its queues is left.
func (c *Control) tellEmptied(tx store.Tx, t registry.Thing, now time.Time) error {
	namespaces, err := tx.PendingNamespaces(t.Key)
	if err != nil {
		return err
	}
	for _, n := range namespaces {
		snap, err := tx.Snapshot(store.Keys{Thing: t.Name, Queue: store.WholeQueue, Namespace: n})
		if err != nil {
			return err
		}
		effects := Address(c.Audience, t.Name, snap.Queue.Emptied(t.Key, n, now))
		if err := tx.Write(store.Changes{Effects: effects, At: now}); err != nil {
			return err
		}
	}
	return nil
}

// dropThing removes a thing, and tells of it.
func (c *Control) dropThing(tx store.Tx, t registry.Thing) error {
	groups, err := groupsOf(tx, t.Key)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if err := c.tellMembership(tx, g, t, "removed"); err != nil {
			return err
		}
	}
	if err := c.tellThing(tx, t, "deleted", t.Type); err != nil {
		return err
	}
	return tx.DeleteThing(t.Key)
}

// RemovePending makes stored pending executions of a thing, also of one that is
// deleted already, REMOVED, or what a job's flag or the clock have made of them, and
// gives the moves; none: there are none. Devices are not told.
func RemovePending(tx store.Tx, events *Events, of store.Member, actor string, now time.Time) (moves []job.Move, err error) {
	for len(moves) < Removals {
		namespaces, err := tx.PendingNamespaces(of.Key)
		if err != nil || len(namespaces) == 0 {
			return moves, err
		}
		snap, err := tx.Snapshot(store.Keys{ThingKey: of.Key, Queue: store.WholeQueue, Namespace: namespaces[0]})
		if err != nil {
			return nil, err
		}
		for _, e := range snap.Queue.Pending[:min(Removals-len(moves), len(snap.Queue.Pending))] {
			named, err := tx.Snapshot(store.Keys{ThingKey: of.Key, Job: e.JobID, Number: e.Number})
			if err != nil {
				return nil, err
			}
			var out job.Outcome
			if e.Job.Status == job.JobDeletionInProgress {
				out = named.Queue.Drop(now)
			} else if out, err = named.Queue.Apply(e.Ref(), job.Change{Kind: job.Remove, Actor: actor}, now); len(out.Moves) == 0 {
				return nil, err
			}
			if err := tx.Write(store.Changes{Moves: out.Moves, Events: events.Executions(of.Name, out.Moves, now), At: now}); err != nil {
				return nil, err
			}
			moves = append(moves, out.Moves...)
		}
	}
	return moves, nil
}

// ListThings lists things by name. Errors: InvalidRequest.
func (c *Control) ListThings(ctx context.Context, _ Caller, in *iot.ListThingsInput) (*iot.ListThingsOutput, error) {
	if (in.AttributeName == "") != (in.AttributeValue == "") && !(in.UsePrefixAttributeValue && in.AttributeName != "") {
		return nil, job.Errorf(job.InvalidRequest, "attributeName and attributeValue go together: give both or none")
	}
	f := store.ThingFilter{Attribute: in.AttributeName, Value: in.AttributeValue, Prefix: in.UsePrefixAttributeValue && in.AttributeName != "", Type: in.ThingTypeName}
	l := newList("ListThings", f)
	page, err := l.page(in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	out := &iot.ListThingsOutput{Things: []iot.ThingAttribute{}}
	err = c.Store.View(ctx, func(tx store.Tx) error {
		things, next, err := tx.Things(f, page)
		for _, t := range things {
			out.Things = append(out.Things, iot.ThingAttribute{
				ThingName: t.Name, ThingTypeName: t.Type, ThingARN: c.thingARN(t.Name), Attributes: t.Attributes, Version: t.Version,
			})
		}
		out.NextToken = l.token(next)
		return refused(err, nil)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

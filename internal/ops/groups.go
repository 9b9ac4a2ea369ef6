package ops

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/iot"
)

func noGroup(name registry.GroupName) func() error {
	return func() error { return job.Errorf(job.NotFound, "Thing group %s not found", name) }
}

// group reads a thing group. Errors: NotFound.
func group(tx store.Tx, name registry.GroupName) (registry.Group, error) {
	g, err := tx.Group(name)
	return g, refused(err, noGroup(name))
}

// CreateThingGroup makes a static group; again with the same configuration it
// answers the same. Errors: AlreadyExists, InvalidRequest.
func (c *Control) CreateThingGroup(ctx context.Context, _ Caller, in *iot.CreateThingGroupInput) (*iot.CreateThingGroupOutput, error) {
	var description string
	var attributes map[string]string
	if p := in.ThingGroupProperties; p != nil {
		description, attributes = p.ThingGroupDescription, attributesOf(p.AttributePayload)
	}
	if err := registry.CheckAttributes(attributes); err != nil {
		return nil, err
	}
	var g registry.Group
	err := c.Store.Update(ctx, func(tx store.Tx) (err error) {
		g, err = tx.Group(in.ThingGroupName)
		if errors.Is(err, store.ErrNotFound) {
			g = registry.NewGroup(uuid.NewString(), in.ThingGroupName, description, attributes, c.Now())
			return tx.PutGroup(&g)
		}
		if err == nil && !g.SameAs(description, attributes) {
			e := job.Errorf(job.AlreadyExists, "Thing group %s already exists with a different configuration", in.ThingGroupName)
			e.Resource = &job.Resource{ID: g.UUID, ARN: c.groupARN(g.Name)}
			return e
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &iot.CreateThingGroupOutput{ThingGroupName: g.Name, ThingGroupARN: c.groupARN(g.Name), ThingGroupID: g.UUID}, nil
}

// DescribeThingGroup errors: NotFound.
func (c *Control) DescribeThingGroup(ctx context.Context, _ Caller, in *iot.DescribeThingGroupInput) (*iot.DescribeThingGroupOutput, error) {
	var g registry.Group
	err := c.Store.View(ctx, func(tx store.Tx) (err error) {
		g, err = group(tx, in.ThingGroupName)
		return err
	})
	if err != nil {
		return nil, err
	}
	properties := &iot.ThingGroupProperties{ThingGroupDescription: g.Description}
	if len(g.Attributes) > 0 {
		properties.AttributePayload = &iot.AttributePayload{Attributes: g.Attributes}
	}
	return &iot.DescribeThingGroupOutput{
		ThingGroupName: g.Name, ThingGroupID: g.UUID, ThingGroupARN: c.groupARN(g.Name), Version: g.Version,
		ThingGroupProperties: properties, ThingGroupMetadata: &iot.ThingGroupMetadata{CreationDate: g.CreatedAt},
	}, nil
}

// DeleteThingGroup takes the group away, however many things are in it; a group
// that is not there is a success. Errors: VersionMismatch.
func (c *Control) DeleteThingGroup(ctx context.Context, _ Caller, in *iot.DeleteThingGroupInput) (*iot.DeleteThingGroupOutput, error) {
	err := c.Store.Update(ctx, func(tx store.Tx) error {
		g, err := tx.Group(in.ThingGroupName)
		if err != nil {
			return refused(err, func() error { return nil })
		}
		if err := registry.CheckVersion(g.Version, in.ExpectedVersion); err != nil {
			return err
		}
		if err := dissolve(tx, g.Key); err != nil {
			return err
		}
		return tx.DeleteGroup(g.Key)
	})
	if err != nil {
		return nil, err
	}
	return &iot.DeleteThingGroupOutput{}, nil
}

func (c *Control) named(groups []registry.Group) []iot.GroupNameAndARN {
	out := make([]iot.GroupNameAndARN, len(groups))
	for i, g := range groups {
		out[i] = iot.GroupNameAndARN{GroupName: g.Name, GroupARN: c.groupARN(g.Name)}
	}
	return out
}

// ListThingGroups lists groups by name; without child groups, recursive makes
// no difference. Errors: InvalidRequest.
func (c *Control) ListThingGroups(ctx context.Context, _ Caller, in *iot.ListThingGroupsInput) (*iot.ListThingGroupsOutput, error) {
	f := store.GroupFilter{NamePrefix: in.NamePrefixFilter}
	l := newList("ListThingGroups", f)
	page, err := l.page(in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	out := new(iot.ListThingGroupsOutput)
	err = c.Store.View(ctx, func(tx store.Tx) error {
		groups, next, err := tx.Groups(f, page)
		out.ThingGroups, out.NextToken = c.named(groups), l.token(next)
		return refused(err, nil)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// pair reads the thing and the group that a request about membership names.
func (c *Control) pair(tx store.Tx, groupName, groupARN, thingName, thingARN string) (g registry.Group, t registry.Thing, err error) {
	groupName, err = c.nameOf(kindGroup, "thing group", groupName, groupARN)
	if err != nil {
		return g, t, err
	}
	thingName, err = c.nameOf(kindThing, "thing", thingName, thingARN)
	if err != nil {
		return g, t, err
	}
	if g, err = group(tx, registry.GroupName(groupName)); err != nil {
		return g, t, err
	}
	t, err = thing(tx, registry.Name(thingName))
	return g, t, err
}

// AddThingToThingGroup is idempotent. Errors: NotFound; InvalidRequest when the
// thing is in as many groups as it may be.
func (c *Control) AddThingToThingGroup(ctx context.Context, _ Caller, in *iot.AddThingToThingGroupInput) (*iot.AddThingToThingGroupOutput, error) {
	err := c.Store.Update(ctx, func(tx store.Tx) error {
		g, t, err := c.pair(tx, string(in.ThingGroupName), in.ThingGroupARN, string(in.ThingName), in.ThingARN)
		if err != nil {
			return err
		}
		in, _, err := tx.GroupsOfThing(t.Key, store.Page{Limit: registry.MaxGroups})
		if err != nil {
			return err
		}
		for _, other := range in {
			if other.Key == g.Key {
				return nil
			}
		}
		if len(in) >= registry.MaxGroups {
			return job.Errorf(job.InvalidRequest, "Thing %s is in %d thing groups already: at most %d are allowed, remove it from one first", t.Name, len(in), registry.MaxGroups)
		}
		return moveThing(tx, t.Key, func() error { return tx.Join(g.Key, t.Key) })
	})
	if err != nil {
		return nil, err
	}
	return &iot.AddThingToThingGroupOutput{}, nil
}

// RemoveThingFromThingGroup is idempotent. Errors: NotFound, InvalidRequest.
func (c *Control) RemoveThingFromThingGroup(ctx context.Context, _ Caller, in *iot.RemoveThingFromThingGroupInput) (*iot.RemoveThingFromThingGroupOutput, error) {
	err := c.Store.Update(ctx, func(tx store.Tx) error {
		g, t, err := c.pair(tx, string(in.ThingGroupName), in.ThingGroupARN, string(in.ThingName), in.ThingARN)
		if err != nil {
			return err
		}
		return moveThing(tx, t.Key, func() error { return tx.Leave(g.Key, t.Key) })
	})
	if err != nil {
		return nil, err
	}
	return &iot.RemoveThingFromThingGroupOutput{}, nil
}

// ListThingsInThingGroup lists a group's things by name; without child groups,
// recursive makes no difference. Errors: NotFound, InvalidRequest.
func (c *Control) ListThingsInThingGroup(ctx context.Context, _ Caller, in *iot.ListThingsInThingGroupInput) (*iot.ListThingsInThingGroupOutput, error) {
	l := newList("ListThingsInThingGroup", in.ThingGroupName, in.Recursive)
	page, err := l.page(in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	out := &iot.ListThingsInThingGroupOutput{Things: []registry.Name{}}
	err = c.Store.View(ctx, func(tx store.Tx) error {
		g, err := group(tx, in.ThingGroupName)
		if err != nil {
			return err
		}
		names, next, err := tx.ThingsInGroup(g.Key, page)
		out.Things, out.NextToken = append(out.Things, names...), l.token(next)
		return refused(err, nil)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ListThingGroupsForThing lists the groups that a thing is directly in, by
// name. Errors: NotFound, InvalidRequest.
func (c *Control) ListThingGroupsForThing(ctx context.Context, _ Caller, in *iot.ListThingGroupsForThingInput) (*iot.ListThingGroupsForThingOutput, error) {
	l := newList("ListThingGroupsForThing", in.ThingName)
	page, err := l.page(in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	out := new(iot.ListThingGroupsForThingOutput)
	err = c.Store.View(ctx, func(tx store.Tx) error {
		t, err := thing(tx, in.ThingName)
		if err != nil {
			return err
		}
		groups, next, err := tx.GroupsOfThing(t.Key, page)
		out.ThingGroups, out.NextToken = c.named(groups), l.token(next)
		return refused(err, nil)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

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

// CreateThingGroup makes a static group, below its parent if it names one; again
// with the same configuration it answers the same. Errors: AlreadyExists,
// InvalidRequest, NotFound for the parent, LimitExceeded.
func (c *Control) CreateThingGroup(ctx context.Context, _ Caller, in *iot.CreateThingGroupInput) (*iot.CreateThingGroupOutput, error) {
	var description string
	var attributes map[string]string
	if p := in.ThingGroupProperties; p != nil {
		description, attributes = value(p.ThingGroupDescription), attributesOf(p.AttributePayload)
	}
	if err := c.quotas.CheckAttributes(attributes, ""); err != nil {
		return nil, err
	}
	tags, err := c.newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	var g registry.Group
	err = c.Store.Update(ctx, func(tx store.Tx) error {
		parent, err := parentOf(tx, in.ParentGroupName)
		if err != nil {
			return err
		}
		g, err = tx.Group(in.ThingGroupName)
		if errors.Is(err, store.ErrNotFound) {
			g = registry.NewGroup(uuid.NewString(), in.ThingGroupName, parent.Key, description, attributes, c.Now())
			return c.addGroup(tx, &g, parent, tags)
		}
		if err != nil {
			return err
		}
		same, err := sameTags(tx, registry.Tagged{Kind: registry.TaggedGroup, Key: g.Key}, tags)
		if err == nil && !(same && g.SameAs(parent.Key, description, attributes)) {
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

// parentOf reads the parent of a new group; its Key is 0 when the name is empty.
// Errors: NotFound.
func parentOf(tx store.Tx, name registry.GroupName) (registry.Group, error) {
	if name == "" {
		return registry.Group{}, nil
	}
	return group(tx, name)
}

// addGroup writes a new group. Errors: InvalidRequest for a hierarchy that is too
// deep or too broad.
func (c *Control) addGroup(tx store.Tx, g *registry.Group, parent registry.Group, tags []registry.Tag) error {
	if parent.Key != 0 {
		keys, err := tx.Above(parent.Key)
		if err != nil {
			return err
		}
		children, err := tx.CountChildren(parent.Key, c.quotas.Children)
		if err != nil {
			return err
		}
		if err := c.quotas.CheckChild(parent.Name, len(keys)-1, children); err != nil {
			return err
		}
	}
	if err := tx.PutGroup(g); err != nil {
		return err
	}
	if err := putTags(tx, registry.Tagged{Kind: registry.TaggedGroup, Key: g.Key}, tags); err != nil {
		return err
	}
	if err := c.tellGroup(tx, *g, "created"); err != nil {
		return err
	}
	return c.tellHierarchy(tx, parent, *g, "added")
}

// ancestors are the groups above a group, the root first.
func ancestors(tx store.Tx, g registry.Group) (all []registry.Group, err error) {
	if g.Parent == 0 {
		return nil, nil
	}
	keys, err := tx.Above(g.Parent)
	for _, key := range keys {
		a, err := tx.GroupByKey(key)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, err
}

// DescribeThingGroup errors: NotFound.
func (c *Control) DescribeThingGroup(ctx context.Context, _ Caller, in *iot.DescribeThingGroupInput) (*iot.DescribeThingGroupOutput, error) {
	var g registry.Group
	var above []registry.Group
	err := c.Store.View(ctx, func(tx store.Tx) (err error) {
		if g, err = group(tx, in.ThingGroupName); err != nil {
			return err
		}
		above, err = ancestors(tx, g)
		return err
	})
	if err != nil {
		return nil, err
	}
	properties := &iot.ThingGroupProperties{}
	if g.Description != "" {
		properties.ThingGroupDescription = &g.Description
	}
	if len(g.Attributes) > 0 {
		properties.AttributePayload = &iot.AttributePayload{Attributes: g.Attributes}
	}
	metadata := &iot.ThingGroupMetadata{CreationDate: g.CreatedAt}
	if n := len(above); n > 0 {
		metadata.ParentGroupName, metadata.RootToParentThingGroups = above[n-1].Name, c.named(above)
	}
	return &iot.DescribeThingGroupOutput{
		ThingGroupName: g.Name, ThingGroupID: g.UUID, ThingGroupARN: c.groupARN(g.Name), Version: g.Version,
		ThingGroupProperties: properties, ThingGroupMetadata: metadata,
	}, nil
}

// UpdateThingGroup changes what the request names. Errors: NotFound,
// VersionMismatch, InvalidRequest.
func (c *Control) UpdateThingGroup(ctx context.Context, _ Caller, in *iot.UpdateThingGroupInput) (*iot.UpdateThingGroupOutput, error) {
	p := in.ThingGroupProperties
	u := registry.GroupUpdate{Description: p.ThingGroupDescription, Attributes: payloadOf(p.AttributePayload)}
	var g registry.Group
	err := c.Store.Update(ctx, func(tx store.Tx) (err error) {
		if g, err = group(tx, in.ThingGroupName); err != nil {
			return err
		}
		if g, err = g.Update(u, in.ExpectedVersion, c.quotas); err != nil {
			return err
		}
		if err := tx.PutGroup(&g); err != nil {
			return err
		}
		return c.tellGroup(tx, g, "updated")
	})
	if err != nil {
		return nil, err
	}
	return &iot.UpdateThingGroupOutput{Version: g.Version}, nil
}

// DeleteThingGroup takes the group away, however many things are in it; a group
// that is not there is a success. Terraform looks for a part of the message about
// children. Errors: VersionMismatch, InvalidRequest.
func (c *Control) DeleteThingGroup(ctx context.Context, _ Caller, in *iot.DeleteThingGroupInput) (*iot.DeleteThingGroupOutput, error) {
	err := c.Store.Update(ctx, func(tx store.Tx) error {
		g, err := tx.Group(in.ThingGroupName)
		if err != nil {
			return refused(err, func() error { return nil })
		}
		if err := registry.CheckVersion(g.Version, in.ExpectedVersion); err != nil {
			return err
		}
		children, err := tx.CountChildren(g.Key, 1)
		if err != nil {
			return err
		}
		if children > 0 {
			return job.Errorf(job.InvalidRequest, "Cannot delete thing group : %s when there are still child groups attached to it", g.Name)
		}
		parent := registry.Group{}
		if g.Parent != 0 {
			if parent, err = tx.GroupByKey(g.Parent); err != nil {
				return err
			}
		}
		if err := c.tellHierarchy(tx, parent, g, "removed"); err != nil {
			return err
		}
		if err := c.tellGroup(tx, g, "deleted"); err != nil {
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

// ListThingGroups lists groups by name: all, or with recursive=false the roots
// alone; with a parent its direct children, or with recursive=true all that is below
// it, from the top down. Errors: NotFound for the parent, InvalidRequest.
func (c *Control) ListThingGroups(ctx context.Context, _ Caller, in *iot.ListThingGroupsInput) (*iot.ListThingGroupsOutput, error) {
	f := store.GroupFilter{NamePrefix: in.NamePrefixFilter}
	switch {
	case in.ParentGroup != "" && in.Recursive != nil && *in.Recursive:
		f.Of = store.Below
	case in.ParentGroup != "", in.Recursive != nil && !*in.Recursive:
		f.Of = store.ChildrenOf
	}
	l := newList("ListThingGroups", f, in.ParentGroup)
	page, err := l.page(in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	out := new(iot.ListThingGroupsOutput)
	err = c.Store.View(ctx, func(tx store.Tx) error {
		parent, err := parentOf(tx, in.ParentGroup)
		if err != nil {
			return err
		}
		f.Group = parent.Key
		groups, next, err := tx.Groups(f, page)
		out.ThingGroups, out.NextToken = c.named(groups), l.token(next)
		return refused(err, nil)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ListThingsInThingGroup lists a group's things by name; with recursive those of
// the groups below it too, group by group. Errors: NotFound, InvalidRequest.
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
		list := tx.ThingsInGroup
		if in.Recursive {
			list = tx.ThingsUnder
		}
		names, next, err := list(g.Key, page)
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

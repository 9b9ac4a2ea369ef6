package ops

import (
	"context"
	"slices"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/iot"
)

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
// thing is in as many groups as it may be, or in another of the same hierarchy.
func (c *Control) AddThingToThingGroup(ctx context.Context, _ Caller, in *iot.AddThingToThingGroupInput) (*iot.AddThingToThingGroupOutput, error) {
	err := c.Store.Update(ctx, func(tx store.Tx) error {
		g, t, err := c.pair(tx, string(in.ThingGroupName), in.ThingGroupARN, string(in.ThingName), in.ThingARN)
		if err != nil {
			return err
		}
		return c.regroup(tx, t, []registry.Group{g}, nil)
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
		return c.regroup(tx, t, nil, []registry.Group{g})
	})
	if err != nil {
		return nil, err
	}
	return &iot.RemoveThingFromThingGroupOutput{}, nil
}

// UpdateThingGroupsForThing takes a thing out of groups and puts it into others, all
// or nothing: it may move within a hierarchy, and no job that covers both groups
// loses it. Errors: NotFound; InvalidRequest as AddThingToThingGroup, and for a group
// in both lists.
func (c *Control) UpdateThingGroupsForThing(ctx context.Context, _ Caller, in *iot.UpdateThingGroupsForThingInput) (*iot.UpdateThingGroupsForThingOutput, error) {
	if in.ThingName == "" {
		return nil, job.Errorf(job.InvalidRequest, "The thing is missing: give thingName")
	}
	for _, name := range in.ThingGroupsToAdd {
		if slices.Contains(in.ThingGroupsToRemove, name) {
			return nil, job.Errorf(job.InvalidRequest, "Thing group %s is to be added and removed: name it once", name)
		}
	}
	err := c.Store.Update(ctx, func(tx store.Tx) error {
		t, err := thing(tx, in.ThingName)
		if err != nil {
			return err
		}
		add, err := groupsNamed(tx, in.ThingGroupsToAdd)
		if err != nil {
			return err
		}
		remove, err := groupsNamed(tx, in.ThingGroupsToRemove)
		if err != nil {
			return err
		}
		return c.regroup(tx, t, add, remove)
	})
	if err != nil {
		return nil, err
	}
	return &iot.UpdateThingGroupsForThingOutput{}, nil
}

// groupsNamed reads groups, each once. Errors: NotFound.
func groupsNamed(tx store.Tx, names []registry.GroupName) (all []registry.Group, err error) {
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			continue
		}
		g, err := group(tx, name)
		if err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	return all, nil
}

// groupsOf are all groups that a thing is directly in.
func groupsOf(tx store.Tx, thing int64) (all []registry.Group, err error) {
	for page := (store.Page{Limit: defaultPage}); ; {
		some, next, err := tx.GroupsOfThing(thing, page)
		if all = append(all, some...); err != nil || next == "" {
			return all, err
		}
		page.After = next
	}
}

// regroup takes a thing out of groups and puts it into others. Those that it is in
// already, or is not in, make no difference. Errors: InvalidRequest.
func (c *Control) regroup(tx store.Tx, t registry.Thing, add, remove []registry.Group) error {
	current, err := groupsOf(tx, t.Key)
	if err != nil {
		return err
	}
	within := func(all []registry.Group) func(registry.Group) bool {
		return func(g registry.Group) bool {
			return slices.ContainsFunc(all, func(o registry.Group) bool { return o.Key == g.Key })
		}
	}
	isIn, goes := within(current), within(remove)
	add = slices.DeleteFunc(slices.Clone(add), isIn)
	remove = slices.DeleteFunc(slices.Clone(remove), func(g registry.Group) bool { return !isIn(g) })
	if len(add)+len(remove) == 0 {
		return nil
	}
	var places []registry.Place
	for _, g := range append(slices.DeleteFunc(current, goes), add...) {
		above, err := tx.Above(g.Key)
		if err != nil {
			return err
		}
		places = append(places, registry.Place{Group: g.Name, Root: above[0]})
	}
	if len(add) > 0 {
		if err := c.quotas.CheckPlaces(t.Name, places); err != nil {
			return err
		}
	}
	return moveThing(tx, t.Key, func() error { return c.move(tx, t, add, remove) })
}

func (c *Control) move(tx store.Tx, t registry.Thing, add, remove []registry.Group) error {
	for _, g := range remove {
		if err := tx.Leave(g.Key, t.Key); err != nil {
			return err
		}
		if err := c.tellMembership(tx, g, t, "removed"); err != nil {
			return err
		}
	}
	for _, g := range add {
		if err := tx.Join(g.Key, t.Key); err != nil {
			return err
		}
		if err := c.tellMembership(tx, g, t, "added"); err != nil {
			return err
		}
	}
	return nil
}

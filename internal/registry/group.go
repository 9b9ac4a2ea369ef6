package registry

import (
	"time"

	"github.com/drover-iot/drover/internal/job"
)

// The quotas of a hierarchy of groups at AWS (registry-and-auth.md D.3).
const (
	MaxDepth    = 7   // a root and six generations below it
	MaxChildren = 100 // direct ones of a group
)

// NewGroup is a group as it is created: version 1, a child of this parent (0: a
// root).
func NewGroup(uuid string, name GroupName, parent int64, description string, attributes map[string]string, now time.Time) Group {
	return Group{UUID: uuid, Name: name, Parent: parent, Description: description, Attributes: attributes, Version: 1, CreatedAt: now}
}

// GroupUpdate is what UpdateThingGroup asks to change; nil leaves it as it is.
type GroupUpdate struct {
	Description *string
	Attributes  *Payload
}

// Update gives the group one version later; attributes are as in Thing.Update.
// Errors: VersionMismatch, InvalidRequest.
func (g Group) Update(u GroupUpdate, expectedVersion *int64, q Quotas) (Group, error) {
	if err := CheckVersion(g.Version, expectedVersion); err != nil {
		return g, err
	}
	if u.Description != nil {
		g.Description = *u.Description
	}
	if u.Attributes != nil {
		g.Attributes = u.Attributes.on(g.Attributes)
	}
	g.Version++
	return g, q.CheckAttributes(g.Attributes, "")
}

// Place is a group that a thing is in, or is to be in, and the root of its
// hierarchy.
type Place struct {
	Group GroupName
	Root  int64
}

// CheckPlaces refuses places of which a thing may not be in all: there are too
// many, or two are of one hierarchy (D.3, Membership). Errors: InvalidRequest.
func (q Quotas) CheckPlaces(thing Name, places []Place) error {
	if err := q.CheckGroupCount(thing, len(places)); err != nil {
		return err
	}
	roots := map[int64]GroupName{}
	for _, p := range places {
		if other, ok := roots[p.Root]; ok {
			return job.Errorf(job.InvalidRequest, "Thing %s cannot be in %s and in %s: they are of the same hierarchy of thing groups, remove it from one first", thing, other, p.Group)
		}
		roots[p.Root] = p.Group
	}
	return nil
}

package registry

import (
	"maps"

	"github.com/drover-iot/drover/internal/job"
)

// How many attributes a thing may have at AWS, without a type or with one; a group
// may have as many as a thing without (registry-and-auth.md D.3).
const (
	MaxAttributes      = 3
	MaxTypedAttributes = 50
)

// MaxGroups is how many groups a thing may be in at AWS.
const MaxGroups = 10

// SameAs says whether creating the thing again like this asks for what is there:
// then it is no error (D.3, Create idempotence).
func (t Thing) SameAs(of TypeName, attributes map[string]string) bool {
	return t.Type == of && maps.Equal(t.Attributes, attributes)
}

// SameAs says whether creating the group again like this asks for what is there.
func (g Group) SameAs(parent int64, description string, attributes map[string]string) bool {
	return g.Parent == parent && g.Description == description && maps.Equal(g.Attributes, attributes)
}

// Payload is what an update says of attributes: nil leaves them as they are.
type Payload struct {
	Attributes map[string]string
	Merge      bool
}

// ThingUpdate is what UpdateThing asks to change; nil and empty leave a thing as it is.
type ThingUpdate struct {
	Attributes *Payload
	Type       TypeName // the type it is to have
	NoType     bool     // it is to have none
}

// Update gives the thing one version later. Without merge the payload replaces
// all attributes, with it an empty value deletes its key (D.3). Whether there is
// such a type was asked before. Errors: VersionMismatch; InvalidRequest for too many
// attributes, and for a type that is both given and removed.
func (t Thing) Update(u ThingUpdate, expectedVersion *int64, q Quotas) (Thing, error) {
	if err := CheckVersion(t.Version, expectedVersion); err != nil {
		return t, err
	}
	switch {
	case u.NoType && u.Type != "":
		return t, job.Errorf(job.InvalidRequest, "thingTypeName and removeThingType exclude each other: give one of them")
	case u.NoType:
		t.Type = ""
	case u.Type != "":
		t.Type = u.Type
	}
	if u.Attributes != nil {
		t.Attributes = u.Attributes.on(t.Attributes)
	}
	t.Version++
	return t, q.CheckAttributes(t.Attributes, t.Type)
}

func (p Payload) on(stored map[string]string) map[string]string {
	if !p.Merge {
		return p.Attributes
	}
	merged := maps.Clone(stored)
	if merged == nil {
		merged = map[string]string{}
	}
	for k, v := range p.Attributes {
		if v == "" {
			delete(merged, k)
		} else {
			merged[k] = v
		}
	}
	return merged
}

// CheckVersion gives VersionMismatch when another version than the stored one was
// expected; nil expects nothing.
func CheckVersion(stored int64, expected *int64) error {
	if expected != nil && *expected != stored {
		return job.Errorf(job.VersionMismatch, "Expected version %d but found version %d", *expected, stored)
	}
	return nil
}

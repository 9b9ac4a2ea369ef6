package registry

import (
	"maps"
	"time"

	"github.com/drover-iot/drover/internal/job"
)

// MaxAttributes is how many attributes a thing without a type, or a group, may
// have (registry-and-auth.md D.3).
const MaxAttributes = 3

// MaxGroups is how many groups a thing may be in.
const MaxGroups = 10

// NewGroup is a group as it is created: version 1.
func NewGroup(uuid string, name GroupName, description string, attributes map[string]string, now time.Time) Group {
	return Group{UUID: uuid, Name: name, Description: description, Attributes: attributes, Version: 1, CreatedAt: now}
}

// CheckAttributes gives InvalidRequest for more attributes than are allowed. Their
// keys and values were held against their patterns at the door.
func CheckAttributes(attributes map[string]string) error {
	if n := len(attributes); n > MaxAttributes {
		return job.Errorf(job.InvalidRequest, "%d attributes are too many: at most %d are allowed", n, MaxAttributes)
	}
	return nil
}

// SameAs says whether creating the thing again with these attributes asks for
// what is there: then it is no error (D.3, Create idempotence).
func (t Thing) SameAs(attributes map[string]string) bool { return maps.Equal(t.Attributes, attributes) }

// SameAs says whether creating the group again asks for what is there.
func (g Group) SameAs(description string, attributes map[string]string) bool {
	return g.Description == description && maps.Equal(g.Attributes, attributes)
}

// Payload is what an update says of attributes: nil leaves them as they are.
type Payload struct {
	Attributes map[string]string
	Merge      bool
}

// Update gives the thing one version later. Without merge the payload replaces
// all attributes, with it an empty value deletes its key (D.3). Errors:
// VersionMismatch; InvalidRequest for too many attributes.
func (t Thing) Update(p *Payload, expectedVersion *int64) (Thing, error) {
	if err := CheckVersion(t.Version, expectedVersion); err != nil {
		return t, err
	}
	if p != nil {
		t.Attributes = p.on(t.Attributes)
	}
	t.Version++
	return t, CheckAttributes(t.Attributes)
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

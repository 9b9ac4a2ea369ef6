package registry

import (
	"slices"
	"time"

	"github.com/drover-iot/drover/internal/job"
)

// MaxSearchable is how many searchable attributes a thing type may name.
const MaxSearchable = 3

// DeprecationPeriod is how long a thing type stays after its deprecation before it
// can be deleted (registry-and-auth.md D.2).
const DeprecationPeriod = 5 * time.Minute

// Type is a thing type: what things of one make have in common.
type Type struct {
	Key          int64
	UUID         string // thingTypeId
	Name         TypeName
	Description  string
	Searchable   []string // names of attributes
	CreatedAt    time.Time
	DeprecatedAt time.Time // zero: it may be given to things
}

// NewType is a type as it is created. Errors: InvalidRequest.
func NewType(uuid string, name TypeName, description string, searchable []string, now time.Time) (Type, error) {
	return Type{UUID: uuid, Name: name, Description: description, Searchable: searchable, CreatedAt: now}, checkSearchable(searchable)
}

func checkSearchable(names []string) error {
	if n := len(names); n > MaxSearchable {
		return job.Errorf(job.InvalidRequest, "%d searchable attributes are too many: at most %d are allowed", n, MaxSearchable)
	}
	return nil
}

// Deprecated says whether things may not be given this type any more.
func (t Type) Deprecated() bool { return !t.DeprecatedAt.IsZero() }

// SameAs says whether creating the type again like this asks for what is there.
func (t Type) SameAs(description string, searchable []string) bool {
	return t.Description == description && slices.Equal(t.Searchable, searchable)
}

// TypeUpdate is what UpdateThingType asks to change; nil leaves it as it is.
type TypeUpdate struct {
	Description *string
	Searchable  []string
}

// Update gives the changed type. Errors: InvalidRequest.
func (t Type) Update(u TypeUpdate) (Type, error) {
	if u.Description != nil {
		t.Description = *u.Description
	}
	if u.Searchable != nil {
		t.Searchable = u.Searchable
	}
	return t, checkSearchable(t.Searchable)
}

// Deprecate gives the type as it is from now on: not to be given to things, or (undo)
// like any other. One that is deprecated already keeps its date.
func (t Type) Deprecate(undo bool, now time.Time) Type {
	switch {
	case undo:
		t.DeprecatedAt = time.Time{}
	case !t.Deprecated():
		t.DeprecatedAt = now
	}
	return t
}

// CheckUse refuses to give a new thing this type, or one that is there, in AWS's own
// words and spelling (control-plane.md J). Errors: InvalidRequest.
func (t Type) CheckUse(isNew bool) error {
	what := "update"
	if isNew {
		what = "create new"
	}
	if t.Deprecated() {
		return job.Errorf(job.InvalidRequest, "Can not %s thing with depreated thing type:%s. Choose another type, or undo its deprecation.", what, t.Name)
	}
	return nil
}

// CheckDelete refuses the deletion of a type that is in use, or was a short time
// ago. Terraform looks for a part of the last message. Errors: InvalidRequest.
func (t Type) CheckDelete(inUse bool, now time.Time) error {
	switch {
	case !t.Deprecated():
		return job.Errorf(job.InvalidRequest, "Cannot delete thing type %s: it is not deprecated, deprecate it first", t.Name)
	case inUse:
		return job.Errorf(job.InvalidRequest, "Cannot delete thing type %s: there are still things of this type", t.Name)
	case now.Before(t.DeprecatedAt.Add(DeprecationPeriod)):
		return job.Errorf(job.InvalidRequest, "Cannot delete thing type %s: Please wait for 5 minutes after deprecation and then retry", t.Name)
	}
	return nil
}

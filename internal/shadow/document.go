package shadow

import (
	"strings"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
)

// The limits that AWS publishes. MaxBytes is of desired and reported together,
// as JSON, without their metadata; whoever encodes them checks it.
const (
	MaxBytes       = 8 << 10
	MaxDepth       = 8
	MaxName        = 64
	MaxClientToken = 64 // bytes
)

// Remembered is how long the version of a deleted shadow is remembered: one
// that is made anew within that time goes on from it.
const Remembered = 48 * time.Hour

// Name is a named shadow's name, empty for the classic shadow of a thing.
type Name string

// Valid says whether n is the classic shadow or a name of `[$a-zA-Z0-9:_-]`.
func (n Name) Valid() bool {
	return len(n) <= MaxName && strings.Trim(string(n), "$:_-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}

// Section is one of the two halves of a document.
type Section struct {
	State Object // nil: the document does not have it
	Meta  Object
}

// Document is a shadow.
type Document struct {
	Desired, Reported Section
	Version           int64 // 0: there is none, and there never was
	UpdatedAt         time.Time
	Deleted           bool // there is none; Version and UpdatedAt are of the last
}

// Exists says whether there is a shadow.
func (d Document) Exists() bool { return d.Version > 0 && !d.Deleted }

// Patch is what an update says of one section: nothing, that it goes, or what
// is to be merged into it.
type Patch struct {
	Given bool
	State Object // nil, if Given: the section goes
}

// Update is a request to change a shadow.
type Update struct {
	Desired, Reported Patch
	Version           *int64 // nil does not ask
}

// Apply makes the update. Errors: Conflict for another version; InvalidRequest
// for a state that is too deep or has a null in an array.
func (d Document) Apply(u Update, now time.Time) (Document, error) {
	d = d.forgotten(now)
	if u.Version != nil && (!d.Exists() && *u.Version != 0 || d.Exists() && *u.Version != d.Version) {
		return d, job.Errorf(job.Conflict, "Version conflict")
	}
	for _, p := range []Patch{u.Desired, u.Reported} {
		if depth(p.State) > MaxDepth {
			return d, job.Errorf(job.InvalidRequest, "JSON contains too many levels of nesting; maximum is %d", MaxDepth)
		}
		if nullInArray(p.State, false) {
			return d, job.Errorf(job.InvalidRequest, "State contains an invalid node: an array cannot contain null values")
		}
	}
	if d.Deleted {
		d.Desired, d.Reported = Section{}, Section{}
	}
	at := Stamp(now.Unix())
	d.Desired, d.Reported = d.Desired.apply(u.Desired, at), d.Reported.apply(u.Reported, at)
	d.Version++
	d.UpdatedAt, d.Deleted = now, false
	return d, nil
}

func (s Section) apply(p Patch, at Stamp) Section {
	if !p.Given {
		return s
	}
	if p.State == nil {
		return Section{}
	}
	s.State, s.Meta = merge(s.State, s.Meta, p.State, at)
	if len(s.State) == 0 {
		return Section{}
	}
	return s
}

// Delete is the document once it is deleted. Errors: NotFound.
func (d Document) Delete(thing registry.Name, n Name, now time.Time) (Document, error) {
	if err := d.Found(thing, n); err != nil {
		return d, err
	}
	return Document{Version: d.Version, UpdatedAt: now, Deleted: true}, nil
}

// Found is the error for a shadow that is not there. Errors: NotFound.
func (d Document) Found(thing registry.Name, n Name) error {
	if d.Exists() {
		return nil
	}
	name := string(thing)
	if n != "" {
		name += "~" + string(n)
	}
	return job.Errorf(job.NotFound, "No shadow exists with name: '%s'", name)
}

// Delta is where reported lacks what desired asks for; empty when nowhere.
func (d Document) Delta() (delta Section) {
	delta.State, delta.Meta = difference(d.Desired.State, d.Reported.State, d.Desired.Meta)
	return delta
}

// Written is what an update wrote, for its answer: the patch itself, and the
// metadata of what of it is there now.
func (d Document) Written(u Update) (desired, reported Section) {
	of := func(p Patch, s Section) Section {
		return Section{State: p.State, Meta: within(s.Meta, p.State)}
	}
	return of(u.Desired, d.Desired), of(u.Reported, d.Reported)
}

// within is the part of meta that patch touches.
func within(meta, patch Object) Object {
	part := Object{}
	for name, v := range patch {
		m, there := meta[name]
		if !there {
			continue
		}
		if sub, ok := v.(Object); ok {
			metaObject, _ := m.(Object)
			m = within(metaObject, sub)
		}
		part[name] = m
	}
	return part
}

// forgotten is a deleted document whose version is not remembered any more.
func (d Document) forgotten(now time.Time) Document {
	if d.Deleted && now.Sub(d.UpdatedAt) > Remembered {
		return Document{}
	}
	return d
}

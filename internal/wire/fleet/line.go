package fleet

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/wire"
	"github.com/drover-iot/drover/internal/wire/iot"
	"github.com/go-json-experiment/json/jsontext"
)

// MaxLine is the longest line, in bytes: some times what the largest thing needs.
const MaxLine = 64 << 10

// Line is one line of an import. One of its requests is set; Groups go with Thing.
type Line struct {
	Thing  *iot.CreateThingInput
	Groups []registry.GroupName // that the thing joins
	Group  *iot.CreateThingGroupInput
	Member *iot.AddThingToThingGroupInput
}

// The members that tell one kind of line from another.
const (
	thingName  = "thingName"
	groupName  = "thingGroupName"
	groupNames = "thingGroupNames"
)

// A line may have the members of the AWS operation that it is, and no others: one
// that is misspelt would be a fleet that lacks something.
var (
	ofThing  = []string{thingName, groupNames, "thingTypeName", "attributePayload", "billingGroupName"}
	ofGroup  = []string{groupName, "parentGroupName", "thingGroupProperties", "tags"}
	ofMember = []string{thingName, groupName, "overrideDynamicGroups"}
)

// Parse reads a line: CreateThing (with the groups that the thing joins),
// CreateThingGroup, or AddThingToThingGroup, by whether it names a thing, a group
// or both. Errors: those of wire.Bind, and InvalidRequest for what is none of them.
func Parse(line []byte) (l Line, err error) {
	members, err := split(line)
	if err != nil {
		return l, err
	}
	_, thing := members[thingName]
	_, group := members[groupName]
	get := func(_, name string) (string, bool) { return text(members[name]) }
	switch {
	case thing && group:
		l.Member = new(iot.AddThingToThingGroupInput)
		return l, read(l.Member, members, ofMember, get, line)
	case group:
		l.Group = new(iot.CreateThingGroupInput)
		return l, read(l.Group, members, ofGroup, get, line)
	case thing:
		l.Thing = new(iot.CreateThingInput)
		if err := read(l.Thing, members, ofThing, get, line); err != nil {
			return l, err
		}
		l.Groups, err = groups(members[groupNames])
		return l, err
	}
	return l, job.Errorf(job.InvalidRequest, "A line names a thing (%s), a group (%s), or both for a membership; this one has neither", thingName, groupName)
}

func read(in any, members map[string]jsontext.Value, known []string, get func(location, name string) (string, bool), line []byte) error {
	left := len(members)
	for _, name := range known {
		if _, ok := members[name]; ok {
			left--
		}
	}
	if left > 0 {
		return job.Errorf(job.InvalidRequest, "A line of this kind may have the members %s, and has others", strings.Join(known, ", "))
	}
	return wire.Bind(in, get, line)
}

// split gives the members of a JSON object.
func split(line []byte) (map[string]jsontext.Value, error) {
	d := jsontext.NewDecoder(bytes.NewReader(line))
	if d.PeekKind() != '{' {
		return nil, job.Errorf(job.InvalidJSON, "A line is one JSON object")
	}
	_, _ = d.ReadToken()
	members := map[string]jsontext.Value{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, notJSON(err)
		}
		key := name.String() // before the next read, which ends the token's life
		value, err := d.ReadValue()
		if err != nil {
			return nil, notJSON(err)
		}
		if value.Kind() != 'n' {
			members[key] = value.Clone()
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, notJSON(err)
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, job.Errorf(job.InvalidJSON, "A line is one JSON object, and this one goes on after it")
	}
	return members, nil
}

func notJSON(err error) error {
	return job.Errorf(job.InvalidJSON, "The line is not JSON: %v", err)
}

// text is a string, "" for a value of another kind, which is then found to be none.
func text(v jsontext.Value) (string, bool) {
	if v.Kind() != '"' {
		return "", v != nil
	}
	b, err := jsontext.AppendUnquote(nil, v)
	return string(b), err == nil
}

func groups(v jsontext.Value) (names []registry.GroupName, err error) {
	if v == nil {
		return nil, nil
	}
	refused := job.Errorf(job.InvalidRequest, "%s must be a list of names of thing groups", groupNames)
	d := jsontext.NewDecoder(bytes.NewReader(v))
	if d.PeekKind() != '[' {
		return nil, refused
	}
	_, _ = d.ReadToken()
	for d.PeekKind() != ']' {
		one, err := d.ReadValue()
		if err != nil || one.Kind() != '"' {
			return nil, refused
		}
		name, _ := text(one)
		if !registry.GroupName(name).Valid() {
			return nil, refused
		}
		names = append(names, registry.GroupName(name))
	}
	return names, nil
}

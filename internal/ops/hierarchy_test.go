package ops_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// below makes a group below another.
func (p *plane) below(parent registry.GroupName, names ...registry.GroupName) {
	p.t.Helper()
	for _, name := range names {
		ok[*iot.CreateThingGroupOutput](p.t)(p.CreateThingGroup(ctx, operator, &iot.CreateThingGroupInput{ThingGroupName: name, ParentGroupName: parent}))
	}
}

func (p *plane) regroup(thing registry.Name, add, remove []registry.GroupName) error {
	_, err := p.UpdateThingGroupsForThing(ctx, operator, &iot.UpdateThingGroupsForThingInput{ThingName: thing, ThingGroupsToAdd: add, ThingGroupsToRemove: remove})
	return err
}

func (p *plane) groupsOf(thing registry.Name) string {
	p.t.Helper()
	out := ok[*iot.ListThingGroupsForThingOutput](p.t)(p.ListThingGroupsForThing(ctx, operator, &iot.ListThingGroupsForThingInput{ThingName: thing}))
	return groupsIn(out.ThingGroups)
}

func groupsIn(all []iot.GroupNameAndARN) string {
	var names []string
	for _, g := range all {
		names = append(names, string(g.GroupName))
	}
	return strings.Join(names, " ")
}

func TestHierarchiesOfGroups(t *testing.T) {
	p := newPlane(t)
	p.groups("plant")
	p.below("plant", "line", "office")
	p.below("line", "bay")

	t.Run("a group tells its ancestors, the root first", func(t *testing.T) {
		out := ok[*iot.DescribeThingGroupOutput](t)(p.DescribeThingGroup(ctx, operator, &iot.DescribeThingGroupInput{ThingGroupName: "bay"}))
		m := out.ThingGroupMetadata
		if m.ParentGroupName != "line" || groupsIn(m.RootToParentThingGroups) != "plant line" || m.RootToParentThingGroups[0].GroupARN != arns+"thinggroup/plant" {
			t.Errorf("got %+v", m)
		}
	})
	t.Run("a parent that is not there is not found", func(t *testing.T) {
		_, err := p.CreateThingGroup(ctx, operator, &iot.CreateThingGroupInput{ThingGroupName: "x", ParentGroupName: "nobody"})
		refused(t, err, job.NotFound)
	})
	t.Run("the parent is part of the configuration", func(t *testing.T) {
		p.below("line", "bay") // the same again
		for _, parent := range []registry.GroupName{"", "plant"} {
			_, err := p.CreateThingGroup(ctx, operator, &iot.CreateThingGroupInput{ThingGroupName: "bay", ParentGroupName: parent})
			refused(t, err, job.AlreadyExists)
		}
	})
	t.Run("groups are listed by their parent", func(t *testing.T) {
		for _, row := range []struct {
			parent    registry.GroupName
			recursive *bool
			want      string
		}{
			{"", nil, "bay line office plant"},
			{"", ptr(true), "bay line office plant"},
			{"", ptr(false), "plant"},
			{"plant", nil, "line office"},
			{"plant", ptr(false), "line office"},
			{"plant", ptr(true), "line bay office"},
			{"bay", ptr(true), ""},
		} {
			out := ok[*iot.ListThingGroupsOutput](t)(p.ListThingGroups(ctx, operator, &iot.ListThingGroupsInput{ParentGroup: row.parent, Recursive: row.recursive}))
			if got := groupsIn(out.ThingGroups); got != row.want || out.ThingGroups == nil {
				t.Errorf("parent %q: %q, want %q", row.parent, got, row.want)
			}
		}
		_, err := p.ListThingGroups(ctx, operator, &iot.ListThingGroupsInput{ParentGroup: "nobody"})
		refused(t, err, job.NotFound)
	})
	t.Run("a group with children stays, in the words that Terraform looks for", func(t *testing.T) {
		_, err := p.DeleteThingGroup(ctx, operator, &iot.DeleteThingGroupInput{ThingGroupName: "line"})
		e := refused(t, err, job.InvalidRequest)
		if want := "Cannot delete thing group : line when there are still child groups attached to it"; e.Message != want {
			t.Errorf("got %q, want %q", e.Message, want)
		}
	})
	t.Run("a hierarchy is seven levels deep at most", func(t *testing.T) {
		parent := registry.GroupName("bay") // the third
		for i := range 4 {
			name := registry.GroupName(fmt.Sprint("deep-", i))
			p.below(parent, name)
			parent = name
		}
		_, err := p.CreateThingGroup(ctx, operator, &iot.CreateThingGroupInput{ThingGroupName: "deeper", ParentGroupName: parent})
		refused(t, err, job.InvalidRequest)
	})
	t.Run("a group has a hundred children at most", func(t *testing.T) {
		for i := range 100 {
			p.below("office", registry.GroupName(fmt.Sprint("desk-", i)))
		}
		_, err := p.CreateThingGroup(ctx, operator, &iot.CreateThingGroupInput{ThingGroupName: "one-more", ParentGroupName: "office"})
		refused(t, err, job.InvalidRequest)
	})
}

// registry-and-auth.md D.3, Membership: not two groups of the same hierarchy.
func TestAThingIsInOneGroupOfAHierarchy(t *testing.T) {
	p := newPlane(t)
	p.groups("plant", "other")
	p.below("plant", "line-a", "line-b")
	p.below("line-a", "bay")
	p.things("pump", "fan")
	p.join("line-a", "pump")
	for _, g := range []registry.GroupName{"plant", "line-b", "bay"} {
		_, err := p.AddThingToThingGroup(ctx, operator, &iot.AddThingToThingGroupInput{ThingGroupName: g, ThingName: "pump"})
		refused(t, err, job.InvalidRequest)
	}
	p.join("line-a", "pump") // again
	p.join("other", "pump")
	refused(t, p.regroup("fan", []registry.GroupName{"line-a", "line-b"}, nil), job.InvalidRequest)
	if got := p.groupsOf("fan"); got != "" {
		t.Errorf("a refused change has left the fan in %s", got)
	}
	if err := p.regroup("pump", []registry.GroupName{"line-b", "line-b", "other"}, []registry.GroupName{"line-a", "bay"}); err != nil {
		t.Error(err)
	}
	if got := p.groupsOf("pump"); got != "line-b other" {
		t.Errorf("after it moved the pump is in %s", got)
	}
	refused(t, p.regroup("pump", []registry.GroupName{"bay"}, []registry.GroupName{"bay", "line-b"}), job.InvalidRequest)
	refused(t, p.regroup("pump", []registry.GroupName{"nobody"}, []registry.GroupName{"line-b"}), job.NotFound)
	refused(t, p.regroup("nobody", []registry.GroupName{"line-b"}, nil), job.NotFound)
	refused(t, p.regroup("", nil, nil), job.InvalidRequest)
	if got := p.groupsOf("pump"); got != "line-b other" {
		t.Errorf("after refused changes the pump is in %s", got)
	}

	in := ok[*iot.ListThingsInThingGroupOutput](t)(p.ListThingsInThingGroup(ctx, operator, &iot.ListThingsInThingGroupInput{ThingGroupName: "plant", Recursive: true}))
	direct := ok[*iot.ListThingsInThingGroupOutput](t)(p.ListThingsInThingGroup(ctx, operator, &iot.ListThingsInThingGroupInput{ThingGroupName: "plant"}))
	if len(in.Things) != 1 || in.Things[0] != "pump" || len(direct.Things) != 0 {
		t.Errorf("in the plant are %v, directly %v", in.Things, direct.Things)
	}
}

func TestUpdatingAThingGroup(t *testing.T) {
	p := newPlane(t)
	ok[*iot.CreateThingGroupOutput](t)(p.CreateThingGroup(ctx, operator, &iot.CreateThingGroupInput{ThingGroupName: "line", ThingGroupProperties: &iot.ThingGroupProperties{
		ThingGroupDescription: ptr("first"), AttributePayload: payload("a", "1", "b", "2"),
	}}))
	merge := payload("b", "", "c", "3")
	merge.Merge = true
	version := int64(1)
	for _, row := range []struct {
		name       string
		properties iot.ThingGroupProperties
		want       string
	}{
		{"nothing given changes nothing", iot.ThingGroupProperties{}, "first map[a:1 b:2]"},
		{"a description alone leaves the attributes", iot.ThingGroupProperties{ThingGroupDescription: ptr("second")}, "second map[a:1 b:2]"},
		{"merge keeps what it does not name, an empty value deletes", iot.ThingGroupProperties{AttributePayload: merge}, "second map[a:1 c:3]"},
		{"without merge the attributes are replaced", iot.ThingGroupProperties{AttributePayload: payload("z", "9")}, "second map[z:9]"},
		{"an empty map clears them, as Terraform does", iot.ThingGroupProperties{AttributePayload: &iot.AttributePayload{Attributes: map[string]string{}}}, "second map[]"},
		{"an empty description clears it", iot.ThingGroupProperties{ThingGroupDescription: ptr("")}, " map[]"},
	} {
		out := ok[*iot.UpdateThingGroupOutput](t)(p.UpdateThingGroup(ctx, operator, &iot.UpdateThingGroupInput{
			ThingGroupName: "line", ThingGroupProperties: &row.properties, ExpectedVersion: &version,
		}))
		if version++; out.Version != version {
			t.Errorf("%s: the version is %d, want %d", row.name, out.Version, version)
		}
		is := ok[*iot.DescribeThingGroupOutput](t)(p.DescribeThingGroup(ctx, operator, &iot.DescribeThingGroupInput{ThingGroupName: "line"})).ThingGroupProperties
		description, attributes := "", map[string]string(nil)
		if is.ThingGroupDescription != nil {
			description = *is.ThingGroupDescription
		}
		if is.AttributePayload != nil {
			attributes = is.AttributePayload.Attributes
		}
		if got := fmt.Sprint(description, " ", attributes); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
	properties := &iot.ThingGroupProperties{}
	_, err := p.UpdateThingGroup(ctx, operator, &iot.UpdateThingGroupInput{ThingGroupName: "line", ThingGroupProperties: properties, ExpectedVersion: ptr(int64(1))})
	refused(t, err, job.VersionMismatch)
	_, err = p.UpdateThingGroup(ctx, operator, &iot.UpdateThingGroupInput{ThingGroupName: "nobody", ThingGroupProperties: properties})
	refused(t, err, job.NotFound)
	properties.AttributePayload = payload("a", "1", "b", "2", "c", "3", "d", "4")
	_, err = p.UpdateThingGroup(ctx, operator, &iot.UpdateThingGroupInput{ThingGroupName: "line", ThingGroupProperties: properties})
	refused(t, err, job.InvalidRequest)
}

package ops_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/wire/iot"
)

func TestCreatingAThingGroup(t *testing.T) {
	p := newPlane(t)
	in := &iot.CreateThingGroupInput{ThingGroupName: "line:a", ThingGroupProperties: &iot.ThingGroupProperties{
		ThingGroupDescription: ptr("first line"), AttributePayload: payload("floor", "2"),
	}}
	first := ok[*iot.CreateThingGroupOutput](t)(p.CreateThingGroup(ctx, operator, in))
	if first.ThingGroupARN != arns+"thinggroup/line:a" || len(first.ThingGroupID) != 36 {
		t.Errorf("got %+v", first)
	}
	t.Run("again with the same configuration answers the same", func(t *testing.T) {
		if again := ok[*iot.CreateThingGroupOutput](t)(p.CreateThingGroup(ctx, operator, in)); *again != *first {
			t.Errorf("got %+v, want %+v", again, first)
		}
	})
	t.Run("again with another configuration names what exists", func(t *testing.T) {
		_, err := p.CreateThingGroup(ctx, operator, &iot.CreateThingGroupInput{ThingGroupName: "line:a"})
		if e := refused(t, err, job.AlreadyExists); e.Resource == nil || e.Resource.ARN != first.ThingGroupARN {
			t.Errorf("the resource is %+v", e.Resource)
		}
	})
	t.Run("shows in DescribeThingGroup", func(t *testing.T) {
		out := ok[*iot.DescribeThingGroupOutput](t)(p.DescribeThingGroup(ctx, operator, &iot.DescribeThingGroupInput{ThingGroupName: "line:a"}))
		if out.Version != 1 || *out.ThingGroupProperties.ThingGroupDescription != "first line" ||
			out.ThingGroupProperties.AttributePayload.Attributes["floor"] != "2" || !out.ThingGroupMetadata.CreationDate.Equal(p.now()) {
			t.Errorf("got %+v", out)
		}
	})
	t.Run("without properties shows them empty, not absent", func(t *testing.T) {
		p.groups("plain")
		out := ok[*iot.DescribeThingGroupOutput](t)(p.DescribeThingGroup(ctx, operator, &iot.DescribeThingGroupInput{ThingGroupName: "plain"}))
		if out.ThingGroupProperties == nil || out.ThingGroupProperties.AttributePayload != nil {
			t.Errorf("got %+v", out.ThingGroupProperties)
		}
	})
}

func TestDeletingAThingGroup(t *testing.T) {
	p := newPlane(t)
	p.things("pump")
	p.groups("line")
	p.join("line", "pump")
	_, err := p.DeleteThingGroup(ctx, operator, &iot.DeleteThingGroupInput{ThingGroupName: "line", ExpectedVersion: ptr(int64(2))})
	refused(t, err, job.VersionMismatch)
	for range 2 { // one that is not there is a success
		ok[*iot.DeleteThingGroupOutput](t)(p.DeleteThingGroup(ctx, operator, &iot.DeleteThingGroupInput{ThingGroupName: "line"}))
	}
	_, err = p.DescribeThingGroup(ctx, operator, &iot.DescribeThingGroupInput{ThingGroupName: "line"})
	refused(t, err, job.NotFound)
	of := ok[*iot.ListThingGroupsForThingOutput](t)(p.ListThingGroupsForThing(ctx, operator, &iot.ListThingGroupsForThingInput{ThingName: "pump"}))
	if len(of.ThingGroups) != 0 {
		t.Errorf("the thing is still in %v", of.ThingGroups)
	}
	p.groups("line")
	in := ok[*iot.ListThingsInThingGroupOutput](t)(p.ListThingsInThingGroup(ctx, operator, &iot.ListThingsInThingGroupInput{ThingGroupName: "line"}))
	if len(in.Things) != 0 {
		t.Errorf("the new group has the old one's things: %v", in.Things)
	}
}

func TestMembership(t *testing.T) {
	p := newPlane(t)
	p.things("a", "b", "c")
	p.groups("line", "other")
	p.join("line", "b", "a", "a") // adding again is no error
	in := ok[*iot.ListThingsInThingGroupOutput](t)(p.ListThingsInThingGroup(ctx, operator, &iot.ListThingsInThingGroupInput{ThingGroupName: "line"}))
	if !slices.Equal(in.Things, []registry.Name{"a", "b"}) {
		t.Errorf("in the group are %v, want [a b]", in.Things)
	}
	for range 2 { // removing again is no error
		ok[*iot.RemoveThingFromThingGroupOutput](t)(p.RemoveThingFromThingGroup(ctx, operator, &iot.RemoveThingFromThingGroupInput{
			ThingGroupARN: arns + "thinggroup/line", ThingARN: arns + "thing/a",
		}))
	}
	p.join("line", "a") // and it may come back
	p.join("other", "a")
	of := ok[*iot.ListThingGroupsForThingOutput](t)(p.ListThingGroupsForThing(ctx, operator, &iot.ListThingGroupsForThingInput{ThingName: "a"}))
	if want := []iot.GroupNameAndARN{{GroupName: "line", GroupARN: arns + "thinggroup/line"}, {GroupName: "other", GroupARN: arns + "thinggroup/other"}}; !slices.Equal(of.ThingGroups, want) {
		t.Errorf("a is in %v, want %v", of.ThingGroups, want)
	}

	for _, row := range []struct {
		name string
		in   iot.AddThingToThingGroupInput
		want job.Code
	}{
		{"a group that is not there", iot.AddThingToThingGroupInput{ThingGroupName: "x", ThingName: "a"}, job.NotFound},
		{"a thing that is not there", iot.AddThingToThingGroupInput{ThingGroupName: "line", ThingName: "x"}, job.NotFound},
		{"no group at all", iot.AddThingToThingGroupInput{ThingName: "a"}, job.InvalidRequest},
		{"no thing at all", iot.AddThingToThingGroupInput{ThingGroupName: "line"}, job.InvalidRequest},
		{"a name and an ARN that disagree", iot.AddThingToThingGroupInput{ThingGroupName: "line", ThingGroupARN: arns + "thinggroup/other", ThingName: "a"}, job.InvalidRequest},
		{"the ARN of something else", iot.AddThingToThingGroupInput{ThingGroupARN: arns + "thing/line", ThingName: "a"}, job.InvalidRequest},
		{"the ARN of another account", iot.AddThingToThingGroupInput{ThingGroupARN: "arn:aws:iot:eu-central-1:999999999999:thinggroup/line", ThingName: "a"}, job.InvalidRequest},
		{"the ARN of another region", iot.AddThingToThingGroupInput{ThingGroupARN: "arn:aws:iot:us-east-1:123456789012:thinggroup/line", ThingName: "a"}, job.InvalidRequest},
		{"what is no ARN", iot.AddThingToThingGroupInput{ThingGroupARN: "line", ThingName: "a"}, job.InvalidRequest},
		{"an ARN without a name", iot.AddThingToThingGroupInput{ThingGroupARN: arns + "thinggroup/", ThingName: "a"}, job.InvalidRequest},
	} {
		t.Run("adding with "+row.name+" is refused", func(t *testing.T) {
			_, err := p.AddThingToThingGroup(ctx, operator, &row.in)
			refused(t, err, row.want)
		})
	}
	t.Run("a thing is in ten groups at most", func(t *testing.T) {
		for i := range 10 {
			g := registry.GroupName(fmt.Sprintf("g%d", i))
			p.groups(g)
			p.join(g, "c")
		}
		_, err := p.AddThingToThingGroup(ctx, operator, &iot.AddThingToThingGroupInput{ThingGroupName: "line", ThingName: "c"})
		refused(t, err, job.InvalidRequest)
		p.join("g3", "c") // it is there already
	})
}

func TestListingGroupsAndMembersInPages(t *testing.T) {
	p := newPlane(t)
	var things []registry.Name
	p.groups("line", "lin", "line-b", "other", "m")
	for i := range 7 {
		things = append(things, registry.Name(fmt.Sprintf("t%d", 6-i)))
	}
	p.things(things...)
	p.join("line", things...)
	var names []registry.GroupName
	in := &iot.ListThingGroupsInput{NamePrefixFilter: "line", MaxResults: ptr(int64(1))}
	for {
		out := ok[*iot.ListThingGroupsOutput](t)(p.ListThingGroups(ctx, operator, in))
		for _, g := range out.ThingGroups {
			names = append(names, g.GroupName)
		}
		if in.NextToken = out.NextToken; in.NextToken == "" {
			break
		}
	}
	if !slices.Equal(names, []registry.GroupName{"line", "line-b"}) {
		t.Errorf("groups of the prefix: %v", names)
	}
	var members []registry.Name
	of := &iot.ListThingsInThingGroupInput{ThingGroupName: "line", MaxResults: ptr(int64(3))}
	for {
		out := ok[*iot.ListThingsInThingGroupOutput](t)(p.ListThingsInThingGroup(ctx, operator, of))
		members = append(members, out.Things...)
		if of.NextToken = out.NextToken; of.NextToken == "" {
			break
		}
	}
	if !slices.Equal(members, []registry.Name{"t0", "t1", "t2", "t3", "t4", "t5", "t6"}) {
		t.Errorf("members: %v", members)
	}
	_, err := p.ListThingsInThingGroup(ctx, operator, &iot.ListThingsInThingGroupInput{ThingGroupName: "x"})
	refused(t, err, job.NotFound)
	_, err = p.ListThingGroupsForThing(ctx, operator, &iot.ListThingGroupsForThingInput{ThingName: "x"})
	refused(t, err, job.NotFound)
}

func TestDescribingTheEndpoint(t *testing.T) {
	p := newPlane(t)
	for _, kind := range []string{"", "iot:Data", "iot:Data-ATS", "iot:Jobs", "iot:CredentialProvider"} {
		out := ok[*iot.DescribeEndpointOutput](t)(p.DescribeEndpoint(ctx, operator, &iot.DescribeEndpointInput{EndpointType: kind}))
		if out.EndpointAddress != "drover.example" {
			t.Errorf("%q: got %q, want the bare host", kind, out.EndpointAddress)
		}
	}
	_, err := p.DescribeEndpoint(ctx, operator, &iot.DescribeEndpointInput{EndpointType: "iot:DeviceAdvisor"})
	refused(t, err, job.NotImplemented)
	_, err = p.DescribeEndpoint(ctx, operator, &iot.DescribeEndpointInput{EndpointType: "iot:Nonsense"})
	refused(t, err, job.InvalidRequest)
}

package ops_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/wire/iot"
)

func (p *plane) types(names ...registry.TypeName) {
	p.t.Helper()
	for _, name := range names {
		ok[*iot.CreateThingTypeOutput](p.t)(p.CreateThingType(ctx, operator, &iot.CreateThingTypeInput{ThingTypeName: name}))
	}
}

func (p *plane) deprecate(name registry.TypeName, undo bool) {
	p.t.Helper()
	ok[*iot.DeprecateThingTypeOutput](p.t)(p.DeprecateThingType(ctx, operator, &iot.DeprecateThingTypeInput{ThingTypeName: name, UndoDeprecate: undo}))
}

func TestTheLifeOfAThingType(t *testing.T) {
	p := newPlane(t)
	in := &iot.CreateThingTypeInput{ThingTypeName: "pump", ThingTypeProperties: &iot.ThingTypeProperties{
		ThingTypeDescription: ptr("moves water"), SearchableAttributes: []string{"site", "flow"},
	}}
	first := ok[*iot.CreateThingTypeOutput](t)(p.CreateThingType(ctx, operator, in))
	if again := ok[*iot.CreateThingTypeOutput](t)(p.CreateThingType(ctx, operator, in)); *again != *first || first.ThingTypeARN != arns+"thingtype/pump" {
		t.Errorf("got %+v, then %+v", first, again)
	}
	_, err := p.CreateThingType(ctx, operator, &iot.CreateThingTypeInput{ThingTypeName: "pump"})
	if e := refused(t, err, job.AlreadyExists); e.Resource == nil || e.Resource.ARN != first.ThingTypeARN {
		t.Errorf("the resource is %+v", e.Resource)
	}
	_, err = p.CreateThingType(ctx, operator, &iot.CreateThingTypeInput{ThingTypeName: "x", ThingTypeProperties: &iot.ThingTypeProperties{SearchableAttributes: []string{"a", "b", "c", "d"}}})
	refused(t, err, job.InvalidRequest)

	show := func() string {
		out := ok[*iot.DescribeThingTypeOutput](t)(p.DescribeThingType(ctx, operator, &iot.DescribeThingTypeInput{ThingTypeName: "pump"}))
		description := "-"
		if d := out.ThingTypeProperties.ThingTypeDescription; d != nil {
			description = *d
		}
		m := out.ThingTypeMetadata
		return fmt.Sprint(description, out.ThingTypeProperties.SearchableAttributes, m.Deprecated, m.DeprecationDate.Sub(m.CreationDate) > 0)
	}
	if got := show(); got != "moves water[site flow] false false" {
		t.Errorf("described: %s", got)
	}
	update := func(properties *iot.ThingTypeProperties) {
		ok[*iot.UpdateThingTypeOutput](t)(p.UpdateThingType(ctx, operator, &iot.UpdateThingTypeInput{ThingTypeName: "pump", ThingTypeProperties: properties}))
	}
	update(nil)
	update(&iot.ThingTypeProperties{SearchableAttributes: []string{"site"}})
	update(&iot.ThingTypeProperties{ThingTypeDescription: ptr("")})
	if got := show(); got != "-[site] false false" {
		t.Errorf("after updates: %s", got)
	}

	p.advance(time.Minute)
	p.deprecate("pump", false)
	if got := show(); got != "-[site] true true" {
		t.Errorf("deprecated: %s", got)
	}
	_, err = p.CreateThing(ctx, operator, &iot.CreateThingInput{ThingName: "a", ThingTypeName: "pump"})
	refused(t, err, job.InvalidRequest)
	p.deprecate("pump", true)
	ok[*iot.CreateThingOutput](t)(p.CreateThing(ctx, operator, &iot.CreateThingInput{ThingName: "a", ThingTypeName: "pump"}))

	remove := func() error {
		_, err := p.DeleteThingType(ctx, operator, &iot.DeleteThingTypeInput{ThingTypeName: "pump"})
		return err
	}
	if e := refused(t, remove(), job.InvalidRequest); !strings.Contains(e.Message, "not deprecated") {
		t.Errorf("not deprecated: %s", e.Message)
	}
	p.deprecate("pump", false)
	p.advance(time.Hour)
	if e := refused(t, remove(), job.InvalidRequest); !strings.Contains(e.Message, "things of this type") {
		t.Errorf("in use: %s", e.Message)
	}
	ok[*iot.DeleteThingOutput](t)(p.DeleteThing(ctx, operator, &iot.DeleteThingInput{ThingName: "a"}))
	p.deprecate("pump", true)
	p.deprecate("pump", false)
	p.advance(5*time.Minute - time.Millisecond)
	p.deprecate("pump", false) // again: its date stays
	if e := refused(t, remove(), job.InvalidRequest); !strings.Contains(e.Message, "Please wait for 5 minutes after deprecation and then retry") {
		t.Errorf("too early: %s", e.Message)
	}
	p.advance(time.Millisecond)
	if err := remove(); err != nil {
		t.Error(err)
	}
	refused(t, remove(), job.NotFound)
	_, err = p.DescribeThingType(ctx, operator, &iot.DescribeThingTypeInput{ThingTypeName: "pump"})
	refused(t, err, job.NotFound)
}

func TestThingsHaveTypes(t *testing.T) {
	p := newPlane(t)
	p.types("pump", "valve")
	many := map[string]string{}
	for i := range 50 {
		many[fmt.Sprint("a", i)] = "1"
	}
	ok[*iot.CreateThingOutput](t)(p.CreateThing(ctx, operator, &iot.CreateThingInput{ThingName: "a", ThingTypeName: "pump", AttributePayload: &iot.AttributePayload{Attributes: many}}))
	p.things("b")
	typeOf := func(name registry.Name) registry.TypeName {
		return ok[*iot.DescribeThingOutput](t)(p.DescribeThing(ctx, operator, &iot.DescribeThingInput{ThingName: name})).ThingTypeName
	}
	change := func(in iot.UpdateThingInput) error { _, err := p.UpdateThing(ctx, operator, &in); return err }

	if typeOf("a") != "pump" || typeOf("b") != "" {
		t.Errorf("the types are %q and %q", typeOf("a"), typeOf("b"))
	}
	_, err := p.CreateThing(ctx, operator, &iot.CreateThingInput{ThingName: "b", ThingTypeName: "pump"})
	refused(t, err, job.AlreadyExists)
	_, err = p.CreateThing(ctx, operator, &iot.CreateThingInput{ThingName: "c", ThingTypeName: "nobody"})
	refused(t, err, job.NotFound)
	refused(t, change(iot.UpdateThingInput{ThingName: "b", ThingTypeName: "nobody"}), job.NotFound)
	refused(t, change(iot.UpdateThingInput{ThingName: "b", ThingTypeName: "pump", RemoveThingType: true}), job.InvalidRequest)
	// Without a type it may have three attributes only.
	refused(t, change(iot.UpdateThingInput{ThingName: "a", RemoveThingType: true}), job.InvalidRequest)
	many["a50"] = "1"
	refused(t, change(iot.UpdateThingInput{ThingName: "a", AttributePayload: &iot.AttributePayload{Attributes: many}}), job.InvalidRequest)
	refused(t, change(iot.UpdateThingInput{ThingName: "b", AttributePayload: payload("a", "1", "b", "2", "c", "3", "d", "4")}), job.InvalidRequest)

	if err := change(iot.UpdateThingInput{ThingName: "b", ThingTypeName: "valve"}); err != nil || typeOf("b") != "valve" {
		t.Errorf("set: %v, it is %q", err, typeOf("b"))
	}
	if err := change(iot.UpdateThingInput{ThingName: "b", ThingTypeName: "pump"}); err != nil || typeOf("b") != "pump" {
		t.Errorf("replaced: %v, it is %q", err, typeOf("b"))
	}
	list := func(in iot.ListThingsInput) (names []registry.Name) {
		for _, thing := range ok[*iot.ListThingsOutput](t)(p.ListThings(ctx, operator, &in)).Things {
			names = append(names, thing.ThingName)
		}
		return names
	}
	if got := fmt.Sprint(list(iot.ListThingsInput{ThingTypeName: "pump"}), list(iot.ListThingsInput{ThingTypeName: "valve"})); got != "[a b] []" {
		t.Errorf("listed: %s", got)
	}
	p.deprecate("pump", false)
	if err := change(iot.UpdateThingInput{ThingName: "b", ThingTypeName: "pump"}); err != nil {
		t.Errorf("a thing may keep a type that was deprecated: %v", err)
	}
	if err := change(iot.UpdateThingInput{ThingName: "b", RemoveThingType: true}); err != nil || typeOf("b") != "" {
		t.Errorf("removed: %v, it is %q", err, typeOf("b"))
	}
	_, err = p.CreateThing(ctx, operator, &iot.CreateThingInput{ThingName: "c", ThingTypeName: "pump"})
	for want, err := range map[string]error{ // AWS's own spelling
		"Can not create new thing with depreated thing type:pump": err,
		"Can not update thing with depreated thing type:pump":     change(iot.UpdateThingInput{ThingName: "b", ThingTypeName: "pump"}),
	} {
		if e := refused(t, err, job.InvalidRequest); !strings.HasPrefix(e.Message, want) {
			t.Errorf("got %q, want %q", e.Message, want)
		}
	}

	all := ok[*iot.ListThingTypesOutput](t)(p.ListThingTypes(ctx, operator, &iot.ListThingTypesInput{MaxResults: ptr(int64(1))}))
	rest := ok[*iot.ListThingTypesOutput](t)(p.ListThingTypes(ctx, operator, &iot.ListThingTypesInput{NextToken: all.NextToken}))
	if len(all.ThingTypes) != 1 || len(rest.ThingTypes) != 1 || !all.ThingTypes[0].ThingTypeMetadata.Deprecated || rest.ThingTypes[0].ThingTypeName != "valve" {
		t.Errorf("types: %+v, %+v", all, rest)
	}
	for name, want := range map[registry.TypeName]int{"valve": 1, "nobody": 0} {
		if one := ok[*iot.ListThingTypesOutput](t)(p.ListThingTypes(ctx, operator, &iot.ListThingTypesInput{ThingTypeName: name})); len(one.ThingTypes) != want {
			t.Errorf("%s: %+v", name, one)
		}
	}
}

func TestTags(t *testing.T) {
	p := newPlane(t)
	p.things("pump")
	tag := func(pairs ...string) (tags []iot.Tag) {
		for i := 0; i < len(pairs); i += 2 {
			tags = append(tags, iot.Tag{Key: pairs[i], Value: pairs[i+1]})
		}
		return tags
	}
	ok[*iot.CreateJobOutput](t)(p.CreateJob(ctx, operator, &iot.CreateJobInput{JobID: "fw", Targets: []string{arns + "thing/pump"}, Document: "{}", Tags: tag("a", "1")}))
	ok[*iot.CreateThingGroupOutput](t)(p.CreateThingGroup(ctx, operator, &iot.CreateThingGroupInput{ThingGroupName: "line", Tags: tag("a", "1")}))
	ok[*iot.CreateThingTypeOutput](t)(p.CreateThingType(ctx, operator, &iot.CreateThingTypeInput{ThingTypeName: "pump", Tags: tag("a", "1")}))
	_, err := p.CreateThingGroup(ctx, operator, &iot.CreateThingGroupInput{ThingGroupName: "line", Tags: tag("a", "2")})
	refused(t, err, job.AlreadyExists)

	set := func(arn string, tags []iot.Tag) error {
		_, err := p.TagResource(ctx, operator, &iot.TagResourceInput{ResourceARN: arn, Tags: tags})
		return err
	}
	list := func(arn string) string {
		out := ok[*iot.ListTagsForResourceOutput](t)(p.ListTagsForResource(ctx, operator, &iot.ListTagsForResourceInput{ResourceARN: arn}))
		return fmt.Sprint(out.Tags, out.NextToken)
	}
	var fifty []iot.Tag
	for i := range 49 {
		fifty = append(fifty, tag(fmt.Sprintf("k%02d", i), "")...)
	}
	for _, name := range []string{"job/fw", "thinggroup/line", "thingtype/pump"} {
		arn := arns + name
		if err := set(arn, tag("b", "2", "a", "3")); err != nil || list(arn) != "[{a 3} {b 2}]" {
			t.Errorf("%s has %s (%v)", name, list(arn), err)
		}
		for range 2 {
			ok[*iot.UntagResourceOutput](t)(p.UntagResource(ctx, operator, &iot.UntagResourceInput{ResourceARN: arn, TagKeys: []string{"b", "nothing"}}))
		}
		if list(arn) != "[{a 3}]" {
			t.Errorf("%s has %s", name, list(arn))
		}
		if err := set(arn, fifty); err != nil {
			t.Errorf("fifty tags: %v", err)
		}
		refused(t, set(arn, tag("one", "more")), job.LimitExceeded)
		if err := set(arn, tag("a", "replaced")); err != nil {
			t.Errorf("a full resource takes a new value: %v", err)
		}
		refused(t, set(arn, tag("aws:x", "1")), job.InvalidRequest)
		refused(t, set(arn, tag("AWS:x", "1")), job.InvalidRequest)
		refused(t, set(arn, tag("a", "1", "a", "2")), job.InvalidRequest)
	}
	for name, want := range map[string]job.Code{
		"job/nobody": job.NotFound, "thinggroup/nobody": job.NotFound, "thingtype/nobody": job.NotFound,
		"thing/pump": job.InvalidRequest, "cert/aa": job.InvalidRequest,
		"policy/p": job.NotImplemented, "cacert/aa": job.NotImplemented, "jobtemplate/t": job.NotImplemented,
	} {
		refused(t, set(arns+name, tag("a", "1")), want)
		_, err := p.UntagResource(ctx, operator, &iot.UntagResourceInput{ResourceARN: arns + name, TagKeys: []string{"a"}})
		refused(t, err, want)
		_, err = p.ListTagsForResource(ctx, operator, &iot.ListTagsForResourceInput{ResourceARN: arns + name})
		refused(t, err, want)
	}
	refused(t, set("pump", tag("a", "1")), job.InvalidRequest)
	_, err = p.CreateJob(ctx, operator, &iot.CreateJobInput{JobID: "x", Targets: []string{arns + "thing/pump"}, Document: "{}", Tags: append(fifty, tag("a", "", "b", "")...)})
	refused(t, err, job.LimitExceeded)
	_, err = p.CreateThingType(ctx, operator, &iot.CreateThingTypeInput{ThingTypeName: "x", Tags: tag("aws:a", "")})
	refused(t, err, job.InvalidRequest)

	ok[*iot.DeleteThingGroupOutput](t)(p.DeleteThingGroup(ctx, operator, &iot.DeleteThingGroupInput{ThingGroupName: "line"}))
	p.groups("line")
	if got := list(arns + "thinggroup/line"); got != "[]" {
		t.Errorf("a new group has the tags of one before it: %s", got)
	}
}

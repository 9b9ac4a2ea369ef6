package ops_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/wire/events"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// enable switches event types on, or off.
func (p *plane) enable(on bool, types ...string) {
	p.t.Helper()
	in := &iot.UpdateEventConfigurationsInput{EventConfigurations: map[string]iot.Configuration{}}
	for _, name := range types {
		in.EventConfigurations[name] = iot.Configuration{Enabled: on}
	}
	ok[*iot.UpdateEventConfigurationsOutput](p.t)(p.UpdateEventConfigurations(ctx, operator, in))
}

// topics are where was told something since the last call.
func (p *plane) topics() (topics []string) {
	p.t.Helper()
	for _, m := range p.messages() {
		topics = append(topics, strings.TrimPrefix(m.Topic, "$aws/events/"))
	}
	return topics
}

func TestEventConfigurationsAreMergedAndAlwaysWhole(t *testing.T) {
	p := newPlane(t)
	on := func() (names []string, out *iot.DescribeEventConfigurationsOutput) {
		out = ok[*iot.DescribeEventConfigurationsOutput](t)(p.DescribeEventConfigurations(ctx, operator, &iot.DescribeEventConfigurationsInput{}))
		if len(out.EventConfigurations) != 11 {
			t.Errorf("%d types, want 11: %v", len(out.EventConfigurations), out.EventConfigurations)
		}
		for name, c := range out.EventConfigurations {
			if c.Enabled {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return names, out
	}
	if names, out := on(); len(names) > 0 || !out.CreationDate.IsZero() {
		t.Errorf("at first %v is on, since %v", names, out.CreationDate)
	}
	p.enable(true, "JOB", "CA_CERTIFICATE")
	first := p.now()
	p.advance(1e9)
	p.enable(true, "THING")
	p.enable(false, "CA_CERTIFICATE")
	if names, out := on(); !slices.Equal(names, []string{"JOB", "THING"}) || !out.CreationDate.Equal(first) || !out.LastModifiedDate.Equal(p.now()) {
		t.Errorf("on are %v, %v, %v", names, out.CreationDate, out.LastModifiedDate)
	}
}

// control-plane.md C: disabled by default, enabled per type.
func TestEveryTypeOfEventIsToldWhenItIsEnabledAlone(t *testing.T) {
	scene := func(p *plane) {
		p.types("pump-type")
		p.groups("plant")
		p.below("plant", "line")
		ok[*iot.CreateThingOutput](t)(p.CreateThing(ctx, operator, &iot.CreateThingInput{ThingName: "pump", ThingTypeName: "pump-type"}))
		p.things("pump2")
		p.join("line", "pump", "pump")
		ok[*iot.UpdateThingOutput](t)(p.UpdateThing(ctx, operator, &iot.UpdateThingInput{ThingName: "pump", RemoveThingType: true}))
		ok[*iot.UpdateThingGroupOutput](t)(p.UpdateThingGroup(ctx, operator, &iot.UpdateThingGroupInput{ThingGroupName: "line", ThingGroupProperties: &iot.ThingGroupProperties{}}))
		p.deprecate("pump-type", false)
		p.advance(registry.DeprecationPeriod)
		ok[*iot.DeleteThingTypeOutput](t)(p.DeleteThingType(ctx, operator, &iot.DeleteThingTypeInput{ThingTypeName: "pump-type"}))
		ok[*iot.DeleteThingOutput](t)(p.DeleteThing(ctx, operator, &iot.DeleteThingInput{ThingName: "pump"}))
		p.DeleteThingGroup(ctx, operator, &iot.DeleteThingGroupInput{ThingGroupName: "plant"}) //nolint:errcheck // refused, and told of nothing
		ok[*iot.DeleteThingGroupOutput](t)(p.DeleteThingGroup(ctx, operator, &iot.DeleteThingGroupInput{ThingGroupName: "line"}))
		ok[*iot.CreateJobOutput](t)(p.CreateJob(ctx, operator, &iot.CreateJobInput{JobID: "fw", Targets: []string{arns + "thing/pump2"}, Document: "{}"}))
		ok[*iot.CancelJobOutput](t)(p.CancelJob(ctx, operator, &iot.CancelJobInput{JobID: "fw"}))
		ok[*iot.CancelJobOutput](t)(p.CancelJob(ctx, operator, &iot.CancelJobInput{JobID: "fw"})) // already
		ok[*iot.DeleteJobOutput](t)(p.DeleteJob(ctx, operator, &iot.DeleteJobInput{JobID: "fw"}))
		c := ok[*iot.CreateKeysAndCertificateOutput](t)(p.CreateKeysAndCertificate(ctx, operator, &iot.CreateKeysAndCertificateInput{SetAsActive: true}))
		ok[*iot.AttachThingPrincipalOutput](t)(p.AttachThingPrincipal(ctx, operator, &iot.AttachThingPrincipalInput{ThingName: "pump2", Principal: c.CertificateARN}))
		ok[*iot.DetachThingPrincipalOutput](t)(p.DetachThingPrincipal(ctx, operator, &iot.DetachThingPrincipalInput{ThingName: "pump2", Principal: c.CertificateARN}))
		ok[*iot.UpdateCertificateOutput](t)(p.UpdateCertificate(ctx, operator, &iot.UpdateCertificateInput{CertificateID: c.CertificateID, NewStatus: "INACTIVE"}))
		ok[*iot.DeleteCertificateOutput](t)(p.DeleteCertificate(ctx, operator, &iot.DeleteCertificateInput{CertificateID: c.CertificateID}))
	}
	rows := map[string][]string{
		"THING":                   {"thing/pump/created", "thing/pump2/created", "thing/pump/updated", "thing/pump/deleted"},
		"THING_TYPE":              {"thingType/pump-type/created", "thingType/pump-type/updated", "thingType/pump-type/deleted"},
		"THING_TYPE_ASSOCIATION":  {"thingTypeAssociation/thing/pump/thingType/pump-type/added", "thingTypeAssociation/thing/pump/thingType/pump-type/removed"},
		"THING_GROUP":             {"thingGroup/plant/created", "thingGroup/line/created", "thingGroup/line/updated", "thingGroup/line/deleted"},
		"THING_GROUP_MEMBERSHIP":  {"thingGroupMembership/thingGroup/line/thing/pump/added", "thingGroupMembership/thingGroup/line/thing/pump/removed"},
		"THING_GROUP_HIERARCHY":   {"thingGroupHierarchy/thingGroup/plant/childThingGroup/line/added", "thingGroupHierarchy/thingGroup/plant/childThingGroup/line/removed"},
		"JOB":                     {"job/fw/cancellation_in_progress", "job/fw/deletion_in_progress"},
		"POLICY":                  nil,
		"CERTIFICATE":             nil, // its one message comes with the registration of CAs
		"CA_CERTIFICATE":          nil,
		"none, which nobody asks": nil,
	}
	for name, want := range rows {
		t.Run(name, func(t *testing.T) {
			p := newPlane(t)
			if !strings.HasPrefix(name, "none") {
				p.enable(true, name)
			}
			scene(p)
			if got := p.topics(); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

// listeners is an audience with persistent sessions on some topics.
type listeners []string

func (listeners) NeedsRow(string, job.Namespace) bool { return false }
func (listeners) Hears(string, job.Namespace) bool    { return false }
func (l listeners) NeedsEventRow(topic string) bool   { return slices.Contains(l, topic) }
func (l listeners) configure(c *ops.Config)           { c.Audience = l }

// design.md decision 2: a row only where a persistent session listens.
func TestAnEventIsKeptWhereAPersistentSessionListens(t *testing.T) {
	p := newPlane(t, listeners{"$aws/events/thing/a/created"}.configure)
	p.enable(true, "THING")
	p.things("a", "b")
	all := p.messages()
	if len(all) != 2 || all[0].Row == 0 || len(all[0].Payload) == 0 || all[1].Row != 0 || all[1].Payload != nil || all[1].Body == nil {
		t.Errorf("told: %+v", all)
	}
}

func TestTheShapesOfRegistryEvents(t *testing.T) {
	p := newPlane(t)
	p.types("pump-type")
	p.enable(true, "THING", "THING_TYPE", "THING_TYPE_ASSOCIATION", "THING_GROUP", "THING_GROUP_MEMBERSHIP", "THING_GROUP_HIERARCHY")
	p.groups("plant")
	p.below("plant", "line")
	ok[*iot.CreateThingOutput](t)(p.CreateThing(ctx, operator, &iot.CreateThingInput{ThingName: "pump", ThingTypeName: "pump-type", AttributePayload: payload("site", "oslo")}))
	p.things("plain")
	p.join("line", "pump")
	p.deprecate("pump-type", false)

	const head = `,"timestamp":1795424400123,"operation":`
	const account = `,"accountId":"123456789012"`
	want := map[string]string{
		"thingGroup/plant/created": `{"eventType":"THING_GROUP_EVENT","eventId":"1"` + head + `"CREATED"` + account +
			`,"thingGroupId":"2","thingGroupName":"plant","versionNumber":1,"parentGroupName":null,"parentGroupId":null,"description":"","rootToParentThingGroups":[],"attributes":{},"dynamicGroupMappingId":null}`,
		"thingGroup/line/created": `{"eventType":"THING_GROUP_EVENT","eventId":"1"` + head + `"CREATED"` + account +
			`,"thingGroupId":"2","thingGroupName":"line","versionNumber":1,"parentGroupName":"plant","parentGroupId":"3","description":"","rootToParentThingGroups":[{"groupArn":"` + arns + `thinggroup/plant","groupId":"3"}],"attributes":{},"dynamicGroupMappingId":null}`,
		"thingGroupHierarchy/thingGroup/plant/childThingGroup/line/added": `{"eventType":"THING_GROUP_HIERARCHY_EVENT","eventId":"1"` + head + `"ADDED"` + account +
			`,"thingGroupId":"2","thingGroupName":"plant","childGroupId":"3","childGroupName":"line"}`,
		"thingTypeAssociation/thing/pump/thingType/pump-type/added": `{"eventType":"THING_TYPE_ASSOCIATION_EVENT","eventId":"1"` + head + `"ADDED"` +
			`,"thingId":"2","thingName":"pump","thingTypeName":"pump-type"}`,
		"thing/pump/created": `{"eventType":"THING_EVENT","eventId":"1"` + head + `"CREATED"` + account +
			`,"thingId":"2","thingName":"pump","versionNumber":1,"thingTypeName":"pump-type","attributes":{"site":"oslo"}}`,
		"thing/plain/created": `{"eventType":"THING_EVENT","eventId":"1"` + head + `"CREATED"` + account +
			`,"thingId":"2","thingName":"plain","versionNumber":1,"thingTypeName":null,"attributes":{}}`,
		"thingGroupMembership/thingGroup/line/thing/pump/added": `{"eventType":"THING_GROUP_MEMBERSHIP_EVENT","eventId":"1"` + head + `"ADDED"` + account +
			`,"groupArn":"` + arns + `thinggroup/line","groupId":"2","thingArn":"` + arns + `thing/pump","thingId":"3","membershipId":"4"}`,
		"thingType/pump-type/updated": `{"eventType":"THING_TYPE_EVENT","eventId":"1"` + head + `"UPDATED"` + account +
			`,"thingTypeId":"2","thingTypeName":"pump-type","isDeprecated":true,"deprecationDate":1795424400123,"searchableAttributes":[],"description":""}`,
	}
	for _, m := range p.messages() {
		topic := strings.TrimPrefix(m.Topic, "$aws/events/")
		got := numbered(string(events.Append(nil, m.Body.(events.Event))))
		if got != want[topic] {
			t.Errorf("%s\ngot  %s\nwant %s", topic, got, want[topic])
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("%s is not JSON", topic)
		}
		delete(want, topic)
	}
	for topic := range want {
		t.Errorf("nothing was told on %s", topic)
	}
}

var uuids = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// numbered puts 1, 2, … in the place of each UUID of a text, the same for the same.
func numbered(text string) string {
	seen := map[string]string{}
	return uuids.ReplaceAllStringFunc(text, func(id string) string {
		if seen[id] == "" {
			seen[id] = fmt.Sprint(len(seen) + 1)
		}
		return seen[id]
	})
}

package fleet_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/wire/fleet"
)

func TestALineIsOneRequest(t *testing.T) {
	l, err := fleet.Parse([]byte(`{"thingName":"pump-1","attributePayload":{"attributes":{"line":"4"}},"thingGroupNames":["line-4","all"]}`))
	if err != nil || l.Thing == nil || l.Thing.ThingName != "pump-1" || l.Thing.AttributePayload.Attributes["line"] != "4" || len(l.Groups) != 2 || l.Groups[1] != "all" {
		t.Errorf("a thing: %+v, %v", l, err)
	}
	l, err = fleet.Parse([]byte(`{"thingGroupName":"line-4","thingGroupProperties":{"thingGroupDescription":"of hall 2"}}`))
	if err != nil || l.Group == nil || l.Group.ThingGroupName != "line-4" {
		t.Errorf("a group: %+v, %v", l, err)
	}
	l, err = fleet.Parse([]byte(` {"thingGroupName":"line-4","thingName":"pump-1","overrideDynamicGroups":null} `))
	if err != nil || l.Member == nil || l.Member.ThingGroupName != "line-4" || l.Member.ThingName != "pump-1" {
		t.Errorf("a membership: %+v, %v", l, err)
	}
}

func TestALineThatIsNoneIsRefused(t *testing.T) {
	for _, row := range []struct {
		name, line string
		code       job.Code
		says       string
	}{
		{"nothing", ``, job.InvalidJSON, "object"},
		{"no object", `["pump-1"]`, job.InvalidJSON, "object"},
		{"half an object", `{"thingName":"pump-1"`, job.InvalidJSON, "not JSON"},
		{"two objects", `{"thingName":"a"}{"thingName":"b"}`, job.InvalidJSON, "goes on"},
		{"a member twice", `{"thingName":"a","thingName":"b"}`, job.InvalidJSON, "duplicate"},
		{"neither thing nor group", `{"attributePayload":{}}`, job.InvalidRequest, "neither"},
		{"a member that is misspelt", `{"thingName":"a","thinggroupnames":["g"]}`, job.InvalidRequest, "thingGroupNames"},
		{"a thing's member of a group", `{"thingGroupName":"g","attributePayload":{}}`, job.InvalidRequest, "thingGroupProperties"},
		{"a name that is none", `{"thingName":"a b"}`, job.InvalidRequest, "thingName"},
		{"a name that is a number", `{"thingName":7}`, job.InvalidRequest, "thingName"},
		{"groups that are no list", `{"thingName":"a","thingGroupNames":"g"}`, job.InvalidRequest, "thingGroupNames"},
		{"a group that is no name", `{"thingName":"a","thingGroupNames":["g h"]}`, job.InvalidRequest, "thingGroupNames"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := fleet.Parse([]byte(row.line))
			var e *job.Error
			if !errors.As(err, &e) || e.Code != row.code || !strings.Contains(e.Message, row.says) {
				t.Errorf("got %v, want code %v and %q", err, row.code, row.says)
			}
		})
	}
}

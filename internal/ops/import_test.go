package ops_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/fleet"
	"github.com/drover-iot/drover/internal/wire/iot"
)

func lines(t *testing.T, texts ...string) (all []fleet.Line) {
	t.Helper()
	for _, text := range texts {
		l, err := fleet.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	return all
}

func TestAnImportIsItsRequestsInTheirOrder(t *testing.T) {
	p := newPlane(t)
	fleet := lines(t,
		`{"thingGroupName":"line-4"}`, `{"thingGroupName":"all"}`,
		`{"thingName":"pump-1","thingGroupNames":["line-4","all"],"attributePayload":{"attributes":{"n":"1"}}}`,
		`{"thingName":"pump-2"}`,
		`{"thingName":"pump-2","thingGroupName":"all"}`)
	for _, which := range []string{"first", "again, which changes nothing"} {
		if done, err := p.Import(ctx, operator, fleet); done != len(fleet) || err != nil {
			t.Fatalf("%s: %d lines done, %v", which, done, err)
		}
	}
	out, err := p.ListThingsInThingGroup(ctx, operator, &iot.ListThingsInThingGroupInput{ThingGroupName: "all"})
	if err != nil || !slices.Equal(out.Things, []registry.Name{"pump-1", "pump-2"}) {
		t.Errorf("in the group: %v, %v", out, err)
	}
	thing, err := p.DescribeThing(ctx, operator, &iot.DescribeThingInput{ThingName: "pump-1"})
	if err != nil || thing.Version != 1 || thing.Attributes["n"] != "1" {
		t.Errorf("the thing: %+v, %v", thing, err)
	}
}

func TestAnImportStopsAtTheLineThatIsRefused(t *testing.T) {
	for _, row := range []struct {
		name, line string
		code       job.Code
	}{
		{"a thing that is there with other attributes", `{"thingName":"old","attributePayload":{"attributes":{"n":"2"}}}`, job.AlreadyExists},
		{"a group that is not there", `{"thingName":"old","thingGroupName":"nowhere"}`, job.NotFound},
		{"a thing that is not there", `{"thingName":"nobody","thingGroupName":"g"}`, job.NotFound},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newPlane(t)
			if _, err := p.Import(ctx, operator, lines(t, `{"thingName":"old"}`, `{"thingGroupName":"g"}`)); err != nil {
				t.Fatal(err)
			}
			done, err := p.Import(ctx, operator, lines(t, `{"thingName":"before"}`, row.line, `{"thingName":"after"}`))
			var e *job.Error
			if done != 1 || !errors.As(err, &e) || e.Code != row.code {
				t.Fatalf("%d lines done, %v", done, err)
			}
			if _, err := p.DescribeThing(ctx, operator, &iot.DescribeThingInput{ThingName: "before"}); err != nil {
				t.Errorf("the line before is done: %v", err)
			}
			if _, err := p.DescribeThing(ctx, operator, &iot.DescribeThingInput{ThingName: "after"}); err == nil {
				t.Error("the line after must not be done")
			}
		})
	}
}

func TestAThingThatIsImportedIntoTooManyGroupsIsRefused(t *testing.T) {
	p := newPlane(t)
	var all []string
	for i := range 11 {
		all = append(all, fmt.Sprintf(`{"thingGroupName":"g%d"}`, i))
	}
	all = append(all, `{"thingName":"t"}`)
	for i := range 11 {
		all = append(all, fmt.Sprintf(`{"thingGroupName":"g%d","thingName":"t"}`, i))
	}
	done, err := p.Import(ctx, operator, lines(t, all...))
	var e *job.Error
	if done != len(all)-1 || !errors.As(err, &e) || e.Code != job.InvalidRequest {
		t.Errorf("%d of %d lines done, %v", done, len(all), err)
	}
}

func TestAnImportTellsTheJobsThatFollowAGroup(t *testing.T) {
	p := newPlane(t)
	if _, err := p.Import(ctx, operator, lines(t, `{"thingGroupName":"line-4"}`)); err != nil {
		t.Fatal(err)
	}
	_, err := p.CreateJob(ctx, operator, &iot.CreateJobInput{
		JobID: "fw", Targets: []string{arns + "thinggroup/line-4"}, Document: "{}", TargetSelection: "CONTINUOUS",
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Import(ctx, operator, lines(t, `{"thingName":"pump-1","thingGroupNames":["line-4"]}`)); err != nil {
		t.Fatal(err)
	}
	err = p.store.View(ctx, func(tx store.Tx) error {
		j, _, err := tx.Job("fw")
		if err != nil {
			return err
		}
		noted, err := tx.Retargets(j.Key, 10)
		if len(noted) != 1 || noted[0].Thing.Name != "pump-1" || !noted[0].Joined {
			t.Errorf("noted for the job: %+v", noted)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

package ops_test

import (
	"fmt"
	"testing"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/wire"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// ceilings are a server's, as its flags have them by default: AWS's.
type ceilings struct {
	ops.Config
	job job.Quotas
	reg registry.Quotas
}

// withCeilings is a plane with AWS's ceilings but for what lift changes.
func withCeilings(t *testing.T, lift func(*ceilings)) *plane {
	t.Helper()
	return newPlane(t, func(c *ops.Config) {
		all := ceilings{*c, job.AWSQuotas(), registry.AWSQuotas()}
		all.RolloutDefault, all.RolloutMax = 1000, 1000
		all.MaxActiveSnapshot, all.MaxActiveContinuous, all.MaxDeleting = 100, 100, 10
		lift(&all)
		*c = all.Config
		c.JobQuotas, c.Quotas = &all.job, &all.reg
	})
}

func counted(prefix string, n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("%s%d", prefix, i))
	}
	return names
}

// TestEveryCeilingIsAWSsUnlessItIsLifted: what AWS refuses is refused with AWS's
// exception; with one more allowed, or without a limit (0), it is accepted.
func TestEveryCeilingIsAWSsUnlessItIsLifted(t *testing.T) {
	limit := wire.Exception{Type: "LimitExceededException", Status: 410}
	invalid := wire.Exception{Type: "InvalidRequestException", Status: 400}
	attributesOf := func(n int) *iot.AttributePayload {
		p := &iot.AttributePayload{Attributes: map[string]string{}}
		for _, name := range counted("k", n) {
			p.Attributes[name] = "v"
		}
		return p
	}
	tagsOf := func(n int) (tags []iot.Tag) {
		for _, key := range counted("k", n) {
			tags = append(tags, iot.Tag{Key: key})
		}
		return tags
	}
	thingARNs := func(n int) []string { return counted(arnsThing, n) }
	things := func(p *plane, n int) {
		for _, name := range counted("t", n) {
			p.things(registry.Name(name))
		}
	}
	create := func(p *plane, in iot.CreateJobInput) error {
		if in.Targets == nil {
			in.Targets = thingARNs(1)
		}
		in.Document = "{}"
		_, err := p.CreateJob(ctx, operator, &in)
		return err
	}
	active := func(selection string) func(p *plane) {
		return func(p *plane) {
			things(p, 1)
			for _, id := range counted("j", 100) {
				if err := create(p, iot.CreateJobInput{JobID: job.ID(id), TargetSelection: selection}); err != nil {
					p.t.Fatal(err)
				}
			}
		}
	}
	group := func(p *plane, name, parent string) error {
		_, err := p.CreateThingGroup(ctx, operator, &iot.CreateThingGroupInput{ThingGroupName: registry.GroupName(name), ParentGroupName: registry.GroupName(parent)})
		return err
	}
	thingType := func(p *plane) {
		ok[*iot.CreateThingTypeOutput](p.t)(p.CreateThingType(ctx, operator, &iot.CreateThingTypeInput{ThingTypeName: "pump"}))
	}
	remove := func(p *plane, id string) error {
		_, err := p.DeleteJob(ctx, operator, &iot.DeleteJobInput{JobID: job.ID(id), Force: true})
		return err
	}
	for _, row := range []struct {
		name string
		most int // AWS's ceiling
		set  func(c *ceilings, n int)
		fill func(p *plane)       // up to the ceiling
		more func(p *plane) error // one more
		want wire.Exception
	}{
		{
			"targets of a job", 100, func(c *ceilings, n int) { c.job.Targets = n },
			func(p *plane) { things(p, 101) },
			func(p *plane) error { return create(p, iot.CreateJobInput{JobID: "fw", Targets: thingARNs(101)}) },
			limit,
		},
		{
			"targets that are associated later", 100, func(c *ceilings, n int) { c.job.Targets = n },
			func(p *plane) {
				things(p, 101)
				if err := create(p, iot.CreateJobInput{JobID: "fw", Targets: thingARNs(100), TargetSelection: "CONTINUOUS"}); err != nil {
					p.t.Fatal(err)
				}
			},
			func(p *plane) error {
				_, err := p.AssociateTargetsWithJob(ctx, operator, &iot.AssociateTargetsWithJobInput{JobID: "fw", Targets: thingARNs(101)[100:]})
				return err
			},
			limit,
		},
		{
			"active SNAPSHOT jobs", 100, func(c *ceilings, n int) { c.MaxActiveSnapshot = n }, active("SNAPSHOT"),
			func(p *plane) error { return create(p, iot.CreateJobInput{JobID: "fw"}) }, limit,
		},
		{
			"active CONTINUOUS jobs", 100, func(c *ceilings, n int) { c.MaxActiveContinuous = n }, active("CONTINUOUS"),
			func(p *plane) error { return create(p, iot.CreateJobInput{JobID: "fw", TargetSelection: "CONTINUOUS"}) }, limit,
		},
		{
			"jobs in deletion", 10, func(c *ceilings, n int) { c.MaxDeleting = n },
			func(p *plane) {
				active("SNAPSHOT")(p)
				for _, id := range counted("j", 10) {
					if err := remove(p, id); err != nil {
						p.t.Fatal(err)
					}
				}
			},
			func(p *plane) error { return remove(p, "j10") }, limit,
		},
		{
			"retries of a thing", 10, func(c *ceilings, n int) { c.job.Retries = int64(n) },
			func(p *plane) {
				things(p, 1)
				if err := create(p, iot.CreateJobInput{JobID: "ten", JobExecutionsRetryConfig: retriesOf(4, 6)}); err != nil {
					p.t.Fatal(err)
				}
			},
			func(p *plane) error {
				return create(p, iot.CreateJobInput{JobID: "fw", JobExecutionsRetryConfig: retriesOf(5, 6)})
			},
			invalid,
		},
		{
			"executions a minute", 1000, func(c *ceilings, n int) { c.RolloutMax = int64(n) },
			func(p *plane) {
				things(p, 1)
				if err := create(p, iot.CreateJobInput{JobID: "most", JobExecutionsRolloutConfig: &iot.JobExecutionsRolloutConfig{MaximumPerMinute: ptr(int64(1000))}}); err != nil {
					p.t.Fatal(err)
				}
			},
			func(p *plane) error {
				return create(p, iot.CreateJobInput{JobID: "fw", JobExecutionsRolloutConfig: &iot.JobExecutionsRolloutConfig{MaximumPerMinute: ptr(int64(1001))}})
			},
			invalid,
		},
		{
			"executions a minute that a rate begins with", 1000, func(c *ceilings, n int) { c.RolloutMax = int64(n) },
			func(p *plane) { things(p, 1) },
			func(p *plane) error {
				return create(p, iot.CreateJobInput{JobID: "fw", JobExecutionsRolloutConfig: &iot.JobExecutionsRolloutConfig{ExponentialRate: &iot.ExponentialRolloutRate{
					BaseRatePerMinute: ptr(int64(1001)), IncrementFactor: ptr(2.0), RateIncreaseCriteria: &iot.RateIncreaseCriteria{NumberOfNotifiedThings: ptr(int64(1))},
				}}})
			},
			invalid,
		},
		{
			"groups of a thing", 10, func(c *ceilings, n int) { c.reg.Groups = n },
			func(p *plane) {
				things(p, 1)
				for i, name := range counted("g", 11) {
					if p.groups(registry.GroupName(name)); i < 10 {
						p.join(registry.GroupName(name), "t0")
					}
				}
			},
			func(p *plane) error {
				_, err := p.AddThingToThingGroup(ctx, operator, &iot.AddThingToThingGroupInput{ThingGroupName: "g10", ThingName: "t0"})
				return err
			},
			invalid,
		},
		{
			"levels of groups", 7, func(c *ceilings, n int) { c.reg.Depth = n },
			func(p *plane) {
				parent := ""
				for _, name := range counted("g", 7) {
					if err := group(p, name, parent); err != nil {
						p.t.Fatal(err)
					}
					parent = name
				}
			},
			func(p *plane) error { return group(p, "deeper", "g6") }, invalid,
		},
		{
			"children of a group", 100, func(c *ceilings, n int) { c.reg.Children = n },
			func(p *plane) {
				p.groups("root")
				for _, name := range counted("g", 100) {
					if err := group(p, name, "root"); err != nil {
						p.t.Fatal(err)
					}
				}
			},
			func(p *plane) error { return group(p, "more", "root") }, invalid,
		},
		{
			"attributes of a thing", 3, func(c *ceilings, n int) { c.reg.Attributes = n },
			func(p *plane) {
				ok[*iot.CreateThingOutput](p.t)(p.CreateThing(ctx, operator, &iot.CreateThingInput{ThingName: "t", AttributePayload: attributesOf(3)}))
			},
			func(p *plane) error {
				_, err := p.UpdateThing(ctx, operator, &iot.UpdateThingInput{ThingName: "t", AttributePayload: attributesOf(4)})
				return err
			},
			invalid,
		},
		{
			"attributes of a thing with a type", 50, func(c *ceilings, n int) { c.reg.TypedAttributes = n },
			func(p *plane) {
				thingType(p)
				ok[*iot.CreateThingOutput](p.t)(p.CreateThing(ctx, operator, &iot.CreateThingInput{ThingName: "t", ThingTypeName: "pump", AttributePayload: attributesOf(50)}))
			},
			func(p *plane) error {
				_, err := p.CreateThing(ctx, operator, &iot.CreateThingInput{ThingName: "more", ThingTypeName: "pump", AttributePayload: attributesOf(51)})
				return err
			},
			invalid,
		},
		{
			"attributes of a group", 3, func(c *ceilings, n int) { c.reg.Attributes = n }, func(p *plane) { p.groups("g") },
			func(p *plane) error {
				_, err := p.UpdateThingGroup(ctx, operator, &iot.UpdateThingGroupInput{ThingGroupName: "g", ThingGroupProperties: &iot.ThingGroupProperties{AttributePayload: attributesOf(4)}})
				return err
			},
			invalid,
		},
		{
			"tags of a resource", 50, func(c *ceilings, n int) { c.reg.Tags = n },
			func(p *plane) {
				thingType(p)
				ok[*iot.TagResourceOutput](p.t)(p.TagResource(ctx, operator, &iot.TagResourceInput{ResourceARN: arns + "thingtype/pump", Tags: tagsOf(50)}))
			},
			func(p *plane) error {
				_, err := p.TagResource(ctx, operator, &iot.TagResourceInput{ResourceARN: arns + "thingtype/pump", Tags: []iot.Tag{{Key: "more"}}})
				return err
			},
			limit,
		},
		{
			"tags that a resource is created with", 50, func(c *ceilings, n int) { c.reg.Tags = n }, func(*plane) {},
			func(p *plane) error {
				_, err := p.CreateThingGroup(ctx, operator, &iot.CreateThingGroupInput{ThingGroupName: "g", Tags: tagsOf(51)})
				return err
			},
			limit,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := withCeilings(t, func(*ceilings) {})
			row.fill(p)
			err := row.more(p)
			if e := wire.ErrorOf(err); err == nil || wire.Spell(e.Code).Control != row.want {
				t.Errorf("at %d one more is answered %v, want %s", row.most, err, row.want.Type)
			}
			for _, n := range []int{row.most + 1, 0} {
				p := withCeilings(t, func(c *ceilings) { row.set(c, n) })
				row.fill(p)
				if err := row.more(p); err != nil {
					t.Errorf("lifted to %d: %v", n, err)
				}
			}
		})
	}
}

const arnsThing = arns + "thing/t"

func retriesOf(failed, timedOut int64) *iot.JobExecutionsRetryConfig {
	return &iot.JobExecutionsRetryConfig{CriteriaList: []iot.RetryCriteria{
		{FailureType: "FAILED", NumberOfRetries: &failed}, {FailureType: "TIMED_OUT", NumberOfRetries: &timedOut},
	}}
}

// TestWithoutACeilingMoreThanAPageIsSeen: nothing that was bounded by a ceiling is
// cut off where it is lifted.
func TestWithoutACeilingMoreThanAPageIsSeen(t *testing.T) {
	p := withCeilings(t, func(c *ceilings) { c.reg.Groups, c.reg.Tags = 0, 0 })
	p.things("t")
	var in iot.TagResourceInput
	for _, name := range counted("g", 150) {
		p.groups(registry.GroupName(name))
		p.join(registry.GroupName(name), "t")
		in.Tags = append(in.Tags, iot.Tag{Key: name})
	}
	in.ResourceARN = arns + "thinggroup/g0"
	ok[*iot.TagResourceOutput](t)(p.TagResource(ctx, operator, &in))
	list := iot.ListTagsForResourceInput{ResourceARN: in.ResourceARN}
	first := ok[*iot.ListTagsForResourceOutput](t)(p.ListTagsForResource(ctx, operator, &list))
	list.NextToken = first.NextToken
	second := ok[*iot.ListTagsForResourceOutput](t)(p.ListTagsForResource(ctx, operator, &list))
	if n, m := len(first.Tags), len(second.Tags); n != 100 || m != 50 || second.NextToken != "" {
		t.Errorf("%d and %d tags, and then %q", n, m, second.NextToken)
	}
	// The last of them by name is in the way of another one of its hierarchy.
	ok[*iot.CreateThingGroupOutput](t)(p.CreateThingGroup(ctx, operator, &iot.CreateThingGroupInput{ThingGroupName: "below", ParentGroupName: "g99"}))
	_, err := p.AddThingToThingGroup(ctx, operator, &iot.AddThingToThingGroupInput{ThingGroupName: "below", ThingName: "t"})
	refused(t, err, job.InvalidRequest)
	ok[*iot.DeleteThingOutput](t)(p.DeleteThing(ctx, operator, &iot.DeleteThingInput{ThingName: "t"}))
	for _, name := range []registry.GroupName{"g0", "g99"} {
		if out := ok[*iot.ListThingsInThingGroupOutput](t)(p.ListThingsInThingGroup(ctx, operator, &iot.ListThingsInThingGroupInput{ThingGroupName: name})); len(out.Things) != 0 {
			t.Errorf("%s still has %v", name, out.Things)
		}
	}
}

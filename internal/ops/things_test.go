package ops_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/iot"
)

func payload(pairs ...string) *iot.AttributePayload {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return &iot.AttributePayload{Attributes: m}
}

func TestCreatingAThing(t *testing.T) {
	p := newPlane(t)
	first := ok[*iot.CreateThingOutput](t)(p.CreateThing(ctx, operator, &iot.CreateThingInput{ThingName: "pump:7", AttributePayload: payload("site", "north")}))
	if first.ThingARN != arns+"thing/pump:7" || first.ThingName != "pump:7" || len(first.ThingID) != 36 {
		t.Errorf("got %+v", first)
	}

	t.Run("again with the same configuration answers the same", func(t *testing.T) {
		again := ok[*iot.CreateThingOutput](t)(p.CreateThing(ctx, operator, &iot.CreateThingInput{ThingName: "pump:7", AttributePayload: payload("site", "north")}))
		if *again != *first {
			t.Errorf("got %+v, want %+v", again, first)
		}
	})
	t.Run("again with another configuration names what exists", func(t *testing.T) {
		_, err := p.CreateThing(ctx, operator, &iot.CreateThingInput{ThingName: "pump:7"})
		if e := refused(t, err, job.AlreadyExists); e.Resource == nil || e.Resource.ARN != first.ThingARN || e.Resource.ID != first.ThingID {
			t.Errorf("the resource is %+v", e.Resource)
		}
	})
	t.Run("with four attributes is refused", func(t *testing.T) {
		_, err := p.CreateThing(ctx, operator, &iot.CreateThingInput{ThingName: "x", AttributePayload: payload("a", "1", "b", "2", "c", "3", "d", "4")})
		refused(t, err, job.InvalidRequest)
	})
	t.Run("shows in DescribeThing", func(t *testing.T) {
		out := ok[*iot.DescribeThingOutput](t)(p.DescribeThing(ctx, operator, &iot.DescribeThingInput{ThingName: "pump:7"}))
		if out.DefaultClientID != "pump:7" || out.ThingID != first.ThingID || out.Version != 1 || !maps.Equal(out.Attributes, map[string]string{"site": "north"}) {
			t.Errorf("got %+v", out)
		}
	})
	t.Run("that was never created is not found", func(t *testing.T) {
		_, err := p.DescribeThing(ctx, operator, &iot.DescribeThingInput{ThingName: "x"})
		refused(t, err, job.NotFound)
	})
}

func TestUpdatingAThing(t *testing.T) {
	p := newPlane(t)
	p.things("pump")
	attributes := func() map[string]string {
		return ok[*iot.DescribeThingOutput](t)(p.DescribeThing(ctx, operator, &iot.DescribeThingInput{ThingName: "pump"})).Attributes
	}
	update := func(in iot.UpdateThingInput) error {
		in.ThingName = "pump"
		_, err := p.UpdateThing(ctx, operator, &in)
		return err
	}
	for _, step := range []struct {
		name string
		in   iot.UpdateThingInput
		want map[string]string
	}{
		{"sets", iot.UpdateThingInput{AttributePayload: payload("a", "1", "b", "2")}, map[string]string{"a": "1", "b": "2"}},
		{"without a payload leaves", iot.UpdateThingInput{}, map[string]string{"a": "1", "b": "2"}},
		{"merges and deletes", iot.UpdateThingInput{AttributePayload: &iot.AttributePayload{Attributes: map[string]string{"a": "", "c": "3"}, Merge: true}}, map[string]string{"b": "2", "c": "3"}},
		{"with the expected version", iot.UpdateThingInput{ExpectedVersion: ptr(int64(4)), AttributePayload: payload("d", "4")}, map[string]string{"d": "4"}},
		{"with an empty map clears", iot.UpdateThingInput{AttributePayload: &iot.AttributePayload{}}, nil},
	} {
		if err := update(step.in); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := attributes(); !maps.Equal(got, step.want) {
			t.Errorf("%s: got %v, want %v", step.name, got, step.want)
		}
	}
	refused(t, update(iot.UpdateThingInput{ExpectedVersion: ptr(int64(2))}), job.VersionMismatch)
	_, err := p.UpdateThing(ctx, operator, &iot.UpdateThingInput{ThingName: "x"})
	refused(t, err, job.NotFound)
}

func TestDeletingAThing(t *testing.T) {
	p := newPlane(t)
	remove := func(name registry.Name) error {
		_, err := p.DeleteThing(ctx, operator, &iot.DeleteThingInput{ThingName: name})
		return err
	}

	t.Run("that is not there is a success", func(t *testing.T) {
		if err := remove("nobody"); err != nil {
			t.Error(err)
		}
	})
	t.Run("with another expected version is refused", func(t *testing.T) {
		p.things("versioned")
		_, err := p.DeleteThing(ctx, operator, &iot.DeleteThingInput{ThingName: "versioned", ExpectedVersion: ptr(int64(7))})
		refused(t, err, job.VersionMismatch)
	})
	t.Run("with a principal attached is refused", func(t *testing.T) {
		p.things("attached")
		c := ok[*iot.CreateKeysAndCertificateOutput](t)(p.CreateKeysAndCertificate(ctx, operator, &iot.CreateKeysAndCertificateInput{}))
		ok[*iot.AttachThingPrincipalOutput](t)(p.AttachThingPrincipal(ctx, operator, &iot.AttachThingPrincipalInput{ThingName: "attached", Principal: c.CertificateARN}))
		if e := refused(t, remove("attached"), job.InvalidRequest); !strings.Contains(e.Message, "still attached to one or more principals") {
			t.Errorf("got %q", e.Message)
		}
	})
	t.Run("frees its name for another thing", func(t *testing.T) {
		p.things("twin")
		p.groups("line")
		p.join("line", "twin")
		before := ok[*iot.DescribeThingOutput](t)(p.DescribeThing(ctx, operator, &iot.DescribeThingInput{ThingName: "twin"}))
		if err := remove("twin"); err != nil {
			t.Fatal(err)
		}
		p.things("twin")
		after := ok[*iot.DescribeThingOutput](t)(p.DescribeThing(ctx, operator, &iot.DescribeThingInput{ThingName: "twin"}))
		if before.ThingID == after.ThingID {
			t.Error("the new thing has the id of the old one")
		}
		if in := ok[*iot.ListThingsInThingGroupOutput](t)(p.ListThingsInThingGroup(ctx, operator, &iot.ListThingsInThingGroupInput{ThingGroupName: "line"})); len(in.Things) != 0 {
			t.Errorf("the new thing is in the old one's group: %v", in.Things)
		}
	})
}

func TestDeletingAThingRemovesWhatItStillHadToDo(t *testing.T) {
	p := newPlane(t)
	p.things("pump", "other")
	const jobs = ops.Removals // as many as one transaction takes
	for i := range jobs {
		id := job.ID(fmt.Sprintf("job-%03d", i))
		p.job(id, "thing/pump")
		p.queue(id, "pump", "other")
	}
	p.report("job-000", "pump", job.InProgress, nil)
	p.report("job-001", "pump", job.Succeeded, nil)
	p.effects()
	ok[*iot.DeleteThingOutput](t)(p.DeleteThing(ctx, operator, &iot.DeleteThingInput{ThingName: "pump"}))

	var removed, succeeded int64
	for i := range jobs {
		j := ok[*iot.DescribeJobOutput](t)(p.DescribeJob(ctx, operator, &iot.DescribeJobInput{JobID: job.ID(fmt.Sprintf("job-%03d", i))})).Job.JobProcessDetails
		removed += j.NumberOfRemovedThings
		succeeded += j.NumberOfSucceededThings
		if j.NumberOfQueuedThings != 1 || j.NumberOfInProgressThings != 0 {
			t.Errorf("job %d: %+v", i, j)
		}
	}
	if removed != jobs-1 || succeeded != 1 {
		t.Errorf("%d removed and %d succeeded, want %d and 1", removed, succeeded, jobs-1)
	}
	es := p.effects()
	if len(es) != 1 || es[0].Thing != "pump" || !es[0].Notify || !es[0].Next || len(es[0].After.Pending) != 0 {
		t.Errorf("devices hear %+v, want once that the queue is empty", es)
	}

	// The rows stay listed under the name that the thing had.
	list := ok[*iot.ListJobExecutionsForJobOutput](t)(p.ListJobExecutionsForJob(ctx, operator, &iot.ListJobExecutionsForJobInput{JobID: "job-000"}))
	var got []string
	for _, s := range list.ExecutionSummaries {
		got = append(got, s.ThingARN+" "+s.JobExecutionSummary.Status.String())
	}
	if want := []string{arns + "thing/pump REMOVED", arns + "thing/other QUEUED"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	p.things("pump")
	_, err := p.DescribeJobExecution(ctx, operator, &iot.DescribeJobExecutionInput{JobID: "job-000", ThingName: "pump"})
	refused(t, err, job.NotFound)
}

func TestDeletingAThingWhoseJobIsBeingCancelledOrDeleted(t *testing.T) {
	p := newPlane(t)
	p.things("pump")
	for _, id := range []job.ID{"cancelled", "deleted", "plain"} {
		p.job(id, "thing/pump")
		p.queue(id, "pump")
	}
	ok[*iot.CancelJobOutput](t)(p.CancelJob(ctx, operator, &iot.CancelJobInput{JobID: "cancelled"}))
	ok[*iot.DeleteJobOutput](t)(p.DeleteJob(ctx, operator, &iot.DeleteJobInput{JobID: "deleted", Force: true}))
	ok[*iot.DeleteThingOutput](t)(p.DeleteThing(ctx, operator, &iot.DeleteThingInput{ThingName: "pump"}))
	for id, want := range map[job.ID]job.Status{"cancelled": job.Canceled, "plain": job.Removed} {
		list := ok[*iot.ListJobExecutionsForJobOutput](t)(p.ListJobExecutionsForJob(ctx, operator, &iot.ListJobExecutionsForJobInput{JobID: id}))
		if len(list.ExecutionSummaries) != 1 || list.ExecutionSummaries[0].JobExecutionSummary.Status != want {
			t.Errorf("%s: got %+v, want %s", id, list.ExecutionSummaries, want)
		}
	}
	p.update(func(tx store.Tx) error {
		for _, id := range []job.ID{"cancelled", "deleted", "plain"} {
			j, counted, err := tx.Job(id)
			if err != nil {
				return err
			}
			if real, err := tx.Recount(j.Key); err != nil || real != counted {
				t.Errorf("%s: the counters say %v, the rows %v (%v)", id, counted, real, err)
			}
		}
		return nil
	})
}

func TestListingThings(t *testing.T) {
	p := newPlane(t)
	for i := range 25 {
		in := &iot.CreateThingInput{ThingName: registry.Name(fmt.Sprintf("pump-%02d", i))}
		if i%5 == 0 {
			in.AttributePayload = payload("site", fmt.Sprintf("north-%d", i/10))
		}
		ok[*iot.CreateThingOutput](t)(p.CreateThing(ctx, operator, in))
	}
	walk := func(in iot.ListThingsInput) (pages int, names []registry.Name) {
		for {
			out := ok[*iot.ListThingsOutput](t)(p.ListThings(ctx, operator, &in))
			pages++
			for _, thing := range out.Things {
				names = append(names, thing.ThingName)
			}
			if out.NextToken == "" {
				return pages, names
			}
			if out.NextToken == in.NextToken {
				t.Fatal("two pages have the same token")
			}
			in.NextToken = out.NextToken
		}
	}
	for _, row := range []struct {
		name  string
		in    iot.ListThingsInput
		pages int
		want  int
	}{
		{"all in one page", iot.ListThingsInput{}, 1, 25},
		{"in pages of ten, the last without a token", iot.ListThingsInput{MaxResults: ptr(int64(10))}, 3, 25},
		{"in pages that come out even", iot.ListThingsInput{MaxResults: ptr(int64(5))}, 5, 25},
		{"with an attribute of this value", iot.ListThingsInput{AttributeName: "site", AttributeValue: "north-0"}, 1, 2},
		{"with an attribute of this prefix, in pages", iot.ListThingsInput{AttributeName: "site", AttributeValue: "north", UsePrefixAttributeValue: true, MaxResults: ptr(int64(2))}, 3, 5},
		{"with an attribute that nobody has", iot.ListThingsInput{AttributeName: "colour", AttributeValue: "red"}, 1, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			pages, names := walk(row.in)
			if pages != row.pages || len(names) != row.want || !slices.IsSorted(names) {
				t.Errorf("%d things in %d pages, want %d in %d: %v", len(names), pages, row.want, row.pages, names)
			}
		})
	}
	_, err := p.ListThings(ctx, operator, &iot.ListThingsInput{AttributeName: "site"})
	refused(t, err, job.InvalidRequest)
}

func TestAPageTokenBelongsToTheListThatGaveIt(t *testing.T) {
	p := newPlane(t)
	p.things("a", "b", "c")
	p.groups("g", "h")
	one := ptr(int64(1))
	token := ok[*iot.ListThingsOutput](t)(p.ListThings(ctx, operator, &iot.ListThingsInput{MaxResults: one})).NextToken
	group := ok[*iot.ListThingGroupsOutput](t)(p.ListThingGroups(ctx, operator, &iot.ListThingGroupsInput{MaxResults: one})).NextToken
	for name, in := range map[string]iot.ListThingsInput{
		"of another operation":    {NextToken: group},
		"with other filters":      {NextToken: token, AttributeName: "a", AttributeValue: "b"},
		"that is not base64":      {NextToken: "§"},
		"that is too short":       {NextToken: "AAAA"},
		"that somebody shortened": {NextToken: token[:len(token)/2]},
	} {
		_, err := p.ListThings(ctx, operator, &in)
		t.Run("a token "+name+" is refused", func(t *testing.T) { refused(t, err, job.InvalidRequest) })
	}
	p.job("fw", "thing/a")
	p.queue("fw", "a", "b")
	list := ok[*iot.ListJobExecutionsForJobOutput](t)(p.ListJobExecutionsForJob(ctx, operator, &iot.ListJobExecutionsForJobInput{JobID: "fw", MaxResults: one}))
	if next := ok[*iot.ListJobExecutionsForJobOutput](t)(p.ListJobExecutionsForJob(ctx, operator, &iot.ListJobExecutionsForJobInput{JobID: "fw", NextToken: list.NextToken})); len(next.ExecutionSummaries) != 1 {
		t.Errorf("maxResults may change between pages: got %d, want 1", len(next.ExecutionSummaries))
	}
}

// counting counts the transactions of the control plane.
type counting struct {
	store.Store
	updates int
}

func (c *counting) Update(ctx context.Context, fn func(store.Tx) error) error {
	c.updates++
	return c.Store.Update(ctx, fn)
}

// A crash between two commits would leave a thing that lives, and has lost what it
// had to do.
func TestDeletingAThingIsOneTransactionWithWhatItStillHadToDo(t *testing.T) {
	counted := new(counting)
	p := newPlane(t, func(c *ops.Config) { counted.Store, c.Store = c.Store, counted })
	p.things("pump")
	for i := range 30 {
		id := job.ID(fmt.Sprintf("job-%03d", i))
		p.job(id, "thing/pump")
		p.queue(id, "pump")
	}
	counted.updates = 0
	ok[*iot.DeleteThingOutput](t)(p.DeleteThing(ctx, operator, &iot.DeleteThingInput{ThingName: "pump"}))
	if counted.updates != 1 {
		t.Errorf("it took %d transactions", counted.updates)
	}
	for i := range 30 {
		j := ok[*iot.DescribeJobOutput](t)(p.DescribeJob(ctx, operator, &iot.DescribeJobInput{JobID: job.ID(fmt.Sprintf("job-%03d", i))})).Job.JobProcessDetails
		if j.NumberOfRemovedThings != 1 || j.NumberOfQueuedThings != 0 {
			t.Fatalf("job %d: %+v", i, j)
		}
	}
}

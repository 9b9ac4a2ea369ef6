package sched

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/clock"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/store/sqlite"
	"github.com/drover-iot/drover/internal/wire/iot"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
)

// dial is domain time that a test sets by hand.
type dial struct {
	mu  sync.Mutex
	now time.Time
}

func (d *dial) Now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func (d *dial) AfterFunc(time.Duration, func()) clock.Timer { panic("runOnce waits for nothing") }

func (d *dial) advance(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(by)
}

// crowd is an audience whose members a test names.
type crowd struct {
	mu          sync.Mutex
	live, queue map[string]bool
	asked       int
	onAsk       func(thing string)
}

func (c *crowd) Hears(thing string, n job.Namespace) bool {
	thing = inNamespace(thing, n)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	yes := c.live[thing]
	if c.onAsk != nil {
		c.onAsk(thing)
	}
	return yes
}

func (c *crowd) NeedsRow(thing string, n job.Namespace) bool {
	thing = inNamespace(thing, n)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue[thing]
}

func (*crowd) NeedsEventRow(string) bool { return false }

// inNamespace names a thing's queue as a crowd knows it.
func inNamespace(thing string, n job.Namespace) string {
	if n != "" {
		thing += " " + string(n)
	}
	return thing
}

// heard collects what the store hands to the observer.
type heard struct {
	mu      sync.Mutex
	effects []job.Effect
	events  []string // their topics
	wakes   int
}

func (h *heard) Events(es []job.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range es {
		h.events = append(h.events, e.Topic)
	}
}

func (h *heard) Effects(es []job.Effect) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.effects = append(h.effects, es...)
}

func (h *heard) Wake(time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wakes++
}

func (h *heard) take() []job.Effect {
	h.mu.Lock()
	defer h.mu.Unlock()
	es := h.effects
	h.effects = nil
	return es
}

const account = "arn:aws:iot:us-east-1:000000000000:"

// fleet is a store with the operations and the scheduler over it.
type fleet struct {
	t        *testing.T
	dial     *dial
	dir      string
	edit     []func(*ops.Config)
	store    *sqlite.Store
	data     *ops.Data
	control  *ops.Control
	sched    *Sched
	audience *crowd
	heard    *heard
}

var caller = ops.Caller{Principal: "operator"}

func newFleet(t *testing.T, edit ...func(*ops.Config)) *fleet {
	t.Helper()
	f := &fleet{
		t: t, dial: &dial{now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}, dir: t.TempDir(), edit: edit,
		audience: &crowd{live: map[string]bool{}, queue: map[string]bool{}}, heard: &heard{},
	}
	f.start()
	f.sched = New(Config{Store: f.store, Clock: f.dial, Audience: f.audience, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(f.stop)
	return f
}

// start opens the store, with the operations over it.
func (f *fleet) start() {
	f.t.Helper()
	var err error
	f.store, err = sqlite.Open(f.dir, store.Config{Visible: 10, Observer: f.heard, Now: f.dial.Now}, sqlite.Options{Volatile: true})
	if err != nil {
		f.t.Fatal(err)
	}
	c := ops.Config{
		Store: f.store, Now: f.dial.Now, Audience: f.audience, Region: "us-east-1", Account: "000000000000",
		Endpoint: "localhost", PendingLimit: 10,
	}
	for _, e := range f.edit {
		e(&c)
	}
	f.data, f.control = ops.New(c)
}

func (f *fleet) stop() {
	f.t.Helper()
	if err := f.store.Close(); err != nil {
		f.t.Error(err)
	}
}

// restart closes the store and opens it again, with a scheduler that knows what
// stands in it.
func (f *fleet) restart() {
	f.t.Helper()
	c := f.sched.Config
	f.stop()
	f.start()
	c.Store = f.store
	f.sched = New(c)
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (f *fleet) things(names ...string) {
	f.t.Helper()
	for _, n := range names {
		must(f.control.CreateThing(context.Background(), caller, &iot.CreateThingInput{ThingName: registry.Name(n)}))(f.t)
	}
}

func (f *fleet) group(name string, things ...string) {
	f.t.Helper()
	must(f.control.CreateThingGroup(context.Background(), caller, &iot.CreateThingGroupInput{ThingGroupName: registry.GroupName(name)}))(f.t)
	for _, n := range things {
		f.join(name, n)
	}
}

func (f *fleet) join(group, thing string) {
	f.t.Helper()
	must(f.control.AddThingToThingGroup(context.Background(), caller, &iot.AddThingToThingGroupInput{ThingGroupName: registry.GroupName(group), ThingName: registry.Name(thing)}))(f.t)
}

func (f *fleet) job(id string, targets ...string) {
	f.t.Helper()
	f.timedJob(id, nil, targets...)
}

func (f *fleet) timedJob(id string, minutes *int64, targets ...string) {
	f.t.Helper()
	in := &iot.CreateJobInput{JobID: job.ID(id), Document: `{"op":"flash"}`}
	for _, target := range targets {
		in.Targets = append(in.Targets, account+target)
	}
	if minutes != nil {
		in.TimeoutConfig = &iot.TimeoutConfig{InProgressTimeoutInMinutes: minutes}
	}
	must(f.control.CreateJob(context.Background(), caller, in))(f.t)
}

// jobIn creates a job of a namespace.
func (f *fleet) jobIn(namespace job.Namespace, id string, targets ...string) {
	f.t.Helper()
	in := &iot.CreateJobInput{JobID: job.ID(id), Document: `{"op":"deploy"}`, NamespaceID: namespace}
	for _, target := range targets {
		in.Targets = append(in.Targets, account+target)
	}
	must(f.control.CreateJob(context.Background(), caller, in))(f.t)
}

// round is one runOnce.
func (f *fleet) round() time.Time {
	f.t.Helper()
	return must(f.sched.runOnce(context.Background(), f.dial.Now()))(f.t)
}

// settle runs rounds until nothing is due, and tells when something will be.
func (f *fleet) settle() time.Time {
	f.t.Helper()
	for range 1_000_000 {
		if next := f.round(); next.IsZero() || next.After(f.dial.Now()) {
			return next
		}
	}
	f.t.Fatal("the scheduler never comes to rest")
	return time.Time{}
}

func (f *fleet) describe(id string) *iot.Job {
	f.t.Helper()
	return must(f.control.DescribeJob(context.Background(), caller, &iot.DescribeJobInput{JobID: job.ID(id)}))(f.t).Job
}

// executions are "thing#number STATUS" of a job.
func (f *fleet) executions(id string) []string {
	f.t.Helper()
	var all []string
	in := &iot.ListJobExecutionsForJobInput{JobID: job.ID(id)}
	for {
		out := must(f.control.ListJobExecutionsForJob(context.Background(), caller, in))(f.t)
		for _, s := range out.ExecutionSummaries {
			_, name, _ := cutLast(s.ThingARN)
			all = append(all, fmt.Sprintf("%s#%d %s", name, s.JobExecutionSummary.ExecutionNumber, s.JobExecutionSummary.Status))
		}
		if in.NextToken = out.NextToken; in.NextToken == "" {
			slices.Sort(all)
			return all
		}
	}
}

func cutLast(arn string) (string, string, bool) {
	for i := len(arn) - 1; i >= 0; i-- {
		if arn[i] == '/' {
			return arn[:i], arn[i+1:], true
		}
	}
	return arn, "", false
}

func (f *fleet) report(thing, id string, s job.Status) error {
	_, err := f.data.UpdateJobExecution(context.Background(), ops.Caller{Principal: thing}, &jobsdata.UpdateJobExecutionInput{
		ThingName: registry.Name(thing), JobID: job.ID(id), Status: s,
	})
	return err
}

func (f *fleet) want(got, want []string) {
	f.t.Helper()
	if !slices.Equal(got, want) {
		f.t.Errorf("got  %v\nwant %v", got, want)
	}
}

// recount checks a job's counters against its rows.
func (f *fleet) recount(id string) {
	f.t.Helper()
	err := f.store.View(context.Background(), func(tx store.Tx) error {
		j, counted, err := tx.Job(job.ID(id))
		if err != nil {
			return err
		}
		real, err := tx.Recount(j.Key)
		if real != counted {
			f.t.Errorf("job %s: the counters say %v, the rows %v", id, counted, real)
		}
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

func TestAJobOnAThingIsQueuedAndCompletes(t *testing.T) {
	f := newFleet(t)
	f.things("pump-7")
	f.job("fw", "thing/pump-7")
	if j := f.describe("fw"); j.Status != job.JobInProgress || !j.IsConcurrent || len(j.JobProcessDetails.ProcessingTargets) != 1 {
		t.Errorf("before the scheduler ran: %+v", j)
	}
	f.settle()
	f.want(f.executions("fw"), []string{"pump-7#1 QUEUED"})
	if j := f.describe("fw"); j.IsConcurrent || j.JobProcessDetails.ProcessingTargets != nil || j.JobProcessDetails.NumberOfQueuedThings != 1 {
		t.Errorf("after the rollout: %+v", j)
	}
	if err := f.report("pump-7", "fw", job.Succeeded); err != nil {
		t.Fatal(err)
	}
	f.settle()
	if j := f.describe("fw"); j.Status != job.JobCompleted || !j.CompletedAt.Equal(f.dial.now) || j.JobProcessDetails.NumberOfSucceededThings != 1 {
		t.Errorf("after its end: %+v", j)
	}
	f.recount("fw")
}

func TestSettleDoesWhatIsDueAndTellsWhatItDid(t *testing.T) {
	f := newFleet(t)
	var did []string
	f.sched.Did = func(e Event) {
		did = append(did, fmt.Sprintf("%s %s#%d %s->%s", e.Job, e.Thing, e.Number, e.Was, e.Is))
	}
	settle := func(workExpected bool) time.Time {
		t.Helper()
		worked, next, err := f.sched.Settle(t.Context())
		if err != nil || worked != workExpected {
			t.Fatalf("it worked: %v, want %v (%v)", worked, workExpected, err)
		}
		return next
	}
	f.things("a", "b")
	ten := int64(10)
	f.timedJob("fw", &ten, "thing/a", "thing/b")
	settle(true)
	f.want(did, []string{"fw a#1 ->QUEUED", "fw b#1 ->QUEUED"})
	if err := f.report("a", "fw", job.InProgress); err != nil {
		t.Fatal(err)
	}
	settle(true) // the counters have changed
	if next := settle(false); !next.Equal(f.dial.Now().Add(10 * time.Minute)) {
		t.Errorf("next is %s, want ten minutes after %s", next, f.dial.Now())
	}
	did = nil
	f.dial.advance(10 * time.Minute)
	settle(true)
	f.want(did, []string{"fw a#1 IN_PROGRESS->TIMED_OUT"})
	did = nil
	f.cancel("fw", false)
	settle(true)
	f.want(did, []string{"fw b#1 QUEUED->CANCELED"})
	did = nil
	must(f.control.DeleteJob(t.Context(), caller, &iot.DeleteJobInput{JobID: "fw"}))(t)
	settle(true)
	f.want(did, []string{"fw a#1 TIMED_OUT->", "fw b#1 CANCELED->", "fw #0 DELETION_IN_PROGRESS->"})
	if next := settle(false); !next.IsZero() {
		t.Errorf("nothing is left, and %s is due", next)
	}
}

package year

import (
	"fmt"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
	"github.com/drover-iot/drover/internal/year/reference"
)

// character is how a device behaves.
type character uint8

const (
	quick    character = iota
	slow               // reports for hours, with step timers
	failing            // fails more often than not
	refusing           // rejects what it is given, mostly unseen
	silent             // begins and mostly never answers
	away               // is not there for weeks
	confused           // old versions, other numbers, what is over, twice
	characters
)

// shares are how many of a hundred devices are of each character.
var shares = [characters]int{quick: 36, slow: 18, failing: 14, refusing: 5, silent: 11, away: 8, confused: 8}

// device is what drives one thing.
type device struct {
	r         *run
	name      string
	character character
	awayUntil time.Time
	planned   bool // it has something to do at some time
	work      *work
}

// work is what a device is at.
type work struct {
	job       string
	namespace string
	number    int64
	version   int64
	reports   int // still to come
	end       job.Status
}

func (r *run) device(name string) {
	n := r.rnd.IntN(100)
	d := &device{r: r, name: name}
	for n >= shares[d.character] {
		n -= shares[d.character]
		d.character++
	}
	r.fleet[name] = d
}

// notify: a device that hears of its queue looks at it.
func (r *run) notify(e job.Effect) {
	if d := r.fleet[e.Thing]; d != nil && e.Notify && !d.planned {
		d.plan(r.pause(2*time.Minute, 3*time.Hour))
	}
}

// pause draws a time, mostly towards the short end; half of them on whole
// seconds, so that things coincide.
func (r *run) pause(shortest, longest time.Duration) time.Duration {
	f := r.rnd.Float64()
	d := shortest + time.Duration(f*f*f*float64(longest-shortest))
	if r.rnd.IntN(2) == 0 {
		return d.Truncate(time.Minute)
	}
	return d
}

func (d *device) plan(after time.Duration) {
	d.planned = true
	if d.character == away && d.r.rnd.IntN(6) == 0 {
		d.awayUntil = d.r.now().Add(after + time.Duration(d.r.rnd.IntN(21*24))*time.Hour)
	}
	if wait := d.awayUntil.Sub(d.r.now()); wait > after {
		after = wait
	}
	d.r.after(after, d.act)
}

// act is one request of the device, and the plan for the next.
func (d *device) act() {
	d.planned = false
	if d.r.w.Thing(d.name) == nil {
		return
	}
	if d.r.early && !d.atNewest() {
		d.r.settle()
	}
	switch {
	case d.work == nil:
		d.look()
	case d.work.reports > 0:
		d.work.reports--
		d.report(job.InProgress)
	default:
		d.report(d.work.end)
		d.work = nil
	}
	if d.character == confused && !d.r.op.resting && !d.r.early {
		d.blunder()
	}
	switch {
	case d.work != nil && d.character == silent && d.r.rnd.IntN(3) > 0:
		d.work = nil // and that was it
	case d.work != nil && d.character == slow:
		d.plan(d.r.pause(time.Minute, 9*time.Hour))
	case d.work != nil:
		d.plan(d.r.pause(0, 40*time.Minute))
	case len(d.r.w.Queue(d.name, ""))+len(d.r.w.Queue(d.name, namespace)) > 0:
		d.plan(d.r.pause(time.Minute, time.Hour))
	}
}

// atNewest says whether the device is at the newest attempt of its job.
func (d *device) atNewest() bool {
	if d.work == nil {
		return false
	}
	a := d.r.w.Newest(d.work.job, d.name)
	return a != nil && (a.Number == d.work.number || a.Number == d.work.number+1 && a.QueuedAt.Equal(d.r.now()))
}

func (d *device) caller() ops.Caller { return ops.Caller{Principal: d.name} }

// look takes up the next execution, if there is one.
func (d *device) look() {
	if len(d.r.w.Queue(d.name, namespace)) > 0 && (d.r.rnd.IntN(2) == 0 || len(d.r.w.Queue(d.name, "")) == 0) {
		d.lookInNamespace()
		return
	}
	if d.r.rnd.IntN(4) == 0 {
		d.list()
	}
	switch n := d.r.rnd.IntN(10); {
	case d.character == refusing && n < 8 || n == 0:
		d.lookUnseen()
	default:
		d.startNext()
	}
}

// choose says what will become of an execution that the device has begun.
func (d *device) choose(id, in string, number, version int64) {
	w := &work{job: id, namespace: in, number: number, version: version, end: job.Succeeded, reports: d.r.rnd.IntN(2)}
	bad := d.r.op.bad[id]
	switch n := d.r.rnd.IntN(100); {
	case d.r.op.resting && n < 90:
	case d.character == failing && n < 70 || d.character == silent && n < 50 || n < bad || n < 3:
		w.end = job.Failed
	case d.character == refusing && n < 80 || n > 97:
		w.end = job.Rejected
	}
	if d.character == slow {
		w.reports = 1 + d.r.rnd.IntN(4)
	}
	d.work = w
}

func (d *device) details() map[string]string {
	if d.r.rnd.IntN(2) == 0 {
		return nil
	}
	return map[string]string{"step": fmt.Sprint(d.r.rnd.IntN(9))}
}

// step draws a step timer: none, some minutes, or (again) its end.
func (d *device) step(again bool) int64 {
	switch n := d.r.rnd.IntN(10); {
	case d.character != slow && n < 7, n < 4:
		return 0
	case again && n < 6:
		return -1
	}
	return int64(1 + d.r.rnd.IntN(300))
}

func minutes(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

func (d *device) startNext() {
	details, step := d.details(), d.step(false)
	out, err := d.r.s.data.StartNextPendingJobExecution(d.r.ctx, d.caller(), &jobsdata.StartNextPendingJobExecutionInput{
		ThingName: registry.Name(d.name), StatusDetails: details, StepTimeoutInMinutes: minutes(step),
	})
	heads := d.r.w.Heads(d.name, "")
	d.r.same(err, "", "%s start-next", d.name)
	d.r.count["start-next"]++
	if out.Execution == nil {
		if len(heads) > 0 {
			d.r.failf("%s start-next: got nothing, want job %s", d.name, heads[0].Job.ID)
		}
		return
	}
	for _, a := range heads {
		if a.Job.ID == string(out.Execution.JobID) && a.Number == out.Execution.ExecutionNumber {
			d.r.w.Start(a, details, step, d.r.now())
			d.r.checkAttempt(a.Job.ID, d.name)
			d.choose(a.Job.ID, "", a.Number, out.Execution.VersionNumber)
			return
		}
	}
	d.r.failf("%s start-next: got job %s#%d, want one of the %d that may be next", d.name, out.Execution.JobID, out.Execution.ExecutionNumber, len(heads))
}

// lookUnseen takes one by its id, not always the head, and does not start it.
func (d *device) lookUnseen() {
	q := d.r.w.Queue(d.name, "")
	if len(q) == 0 {
		d.startNext()
		return
	}
	a := q[d.r.rnd.IntN(len(q))]
	d.describe(a.Job.ID)
	d.choose(a.Job.ID, "", a.Number, a.Version)
}

func (d *device) lookInNamespace() {
	out, err := d.r.s.data.DescribeJobExecution(d.r.ctx, d.caller(), &jobsdata.DescribeJobExecutionInput{ThingName: registry.Name(d.name), JobID: jobsdata.Next, Namespace: namespace})
	d.r.same(err, "", "%s describe $next of %s", d.name, namespace)
	for _, a := range d.r.w.Heads(d.name, namespace) {
		if out.Execution != nil && a.Job.ID == string(out.Execution.JobID) && a.Number == out.Execution.ExecutionNumber {
			d.choose(a.Job.ID, namespace, a.Number, a.Version)
			return
		}
	}
	d.r.failf("%s describe $next of %s: got %+v", d.name, namespace, out.Execution)
}

func (d *device) describe(id string) {
	_, err := d.r.s.data.DescribeJobExecution(d.r.ctx, d.caller(), &jobsdata.DescribeJobExecutionInput{ThingName: registry.Name(d.name), JobID: job.ID(id)})
	_, want := d.r.w.Describe(id, d.name)
	d.r.same(err, want, "%s describe %s", d.name, id)
}

// list is GetPendingJobExecutions: as many as are shown, in order.
func (d *device) list() {
	out, err := d.r.s.data.GetPendingJobExecutions(d.r.ctx, d.caller(), &jobsdata.GetPendingJobExecutionsInput{ThingName: registry.Name(d.name)})
	d.r.same(err, "", "%s get", d.name)
	var got, want []string
	for _, s := range out.InProgressJobs {
		got = append(got, fmt.Sprintf("IN_PROGRESS %s", stamp(s.QueuedAt)))
	}
	for _, s := range out.QueuedJobs {
		got = append(got, fmt.Sprintf("QUEUED %s", stamp(s.QueuedAt)))
	}
	for _, a := range d.r.w.Queue(d.name, "") {
		want = append(want, fmt.Sprintf("%s %s", a.Status, stamp(a.QueuedAt)))
	}
	want = want[:min(len(want), pendingLimit)]
	if fmt.Sprint(got) != fmt.Sprint(want) {
		d.r.failf("%s get:\ngot  %v\nwant %v", d.name, got, want)
	}
}

// report tells how the work goes, with the version that the device believes in.
func (d *device) report(s job.Status) {
	r := reference.Report{Status: reference.Status(s.String()), Details: d.details()}
	if s == job.InProgress {
		r.Step = d.step(true)
	}
	if d.r.rnd.IntN(3) == 0 {
		r.Expected = &d.work.version
	}
	if d.r.early || d.r.rnd.IntN(3) == 0 {
		r.Number = d.work.number // a retry may be due, and the newest is not yet another
	}
	if d.update(d.work.job, d.work.namespace, s, r) != "" {
		d.work = nil
		return
	}
	d.work.version++
}

func (d *device) update(id, in string, s job.Status, r reference.Report) reference.Code {
	input := &jobsdata.UpdateJobExecutionInput{
		ThingName: registry.Name(d.name), JobID: job.ID(id), Status: s, StatusDetails: r.Details, ExpectedVersion: r.Expected,
		StepTimeoutInMinutes: minutes(r.Step), Namespace: job.Namespace(in),
	}
	if r.Number != 0 {
		input.ExecutionNumber = &r.Number
	}
	_, err := d.r.s.data.UpdateJobExecution(d.r.ctx, d.caller(), input)
	want := d.r.w.Update(id, d.name, r, d.r.now())
	d.r.same(err, want, "%s update %s %s number=%d", d.name, id, s, r.Number)
	d.r.checkAttempt(id, d.name)
	d.r.count["updates"]++
	if want != "" {
		d.r.count["updates refused"]++
	}
	return want
}

// blunder is what a device should not do.
func (d *device) blunder() {
	jobs := d.r.w.Jobs()
	if len(jobs) == 0 {
		return
	}
	id := jobs[d.r.rnd.IntN(len(jobs))].ID
	s := job.Statuses()[d.r.rnd.IntN(len(job.Statuses()))]
	r := reference.Report{Status: reference.Status(s.String())}
	switch d.r.rnd.IntN(4) {
	case 0:
		d.describe(id)
		return
	case 1:
		wrong := int64(d.r.rnd.IntN(4))
		r.Expected = &wrong
	case 2:
		r.Number = int64(1 + d.r.rnd.IntN(4))
	}
	d.update(id, "", s, r)
}

package year

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/wire/iot"
	"github.com/drover-iot/drover/internal/year/reference"
)

// operator is what the operator remembers.
type operator struct {
	made    int
	bad     map[string]int // of a hundred executions of a job, how many fail
	resting bool
}

// deed is something that the operator does about so many times in ten days.
type deed struct {
	often int
	do    func(*run)
}

var deeds = []deed{
	{14, (*run).newJob},
	{4, (*run).oldName},
	{60, (*run).someoneJoins},
	{60, (*run).someoneLeaves},
	{90, (*run).movesBetween},
	{60, (*run).movesOver},
	{3, (*run).cancelSome},
	{6, (*run).escalate},
	{8, (*run).changeJob},
	{5, (*run).associate},
	{15, (*run).cancelExecution},
	{9, (*run).deleteExecution},
	{8, (*run).cleanUp},
	{2, (*run).deleteInTheMiddle},
	{20, (*run).thingGoes},
	{20, (*run).thingComes},
	{10, (*run).groupAnew},
}

// operatorsDay plans what the operator does today; on the first there is much to do.
func (r *run) operatorsDay() {
	if r.op.made == 0 {
		for range 8 {
			r.today((*run).newJob)
		}
	}
	for _, d := range deeds {
		often := d.often * r.busy // in a thousand days
		n := often / 1000
		if r.rnd.IntN(1000) < often%1000 {
			n++
		}
		for range n {
			r.today(d.do)
		}
	}
}

// today plans a deed for some time of the day.
func (r *run) today(deed func(*run)) {
	r.after(r.hour(), func() {
		if r.op.resting {
			return
		}
		r.settle()
		deed(r)
		if r.rnd.IntN(3) == 0 {
			r.meanwhile()
		}
		r.settle()
	})
}

// meanwhile has devices act after an operator's deed and before the scheduler has
// worked it off: what a job's state hides is hidden at once.
func (r *run) meanwhile() {
	for range 3 {
		d := r.fleet[r.pick(r.names())]
		if d.planned && d.work != nil && d.r.w.Thing(d.name) != nil && d.r.now().After(d.awayUntil) {
			d.report(job.InProgress)
		}
	}
}

// aJob draws a job that is there and of which ok is true; nil: there is none.
func (r *run) aJob(ok func(*reference.Job) bool) *reference.Job {
	var some []*reference.Job
	for _, j := range r.w.Jobs() {
		if ok(j) {
			some = append(some, j)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return some[r.rnd.IntN(len(some))]
}

func isActive(j *reference.Job) bool { return j.Status == reference.Active }
func anyJob(*reference.Job) bool     { return true }

// anAttempt draws a status and then an execution of the job that has it, so that
// the rare ones are not rare here: of a thing that is there, and only the newest of
// each if asked.
func (r *run) anAttempt(j *reference.Job, newest bool) *reference.Attempt {
	by := map[reference.Status][]*reference.Attempt{}
	for _, a := range j.Attempts() {
		if r.w.Thing(a.Thing.Name) == a.Thing && (!newest || r.w.Newest(j.ID, a.Thing.Name) == a) {
			by[a.Status] = append(by[a.Status], a)
		}
	}
	if len(by) == 0 {
		return nil
	}
	statuses := sorted(by)
	some := by[statuses[r.rnd.IntN(len(statuses))]]
	slices.SortFunc(some, func(a, b *reference.Attempt) int {
		return cmp.Or(cmp.Compare(a.Thing.Name, b.Thing.Name), cmp.Compare(a.Number, b.Number))
	})
	return some[r.rnd.IntN(len(some))]
}

// someAttempts draws some of a job's newest executions, maybe one twice.
func (r *run) someAttempts(j *reference.Job) (some []*reference.Attempt) {
	for range 5 {
		if a := r.anAttempt(j, true); a != nil {
			some = append(some, a)
		}
	}
	return some
}

func (r *run) newJob() {
	r.op.made++
	r.createJob(r.config(fmt.Sprintf("job-%03d", r.op.made)))
}

// oldName creates a job under a name that may be taken, or free again.
func (r *run) oldName() {
	if r.op.made > 0 {
		r.createJob(r.config(fmt.Sprintf("job-%03d", 1+r.rnd.IntN(r.op.made))))
	}
}

func (r *run) createJob(c reference.Config) {
	if r.op.bad == nil {
		r.op.bad = map[string]int{}
	}
	_, err := r.s.control.CreateJob(r.ctx, caller, createShape(c))
	code := r.w.CreateJob(c, r.now())
	r.same(err, code, "CreateJob %+v", c)
	if code != "" {
		r.count["jobs refused"]++
		return
	}
	r.count["jobs"]++
	for range 8 {
		r.duringRollout(c)
	}
	r.op.bad[c.ID] = int(oneOf(r, 0, 0, 5, 25, 60, 100))
}

// duringRollout plans a change of a job or of its targets while it is rolled out.
func (r *run) duringRollout(c reference.Config) {
	r.after(r.pause(time.Second, 12*time.Minute), func() {
		if r.op.resting {
			return
		}
		r.settle()
		target := c.Targets[r.rnd.IntN(len(c.Targets))]
		var members []*reference.Thing
		if target.Group {
			members = r.w.Members(target.Name)
		}
		switch j, n := r.w.Job(c.ID), r.rnd.IntN(20); {
		case n < 4 && j != nil:
			r.change(j)
		case n < 10 && target.Group:
			r.join(target.Name, r.pick(r.names()))
		case len(members) > 0:
			r.unsettle(members[r.rnd.IntN(len(members))])
		}
		r.settle()
	})
}

func (r *run) cancel(j *reference.Job, force bool) {
	reason, comment := "", ""
	if r.rnd.IntN(2) == 0 {
		reason, comment = "CHANGED_MIND", "not today"
	}
	some := r.someAttempts(j)
	_, err := r.s.control.CancelJob(r.ctx, caller, &iot.CancelJobInput{JobID: job.ID(j.ID), Force: force, ReasonCode: reason, Comment: comment})
	r.same(err, r.w.CancelJob(j.ID, force, reason, comment, r.now()), "CancelJob %s force=%v", j.ID, force)
	r.count["cancels"]++
	for _, a := range some { // they are so at once, before the scheduler has come to them
		r.checkAttempt(j.ID, a.Thing.Name)
	}
}

func (r *run) cancelSome() {
	if j := r.aJob(func(j *reference.Job) bool { return isActive(j) || r.rnd.IntN(20) == 0 }); j != nil {
		r.cancel(j, r.rnd.IntN(2) == 0)
	}
}

func (r *run) escalate() {
	if j := r.aJob(func(j *reference.Job) bool { return j.Status == reference.Cancelled }); j != nil {
		r.cancel(j, true)
	}
}

func (r *run) changeJob() {
	j := r.aJob(func(j *reference.Job) bool { return isActive(j) || r.rnd.IntN(20) == 0 })
	if j != nil {
		r.change(j)
	}
}

func (r *run) change(j *reference.Job) {
	var c reference.Change
	if r.rnd.IntN(2) == 0 {
		x := r.rollout()
		if x != (reference.Rollout{}) {
			c.Rollout = &x
		}
	}
	if r.rnd.IntN(3) == 0 {
		c.Abort = r.abort()
	}
	if r.rnd.IntN(2) == 0 {
		c.Minutes = r.minutes()
	}
	switch r.rnd.IntN(6) {
	case 0:
		c.Retries = []reference.Retries{{Failure: "ALL"}}
	case 1:
		c.Retries = []reference.Retries{{Failure: "ALL", Number: 1}}
	}
	in := &iot.UpdateJobInput{JobID: job.ID(j.ID), AbortConfig: abortShape(c.Abort), TimeoutConfig: timeoutShape(c.Minutes), JobExecutionsRetryConfig: retriesShape(c.Retries)}
	if c.Rollout != nil {
		in.JobExecutionsRolloutConfig = rolloutShape(*c.Rollout)
	}
	_, err := r.s.control.UpdateJob(r.ctx, caller, in)
	r.same(err, r.w.UpdateJob(j.ID, c, r.now()), "UpdateJob %s rate=%v abort=%v minutes=%d retries=%v", j.ID, c.Rollout != nil, c.Abort, c.Minutes, c.Retries)
}

func (r *run) associate() {
	j := r.aJob(func(j *reference.Job) bool { return isActive(j) && j.Forever || r.rnd.IntN(30) == 0 })
	if j == nil {
		return
	}
	more := r.targets()
	if len(j.Targets)+len(more) > job.MaxTargets {
		return
	}
	_, err := r.s.control.AssociateTargetsWithJob(r.ctx, caller, &iot.AssociateTargetsWithJobInput{JobID: job.ID(j.ID), Targets: arns(more), Comment: "more of it"})
	r.same(err, r.w.Associate(j.ID, more, "more of it", r.now()), "AssociateTargetsWithJob %s %v", j.ID, more)
}

func (r *run) cancelExecution() {
	continuous := r.rnd.IntN(2) == 0
	j := r.aJob(func(j *reference.Job) bool { return !continuous || isActive(j) && j.Forever })
	if j == nil {
		return
	}
	a := r.anAttempt(j, true)
	if a == nil {
		return
	}
	in := &iot.CancelJobExecutionInput{JobID: job.ID(j.ID), ThingName: registry.Name(a.Thing.Name), Force: r.rnd.IntN(2) == 0}
	if r.rnd.IntN(3) == 0 {
		version := a.Version + int64(r.rnd.IntN(2))
		in.ExpectedVersion = &version
	}
	if r.rnd.IntN(3) == 0 {
		in.StatusDetails = job.Details{"why": "service"}
	}
	_, err := r.s.control.CancelJobExecution(r.ctx, caller, in)
	r.same(err, r.w.CancelExecution(j.ID, a.Thing.Name, in.Force, in.ExpectedVersion, in.StatusDetails, r.now()), "CancelJobExecution %s %s force=%v", j.ID, a.Thing.Name, in.Force)
	r.checkAttempt(j.ID, a.Thing.Name)
}

func (r *run) deleteExecution() {
	j := r.aJob(anyJob)
	if j == nil {
		return
	}
	a := r.anAttempt(j, false)
	if a == nil {
		return
	}
	force, number := r.rnd.IntN(2) == 0, a.Number
	if r.rnd.IntN(10) == 0 {
		number += 5
	}
	_, err := r.s.control.DeleteJobExecution(r.ctx, caller, &iot.DeleteJobExecutionInput{JobID: job.ID(j.ID), ThingName: registry.Name(a.Thing.Name), ExecutionNumber: number, Force: force})
	r.same(err, r.w.DeleteExecution(j.ID, a.Thing.Name, number, force), "DeleteJobExecution %s %s#%d force=%v", j.ID, a.Thing.Name, number, force)
	r.checkAttempt(j.ID, a.Thing.Name)
}

func (r *run) deleteJob(j *reference.Job, force bool) {
	_, err := r.s.control.DeleteJob(r.ctx, caller, &iot.DeleteJobInput{JobID: job.ID(j.ID), Force: force})
	r.same(err, r.w.DeleteJob(j.ID, force, r.now()), "DeleteJob %s force=%v", j.ID, force)
}

// cleanUp deletes what is over for some days, and cancels what does not end.
func (r *run) cleanUp() {
	for _, j := range r.w.Jobs() {
		age := r.now().Sub(j.LastUpdatedAt)
		switch {
		case !isActive(j) && age > 5*24*time.Hour:
			r.deleteJob(j, false)
			r.settle()
		case isActive(j) && r.now().Sub(j.CreatedAt) > 40*24*time.Hour:
			r.cancel(j, false)
			r.settle()
		}
	}
}

func (r *run) deleteInTheMiddle() {
	if j := r.aJob(anyJob); j != nil {
		r.deleteJob(j, r.rnd.IntN(3) > 0)
	}
}

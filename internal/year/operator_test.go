package year

import (
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
	{30, (*run).someoneJoins},
	{30, (*run).someoneLeaves},
	{40, (*run).movesBetween},
	{3, (*run).cancelSome},
	{3, (*run).escalate},
	{8, (*run).changeJob},
	{5, (*run).associate},
	{9, (*run).cancelExecution},
	{9, (*run).deleteExecution},
	{8, (*run).cleanUp},
	{2, (*run).deleteInTheMiddle},
	{5, (*run).thingGoes},
	{5, (*run).thingComes},
	{2, (*run).groupAnew},
}

// operatorsDay plans what the operator does today.
func (r *run) operatorsDay() {
	for _, d := range deeds {
		often := d.often * r.busy // in a thousand days
		n := often / 1000
		if r.rnd.IntN(1000) < often%1000 {
			n++
		}
		for range n {
			r.after(r.hour(), func() {
				if r.op.resting {
					return
				}
				r.settle()
				d.do(r)
				if r.rnd.IntN(3) == 0 {
					r.meanwhile()
				}
				r.settle()
			})
		}
	}
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

// anAttempt draws a thing that has the job.
func (r *run) anAttempt(j *reference.Job) *reference.Attempt {
	var living []*reference.Attempt
	for _, a := range j.Attempts() {
		if r.w.Thing(a.Thing.Name) == a.Thing {
			living = append(living, a)
		}
	}
	if len(living) == 0 {
		return nil
	}
	slices.SortFunc(living, func(a, b *reference.Attempt) int {
		if a.Thing.Name != b.Thing.Name {
			return slices.Compare([]byte(a.Thing.Name), []byte(b.Thing.Name))
		}
		return int(a.Number - b.Number)
	})
	return living[r.rnd.IntN(len(living))]
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
	for range 3 {
		r.duringRollout(c)
	}
	r.op.bad[c.ID] = int(oneOf(r, 0, 0, 5, 25, 60))
}

// duringRollout plans a change of a job's targets while they are rolled out.
func (r *run) duringRollout(c reference.Config) {
	target := c.Targets[r.rnd.IntN(len(c.Targets))]
	if !target.Group {
		return
	}
	r.after(r.pause(time.Second, 12*time.Minute), func() {
		if r.op.resting {
			return
		}
		r.settle()
		members := r.w.Members(target.Name)
		switch t := r.w.Thing(r.pick(r.names())); {
		case r.rnd.IntN(2) == 0 && len(members) > 0:
			r.leave(target.Name, members[r.rnd.IntN(len(members))].Name)
		case t != nil && len(t.Groups()) < registry.MaxGroups:
			r.join(target.Name, t.Name)
		}
		r.settle()
	})
}

// anyone draws a thing; half of the time one that has a job, CONTINUOUS if forever,
// to do.
func (r *run) anyone(forever bool) string {
	if r.rnd.IntN(2) == 0 {
		j := r.aJob(func(j *reference.Job) bool { return isActive(j) && j.Forever == forever && len(j.Attempts()) > 0 })
		if j != nil {
			if a := r.anAttempt(j); a != nil {
				return a.Thing.Name
			}
		}
	}
	return r.pick(r.names())
}

func (r *run) someoneJoins() {
	name := r.pick(r.names())
	if t := r.w.Thing(name); t != nil && len(t.Groups()) < registry.MaxGroups {
		r.join(r.pick(groupNames()), name)
	}
}

func (r *run) someoneLeaves() {
	if t := r.w.Thing(r.anyone(true)); t != nil && len(t.Groups()) > 0 {
		r.leave(r.pick(t.Groups()), t.Name)
	}
}

// movesBetween: leaves a group and comes back, or the other way round, within some
// hours, so that rejoining is common.
func (r *run) movesBetween() {
	t := r.w.Thing(r.anyone(true))
	if t == nil || len(t.Groups()) == 0 {
		return
	}
	group := r.pick(t.Groups())
	r.leave(group, t.Name)
	r.after(r.pause(time.Minute, 30*time.Hour), func() {
		if again := r.w.Thing(t.Name); again != nil && len(again.Groups()) < registry.MaxGroups && !r.op.resting {
			r.settle()
			r.join(group, t.Name)
			r.settle()
		}
	})
}

func (r *run) join(group, thing string) {
	_, err := r.s.control.AddThingToThingGroup(r.ctx, caller, &iot.AddThingToThingGroupInput{ThingGroupName: registry.GroupName(group), ThingName: registry.Name(thing)})
	r.same(err, r.w.Join(group, thing, r.now()), "%s joins %s", thing, group)
}

func (r *run) leave(group, thing string) {
	_, err := r.s.control.RemoveThingFromThingGroup(r.ctx, caller, &iot.RemoveThingFromThingGroupInput{ThingGroupName: registry.GroupName(group), ThingName: registry.Name(thing)})
	r.same(err, r.w.Leave(group, thing, r.now()), "%s leaves %s", thing, group)
}

func (r *run) createGroup(name string) {
	_, err := r.s.control.CreateThingGroup(r.ctx, caller, &iot.CreateThingGroupInput{ThingGroupName: registry.GroupName(name)})
	r.w.CreateGroup(name)
	r.same(err, "", "CreateThingGroup %s", name)
}

func (r *run) createThing(name string) {
	_, err := r.s.control.CreateThing(r.ctx, caller, &iot.CreateThingInput{ThingName: registry.Name(name)})
	r.w.CreateThing(name)
	r.same(err, "", "CreateThing %s", name)
	r.device(name)
}

func (r *run) thingGoes() {
	name := r.anyone(r.rnd.IntN(2) == 0)
	_, err := r.s.control.DeleteThing(r.ctx, caller, &iot.DeleteThingInput{ThingName: registry.Name(name)})
	r.w.DeleteThing(name, r.now())
	r.same(err, "", "DeleteThing %s", name)
}

// thingComes: a name that is free lives again, as another thing.
func (r *run) thingComes() {
	for _, name := range r.names() {
		if r.w.Thing(name) == nil {
			r.createThing(name)
			r.join(fmt.Sprintf("region-%d", r.rnd.IntN(regions)), name)
			r.settle()
			r.join(fmt.Sprintf("line-%02d", r.rnd.IntN(lines)), name)
			return
		}
	}
}

// groupAnew: a group is deleted, and made again under its name.
func (r *run) groupAnew() {
	name := fmt.Sprintf("pilot-%d", r.rnd.IntN(pilots))
	members := r.w.Members(name)
	_, err := r.s.control.DeleteThingGroup(r.ctx, caller, &iot.DeleteThingGroupInput{ThingGroupName: registry.GroupName(name)})
	r.w.DeleteGroup(name, r.now())
	r.same(err, "", "DeleteThingGroup %s", name)
	r.settle()
	r.createGroup(name)
	for _, t := range members {
		if r.rnd.IntN(2) == 0 {
			r.join(name, t.Name)
			r.settle()
		}
	}
}

func (r *run) cancel(j *reference.Job, force bool) {
	reason, comment := "", ""
	if r.rnd.IntN(2) == 0 {
		reason, comment = "CHANGED_MIND", "not today"
	}
	_, err := r.s.control.CancelJob(r.ctx, caller, &iot.CancelJobInput{JobID: job.ID(j.ID), Force: force, ReasonCode: reason, Comment: comment})
	r.same(err, r.w.CancelJob(j.ID, force, reason, comment, r.now()), "CancelJob %s force=%v", j.ID, force)
	r.count["cancels"]++
}

func (r *run) cancelSome() {
	if j := r.aJob(func(j *reference.Job) bool { return isActive(j) || r.rnd.IntN(20) == 0 }); j != nil {
		r.cancel(j, r.rnd.IntN(3) == 0)
	}
}

func (r *run) escalate() {
	if j := r.aJob(func(j *reference.Job) bool { return j.Status == reference.Cancelled }); j != nil {
		r.cancel(j, true)
	}
}

func (r *run) changeJob() {
	j := r.aJob(func(j *reference.Job) bool { return isActive(j) || r.rnd.IntN(20) == 0 })
	if j == nil {
		return
	}
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
	j := r.aJob(anyJob)
	if j == nil {
		return
	}
	a := r.anAttempt(j)
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
	a := r.anAttempt(j)
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

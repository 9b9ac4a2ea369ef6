package crash

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/drover-iot/drover/internal/sim/operator"
)

// standing is how sure a fact is.
type standing int

const (
	no   standing = iota
	open          // asked for, and not answered
	yes
)

// jobFact is the ledger's knowledge of a job.
type jobFact struct {
	id       string
	document string
	things   []string // each must get it, once
	// executions are known one by one where devices work on them; nil where
	// nobody does: then all of them are QUEUED at version 1, or CANCELED at 2.
	executions map[string]*execution

	made, canceled, deleted standing
	force, forceAsked       bool // of the cancellation
	handedOut               bool // before it was canceled, so that no thing may be without it
	asks                    int  // to cancel it, that may have been granted
	done                    bool // it ended, and was looked at since
}

// overtaken says whether somebody else than the device may have ended the
// execution, so that the device is refused.
func (j *jobFact) overtaken(e *execution) bool {
	if j.canceled != no || j.deleted != no || len(e.sure) > 0 {
		return true
	}
	return slices.ContainsFunc(e.open, func(c change) bool { return strings.HasPrefix(c.name, "cancel") || strings.HasPrefix(c.name, "delete") })
}

// newJob enters a job that is about to be made.
func (r *round) newJob(kind string, things []string, worked bool) *jobFact {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made++
	j := &jobFact{
		id: fmt.Sprintf("%s-%04d", kind, r.made), things: things, made: open,
		document: fmt.Sprintf(`{"operation":"test","filler":%q}`, strings.Repeat("x", r.made%7*100)),
	}
	if worked {
		j.executions = map[string]*execution{}
		for _, thing := range things {
			j.executions[thing] = &execution{is: state{"QUEUED", 1, 0}}
		}
	}
	r.jobs[j.id], r.dirty[j.id] = j, true
	return j
}

// create makes the job.
func (r *round) create(j *jobFact, targets []string, timeout int64) (outcome, error) {
	o, err := r.request("CreateJob", func(ctx context.Context) error {
		return r.api.CreateJob(ctx, operator.Job{ID: j.id, Targets: targets, Document: j.document, Timeout: timeout})
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	switch o {
	case accepted:
		j.made = yes
	case refused:
		delete(r.jobs, j.id)
		r.find(wrong, "CreateJob of %s was refused: %v", j.id, err)
	}
	return o, err
}

// prepare makes a job and waits until it is handed out: for a setup.
func (r *round) prepare(kind, group string, things []string, worked bool) (*jobFact, error) {
	j := r.newJob(kind, things, worked)
	if _, err := r.create(j, []string{r.groups[group]}, 0); err != nil {
		return nil, err
	}
	_, err := r.quiet(j)
	r.mu.Lock()
	defer r.mu.Unlock()
	j.handedOut = true
	return j, err
}

// quiet waits until the service has nothing more to do for the job.
func (r *round) quiet(j *jobFact) (got operator.JobCounts, err error) {
	err = until(r.ctx, j.id+" is still handed out or swept", func() (bool, error) {
		got, err = r.api.DescribeJob(r.ctx, j.id)
		return !got.IsConcurrent, err
	})
	if missing(err) {
		r.find(lost, "%s was made, and is not there: %v", j.id, err)
	}
	return got, err
}

// cancel and remove are the operator's requests of a whole job.
func (r *round) cancel(j *jobFact, force bool) outcome {
	r.mu.Lock()
	before := j.canceled
	if before == no {
		j.canceled = open
	}
	j.forceAsked = j.forceAsked || force
	j.asks++
	r.dirty[j.id] = true
	r.mu.Unlock()
	o, err := r.request("CancelJob", func(ctx context.Context) error { return r.api.CancelJob(ctx, j.id, force) })
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case o == accepted:
		r.wasCanceled(j, force)
	case o == refused && j.deleted == no && !strings.Contains(err.Error(), "COMPLETED"):
		r.find(wrong, "CancelJob of %s was refused: %v", j.id, err)
		fallthrough
	case o == refused:
		j.canceled = before
		j.asks--
	}
	return o
}

// wasCanceled notes it; mu is held.
func (r *round) wasCanceled(j *jobFact, force bool) {
	j.canceled, j.force = yes, j.force || force
	for _, e := range j.executions {
		e.sure = append(e.sure, cancelled(force))
	}
}

func (r *round) remove(j *jobFact) outcome {
	r.mu.Lock()
	j.deleted = open
	r.dirty[j.id] = true
	r.mu.Unlock()
	o, err := r.request("DeleteJob", func(ctx context.Context) error { return r.api.DeleteJob(ctx, j.id, true) })
	r.mu.Lock()
	defer r.mu.Unlock()
	switch o {
	case accepted:
		j.deleted = yes
	case refused:
		j.deleted = no
		r.find(wrong, "DeleteJob of %s was refused: %v", j.id, err)
	}
	return o
}

// verifyJobs looks at the jobs that may have changed, and at some others.
func (r *round) verifyJobs(all bool) error {
	var look []*jobFact
	for _, id := range slices.Sorted(maps.Keys(r.jobs)) {
		if j := r.jobs[id]; all || r.dirty[id] || !j.done && j.executions != nil || r.rnd.IntN(20) == 0 {
			look = append(look, j)
		}
	}
	if err := each(look, r.verifyJob); err != nil {
		return err
	}
	started := map[*start][]string{}
	for _, j := range look {
		for _, thing := range slices.Sorted(maps.Keys(j.executions)) {
			for _, c := range r.explained[j.executions[thing]] {
				if c.start != nil {
					started[c.start] = append(started[c.start], j.id+" of "+thing)
				}
			}
		}
	}
	for _, both := range started {
		if len(both) > 1 {
			r.find(doubled, "one start-next that was not answered has started %v", both)
		}
	}
	r.explained = map[*execution][]change{}
	return each(r.devices, r.verifyList)
}

// verifyJob holds one job against the server.
func (r *round) verifyJob(j *jobFact) error {
	there, err := r.verifyFate(j)
	if err != nil || !there {
		return err
	}
	if _, err := r.quiet(j); err != nil {
		return fmt.Errorf("%s: %w", j.id, err)
	}
	document, err := r.api.Document(r.ctx, j.id)
	if err != nil {
		return err
	}
	if document != j.document {
		r.find(lost, "the document of %s is %.60q, it was made with %.60q", j.id, document, j.document)
	}
	list, err := r.api.JobExecutions(r.ctx, j.id)
	if err != nil {
		return err
	}
	var counted operator.JobCounts
	have, targets := map[string]string{}, map[string]bool{}
	for _, thing := range j.things {
		targets[thing] = true
	}
	for _, e := range list {
		if have[e.Thing] != "" {
			r.find(doubled, "%s has two executions of %s", e.Thing, j.id)
		}
		if e.Number != 1 || !targets[e.Thing] {
			r.find(wrong, "%s has execution %d of %s, which targets %d others", e.Thing, e.Number, j.id, len(j.things))
		}
		have[e.Thing] = e.Status
		counted.Count(e.Status, 1)
	}
	r.checked()
	if j.executions != nil {
		err = r.verifyExecutions(j)
	} else {
		err = r.verifyUntouched(j, have)
	}
	if err != nil {
		return err
	}
	r.mustTellOf(j, list)
	return r.verifyCounts(j, counted)
}

// mustTellOf notes what must have been told of a job that is there.
func (r *round) mustTellOf(j *jobFact, list []operator.JobExecution) {
	r.mustTellEnds(j.id, list)
	for thing, e := range j.executions {
		if e.is == gone {
			r.mustTell(due{job: j.id, thing: thing, operations: map[string]times{"deleted": once}, loosely: true})
		}
	}
}

// verifyFate finds out whether the job is there, and as what; a job that is
// being deleted is waited for.
func (r *round) verifyFate(j *jobFact) (there bool, err error) {
	got, err := r.api.DescribeJob(r.ctx, j.id)
	if err != nil && !missing(err) {
		return false, err
	}
	r.checked()
	absent := missing(err)
	going := got.Status == "DELETION_IN_PROGRESS"
	switch {
	case absent && (j.deleted != no || j.made == open):
		if j.deleted == open {
			r.applied(1)
		}
		r.wasDeleted(j)
		return false, nil
	case absent:
		r.find(lost, "%s was made, and is not there", j.id)
		r.forget(j)
		return false, nil
	case going && j.deleted != no:
		err := r.absent(j)
		r.wasDeleted(j)
		return false, err
	case going || j.deleted == yes:
		r.find(lost, "%s is %s; its deletion: %v (2 is acknowledged)", j.id, got.Status, j.deleted)
	}
	if j.made == open || j.deleted == open {
		r.applied(boolInt(j.made == open))
		j.made, j.deleted = yes, no
	}
	r.verifyCanceled(j, got)
	return true, nil
}

// absent waits until a job that is being deleted is gone.
func (r *round) absent(j *jobFact) error {
	return until(r.ctx, j.id+" is being deleted", func() (bool, error) {
		_, err := r.api.DescribeJob(r.ctx, j.id)
		if missing(err) {
			return true, nil
		}
		return false, err
	})
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (r *round) verifyCanceled(j *jobFact, got operator.JobCounts) {
	is := got.Status == "CANCELED"
	switch {
	case is && j.canceled == open:
		r.mu.Lock()
		r.wasCanceled(j, got.ForceCanceled)
		r.mu.Unlock()
		r.applied(1)
	case is && j.canceled == yes && got.ForceCanceled && !j.force && j.forceAsked:
		r.mu.Lock()
		r.wasCanceled(j, true)
		r.mu.Unlock()
		r.applied(1)
	case is && j.canceled == yes && got.ForceCanceled != j.force:
		r.find(lost, "%s is CANCELED with force %v, acknowledged was %v", j.id, got.ForceCanceled, j.force)
	case is != (j.canceled == yes) && j.canceled != open:
		r.find(lost, "%s is %s; its cancellation: %v (2 is acknowledged)", j.id, got.Status, j.canceled)
	case j.canceled == open:
		j.canceled, j.asks = no, 0
	}
	j.forceAsked = j.force
}

// wasDeleted forgets a job, after what must have been told of it.
func (r *round) wasDeleted(j *jobFact) {
	r.forget(j)
	if j.deleted == no {
		return // it was never made
	}
	r.mustTell(due{job: j.id, operations: map[string]times{"deletion_in_progress": once, "deleted": once}, loosely: true})
	told := times{boolInt(j.handedOut), 1}
	for _, thing := range j.things {
		r.mustTell(due{job: j.id, thing: thing, operations: map[string]times{"deleted": told}, loosely: true})
	}
}

func (r *round) forget(j *jobFact) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.jobs, j.id)
}

// verifyExecutions holds each execution of a job against the ledger.
func (r *round) verifyExecutions(j *jobFact) error {
	for _, thing := range j.things {
		e := j.executions[thing]
		got, err := r.readState(thing, j.id)
		if err != nil {
			return err
		}
		r.checked()
		if got == gone && j.canceled == yes && !j.handedOut && e.is == (state{"QUEUED", 1, 0}) {
			delete(j.executions, thing) // its turn never came
			continue
		}
		applied, v, why := e.judge(got)
		r.applied(len(applied))
		if v != "" {
			r.find(v, "%s of %s is %s", j.id, thing, why)
		}
		r.mu.Lock()
		r.explained[e] = applied
		r.mu.Unlock()
	}
	if j.canceled == no {
		j.handedOut = true
	}
	return nil
}

func (r *round) readState(thing, id string) (state, error) {
	got, err := r.api.DescribeExecution(r.ctx, thing, id)
	if missing(err) {
		return gone, nil
	}
	if err != nil {
		return gone, err
	}
	out := state{status: got.Status, version: got.Version}
	if text, ok := got.StatusDetails.Map["n"]; ok {
		out.mark, err = strconv.Atoi(text)
	}
	return out, err
}

// verifyUntouched looks at a job on which nobody works.
func (r *round) verifyUntouched(j *jobFact, have map[string]string) error {
	want := state{"QUEUED", 1, 0}
	if j.canceled == yes {
		want = state{"CANCELED", 2, 0}
	}
	for _, thing := range j.things {
		switch have[thing] {
		case want.status:
		case "":
			if j.canceled != yes || j.handedOut {
				r.find(lost, "%s has no execution of %s", thing, j.id)
			}
		default:
			r.find(lost, "%s of %s is %s, want %s", j.id, thing, have[thing], want.status)
		}
	}
	for range 4 {
		thing := j.things[r.drawn(len(j.things))]
		if have[thing] == "" {
			continue
		}
		got, err := r.readState(thing, j.id)
		if err != nil {
			return err
		}
		if r.checked(); got.version > want.version {
			r.find(doubled, "%s of %s is %+v, want %+v", j.id, thing, got, want)
		} else if got != want {
			r.find(lost, "%s of %s is %+v, want %+v", j.id, thing, got, want)
		}
	}
	if j.canceled == no {
		j.handedOut = true
	}
	return nil
}

func (r *round) drawn(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rnd.IntN(n)
}

// verifyCounts holds the job's counters against its executions, and its status
// against both: it is COMPLETED when none is left.
func (r *round) verifyCounts(j *jobFact, counted operator.JobCounts) error {
	got, err := r.api.DescribeJob(r.ctx, j.id)
	if err != nil {
		return err
	}
	sums := got
	sums.Status, sums.ForceCanceled, sums.IsConcurrent = "", false, false
	if sums != counted {
		r.find(wrong, "%s counts %+v, its executions are %+v", j.id, sums, counted)
	}
	left := counted.Queued + counted.InProgress
	switch {
	case got.Status == "COMPLETED" && left > 0:
		r.find(wrong, "%s is COMPLETED with %d executions left", j.id, left)
	case got.Status == "IN_PROGRESS" && left == 0:
		err = until(r.ctx, j.id+" has no execution left and is not COMPLETED", func() (bool, error) {
			got, err := r.api.DescribeJob(r.ctx, j.id)
			return got.Status == "COMPLETED", err
		})
	}
	told := map[string]times{}
	switch {
	case j.canceled == yes: // and with force, perhaps, later
		told["cancellation_in_progress"], told["canceled"] = times{1, j.asks}, times{1, j.asks}
	case left == 0:
		told["completed"] = once
	}
	r.mustTell(due{job: j.id, operations: told})
	r.mu.Lock()
	defer r.mu.Unlock()
	j.done = left == 0
	return err
}

// verifyList holds a thing's list against the ledger.
func (r *round) verifyList(d *device) error {
	list, err := r.api.Executions(r.ctx, d.thing)
	if err != nil {
		return err
	}
	r.checked()
	seen := map[string]bool{}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range list {
		j := r.jobs[e.JobID]
		switch {
		case seen[e.JobID]:
			r.find(doubled, "%s has %s twice", d.thing, e.JobID)
		case j == nil:
			r.find(lost, "%s has execution %d of %s, a job that is not there", d.thing, e.Number, e.JobID)
		}
		seen[e.JobID] = true
	}
	for id, j := range r.jobs {
		if e := j.executions[d.thing]; e != nil && e.is != gone && !seen[id] {
			r.find(lost, "%s has no execution of %s in its list", d.thing, id)
		}
	}
	return nil
}

package job

import (
	"slices"
	"time"
)

// Update is what UpdateJob asks to change; what is nil or empty stays.
type Update struct {
	Description       string
	Rollout           *Rollout // with its limit in force
	Abort             AbortPolicy
	InProgressMinutes int64
	Retry             RetryPolicy
}

// Update changes a job that is not over. A new time-out is for the executions
// that have not started; a new rate keeps what the last minute has had. Errors:
// InvalidRequest (control-plane.md A.3 UpdateJob).
func (j Job) Update(u Update, now time.Time) (Job, error) {
	if j.Status != JobInProgress && j.Status != JobScheduled {
		return j, Errorf(InvalidRequest, "Job %s cannot be updated: it is %s, expected IN_PROGRESS or SCHEDULED", j.ID, j.Status)
	}
	if u.Retry != nil {
		stopped, err := j.Retry.Stopped(u.Retry)
		if err != nil {
			return j, err
		}
		j.Retry, j.Retries = stopped, stopped.Budget()
	}
	if u.Description != "" {
		j.Description = u.Description
	}
	if u.Rollout != nil {
		j.Rollout = *u.Rollout
		j.Expansion.Stats.Steps = 0 // counted anew, by the new criteria
	}
	if u.Abort != nil {
		j.Abort = u.Abort
	}
	if u.InProgressMinutes > 0 {
		j.InProgressMinutes = u.InProgressMinutes
	}
	j.LastUpdatedAt = now
	return j, nil
}

// Associate adds targets to a CONTINUOUS job, which are rolled out at its rate,
// pinned to the membership sequence pin; those it has already make no difference,
// nor does what a thing had up to the queue sequence last, once that has ended.
// Errors: InvalidRequest for another kind of job or one that is not IN_PROGRESS
// (control-plane.md A.3 AssociateTargetsWithJob).
func (j Job) Associate(arns []string, resolved []Target, pin, last int64, comment string, now time.Time) (Job, error) {
	switch {
	case j.Selection != Continuous:
		return j, Errorf(InvalidRequest, "Job %s is %s: targets can be associated with a CONTINUOUS job only", j.ID, j.Selection)
	case j.Status != JobInProgress:
		return j, Errorf(InvalidRequest, "Job %s is %s: targets can be associated with a job that is IN_PROGRESS only", j.ID, j.Status)
	}
	targets, known := slices.Clone(j.Targets), slices.Clone(j.Resolved)
	for i, t := range resolved {
		if !slices.ContainsFunc(known, t.Same) {
			t.Pin, t.Since = pin, last
			targets, known = append(targets, arns[i]), append(known, t)
		}
	}
	if x := &j.Expansion; x.Done && len(targets) > len(j.Targets) {
		x.Done, x.Target, x.Group, x.After = false, len(j.Targets), 0, 0
	}
	j.Targets, j.Resolved = targets, known
	if comment != "" {
		j.Comment = comment
	}
	j.LastUpdatedAt = now
	return j, nil
}

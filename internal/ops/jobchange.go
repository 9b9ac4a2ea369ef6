package ops

import (
	"context"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// UpdateJob changes a job that goes on: what the request does not name stays
// (control-plane.md A.3). Errors: NotFound, InvalidRequest.
func (c *Control) UpdateJob(ctx context.Context, _ Caller, in *iot.UpdateJobInput) (*iot.UpdateJobOutput, error) {
	u := job.Update{Description: in.Description}
	var err error
	if in.JobExecutionsRolloutConfig != nil {
		r, err := c.rollout(in.JobExecutionsRolloutConfig)
		if err != nil {
			return nil, err
		}
		u.Rollout = &r
	}
	if u.Abort, err = abort(in.AbortConfig); err != nil {
		return nil, err
	}
	if u.Retry, err = c.retry(in.JobExecutionsRetryConfig); err != nil {
		return nil, err
	}
	if t := in.TimeoutConfig; t != nil {
		u.InProgressMinutes = value(t.InProgressTimeoutInMinutes)
	}
	_, err = c.changeJob(ctx, in.JobID, in.NamespaceID, func(j job.Job) (job.Job, bool, error) {
		j, err := j.Update(u, c.Now())
		return j, err == nil, err
	})
	if err != nil {
		return nil, err
	}
	return &iot.UpdateJobOutput{}, nil
}

// AssociateTargetsWithJob adds targets to a CONTINUOUS job, things or groups;
// they are rolled out at the job's rate (control-plane.md A.3). Errors: NotFound
// for the job or a target, InvalidRequest, LimitExceeded.
func (c *Control) AssociateTargetsWithJob(ctx context.Context, _ Caller, in *iot.AssociateTargetsWithJobInput) (*iot.AssociateTargetsWithJobOutput, error) {
	var j job.Job
	err := c.Store.Update(ctx, func(tx store.Tx) (err error) {
		if j, _, err = findJobIn(tx, in.JobID, in.NamespaceID); err != nil {
			return err
		}
		targets, err := c.resolve(tx, in.Targets)
		if err != nil {
			return err
		}
		pin, err := tx.Pin()
		if err != nil {
			return err
		}
		last, err := tx.LastQueued()
		if err != nil {
			return err
		}
		now, had := c.Now(), len(j.Resolved)
		if j, err = j.Associate(in.Targets, targets, pin, last, in.Comment, now); err != nil {
			return err
		}
		if err := c.jobQuotas.CheckTargets(j.ID, len(j.Targets)); err != nil {
			return err
		}
		if err := tx.PutJob(&j, nil); err != nil {
			return err
		}
		if len(j.Resolved) > had {
			return tx.AddRetarget(j.Key, store.Retarget{Joined: true})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iot.AssociateTargetsWithJobOutput{JobARN: c.jobARN(j.ID), JobID: j.ID, Description: j.Description}, nil
}

// checkActive refuses a job more than may be active at once (control-plane.md H).
// Errors: LimitExceeded.
func (c *Control) checkActive(tx store.Tx, of job.Selection) error {
	limit := c.MaxActiveSnapshot
	if of == job.Continuous {
		limit = c.MaxActiveContinuous
	}
	if limit == 0 {
		return nil
	}
	active := 0
	for _, s := range []job.JobStatus{job.JobInProgress, job.JobScheduled} {
		n, err := tx.CountJobs(s, of, limit)
		if err != nil {
			return err
		}
		active += n
	}
	if active >= limit {
		return job.Errorf(job.LimitExceeded, "%d %s jobs are active already: cancel or delete one first, or let the server allow more", active, of)
	}
	return nil
}

// checkDeleting refuses a deletion more than may go on at once. Errors:
// LimitExceeded.
func (c *Control) checkDeleting(tx store.Tx) error {
	if c.MaxDeleting == 0 {
		return nil
	}
	n, err := tx.CountJobs(job.JobDeletionInProgress, 0, c.MaxDeleting)
	if err == nil && n >= c.MaxDeleting {
		err = job.Errorf(job.LimitExceeded, "%d jobs are being deleted already: wait until one is gone", n)
	}
	return err
}

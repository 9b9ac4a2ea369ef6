package ops

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"unicode/utf8"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// noJob is the answer for a job that is not there.
func noJob(id job.ID) func() error {
	return func() error { return job.Errorf(job.NotFound, "Job %s not found", id) }
}

// findJobIn reads a job of a namespace; the empty one asks for none. Errors:
// NotFound.
func findJobIn(tx store.Tx, id job.ID, n job.Namespace) (job.Job, job.Tally, error) {
	j, t, err := findJob(tx, id)
	if err == nil && n != "" && n != j.Namespace {
		err = noJob(id)()
	}
	return j, t, err
}

// findJob reads a job. Errors: NotFound.
func findJob(tx store.Tx, id job.ID) (job.Job, job.Tally, error) {
	j, t, err := tx.Job(id)
	return j, t, refused(err, noJob(id))
}

// CreateJob writes the job down and answers at once: its executions are handed
// out afterwards, by the scheduler (control-plane.md A.3, design.md decision 9).
// Errors: AlreadyExists, also while a job of this id is being deleted; NotFound
// for a target; LimitExceeded; InvalidRequest.
func (c *Control) CreateJob(ctx context.Context, by Caller, in *iot.CreateJobInput) (*iot.CreateJobOutput, error) {
	document := []byte(in.Document)
	if err := checkDocument(document); err != nil {
		return nil, err
	}
	if err := c.jobQuotas.CheckTargets(in.JobID, len(in.Targets)); err != nil {
		return nil, err
	}
	asked, err := c.newJob(by, in)
	if err != nil {
		return nil, err
	}
	tags, err := c.newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	err = c.Store.Update(ctx, func(tx store.Tx) error {
		if _, _, err := tx.Job(in.JobID); !errors.Is(err, store.ErrNotFound) {
			return c.jobExists(in.JobID, err)
		}
		j := asked
		if j.Resolved, err = c.resolve(tx, in.Targets); err != nil {
			return err
		}
		if err := c.checkActive(tx, j.Selection); err != nil {
			return err
		}
		if j.Expansion.Pin, err = tx.Pin(); err != nil {
			return err
		}
		if err := tx.PutJob(&j, document); err != nil {
			return err
		}
		if err := putTags(tx, registry.Tagged{Kind: registry.TaggedJob, Key: j.Key}, tags); err != nil {
			return err
		}
		return tx.SetDue(j.Key, j.CreatedAt)
	})
	if err != nil {
		return nil, err
	}
	return &iot.CreateJobOutput{JobARN: c.jobARN(in.JobID), JobID: in.JobID, Description: in.Description}, nil
}

// newJob is the job that a request asks for, its targets not yet looked up.
// Errors: InvalidRequest.
func (c *Control) newJob(by Caller, in *iot.CreateJobInput) (j job.Job, err error) {
	j = job.NewJob(in.JobID, in.Targets, nil, 0, c.Now())
	j.Description, j.Actor, j.Namespace = in.Description, by.Principal, in.NamespaceID
	if in.TargetSelection != "" {
		if j.Selection, err = job.ParseSelection(in.TargetSelection); err != nil {
			return j, err
		}
	}
	if j.Rollout, err = c.rollout(in.JobExecutionsRolloutConfig); err != nil {
		return j, err
	}
	if j.Abort, err = abort(in.AbortConfig); err != nil {
		return j, err
	}
	if j.Retry, err = c.retry(in.JobExecutionsRetryConfig); err != nil {
		return j, err
	}
	j.Retries = j.Retry.Budget()
	if t := in.TimeoutConfig; t != nil {
		j.InProgressMinutes = value(t.InProgressTimeoutInMinutes)
	}
	return j, nil
}

func (k *core) jobExists(id job.ID, err error) error {
	if err != nil {
		return err
	}
	e := job.Errorf(job.AlreadyExists, "Job %s already exists: choose another jobId, or delete that job first", id)
	e.Resource = &job.Resource{ID: string(id), ARN: k.jobARN(id)}
	return e
}

// checkDocument: a document is any JSON value in UTF-8 (device-plane.md 11 row 23).
// The model counts its characters; AWS's quota, and the broker's, is of bytes.
func checkDocument(document []byte) error {
	switch {
	case len(document) == 0:
		return job.Errorf(job.InvalidRequest, "The job has no document: give document")
	case len(document) > job.MaxDocument:
		return job.Errorf(job.InvalidRequest, "The job document has %d bytes: at most %d are allowed", len(document), job.MaxDocument)
	case !utf8.Valid(document):
		return job.Errorf(job.InvalidRequest, "The job document is not UTF-8")
	case !json.Valid(document):
		return job.Errorf(job.InvalidRequest, "The job document is not JSON")
	}
	return nil
}

// resolve finds what the targets' ARNs name. Errors: NotFound, InvalidRequest.
func (c *Control) resolve(tx store.Tx, arns []string) ([]job.Target, error) {
	targets := make([]job.Target, len(arns))
	for i, arn := range arns {
		kind, name, err := c.parseARN(arn)
		if err != nil {
			return nil, err
		}
		switch kind {
		case kindThing:
			t, err := thing(tx, registry.Name(name))
			if err != nil {
				return nil, err
			}
			targets[i] = job.Target{Key: t.Key, Name: name}
		case kindGroup:
			g, err := group(tx, registry.GroupName(name))
			if err != nil {
				return nil, err
			}
			targets[i] = job.Target{Group: true, Key: g.Key, Name: name}
		default:
			return nil, job.Errorf(job.InvalidRequest, "Target %q is neither a thing nor a thing group", arn)
		}
	}
	return targets, nil
}

// DescribeJob errors: NotFound.
func (c *Control) DescribeJob(ctx context.Context, _ Caller, in *iot.DescribeJobInput) (*iot.DescribeJobOutput, error) {
	var j job.Job
	var tally job.Tally
	err := c.Store.View(ctx, func(tx store.Tx) (err error) {
		j, tally, err = findJob(tx, in.JobID)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &iot.Job{
		JobARN: c.jobARN(j.ID), JobID: j.ID, TargetSelection: j.Selection.String(), Status: j.Status,
		ReasonCode: j.ReasonCode, Comment: j.Comment, Targets: j.Targets, Description: j.Description,
		CreatedAt: j.CreatedAt, LastUpdatedAt: j.LastUpdatedAt, CompletedAt: j.CompletedAt,
		IsConcurrent: j.Concurrent(tally), NamespaceID: j.Namespace,
		JobProcessDetails: &iot.JobProcessDetails{
			ProcessingTargets:        j.Processing(),
			NumberOfCanceledThings:   tally.Things[job.Canceled],
			NumberOfSucceededThings:  tally.Things[job.Succeeded],
			NumberOfFailedThings:     tally.Things[job.Failed],
			NumberOfRejectedThings:   tally.Things[job.Rejected],
			NumberOfQueuedThings:     tally.Things[job.Queued],
			NumberOfInProgressThings: tally.Things[job.InProgress],
			NumberOfRemovedThings:    tally.Things[job.Removed],
			NumberOfTimedOutThings:   tally.Things[job.TimedOut],
		},
	}
	if j.Status == job.JobCanceled {
		out.ForceCanceled = &j.ForceCanceled
	}
	out.JobExecutionsRolloutConfig, out.AbortConfig, out.JobExecutionsRetryConfig = rolloutConfig(j.Rollout), abortConfig(j.Abort), retryConfig(j.Retry)
	if j.InProgressMinutes > 0 {
		out.TimeoutConfig = &iot.TimeoutConfig{InProgressTimeoutInMinutes: &j.InProgressMinutes}
	}
	return &iot.DescribeJobOutput{Job: out}, nil
}

// ListJobs lists jobs, the newest first; one that is being deleted only when
// its status is asked for (design.md decision 12). Errors: NotFound for a
// group, InvalidRequest.
func (c *Control) ListJobs(ctx context.Context, _ Caller, in *iot.ListJobsInput) (*iot.ListJobsOutput, error) {
	l := newList("ListJobs", in.Status, in.TargetSelection, in.ThingGroupName, in.ThingGroupID, in.NamespaceID)
	page, err := l.page(in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	f := store.JobFilter{Status: in.Status, Namespace: in.NamespaceID}
	if in.TargetSelection != "" {
		if f.Selection, err = job.ParseSelection(in.TargetSelection); err != nil {
			return nil, err
		}
	}
	out := &iot.ListJobsOutput{Jobs: []iot.JobSummary{}}
	err = c.Store.View(ctx, func(tx store.Tx) error {
		var target registry.Group
		if in.ThingGroupName != "" || in.ThingGroupID != "" {
			if target, err = groupBy(tx, in.ThingGroupName, in.ThingGroupID); err != nil {
				return err
			}
			f.Target = c.groupARN(target.Name)
		}
		jobs, next, err := tx.JobList(f, page)
		if err != nil {
			return refused(err, nil)
		}
		out.NextToken = l.token(next)
		for _, j := range jobs {
			if j.Status == job.JobDeletionInProgress && f.Status != j.Status {
				continue
			}
			if target.Key != 0 && !isTarget(j, target.Key) {
				continue // a group that had its name before
			}
			concurrent, err := concurrent(tx, j)
			if err != nil {
				return err
			}
			out.Jobs = append(out.Jobs, iot.JobSummary{
				JobARN: c.jobARN(j.ID), JobID: j.ID, ThingGroupID: target.UUID, TargetSelection: j.Selection.String(), Status: j.Status,
				CreatedAt: j.CreatedAt, LastUpdatedAt: j.LastUpdatedAt, CompletedAt: j.CompletedAt, IsConcurrent: concurrent,
			})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// isTarget says whether a group is a target of the job.
func isTarget(j job.Job, group int64) bool {
	return slices.ContainsFunc(j.Resolved, func(t job.Target) bool { return t.Group && t.Key == group })
}

// groupBy reads a group by name, by id, or by both, which must then agree.
func groupBy(tx store.Tx, name registry.GroupName, id string) (g registry.Group, err error) {
	if name != "" {
		g, err = group(tx, name)
	} else {
		g, err = tx.GroupByUUID(id)
		err = refused(err, func() error { return job.Errorf(job.NotFound, "Thing group with id %s not found", id) })
	}
	if err == nil && id != "" && g.UUID != id {
		err = job.Errorf(job.InvalidRequest, "Thing group %s has another id than %s", name, id)
	}
	return g, err
}

// concurrent reads a listed job's counters where isConcurrent depends on them.
func concurrent(tx store.Tx, j job.Job) (bool, error) {
	if j.Status != job.JobCanceled {
		return j.Concurrent(job.Tally{}), nil
	}
	_, tally, err := tx.JobByKey(j.Key)
	return j.Concurrent(tally), err
}

// GetJobDocument errors: NotFound.
func (c *Control) GetJobDocument(ctx context.Context, _ Caller, in *iot.GetJobDocumentInput) (*iot.GetJobDocumentOutput, error) {
	var document []byte
	err := c.Store.View(ctx, func(tx store.Tx) error {
		j, _, err := findJob(tx, in.JobID)
		if err != nil {
			return err
		}
		document, err = tx.Document(j.Key)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &iot.GetJobDocumentOutput{Document: string(document)}, nil
}

// CancelJob flips the job's flag, which hides what it cancels at once; the
// scheduler rewrites the executions (control-plane.md B.7). Errors: NotFound;
// InvalidRequest for a job that is COMPLETED or being deleted.
func (c *Control) CancelJob(ctx context.Context, _ Caller, in *iot.CancelJobInput) (*iot.CancelJobOutput, error) {
	j, err := c.changeJob(ctx, in.JobID, "", func(j job.Job) (job.Job, bool, error) {
		return j.Cancel(in.Force, in.ReasonCode, in.Comment, c.Now())
	})
	if err != nil {
		return nil, err
	}
	return &iot.CancelJobOutput{JobARN: c.jobARN(j.ID), JobID: j.ID, Description: j.Description}, nil
}

// DeleteJob flips the job's flag: from then on devices and lists see nothing of
// it, and its id is free when the scheduler has removed its executions
// (design.md decision 12). Errors: NotFound, InvalidStateTransition, LimitExceeded.
func (c *Control) DeleteJob(ctx context.Context, _ Caller, in *iot.DeleteJobInput) (*iot.DeleteJobOutput, error) {
	err := c.Store.Update(ctx, func(tx store.Tx) error {
		j, _, err := findJobIn(tx, in.JobID, in.NamespaceID)
		if err != nil {
			return err
		}
		now := c.Now()
		if j, err = j.Delete(in.Force, now); err != nil {
			return err
		}
		if err := c.checkDeleting(tx); err != nil {
			return err
		}
		if err := tx.PutJob(&j, nil); err != nil {
			return err
		}
		if err := c.Events.Job(tx, JobDeletionInProgress, j, job.Tally{}, now); err != nil {
			return err
		}
		return tx.SetDue(j.Key, now)
	})
	if err != nil {
		return nil, err
	}
	return &iot.DeleteJobOutput{}, nil
}

// changeJob rewrites a job and makes it due.
func (c *Control) changeJob(ctx context.Context, id job.ID, n job.Namespace, change func(job.Job) (job.Job, bool, error)) (j job.Job, err error) {
	err = c.Store.Update(ctx, func(tx store.Tx) error {
		before, _, err := findJobIn(tx, id, n)
		if err != nil {
			return err
		}
		after, changed, err := change(before)
		if j = after; err != nil || !changed {
			return err
		}
		if err := tx.PutJob(&j, nil); err != nil {
			return err
		}
		if j.Status == job.JobCanceled {
			if err := c.Events.Job(tx, JobCancellationInProgress, j, job.Tally{}, c.Now()); err != nil {
				return err
			}
		}
		return tx.SetDue(j.Key, c.Now())
	})
	return j, err
}

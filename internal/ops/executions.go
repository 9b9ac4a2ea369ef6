package ops

import (
	"context"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// numberOf is an execution number for store.Keys: 0 asks for an execution of
// that number, which none has, and not for the newest.
func numberOf(n int64) int64 {
	if n == 0 {
		return noNumber
	}
	return n
}

// DescribeJobExecution reads an execution in any state, the newest unless a
// number is given (control-plane.md A.3). Errors: NotFound.
func (c *Control) DescribeJobExecution(ctx context.Context, _ Caller, in *iot.DescribeJobExecutionInput) (*iot.DescribeJobExecutionOutput, error) {
	keys := store.Keys{Thing: in.ThingName, Job: in.JobID}
	if in.ExecutionNumber != nil {
		keys.Number = numberOf(*in.ExecutionNumber)
	}
	now := c.Now()
	var e job.Execution
	err := c.Store.View(ctx, func(tx store.Tx) error {
		snap, err := tx.Snapshot(keys)
		if err == nil && snap.ThingKey == 0 {
			err = noThing(in.ThingName)()
		}
		if err == nil {
			e, err = snap.Queue.Find(now)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &iot.JobExecution{
		JobID: e.JobID, Status: e.Status, ThingARN: c.thingARN(in.ThingName),
		QueuedAt: e.QueuedAt, StartedAt: e.StartedAt, LastUpdatedAt: e.LastUpdatedAt,
		ExecutionNumber: e.Number, VersionNumber: e.Version,
		ForceCanceled: &e.ForceCanceled, StatusDetails: &iot.JobExecutionStatusDetails{DetailsMap: e.Details},
	}
	if out.StatusDetails.DetailsMap == nil {
		out.StatusDetails.DetailsMap = job.Details{} // both members are always there
	}
	if left, ok := e.SecondsBeforeTimedOut(now); ok {
		out.ApproximateSecondsBeforeTimedOut = &left
	}
	return &iot.DescribeJobExecutionOutput{Execution: out}, nil
}

// CancelJobExecution cancels the newest execution of a job on a thing: QUEUED,
// or with force IN_PROGRESS. Errors: NotFound, VersionMismatch,
// InvalidStateTransition.
func (c *Control) CancelJobExecution(ctx context.Context, by Caller, in *iot.CancelJobExecutionInput) (*iot.CancelJobExecutionOutput, error) {
	err := c.change(ctx, store.Keys{Thing: in.ThingName, Job: in.JobID}, job.Change{
		Kind: job.Cancel, Force: in.Force, ExpectedVersion: in.ExpectedVersion, Details: in.StatusDetails, Actor: by.Principal,
	})
	if err != nil {
		return nil, err
	}
	return &iot.CancelJobExecutionOutput{}, nil
}

// DeleteJobExecution takes one execution away: any but an IN_PROGRESS one, and
// that with force. Errors: NotFound, InvalidStateTransition.
func (c *Control) DeleteJobExecution(ctx context.Context, by Caller, in *iot.DeleteJobExecutionInput) (*iot.DeleteJobExecutionOutput, error) {
	keys := store.Keys{Thing: in.ThingName, Job: in.JobID, Number: numberOf(in.ExecutionNumber), Namespace: in.NamespaceID}
	if err := c.change(ctx, keys, job.Change{Kind: job.Delete, Force: in.Force, Actor: by.Principal}); err != nil {
		return nil, err
	}
	return &iot.DeleteJobExecutionOutput{}, nil
}

// change makes a change of one execution. A row that was overtaken is swept
// even when the change itself is refused.
func (c *Control) change(ctx context.Context, keys store.Keys, change job.Change) error {
	keys.Queue = store.WholeQueue
	var refusal error
	decide := func(snap store.Snapshot) (store.Changes, error) {
		out, err := snap.Queue.Within(keys.Namespace).Apply(job.Ref{Job: keys.Job, Number: keys.Number}, change, snap.At)
		if len(out.Moves) == 0 {
			return store.Changes{}, err
		}
		refusal = err
		return c.changes(keys.Thing, out, snap.At), nil
	}
	_, err := c.Store.Transact(ctx, keys, func(snap store.Snapshot) (store.Changes, error) {
		if snap.ThingKey == 0 {
			return store.Changes{}, noThing(keys.Thing)()
		}
		return c.timely(keys.Thing, snap, decide)
	})
	if err != nil {
		return err
	}
	return refusal
}

// ListJobExecutionsForJob lists a job's executions by thing, the newest attempt
// first. Errors: NotFound, InvalidRequest.
func (c *Control) ListJobExecutionsForJob(ctx context.Context, _ Caller, in *iot.ListJobExecutionsForJobInput) (*iot.ListJobExecutionsForJobOutput, error) {
	l := newList("ListJobExecutionsForJob", in.JobID, in.Status)
	page, err := l.page(in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	f := store.ExecutionFilter{Status: in.Status, Now: c.Now()}
	out := &iot.ListJobExecutionsForJobOutput{ExecutionSummaries: []iot.JobExecutionSummaryForJob{}}
	err = c.Store.View(ctx, func(tx store.Tx) error {
		j, _, err := findJob(tx, in.JobID)
		if err != nil {
			return err
		}
		rows, next, err := tx.ExecutionsForJob(j.Key, f, page)
		out.NextToken = l.token(next)
		for _, r := range rows {
			if s := summary(r, f); s != nil {
				out.ExecutionSummaries = append(out.ExecutionSummaries, iot.JobExecutionSummaryForJob{ThingARN: c.thingARN(r.Thing), JobExecutionSummary: s})
			}
		}
		return refused(err, nil)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ListJobExecutionsForThing lists a thing's executions, the newest first.
// Errors: NotFound, InvalidRequest.
func (c *Control) ListJobExecutionsForThing(ctx context.Context, _ Caller, in *iot.ListJobExecutionsForThingInput) (*iot.ListJobExecutionsForThingOutput, error) {
	l := newList("ListJobExecutionsForThing", in.ThingName, in.Status, in.JobID, in.NamespaceID)
	page, err := l.page(in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	f := store.ExecutionFilter{Status: in.Status, Job: in.JobID, Namespace: in.NamespaceID, Now: c.Now()}
	out := &iot.ListJobExecutionsForThingOutput{ExecutionSummaries: []iot.JobExecutionSummaryForThing{}}
	err = c.Store.View(ctx, func(tx store.Tx) error {
		var t registry.Thing
		if t, err = thing(tx, in.ThingName); err != nil {
			return err
		}
		rows, next, err := tx.ExecutionsForThing(t.Key, f, page)
		out.NextToken = l.token(next)
		for _, r := range rows {
			if s := summary(r, f); s != nil {
				out.ExecutionSummaries = append(out.ExecutionSummaries, iot.JobExecutionSummaryForThing{JobID: r.JobID, JobExecutionSummary: s})
			}
		}
		return refused(err, nil)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// summary is a listed execution as it is to be seen; nil when its job hides it.
func summary(r store.Row, f store.ExecutionFilter) *iot.JobExecutionSummary {
	e, ok := job.Effective(r.Execution, r.Entry.Job, f.Now)
	if !ok {
		return nil
	}
	s := &iot.JobExecutionSummary{
		Status: e.Status, QueuedAt: e.QueuedAt, StartedAt: e.StartedAt, LastUpdatedAt: e.LastUpdatedAt, ExecutionNumber: e.Number,
	}
	if e.RetryAttempt > 0 {
		s.RetryAttempt = &e.RetryAttempt
	}
	return s
}

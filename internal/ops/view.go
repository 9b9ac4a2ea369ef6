package ops

import (
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
)

// execution is how a device sees e.
func (k *core) execution(thing registry.Name, e job.Execution, document bool) (*jobsdata.JobExecution, error) {
	x := &jobsdata.JobExecution{
		JobID: e.JobID, ThingName: thing, Status: e.Status, StatusDetails: e.Details,
		QueuedAt: e.QueuedAt, StartedAt: e.StartedAt, LastUpdatedAt: e.LastUpdatedAt,
		VersionNumber: e.Version, ExecutionNumber: e.Number,
	}
	if left, ok := e.SecondsBeforeTimedOut(k.Now()); ok {
		x.ApproximateSecondsBeforeTimedOut = &left
	}
	if document {
		doc, err := k.Store.Document(e.JobKey)
		if err != nil {
			return nil, err
		}
		x.JobDocument = doc
	}
	return x, nil
}

// summaries are the two lists of the pending queue, together no longer than the
// limit, IN_PROGRESS first.
func (k *core) summaries(q job.Queue, now time.Time) (inProgress, queued []jobsdata.JobExecutionSummary) {
	seen := q.Visible(now)
	if k.PendingLimit > 0 && len(seen) > k.PendingLimit {
		seen = seen[:k.PendingLimit]
	}
	for _, e := range seen {
		s := jobsdata.JobExecutionSummary{
			JobID: e.JobID, QueuedAt: e.QueuedAt, LastUpdatedAt: e.LastUpdatedAt, StartedAt: e.StartedAt,
			ExecutionNumber: e.Number, VersionNumber: e.Version,
		}
		if e.Status == job.InProgress {
			inProgress = append(inProgress, s)
		} else {
			queued = append(queued, s)
		}
	}
	return inProgress, queued
}

// Notify renders the payload of `notify` after an effect.
func (d *Data) Notify(e job.Effect) *jobsdata.JobExecutionsChanged {
	var n jobsdata.JobExecutionsChanged
	n.InProgress, n.Queued = d.summaries(e.After, e.At)
	return &n
}

// NotifyNext renders the payload of `notify-next` after an effect.
func (d *Data) NotifyNext(e job.Effect) (*jobsdata.NextJobExecutionChanged, error) {
	var n jobsdata.NextJobExecutionChanged
	head, ok := job.Head(e.After, e.At)
	if !ok {
		return &n, nil
	}
	var err error
	n.Execution, err = d.execution(registry.Name(e.Thing), head, true)
	return &n, err
}

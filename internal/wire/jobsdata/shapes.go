package jobsdata

import (
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
)

// Next is the job id by which DescribeJobExecution asks for the head of the queue.
// It is not a valid job.ID.
const Next job.ID = "$next"

// GetPendingJobExecutionsInput is the request of GetPendingJobExecutions.
type GetPendingJobExecutionsInput struct {
	ThingName   registry.Name `uri:"thingName"`
	ClientToken *string       `mqtt:"clientToken"`
}

// GetPendingJobExecutionsOutput is its reply: both lists in queue order, both
// always present (device-plane.md 3.1).
type GetPendingJobExecutionsOutput struct {
	InProgressJobs []JobExecutionSummary `json:"inProgressJobs"`
	QueuedJobs     []JobExecutionSummary `json:"queuedJobs"`
}

// StartNextPendingJobExecutionInput is the request of StartNextPendingJobExecution.
// StatusDetails is nil when none were given.
type StartNextPendingJobExecutionInput struct {
	ThingName            registry.Name `uri:"thingName"`
	StatusDetails        job.Details   `json:"statusDetails"`
	StepTimeoutInMinutes *int64        `json:"stepTimeoutInMinutes"`
	ClientToken          *string       `mqtt:"clientToken"`

	// Warning is set by the decoder when the body holds a key that is surely a
	// mistake (device-plane.md 11 row 20); it is for the log.
	Warning string
}

// StartNextPendingJobExecutionOutput is its reply; without an execution the queue
// is empty (device-plane.md 3.2).
type StartNextPendingJobExecutionOutput struct {
	Execution *JobExecution `json:"execution"`
}

// DescribeJobExecutionInput is the request of DescribeJobExecution. JobID may be
// Next. IncludeJobDocument is true when absent.
type DescribeJobExecutionInput struct {
	JobID              job.ID        `uri:"jobId"`
	ThingName          registry.Name `uri:"thingName"`
	IncludeJobDocument *bool         `query:"includeJobDocument"`
	ExecutionNumber    *int64        `query:"executionNumber" digits:"also"`
	ClientToken        *string       `mqtt:"clientToken"`

	// Namespace is of the topic, which alone can name one (device-plane.md
	// 4.4): Next is the head of its queue, and a job of another namespace is
	// not there. Empty: Next is the plain head, and a job may be of any.
	Namespace job.Namespace
}

// DescribeJobExecutionOutput is its reply; Next of an empty queue has no execution
// (device-plane.md 3.3).
type DescribeJobExecutionOutput struct {
	Execution *JobExecution `json:"execution"`
}

// UpdateJobExecutionInput is the request of UpdateJobExecution (device-plane.md
// 3.4). StatusDetails is nil when none were given; an empty map replaces.
type UpdateJobExecutionInput struct {
	JobID                    job.ID        `uri:"jobId"`
	ThingName                registry.Name `uri:"thingName"`
	Status                   job.Status    `json:"status"`
	StatusDetails            job.Details   `json:"statusDetails"`
	StepTimeoutInMinutes     *int64        `json:"stepTimeoutInMinutes"`
	ExpectedVersion          *int64        `json:"expectedVersion" digits:"also"`
	IncludeJobExecutionState *bool         `json:"includeJobExecutionState"`
	IncludeJobDocument       *bool         `json:"includeJobDocument"`
	ExecutionNumber          *int64        `json:"executionNumber" digits:"also"`
	ClientToken              *string       `mqtt:"clientToken"`

	// Namespace is as in DescribeJobExecutionInput.
	Namespace job.Namespace

	// Warning is as in StartNextPendingJobExecutionInput.
	Warning string
}

// UpdateJobExecutionOutput is its reply: empty unless the request asked for more.
type UpdateJobExecutionOutput struct {
	ExecutionState *JobExecutionState `json:"executionState"`
	JobDocument    []byte             `json:"jobDocument"` // JSON text; nil when not asked for
}

// JobExecution is one execution as its device sees it (device-plane.md 2.1).
type JobExecution struct {
	JobID           job.ID        `json:"jobId"`
	ThingName       registry.Name `json:"thingName"`
	Status          job.Status    `json:"status"`
	StatusDetails   job.Details   `json:"statusDetails"` // left out when empty
	QueuedAt        time.Time     `json:"queuedAt"`
	StartedAt       time.Time     `json:"startedAt"` // zero while QUEUED
	LastUpdatedAt   time.Time     `json:"lastUpdatedAt"`
	VersionNumber   int64         `json:"versionNumber"`
	ExecutionNumber int64         `json:"executionNumber"`
	// ApproximateSecondsBeforeTimedOut is nil unless a timer runs.
	ApproximateSecondsBeforeTimedOut *int64 `json:"approximateSecondsBeforeTimedOut"`
	// JobDocument is JSON text, nil to leave it out.
	JobDocument []byte `json:"jobDocument"`
}

// JobExecutionSummary is one execution of a list (device-plane.md 2.2).
type JobExecutionSummary struct {
	JobID           job.ID    `json:"jobId"`
	QueuedAt        time.Time `json:"queuedAt"`
	LastUpdatedAt   time.Time `json:"lastUpdatedAt"`
	StartedAt       time.Time `json:"startedAt"` // zero while QUEUED
	ExecutionNumber int64     `json:"executionNumber"`
	VersionNumber   int64     `json:"versionNumber"`
}

// JobExecutionState is what an update says of the execution it changed, or did not
// (device-plane.md 2.3).
type JobExecutionState struct {
	Status        job.Status  `json:"status"`
	StatusDetails job.Details `json:"statusDetails"` // left out when empty
	VersionNumber int64       `json:"versionNumber"`
}

// JobExecutionsChanged is the payload of `notify`: the pending queue as it is now.
// A list that is empty is left out (device-plane.md 4.1).
type JobExecutionsChanged struct {
	InProgress []JobExecutionSummary
	Queued     []JobExecutionSummary
}

// NextJobExecutionChanged is the payload of `notify-next`: the head of the queue,
// nil when it emptied (device-plane.md 4.2).
type NextJobExecutionChanged struct {
	Execution *JobExecution
}

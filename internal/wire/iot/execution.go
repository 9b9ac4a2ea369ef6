package iot

import (
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
)

// DescribeJobExecutionInput is the request of DescribeJobExecution.
type DescribeJobExecutionInput struct {
	JobID           job.ID        `uri:"jobId"`
	ThingName       registry.Name `uri:"thingName"`
	ExecutionNumber *int64        `query:"executionNumber"`
}

// DescribeJobExecutionOutput is the reply of DescribeJobExecution.
type DescribeJobExecutionOutput struct {
	Execution *JobExecution `json:"execution,omitzero"`
}

// JobExecution is an execution as an operator sees it: fractional times, the ARN
// of its thing, details one level deeper than devices see them (control-plane.md A.3).
type JobExecution struct {
	JobID                            job.ID                     `json:"jobId,omitzero"`
	Status                           job.Status                 `json:"status,omitzero"`
	ForceCanceled                    *bool                      `json:"forceCanceled,omitzero"`
	StatusDetails                    *JobExecutionStatusDetails `json:"statusDetails,omitzero"`
	ThingARN                         string                     `json:"thingArn,omitzero"`
	QueuedAt                         time.Time                  `json:"queuedAt,omitzero"`
	StartedAt                        time.Time                  `json:"startedAt,omitzero"`
	LastUpdatedAt                    time.Time                  `json:"lastUpdatedAt,omitzero"`
	ExecutionNumber                  int64                      `json:"executionNumber"`
	VersionNumber                    int64                      `json:"versionNumber"`
	ApproximateSecondsBeforeTimedOut *int64                     `json:"approximateSecondsBeforeTimedOut,omitzero"`
}

// JobExecutionStatusDetails wraps the details of an execution.
type JobExecutionStatusDetails struct {
	DetailsMap job.Details `json:"detailsMap,omitzero"`
}

// CancelJobExecutionInput is the request of CancelJobExecution.
type CancelJobExecutionInput struct {
	JobID           job.ID        `uri:"jobId"`
	ThingName       registry.Name `uri:"thingName"`
	Force           bool          `query:"force"`
	ExpectedVersion *int64        `json:"expectedVersion,omitzero"`
	StatusDetails   job.Details   `json:"statusDetails,omitzero"`
}

// CancelJobExecutionOutput is the reply of CancelJobExecution; its body is empty.
type CancelJobExecutionOutput struct{}

// DeleteJobExecutionInput is the request of DeleteJobExecution.
type DeleteJobExecutionInput struct {
	JobID           job.ID        `uri:"jobId"`
	ThingName       registry.Name `uri:"thingName"`
	ExecutionNumber int64         `uri:"executionNumber"`
	Force           bool          `query:"force"`
	NamespaceID     job.Namespace `query:"namespaceId"`
}

// DeleteJobExecutionOutput is the reply of DeleteJobExecution; its body is empty.
type DeleteJobExecutionOutput struct{}

// ListJobExecutionsForJobInput is the request of ListJobExecutionsForJob.
type ListJobExecutionsForJobInput struct {
	JobID      job.ID     `uri:"jobId"`
	Status     job.Status `query:"status"`
	MaxResults *int64     `query:"maxResults"`
	NextToken  string     `query:"nextToken"`
}

// ListJobExecutionsForJobOutput is the reply of ListJobExecutionsForJob.
type ListJobExecutionsForJobOutput struct {
	ExecutionSummaries []JobExecutionSummaryForJob `json:"executionSummaries"`
	NextToken          string                      `json:"nextToken,omitzero"`
}

// JobExecutionSummaryForJob is one execution in the list of a job.
type JobExecutionSummaryForJob struct {
	ThingARN            string               `json:"thingArn,omitzero"`
	JobExecutionSummary *JobExecutionSummary `json:"jobExecutionSummary,omitzero"`
}

// ListJobExecutionsForThingInput is the request of ListJobExecutionsForThing.
type ListJobExecutionsForThingInput struct {
	ThingName   registry.Name `uri:"thingName"`
	Status      job.Status    `query:"status"`
	NamespaceID job.Namespace `query:"namespaceId"`
	MaxResults  *int64        `query:"maxResults"`
	NextToken   string        `query:"nextToken"`
	JobID       job.ID        `query:"jobId"`
}

// ListJobExecutionsForThingOutput is the reply of ListJobExecutionsForThing.
type ListJobExecutionsForThingOutput struct {
	ExecutionSummaries []JobExecutionSummaryForThing `json:"executionSummaries"`
	NextToken          string                        `json:"nextToken,omitzero"`
}

// JobExecutionSummaryForThing is one execution in the list of a thing.
type JobExecutionSummaryForThing struct {
	JobID               job.ID               `json:"jobId,omitzero"`
	JobExecutionSummary *JobExecutionSummary `json:"jobExecutionSummary,omitzero"`
}

// JobExecutionSummary is what both lists say of an execution.
type JobExecutionSummary struct {
	Status          job.Status `json:"status,omitzero"`
	QueuedAt        time.Time  `json:"queuedAt,omitzero"`
	StartedAt       time.Time  `json:"startedAt,omitzero"`
	LastUpdatedAt   time.Time  `json:"lastUpdatedAt,omitzero"`
	ExecutionNumber int64      `json:"executionNumber"`
	RetryAttempt    *int64     `json:"retryAttempt,omitzero"`
}

package iot

import (
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
)

// CreateJobInput is the request of CreateJob, with every modelled member; those
// with a `later` tag are refused by name until their feature is here.
type CreateJobInput struct {
	JobID                      job.ID                      `uri:"jobId"`
	Targets                    []string                    `json:"targets"`
	DocumentSource             string                      `json:"documentSource,omitzero" later:"document sources"`
	Document                   string                      `json:"document,omitzero"`
	Description                string                      `json:"description,omitzero"`
	PresignedURLConfig         *PresignedURLConfig         `json:"presignedUrlConfig,omitzero" later:"presigned URLs"`
	TargetSelection            string                      `json:"targetSelection,omitzero"`
	JobExecutionsRolloutConfig *JobExecutionsRolloutConfig `json:"jobExecutionsRolloutConfig,omitzero"`
	AbortConfig                *AbortConfig                `json:"abortConfig,omitzero"`
	TimeoutConfig              *TimeoutConfig              `json:"timeoutConfig,omitzero"`
	Tags                       []Tag                       `json:"tags,omitzero"`
	NamespaceID                job.Namespace               `json:"namespaceId,omitzero"`
	JobTemplateARN             string                      `json:"jobTemplateArn,omitzero" later:"job templates"`
	JobExecutionsRetryConfig   *JobExecutionsRetryConfig   `json:"jobExecutionsRetryConfig,omitzero"`
	DocumentParameters         map[string]string           `json:"documentParameters,omitzero" later:"managed templates"`
	SchedulingConfig           *SchedulingConfig           `json:"schedulingConfig,omitzero" later:"scheduling"`
	DestinationPackageVersions []string                    `json:"destinationPackageVersions,omitzero" later:"software packages"`
}

// CreateJobOutput is the reply of CreateJob.
type CreateJobOutput struct {
	JobARN      string `json:"jobArn,omitzero"`
	JobID       job.ID `json:"jobId,omitzero"`
	Description string `json:"description,omitzero"`
}

// UpdateJobInput is the request of UpdateJob: what is absent stays as it is.
type UpdateJobInput struct {
	JobID                      job.ID                      `uri:"jobId"`
	NamespaceID                job.Namespace               `query:"namespaceId"`
	Description                string                      `json:"description,omitzero"`
	PresignedURLConfig         *PresignedURLConfig         `json:"presignedUrlConfig,omitzero" later:"presigned URLs"`
	JobExecutionsRolloutConfig *JobExecutionsRolloutConfig `json:"jobExecutionsRolloutConfig,omitzero"`
	AbortConfig                *AbortConfig                `json:"abortConfig,omitzero"`
	TimeoutConfig              *TimeoutConfig              `json:"timeoutConfig,omitzero"`
	JobExecutionsRetryConfig   *JobExecutionsRetryConfig   `json:"jobExecutionsRetryConfig,omitzero"`
}

// UpdateJobOutput is the reply of UpdateJob; its body is empty.
type UpdateJobOutput struct{}

// AssociateTargetsWithJobInput is the request of AssociateTargetsWithJob.
type AssociateTargetsWithJobInput struct {
	JobID       job.ID        `uri:"jobId"`
	NamespaceID job.Namespace `query:"namespaceId"`
	Targets     []string      `json:"targets"`
	Comment     string        `json:"comment,omitzero"`
}

// AssociateTargetsWithJobOutput is the reply of AssociateTargetsWithJob.
type AssociateTargetsWithJobOutput struct {
	JobARN      string `json:"jobArn,omitzero"`
	JobID       job.ID `json:"jobId,omitzero"`
	Description string `json:"description,omitzero"`
}

// DescribeJobInput is the request of DescribeJob.
type DescribeJobInput struct {
	JobID              job.ID `uri:"jobId"`
	BeforeSubstitution bool   `query:"beforeSubstitution"`
}

// DescribeJobOutput is the reply of DescribeJob.
type DescribeJobOutput struct {
	DocumentSource string `json:"documentSource,omitzero"`
	Job            *Job   `json:"job,omitzero"`
}

// Job is a job as DescribeJob shows it: never its document (control-plane.md A.3).
type Job struct {
	JobARN                     string                      `json:"jobArn,omitzero"`
	JobID                      job.ID                      `json:"jobId,omitzero"`
	TargetSelection            string                      `json:"targetSelection,omitzero"`
	Status                     job.JobStatus               `json:"status,omitzero"`
	ForceCanceled              *bool                       `json:"forceCanceled,omitzero"`
	ReasonCode                 string                      `json:"reasonCode,omitzero"`
	Comment                    string                      `json:"comment,omitzero"`
	Targets                    []string                    `json:"targets,omitzero"`
	Description                string                      `json:"description,omitzero"`
	PresignedURLConfig         *PresignedURLConfig         `json:"presignedUrlConfig,omitzero"`
	JobExecutionsRolloutConfig *JobExecutionsRolloutConfig `json:"jobExecutionsRolloutConfig,omitzero"`
	AbortConfig                *AbortConfig                `json:"abortConfig,omitzero"`
	CreatedAt                  time.Time                   `json:"createdAt,omitzero"`
	LastUpdatedAt              time.Time                   `json:"lastUpdatedAt,omitzero"`
	CompletedAt                time.Time                   `json:"completedAt,omitzero"`
	JobProcessDetails          *JobProcessDetails          `json:"jobProcessDetails,omitzero"`
	TimeoutConfig              *TimeoutConfig              `json:"timeoutConfig,omitzero"`
	NamespaceID                job.Namespace               `json:"namespaceId,omitzero"`
	JobTemplateARN             string                      `json:"jobTemplateArn,omitzero"`
	JobExecutionsRetryConfig   *JobExecutionsRetryConfig   `json:"jobExecutionsRetryConfig,omitzero"`
	DocumentParameters         map[string]string           `json:"documentParameters,omitzero"`
	IsConcurrent               bool                        `json:"isConcurrent"`
	SchedulingConfig           *SchedulingConfig           `json:"schedulingConfig,omitzero"`
	ScheduledJobRollouts       []ScheduledJobRollout       `json:"scheduledJobRollouts,omitzero"`
	DestinationPackageVersions []string                    `json:"destinationPackageVersions,omitzero"`
}

// JobProcessDetails counts things by their latest execution (control-plane.md B.11).
// ProcessingTargets is absent once the rollout is done.
type JobProcessDetails struct {
	ProcessingTargets        []string `json:"processingTargets,omitzero"`
	NumberOfCanceledThings   int64    `json:"numberOfCanceledThings"`
	NumberOfSucceededThings  int64    `json:"numberOfSucceededThings"`
	NumberOfFailedThings     int64    `json:"numberOfFailedThings"`
	NumberOfRejectedThings   int64    `json:"numberOfRejectedThings"`
	NumberOfQueuedThings     int64    `json:"numberOfQueuedThings"`
	NumberOfInProgressThings int64    `json:"numberOfInProgressThings"`
	NumberOfRemovedThings    int64    `json:"numberOfRemovedThings"`
	NumberOfTimedOutThings   int64    `json:"numberOfTimedOutThings"`
}

// ScheduledJobRollout is one coming start of a job with maintenance windows.
type ScheduledJobRollout struct {
	StartTime string `json:"startTime,omitzero"`
}

// ListJobsInput is the request of ListJobs.
type ListJobsInput struct {
	Status          job.JobStatus      `query:"status"`
	TargetSelection string             `query:"targetSelection"`
	MaxResults      *int64             `query:"maxResults"`
	NextToken       string             `query:"nextToken"`
	ThingGroupName  registry.GroupName `query:"thingGroupName"`
	ThingGroupID    string             `query:"thingGroupId"`
	NamespaceID     job.Namespace      `query:"namespaceId"`
}

// ListJobsOutput is the reply of ListJobs.
type ListJobsOutput struct {
	Jobs      []JobSummary `json:"jobs"`
	NextToken string       `json:"nextToken,omitzero"`
}

// JobSummary is one job of ListJobs.
type JobSummary struct {
	JobARN          string        `json:"jobArn,omitzero"`
	JobID           job.ID        `json:"jobId,omitzero"`
	ThingGroupID    string        `json:"thingGroupId,omitzero"`
	TargetSelection string        `json:"targetSelection,omitzero"`
	Status          job.JobStatus `json:"status,omitzero"`
	CreatedAt       time.Time     `json:"createdAt,omitzero"`
	LastUpdatedAt   time.Time     `json:"lastUpdatedAt,omitzero"`
	CompletedAt     time.Time     `json:"completedAt,omitzero"`
	IsConcurrent    bool          `json:"isConcurrent"`
}

// GetJobDocumentInput is the request of GetJobDocument.
type GetJobDocumentInput struct {
	JobID              job.ID `uri:"jobId"`
	BeforeSubstitution bool   `query:"beforeSubstitution"`
}

// GetJobDocumentOutput is the reply of GetJobDocument.
type GetJobDocumentOutput struct {
	Document string `json:"document"`
}

// CancelJobInput is the request of CancelJob.
type CancelJobInput struct {
	JobID      job.ID `uri:"jobId"`
	ReasonCode string `json:"reasonCode,omitzero"`
	Comment    string `json:"comment,omitzero"`
	Force      bool   `query:"force"`
}

// CancelJobOutput is the reply of CancelJob.
type CancelJobOutput struct {
	JobARN      string `json:"jobArn,omitzero"`
	JobID       job.ID `json:"jobId,omitzero"`
	Description string `json:"description,omitzero"`
}

// DeleteJobInput is the request of DeleteJob.
type DeleteJobInput struct {
	JobID       job.ID        `uri:"jobId"`
	Force       bool          `query:"force"`
	NamespaceID job.Namespace `query:"namespaceId"`
}

// DeleteJobOutput is the reply of DeleteJob; its body is empty.
type DeleteJobOutput struct{}

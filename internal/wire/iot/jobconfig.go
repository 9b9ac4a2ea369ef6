package iot

// PresignedURLConfig says how placeholders for S3 objects become URLs.
type PresignedURLConfig struct {
	RoleARN      string `json:"roleArn,omitzero"`
	ExpiresInSec *int64 `json:"expiresInSec,omitzero"`
}

// JobExecutionsRolloutConfig limits how fast a job reaches its things.
type JobExecutionsRolloutConfig struct {
	MaximumPerMinute *int64                  `json:"maximumPerMinute,omitzero"`
	ExponentialRate  *ExponentialRolloutRate `json:"exponentialRate,omitzero"`
}

// ExponentialRolloutRate is a rollout that grows.
type ExponentialRolloutRate struct {
	BaseRatePerMinute    *int64                `json:"baseRatePerMinute,omitzero"`
	IncrementFactor      *float64              `json:"incrementFactor,omitzero"`
	RateIncreaseCriteria *RateIncreaseCriteria `json:"rateIncreaseCriteria,omitzero"`
}

// RateIncreaseCriteria says when the rate grows: by one of them, or whichever is further.
type RateIncreaseCriteria struct {
	NumberOfNotifiedThings  *int64 `json:"numberOfNotifiedThings,omitzero"`
	NumberOfSucceededThings *int64 `json:"numberOfSucceededThings,omitzero"`
}

// AbortConfig says when a job cancels itself.
type AbortConfig struct {
	CriteriaList []AbortCriteria `json:"criteriaList"`
}

// AbortCriteria is one of its criteria.
type AbortCriteria struct {
	FailureType               string   `json:"failureType"`
	Action                    string   `json:"action"`
	ThresholdPercentage       *float64 `json:"thresholdPercentage,omitzero"`
	MinNumberOfExecutedThings *int64   `json:"minNumberOfExecutedThings,omitzero"`
}

// TimeoutConfig is the in-progress timer of every execution of a job.
type TimeoutConfig struct {
	InProgressTimeoutInMinutes *int64 `json:"inProgressTimeoutInMinutes,omitzero"`
}

// JobExecutionsRetryConfig says which ends of an execution are tried again.
type JobExecutionsRetryConfig struct {
	CriteriaList []RetryCriteria `json:"criteriaList"`
}

// RetryCriteria is one of its criteria.
type RetryCriteria struct {
	FailureType     string `json:"failureType"`
	NumberOfRetries *int64 `json:"numberOfRetries,omitzero"`
}

// SchedulingConfig says when a job rolls out.
type SchedulingConfig struct {
	StartTime          string              `json:"startTime,omitzero"`
	EndTime            string              `json:"endTime,omitzero"`
	EndBehavior        string              `json:"endBehavior,omitzero"`
	MaintenanceWindows []MaintenanceWindow `json:"maintenanceWindows,omitzero"`
}

// MaintenanceWindow is a recurring time in which a job may roll out; StartTime is
// a cron expression.
type MaintenanceWindow struct {
	StartTime         string `json:"startTime"`
	DurationInMinutes *int64 `json:"durationInMinutes,omitzero"`
}

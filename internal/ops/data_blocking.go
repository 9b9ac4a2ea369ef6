package ops

import (
	"context"

	"github.com/drover-iot/drover/internal/wire/jobsdata"
)

// GetPendingJobExecutions is the blocking form of GetPendingJobExecutionsAsync.
func (d *Data) GetPendingJobExecutions(ctx context.Context, c Caller, in *jobsdata.GetPendingJobExecutionsInput) (*jobsdata.GetPendingJobExecutionsOutput, error) {
	return blocking(ctx, func(done func(*jobsdata.GetPendingJobExecutionsOutput, error)) {
		d.GetPendingJobExecutionsAsync(c, in, done)
	})
}

// StartNextPendingJobExecution is the blocking form of StartNextPendingJobExecutionAsync.
func (d *Data) StartNextPendingJobExecution(ctx context.Context, c Caller, in *jobsdata.StartNextPendingJobExecutionInput) (*jobsdata.StartNextPendingJobExecutionOutput, error) {
	return blocking(ctx, func(done func(*jobsdata.StartNextPendingJobExecutionOutput, error)) {
		d.StartNextPendingJobExecutionAsync(c, in, done)
	})
}

// DescribeJobExecution is the blocking form of DescribeJobExecutionAsync.
func (d *Data) DescribeJobExecution(ctx context.Context, c Caller, in *jobsdata.DescribeJobExecutionInput) (*jobsdata.DescribeJobExecutionOutput, error) {
	return blocking(ctx, func(done func(*jobsdata.DescribeJobExecutionOutput, error)) {
		d.DescribeJobExecutionAsync(c, in, done)
	})
}

// UpdateJobExecution is the blocking form of UpdateJobExecutionAsync.
func (d *Data) UpdateJobExecution(ctx context.Context, c Caller, in *jobsdata.UpdateJobExecutionInput) (*jobsdata.UpdateJobExecutionOutput, error) {
	return blocking(ctx, func(done func(*jobsdata.UpdateJobExecutionOutput, error)) {
		d.UpdateJobExecutionAsync(c, in, done)
	})
}

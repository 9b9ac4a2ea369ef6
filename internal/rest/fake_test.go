package rest_test

import (
	"context"
	"reflect"
	"sync"

	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/rest"
	"github.com/drover-iot/drover/internal/wire/iot"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
)

// fake notes the calls it gets and answers with what it is told to.
type fake struct {
	mu     sync.Mutex
	calls  []any // the inputs
	caller ops.Caller
	out    any // the reply, if its type fits; else an empty one
	err    error
	panics any
}

var (
	_ rest.Data    = fakeData{}
	_ rest.Control = fakeControl{}
)

// fakeData and fakeControl are the two faces of one fake; they share the name
// DescribeJobExecution.
type (
	fakeData    struct{ *fake }
	fakeControl struct{ *fake }
)

func answer[Out any](f *fake, c ops.Caller, in any) (*Out, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls, f.caller = append(f.calls, in), c
	if f.panics != nil {
		panic(f.panics)
	}
	if f.err != nil {
		return nil, f.err
	}
	if out, ok := f.out.(*Out); ok {
		return out, nil
	}
	return new(Out), nil
}

// last gives the only call, and forgets it.
func (f *fake) last() (any, ops.Caller) {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	if len(calls) != 1 {
		return nil, ops.Caller{}
	}
	return calls[0], f.caller
}

// nameOf is the operation whose input this is.
func nameOf(in any) string { return reflect.TypeOf(in).Elem().Name() }

func (f fakeData) GetPendingJobExecutions(_ context.Context, c ops.Caller, in *jobsdata.GetPendingJobExecutionsInput) (*jobsdata.GetPendingJobExecutionsOutput, error) {
	return answer[jobsdata.GetPendingJobExecutionsOutput](f.fake, c, in)
}

func (f fakeData) StartNextPendingJobExecution(_ context.Context, c ops.Caller, in *jobsdata.StartNextPendingJobExecutionInput) (*jobsdata.StartNextPendingJobExecutionOutput, error) {
	return answer[jobsdata.StartNextPendingJobExecutionOutput](f.fake, c, in)
}

func (f fakeData) DescribeJobExecution(_ context.Context, c ops.Caller, in *jobsdata.DescribeJobExecutionInput) (*jobsdata.DescribeJobExecutionOutput, error) {
	return answer[jobsdata.DescribeJobExecutionOutput](f.fake, c, in)
}

func (f fakeData) UpdateJobExecution(_ context.Context, c ops.Caller, in *jobsdata.UpdateJobExecutionInput) (*jobsdata.UpdateJobExecutionOutput, error) {
	return answer[jobsdata.UpdateJobExecutionOutput](f.fake, c, in)
}

func (f fakeControl) DescribeEndpoint(_ context.Context, c ops.Caller, in *iot.DescribeEndpointInput) (*iot.DescribeEndpointOutput, error) {
	return answer[iot.DescribeEndpointOutput](f.fake, c, in)
}

func (f fakeControl) CreateThing(_ context.Context, c ops.Caller, in *iot.CreateThingInput) (*iot.CreateThingOutput, error) {
	return answer[iot.CreateThingOutput](f.fake, c, in)
}

func (f fakeControl) DescribeThing(_ context.Context, c ops.Caller, in *iot.DescribeThingInput) (*iot.DescribeThingOutput, error) {
	return answer[iot.DescribeThingOutput](f.fake, c, in)
}

func (f fakeControl) UpdateThing(_ context.Context, c ops.Caller, in *iot.UpdateThingInput) (*iot.UpdateThingOutput, error) {
	return answer[iot.UpdateThingOutput](f.fake, c, in)
}

func (f fakeControl) DeleteThing(_ context.Context, c ops.Caller, in *iot.DeleteThingInput) (*iot.DeleteThingOutput, error) {
	return answer[iot.DeleteThingOutput](f.fake, c, in)
}

func (f fakeControl) ListThings(_ context.Context, c ops.Caller, in *iot.ListThingsInput) (*iot.ListThingsOutput, error) {
	return answer[iot.ListThingsOutput](f.fake, c, in)
}

func (f fakeControl) CreateThingGroup(_ context.Context, c ops.Caller, in *iot.CreateThingGroupInput) (*iot.CreateThingGroupOutput, error) {
	return answer[iot.CreateThingGroupOutput](f.fake, c, in)
}

func (f fakeControl) DescribeThingGroup(_ context.Context, c ops.Caller, in *iot.DescribeThingGroupInput) (*iot.DescribeThingGroupOutput, error) {
	return answer[iot.DescribeThingGroupOutput](f.fake, c, in)
}

func (f fakeControl) DeleteThingGroup(_ context.Context, c ops.Caller, in *iot.DeleteThingGroupInput) (*iot.DeleteThingGroupOutput, error) {
	return answer[iot.DeleteThingGroupOutput](f.fake, c, in)
}

func (f fakeControl) ListThingGroups(_ context.Context, c ops.Caller, in *iot.ListThingGroupsInput) (*iot.ListThingGroupsOutput, error) {
	return answer[iot.ListThingGroupsOutput](f.fake, c, in)
}

func (f fakeControl) AddThingToThingGroup(_ context.Context, c ops.Caller, in *iot.AddThingToThingGroupInput) (*iot.AddThingToThingGroupOutput, error) {
	return answer[iot.AddThingToThingGroupOutput](f.fake, c, in)
}

func (f fakeControl) RemoveThingFromThingGroup(_ context.Context, c ops.Caller, in *iot.RemoveThingFromThingGroupInput) (*iot.RemoveThingFromThingGroupOutput, error) {
	return answer[iot.RemoveThingFromThingGroupOutput](f.fake, c, in)
}

func (f fakeControl) ListThingsInThingGroup(_ context.Context, c ops.Caller, in *iot.ListThingsInThingGroupInput) (*iot.ListThingsInThingGroupOutput, error) {
	return answer[iot.ListThingsInThingGroupOutput](f.fake, c, in)
}

func (f fakeControl) ListThingGroupsForThing(_ context.Context, c ops.Caller, in *iot.ListThingGroupsForThingInput) (*iot.ListThingGroupsForThingOutput, error) {
	return answer[iot.ListThingGroupsForThingOutput](f.fake, c, in)
}

func (f fakeControl) CreateJob(_ context.Context, c ops.Caller, in *iot.CreateJobInput) (*iot.CreateJobOutput, error) {
	return answer[iot.CreateJobOutput](f.fake, c, in)
}

func (f fakeControl) UpdateJob(_ context.Context, c ops.Caller, in *iot.UpdateJobInput) (*iot.UpdateJobOutput, error) {
	return answer[iot.UpdateJobOutput](f.fake, c, in)
}

func (f fakeControl) AssociateTargetsWithJob(_ context.Context, c ops.Caller, in *iot.AssociateTargetsWithJobInput) (*iot.AssociateTargetsWithJobOutput, error) {
	return answer[iot.AssociateTargetsWithJobOutput](f.fake, c, in)
}

func (f fakeControl) DescribeJob(_ context.Context, c ops.Caller, in *iot.DescribeJobInput) (*iot.DescribeJobOutput, error) {
	return answer[iot.DescribeJobOutput](f.fake, c, in)
}

func (f fakeControl) ListJobs(_ context.Context, c ops.Caller, in *iot.ListJobsInput) (*iot.ListJobsOutput, error) {
	return answer[iot.ListJobsOutput](f.fake, c, in)
}

func (f fakeControl) GetJobDocument(_ context.Context, c ops.Caller, in *iot.GetJobDocumentInput) (*iot.GetJobDocumentOutput, error) {
	return answer[iot.GetJobDocumentOutput](f.fake, c, in)
}

func (f fakeControl) CancelJob(_ context.Context, c ops.Caller, in *iot.CancelJobInput) (*iot.CancelJobOutput, error) {
	return answer[iot.CancelJobOutput](f.fake, c, in)
}

func (f fakeControl) DeleteJob(_ context.Context, c ops.Caller, in *iot.DeleteJobInput) (*iot.DeleteJobOutput, error) {
	return answer[iot.DeleteJobOutput](f.fake, c, in)
}

func (f fakeControl) DescribeJobExecution(_ context.Context, c ops.Caller, in *iot.DescribeJobExecutionInput) (*iot.DescribeJobExecutionOutput, error) {
	return answer[iot.DescribeJobExecutionOutput](f.fake, c, in)
}

func (f fakeControl) CancelJobExecution(_ context.Context, c ops.Caller, in *iot.CancelJobExecutionInput) (*iot.CancelJobExecutionOutput, error) {
	return answer[iot.CancelJobExecutionOutput](f.fake, c, in)
}

func (f fakeControl) DeleteJobExecution(_ context.Context, c ops.Caller, in *iot.DeleteJobExecutionInput) (*iot.DeleteJobExecutionOutput, error) {
	return answer[iot.DeleteJobExecutionOutput](f.fake, c, in)
}

func (f fakeControl) ListJobExecutionsForJob(_ context.Context, c ops.Caller, in *iot.ListJobExecutionsForJobInput) (*iot.ListJobExecutionsForJobOutput, error) {
	return answer[iot.ListJobExecutionsForJobOutput](f.fake, c, in)
}

func (f fakeControl) ListJobExecutionsForThing(_ context.Context, c ops.Caller, in *iot.ListJobExecutionsForThingInput) (*iot.ListJobExecutionsForThingOutput, error) {
	return answer[iot.ListJobExecutionsForThingOutput](f.fake, c, in)
}

func (f fakeControl) CreateKeysAndCertificate(_ context.Context, c ops.Caller, in *iot.CreateKeysAndCertificateInput) (*iot.CreateKeysAndCertificateOutput, error) {
	return answer[iot.CreateKeysAndCertificateOutput](f.fake, c, in)
}

func (f fakeControl) AttachThingPrincipal(_ context.Context, c ops.Caller, in *iot.AttachThingPrincipalInput) (*iot.AttachThingPrincipalOutput, error) {
	return answer[iot.AttachThingPrincipalOutput](f.fake, c, in)
}

func (f fakeControl) ListThingPrincipals(_ context.Context, c ops.Caller, in *iot.ListThingPrincipalsInput) (*iot.ListThingPrincipalsOutput, error) {
	return answer[iot.ListThingPrincipalsOutput](f.fake, c, in)
}

func (f fakeControl) CreateCertificateFromCsr(_ context.Context, c ops.Caller, in *iot.CreateCertificateFromCsrInput) (*iot.CreateCertificateFromCsrOutput, error) {
	return answer[iot.CreateCertificateFromCsrOutput](f.fake, c, in)
}

func (f fakeControl) RegisterCertificateWithoutCA(_ context.Context, c ops.Caller, in *iot.RegisterCertificateWithoutCAInput) (*iot.RegisterCertificateWithoutCAOutput, error) {
	return answer[iot.RegisterCertificateWithoutCAOutput](f.fake, c, in)
}

func (f fakeControl) DescribeCertificate(_ context.Context, c ops.Caller, in *iot.DescribeCertificateInput) (*iot.DescribeCertificateOutput, error) {
	return answer[iot.DescribeCertificateOutput](f.fake, c, in)
}

func (f fakeControl) ListCertificates(_ context.Context, c ops.Caller, in *iot.ListCertificatesInput) (*iot.ListCertificatesOutput, error) {
	return answer[iot.ListCertificatesOutput](f.fake, c, in)
}

func (f fakeControl) UpdateCertificate(_ context.Context, c ops.Caller, in *iot.UpdateCertificateInput) (*iot.UpdateCertificateOutput, error) {
	return answer[iot.UpdateCertificateOutput](f.fake, c, in)
}

func (f fakeControl) DeleteCertificate(_ context.Context, c ops.Caller, in *iot.DeleteCertificateInput) (*iot.DeleteCertificateOutput, error) {
	return answer[iot.DeleteCertificateOutput](f.fake, c, in)
}

func (f fakeControl) DetachThingPrincipal(_ context.Context, c ops.Caller, in *iot.DetachThingPrincipalInput) (*iot.DetachThingPrincipalOutput, error) {
	return answer[iot.DetachThingPrincipalOutput](f.fake, c, in)
}

func (f fakeControl) ListThingPrincipalsV2(_ context.Context, c ops.Caller, in *iot.ListThingPrincipalsV2Input) (*iot.ListThingPrincipalsV2Output, error) {
	return answer[iot.ListThingPrincipalsV2Output](f.fake, c, in)
}

func (f fakeControl) ListPrincipalThings(_ context.Context, c ops.Caller, in *iot.ListPrincipalThingsInput) (*iot.ListPrincipalThingsOutput, error) {
	return answer[iot.ListPrincipalThingsOutput](f.fake, c, in)
}

func (f fakeControl) ListPrincipalThingsV2(_ context.Context, c ops.Caller, in *iot.ListPrincipalThingsV2Input) (*iot.ListPrincipalThingsV2Output, error) {
	return answer[iot.ListPrincipalThingsV2Output](f.fake, c, in)
}

func (f fakeControl) UpdateThingGroup(_ context.Context, c ops.Caller, in *iot.UpdateThingGroupInput) (*iot.UpdateThingGroupOutput, error) {
	return answer[iot.UpdateThingGroupOutput](f.fake, c, in)
}

func (f fakeControl) UpdateThingGroupsForThing(_ context.Context, c ops.Caller, in *iot.UpdateThingGroupsForThingInput) (*iot.UpdateThingGroupsForThingOutput, error) {
	return answer[iot.UpdateThingGroupsForThingOutput](f.fake, c, in)
}

func (f fakeControl) TagResource(_ context.Context, c ops.Caller, in *iot.TagResourceInput) (*iot.TagResourceOutput, error) {
	return answer[iot.TagResourceOutput](f.fake, c, in)
}

func (f fakeControl) UntagResource(_ context.Context, c ops.Caller, in *iot.UntagResourceInput) (*iot.UntagResourceOutput, error) {
	return answer[iot.UntagResourceOutput](f.fake, c, in)
}

func (f fakeControl) ListTagsForResource(_ context.Context, c ops.Caller, in *iot.ListTagsForResourceInput) (*iot.ListTagsForResourceOutput, error) {
	return answer[iot.ListTagsForResourceOutput](f.fake, c, in)
}

func (f fakeControl) CreateThingType(_ context.Context, c ops.Caller, in *iot.CreateThingTypeInput) (*iot.CreateThingTypeOutput, error) {
	return answer[iot.CreateThingTypeOutput](f.fake, c, in)
}

func (f fakeControl) DescribeThingType(_ context.Context, c ops.Caller, in *iot.DescribeThingTypeInput) (*iot.DescribeThingTypeOutput, error) {
	return answer[iot.DescribeThingTypeOutput](f.fake, c, in)
}

func (f fakeControl) ListThingTypes(_ context.Context, c ops.Caller, in *iot.ListThingTypesInput) (*iot.ListThingTypesOutput, error) {
	return answer[iot.ListThingTypesOutput](f.fake, c, in)
}

func (f fakeControl) UpdateThingType(_ context.Context, c ops.Caller, in *iot.UpdateThingTypeInput) (*iot.UpdateThingTypeOutput, error) {
	return answer[iot.UpdateThingTypeOutput](f.fake, c, in)
}

func (f fakeControl) DeprecateThingType(_ context.Context, c ops.Caller, in *iot.DeprecateThingTypeInput) (*iot.DeprecateThingTypeOutput, error) {
	return answer[iot.DeprecateThingTypeOutput](f.fake, c, in)
}

func (f fakeControl) DeleteThingType(_ context.Context, c ops.Caller, in *iot.DeleteThingTypeInput) (*iot.DeleteThingTypeOutput, error) {
	return answer[iot.DeleteThingTypeOutput](f.fake, c, in)
}

func (f fakeControl) UpdateEventConfigurations(_ context.Context, c ops.Caller, in *iot.UpdateEventConfigurationsInput) (*iot.UpdateEventConfigurationsOutput, error) {
	return answer[iot.UpdateEventConfigurationsOutput](f.fake, c, in)
}

func (f fakeControl) DescribeEventConfigurations(_ context.Context, c ops.Caller, in *iot.DescribeEventConfigurationsInput) (*iot.DescribeEventConfigurationsOutput, error) {
	return answer[iot.DescribeEventConfigurationsOutput](f.fake, c, in)
}

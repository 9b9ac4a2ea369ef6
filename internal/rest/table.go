package rest

import (
	"context"
	"reflect"
	"strings"

	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/wire"
	"github.com/drover-iot/drover/internal/wire/iot"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
)

// Data is the operations of the data plane: *ops.Data.
type Data interface {
	GetPendingJobExecutions(context.Context, ops.Caller, *jobsdata.GetPendingJobExecutionsInput) (*jobsdata.GetPendingJobExecutionsOutput, error)
	StartNextPendingJobExecution(context.Context, ops.Caller, *jobsdata.StartNextPendingJobExecutionInput) (*jobsdata.StartNextPendingJobExecutionOutput, error)
	DescribeJobExecution(context.Context, ops.Caller, *jobsdata.DescribeJobExecutionInput) (*jobsdata.DescribeJobExecutionOutput, error)
	UpdateJobExecution(context.Context, ops.Caller, *jobsdata.UpdateJobExecutionInput) (*jobsdata.UpdateJobExecutionOutput, error)
}

// Control is the operations of the control plane: *ops.Control.
type Control interface {
	DescribeEndpoint(context.Context, ops.Caller, *iot.DescribeEndpointInput) (*iot.DescribeEndpointOutput, error)

	CreateThing(context.Context, ops.Caller, *iot.CreateThingInput) (*iot.CreateThingOutput, error)
	DescribeThing(context.Context, ops.Caller, *iot.DescribeThingInput) (*iot.DescribeThingOutput, error)
	UpdateThing(context.Context, ops.Caller, *iot.UpdateThingInput) (*iot.UpdateThingOutput, error)
	DeleteThing(context.Context, ops.Caller, *iot.DeleteThingInput) (*iot.DeleteThingOutput, error)
	ListThings(context.Context, ops.Caller, *iot.ListThingsInput) (*iot.ListThingsOutput, error)

	CreateThingGroup(context.Context, ops.Caller, *iot.CreateThingGroupInput) (*iot.CreateThingGroupOutput, error)
	DescribeThingGroup(context.Context, ops.Caller, *iot.DescribeThingGroupInput) (*iot.DescribeThingGroupOutput, error)
	UpdateThingGroup(context.Context, ops.Caller, *iot.UpdateThingGroupInput) (*iot.UpdateThingGroupOutput, error)
	DeleteThingGroup(context.Context, ops.Caller, *iot.DeleteThingGroupInput) (*iot.DeleteThingGroupOutput, error)
	ListThingGroups(context.Context, ops.Caller, *iot.ListThingGroupsInput) (*iot.ListThingGroupsOutput, error)
	AddThingToThingGroup(context.Context, ops.Caller, *iot.AddThingToThingGroupInput) (*iot.AddThingToThingGroupOutput, error)
	RemoveThingFromThingGroup(context.Context, ops.Caller, *iot.RemoveThingFromThingGroupInput) (*iot.RemoveThingFromThingGroupOutput, error)
	ListThingsInThingGroup(context.Context, ops.Caller, *iot.ListThingsInThingGroupInput) (*iot.ListThingsInThingGroupOutput, error)
	UpdateThingGroupsForThing(context.Context, ops.Caller, *iot.UpdateThingGroupsForThingInput) (*iot.UpdateThingGroupsForThingOutput, error)
	ListThingGroupsForThing(context.Context, ops.Caller, *iot.ListThingGroupsForThingInput) (*iot.ListThingGroupsForThingOutput, error)

	CreateThingType(context.Context, ops.Caller, *iot.CreateThingTypeInput) (*iot.CreateThingTypeOutput, error)
	DescribeThingType(context.Context, ops.Caller, *iot.DescribeThingTypeInput) (*iot.DescribeThingTypeOutput, error)
	ListThingTypes(context.Context, ops.Caller, *iot.ListThingTypesInput) (*iot.ListThingTypesOutput, error)
	UpdateThingType(context.Context, ops.Caller, *iot.UpdateThingTypeInput) (*iot.UpdateThingTypeOutput, error)
	DeprecateThingType(context.Context, ops.Caller, *iot.DeprecateThingTypeInput) (*iot.DeprecateThingTypeOutput, error)
	DeleteThingType(context.Context, ops.Caller, *iot.DeleteThingTypeInput) (*iot.DeleteThingTypeOutput, error)

	TagResource(context.Context, ops.Caller, *iot.TagResourceInput) (*iot.TagResourceOutput, error)
	UntagResource(context.Context, ops.Caller, *iot.UntagResourceInput) (*iot.UntagResourceOutput, error)
	ListTagsForResource(context.Context, ops.Caller, *iot.ListTagsForResourceInput) (*iot.ListTagsForResourceOutput, error)

	UpdateEventConfigurations(context.Context, ops.Caller, *iot.UpdateEventConfigurationsInput) (*iot.UpdateEventConfigurationsOutput, error)
	DescribeEventConfigurations(context.Context, ops.Caller, *iot.DescribeEventConfigurationsInput) (*iot.DescribeEventConfigurationsOutput, error)

	CreateJob(context.Context, ops.Caller, *iot.CreateJobInput) (*iot.CreateJobOutput, error)
	UpdateJob(context.Context, ops.Caller, *iot.UpdateJobInput) (*iot.UpdateJobOutput, error)
	AssociateTargetsWithJob(context.Context, ops.Caller, *iot.AssociateTargetsWithJobInput) (*iot.AssociateTargetsWithJobOutput, error)
	DescribeJob(context.Context, ops.Caller, *iot.DescribeJobInput) (*iot.DescribeJobOutput, error)
	ListJobs(context.Context, ops.Caller, *iot.ListJobsInput) (*iot.ListJobsOutput, error)
	GetJobDocument(context.Context, ops.Caller, *iot.GetJobDocumentInput) (*iot.GetJobDocumentOutput, error)
	CancelJob(context.Context, ops.Caller, *iot.CancelJobInput) (*iot.CancelJobOutput, error)
	DeleteJob(context.Context, ops.Caller, *iot.DeleteJobInput) (*iot.DeleteJobOutput, error)

	DescribeJobExecution(context.Context, ops.Caller, *iot.DescribeJobExecutionInput) (*iot.DescribeJobExecutionOutput, error)
	CancelJobExecution(context.Context, ops.Caller, *iot.CancelJobExecutionInput) (*iot.CancelJobExecutionOutput, error)
	DeleteJobExecution(context.Context, ops.Caller, *iot.DeleteJobExecutionInput) (*iot.DeleteJobExecutionOutput, error)
	ListJobExecutionsForJob(context.Context, ops.Caller, *iot.ListJobExecutionsForJobInput) (*iot.ListJobExecutionsForJobOutput, error)
	ListJobExecutionsForThing(context.Context, ops.Caller, *iot.ListJobExecutionsForThingInput) (*iot.ListJobExecutionsForThingOutput, error)

	CreateKeysAndCertificate(context.Context, ops.Caller, *iot.CreateKeysAndCertificateInput) (*iot.CreateKeysAndCertificateOutput, error)
	CreateCertificateFromCsr(context.Context, ops.Caller, *iot.CreateCertificateFromCsrInput) (*iot.CreateCertificateFromCsrOutput, error)
	RegisterCertificateWithoutCA(context.Context, ops.Caller, *iot.RegisterCertificateWithoutCAInput) (*iot.RegisterCertificateWithoutCAOutput, error)
	DescribeCertificate(context.Context, ops.Caller, *iot.DescribeCertificateInput) (*iot.DescribeCertificateOutput, error)
	ListCertificates(context.Context, ops.Caller, *iot.ListCertificatesInput) (*iot.ListCertificatesOutput, error)
	UpdateCertificate(context.Context, ops.Caller, *iot.UpdateCertificateInput) (*iot.UpdateCertificateOutput, error)
	DeleteCertificate(context.Context, ops.Caller, *iot.DeleteCertificateInput) (*iot.DeleteCertificateOutput, error)

	AttachThingPrincipal(context.Context, ops.Caller, *iot.AttachThingPrincipalInput) (*iot.AttachThingPrincipalOutput, error)
	DetachThingPrincipal(context.Context, ops.Caller, *iot.DetachThingPrincipalInput) (*iot.DetachThingPrincipalOutput, error)
	ListThingPrincipals(context.Context, ops.Caller, *iot.ListThingPrincipalsInput) (*iot.ListThingPrincipalsOutput, error)
	ListThingPrincipalsV2(context.Context, ops.Caller, *iot.ListThingPrincipalsV2Input) (*iot.ListThingPrincipalsV2Output, error)
	ListPrincipalThings(context.Context, ops.Caller, *iot.ListPrincipalThingsInput) (*iot.ListPrincipalThingsOutput, error)
	ListPrincipalThingsV2(context.Context, ops.Caller, *iot.ListPrincipalThingsV2Input) (*iot.ListPrincipalThingsV2Output, error)
}

var (
	_ Data    = (*ops.Data)(nil)
	_ Control = (*ops.Control)(nil)
)

// calls collects operations under the names that their inputs carry.
type calls map[string]call

func dataPlane(d Data) *plane {
	c := calls{}
	handle(c, d.GetPendingJobExecutions, appended)
	handle(c, d.StartNextPendingJobExecution, appended)
	handle(c, d.DescribeJobExecution, appended)
	handle(c, d.UpdateJobExecution, appended)
	p := newPlane(jobsdata.Service, "iotjobsdata:", jobsdata.Operations(), c)
	p.refusal = dataRefusal
	return p
}

func controlPlane(k Control) *plane {
	c := calls{}
	handle(c, k.DescribeEndpoint, encoded)

	handle(c, k.CreateThing, encoded)
	handle(c, k.DescribeThing, encoded)
	handle(c, k.UpdateThing, encoded)
	handle(c, k.DeleteThing, encoded)
	handle(c, k.ListThings, encoded)

	handle(c, k.CreateThingGroup, encoded)
	handle(c, k.DescribeThingGroup, encoded)
	handle(c, k.UpdateThingGroup, encoded)
	handle(c, k.DeleteThingGroup, encoded)
	handle(c, k.ListThingGroups, encoded)
	handle(c, k.AddThingToThingGroup, encoded)
	handle(c, k.RemoveThingFromThingGroup, encoded)
	handle(c, k.ListThingsInThingGroup, encoded)
	handle(c, k.UpdateThingGroupsForThing, encoded)
	handle(c, k.ListThingGroupsForThing, encoded)

	handle(c, k.CreateThingType, encoded)
	handle(c, k.DescribeThingType, encoded)
	handle(c, k.ListThingTypes, encoded)
	handle(c, k.UpdateThingType, encoded)
	handle(c, k.DeprecateThingType, encoded)
	handle(c, k.DeleteThingType, encoded)

	handle(c, k.TagResource, encoded)
	handle(c, k.UntagResource, encoded)
	handle(c, k.ListTagsForResource, encoded)

	handle(c, k.UpdateEventConfigurations, encoded)
	handle(c, k.DescribeEventConfigurations, encoded)

	handle(c, k.CreateJob, encoded)
	handle(c, k.UpdateJob, encoded)
	handle(c, k.AssociateTargetsWithJob, encoded)
	handle(c, k.DescribeJob, encoded)
	handle(c, k.ListJobs, encoded)
	handle(c, k.GetJobDocument, encoded)
	handle(c, k.CancelJob, encoded)
	handle(c, k.DeleteJob, encoded)

	handle(c, k.DescribeJobExecution, encoded)
	handle(c, k.CancelJobExecution, encoded)
	handle(c, k.DeleteJobExecution, encoded)
	handle(c, k.ListJobExecutionsForJob, encoded)
	handle(c, k.ListJobExecutionsForThing, encoded)

	handle(c, k.CreateKeysAndCertificate, encoded)
	handle(c, k.CreateCertificateFromCsr, encoded)
	handle(c, k.RegisterCertificateWithoutCA, encoded)
	handle(c, k.DescribeCertificate, encoded)
	handle(c, k.ListCertificates, encoded)
	handle(c, k.UpdateCertificate, encoded)
	handle(c, k.DeleteCertificate, encoded)

	handle(c, k.AttachThingPrincipal, encoded)
	handle(c, k.DetachThingPrincipal, encoded)
	handle(c, k.ListThingPrincipals, encoded)
	handle(c, k.ListThingPrincipalsV2, encoded)
	handle(c, k.ListPrincipalThings, encoded)
	handle(c, k.ListPrincipalThingsV2, encoded)
	p := newPlane(iot.Service, "iot:", iot.Operations(), c)
	p.refusal = controlRefusal
	return p
}

// handle enters one operation: bind and check, do, encode.
func handle[In, Out any](c calls, do func(context.Context, ops.Caller, *In) (*Out, error), encode func(any) ([]byte, error)) {
	name := strings.TrimSuffix(reflect.TypeFor[In]().Name(), "Input")
	c[name] = func(ctx context.Context, caller ops.Caller, members func(location, name string) (string, bool), body []byte) ([]byte, error) {
		in := new(In)
		if err := wire.Bind(in, members, body); err != nil {
			return nil, err
		}
		out, err := do(ctx, caller, in)
		if err != nil {
			return nil, err
		}
		return encode(out)
	}
}

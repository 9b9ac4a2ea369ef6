package ops

import (
	"context"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// DescribeEndpoint tells the host that devices and tools connect to: the same
// bare name for every type that clients ask for before they do anything else
// (registry-and-auth.md D.5). Errors: InvalidRequest for an unknown type,
// NotImplemented for AWS's others.
func (c *Control) DescribeEndpoint(_ context.Context, _ Caller, in *iot.DescribeEndpointInput) (*iot.DescribeEndpointOutput, error) {
	switch in.EndpointType {
	case "", "iot:Data", "iot:Data-ATS", "iot:Jobs", "iot:CredentialProvider":
		return &iot.DescribeEndpointOutput{EndpointAddress: c.Endpoint}, nil
	case "iot:DeviceAdvisor", "iot:Data-Beta":
		return nil, job.Errorf(job.NotImplemented, "Endpoint type %s is not here: Drover answers for iot:Data, iot:Data-ATS, iot:Jobs and iot:CredentialProvider", in.EndpointType)
	}
	return nil, job.Errorf(job.InvalidRequest, "Unknown endpoint type %q: expected iot:Data, iot:Data-ATS, iot:Jobs or iot:CredentialProvider", in.EndpointType)
}

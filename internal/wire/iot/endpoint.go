package iot

// DescribeEndpointInput is the request of DescribeEndpoint.
type DescribeEndpointInput struct {
	EndpointType string `query:"endpointType"`
}

// DescribeEndpointOutput is the reply of DescribeEndpoint.
type DescribeEndpointOutput struct {
	EndpointAddress string `json:"endpointAddress,omitzero"`
}

package iot

import "github.com/drover-iot/drover/internal/registry"

// CreateThingInput is the request of CreateThing.
type CreateThingInput struct {
	ThingName        registry.Name     `uri:"thingName"`
	ThingTypeName    registry.TypeName `json:"thingTypeName,omitzero"`
	AttributePayload *AttributePayload `json:"attributePayload,omitzero"`
	BillingGroupName string            `json:"billingGroupName,omitzero" never:"billing groups"`
}

// CreateThingOutput is the reply of CreateThing.
type CreateThingOutput struct {
	ThingName registry.Name `json:"thingName,omitzero"`
	ThingARN  string        `json:"thingArn,omitzero"`
	ThingID   string        `json:"thingId,omitzero"`
}

// AttributePayload is the attributes of a thing or group. Merge matters to
// UpdateThing alone (registry-and-auth.md D.3).
type AttributePayload struct {
	Attributes map[string]string `json:"attributes,omitzero"`
	Merge      bool              `json:"merge,omitzero"`
}

// DescribeThingInput is the request of DescribeThing.
type DescribeThingInput struct {
	ThingName registry.Name `uri:"thingName"`
}

// DescribeThingOutput is the reply of DescribeThing.
type DescribeThingOutput struct {
	DefaultClientID  string            `json:"defaultClientId,omitzero"`
	ThingName        registry.Name     `json:"thingName,omitzero"`
	ThingID          string            `json:"thingId,omitzero"`
	ThingARN         string            `json:"thingArn,omitzero"`
	ThingTypeName    registry.TypeName `json:"thingTypeName,omitzero"`
	Attributes       map[string]string `json:"attributes"`
	Version          int64             `json:"version"`
	BillingGroupName string            `json:"billingGroupName,omitzero"`
}

// UpdateThingInput is the request of UpdateThing.
type UpdateThingInput struct {
	ThingName        registry.Name     `uri:"thingName"`
	ThingTypeName    registry.TypeName `json:"thingTypeName,omitzero"`
	AttributePayload *AttributePayload `json:"attributePayload,omitzero"`
	ExpectedVersion  *int64            `json:"expectedVersion,omitzero"`
	RemoveThingType  bool              `json:"removeThingType,omitzero"`
}

// UpdateThingOutput is the reply of UpdateThing.
type UpdateThingOutput struct{}

// DeleteThingInput is the request of DeleteThing.
type DeleteThingInput struct {
	ThingName       registry.Name `uri:"thingName"`
	ExpectedVersion *int64        `query:"expectedVersion"`
}

// DeleteThingOutput is the reply of DeleteThing.
type DeleteThingOutput struct{}

// ListThingsInput is the request of ListThings.
type ListThingsInput struct {
	NextToken               string            `query:"nextToken"`
	MaxResults              *int64            `query:"maxResults"`
	AttributeName           string            `query:"attributeName"`
	AttributeValue          string            `query:"attributeValue"`
	ThingTypeName           registry.TypeName `query:"thingTypeName"`
	UsePrefixAttributeValue bool              `query:"usePrefixAttributeValue"`
}

// ListThingsOutput is the reply of ListThings.
type ListThingsOutput struct {
	Things    []ThingAttribute `json:"things"`
	NextToken string           `json:"nextToken,omitzero"`
}

// ThingAttribute is one thing of ListThings.
type ThingAttribute struct {
	ThingName     registry.Name     `json:"thingName,omitzero"`
	ThingTypeName registry.TypeName `json:"thingTypeName,omitzero"`
	ThingARN      string            `json:"thingArn,omitzero"`
	Attributes    map[string]string `json:"attributes"`
	Version       int64             `json:"version"`
}

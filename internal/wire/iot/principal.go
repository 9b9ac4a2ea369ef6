package iot

import "github.com/drover-iot/drover/internal/registry"

// ThingPrincipalType is how a principal is attached to a thing.
type ThingPrincipalType string

// The types of an attachment; none is NonExclusiveThing.
const (
	ExclusiveThing    ThingPrincipalType = "EXCLUSIVE_THING"
	NonExclusiveThing ThingPrincipalType = "NON_EXCLUSIVE_THING"
)

// AttachThingPrincipalInput is the request of AttachThingPrincipal. Principal is
// the ARN of a certificate.
type AttachThingPrincipalInput struct {
	ThingName          registry.Name      `uri:"thingName"`
	Principal          string             `header:"x-amzn-principal"`
	ThingPrincipalType ThingPrincipalType `query:"thingPrincipalType"`
}

// AttachThingPrincipalOutput is the reply of AttachThingPrincipal.
type AttachThingPrincipalOutput struct{}

// DetachThingPrincipalInput is the request of DetachThingPrincipal.
type DetachThingPrincipalInput struct {
	ThingName registry.Name `uri:"thingName"`
	Principal string        `header:"x-amzn-principal"`
}

// DetachThingPrincipalOutput is the reply of DetachThingPrincipal.
type DetachThingPrincipalOutput struct{}

// ListThingPrincipalsInput is the request of ListThingPrincipals.
type ListThingPrincipalsInput struct {
	NextToken  string        `query:"nextToken"`
	MaxResults *int64        `query:"maxResults"`
	ThingName  registry.Name `uri:"thingName"`
}

// ListThingPrincipalsOutput is the reply of ListThingPrincipals.
type ListThingPrincipalsOutput struct {
	Principals []string `json:"principals"`
	NextToken  string   `json:"nextToken,omitzero"`
}

// ListThingPrincipalsV2Input is the request of ListThingPrincipalsV2. Without a
// type it asks for all.
type ListThingPrincipalsV2Input struct {
	NextToken          string             `query:"nextToken"`
	MaxResults         *int64             `query:"maxResults"`
	ThingName          registry.Name      `uri:"thingName"`
	ThingPrincipalType ThingPrincipalType `query:"thingPrincipalType"`
}

// ListThingPrincipalsV2Output is the reply of ListThingPrincipalsV2.
type ListThingPrincipalsV2Output struct {
	ThingPrincipalObjects []ThingPrincipalObject `json:"thingPrincipalObjects"`
	NextToken             string                 `json:"nextToken,omitzero"`
}

// ThingPrincipalObject is one principal of a thing.
type ThingPrincipalObject struct {
	Principal          string             `json:"principal"`
	ThingPrincipalType ThingPrincipalType `json:"thingPrincipalType,omitzero"`
}

// ListPrincipalThingsInput is the request of ListPrincipalThings.
type ListPrincipalThingsInput struct {
	NextToken  string `query:"nextToken"`
	MaxResults *int64 `query:"maxResults"`
	Principal  string `header:"x-amzn-principal"`
}

// ListPrincipalThingsOutput is the reply of ListPrincipalThings.
type ListPrincipalThingsOutput struct {
	Things    []registry.Name `json:"things"`
	NextToken string          `json:"nextToken,omitzero"`
}

// ListPrincipalThingsV2Input is the request of ListPrincipalThingsV2. Without a
// type it asks for all.
type ListPrincipalThingsV2Input struct {
	NextToken          string             `query:"nextToken"`
	MaxResults         *int64             `query:"maxResults"`
	Principal          string             `header:"x-amzn-principal"`
	ThingPrincipalType ThingPrincipalType `query:"thingPrincipalType"`
}

// ListPrincipalThingsV2Output is the reply of ListPrincipalThingsV2.
type ListPrincipalThingsV2Output struct {
	PrincipalThingObjects []PrincipalThingObject `json:"principalThingObjects"`
	NextToken             string                 `json:"nextToken,omitzero"`
}

// PrincipalThingObject is one thing of a principal.
type PrincipalThingObject struct {
	ThingName          registry.Name      `json:"thingName"`
	ThingPrincipalType ThingPrincipalType `json:"thingPrincipalType,omitzero"`
}

package iot

import (
	"time"

	"github.com/drover-iot/drover/internal/registry"
)

// CreateThingTypeInput is the request of CreateThingType.
type CreateThingTypeInput struct {
	ThingTypeName       registry.TypeName    `uri:"thingTypeName"`
	ThingTypeProperties *ThingTypeProperties `json:"thingTypeProperties,omitzero"`
	Tags                []Tag                `json:"tags,omitzero"`
}

// CreateThingTypeOutput is the reply of CreateThingType.
type CreateThingTypeOutput struct {
	ThingTypeName registry.TypeName `json:"thingTypeName,omitzero"`
	ThingTypeARN  string            `json:"thingTypeArn,omitzero"`
	ThingTypeID   string            `json:"thingTypeId,omitzero"`
}

// ThingTypeProperties is what a caller says of a thing type.
type ThingTypeProperties struct {
	ThingTypeDescription *string             `json:"thingTypeDescription,omitzero"`
	SearchableAttributes []string            `json:"searchableAttributes,omitzero"`
	MQTT5Configuration   *MQTT5Configuration `json:"mqtt5Configuration,omitzero" later:"propagating attributes"`
}

// MQTT5Configuration says what of a thing is added to its MQTT 5 messages.
type MQTT5Configuration struct {
	PropagatingAttributes []PropagatingAttribute `json:"propagatingAttributes,omitzero"`
}

// PropagatingAttribute is one user property of a thing's MQTT 5 messages.
type PropagatingAttribute struct {
	UserPropertyKey     string `json:"userPropertyKey,omitzero"`
	ThingAttribute      string `json:"thingAttribute,omitzero"`
	ConnectionAttribute string `json:"connectionAttribute,omitzero"`
}

// DescribeThingTypeInput is the request of DescribeThingType.
type DescribeThingTypeInput struct {
	ThingTypeName registry.TypeName `uri:"thingTypeName"`
}

// DescribeThingTypeOutput is the reply of DescribeThingType.
type DescribeThingTypeOutput struct {
	ThingTypeName       registry.TypeName    `json:"thingTypeName,omitzero"`
	ThingTypeID         string               `json:"thingTypeId,omitzero"`
	ThingTypeARN        string               `json:"thingTypeArn,omitzero"`
	ThingTypeProperties *ThingTypeProperties `json:"thingTypeProperties,omitzero"`
	ThingTypeMetadata   *ThingTypeMetadata   `json:"thingTypeMetadata,omitzero"`
}

// ThingTypeMetadata is what the registry knows of a thing type.
type ThingTypeMetadata struct {
	Deprecated      bool      `json:"deprecated"`
	DeprecationDate time.Time `json:"deprecationDate,omitzero"`
	CreationDate    time.Time `json:"creationDate,omitzero"`
}

// ListThingTypesInput is the request of ListThingTypes.
type ListThingTypesInput struct {
	NextToken     string            `query:"nextToken"`
	MaxResults    *int64            `query:"maxResults"`
	ThingTypeName registry.TypeName `query:"thingTypeName"`
}

// ListThingTypesOutput is the reply of ListThingTypes.
type ListThingTypesOutput struct {
	ThingTypes []ThingTypeDefinition `json:"thingTypes"`
	NextToken  string                `json:"nextToken,omitzero"`
}

// ThingTypeDefinition is one thing type of ListThingTypes.
type ThingTypeDefinition struct {
	ThingTypeName       registry.TypeName    `json:"thingTypeName,omitzero"`
	ThingTypeARN        string               `json:"thingTypeArn,omitzero"`
	ThingTypeProperties *ThingTypeProperties `json:"thingTypeProperties,omitzero"`
	ThingTypeMetadata   *ThingTypeMetadata   `json:"thingTypeMetadata,omitzero"`
}

// UpdateThingTypeInput is the request of UpdateThingType.
type UpdateThingTypeInput struct {
	ThingTypeName       registry.TypeName    `uri:"thingTypeName"`
	ThingTypeProperties *ThingTypeProperties `json:"thingTypeProperties,omitzero"`
}

// UpdateThingTypeOutput is the reply of UpdateThingType.
type UpdateThingTypeOutput struct{}

// DeprecateThingTypeInput is the request of DeprecateThingType.
type DeprecateThingTypeInput struct {
	ThingTypeName registry.TypeName `uri:"thingTypeName"`
	UndoDeprecate bool              `json:"undoDeprecate,omitzero"`
}

// DeprecateThingTypeOutput is the reply of DeprecateThingType.
type DeprecateThingTypeOutput struct{}

// DeleteThingTypeInput is the request of DeleteThingType.
type DeleteThingTypeInput struct {
	ThingTypeName registry.TypeName `uri:"thingTypeName"`
}

// DeleteThingTypeOutput is the reply of DeleteThingType.
type DeleteThingTypeOutput struct{}

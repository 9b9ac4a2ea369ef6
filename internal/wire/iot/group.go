package iot

import (
	"time"

	"github.com/drover-iot/drover/internal/registry"
)

// CreateThingGroupInput is the request of CreateThingGroup.
type CreateThingGroupInput struct {
	ThingGroupName       registry.GroupName    `uri:"thingGroupName"`
	ParentGroupName      registry.GroupName    `json:"parentGroupName,omitzero"`
	ThingGroupProperties *ThingGroupProperties `json:"thingGroupProperties,omitzero"`
	Tags                 []Tag                 `json:"tags,omitzero"`
}

// CreateThingGroupOutput is the reply of CreateThingGroup.
type CreateThingGroupOutput struct {
	ThingGroupName registry.GroupName `json:"thingGroupName,omitzero"`
	ThingGroupARN  string             `json:"thingGroupArn,omitzero"`
	ThingGroupID   string             `json:"thingGroupId,omitzero"`
}

// ThingGroupProperties is what a caller says of a group.
type ThingGroupProperties struct {
	ThingGroupDescription *string           `json:"thingGroupDescription,omitzero"`
	AttributePayload      *AttributePayload `json:"attributePayload,omitzero"`
}

// DescribeThingGroupInput is the request of DescribeThingGroup.
type DescribeThingGroupInput struct {
	ThingGroupName registry.GroupName `uri:"thingGroupName"`
}

// DescribeThingGroupOutput is the reply of DescribeThingGroup.
type DescribeThingGroupOutput struct {
	ThingGroupName       registry.GroupName    `json:"thingGroupName,omitzero"`
	ThingGroupID         string                `json:"thingGroupId,omitzero"`
	ThingGroupARN        string                `json:"thingGroupArn,omitzero"`
	Version              int64                 `json:"version"`
	ThingGroupProperties *ThingGroupProperties `json:"thingGroupProperties,omitzero"`
	ThingGroupMetadata   *ThingGroupMetadata   `json:"thingGroupMetadata,omitzero"`
	IndexName            string                `json:"indexName,omitzero"`
	QueryString          string                `json:"queryString,omitzero"`
	QueryVersion         string                `json:"queryVersion,omitzero"`
	Status               string                `json:"status,omitzero"`
}

// ThingGroupMetadata is what the registry knows of a group.
type ThingGroupMetadata struct {
	ParentGroupName         registry.GroupName `json:"parentGroupName,omitzero"`
	RootToParentThingGroups []GroupNameAndARN  `json:"rootToParentThingGroups,omitzero"`
	CreationDate            time.Time          `json:"creationDate,omitzero"`
}

// GroupNameAndARN names a group in a list.
type GroupNameAndARN struct {
	GroupName registry.GroupName `json:"groupName,omitzero"`
	GroupARN  string             `json:"groupArn,omitzero"`
}

// UpdateThingGroupInput is the request of UpdateThingGroup.
type UpdateThingGroupInput struct {
	ThingGroupName       registry.GroupName    `uri:"thingGroupName"`
	ThingGroupProperties *ThingGroupProperties `json:"thingGroupProperties"`
	ExpectedVersion      *int64                `json:"expectedVersion,omitzero"`
}

// UpdateThingGroupOutput is the reply of UpdateThingGroup.
type UpdateThingGroupOutput struct {
	Version int64 `json:"version"`
}

// UpdateThingGroupsForThingInput is the request of UpdateThingGroupsForThing.
type UpdateThingGroupsForThingInput struct {
	ThingName             registry.Name        `json:"thingName,omitzero"`
	ThingGroupsToAdd      []registry.GroupName `json:"thingGroupsToAdd,omitzero"`
	ThingGroupsToRemove   []registry.GroupName `json:"thingGroupsToRemove,omitzero"`
	OverrideDynamicGroups bool                 `json:"overrideDynamicGroups,omitzero"`
}

// UpdateThingGroupsForThingOutput is the reply of UpdateThingGroupsForThing.
type UpdateThingGroupsForThingOutput struct{}

// DeleteThingGroupInput is the request of DeleteThingGroup.
type DeleteThingGroupInput struct {
	ThingGroupName  registry.GroupName `uri:"thingGroupName"`
	ExpectedVersion *int64             `query:"expectedVersion"`
}

// DeleteThingGroupOutput is the reply of DeleteThingGroup.
type DeleteThingGroupOutput struct{}

// ListThingGroupsInput is the request of ListThingGroups.
type ListThingGroupsInput struct {
	NextToken        string             `query:"nextToken"`
	MaxResults       *int64             `query:"maxResults"`
	ParentGroup      registry.GroupName `query:"parentGroup"`
	NamePrefixFilter string             `query:"namePrefixFilter"`
	Recursive        *bool              `query:"recursive"`
}

// ListThingGroupsOutput is the reply of ListThingGroups.
type ListThingGroupsOutput struct {
	ThingGroups []GroupNameAndARN `json:"thingGroups"`
	NextToken   string            `json:"nextToken,omitzero"`
}

// AddThingToThingGroupInput is the request of AddThingToThingGroup.
type AddThingToThingGroupInput struct {
	ThingGroupName        registry.GroupName `json:"thingGroupName,omitzero"`
	ThingGroupARN         string             `json:"thingGroupArn,omitzero"`
	ThingName             registry.Name      `json:"thingName,omitzero"`
	ThingARN              string             `json:"thingArn,omitzero"`
	OverrideDynamicGroups bool               `json:"overrideDynamicGroups,omitzero"`
}

// AddThingToThingGroupOutput is the reply of AddThingToThingGroup.
type AddThingToThingGroupOutput struct{}

// RemoveThingFromThingGroupInput is the request of RemoveThingFromThingGroup.
type RemoveThingFromThingGroupInput struct {
	ThingGroupName registry.GroupName `json:"thingGroupName,omitzero"`
	ThingGroupARN  string             `json:"thingGroupArn,omitzero"`
	ThingName      registry.Name      `json:"thingName,omitzero"`
	ThingARN       string             `json:"thingArn,omitzero"`
}

// RemoveThingFromThingGroupOutput is the reply of RemoveThingFromThingGroup.
type RemoveThingFromThingGroupOutput struct{}

// ListThingsInThingGroupInput is the request of ListThingsInThingGroup.
type ListThingsInThingGroupInput struct {
	ThingGroupName registry.GroupName `uri:"thingGroupName"`
	Recursive      bool               `query:"recursive"`
	NextToken      string             `query:"nextToken"`
	MaxResults     *int64             `query:"maxResults"`
}

// ListThingsInThingGroupOutput is the reply of ListThingsInThingGroup.
type ListThingsInThingGroupOutput struct {
	Things    []registry.Name `json:"things"`
	NextToken string          `json:"nextToken,omitzero"`
}

// ListThingGroupsForThingInput is the request of ListThingGroupsForThing.
type ListThingGroupsForThingInput struct {
	ThingName  registry.Name `uri:"thingName"`
	NextToken  string        `query:"nextToken"`
	MaxResults *int64        `query:"maxResults"`
}

// ListThingGroupsForThingOutput is the reply of ListThingGroupsForThing.
type ListThingGroupsForThingOutput struct {
	ThingGroups []GroupNameAndARN `json:"thingGroups"`
	NextToken   string            `json:"nextToken,omitzero"`
}

package iot

// Tag is a label of a resource; its members are capitalised on the wire
// (control-plane.md A.1).
type Tag struct {
	Key   string `json:"Key"`
	Value string `json:"Value"`
}

// TagResourceInput is the request of TagResource.
type TagResourceInput struct {
	ResourceARN string `json:"resourceArn"`
	Tags        []Tag  `json:"tags"`
}

// TagResourceOutput is the reply of TagResource.
type TagResourceOutput struct{}

// UntagResourceInput is the request of UntagResource.
type UntagResourceInput struct {
	ResourceARN string   `json:"resourceArn"`
	TagKeys     []string `json:"tagKeys"`
}

// UntagResourceOutput is the reply of UntagResource.
type UntagResourceOutput struct{}

// ListTagsForResourceInput is the request of ListTagsForResource.
type ListTagsForResourceInput struct {
	ResourceARN string `query:"resourceArn"`
	NextToken   string `query:"nextToken"`
}

// ListTagsForResourceOutput is the reply of ListTagsForResource.
type ListTagsForResourceOutput struct {
	Tags      []Tag  `json:"tags"`
	NextToken string `json:"nextToken,omitzero"`
}

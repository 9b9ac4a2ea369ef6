package registry

import "github.com/drover-iot/drover/internal/job"

// Quotas are the ceilings that AWS puts on a registry (registry-and-auth.md D.3,
// control-plane.md A.3 Tags); 0 is none.
type Quotas struct {
	Groups          int // that a thing may be in
	Depth           int // of a hierarchy of groups
	Children        int // direct ones of a group
	Attributes      int // of a group, and of a thing without a type
	TypedAttributes int // of a thing with a type
	Tags            int // of a resource
}

// AWSQuotas are AWS's own.
func AWSQuotas() Quotas {
	return Quotas{
		Groups: MaxGroups, Depth: MaxDepth, Children: MaxChildren,
		Attributes: MaxAttributes, TypedAttributes: MaxTypedAttributes, Tags: MaxTags,
	}
}

func over(n, most int) bool { return most > 0 && n > most }

// CheckAttributes gives InvalidRequest for more attributes than a group, or a thing
// of this type, may have; "" is none. Their keys and values were held against their
// patterns at the door.
func (q Quotas) CheckAttributes(attributes map[string]string, of TypeName) error {
	most, hint := q.Attributes, ""
	if of != "" {
		most, hint = q.TypedAttributes, " with a thing type"
	}
	if n := len(attributes); over(n, most) {
		return job.Errorf(job.InvalidRequest, "%d attributes are too many: at most %d are allowed%s", n, most, hint)
	}
	return nil
}

// CheckChild refuses a child of a group that has so many ancestors and children.
// Errors: InvalidRequest.
func (q Quotas) CheckChild(parent GroupName, ancestors, children int) error {
	switch {
	case over(ancestors+2, q.Depth):
		return job.Errorf(job.InvalidRequest, "Thing group %s is %d levels deep: a hierarchy may be at most %d, choose a parent nearer to the root", parent, ancestors+1, q.Depth)
	case over(children+1, q.Children):
		return job.Errorf(job.InvalidRequest, "Thing group %s has %d child groups: at most %d are allowed", parent, children, q.Children)
	}
	return nil
}

// CheckGroupCount refuses more groups than a thing may be in. Errors: InvalidRequest.
func (q Quotas) CheckGroupCount(thing Name, n int) error {
	if over(n, q.Groups) {
		return job.Errorf(job.InvalidRequest, "Thing %s would be in %d thing groups: at most %d are allowed, remove it from one first", thing, n, q.Groups)
	}
	return nil
}

// CheckTagCount refuses more tags than a resource may have. Errors: LimitExceeded.
func (q Quotas) CheckTagCount(n int) error {
	if over(n, q.Tags) {
		return job.Errorf(job.LimitExceeded, "%d tags are too many: a resource may have at most %d", n, q.Tags)
	}
	return nil
}

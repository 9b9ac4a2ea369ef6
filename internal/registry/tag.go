package registry

import (
	"strings"

	"github.com/drover-iot/drover/internal/job"
)

// MaxTags is how many tags a resource may have at AWS (control-plane.md A.3, Tags).
const MaxTags = 50

// Tag is a label of a resource.
type Tag struct{ Key, Value string }

// Tagged names a resource that has tags: its kind, and its key among those.
type Tagged struct {
	Kind TaggedKind
	Key  int64
}

// TaggedKind is a kind of resource that can have tags.
type TaggedKind uint8

// The kinds of resources that can have tags.
const (
	TaggedJob TaggedKind = iota + 1
	TaggedGroup
	TaggedType
)

// CheckTags refuses tags that nobody may set, and a key given twice. Errors:
// InvalidRequest.
func CheckTags(tags []Tag) error {
	seen := map[string]bool{}
	for _, t := range tags {
		if len(t.Key) >= 4 && strings.EqualFold(t.Key[:4], "aws:") {
			return job.Errorf(job.InvalidRequest, "The tag key %q begins with aws:, which is reserved: choose another", t.Key)
		}
		if seen[t.Key] {
			return job.Errorf(job.InvalidRequest, "The tag key %q is given twice", t.Key)
		}
		seen[t.Key] = true
	}
	return nil
}

package job

// Namespace parts a thing's queue: the executions of a namespaced job have a
// queue of their own, with its own head, its own visible limit and its own
// notification, and the plain queue does not show them (device-plane.md 4.4).
// The plain queue is the empty namespace. AWS sets no limit to its length, and
// the characters of a job id.
type Namespace string

// Valid says whether n may be the namespace of a job.
func (n Namespace) Valid() bool { return n != "" && word(string(n)) }

// word says whether s has the characters of an id only.
func word(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

package job

import "maps"

// Details is what a device says of its progress: the statusDetails of the API,
// at most ten pairs (device-plane.md 2.5). A report replaces the whole map; a
// nil map in a request means that none was given (2.6).
type Details map[string]string

// ID is a job's name: 1..64 of `[a-zA-Z0-9_-]`, unique among the living.
type ID string

// MaxID is the longest job id, in bytes.
const MaxID = 64

// Valid says whether id has the length and characters of a job id.
func (id ID) Valid() bool {
	return id != "" && len(id) <= MaxID && word(string(id))
}

// Equal says whether both maps hold the same pairs; nil equals empty.
func (d Details) Equal(o Details) bool { return maps.Equal(d, o) }

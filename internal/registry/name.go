package registry

// Name is the name of a thing, unique among the living: 1..128 of
// `[a-zA-Z0-9:_-]` (registry-and-auth.md D.1).
type Name string

// GroupName is the name of a thing group, with the limits of Name.
type GroupName string

// TypeName is the name of a thing type, with the limits of Name.
type TypeName string

// MaxName is the longest name of a thing, group or type, in bytes.
const MaxName = 128

// Valid says whether n has the length and characters of a thing's name.
func (n Name) Valid() bool { return validName(string(n)) }

// Valid says whether g has the length and characters of a group's name.
func (g GroupName) Valid() bool { return validName(string(g)) }

func validName(s string) bool {
	if s == "" || len(s) > MaxName {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != ':' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

package wire

import (
	_ "embed"
	"fmt"
	"sync"
)

// Scope is what Drover does with a part of AWS's API.
type Scope int

// The scopes. The zero value is served.
const (
	In    Scope = iota // served
	Later              // refused until its feature is here
	Never              // refused, for it is no part of running jobs
)

// String is the scope as the tables spell it.
func (s Scope) String() string {
	return [...]string{"in", "later", "never"}[s]
}

//go:embed areas.tsv
var areasTable string

// areas is areas.tsv: what a refusal ends with, by area. The table is ours and a
// test reads all of it.
var areas = sync.OnceValue(func() map[string]string {
	rows, err := tableRows(areasTable, 2)
	if err != nil {
		panic("areas.tsv: " + err.Error())
	}
	next := map[string]string{}
	for _, r := range rows {
		next[r[0]] = r[1]
	}
	return next
})

// parseScope reads the two columns of scope.tsv, or a tag and its value.
func parseScope(scope, area string) (Scope, string, error) {
	switch {
	case scope == "in" && area == "-":
		return In, "", nil
	case scope != "later" && scope != "never":
		return In, "", fmt.Errorf("scope %q with area %q, expected in with -, or later or never with an area", scope, area)
	case areas()[area] == "":
		return In, "", fmt.Errorf("%q is no area of areas.tsv", area)
	case scope == "later":
		return Later, area, nil
	default:
		return Never, area, nil
	}
}

package wire

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

//go:embed facts.tsv
var factsTable string

// row is one line of facts.tsv, as it stands there.
type row struct {
	Shape, Member, Location, Required, Min, Max, Pattern, Enum string
}

// fact is what a row says of values.
type fact struct {
	required bool
	min, max *float64
	pattern  *pattern
	enum     []string
}

// parseFacts reads a table in the form of facts.tsv: comments, a line of column
// names, rows of eight columns.
func parseFacts(table string) ([]row, error) {
	split, err := tableRows(table, 8)
	if err != nil {
		return nil, err
	}
	rows := make([]row, 0, len(split))
	for _, c := range split {
		rows = append(rows, row{c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]})
	}
	return rows, nil
}

// fact turns the columns of a row into bounds that can be checked.
func (r row) fact() (f fact, err error) {
	f.required = r.Required == "required"
	if f.min, err = bound(r.Min); err != nil {
		return f, err
	}
	if f.max, err = bound(r.Max); err != nil {
		return f, err
	}
	if r.Pattern != "-" {
		if f.pattern = patterns[r.Pattern]; f.pattern == nil {
			return f, fmt.Errorf("pattern %q of %s %s is not in pattern.go", r.Pattern, r.Shape, r.Member)
		}
	}
	if r.Enum != "-" {
		f.enum = strings.Split(r.Enum, ",")
	}
	return f, nil
}

func bound(s string) (*float64, error) {
	if s == "-" {
		return nil, nil
	}
	v, err := strconv.ParseFloat(s, 64)
	return &v, err
}

// facts is the table by shape, then by member. The table is ours and a test reads
// all of it, so a row that cannot be read is a fault of the program.
var facts = sync.OnceValue(func() map[string]map[string]row {
	rows, err := parseFacts(factsTable)
	if err != nil {
		panic("facts.tsv: " + err.Error())
	}
	byShape := map[string]map[string]row{}
	for _, r := range rows {
		if byShape[r.Shape] == nil {
			byShape[r.Shape] = map[string]row{}
		}
		byShape[r.Shape][r.Member] = r
	}
	return byShape
})

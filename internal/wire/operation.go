package wire

import (
	"fmt"
	"strconv"
	"strings"
)

// Operation is one operation of an AWS service as its model states it, whether
// Drover has it or not: an unknown path and a known one that is not here yet get
// different answers.
type Operation struct {
	Name   string
	Method string
	Path   string // with {labels}; a label that ends in + spans slashes
	Status int    // of success
	Body   bool   // whether the reply has one
}

// ParseOperations reads a table of operations: comments, a line of column names,
// rows of five columns.
func ParseOperations(table string) ([]Operation, error) {
	var ops []Operation
	seenHeader := false
	for n, line := range strings.Split(strings.TrimRight(table, "\n"), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		if !seenHeader {
			seenHeader = true
			continue
		}
		c := strings.Split(line, "\t")
		if len(c) != 5 {
			return nil, fmt.Errorf("line %d has %d columns, expected 5: %q", n+1, len(c), line)
		}
		status, err := strconv.Atoi(c[3])
		if err != nil {
			return nil, fmt.Errorf("line %d: status %q is not a number", n+1, c[3])
		}
		ops = append(ops, Operation{c[0], c[1], c[2], status, c[4] == "body"})
	}
	return ops, nil
}

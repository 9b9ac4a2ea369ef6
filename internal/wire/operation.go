package wire

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/drover-iot/drover/internal/job"
)

// Operation is one operation of an AWS service as its model states it, whether
// Drover has it or not: an unknown path and a known one that is not here get
// different answers.
type Operation struct {
	Name   string
	Method string
	Path   string // with {labels}; a label that ends in + spans slashes
	Status int    // of success
	Body   bool   // whether the reply has one

	Scope Scope
	Area  string // what an operation that is not here belongs to, of areas.tsv
}

// ParseOperations reads a service's table of operations (operations.tsv: five
// columns) and what Drover does with each (scope.tsv: three). Both have comments
// and a line of column names, and the same operations in the same order.
func ParseOperations(table, scopes string) ([]Operation, error) {
	rows, err := tableRows(table, 5)
	if err != nil {
		return nil, err
	}
	decided, err := tableRows(scopes, 3)
	if err != nil {
		return nil, fmt.Errorf("scope.tsv: %w", err)
	}
	if len(decided) != len(rows) {
		return nil, fmt.Errorf("scope.tsv has %d operations, operations.tsv %d", len(decided), len(rows))
	}
	ops := make([]Operation, 0, len(rows))
	for i, c := range rows {
		status, err := strconv.Atoi(c[3])
		if err != nil {
			return nil, fmt.Errorf("%s: status %q is not a number", c[0], c[3])
		}
		o := Operation{Name: c[0], Method: c[1], Path: c[2], Status: status, Body: c[4] == "body"}
		if decided[i][0] != o.Name {
			return nil, fmt.Errorf("scope.tsv has %s where operations.tsv has %s", decided[i][0], o.Name)
		}
		if o.Scope, o.Area, err = parseScope(decided[i][1], decided[i][2]); err != nil {
			return nil, fmt.Errorf("scope.tsv: %s: %w", o.Name, err)
		}
		ops = append(ops, o)
	}
	return ops, nil
}

// NotHere refuses a call of an operation that is not served: it names it, says
// whether it will come, and what to do.
func (o Operation) NotHere() *job.Error {
	when := "is not implemented yet"
	switch o.Scope {
	case In:
		return job.Errorf(job.NotImplemented, "%s is not served here. Nothing was changed.", o.Name)
	case Never:
		when = "is no part of Drover"
	case Later:
	}
	return job.Errorf(job.NotImplemented, "%s (%s) %s. Nothing was changed. %s", o.Name, o.Area, when, areas()[o.Area])
}

// tableRows splits a table: comments, a line of column names, rows of n columns.
func tableRows(table string, n int) (rows [][]string, err error) {
	seenHeader := false
	for i, line := range strings.Split(strings.TrimRight(table, "\n"), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		c := strings.Split(line, "\t")
		if len(c) != n {
			return nil, fmt.Errorf("line %d has %d columns, expected %d: %q", i+1, len(c), n, line)
		}
		if !seenHeader {
			seenHeader = true
			continue
		}
		rows = append(rows, c)
	}
	return rows, nil
}

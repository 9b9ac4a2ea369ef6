package conversation

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Row is one line of testdata/rows.tsv: a row of a table of device-plane.md, in
// our own words, and where it is shown.
type Row struct {
	ID       string
	Section  string
	Over     []Protocol
	Shown    []string // conversations
	Later    string   // or the later feature that it waits for
	Sentence string
}

var rowColumns = []string{"id", "section", "over", "shown by", "sentence"}

// laterFeatures are what a row may wait for; the list is closed.
var laterFeatures = []string{"windows", "presigned", "throttling", "policies"}

// ReadRows reads the table; an error names the line.
func ReadRows(r io.Reader) ([]Row, error) {
	var rows []Row
	seen := map[string]bool{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		cells := strings.Split(lines.Text(), "\t")
		if n == 1 {
			if !slices.Equal(cells, rowColumns) {
				return nil, fmt.Errorf("rows.tsv:1: columns are %q, want %q", cells, rowColumns)
			}
			continue
		}
		row, err := parseRow(cells)
		if err == nil && seen[row.ID] {
			err = fmt.Errorf("id %q is there twice", row.ID)
		}
		if err != nil {
			return nil, fmt.Errorf("rows.tsv:%d: %w", n, err)
		}
		seen[row.ID] = true
		rows = append(rows, row)
	}
	return rows, lines.Err()
}

func parseRow(cells []string) (Row, error) {
	if len(cells) != len(rowColumns) {
		return Row{}, fmt.Errorf("%d columns, want %d", len(cells), len(rowColumns))
	}
	row := Row{ID: cells[0], Section: cells[1], Sentence: cells[4]}
	switch cells[2] {
	case "both":
		row.Over = []Protocol{MQTT, HTTP}
	case string(MQTT), string(HTTP):
		row.Over = []Protocol{Protocol(cells[2])}
	default:
		return row, fmt.Errorf("over %q: want both, mqtt or http", cells[2])
	}
	if later, ok := strings.CutPrefix(cells[3], "later:"); ok {
		if !slices.Contains(laterFeatures, later) {
			return row, fmt.Errorf("waits for %q: want one of %q", later, laterFeatures)
		}
		row.Later = later
	} else if row.Shown = strings.Fields(cells[3]); len(row.Shown) == 0 {
		return row, fmt.Errorf("%s: no conversation shows it", row.ID)
	}
	if !strings.HasPrefix(row.ID, row.Section+"-") {
		return row, fmt.Errorf("id %q does not begin with its section %q", row.ID, row.Section)
	}
	if !strings.HasSuffix(row.Sentence, ".") {
		return row, fmt.Errorf("%s: %q is no sentence", row.ID, row.Sentence)
	}
	return row, nil
}

// Ran records which conversation ran to its end over which protocol.
type Ran map[string][]Protocol

// Uncovered lists what keeps the table and the conversations from agreeing: ids
// without a conversation that ran over every protocol of the row, conversations
// without an id or with an unknown one, and either naming the other alone.
func Uncovered(rows []Row, all []Conversation, ran Ran) []string {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	byName := map[string]Conversation{}
	for _, c := range all {
		byName[c.Name] = c
	}
	known := map[string]Row{}
	for _, row := range rows {
		known[row.ID] = row
		var over []Protocol
		for _, name := range row.Shown {
			c, ok := byName[name]
			switch {
			case !ok:
				fault("row %s: there is no conversation %q", row.ID, name)
			case !slices.Contains(c.Rows, row.ID):
				fault("row %s: conversation %q does not name it", row.ID, name)
			default:
				over = append(over, ran[name]...)
			}
		}
		for _, p := range row.Over {
			if row.Later == "" && !slices.Contains(over, p) {
				fault("row %s: no conversation of it ran over %s", row.ID, p)
			}
		}
	}
	for _, c := range all {
		for _, id := range c.Rows {
			switch row, ok := known[id]; {
			case !ok:
				fault("conversation %s: there is no row %q", c.Name, id)
			case !slices.Contains(row.Shown, c.Name):
				fault("conversation %s: row %s does not name it", c.Name, id)
			}
		}
	}
	return faults
}

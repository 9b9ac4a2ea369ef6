package format

import (
	"fmt"
	"math"

	"golang.org/x/text/width"

	"github.com/drover-iot/drover/internal/cli/awscli/py"
)

// section is a part of a table with columns of its own.
type section struct {
	title   string
	indent  int
	headers []string
	rows    [][]string
	columns int // 0: not known yet
	widest  []int
}

// length is how many cells of a terminal a text takes: wide characters two, and
// those whose width depends on the font too.
func length(s string) (n int) {
	for _, r := range s {
		switch width.LookupRune(r).Kind() {
		case width.EastAsianWide, width.EastAsianFullwidth, width.EastAsianAmbiguous:
			n += 2
		default:
			n++
		}
	}
	return n
}

func (s *section) addHeader(headers []string) {
	s.widen(headers)
	if s.columns == 0 {
		s.columns = len(headers)
	}
	s.headers = headers
}

func (s *section) addRow(values []any) error {
	row := make([]string, len(values))
	for i, v := range values {
		row[i] = py.Str(v)
	}
	if s.columns == 0 {
		s.columns = len(row)
	}
	if len(row) != s.columns {
		return py.Error(fmt.Sprintf("Row should have %d elements, instead it has %d", s.columns, len(row)))
	}
	s.rows = append(s.rows, row)
	s.widen(row)
	return nil
}

func (s *section) widen(row []string) {
	if len(s.widest) == 0 {
		s.widest = make([]int, len(row))
	}
	for i, cell := range row {
		s.widest[i] = max(s.widest[i], length(cell))
	}
}

// padding is what a cell has beside its text, with its border.
const padding = 4

// total is the width that the section wants.
func (s *section) total() int {
	n := 2 + 2*s.indent
	for _, w := range s.widest {
		n += w + padding
	}
	return max(length(s.title)+2+2*s.indent, n)
}

// columnWidths scales the columns to fill total exactly.
func (s *section) columnWidths(total int) []int {
	sum := 0
	for _, w := range s.widest {
		sum += w + padding
	}
	if sum == 0 {
		return nil
	}
	scaled, over := make([]int, len(s.widest)), -total
	for i, w := range s.widest {
		scaled[i] = int(math.RoundToEven(float64(total) / float64(sum) * float64(w+padding)))
		over += scaled[i]
	}
	for over != 0 {
		for i := range scaled {
			if over > 0 {
				scaled[i]--
				over--
			} else {
				scaled[len(scaled)-1-i]++
				over++
			}
			if over == 0 {
				break
			}
		}
	}
	return scaled
}

// upright turns a section with one row on its side: names in the first column,
// values in the second.
func (s *section) upright() *section {
	if len(s.rows) != 1 || len(s.headers) == 0 {
		return s
	}
	turned := &section{title: s.title, indent: s.indent, columns: 2}
	for i, h := range s.headers {
		row := []string{h, s.rows[0][i]}
		turned.rows = append(turned.rows, row)
		turned.widen(row)
	}
	return turned
}

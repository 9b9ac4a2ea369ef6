package format

import "strings"

// What colours a terminal as the AWS CLI does: values bright blue, the bars of an
// indented section dim yellow; and each piece of output ends in a reset.
const (
	valueColor = "\x1b[1m\x1b[34m"
	barColor   = "\x1b[2m\x1b[33m"
	reset      = "\x1b[0m"
)

// canvas is what is drawn on: pieces of text.
type canvas struct {
	strings.Builder
	color bool
}

func (c *canvas) write(s string) {
	c.WriteString(s)
	if c.color {
		c.WriteString(reset)
	}
}

func (c *canvas) paint(color, s string) string {
	if !c.color {
		return s
	}
	return color + s + reset
}

// line writes a line of an indented section.
func (c *canvas) line(indent int, s string) {
	bars := strings.Repeat(c.paint(barColor, "|"), indent)
	c.write(bars)
	c.write(s)
	c.write(bars)
	c.write("\n")
}

// render draws the table. One that is wider than the terminal is turned upright
// where it can be.
func (t *table) render(color bool) string {
	c := &canvas{color: color}
	total := t.total()
	if total > t.width {
		for i, s := range t.sections {
			t.sections[i] = s.upright()
		}
		total = t.total()
	}
	c.write(strings.Repeat("-", total) + "\n")
	for _, s := range t.sections {
		c.section(s, total-2*s.indent)
	}
	return c.String()
}

func (t *table) total() (n int) {
	for _, s := range t.sections {
		n = max(n, s.total())
	}
	return n
}

func (c *canvas) section(s *section, total int) {
	if s.title != "" {
		c.line(s.indent, center(s.title, total, "|"))
		if len(s.headers) == 0 && len(s.rows) == 0 {
			c.line(s.indent, "+"+strings.Repeat("-", total-2)+"+")
		}
	}
	widths := s.columnWidths(total)
	if len(s.headers) > 0 {
		head := ""
		for i, w := range widths {
			head += center(s.headers[i], w, edge(i))
		}
		c.line(s.indent, rule(widths))
		c.line(s.indent, head)
	}
	if len(s.rows) == 0 || len(widths) == 0 {
		return
	}
	c.line(s.indent, rule(widths))
	for _, row := range s.rows {
		text := ""
		for i, w := range widths {
			text += c.cell(row[i], w, edge(i))
		}
		c.line(s.indent, text)
	}
	c.line(s.indent, rule(widths))
}

// edge is the left border of a column; all but the first share their neighbour's.
func edge(column int) string {
	if column == 0 {
		return "|"
	}
	return ""
}

func rule(widths []int) string {
	var b strings.Builder
	for i, w := range widths {
		if i == 0 {
			b.WriteString("+")
			w--
		}
		b.WriteString(strings.Repeat("-", w-1) + "+")
	}
	return b.String()
}

func spaces(n int) string { return strings.Repeat(" ", max(n, 0)) }

func center(text string, total int, left string) string {
	before := total/2 - length(text)/2 - 1
	after := total - 1 - len(left) - before - length(text)
	return left + spaces(before) + text + spaces(after) + "|"
}

func (c *canvas) cell(text string, total int, left string) string {
	pad := 2
	if total < length(text)+pad+len(left)+1 {
		pad = 0
	}
	after := total - 1 - len(left) - pad - length(text)
	return left + spaces(pad) + c.paint(valueColor, text) + spaces(after) + "|"
}

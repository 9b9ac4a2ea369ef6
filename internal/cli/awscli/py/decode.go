package py

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf16"
)

// JSONError is what Python's decoder says of a text that is no JSON.
type JSONError struct {
	Message string // what is wrong
	at      int
	text    []rune
}

func (e *JSONError) Error() string {
	before := e.text[:e.at]
	line, column := 1, e.at+1
	for i, r := range before {
		if r == '\n' {
			line++
			column = e.at - i
		}
	}
	return fmt.Sprintf("%s: line %d column %d (char %d)", e.Message, line, column, e.at)
}

// maxDepth bounds how deep a text may nest, far beyond any request.
const maxDepth = 500

// DecodeJSON reads one JSON value. ordered makes its objects OrderedDicts. Errors
// are *JSONError.
func DecodeJSON(text string, ordered bool) (v any, err error) {
	d := &decoder{text: []rune(text), ordered: ordered}
	defer func() {
		switch thrown := recover().(type) {
		case nil:
		case *JSONError:
			v, err = nil, thrown
		default:
			panic(thrown)
		}
	}()
	if len(d.text) > 0 && d.text[0] == 0xfeff {
		d.fail("Unexpected UTF-8 BOM (decode using utf-8-sig)", 0)
	}
	v, end := d.value(d.space(0), 0)
	if end = d.space(end); end < len(d.text) {
		d.fail("Extra data", end)
	}
	return v, nil
}

type decoder struct {
	text    []rune
	ordered bool
}

// fail ends the decoding; DecodeJSON makes it an error.
func (d *decoder) fail(message string, at int) {
	panic(&JSONError{Message: message, at: min(at, len(d.text)), text: d.text})
}

func (d *decoder) at(i int) rune {
	if i < len(d.text) {
		return d.text[i]
	}
	return -1
}

func (d *decoder) space(i int) int {
	for i < len(d.text) && strings.ContainsRune(" \t\n\r", d.text[i]) {
		i++
	}
	return i
}

var words = []struct {
	text  string
	value any
}{
	{"null", nil},
	{"true", true},
	{"false", false},
	{"NaN", math.NaN()}, // Python reads and writes these three
	{"Infinity", math.Inf(1)},
	{"-Infinity", math.Inf(-1)},
}

func (d *decoder) value(i, depth int) (any, int) {
	if depth > maxDepth {
		d.fail("Nested too deep", i)
	}
	for _, w := range words {
		if end := i + len(w.text); end <= len(d.text) && string(d.text[i:end]) == w.text {
			return w.value, end
		}
	}
	switch c := d.at(i); {
	case c == '"':
		return d.str(i)
	case c == '{':
		return d.object(i+1, depth)
	case c == '[':
		return d.array(i+1, depth)
	case c == '-' || c >= '0' && c <= '9':
		return d.number(i)
	}
	d.fail("Expecting value", i)
	return nil, 0
}

func (d *decoder) object(i, depth int) (any, int) {
	dict := &Dict{Ordered: d.ordered}
	if i = d.space(i); d.at(i) == '}' {
		return dict, i + 1
	}
	for {
		if d.at(i) != '"' {
			d.fail("Expecting property name enclosed in double quotes", i)
		}
		key, end := d.str(i)
		if i = d.space(end); d.at(i) != ':' {
			d.fail("Expecting ':' delimiter", i)
		}
		value, end := d.value(d.space(i+1), depth+1)
		dict.Set(key, value)
		switch i = d.space(end); d.at(i) {
		case '}':
			return dict, i + 1
		case ',':
			i = d.space(i + 1)
		default:
			d.fail("Expecting ',' delimiter", i)
		}
	}
}

func (d *decoder) array(i, depth int) (any, int) {
	list := []any{}
	if i = d.space(i); d.at(i) == ']' {
		return list, i + 1
	}
	for {
		value, end := d.value(i, depth+1)
		list = append(list, value)
		switch i = d.space(end); d.at(i) {
		case ']':
			return list, i + 1
		case ',':
			i = d.space(i + 1)
		default:
			d.fail("Expecting ',' delimiter", i)
		}
	}
}

func (d *decoder) digits(i int) int {
	for c := d.at(i); c >= '0' && c <= '9'; c = d.at(i) {
		i++
	}
	return i
}

func (d *decoder) number(start int) (any, int) {
	i := start
	if d.at(i) == '-' {
		i++
	}
	end := i + 1
	if d.at(i) != '0' {
		end = d.digits(i)
	}
	if end == i {
		d.fail("Expecting value", start)
	}
	whole := true
	if d.at(end) == '.' {
		if more := d.digits(end + 1); more > end+1 {
			whole, end = false, more
		}
	}
	if c := d.at(end); c == 'e' || c == 'E' {
		exponent := end + 1
		if c := d.at(exponent); c == '+' || c == '-' {
			exponent++
		}
		if more := d.digits(exponent); more > exponent {
			whole, end = false, more
		}
	}
	text := string(d.text[start:end])
	if whole {
		n, _ := new(big.Int).SetString(text, 10)
		return n, end
	}
	f, _ := strconv.ParseFloat(text, 64) // out of range it is infinite, as in Python
	return f, end
}

var escapes = map[rune]rune{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// str reads a string whose quote is at begin.
func (d *decoder) str(begin int) (string, int) {
	var b strings.Builder
	for i := begin + 1; ; {
		switch c := d.at(i); {
		case c == -1:
			d.fail("Unterminated string starting at", begin)
		case c == '"':
			return b.String(), i + 1
		case c < ' ':
			d.fail("Invalid control character at", i)
		case c != '\\':
			b.WriteRune(c)
			i++
		case d.at(i+1) == 'u':
			r := d.hex(i + 1)
			i += 6
			if utf16.IsSurrogate(r) && d.at(i) == '\\' && d.at(i+1) == 'u' {
				if pair := utf16.DecodeRune(r, d.hex(i+1)); pair != 0xfffd {
					r, i = pair, i+6
				}
			}
			b.WriteRune(r)
		case d.at(i+1) == -1:
			d.fail("Unterminated string starting at", begin)
		default:
			r, known := escapes[d.at(i+1)]
			if !known {
				d.fail("Invalid \\escape", i)
			}
			b.WriteRune(r)
			i += 2
		}
	}
}

// hex reads the four digits after the u at i.
func (d *decoder) hex(i int) rune {
	if i+5 > len(d.text) {
		d.fail("Invalid \\uXXXX escape", i)
	}
	n, err := strconv.ParseUint(string(d.text[i+1:i+5]), 16, 16)
	if err != nil {
		d.fail("Invalid \\uXXXX escape", i)
	}
	return rune(n)
}

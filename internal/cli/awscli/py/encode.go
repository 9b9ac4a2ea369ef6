package py

import (
	"fmt"
	"math/big"
	"strings"
	"unicode/utf16"
)

// EncodeJSON writes a value as the AWS CLI prints it: indented by four spaces,
// keys in their order, characters as they are.
func EncodeJSON(v any) string {
	var b strings.Builder
	(&encoder{b: &b, indent: "    ", colon: ": "}).value(v, "\n")
	return b.String()
}

// CompactJSON writes a value in one line, without spaces and in ASCII.
func CompactJSON(v any) string {
	var b strings.Builder
	(&encoder{b: &b, colon: ":", ascii: true}).value(v, "")
	return b.String()
}

type encoder struct {
	b             *strings.Builder
	indent, colon string
	ascii         bool
}

// value writes v; newline begins a line at the depth of v.
func (e *encoder) value(v any, newline string) {
	switch x := v.(type) {
	case nil:
		e.b.WriteString("null")
	case bool:
		fmt.Fprint(e.b, x)
	case *big.Int:
		e.b.WriteString(x.String())
	case float64:
		switch s := formatFloat(x); s {
		case "inf":
			e.b.WriteString("Infinity")
		case "-inf":
			e.b.WriteString("-Infinity")
		case "nan":
			e.b.WriteString("NaN")
		default:
			e.b.WriteString(s)
		}
	case string:
		e.str(x)
	case Bytes:
		e.str(string(x))
	case []any:
		e.each("[]", len(x), newline, func(i int, deeper string) { e.value(x[i], deeper) })
	case *Dict:
		e.each("{}", x.Len(), newline, func(i int, deeper string) {
			e.str(x.keys[i])
			e.b.WriteString(e.colon)
			e.value(x.vals[x.keys[i]], deeper)
		})
	}
}

func (e *encoder) each(brackets string, n int, newline string, member func(int, string)) {
	if n == 0 {
		e.b.WriteString(brackets)
		return
	}
	deeper := newline + e.indent
	e.b.WriteByte(brackets[0])
	for i := range n {
		if i > 0 {
			e.b.WriteByte(',')
		}
		e.b.WriteString(deeper)
		member(i, deeper)
	}
	e.b.WriteString(newline)
	e.b.WriteByte(brackets[1])
}

var short = map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\b': `\b`, '\f': `\f`}

func (e *encoder) str(s string) {
	e.b.WriteByte('"')
	for _, r := range s {
		switch escape, known := short[r]; {
		case known:
			e.b.WriteString(escape)
		case r < ' ', e.ascii && r > '~' && r < 0x10000:
			fmt.Fprintf(e.b, `\u%04x`, r)
		case e.ascii && r > '~':
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(e.b, `\u%04x\u%04x`, high, low)
		default:
			e.b.WriteRune(r)
		}
	}
	e.b.WriteByte('"')
}

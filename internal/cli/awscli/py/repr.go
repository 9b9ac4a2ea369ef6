package py

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode"
)

// TypeName is the name of a value's type.
func TypeName(v any) string {
	switch x := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case string:
		return "str"
	case *big.Int:
		return "int"
	case float64:
		return "float"
	case Bytes:
		return "bytes"
	case []any:
		return "list"
	case *Dict:
		if x.Ordered {
			return "collections.OrderedDict"
		}
		return "dict"
	}
	return fmt.Sprintf("%T", v)
}

// Str spells a value for a person: str().
func Str(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return Repr(v)
}

// Repr spells a value as source text: repr().
func Repr(v any) string {
	switch x := v.(type) {
	case nil:
		return "None"
	case bool:
		if x {
			return "True"
		}
		return "False"
	case string:
		return quote(x, false)
	case Bytes:
		return "b" + quote(string(x), true)
	case *big.Int:
		return x.String()
	case float64:
		return formatFloat(x)
	case []any:
		parts := make([]string, len(x))
		for i, e := range x {
			parts[i] = Repr(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case *Dict:
		return reprDict(x)
	}
	return fmt.Sprint(v)
}

func reprDict(d *Dict) string {
	parts := make([]string, d.Len())
	for i, k := range d.keys {
		if d.Ordered {
			parts[i] = "(" + Repr(k) + ", " + Repr(d.vals[k]) + ")"
		} else {
			parts[i] = Repr(k) + ": " + Repr(d.vals[k])
		}
	}
	list := strings.Join(parts, ", ")
	switch {
	case !d.Ordered:
		return "{" + list + "}"
	case list == "":
		return "OrderedDict()"
	}
	return "OrderedDict([" + list + "])"
}

// formatFloat writes the shortest text that reads as f again, always with a point
// or an exponent.
func formatFloat(f float64) string {
	switch s := strconv.FormatFloat(f, 'g', -1, 64); s {
	case "+Inf", "-Inf":
		return strings.ToLower(strings.TrimPrefix(s, "+"))
	case "NaN":
		return "nan"
	}
	_, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	if e, err := strconv.Atoi(exponent); err == nil && e >= -4 && e < 16 {
		s := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	return strconv.FormatFloat(f, 'e', -1, 64)
}

// quote writes a text between quotes: single ones, unless it has such and no
// double ones.
func quote(s string, bytes bool) string {
	q := '\''
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		q = '"'
	}
	var b strings.Builder
	b.WriteRune(q)
	each := func(r rune) {
		switch {
		case r == q || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7f || r < 0x100 && (bytes && r > 0x7e || !unicode.IsPrint(r)):
			fmt.Fprintf(&b, `\x%02x`, r)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	if bytes {
		for i := range len(s) {
			each(rune(s[i]))
		}
	} else {
		for _, r := range s {
			each(r)
		}
	}
	b.WriteRune(q)
	return b.String()
}

// ParseInt reads a text as int() does: spaces around it, a sign, digits of which
// single underscores may separate two.
func ParseInt(s string) (*big.Int, bool) {
	t := strings.TrimFunc(s, unicode.IsSpace)
	digits := strings.TrimLeft(t, "+-")
	if len(t)-len(digits) > 1 || digits == "" {
		return nil, false
	}
	plain := make([]byte, 0, len(digits))
	for i := range len(digits) {
		switch c := digits[i]; {
		case c >= '0' && c <= '9':
			plain = append(plain, c)
		case c != '_' || i == 0 || i == len(digits)-1 || digits[i-1] == '_':
			return nil, false
		}
	}
	n, ok := new(big.Int).SetString(string(plain), 10)
	if ok && t[0] == '-' {
		n.Neg(n)
	}
	return n, ok
}

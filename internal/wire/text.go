package wire

import (
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/drover-iot/drover/internal/job"
	"github.com/go-json-experiment/json/jsontext"
)

// setText reads the text of a member into its field and gives the constraint that
// the text fails, "" if none. Booleans are strict: `true` or `false`
// (device-plane.md 11 row 22).
func setText(f *field, v reflect.Value, text string) string {
	switch t := scalarType(v.Type()); t.Kind() {
	case reflect.String:
		if !utf8.ValidString(text) {
			return "Member must be UTF-8"
		}
		if text == "" && f.fact.min != nil && *f.fact.min > 0 {
			return f.fact.text(text) // once set, it could not be told from an absent one
		}
		if p, ok := v.Addr().Interface().(**string); ok {
			given := text
			*p = &given
		} else {
			v.SetString(text)
		}
	case reflect.Int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return "Member must be " + typeName(t)
		}
		setInt(v, n)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return "Member must be " + typeName(t)
		}
		setBool(v, text == "true")
	case reflect.Uint8:
		n, ok := enums[t](text)
		if !ok {
			return f.fact.text(text)
		}
		v.SetUint(n)
	}
	return ""
}

func setInt(v reflect.Value, n int64) {
	if p, ok := v.Addr().Interface().(**int64); ok {
		given := n
		*p = &given
	} else {
		v.SetInt(n)
	}
}

func setBool(v reflect.Value, b bool) {
	if p, ok := v.Addr().Interface().(**bool); ok {
		given := b
		*p = &given
	} else {
		v.SetBool(b)
	}
}

// stringMapOf is where a member that is a map of strings keeps it. Reflection would
// copy every key and value that it shows.
func stringMapOf(v reflect.Value) *map[string]string {
	if d, ok := v.Addr().Interface().(*job.Details); ok {
		return (*map[string]string)(d)
	}
	return v.Addr().Interface().(*map[string]string)
}

// scalarType is the type of a member, given or pointed to.
func scalarType(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// typeName names what a member must be.
func typeName(t reflect.Type) string {
	switch t = scalarType(t); t.Kind() {
	case reflect.String, reflect.Uint8:
		return "a string"
	case reflect.Int64:
		return "an integer of 64 bits"
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "a boolean, true or false"
	case reflect.Slice:
		return "a list"
	case reflect.Map:
		return "a map of strings"
	default:
		return "an object"
	}
}

func kindName(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "boolean"
	case '"':
		return "string"
	case '0':
		return "number"
	default:
		return "array"
	}
}

// shown is a JSON value in a message: short ones as they are, others by their kind.
func shown(raw jsontext.Value) string {
	switch k := raw.Kind(); k {
	case '{', '[':
		return "of type " + map[jsontext.Kind]string{'{': "object", '[': "array"}[k]
	case '"':
		return quote(string(unquoted(raw)))
	case 'n', 't', 'f', '0':
		return quote(string(raw))
	default:
		return "given"
	}
}

// dotted turns a JSON pointer into the path of AWS's messages: list elements are
// counted from one.
func dotted(p jsontext.Pointer) string {
	var b strings.Builder
	for tok := range p.Tokens() {
		b.WriteByte('.')
		if n, err := strconv.Atoi(tok); err == nil {
			b.WriteString(strconv.Itoa(n+1) + ".member")
		} else {
			b.WriteString(shorten(tok))
		}
	}
	return b.String()
}

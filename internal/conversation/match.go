package conversation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// object is a JSON object with its keys in the order they were written.
type object struct {
	keys   []string
	values map[string]any
}

func (o *object) without(key string) *object {
	out := &object{values: o.values}
	for _, k := range o.keys {
		if k != key {
			out.keys = append(out.keys, k)
		}
	}
	return out
}

func (o *object) has(key string) bool {
	for _, k := range o.keys {
		if k == key {
			return true
		}
	}
	return false
}

// decode reads one JSON value: *object, []any, string, json.Number, bool, nil.
// It refuses bad UTF-8, duplicate keys and whatever follows the value.
func decode(data []byte) (any, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := decodeValue(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return v, nil
}

func decodeValue(d *json.Decoder) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := decodeValue(d)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	case json.Delim('{'):
		o := &object{values: map[string]any{}}
		for d.More() {
			t, err := d.Token()
			if err != nil {
				return nil, err
			}
			k, _ := t.(string) // the decoder admits no other key
			if _, dup := o.values[k]; dup {
				return nil, fmt.Errorf("duplicate key %q", k)
			}
			if o.values[k], err = decodeValue(d); err != nil {
				return nil, err
			}
			o.keys = append(o.keys, k)
		}
		_, err := d.Token()
		return o, err
	}
	return t, nil
}

// matcher compares what a file expects with what came.
type matcher struct {
	start   time.Time // T
	inOrder bool
}

// match says where and how got differs from want.
func (m matcher) match(path string, want, got any) error {
	switch w := want.(type) {
	case *object:
		g, ok := got.(*object)
		if !ok {
			return fmt.Errorf("%s: got %s, want an object", path, show(got))
		}
		return m.matchObject(path, w, g)
	case []any:
		g, ok := got.([]any)
		if !ok {
			return fmt.Errorf("%s: got %s, want a list", path, show(got))
		}
		if len(g) != len(w) {
			return fmt.Errorf("%s: got %d entries, want %d: %s", path, len(g), len(w), show(got))
		}
		for i := range w {
			if err := m.match(fmt.Sprintf("%s[%d]", path, i), w[i], g[i]); err != nil {
				return err
			}
		}
		return nil
	case string:
		if placeholder(w) {
			if err := m.matchPlaceholder(w, got); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			return nil
		}
	}
	if want != got { // strings, numbers digit by digit, booleans, null
		return fmt.Errorf("%s: got %s, want %s", path, show(got), show(want))
	}
	return nil
}

func (m matcher) matchObject(path string, want, got *object) error {
	var order []string
	for _, k := range want.keys {
		if !got.has(k) {
			if want.values[k] == "$maybe" {
				continue
			}
			return fmt.Errorf("%s: key %q is missing; there are %q", path, k, got.keys)
		}
		order = append(order, k)
		if err := m.match(path+"."+k, want.values[k], got.values[k]); err != nil {
			return err
		}
	}
	for _, k := range got.keys {
		if !want.has(k) {
			return fmt.Errorf("%s: key %q is one too many: %s", path, k, show(got.values[k]))
		}
	}
	if m.inOrder && strings.Join(order, " ") != strings.Join(got.keys, " ") {
		return fmt.Errorf("%s: keys come as %q, want %q", path, got.keys, order)
	}
	return nil
}

var (
	instant = regexp.MustCompile(`^T(?:\+(\d+)(\.\d+)?)?$`)
	uuid    = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	integer = regexp.MustCompile(`^-?\d+$`)
)

func placeholder(s string) bool { return strings.HasPrefix(s, "$") || instant.MatchString(s) }

func (m matcher) matchPlaceholder(want string, got any) error {
	text, isString := got.(string)
	number, isNumber := got.(json.Number)
	name, arg, _ := strings.Cut(want, " ")
	ok := false
	switch name {
	case "$maybe":
		ok = true
	case "$string":
		ok = isString && text != ""
	case "$has":
		ok = isString && strings.Contains(text, arg)
	case "$uuid":
		ok = isString && uuid.MatchString(text)
	case "$number":
		ok = isNumber
	case "$int":
		ok = isNumber && integer.MatchString(number.String())
	case "$at-least":
		low, err := strconv.ParseFloat(arg, 64)
		if err != nil {
			return fmt.Errorf("%q: want a number after $at-least", want)
		}
		g, err := number.Float64()
		ok = isNumber && err == nil && g >= low
	default:
		p := instant.FindStringSubmatch(want)
		if p == nil {
			return fmt.Errorf("unknown placeholder %q", want)
		}
		return m.matchInstant(want, p[1], p[2], number, isNumber)
	}
	if !ok {
		return fmt.Errorf("got %s, want %s", show(got), want)
	}
	return nil
}

// matchInstant compares T+seconds: an integer literal without a fraction,
// to the millisecond with one.
func (m matcher) matchInstant(want, seconds, fraction string, got json.Number, isNumber bool) error {
	n := 0
	if seconds != "" {
		n, _ = strconv.Atoi(seconds) // digits, by the expression
	}
	at := m.start.Unix() + int64(n)
	if fraction == "" {
		if !isNumber || got.String() != strconv.FormatInt(at, 10) {
			return fmt.Errorf("got %s, want %s, the integer %d", show(got), want, at)
		}
		return nil
	}
	f, _ := strconv.ParseFloat(fraction, 64)
	g, err := got.Float64()
	if !isNumber || err != nil || math.Abs(g-float64(at)-f) > 0.0006 {
		return fmt.Errorf("got %s, want %s, the number %.3f", show(got), want, float64(at)+f)
	}
	return nil
}

// show writes a value for a message, shortened.
func show(v any) string {
	var b strings.Builder
	write(&b, v)
	if s := b.String(); len(s) <= 400 {
		return s
	}
	return b.String()[:400] + "…"
}

func write(b *strings.Builder, v any) {
	switch v := v.(type) {
	case *object:
		b.WriteByte('{')
		for i, k := range v.keys {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(b, "%q:", k)
			write(b, v.values[k])
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			write(b, e)
		}
		b.WriteByte(']')
	case string:
		fmt.Fprintf(b, "%q", v)
	case nil:
		b.WriteString("null")
	default:
		fmt.Fprint(b, v)
	}
}

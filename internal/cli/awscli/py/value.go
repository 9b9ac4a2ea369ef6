package py

import (
	"math"
	"math/big"
	"slices"
)

// A value is nil, bool, string, *big.Int, float64, Bytes, []any or *Dict.

// Error is a mistake in the words of Python, or of the AWS CLI.
type Error string

func (e Error) Error() string { return string(e) }

// Bytes are what a fileb:// file holds.
type Bytes string

// Dict is a map that keeps the order in which its keys came, as Python's does.
type Dict struct {
	// Ordered says that it is an OrderedDict, which spells itself otherwise.
	Ordered bool

	keys []string
	vals map[string]any
}

// NewDict makes a Dict of pairs: a key, its value, and so on.
func NewDict(pairs ...any) *Dict {
	d := &Dict{}
	for i := 0; i+1 < len(pairs); i += 2 {
		d.Set(pairs[i].(string), pairs[i+1])
	}
	return d
}

// Set gives a key a value; a new key comes last, a known one keeps its place.
func (d *Dict) Set(key string, value any) {
	if d.vals == nil {
		d.vals = map[string]any{}
	}
	if _, known := d.vals[key]; !known {
		d.keys = append(d.keys, key)
	}
	d.vals[key] = value
}

// Get gives the value of a key.
func (d *Dict) Get(key string) (any, bool) {
	v, ok := d.vals[key]
	return v, ok
}

// Keys are the keys in their order; the caller must not change them.
func (d *Dict) Keys() []string { return d.keys }

// Sorted are the keys in order of their code points.
func (d *Dict) Sorted() []string { return slices.Sorted(slices.Values(d.keys)) }

// Len is the number of keys.
func (d *Dict) Len() int { return len(d.keys) }

// Int makes an integer.
func Int(n int64) *big.Int { return big.NewInt(n) }

// Equal says whether two values are equal: numbers by value, a truth is no number.
func Equal(a, b any) bool {
	switch x := a.(type) {
	case *Dict:
		y, ok := b.(*Dict)
		if !ok || x.Len() != y.Len() {
			return false
		}
		for _, k := range x.keys {
			v, known := y.Get(k)
			if !known || !Equal(x.vals[k], v) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, Equal)
	case *big.Int, float64:
		return IsNumber(b) && !isNaN(a) && !isNaN(b) && Compare(a, b) == 0
	}
	switch b.(type) {
	case *Dict, []any:
		return false
	}
	return a == b
}

func isNaN(v any) bool { f, ok := v.(float64); return ok && math.IsNaN(f) }

// IsNumber says whether v is a number, which a truth is not.
func IsNumber(v any) bool {
	switch v.(type) {
	case *big.Int, float64:
		return true
	}
	return false
}

// Compare orders two numbers.
func Compare(a, b any) int {
	x, xInt := a.(*big.Int)
	y, yInt := b.(*big.Int)
	if xInt && yInt {
		return x.Cmp(y)
	}
	return Float(a).Cmp(Float(b))
}

// Trunc is the integer part of a float: int(). What has none is an error.
func Trunc(f float64) (*big.Int, error) {
	switch {
	case math.IsNaN(f):
		return nil, Error("cannot convert float NaN to integer")
	case math.IsInf(f, 0):
		return nil, Error("cannot convert float infinity to integer")
	}
	n, _ := big.NewFloat(f).Int(nil)
	return n, nil
}

// Float is a number in a form in which all can be compared and added.
func Float(v any) *big.Float {
	switch n := v.(type) {
	case *big.Int:
		return new(big.Float).SetPrec(max(64, uint(n.BitLen()))).SetInt(n)
	case float64:
		if !math.IsNaN(n) { // which has no place in any order
			return new(big.Float).SetFloat64(n)
		}
	}
	return new(big.Float)
}

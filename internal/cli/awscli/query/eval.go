package query

import (
	"math/big"

	"github.com/drover-iot/drover/internal/cli/awscli/py"
)

// A node gives a value for a value.
type node interface{ eval(v any) (any, error) }

type (
	selfNode    struct{}
	literalNode struct{ value any }
	fieldNode   string
	indexNode   struct{ n *big.Int }
	sliceNode   [3]*big.Int
	flattenNode struct{ of node }
	filterNode  struct{ of, condition node }
	chainNode   struct{ left, right node }
	projectNode struct{ of, each node } // of a list
	valuesNode  struct{ of, each node } // of an object's values
	notNode     struct{ of node }
	exprefNode  struct{ of node }
	callNode    struct {
		name      string
		arguments []node
	}
	logicNode struct {
		and         bool
		left, right node
	}
	compareNode struct {
		operator    kind
		left, right node
	}
	listNode []node
	pair     struct {
		key   string
		value node
	}
	hashNode []pair
)

// isFalse: nothing, the empty and false are false; 0 is not.
func isFalse(v any) bool {
	switch x := v.(type) {
	case nil:
		return true
	case bool:
		return !x
	case string:
		return x == ""
	case []any:
		return len(x) == 0
	case *py.Dict:
		return x.Len() == 0
	}
	return false
}

func (selfNode) eval(v any) (any, error)      { return v, nil }
func (n literalNode) eval(any) (any, error)   { return n.value, nil }
func (n exprefNode) eval(any) (any, error)    { return n, nil }
func (n fieldNode) eval(v any) (any, error)   { return member(v, string(n)), nil }
func (n indexNode) eval(v any) (any, error)   { return element(v, n.n), nil }
func (n sliceNode) eval(v any) (any, error)   { return slice(v, n) }
func (n notNode) eval(v any) (any, error)     { of, err := n.of.eval(v); return isFalse(of), err }
func (n chainNode) eval(v any) (any, error)   { return then(n.left, v, n.right.eval) }
func (n flattenNode) eval(v any) (any, error) { return then(n.of, v, flat) }

// then evaluates a node and goes on with what it gives.
func then(n node, v any, next func(any) (any, error)) (any, error) {
	left, err := n.eval(v)
	if err != nil {
		return nil, err
	}
	return next(left)
}

func member(v any, name string) any {
	if d, ok := v.(*py.Dict); ok {
		m, _ := d.Get(name)
		return m
	}
	return nil
}

func element(v any, n *big.Int) any {
	list, ok := v.([]any)
	if !ok || !n.IsInt64() {
		return nil
	}
	i := n.Int64()
	if i < 0 {
		i += int64(len(list))
	}
	if i < 0 || i >= int64(len(list)) {
		return nil
	}
	return list[i]
}

func flat(v any) (any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, nil
	}
	merged := []any{}
	for _, e := range list {
		if inner, ok := e.([]any); ok {
			merged = append(merged, inner...)
		} else {
			merged = append(merged, e)
		}
	}
	return merged, nil
}

// slice is [start:stop:step] of a list.
func slice(v any, parts sliceNode) (any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, nil
	}
	step := int64(1)
	if parts[2] != nil {
		if step = clamp(parts[2]); step == 0 {
			return nil, py.Error("slice step cannot be zero")
		}
	}
	n := int64(len(list))
	low, high := int64(0), n // where a walk may begin and end
	if step < 0 {
		low, high = -1, n-1
	}
	bound := func(p *big.Int, absent int64) int64 {
		if p == nil {
			return absent
		}
		i := clamp(p)
		if i < 0 {
			i += n
		}
		return max(low, min(high, i))
	}
	start, stop := bound(parts[0], low), bound(parts[1], high)
	if step < 0 {
		start, stop = bound(parts[0], high), bound(parts[1], low)
	}
	picked := []any{}
	for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
		picked = append(picked, list[i])
	}
	return picked, nil
}

// clamp keeps an index far inside of what can be added to.
func clamp(n *big.Int) int64 {
	const far = 1 << 40
	if !n.IsInt64() {
		return int64(n.Sign()) * far
	}
	return max(-far, min(far, n.Int64()))
}

func (n filterNode) eval(v any) (any, error) {
	return then(n.of, v, func(of any) (any, error) {
		list, ok := of.([]any)
		if !ok {
			return nil, nil
		}
		kept := []any{}
		for _, e := range list {
			yes, err := n.condition.eval(e)
			if err != nil {
				return nil, err
			}
			if !isFalse(yes) {
				kept = append(kept, e)
			}
		}
		return kept, nil
	})
}

func (n projectNode) eval(v any) (any, error) {
	return then(n.of, v, func(of any) (any, error) {
		list, ok := of.([]any)
		if !ok {
			return nil, nil
		}
		return project(list, n.each)
	})
}

func (n valuesNode) eval(v any) (any, error) {
	return then(n.of, v, func(of any) (any, error) {
		d, ok := of.(*py.Dict)
		if !ok {
			return nil, nil
		}
		return project(values(d), n.each)
	})
}

func values(d *py.Dict) []any {
	list := []any{}
	for _, k := range d.Keys() {
		v, _ := d.Get(k)
		list = append(list, v)
	}
	return list
}

// project gives what each element becomes, without nothings.
func project(list []any, each node) (any, error) {
	out := []any{}
	for _, e := range list {
		v, err := each.eval(e)
		if err != nil {
			return nil, err
		}
		if v != nil {
			out = append(out, v)
		}
	}
	return out, nil
}

func (n logicNode) eval(v any) (any, error) {
	left, err := n.left.eval(v)
	if err != nil || isFalse(left) == n.and {
		return left, err
	}
	return n.right.eval(v)
}

func (n compareNode) eval(v any) (any, error) {
	left, err := n.left.eval(v)
	if err != nil {
		return nil, err
	}
	right, err := n.right.eval(v)
	if err != nil {
		return nil, err
	}
	switch n.operator {
	case equal:
		return py.Equal(left, right), nil
	case notEqual:
		return !py.Equal(left, right), nil
	}
	order, ok, err := compare(left, right, symbols[n.operator])
	if !ok || err != nil {
		return nil, err
	}
	switch n.operator {
	case less:
		return order < 0, nil
	case lessEqual:
		return order <= 0, nil
	case more:
		return order > 0, nil
	}
	return order >= 0, nil
}

var symbols = map[kind]string{less: "<", lessEqual: "<=", more: ">", moreEquals: ">="}

// compare orders two numbers or two texts; anything else has no order (ok is
// false), and a text with a number is a mistake.
func compare(a, b any, operator string) (order int, ok bool, err error) {
	x, xText := a.(string)
	y, yText := b.(string)
	switch {
	case xText && yText:
		return compareText(x, y), true, nil
	case py.IsNumber(a) && py.IsNumber(b):
		return py.Compare(a, b), true, nil
	case (xText || py.IsNumber(a)) && (yText || py.IsNumber(b)):
		return 0, false, py.Error("'" + operator + "' not supported between instances of '" + py.TypeName(a) + "' and '" + py.TypeName(b) + "'")
	}
	return 0, false, nil
}

func compareText(x, y string) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

func (n listNode) eval(v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	out := make([]any, len(n))
	for i, e := range n {
		var err error
		if out[i], err = e.eval(v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (n hashNode) eval(v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	d := &py.Dict{}
	for _, p := range n {
		value, err := p.value.eval(v)
		if err != nil {
			return nil, err
		}
		d.Set(p.key, value)
	}
	return d, nil
}

func (n callNode) eval(v any) (any, error) {
	arguments := make([]any, len(n.arguments))
	for i, a := range n.arguments {
		var err error
		if arguments[i], err = a.eval(v); err != nil {
			return nil, err
		}
	}
	return call(n.name, arguments)
}

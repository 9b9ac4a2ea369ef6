package query

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/drover-iot/drover/internal/cli/awscli/py"
)

// A function takes arguments of these types: one of a list, separated by |;
// array-x is a list of x alone, empty takes anything.
type function struct {
	takes    []string
	variadic bool // the last may come more than once
	run      func(a []any) (any, error)
}

// functions by name; filled in init, for some of them evaluate.
var functions map[string]function

func init() {
	functions = map[string]function{
		"abs":         {takes: []string{"number"}, run: abs},
		"avg":         {takes: []string{"array-number"}, run: avg},
		"ceil":        {takes: []string{"number"}, run: func(a []any) (any, error) { return rounded(a[0], math.Ceil) }},
		"contains":    {takes: []string{"array|string", ""}, run: contains},
		"ends_with":   {takes: []string{"string", "string"}, run: func(a []any) (any, error) { return strings.HasSuffix(a[0].(string), a[1].(string)), nil }},
		"floor":       {takes: []string{"number"}, run: func(a []any) (any, error) { return rounded(a[0], math.Floor) }},
		"join":        {takes: []string{"string", "array-string"}, run: join},
		"keys":        {takes: []string{"object"}, run: keys},
		"length":      {takes: []string{"string|array|object"}, run: length},
		"map":         {takes: []string{"expref", "array"}, run: mapped},
		"max":         {takes: []string{"array-number|array-string"}, run: func(a []any) (any, error) { return best(a[0].([]any), a[0].([]any), 1), nil }},
		"max_by":      {takes: []string{"array", "expref"}, run: func(a []any) (any, error) { return bestBy("max_by", a, 1) }},
		"merge":       {takes: []string{"object"}, variadic: true, run: merge},
		"min":         {takes: []string{"array-number|array-string"}, run: func(a []any) (any, error) { return best(a[0].([]any), a[0].([]any), -1), nil }},
		"min_by":      {takes: []string{"array", "expref"}, run: func(a []any) (any, error) { return bestBy("min_by", a, -1) }},
		"not_null":    {takes: []string{""}, variadic: true, run: notNull},
		"reverse":     {takes: []string{"array|string"}, run: reverse},
		"sort":        {takes: []string{"array-string|array-number"}, run: func(a []any) (any, error) { return sorted(a[0].([]any), a[0].([]any)), nil }},
		"sort_by":     {takes: []string{"array", "expref"}, run: sortBy},
		"starts_with": {takes: []string{"string", "string"}, run: func(a []any) (any, error) { return strings.HasPrefix(a[0].(string), a[1].(string)), nil }},
		"sum":         {takes: []string{"array-number"}, run: func(a []any) (any, error) { return sum(a[0].([]any)), nil }},
		"to_array":    {takes: []string{""}, run: toArray},
		"to_number":   {takes: []string{""}, run: toNumber},
		"to_string":   {takes: []string{""}, run: toString},
		"type":        {takes: []string{""}, run: func(a []any) (any, error) { return typeName(a[0]), nil }},
		"values":      {takes: []string{"object"}, run: func(a []any) (any, error) { return values(a[0].(*py.Dict)), nil }},
	}
}

// typeName is JMESPath's name of a value's type.
func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case *py.Dict:
		return "object"
	case exprefNode:
		return "expref"
	}
	return "number"
}

// call checks the arguments of a function and runs it.
func call(name string, arguments []any) (any, error) {
	f, known := functions[name]
	if !known {
		return nil, py.Error("Unknown function: " + name + "()")
	}
	if n := len(f.takes); len(arguments) < n || len(arguments) > n && !f.variadic {
		least, plural := "", "s"
		if f.variadic {
			least = "at least "
		}
		if n == 1 {
			plural = ""
		}
		return nil, py.Error(fmt.Sprintf("Expected %s%d argument%s for function %s(), received %d", least, n, plural, name, len(arguments)))
	}
	for i, takes := range f.takes {
		if err := accept(name, takes, arguments[i]); err != nil {
			return nil, err
		}
	}
	return f.run(arguments)
}

// accept says why a function does not take a value.
func accept(name, takes string, v any) error {
	if takes == "" {
		return nil
	}
	types := strings.Split(takes, "|")
	var elements []string
	is := slices.ContainsFunc(types, func(t string) bool {
		of, element, narrowed := strings.Cut(t, "-")
		if narrowed {
			elements = append(elements, element)
		}
		return of == typeName(v)
	})
	if !is {
		return mistyped(name, v, typeName(v), types)
	}
	list, ok := v.([]any)
	if !ok || len(elements) == 0 || len(list) == 0 {
		return nil
	}
	// The first element decides of which type all must be.
	elements = nil
	for _, t := range types {
		_, element, _ := strings.Cut(t, "-")
		elements = append(elements, element)
	}
	want := typeName(list[0])
	if !slices.Contains(elements, want) {
		return mistyped(name, list[0], py.TypeName(list[0]), types)
	}
	for _, e := range list {
		if typeName(e) != want {
			return mistyped(name, e, py.TypeName(e), types)
		}
	}
	return nil
}

func mistyped(name string, v any, is string, types []string) error {
	return py.Error(fmt.Sprintf("In function %s(), invalid type for value: %s, expected one of: %s, received: \"%s\"",
		name, py.Str(v), py.Repr(anys(types)), is))
}

func anys(texts []string) []any {
	list := make([]any, len(texts))
	for i, t := range texts {
		list[i] = t
	}
	return list
}

func abs(a []any) (any, error) {
	if n, ok := a[0].(*big.Int); ok {
		return new(big.Int).Abs(n), nil
	}
	return math.Abs(a[0].(float64)), nil
}

// sum stays an integer until it meets a fraction.
func sum(list []any) any {
	var total any = py.Int(0)
	for _, e := range list {
		x, xInt := total.(*big.Int)
		y, yInt := e.(*big.Int)
		if xInt && yInt {
			total = new(big.Int).Add(x, y)
		} else {
			total = toFloat(total) + toFloat(e)
		}
	}
	return total
}

func toFloat(v any) float64 {
	if f, ok := v.(float64); ok {
		return f
	}
	f, _ := py.Float(v).Float64()
	return f
}

func avg(a []any) (any, error) {
	list := a[0].([]any)
	if len(list) == 0 {
		return nil, nil
	}
	return toFloat(sum(list)) / float64(len(list)), nil
}

func rounded(v any, round func(float64) float64) (any, error) {
	f, ok := v.(float64)
	if !ok {
		return v, nil
	}
	return py.Trunc(round(f))
}

func contains(a []any) (any, error) {
	if list, ok := a[0].([]any); ok {
		return slices.ContainsFunc(list, func(e any) bool { return py.Equal(e, a[1]) }), nil
	}
	part, ok := a[1].(string)
	if !ok {
		return nil, py.Error("'in <string>' requires string as left operand, not " + py.TypeName(a[1]))
	}
	return strings.Contains(a[0].(string), part), nil
}

func join(a []any) (any, error) {
	var parts []string
	for _, e := range a[1].([]any) {
		parts = append(parts, e.(string))
	}
	return strings.Join(parts, a[0].(string)), nil
}

func keys(a []any) (any, error) { return anys(a[0].(*py.Dict).Keys()), nil }

func length(a []any) (any, error) {
	switch x := a[0].(type) {
	case string:
		return py.Int(int64(len([]rune(x)))), nil
	case []any:
		return py.Int(int64(len(x))), nil
	}
	return py.Int(int64(a[0].(*py.Dict).Len())), nil
}

func mapped(a []any) (any, error) {
	out := []any{}
	for _, e := range a[1].([]any) {
		v, err := a[0].(exprefNode).of.eval(e)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func merge(a []any) (any, error) {
	d := &py.Dict{}
	for _, v := range a {
		from, ok := v.(*py.Dict)
		if !ok {
			return nil, mistyped("merge", v, typeName(v), []string{"object"})
		}
		for _, k := range from.Keys() {
			value, _ := from.Get(k)
			d.Set(k, value)
		}
	}
	return d, nil
}

func notNull(a []any) (any, error) {
	for _, v := range a {
		if v != nil {
			return v, nil
		}
	}
	return nil, nil
}

func reverse(a []any) (any, error) {
	if text, ok := a[0].(string); ok {
		runes := []rune(text)
		slices.Reverse(runes)
		return string(runes), nil
	}
	list := slices.Clone(a[0].([]any))
	slices.Reverse(list)
	return list, nil
}

// order compares two keys, which are two texts or two numbers.
func order(x, y any) int {
	if text, ok := x.(string); ok {
		return compareText(text, y.(string))
	}
	return py.Compare(x, y)
}

// best gives the first element whose key is the largest (sign 1) or smallest (-1).
func best(list, keys []any, sign int) any {
	if len(list) == 0 {
		return nil
	}
	at := 0
	for i := range list {
		if order(keys[i], keys[at])*sign > 0 {
			at = i
		}
	}
	return list[at]
}

func sorted(list, keys []any) any {
	at := make([]int, len(list))
	for i := range at {
		at[i] = i
	}
	slices.SortStableFunc(at, func(i, j int) int { return order(keys[i], keys[j]) })
	out := make([]any, len(list))
	for i, from := range at {
		out[i] = list[from]
	}
	return out
}

// keysOf evaluates an expression for each element; all must be of one type.
func keysOf(name string, list []any, by exprefNode, types []string) ([]any, error) {
	keys := make([]any, len(list))
	for i, e := range list {
		k, err := by.of.eval(e)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(types, typeName(k)) {
			return nil, mistyped(name, k, typeName(k), types)
		}
		if i > 0 && typeName(k) != typeName(keys[0]) {
			operator := map[string]string{"max_by": ">"}[name]
			if operator == "" {
				operator = "<"
			}
			return nil, py.Error("'" + operator + "' not supported between instances of '" + py.TypeName(k) + "' and '" + py.TypeName(keys[0]) + "'")
		}
		keys[i] = k
	}
	return keys, nil
}

func bestBy(name string, a []any, sign int) (any, error) {
	list := a[0].([]any)
	keys, err := keysOf(name, list, a[1].(exprefNode), []string{"number", "string"})
	if err != nil {
		return nil, err
	}
	return best(list, keys, sign), nil
}

func sortBy(a []any) (any, error) {
	list, by := a[0].([]any), a[1].(exprefNode)
	if len(list) == 0 {
		return list, nil
	}
	first, err := by.of.eval(list[0])
	if err != nil {
		return nil, err
	}
	want := typeName(first)
	if want != "number" && want != "string" {
		return nil, mistyped("sort_by", list[0], want, []string{"string", "number"})
	}
	keys, err := keysOf("sort_by", list, by, []string{want})
	if err != nil {
		return nil, err
	}
	return sorted(list, keys), nil
}

func toArray(a []any) (any, error) {
	if list, ok := a[0].([]any); ok {
		return list, nil
	}
	return []any{a[0]}, nil
}

func toNumber(a []any) (any, error) {
	text, ok := a[0].(string)
	if !ok {
		if py.IsNumber(a[0]) {
			return a[0], nil
		}
		return nil, nil
	}
	if n, ok := py.ParseInt(text); ok {
		return n, nil
	}
	if f, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil {
		return f, nil
	}
	return nil, nil
}

func toString(a []any) (any, error) {
	if _, ok := a[0].(string); ok {
		return a[0], nil
	}
	return py.CompactJSON(a[0]), nil
}

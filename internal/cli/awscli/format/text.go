package format

import (
	"slices"
	"strings"

	"github.com/drover-iot/drover/internal/cli/awscli/py"
)

// textWriter writes values between tabs: a line for each object, with the name of
// the member that holds it in capitals before its own values, in order of name.
type textWriter struct {
	strings.Builder
	err error
}

func (w *textWriter) line(fields ...string) { w.WriteString(strings.Join(fields, "\t") + "\n") }

// item writes v, the member called name (if named). columns, if any, are the keys
// of all objects of the list in which v is.
func (w *textWriter) item(v any, name string, named bool, columns []string) {
	if w.err != nil {
		return
	}
	switch x := v.(type) {
	case *py.Dict:
		w.dict(x, name, named, columns)
	case []any:
		w.list(x, name, named)
	default:
		w.line(py.Str(v))
	}
}

func (w *textWriter) list(list []any, name string, named bool) {
	switch {
	case len(list) == 0:
	case slices.ContainsFunc(list, isDict):
		if i := slices.IndexFunc(list, func(e any) bool { return !isDict(e) }); i >= 0 {
			w.err = py.Error("'" + py.TypeName(list[i]) + "' object has no attribute 'items'")
			return
		}
		columns := scalarKeys(list)
		for _, e := range list {
			w.item(e, name, named, columns)
		}
	case slices.ContainsFunc(list, isNested):
		var scalars []any
		for _, e := range list {
			if !isNested(e) {
				scalars = append(scalars, e)
			}
		}
		if len(scalars) > 0 {
			w.scalars(scalars, name, named)
		}
		for _, e := range list {
			if isNested(e) {
				w.item(e, name, named, nil)
			}
		}
	default:
		w.scalars(list, name, named)
	}
}

func (w *textWriter) scalars(list []any, name string, named bool) {
	if named {
		for _, e := range list {
			w.line(strings.ToUpper(name), py.Str(e))
		}
		return
	}
	fields := make([]string, len(list))
	for i, e := range list {
		fields[i] = py.Str(e)
	}
	w.line(fields...)
}

func (w *textWriter) dict(d *py.Dict, name string, named bool, columns []string) {
	var fields, nested []string
	if columns == nil {
		for _, k := range d.Sorted() {
			if v, _ := d.Get(k); isNested(v) {
				nested = append(nested, k)
			} else {
				fields = append(fields, py.Str(v))
			}
		}
	} else {
		for _, k := range columns {
			v, known := d.Get(k)
			if !known {
				v = ""
			}
			fields = append(fields, py.Str(v))
		}
		for _, k := range d.Sorted() {
			if !slices.Contains(columns, k) {
				nested = append(nested, k)
			}
		}
	}
	if len(fields) > 0 {
		if named {
			fields = slices.Insert(fields, 0, strings.ToUpper(name))
		}
		w.line(fields...)
	}
	for _, k := range nested {
		v, _ := d.Get(k)
		w.item(v, k, true, nil)
	}
}

// scalarKeys are the keys, in order, that have a plain value in some object of the list.
func scalarKeys(list []any) []string {
	keys := []string{}
	for _, e := range list {
		if d, ok := e.(*py.Dict); ok {
			for _, k := range d.Keys() {
				if v, _ := d.Get(k); !isNested(v) && !slices.Contains(keys, k) {
					keys = append(keys, k)
				}
			}
		}
	}
	slices.Sort(keys)
	return keys
}

func isDict(v any) bool { _, ok := v.(*py.Dict); return ok }

func isNested(v any) bool {
	_, list := v.([]any)
	return list || isDict(v)
}

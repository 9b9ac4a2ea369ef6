package format

import (
	"errors"
	"math/big"
	"slices"

	"github.com/drover-iot/drover/internal/cli/awscli/py"
)

// table is what a table shows: sections, each with a title and rows.
type table struct {
	width    int
	sections []*section
}

// last is the section that rows go to.
func (t *table) last() *section { return t.sections[len(t.sections)-1] }

// isNothing: what is empty, zero or false has no table.
func isNothing(v any) bool {
	switch x := v.(type) {
	case nil:
		return true
	case bool:
		return !x
	case string:
		return x == ""
	case *big.Int:
		return x.Sign() == 0
	case float64:
		return x == 0
	case []any:
		return len(x) == 0
	case *py.Dict:
		return x.Len() == 0
	}
	return false
}

// build adds the sections of v, under a title if it is titled, and says whether
// there is anything to show.
func (t *table) build(title string, titled bool, v any, indent int) (bool, error) {
	if isNothing(v) {
		return false, nil
	}
	if titled {
		t.sections = append(t.sections, &section{title: title, indent: indent})
	}
	switch x := v.(type) {
	case []any:
		if isDict(x[0]) {
			return true, t.dicts(x, indent, title)
		}
		return true, t.elements(x)
	case *py.Dict:
		return true, t.dict(x, indent)
	}
	return true, nil
}

// elements adds a row for each element that is plain or a list of plain values.
func (t *table) elements(list []any) error {
	for _, e := range list {
		var err error
		row, isList := e.([]any)
		if d, ok := e.(*py.Dict); ok { // its keys are taken for its elements
			row, isList = nil, true
			for _, k := range d.Keys() {
				row = append(row, k)
			}
		}
		switch {
		case !isList:
			err = t.last().addRow([]any{e})
		case !slices.ContainsFunc(row, isNested):
			err = t.last().addRow(row)
		default:
			_, err = t.build("", false, e, 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// dict adds a row of an object's plain values below their names, and a section
// for each of the others.
func (t *table) dict(d *py.Dict, indent int) error {
	headers, more := split(d)
	var err error
	switch len(headers) {
	case 0:
	case 1:
		v, _ := d.Get(headers[0])
		err = t.last().addRow([]any{headers[0], v})
	default:
		t.last().addHeader(headers)
		err = t.last().addRow(pick(d, headers))
	}
	return errors.Join(err, t.nested(d, more, indent))
}

func (t *table) nested(d *py.Dict, keys []string, indent int) error {
	for _, k := range keys {
		if v, known := d.Get(k); known {
			if _, err := t.build(k, true, v, indent+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// dicts adds a row for each object of a list; one with nested values needs a
// section of its own.
func (t *table) dicts(list []any, indent int, title string) error {
	var headers, more []string
	for _, e := range list {
		d, ok := e.(*py.Dict)
		if !ok {
			return py.Error("'" + py.TypeName(e) + "' object is not iterable")
		}
		plain, others := split(d)
		headers, more = append(headers, plain...), append(more, others...)
	}
	headers, more = unique(headers), unique(more)
	t.last().addHeader(headers)
	for i, e := range list {
		if i > 0 && len(more) > 0 {
			t.sections = append(t.sections, &section{title: title, indent: indent})
			t.last().addHeader(headers)
		}
		d := e.(*py.Dict)
		if err := t.last().addRow(pick(d, headers)); err != nil {
			return err
		}
		if err := t.nested(d, more, indent); err != nil {
			return err
		}
	}
	return nil
}

// split parts the keys of an object, in order, by whether their values are plain.
func split(d *py.Dict) (plain, nested []string) {
	for _, k := range d.Sorted() {
		if v, _ := d.Get(k); isNested(v) {
			nested = append(nested, k)
		} else {
			plain = append(plain, k)
		}
	}
	return plain, nested
}

func unique(keys []string) []string {
	slices.Sort(keys)
	return slices.Compact(keys)
}

func pick(d *py.Dict, keys []string) []any {
	row := make([]any, len(keys))
	for i, k := range keys {
		row[i] = ""
		if v, known := d.Get(k); known {
			row[i] = v
		}
	}
	return row
}

package format

import "github.com/drover-iot/drover/internal/cli/awscli/py"

// Forms are what --output admits.
var Forms = []string{"json", "text", "table"}

// Options are what a form may need to know.
type Options struct {
	Form  string
	Title string // of a table
	Color bool   // of a table
	Width int    // of the terminal; 80 when there is none
}

// Answer writes an answer in its form. Of a text, what stands before the place of an
// error is given beside it.
func Answer(o Options, v any) (string, error) {
	switch o.Form {
	case "json":
		if d, ok := v.(*py.Dict); ok && d.Len() == 0 {
			return "", nil // an operation that says nothing prints nothing
		}
		return py.EncodeJSON(v) + "\n", nil
	case "text":
		var w textWriter
		w.item(v, "", false, nil)
		return w.String(), w.err
	case "table":
		t := &table{width: o.Width}
		filled, err := t.build(o.Title, true, v, 0)
		if !filled || err != nil {
			return "", err
		}
		return t.render(o.Color), nil
	}
	return "", py.Error("Unknown output type: " + o.Form)
}

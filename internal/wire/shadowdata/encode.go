package shadowdata

import (
	"maps"
	"slices"
	"strconv"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/shadow"
	"github.com/drover-iot/drover/internal/wire"
	"github.com/go-json-experiment/json/jsontext"
)

// AppendDocument is the reply of GetThingShadow: the whole document, and where
// desired and reported differ.
func AppendDocument(b []byte, d shadow.Document, f Form) []byte {
	b = append(b, `{"state":`...)
	b = sections(b, d.Desired.State, d.Reported.State, d.Delta().State)
	b = metadata(append(b, `,"metadata":`...), d.Desired, d.Reported)
	return f.end(number(b, `,"version":`, d.Version))
}

// AppendAccepted is the reply of UpdateThingShadow: what was asked for, with
// the metadata that it has now.
func AppendAccepted(b []byte, out *UpdateThingShadowOutput, f Form) []byte {
	desired, reported := out.Current.Written(out.Request)
	b = append(b, `{"state":{`...)
	first := true
	for _, s := range []struct {
		name  string
		patch shadow.Patch
	}{{`"desired":`, out.Request.Desired}, {`"reported":`, out.Request.Reported}} {
		if !s.patch.Given {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, s.name...)
		if s.patch.State == nil {
			b = append(b, "null"...)
		} else {
			b = appendValue(b, s.patch.State)
		}
	}
	b = metadata(append(b, `},"metadata":`...), desired, reported)
	return f.end(number(b, `,"version":`, out.Current.Version))
}

// AppendDocuments is the message of update/documents: the document before an
// update and after it.
func AppendDocuments(b []byte, out *UpdateThingShadowOutput, f Form) []byte {
	b = append(b, `{"previous":`...)
	b = append(snapshot(b, out.Previous), `,"current":`...)
	return f.end(snapshot(b, out.Current))
}

func snapshot(b []byte, d shadow.Document) []byte {
	b = sections(append(b, `{"state":`...), d.Desired.State, d.Reported.State, nil)
	b = metadata(append(b, `,"metadata":`...), d.Desired, d.Reported)
	return append(number(b, `,"version":`, d.Version), '}')
}

// AppendDelta is the message of update/delta.
func AppendDelta(b []byte, d shadow.Document, f Form) []byte {
	delta := d.Delta()
	b = append(number(append(b, '{'), `"version":`, d.Version), `,"state":`...)
	b = append(appendValue(b, delta.State), `,"metadata":`...)
	return f.end(appendMeta(b, delta.State, delta.Meta))
}

// AppendDeleted is the reply of DeleteThingShadow.
func AppendDeleted(b []byte, d shadow.Document, f Form) []byte {
	return f.end(number(append(b, '{'), `"version":`, d.Version))
}

// AppendRejected is what a refused request is told over MQTT: the code is the
// status that HTTPS would have.
func AppendRejected(b []byte, e *job.Error, f Form) []byte {
	b = number(append(b, '{'), `"code":`, int64(wire.Spell(e.Code).Data.Status))
	return f.end(text(append(b, `,"message":`...), e.Message))
}

// Marshal appends a document as it is stored, without its version: the state,
// and before it, for its leaves in their order, how many were last written at
// which time. size is how much of that counts against shadow.MaxBytes: desired
// and reported as JSON.
func Marshal(b []byte, d shadow.Document) (stored []byte, size int) {
	var r runs
	r.add(d.Desired.State, d.Desired.Meta)
	r.add(d.Reported.State, d.Reported.Meta)
	b = append(b, `{"stamps":[`...)
	for i, run := range r {
		if i > 0 {
			b = append(b, ',')
		}
		b = number(number(b, "", run.n), ",", int64(run.at))
	}
	b = append(b, `],"state":`...)
	before := len(b)
	b = sections(b, d.Desired.State, d.Reported.State, nil)
	return append(b, '}'), len(b) - before
}

// runs are the times of leaves, in order, those that are the same together.
type runs []struct {
	n  int64
	at shadow.Stamp
}

func (r *runs) add(state, meta shadow.Object) {
	for _, name := range slices.Sorted(maps.Keys(state)) {
		if sub, ok := state[name].(shadow.Object); ok {
			subMeta, _ := meta[name].(shadow.Object)
			r.add(sub, subMeta)
			continue
		}
		at, _ := meta[name].(shadow.Stamp)
		if n := len(*r); n == 0 || (*r)[n-1].at != at {
			*r = append(*r, struct {
				n  int64
				at shadow.Stamp
			}{at: at})
		}
		(*r)[len(*r)-1].n++
	}
}

// end closes a reply with its time and token.
func (f Form) end(b []byte) []byte {
	b = number(b, `,"timestamp":`, f.Timestamp.Unix())
	if f.ClientToken != nil {
		b = text(append(b, `,"clientToken":`...), *f.ClientToken)
	}
	return append(b, '}')
}

// sections appends those of the three that there are.
func sections(b []byte, desired, reported, delta shadow.Object) []byte {
	b = append(b, '{')
	for _, s := range []struct {
		name string
		o    shadow.Object
	}{{`"desired":`, desired}, {`"reported":`, reported}, {`"delta":`, delta}} {
		if len(s.o) == 0 {
			continue
		}
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = appendValue(append(b, s.name...), s.o)
	}
	return append(b, '}')
}

// metadata appends that of the two sections, where they have one.
func metadata(b []byte, desired, reported shadow.Section) []byte {
	b = append(b, '{')
	if len(desired.Meta) > 0 {
		b = appendMeta(append(b, `"desired":`...), desired.State, desired.Meta)
	}
	if len(reported.Meta) > 0 {
		if len(desired.Meta) > 0 {
			b = append(b, ',')
		}
		b = appendMeta(append(b, `"reported":`...), reported.State, reported.Meta)
	}
	return append(b, '}')
}

// appendMeta appends the metadata of a value: an object with its timestamp in
// the place of each leaf, in arrays too.
func appendMeta(b []byte, v, meta any) []byte {
	switch m := meta.(type) {
	case shadow.Object:
		state, _ := v.(shadow.Object)
		b = append(b, '{')
		for i, name := range slices.Sorted(maps.Keys(m)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendMeta(append(text(b, name), ':'), state[name], m[name])
		}
		return append(b, '}')
	case shadow.Stamp:
		return appendStamps(b, v, append(number(nil, `{"timestamp":`, int64(m)), '}'))
	}
	return append(b, "null"...)
}

func appendStamps(b []byte, v any, stamp []byte) []byte {
	switch v := v.(type) {
	case shadow.Object:
		b = append(b, '{')
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendStamps(append(text(b, name), ':'), v[name], stamp)
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for i, sub := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendStamps(b, sub, stamp)
		}
		return append(b, ']')
	}
	return append(b, stamp...)
}

func number(b []byte, name string, n int64) []byte {
	return strconv.AppendInt(append(b, name...), n, 10)
}

// text appends a string; what is not UTF-8 in it is replaced.
func text(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

// appendValue appends a tree; the members of an object in the order of their names.
func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case shadow.Object:
		b = append(b, '{')
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(append(text(b, name), ':'), v[name])
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for i, sub := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(b, sub)
		}
		return append(b, ']')
	case string:
		return text(b, v)
	case shadow.Number:
		return append(b, v...)
	case bool:
		return strconv.AppendBool(b, v)
	}
	return append(b, "null"...)
}

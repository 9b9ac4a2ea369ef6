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
	b = append(b, `,"metadata":`...)
	b = sections(b, d.Desired.Meta, d.Reported.Meta, nil)
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
	b = append(b, `},"metadata":`...)
	b = sections(b, desired.Meta, reported.Meta, nil)
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
	b = Marshal(b, d)
	return append(number(b[:len(b)-1], `,"version":`, d.Version), '}')
}

// AppendDelta is the message of update/delta.
func AppendDelta(b []byte, d shadow.Document, f Form) []byte {
	delta := d.Delta()
	b = append(number(append(b, '{'), `"version":`, d.Version), `,"state":`...)
	b = append(appendValue(b, delta.State), `,"metadata":`...)
	return f.end(appendValue(b, delta.Meta))
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

// Marshal appends a document as it is stored: its sections and their metadata,
// without its version. StateSize is how much of that counts.
func Marshal(b []byte, d shadow.Document) []byte {
	b = sections(append(b, `{"state":`...), d.Desired.State, d.Reported.State, nil)
	b = sections(append(b, `,"metadata":`...), d.Desired.Meta, d.Reported.Meta, nil)
	return append(b, '}')
}

// StateSize is the length of desired and reported as JSON, which
// shadow.MaxBytes limits.
func StateSize(d shadow.Document) int {
	return len(sections(nil, d.Desired.State, d.Reported.State, nil))
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
	case shadow.Stamp:
		return append(number(b, `{"timestamp":`, int64(v)), '}')
	case bool:
		return strconv.AppendBool(b, v)
	}
	return append(b, "null"...)
}

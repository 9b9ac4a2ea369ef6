package wire

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/drover-iot/drover/internal/job"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Decode fills in, a pointer to one of jobsdata's Input structs whose thing and job
// are set, from the payload of an MQTT request, and checks the whole.
//
// A payload of no bytes is `{}`. What is not one JSON object in UTF-8 without
// duplicate keys is InvalidJSON, at any depth. A member of the wrong type is
// InvalidRequest; null is an absent member; a key that is not in the model is
// ignored. A clientToken is there to be echoed after InvalidRequest too, never after
// InvalidJSON (device-plane.md 5.1, 5.2, section 11).
func Decode(payload []byte, in any) error {
	s := newSession(in)
	if err := s.object(payload, true); err != nil {
		s.dropToken()
		return err
	}
	return s.check()
}

// Bind fills in, a pointer to an Input struct, from an HTTP request and checks the
// whole. get gives the text of a member in the location "uri", "query" or "header",
// and whether it was there. Bodies are as in Decode.
func Bind(in any, get func(location, name string) (string, bool), body []byte) error {
	s := newSession(in)
	for i := range s.plan.fields {
		f := &s.plan.fields[i]
		if f.in == inBody || f.in == inMQTT {
			continue
		}
		if text, ok := get(f.in, f.name); ok {
			if c := setText(f, s.v.Field(f.index), text); c != "" {
				s.reject(i, quote(text), f.member, c)
			}
		}
	}
	if s.plan.hasBody {
		if err := s.object(body, false); err != nil {
			return err
		}
	}
	return s.check()
}

func newSession(in any) *session {
	v := reflect.ValueOf(in).Elem()
	return &session{plan: planOf(v.Type()), v: v}
}

// reject notes that a member could not be read, so that nothing more is said of it.
func (s *session) reject(i int, value, path, constraint string) {
	s.bad |= 1 << i
	s.violate(value, path, constraint)
}

func (s *session) dropToken() {
	for i := range s.plan.fields {
		if f := &s.plan.fields[i]; f.in == inMQTT {
			s.v.Field(f.index).SetZero()
		}
	}
}

// reader is a decoder that is used again, and the buffer it reads without a copy.
type reader struct {
	buf bytes.Buffer
	dec jsontext.Decoder
}

var readers = sync.Pool{New: func() any { return new(reader) }}

// object reads a body. It returns an error only for what is not JSON; what is wrong
// with a member is noted, and the rest is read on, for its token and its syntax.
func (s *session) object(body []byte, mqtt bool) error {
	if len(body) == 0 {
		return nil
	}
	r := readers.Get().(*reader)
	defer func() {
		r.buf = bytes.Buffer{}
		r.dec.Reset(&r.buf)
		readers.Put(r)
	}()
	r.buf = *bytes.NewBuffer(body)
	r.dec.Reset(&r.buf)
	d := &r.dec
	if k := d.PeekKind(); k != '{' {
		if _, err := d.ReadValue(); err != nil {
			return notJSON(err)
		}
		return job.Errorf(job.InvalidJSON, "The request body is a JSON %s; expected an object.", kindName(k))
	}
	if _, err := d.ReadToken(); err != nil {
		return notJSON(err)
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadValue()
		if err != nil {
			return notJSON(err)
		}
		if err := s.member(d, unquoted(name), mqtt); err != nil {
			return notJSON(err)
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return notJSON(err)
	}
	if _, err := d.ReadToken(); err == nil {
		return job.Errorf(job.InvalidJSON, "The request body goes on after its JSON object; expected one object and nothing else.")
	} else if err != io.EOF {
		return notJSON(err)
	}
	return nil
}

// unquoted is the text of a JSON string; plain ones, all but a few, are not copied.
func unquoted(raw jsontext.Value) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	b, _ := jsontext.AppendUnquote(nil, raw) // raw is valid, the decoder read it
	return b
}

// member reads the value that follows a name.
func (s *session) member(d *jsontext.Decoder, name []byte, mqtt bool) error {
	i, known := s.plan.byName[string(name)]
	if !known || !mqtt && s.plan.fields[i].in != inBody {
		s.warn(string(name))
		return d.SkipValue()
	}
	f := &s.plan.fields[i]
	v := s.v.Field(f.index)
	if d.PeekKind() == '{' && v.Kind() == reflect.Map && f.sub == nil {
		return s.stringMap(d, i, f, v)
	}
	raw, err := d.ReadValue()
	if err != nil || raw.Kind() == 'n' {
		return err
	}
	switch raw.Kind() {
	case '"':
		s.fromString(i, f, v, raw)
	case '0':
		s.fromNumber(i, f, v, raw)
	case 't', 'f':
		s.fromBool(i, f, v, raw)
	default:
		s.fromOther(i, f, v, raw)
	}
	return nil
}

func (s *session) fromString(i int, f *field, v reflect.Value, raw jsontext.Value) {
	switch scalarType(v.Type()).Kind() {
	case reflect.String, reflect.Uint8:
	case reflect.Int64:
		if f.digits {
			break
		}
		fallthrough
	default:
		s.wrongType(i, f, v, raw)
		return
	}
	text := string(unquoted(raw))
	if c := setText(f, v, text); c != "" {
		s.reject(i, quote(text), f.member, c)
	}
}

func (s *session) fromNumber(i int, f *field, v reflect.Value, raw jsontext.Value) {
	switch scalarType(v.Type()).Kind() {
	case reflect.Int64:
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil {
			s.wrongType(i, f, v, raw)
			return
		}
		setInt(v, n)
	case reflect.Float64:
		s.fromOther(i, f, v, raw)
	default: // an enum too: job.Status is a number in Go, not on the wire
		s.wrongType(i, f, v, raw)
	}
}

func (s *session) fromBool(i int, f *field, v reflect.Value, raw jsontext.Value) {
	if scalarType(v.Type()).Kind() != reflect.Bool {
		s.wrongType(i, f, v, raw)
		return
	}
	setBool(v, raw.Kind() == 't')
}

// fromOther reads lists, structs and maps of structs, with the library.
func (s *session) fromOther(i int, f *field, v reflect.Value, raw jsontext.Value) {
	if err := json.Unmarshal(raw, v.Addr().Interface()); err != nil {
		path, want, got := f.member, v.Type(), raw
		if sem, ok := errors.AsType[*json.SemanticError](err); ok {
			path += dotted(sem.JSONPointer)
			if sem.GoType != nil {
				want = sem.GoType
			}
			if sem.JSONValue != nil {
				got = sem.JSONValue
			} else if sem.JSONPointer != "" {
				got = nil
			}
		}
		v.SetZero()
		s.reject(i, shown(got), path, "Member must be "+typeName(want))
	}
}

func (s *session) wrongType(i int, f *field, v reflect.Value, raw jsontext.Value) {
	s.reject(i, shown(raw), f.member, "Member must be "+typeName(v.Type()))
}

// stringMap reads an object of strings, entry by entry: statusDetails is on the path
// of every progress report.
func (s *session) stringMap(d *jsontext.Decoder, i int, f *field, v reflect.Value) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	m := map[string]string{}
	for d.PeekKind() != '}' {
		raw, err := d.ReadValue()
		if err != nil {
			return err
		}
		key := string(unquoted(raw))
		if raw, err = d.ReadValue(); err != nil {
			return err
		}
		if raw.Kind() != '"' {
			s.reject(i, shown(raw), f.member+"."+shorten(key), "Member must be a string")
			continue
		}
		m[key] = string(unquoted(raw))
	}
	if s.bad&(1<<i) == 0 {
		*stringMapOf(v) = m
	}
	_, err := d.ReadToken()
	return err
}

// warn notes a key that only its letters' case keeps from being a member.
func (s *session) warn(name string) {
	if s.plan.warning < 0 {
		return
	}
	for i := range s.plan.fields {
		if f := &s.plan.fields[i]; strings.EqualFold(f.name, name) && f.name != name {
			s.v.Field(s.plan.warning).SetString("the key '" + name + "' is not known and was ignored; the member is spelled '" + f.name + "'")
		}
	}
}

// notJSON wraps what the JSON reader says; all of it is about the caller's bytes.
func notJSON(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return job.Errorf(job.InvalidJSON, "The request body is not valid JSON: it ends before it is complete.")
	}
	return job.Errorf(job.InvalidJSON, "The request body is not valid JSON: %s", bounded(strings.TrimPrefix(err.Error(), "jsontext: ")))
}

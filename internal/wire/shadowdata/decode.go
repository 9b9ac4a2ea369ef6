package shadowdata

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/shadow"
	"github.com/go-json-experiment/json/jsontext"
)

// CheckSize refuses, before it is read, a payload in which no legal document can
// be. Errors: PayloadTooLarge.
func CheckSize(payload []byte) error {
	if len(payload) > shadow.MaxPayload {
		return TooLarge()
	}
	return nil
}

// TooLarge is the refusal of a state of more than shadow.MaxBytes.
func TooLarge() error {
	return job.Errorf(job.PayloadTooLarge, "The payload exceeds the maximum size allowed")
}

// DecodeUpdate reads in.Payload into the rest of in. What is no JSON object is
// InvalidJSON, a member that cannot be meant InvalidRequest, in the words of AWS
// (docs/compat.md). The clientToken is there after InvalidRequest too.
func DecodeUpdate(in *UpdateThingShadowInput) error {
	members, err := object(in.Payload)
	if err != nil {
		return err
	}
	if in.ClientToken, err = clientToken(members); err != nil {
		return err
	}
	if v, given := members["version"]; given && v != nil {
		n, ok := v.(shadow.Number)
		version, err := strconv.ParseInt(string(n), 10, 64)
		if !ok || err != nil {
			return job.Errorf(job.InvalidRequest, "Invalid version")
		}
		in.Update.Version = &version
	}
	state, given := members["state"]
	if !given {
		return job.Errorf(job.InvalidRequest, "Missing required node: state")
	}
	sections, ok := state.(shadow.Object)
	if !ok {
		return job.Errorf(job.InvalidRequest, "State node must be an object")
	}
	for name, v := range sections {
		switch name {
		case "desired":
			in.Update.Desired, err = patch(v, "Desired")
		case "reported":
			in.Update.Reported, err = patch(v, "Reported")
		default:
			err = job.Errorf(job.InvalidRequest, "State contains an invalid node: '%.64s'", name)
		}
		if err != nil {
			return err
		}
	}
	return in.Update.Check()
}

func patch(v any, name string) (shadow.Patch, error) {
	o, ok := v.(shadow.Object)
	if !ok && v != nil {
		return shadow.Patch{}, job.Errorf(job.InvalidRequest, "%s node must be an object", name)
	}
	return shadow.Patch{Given: true, State: o}, nil
}

// DecodeRead reads the clientToken of a get or a delete, whose payload may be
// empty and says nothing else.
func DecodeRead(payload []byte, in *ReadInput) error {
	if len(payload) == 0 {
		return nil
	}
	members, err := object(payload)
	if err == nil {
		in.ClientToken, err = clientToken(members)
	}
	return err
}

func clientToken(members shadow.Object) (*string, error) {
	v, given := members["clientToken"]
	if !given || v == nil {
		return nil, nil
	}
	token, ok := v.(string)
	if !ok || len(token) > shadow.MaxClientToken {
		return nil, job.Errorf(job.InvalidRequest, "Invalid clientToken")
	}
	return &token, nil
}

// object reads a payload that is one JSON object.
func object(payload []byte) (shadow.Object, error) {
	v, err := tree(payload)
	o, ok := v.(shadow.Object)
	if err != nil || !ok {
		return nil, job.Errorf(job.InvalidJSON, "Invalid JSON")
	}
	return o, nil
}

// nesting bounds how deep a payload is read at all, well below what the rules
// refuse by name.
const nesting = 100

func tree(text []byte) (any, error) {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	v, err := value(d, nesting)
	if err != nil {
		return nil, err
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil, fmt.Errorf("more than one value: %w", err)
	}
	return v, nil
}

func value(d *jsontext.Decoder, levels int) (any, error) {
	if levels == 0 {
		return nil, fmt.Errorf("nested deeper than %d levels", nesting)
	}
	tok, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch tok.Kind() {
	case '{':
		return members(d, levels)
	case '[':
		list := []any{}
		for d.PeekKind() != ']' {
			v, err := value(d, levels-1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.ReadToken()
		return list, err
	case '"':
		return tok.String(), nil
	case '0':
		return shadow.Number(tok.String()), nil
	case 't', 'f':
		return tok.Bool(), nil
	}
	return nil, nil
}

func members(d *jsontext.Decoder, levels int) (shadow.Object, error) {
	o := shadow.Object{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String()
		if o[key], err = value(d, levels-1); err != nil {
			return nil, err
		}
	}
	_, err := d.ReadToken()
	return o, err
}

// Unmarshal reads a document as Marshal wrote it: its two sections. d.UpdatedAt
// stands for the time of a leaf that has none.
func Unmarshal(text []byte, d *shadow.Document) error {
	r := stored{
		d:    jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)), // it was checked
		left: math.MaxInt, at: shadow.Stamp(d.UpdatedAt.Unix()),
	}
	if err := r.read(d); err != nil {
		return fmt.Errorf("a stored shadow: %w", err)
	}
	return nil
}

// stored is a document that is being read: the state, and for each leaf in its
// order the time of its last write.
type stored struct {
	d    *jsontext.Decoder
	runs []shadow.Number // how many leaves, their time, and so on
	left int             // leaves that have the time at
	at   shadow.Stamp
}

func (r *stored) read(d *shadow.Document) error {
	return r.members(func(name string) error {
		switch name {
		case "stamps":
			return r.stamps()
		case "state":
			return r.members(func(name string) (err error) {
				s := &d.Desired
				if name == "reported" {
					s = &d.Reported
				}
				s.State, s.Meta, err = r.object()
				return err
			})
		}
		return r.d.SkipValue()
	})
}

// members reads an object; read takes each value.
func (r *stored) members(read func(name string) error) error {
	tok, err := r.d.ReadToken()
	if err == nil && tok.Kind() != '{' {
		err = fmt.Errorf("%s, expected an object", tok.Kind())
	}
	for err == nil && r.d.PeekKind() != '}' {
		if tok, err = r.d.ReadToken(); err == nil {
			err = read(tok.String())
		}
	}
	if err == nil {
		_, err = r.d.ReadToken()
	}
	return err
}

func (r *stored) stamps() error {
	v, err := value(r.d, 2)
	if err != nil {
		return err
	}
	list, _ := v.([]any)
	for _, n := range list {
		number, _ := n.(shadow.Number)
		r.runs = append(r.runs, number)
	}
	r.left = 0
	return nil
}

// next is the time of the next leaf.
func (r *stored) next() shadow.Stamp {
	for r.left == 0 && len(r.runs) >= 2 {
		n, _ := strconv.Atoi(string(r.runs[0]))
		at, _ := strconv.ParseInt(string(r.runs[1]), 10, 64)
		r.left, r.at, r.runs = n, shadow.Stamp(at), r.runs[2:]
	}
	if r.left > 0 {
		r.left--
	}
	return r.at
}

func (r *stored) object() (state, meta shadow.Object, err error) {
	state, meta = shadow.Object{}, shadow.Object{}
	err = r.members(func(name string) error {
		if r.d.PeekKind() == '{' {
			sub, subMeta, err := r.object()
			state[name], meta[name] = sub, subMeta
			return err
		}
		v, err := value(r.d, nesting)
		state[name], meta[name] = v, r.next()
		return err
	})
	return state, meta, err
}

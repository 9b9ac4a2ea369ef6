package shadowdata

import (
	"bytes"
	"fmt"
	"io"
	"strconv"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/shadow"
	"github.com/go-json-experiment/json/jsontext"
)

// DecodeUpdate fills in from the payload of an update. What is no JSON object is
// InvalidJSON, a member that cannot be meant InvalidRequest, in the words of AWS
// (docs/compat.md). The clientToken is there after InvalidRequest too.
func DecodeUpdate(payload []byte, in *UpdateThingShadowInput) error {
	members, err := object(payload)
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
	return nil
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

// Unmarshal reads a document as Marshal wrote it: its two sections.
func Unmarshal(text []byte, d *shadow.Document) error {
	v, err := tree(text)
	if err != nil {
		return fmt.Errorf("a stored shadow: %w", err)
	}
	o, _ := v.(shadow.Object)
	state, _ := o["state"].(shadow.Object)
	meta, _ := o["metadata"].(shadow.Object)
	for name, s := range map[string]*shadow.Section{"desired": &d.Desired, "reported": &d.Reported} {
		if s.State, _ = state[name].(shadow.Object); s.State != nil {
			s.Meta, _ = stamps(meta[name]).(shadow.Object)
		}
	}
	return nil
}

// stamps gives metadata its leaves: an object whose timestamp is a number.
func stamps(v any) any {
	switch v := v.(type) {
	case shadow.Object:
		if n, ok := v["timestamp"].(shadow.Number); ok {
			at, _ := strconv.ParseInt(string(n), 10, 64)
			return shadow.Stamp(at)
		}
		for name, sub := range v {
			v[name] = stamps(sub)
		}
	case []any:
		for i, sub := range v {
			v[i] = stamps(sub)
		}
	}
	return v
}

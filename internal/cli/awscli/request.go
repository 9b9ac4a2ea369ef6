package awscli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/drover-iot/drover/internal/cli/awscli/py"
)

// Request is what goes to the service.
type Request struct {
	Operation string
	Method    string
	Path      string      // its labels encoded
	Query     [][2]string // names and values
	Body      []byte      // nil: the operation has none
}

// Reply is what came back. Header gives a header by its name, "" if it is not there.
type Reply struct {
	Status     int
	StatusText string
	Header     func(name string) string
	Body       []byte
}

// request writes parameters that were validated.
func request(op *Operation, params *py.Dict) Request {
	q := Request{Operation: op.Name, Method: op.Method, Path: op.Path}
	body, hasBody := &py.Dict{}, false
	for _, m := range op.Input.Members {
		v, given := params.Get(m.Name)
		switch {
		case m.In == "body":
			hasBody = true
			if given {
				body.Set(m.WireName, v)
			}
		case !given:
		case m.In == "uri":
			q.Path = strings.ReplaceAll(q.Path, "{"+m.WireName+"}", escape(py.Str(v)))
		default:
			q.Query = append(q.Query, [2]string{m.WireName, plainText(v)})
		}
	}
	if hasBody {
		q.Body = []byte(py.CompactJSON(body))
	}
	return q
}

func plainText(v any) string {
	if b, ok := v.(bool); ok {
		return fmt.Sprint(b)
	}
	return py.Str(v)
}

// escape encodes a label of a path: all but letters, digits and -._~
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// answer reads a reply: the members of the model, in its order.
func answer(s *Shape, body []byte) (*py.Dict, error) {
	d := &py.Dict{}
	if len(body) == 0 {
		return d, nil
	}
	v, err := py.DecodeJSON(string(body), false)
	if err != nil {
		return d, nil // the AWS CLI takes what is no JSON for a message, which no shape has
	}
	v, err = read(s, v)
	if err != nil {
		return nil, err
	}
	if read, ok := v.(*py.Dict); ok {
		return read, nil
	}
	return nil, &Failure{Message: "'NoneType' object is not iterable"}
}

// read takes the value of a shape out of a reply.
func read(s *Shape, v any) (any, error) {
	switch s.Kind {
	case Structure:
		if v == nil {
			return nil, nil
		}
		from, ok := v.(*py.Dict)
		if !ok {
			return nil, &Failure{Message: "'" + py.TypeName(v) + "' object has no attribute 'get'"}
		}
		to := &py.Dict{}
		for _, m := range s.Members {
			if member, _ := from.Get(m.WireName); member != nil {
				value, err := read(m.Shape, member)
				if err != nil {
					return nil, err
				}
				to.Set(m.Name, value)
			}
		}
		return to, nil
	case List:
		from, ok := v.([]any)
		if !ok {
			return nil, &Failure{Message: "'" + py.TypeName(v) + "' object is not iterable"}
		}
		to := make([]any, len(from))
		for i, e := range from {
			if e != nil {
				value, err := read(s.Elem, e)
				if err != nil {
					return nil, err
				}
				to[i] = value
			}
		}
		return to, nil
	case Long:
		if f, ok := v.(float64); ok {
			return py.Trunc(f)
		}
	}
	return v, nil
}

// refusal is a reply that is an error: AWS's name for it and what it says.
type refusal struct{ code, message string }

// refused reads an error from where a service may have put it.
func refused(r Reply) refusal {
	body := strings.TrimSpace(string(r.Body))
	status := fmt.Sprint(r.Status)
	if r.Status >= 500 && (body == "" || strings.HasPrefix(body, "<html>")) {
		return refusal{status, r.StatusText}
	}
	v, err := py.DecodeJSON(string(r.Body), false)
	d, ok := v.(*py.Dict)
	switch {
	case err != nil:
		d = py.NewDict("message", string(r.Body))
	case !ok:
		d = &py.Dict{}
	}
	first := func(names ...string) string {
		for _, n := range names {
			if v, known := d.Get(n); known {
				return py.Str(v)
			}
		}
		return ""
	}
	code := first("__type")
	if named := r.Header("X-Amzn-Errortype"); named != "" {
		code = named
	} else if named := first("code", "Code"); named != "" {
		code = named
	}
	code, _, _ = strings.Cut(code, ":")
	code = code[strings.LastIndexByte(code, '#')+1:]
	if code == "" {
		code = status
	}
	return refusal{code, first("message", "Message")}
}

// again says whether the AWS CLI would ask again after such a refusal.
func again(status int, code string) bool {
	if status == 400 {
		return slices.Contains([]string{
			"Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException",
			"ProvisionedThroughputExceededException",
		}, code)
	}
	return slices.Contains([]int{429, 500, 502, 503, 504, 509}, status)
}

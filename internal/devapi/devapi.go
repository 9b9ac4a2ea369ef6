package devapi

import (
	"context"
	"strings"

	"github.com/drover-iot/drover/internal/fault"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/rest"
	"github.com/drover-iot/drover/internal/wire"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Config is what the operations work on.
type Config struct {
	// Dev is false on serve, where every operation is known and refused.
	Dev bool
	// Clock is the hand on the clock; nil: the clock is the real one.
	Clock  Clock
	Now    Now
	Faults *fault.Set // required where Dev is true
	// Changes gives the number of the latest change, and what is closed at the next.
	Changes func() (seq int64, next <-chan struct{})
}

// prefix begins every path.
const prefix = "/drover/v1/"

// Extensions gives the operations for package rest.
func Extensions(c Config) []rest.Extension {
	k, f := clockAPI{c}, faultAPI{c.Faults}
	all := []rest.Extension{
		operation("GetClock", "GET", "clock", k.get),
		operation("AdvanceClock", "POST", "clock/advance", k.advance),
		operation("GetChanges", "GET", "changes", changesAPI{c}.get),
		operation("CreateFault", "POST", "faults", f.create),
		operation("ListFaults", "GET", "faults", f.list),
		operation("GetFaultReport", "GET", "faults/report", f.report),
		operation("DeleteFaults", "DELETE", "faults", f.clear),
		operation("DeleteFault", "DELETE", "faults/{id}", f.remove),
	}
	for i := range all {
		all[i].Patient = all[i].Name == "AdvanceClock" || all[i].Name == "GetChanges"
		if !c.Dev {
			all[i].Call = refused(all[i].Operation)
		}
	}
	return all
}

// request is what an operation here needs of a request.
type request struct {
	id    string // of the path
	after string // of the query; empty: not given
	body  []byte
}

func operation(name, method, path string, do func(context.Context, request) (any, error)) rest.Extension {
	return rest.Extension{
		Operation: wire.Operation{Name: name, Method: method, Path: prefix + path, Status: 200, Body: true},
		Call: func(ctx context.Context, _ ops.Caller, members func(location, name string) (string, bool), body []byte) ([]byte, error) {
			id, _ := members("uri", "id")
			after, _ := members("query", "after")
			out, err := do(ctx, request{id, after, body})
			if err != nil {
				return nil, err
			}
			return wire.Encode(out)
		},
	}
}

func refused(o wire.Operation) rest.Call {
	return func(context.Context, ops.Caller, func(location, name string) (string, bool), []byte) ([]byte, error) {
		return nil, job.Errorf(job.UnknownOperation, "%s %s is for testing devices and exists in drover dev only: on drover serve nobody moves the clock or makes faults.", o.Method, o.Path)
	}
}

// read fills in from a body, in which every key must be known: a key that is
// misspelt would change what a test means.
func read(body []byte, in any) error {
	if len(body) == 0 {
		body = []byte("{}")
	}
	err := json.Unmarshal(body, in, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	if e, ok := asRequestError(err); ok {
		return e
	}
	return job.Errorf(job.InvalidRequest, "The request body cannot be understood: %s. The contract is in docs/dev-api.md.",
		strings.TrimPrefix(strings.TrimPrefix(err.Error(), "json: "), "jsontext: "))
}

// text is the string in a JSON value, "" if it is another kind.
func text(raw jsontext.Value) string {
	if raw.Kind() != '"' {
		return ""
	}
	b, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return ""
	}
	return string(b)
}

package rest

import (
	"context"
	"net/http"
	"strings"

	"github.com/drover-iot/drover/internal/auth"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/wire"
)

// plane is one of the two services: its routes, and how it spells errors.
type plane struct {
	service string
	mux     *http.ServeMux // a router only: it never gets a writer that writes
	refusal func(*job.Error) (wire.Exception, []byte)
	maxBody int                            // 0: MaxBody
	find    func(*http.Request) *operation // in place of mux, where it is set
}

// call binds a request, runs the operation and gives the body of the reply.
type call func(ctx context.Context, c ops.Caller, members func(location, name string) (string, bool), body []byte) ([]byte, error)

// operation is one of AWS's; without a call it is known, and not here yet.
type operation struct {
	wire.Operation
	action auth.Action
	call   call
}

// newPlane makes routes of every operation of a service. It panics on a call for an
// operation that the model does not have: both tables are ours.
func newPlane(service, actionPrefix string, all []wire.Operation, calls map[string]call) *plane {
	p := &plane{service: service, mux: http.NewServeMux()}
	known := 0
	for _, o := range all {
		op := &operation{Operation: o, action: auth.Action(actionPrefix + o.Name), call: calls[o.Name]}
		if op.call != nil {
			known++
		}
		// A label that spans slashes is {name+} to AWS and {name...} to Go.
		p.mux.Handle(o.Method+" "+strings.ReplaceAll(o.Path, "+}", "...}"), op)
	}
	if known != len(calls) {
		panic("rest: " + service + " has a call for an operation that its model does not have")
	}
	return p
}

// match gives the operation that a request means, nil if none; the labels of its path
// are in r.PathValue then.
func (p *plane) match(r *http.Request) *operation {
	if p.find != nil {
		return p.find(r)
	}
	return p.routed(r)
}

// routed asks the router. What http.ServeMux would do on its own for `//`, an unknown
// path or another method, text and redirects, goes nowhere.
func (p *plane) routed(r *http.Request) *operation {
	var m matched
	p.mux.ServeHTTP(&m, r)
	if m.op == nil || m.op.Method != r.Method { // GET routes match HEAD too
		return nil
	}
	return m.op
}

// matched is the writer that a mux gets: it only takes the operation.
type matched struct{ op *operation }

func (*matched) Header() http.Header         { return http.Header{} }
func (*matched) Write(b []byte) (int, error) { return len(b), nil }
func (*matched) WriteHeader(int)             {}

// ServeHTTP hands the operation to match.
func (o *operation) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if m, ok := w.(*matched); ok {
		m.op = o
	}
}

package rest

import (
	"net/http"
	"slices"
	"time"

	"github.com/drover-iot/drover/internal/wire"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// Extension is an operation that AWS does not have, under /drover/v1/ (design.md
// decision 10). It is signed as the control plane is, and its errors look alike.
type Extension struct {
	wire.Operation
	Call Call
	// Patient says that the operation may take longer than an HTTP server lets an
	// answer take: it ends when the client leaves.
	Patient bool
}

// Call is an operation from the parts of its request to the body of its reply.
type Call = call

// extensionPlane is the operations of Config.Extensions.
func extensionPlane(all []Extension) *plane {
	c := calls{}
	var known []wire.Operation
	for _, e := range all {
		c[e.Name] = e.Call
		known = append(known, e.Operation)
	}
	p := newPlane(iot.Service, "drover:", known, c)
	p.refusal = controlRefusal
	return p
}

func (h *handler) patient(op *operation) bool {
	return slices.ContainsFunc(h.Extensions, func(e Extension) bool { return e.Patient && e.Operation == op.Operation })
}

// unhurried takes the deadlines of the HTTP server off this request.
func unhurried(w http.ResponseWriter) {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{}) // a writer that has no deadlines has none to take off
	_ = c.SetWriteDeadline(time.Time{})
}

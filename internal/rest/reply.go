package rest

import (
	"net/http"
	"strconv"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/wire"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
	"github.com/go-json-experiment/json"
)

// https is the form of the data plane here.
var https = jobsdata.Form{Protocol: jobsdata.HTTPS}

// appended and encoded write a reply of the data plane and of the control plane.
func appended(out any) ([]byte, error) { return out.(jobsdata.Reply).Append(nil, https), nil }

func encoded(out any) ([]byte, error) { return wire.Encode(out) }

func dataRefusal(e *job.Error) (wire.Exception, []byte) {
	return wire.Spell(e.Code).Data, jobsdata.AppendError(nil, e, https)
}

// controlRefusal adds what already exists to the message (control-plane.md G).
func controlRefusal(e *job.Error) (wire.Exception, []byte) {
	body := struct {
		Message     string `json:"message"`
		ResourceID  string `json:"resourceId,omitzero"`
		ResourceARN string `json:"resourceArn,omitzero"`
	}{Message: e.Message}
	if e.Resource != nil {
		body.ResourceID, body.ResourceARN = e.Resource.ID, e.Resource.ARN
	}
	b, err := json.Marshal(body)
	if err != nil { // a message that is not UTF-8
		b = []byte(`{"message":"The message of this error cannot be shown."}`)
	}
	return wire.Spell(e.Code).Control, b
}

// reply answers with success. An operation whose model has no reply has an empty body
// (control-plane.md A.0).
func (x *exchange) reply(body []byte) {
	if !x.op.Body {
		body = nil
	}
	x.write(x.op.Status, body)
}

// refuse answers with an error, in the spelling of its plane.
func (x *exchange) refuse(e *job.Error) {
	exception, body := x.in.refusal(e)
	x.w.Header().Set("X-Amzn-ErrorType", exception.Type)
	x.write(exception.Status, body)
}

func (x *exchange) write(status int, body []byte) {
	h := x.w.Header()
	h.Set("X-Amzn-RequestId", x.id)
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	x.w.WriteHeader(status)
	_, _ = x.w.Write(body) // the client is gone if this fails, and there is nobody to tell
}

// maxShown bounds how much of a path a message repeats.
const maxShown = 128

// shown is the path of a request in a message.
func shown(r *http.Request) string {
	if p := r.URL.EscapedPath(); len(p) <= maxShown {
		return p
	}
	return r.URL.EscapedPath()[:maxShown] + "…"
}

package rest

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"time"

	"github.com/drover-iot/drover/internal/auth"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/wire"
	"github.com/google/uuid"
)

// MaxBody is the longest body that is read (registry-and-auth.md F.4).
const MaxBody = 1 << 20

// Config is what the adapter needs. Data, Control and Authorizer are required.
type Config struct {
	Data       Data
	Control    Control
	Authorizer auth.Authorizer
	Publish    Publish // nil: publishing over HTTPS is not here
	Shadow     Shadow  // nil: device shadows are not here
	Extensions []Extension
	Faults     *Faults // nil: nothing is ever disturbed

	// MQTT takes over a connection that was upgraded to WebSocket, of this
	// principal; nil: MQTT over WebSocket is not here.
	MQTT func(net.Conn, auth.Principal)

	// Verifier checks signatures; nil knows no key. It is not asked when AnyKey.
	Verifier *auth.Verifier
	// AnyKey is the door of `dev`: a signature is read to choose the plane, and not
	// verified; who has none is anonymous, and means the data plane where both planes
	// have the path.
	AnyKey bool
	// Device says who stands behind a client certificate: auth.Certificates.Principal.
	// nil is a door that asks for none.
	Device func(*tls.ConnectionState, time.Time) (auth.Principal, error)

	Now func() time.Time // transport time, for signatures; nil: time.Now
	Log *slog.Logger     // nil: slog.Default
}

// New gives the handler of both planes. It answers every request, whatever its path.
// An http.Server around it should set DisableGeneralOptionsHandler, so that
// `OPTIONS *` comes here too.
func New(c Config) http.Handler {
	if c.Verifier == nil {
		c.Verifier = new(auth.Verifier)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &handler{
		Config: c,
		data:   dataPlane(c.Data), control: controlPlane(c.Control), messages: messagePlane(c.Publish, c.Shadow),
		upgrades: upgradePlane(), extensions: extensionPlane(c.Extensions),
	}
}

type handler struct {
	Config
	data, control, messages, upgrades, extensions *plane
}

// exchange is one request on its way and the writer of its one answer.
type exchange struct {
	w    http.ResponseWriter
	r    *http.Request
	id   string // x-amzn-RequestId
	who  auth.Principal
	in   *plane // whose spelling the answer has
	op   *operation
	body []byte
}

// ServeHTTP answers one request.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{w: w, r: r, id: uuid.NewString(), in: h.control}
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler { //nolint:errorlint // net/http panics with this very value
				panic(v)
			}
			h.Log.ErrorContext(r.Context(), "operation panicked", "op", x.name(), "request", x.id, "panic", v, "stack", string(debug.Stack()))
			x.refuse(&job.Error{Code: job.Internal, Message: "Internal failure; try again."})
		}
	}()
	if h.AnyKey && foreign(r) {
		h.fail(x, errForeign)
		return
	}
	if h.MQTT != nil && r.URL.Path == webSocketPath && r.Method == http.MethodGet {
		if err := h.upgrade(x); err != nil {
			h.fail(x, err)
		}
		return
	}
	reply, err := h.serve(x)
	if err != nil {
		h.fail(x, err)
		return
	}
	x.reply(reply)
}

// serve takes a request through the door, to its operation and back.
func (h *handler) serve(x *exchange) ([]byte, error) {
	if err := h.enter(x); err != nil {
		return nil, err
	}
	if x.op.call == nil {
		return nil, job.Errorf(job.NotImplemented, "%s is an operation of %s that is not implemented yet; nothing was changed.", x.op.Name, x.in.service)
	}
	if err := h.authorise(x); err != nil {
		return nil, err
	}
	query, err := url.ParseQuery(x.r.URL.RawQuery)
	if err != nil {
		return nil, job.Errorf(job.InvalidRequest, "The query string is malformed: %s. Expected name=value pairs, percent-encoded, joined by '&'.", err)
	}
	if x.in == h.extensions && h.patient(x.op) {
		unhurried(x.w)
	}
	return h.do(x, query)
}

// members gives the parts of a request to wire.Bind.
func (x *exchange) members(query url.Values) func(location, name string) (string, bool) {
	return func(location, name string) (string, bool) {
		switch location {
		case "uri":
			return x.r.PathValue(name), true
		case "query":
			return first(query[name])
		default:
			return first(x.r.Header.Values(name))
		}
	}
}

func first(values []string) (string, bool) {
	if len(values) == 0 {
		return "", false
	}
	return values[0], true
}

func principalName(p auth.Principal) string {
	if p.Kind == auth.Anonymous {
		return "anonymous"
	}
	return p.ID
}

// readBody reads the whole body, once, within its bound.
func (x *exchange) readBody() error {
	if x.r.Body == nil || x.r.Body == http.NoBody {
		return nil
	}
	limit := MaxBody
	if x.in.maxBody != 0 {
		limit = x.in.maxBody
	}
	var err error
	x.body, err = io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, int64(limit)))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return job.Errorf(job.PayloadTooLarge, "The request body is longer than %d bytes.", limit)
	}
	if err != nil {
		return job.Errorf(job.InvalidRequest, "The request body could not be read to its end.")
	}
	return nil
}

// fail answers with an error. What is a fault of ours is logged here, and only here.
func (h *handler) fail(x *exchange, err error) {
	if made, ok := errors.AsType[injected](err); ok {
		x.refuse(made.e)
		return
	}
	e := wire.ErrorOf(err)
	if e.Code == job.Internal && x.r.Context().Err() == nil {
		h.Log.ErrorContext(context.WithoutCancel(x.r.Context()), "operation failed", "op", x.name(), "request", x.id, "path", shown(x.r), "err", err, "cause", cause(err))
	}
	x.refuse(e)
}

// cause is the innermost error: a job.Error shows its public message alone.
func cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

func (x *exchange) name() string {
	if x.op == nil {
		return ""
	}
	return x.op.Name
}

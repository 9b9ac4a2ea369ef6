package rest

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"hash"
	"io"
	"net/http"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/wire"
)

// Stream is an operation whose body is used while it arrives, and whose reply is
// JSON Lines that are written as it goes. What fails before the first of them has
// the status that it would have anywhere; afterwards the last line has the error.
// body gives an error when nothing comes for half a minute.
type Stream func(ctx context.Context, c ops.Caller, body io.Reader, say func(line any) error) error

// stream makes an operation of the plane one that streams.
func (p *plane) stream(e Extension) {
	r, err := http.NewRequest(e.Method, e.Path, http.NoBody)
	if err != nil {
		panic("rest: " + err.Error()) // the table is ours
	}
	p.match(r).stream = e.Stream
}

// streamPause is how long a stream may stand still.
const streamPause = 30 * time.Second

// maxRest is how much of a body is read, and thrown away, after an operation has
// ended early: a client that still sends would not read why.
const maxRest = 256 << 20

// flow runs an operation that streams.
func (h *handler) flow(x *exchange) error {
	c := http.NewResponseController(x.w)
	if x.r.ProtoMajor == 1 {
		_ = c.EnableFullDuplex() // a writer that cannot is one of a test, and has it all
	}
	body := &flowing{x: x, c: c}
	if x.declared != nil {
		body.sum = sha256.New()
	}
	err := x.op.stream(x.r.Context(), ops.Caller{Principal: principalName(x.who)}, body, func(line any) error { return x.say(c, line) })
	_, _ = io.CopyN(io.Discard, body, maxRest) // nothing is left of it, or nobody is there to send it
	if err == nil || !x.answered {
		return err
	}
	e := wire.ErrorOf(err)
	if e.Code == job.Internal && x.r.Context().Err() == nil {
		h.Log.ErrorContext(context.WithoutCancel(x.r.Context()), "operation failed", "op", x.name(), "request", x.id, "err", err, "cause", cause(err))
	}
	exception, _ := x.in.refusal(e)
	_ = x.say(c, struct { // the client is gone if this fails
		Error   string `json:"error"`
		Message string `json:"message"`
	}{exception.Type, e.Message})
	return nil
}

// say writes one line of a reply.
func (x *exchange) say(c *http.ResponseController, line any) error {
	b, err := wire.Encode(line)
	if err != nil {
		return err
	}
	if !x.answered {
		x.answered = true
		h := x.w.Header()
		h.Set("X-Amzn-RequestId", x.id)
		h.Set("Content-Type", "application/jsonl")
		h.Set("X-Content-Type-Options", "nosniff")
		x.w.WriteHeader(x.op.Status)
	}
	_ = c.SetWriteDeadline(time.Now().Add(streamPause))
	if _, err := x.w.Write(append(b, '\n')); err != nil {
		return err
	}
	return c.Flush()
}

// flowing is a body that is used while it arrives.
type flowing struct {
	x   *exchange
	c   *http.ResponseController
	sum hash.Hash // nil: no hash was declared
	err error     // it is over
}

// Read gives what has come. At the end a body must have the hash that was signed.
func (f *flowing) Read(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	_ = f.c.SetReadDeadline(time.Now().Add(streamPause)) // a writer of a test has none
	n, err := f.x.r.Body.Read(p)
	if f.sum != nil {
		f.sum.Write(p[:n])
	}
	switch {
	case errors.Is(err, io.EOF):
		f.err = io.EOF
		if f.sum != nil && subtle.ConstantTimeCompare(f.sum.Sum(nil), f.x.declared[:]) != 1 {
			f.err = job.Errorf(job.InvalidSignature, "The body has another SHA-256 than x-amz-content-sha256, which was signed: it was changed on its way.")
		}
	case err != nil:
		f.err = job.Errorf(job.InvalidRequest, "The request body could not be read to its end.")
	default:
		return n, nil
	}
	if n > 0 {
		return n, nil
	}
	return 0, f.err
}

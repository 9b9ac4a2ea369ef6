package mqtt

import (
	"bytes"
	"context"
	"strings"

	"github.com/drover-iot/drover/internal/broker"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/shadow"
	"github.com/drover-iot/drover/internal/wire"
	"github.com/drover-iot/drover/internal/wire/shadowdata"
)

// Shadows are the operations on device shadows, asynchronous: done is called
// once, and for one shadow in the order of the requests. Rendering the answer may
// take its time in it.
type Shadows interface {
	GetThingShadowAsync(ops.Caller, *shadowdata.ReadInput, func(shadow.Document, error))
	UpdateThingShadowAsync(ops.Caller, *shadowdata.UpdateThingShadowInput, func(*shadowdata.UpdateThingShadowOutput, error))
	DeleteThingShadowAsync(ops.Caller, *shadowdata.ReadInput, func(shadow.Document, error))
}

// shadowRequest is a topic of the shadow service that a client publishes to.
type shadowRequest struct {
	verb string // get, update or delete
	key  shadowdata.Key
}

// parseShadow takes a topic apart: `$aws/things/T/shadow/{verb}` is of the
// classic shadow, `$aws/things/T/shadow/name/N/{verb}` of a named one.
func parseShadow(topic string) (r shadowRequest, ok bool) {
	rest, ok := strings.CutPrefix(topic, prefix)
	if !ok {
		return r, false
	}
	thing, rest, _ := strings.Cut(rest, "/")
	if rest, ok = strings.CutPrefix(rest, "shadow/"); !ok {
		return r, false
	}
	r.key.ThingName = registry.Name(thing)
	if named, ok := strings.CutPrefix(rest, "name/"); ok {
		name, verb, _ := strings.Cut(named, "/")
		if name == "" {
			return r, false
		}
		r.key.ShadowName, rest = shadow.Name(name), verb
	}
	r.verb = rest
	return r, rest == "get" || rest == "update" || rest == "delete"
}

// topic is where the request is made, and below which it is answered.
func (r shadowRequest) topic() string {
	t := prefix + string(r.key.ThingName) + "/shadow/"
	if r.key.ShadowName != "" {
		t += "name/" + string(r.key.ShadowName) + "/"
	}
	return t + r.verb
}

// shadowRequest carries out a request. What comes of it is published, as the
// shadow service does: unlike the replies of Jobs these are ordinary messages,
// for whoever subscribed. ended is called when they are with all who must hear
// them, with an error if that could not be made durable. payload is not used
// after the call.
func (g *Gateway) shadowRequest(c ops.Caller, r shadowRequest, payload []byte, ended func(error)) {
	t := g.telling(ended)
	g.runShadow(c, r, payload, t, func(reply []byte, token *string, err error) {
		if err == nil {
			t.say(r.topic()+"/accepted", reply)
			return
		}
		g.refuseShadow(t, r, token, err)
	})
}

// refuseShadow says that a request was refused.
func (g *Gateway) refuseShadow(t *telling, r shadowRequest, token *string, err error) {
	e := wire.ErrorOf(err)
	if e.Code == job.Internal {
		g.Log.Error("operation failed", "topic", r.topic(), "err", e.Cause)
	}
	t.say(r.topic()+"/rejected", shadowdata.AppendRejected(nil, e, g.shadowForm(token)))
}

// deviceShadow is shadowRequest for a connection, which may not have more than
// shadow.MaxInFlight of them under way.
func (g *Gateway) deviceShadow(c *broker.Conn, r shadowRequest, payload []byte) {
	p, from := c.Begin(), peerOf(c)
	ended := func(err error) {
		from.shadows.Add(-1)
		if err == nil {
			p.Finish()
			return
		}
		g.Log.Error("storing what a shadow's subscribers must hear failed: the request is not acknowledged", "topic", r.topic(), "err", err)
		p.Refuse(unspecified)
	}
	if from.shadows.Add(1) > shadow.MaxInFlight {
		t := g.telling(ended)
		g.refuseShadow(t, r, nil, job.Errorf(job.Throttled, "Too many requests: more than %d of this connection are in flight", shadow.MaxInFlight))
		t.allSaid()
		return
	}
	g.shadowRequest(ops.Caller{Principal: callerName(c)}, r, payload, ended)
}

// Shadow carries out a request that came over HTTPS, with this verb: get, update
// or delete. The caller gets the reply; subscribers hear of a change as of any
// other, and of a refusal or a read nothing.
func (g *Gateway) Shadow(ctx context.Context, c ops.Caller, verb string, key shadowdata.Key, payload []byte) ([]byte, error) {
	var reply []byte
	var refusal error
	ended := make(chan error, 1)
	r := shadowRequest{verb, key}
	t := g.telling(func(err error) { ended <- err })
	g.runShadow(c, r, payload, t, func(b []byte, _ *string, err error) {
		if reply, refusal = b, err; err == nil && verb != "get" {
			t.say(r.topic()+"/accepted", b)
		}
	})
	select {
	case err := <-ended:
		if err == nil {
			err = refusal
		}
		return reply, err
	case <-ctx.Done(): // the client left; the operation ends on its own
		return nil, ctx.Err()
	}
}

// runShadow does a request: answered gets the reply or the refusal, then
// subscribers are told what else there is to tell.
func (g *Gateway) runShadow(c ops.Caller, r shadowRequest, payload []byte, t *telling, answered func(reply []byte, token *string, err error)) {
	if err := shadowdata.CheckSize(payload); err != nil {
		answered(nil, nil, err)
		t.allSaid()
		return
	}
	if r.verb == "update" {
		in := &shadowdata.UpdateThingShadowInput{Key: r.key, Payload: bytes.Clone(payload)}
		g.shadows.UpdateThingShadowAsync(c, in, func(out *shadowdata.UpdateThingShadowOutput, err error) {
			if err != nil {
				answered(nil, in.ClientToken, err)
			} else {
				answered(shadowdata.AppendAccepted(nil, out, g.shadowForm(in.ClientToken)), in.ClientToken, nil)
				g.shadowUpdated(t, r.topic(), out, in.ClientToken)
			}
			t.allSaid()
		})
		return
	}
	in := &shadowdata.ReadInput{Key: r.key}
	do, render := g.shadows.GetThingShadowAsync, shadowdata.AppendDocument
	if r.verb == "delete" {
		do, render = g.shadows.DeleteThingShadowAsync, shadowdata.AppendDeleted
	}
	done := func(d shadow.Document, err error) {
		if err != nil {
			answered(nil, in.ClientToken, err)
		} else {
			answered(render(nil, d, g.shadowForm(in.ClientToken)), in.ClientToken, nil)
		}
		t.allSaid()
	}
	if err := shadowdata.DecodeRead(payload, in); err != nil {
		done(shadow.Document{}, err)
		return
	}
	do(c, in, done)
}

// shadowUpdated tells what an update has done: the document before and after,
// and the difference between desired and reported if there is one.
func (g *Gateway) shadowUpdated(t *telling, topic string, out *shadowdata.UpdateThingShadowOutput, token *string) {
	f := g.shadowForm(token)
	if to := topic + "/documents"; g.broker.HasAudience(to) {
		t.say(to, shadowdata.AppendDocuments(nil, out, f))
	}
	if to := topic + "/delta"; len(out.Current.Delta().State) > 0 && g.broker.HasAudience(to) {
		t.say(to, shadowdata.AppendDelta(nil, out.Current, f))
	}
}

func (g *Gateway) shadowForm(token *string) shadowdata.Form {
	return shadowdata.Form{ClientToken: token, Timestamp: g.Now()}
}

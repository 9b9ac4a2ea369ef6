package mqtt

import (
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

// Shadows are the operations on device shadows, asynchronous as Data's.
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
	g.runShadow(c, r, payload, func(reply []byte, token *string, err error) {
		if err == nil {
			g.say(r.topic()+"/accepted", reply)
			return
		}
		e := wire.ErrorOf(err)
		if e.Code == job.Internal {
			g.Log.Error("operation failed", "topic", r.topic(), "err", e.Cause)
		}
		g.say(r.topic()+"/rejected", shadowdata.AppendRejected(nil, e, g.shadowForm(token)))
	}, ended)
}

// Shadow carries out a request that came over HTTPS, with this verb: get, update
// or delete. The caller gets the reply; subscribers hear of a change as of any
// other, and of a refusal or a read nothing.
func (g *Gateway) Shadow(ctx context.Context, c ops.Caller, verb string, key shadowdata.Key, payload []byte) ([]byte, error) {
	var reply []byte
	var refusal error
	ended := make(chan error, 1)
	r := shadowRequest{verb, key}
	g.runShadow(c, r, payload, func(b []byte, _ *string, err error) {
		if reply, refusal = b, err; err == nil && verb != "get" {
			g.say(r.topic()+"/accepted", b)
		}
	}, func(err error) { ended <- err })
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
// subscribers are told what else there is to tell, then ended is called.
func (g *Gateway) runShadow(c ops.Caller, r shadowRequest, payload []byte, answered func(reply []byte, token *string, err error), ended func(error)) {
	if r.verb == "update" {
		in := &shadowdata.UpdateThingShadowInput{Key: r.key}
		done := func(out *shadowdata.UpdateThingShadowOutput, err error) {
			if err != nil {
				answered(nil, in.ClientToken, err)
			} else {
				answered(shadowdata.AppendAccepted(nil, out, g.shadowForm(in.ClientToken)), in.ClientToken, nil)
				g.shadowUpdated(r.topic(), out, in.ClientToken)
			}
			g.broker.Stored(ended)
		}
		if err := shadowdata.DecodeUpdate(payload, in); err != nil {
			done(nil, err)
			return
		}
		g.shadows.UpdateThingShadowAsync(c, in, done)
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
		g.broker.Stored(ended)
	}
	if err := shadowdata.DecodeRead(payload, in); err != nil {
		done(shadow.Document{}, err)
		return
	}
	do(c, in, done)
}

// shadowUpdated tells what an update has done: the document before and after,
// and the difference between desired and reported if there is one.
func (g *Gateway) shadowUpdated(topic string, out *shadowdata.UpdateThingShadowOutput, token *string) {
	f := g.shadowForm(token)
	if t := topic + "/documents"; g.broker.HasAudience(t) {
		g.say(t, shadowdata.AppendDocuments(nil, out, f))
	}
	if t := topic + "/delta"; len(out.Current.Delta().State) > 0 && g.broker.HasAudience(t) {
		g.say(t, shadowdata.AppendDelta(nil, out.Current, f))
	}
}

func (g *Gateway) shadowForm(token *string) shadowdata.Form {
	return shadowdata.Form{ClientToken: token, Timestamp: g.Now()}
}

// say publishes a message of the service.
func (g *Gateway) say(topic string, payload []byte) {
	g.broker.Publish(broker.Message{Topic: topic, Payload: payload, QoS: 1}, nil)
}

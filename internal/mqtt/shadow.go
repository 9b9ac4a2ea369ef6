package mqtt

import (
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

// shadowRequest carries out a request. What comes of it is published, as the
// shadow service does: unlike the replies of Jobs these are ordinary messages,
// for whoever subscribed. ended is called when they are with all who must hear
// them, with an error if that could not be made durable. payload is not used
// after the call.
func (g *Gateway) shadowRequest(c ops.Caller, topic string, r shadowRequest, payload []byte, ended func(error)) {
	say := func(suffix string, payload []byte) { g.say(topic+suffix, payload) }
	refused := func(err error, token *string) {
		e := wire.ErrorOf(err)
		if e.Code == job.Internal {
			g.Log.Error("operation failed", "topic", topic, "err", e.Cause)
		}
		say("/rejected", shadowdata.AppendRejected(nil, e, g.shadowForm(token)))
		g.broker.Stored(ended)
	}
	if r.verb == "update" {
		in := &shadowdata.UpdateThingShadowInput{Key: r.key}
		if err := shadowdata.DecodeUpdate(payload, in); err != nil {
			refused(err, in.ClientToken)
			return
		}
		g.shadows.UpdateThingShadowAsync(c, in, func(out *shadowdata.UpdateThingShadowOutput, err error) {
			if err != nil {
				refused(err, in.ClientToken)
				return
			}
			g.shadowUpdated(topic, out, in.ClientToken)
			g.broker.Stored(ended)
		})
		return
	}
	in := &shadowdata.ReadInput{Key: r.key}
	if err := shadowdata.DecodeRead(payload, in); err != nil {
		refused(err, in.ClientToken)
		return
	}
	do, render := g.shadows.GetThingShadowAsync, shadowdata.AppendDocument
	if r.verb == "delete" {
		do, render = g.shadows.DeleteThingShadowAsync, shadowdata.AppendDeleted
	}
	do(c, in, func(d shadow.Document, err error) {
		if err != nil {
			refused(err, in.ClientToken)
			return
		}
		say("/accepted", render(nil, d, g.shadowForm(in.ClientToken)))
		g.broker.Stored(ended)
	})
}

// shadowUpdated tells what an update has done: the reply, the document before
// and after, and the difference between desired and reported if there is one.
func (g *Gateway) shadowUpdated(topic string, out *shadowdata.UpdateThingShadowOutput, token *string) {
	f := g.shadowForm(token)
	g.say(topic+"/accepted", shadowdata.AppendAccepted(nil, out, f))
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

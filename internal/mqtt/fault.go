package mqtt

import (
	"bytes"
	"sync"
	"time"

	"github.com/drover-iot/drover/internal/broker"
	"github.com/drover-iot/drover/internal/fault"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/wire"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
)

// Faults disturb what devices say and hear (docs/dev-api.md), in `dev` alone.
// MQTT itself is kept: a QoS 1 PUBLISH whose request is dropped or late is
// acknowledged at once, and what is sent late is a PUBLISH of its own.
type Faults struct {
	Rules *fault.Set
	// After calls f when d of domain time have passed.
	After func(d time.Duration, f func())

	held held
}

// held are the messages that wait for the next of their thing and direction.
type held struct {
	mu  sync.Mutex
	all map[place]holding
}

type place struct {
	thing string
	way   fault.Direction
}

type holding struct {
	rule string
	send func()
}

// hold keeps a message until the next one was sent.
func (f *Faults) hold(p place, rule string, send func()) {
	f.Rules.Held(1)
	f.held.mu.Lock()
	defer f.held.mu.Unlock()
	if f.held.all == nil {
		f.held.all = map[place]holding{}
	}
	f.held.all[p] = holding{rule, send}
}

// take gives what is held, nil if nothing is. A message that follows a held one
// is sent as it is: two are swapped, no more.
func (f *Faults) take(p place) func() {
	f.held.mu.Lock()
	defer f.held.mu.Unlock()
	h, ok := f.held.all[p]
	if !ok {
		return nil
	}
	delete(f.held.all, p)
	f.Rules.Held(-1)
	return h.send
}

// Removed sends what is held for a rule that is no more.
func (f *Faults) Removed(rule string) {
	var free []func()
	f.held.mu.Lock()
	for p, h := range f.held.all {
		if h.rule == rule {
			free = append(free, h.send)
			delete(f.held.all, p)
			f.Rules.Held(-1)
		}
	}
	f.held.mu.Unlock()
	for _, send := range free {
		send()
	}
}

// active says whether anything could be disturbed.
func (g *Gateway) active() bool { return g.Faults != nil && g.Faults.Rules.Active() }

// named are the operations as faults call them.
var named = map[operation]fault.Operation{
	getPending: fault.Get, startNext: fault.StartNext, describe: fault.Describe, update: fault.Update,
}

// RequestOf is what a message on a topic asks for, as faults know it; ok is false
// for what is no operation of Jobs.
func RequestOf(topic string) (m fault.Message, ok bool) {
	r := parse(topic)
	m = fault.Message{Thing: string(r.thing), Job: string(r.job)}
	m.Operation, ok = named[r.op]
	return m, ok
}

// disturbed is one request while faults are in force.
type disturbed struct {
	g       *Gateway
	c       *broker.Conn
	caller  ops.Caller
	topic   string
	r       request
	payload []byte
}

func (d *disturbed) message(way fault.Direction) fault.Message {
	return fault.Message{
		At: d.g.Now(), Thing: string(d.r.thing), Job: string(d.r.job), Client: d.c.ClientID(),
		Operation: named[d.r.op], Direction: way, Via: fault.MQTT,
	}
}

// disturb is Publish for a request while faults are in force.
func (g *Gateway) disturb(c *broker.Conn, topic string, r request, payload []byte) broker.Verdict {
	d := &disturbed{g, c, ops.Caller{Principal: callerName(c)}, topic, r, bytes.Clone(payload)}
	f, here := g.Faults, place{string(r.thing), fault.Request}
	if before := f.take(here); before != nil {
		d.serve(c.Begin())
		before()
		return broker.Consumed
	}
	hit := f.Rules.Decide(d.message(fault.Request))
	if hit == nil {
		d.serve(c.Begin())
		return broker.Consumed
	}
	switch hit.Kind {
	case fault.Drop:
		return broker.Drop
	case fault.Disconnect:
		c.Disconnect(0) // and nothing is queued for it any more, the PUBACK neither
		return broker.Drop
	case fault.Delay:
		f.After(hit.By, func() { d.serve(late{c}) })
		return broker.Drop
	case fault.Reorder:
		f.hold(here, hit.ID, func() { d.serve(late{c}) })
		return broker.Drop
	case fault.Duplicate:
		d.serve(c.Begin())
		d.serve(late{c})
	case fault.Answer, fault.Throttle:
		d.refuse(hit, c.Begin())
	case fault.StaleVersion:
		d.bump(hit, c.Begin())
	}
	return broker.Consumed
}

// answerer is where an answer goes: a *broker.Pending, or late.
type answerer interface {
	Reply(topic string, payload []byte)
	Finish()
}

// late answers a request that was acknowledged before.
type late struct{ c *broker.Conn }

func (l late) Reply(topic string, payload []byte) { l.c.Send(topic, payload) }
func (late) Finish()                              {}

// serve carries the request out; its answer may be disturbed in turn.
func (d *disturbed) serve(to answerer) {
	x := &exchange{g: d.g, topic: d.topic}
	x.reply = &response{d, x, to}
	x.serve(d.caller, d.r, d.payload)
}

// refuse rejects the request without carrying it out.
func (d *disturbed) refuse(hit *fault.Hit, to answerer) {
	x := &exchange{g: d.g, topic: d.topic, token: d.token()}
	d.rejection(hit, x, to.Reply)
}

// token is the client's, from a payload that nobody has decoded.
func (d *disturbed) token() *string {
	in := new(jobsdata.GetPendingJobExecutionsInput)
	_ = wire.Decode(d.payload, in) // a token that cannot be read is none
	return in.ClientToken
}

// rejection sends a rule's error, with the execution's state where one is due.
func (d *disturbed) rejection(hit *fault.Hit, x *exchange, send func(topic string, payload []byte)) {
	e := hit.Error()
	done := func() {
		send(d.topic+"/rejected", jobsdata.AppendError(make([]byte, 0, 128), e, x.form()))
	}
	if d.r.op != update || e.Code != job.VersionMismatch && e.Code != job.InvalidStateTransition {
		done()
		return
	}
	d.look(func(now *jobsdata.JobExecution) {
		if now != nil {
			e = e.With(job.ExecutionState{Status: now.Status, Details: now.StatusDetails, Version: now.VersionNumber})
		}
		done()
	})
}

// look reads the execution that an update is of; nil if there is none that is
// not over.
func (d *disturbed) look(then func(*jobsdata.JobExecution)) {
	in := &jobsdata.UpdateJobExecutionInput{ThingName: d.r.thing, JobID: d.r.job}
	if err := wire.Decode(d.payload, in); err != nil {
		then(nil)
		return
	}
	ask := &jobsdata.DescribeJobExecutionInput{
		ThingName: d.r.thing, JobID: d.r.job, ExecutionNumber: in.ExecutionNumber, IncludeJobDocument: new(bool),
	}
	d.g.data.DescribeJobExecutionAsync(d.caller, ask, func(out *jobsdata.DescribeJobExecutionOutput, err error) {
		if err != nil {
			then(nil)
			return
		}
		then(out.Execution)
	})
}

// bump changes the execution as another of the device's clients might have, and
// then carries the request out: its expectedVersion is stale.
func (d *disturbed) bump(hit *fault.Hit, to answerer) {
	d.look(func(now *jobsdata.JobExecution) {
		if now == nil || now.Status != job.InProgress {
			hit.Say(fault.NotBumped)
			d.serve(to)
			return
		}
		again := &jobsdata.UpdateJobExecutionInput{
			ThingName: d.r.thing, JobID: d.r.job, ExecutionNumber: &now.ExecutionNumber,
			Status: now.Status, StatusDetails: now.StatusDetails, ExpectedVersion: &now.VersionNumber,
		}
		d.g.data.UpdateJobExecutionAsync(ops.Caller{Principal: hit.ID}, again, func(_ *jobsdata.UpdateJobExecutionOutput, err error) {
			if err != nil { // somebody was faster
				hit.Say(fault.NotBumped)
			} else {
				hit.Say(fault.Bumped(now.VersionNumber))
			}
			d.serve(to)
		})
	})
}

// response is where the answer to a request goes while faults are in force.
type response struct {
	*disturbed
	x  *exchange
	to answerer
}

// Reply sends the answer, or what the faults make of it.
func (o *response) Reply(topic string, payload []byte) {
	f, here := o.g.Faults, place{string(o.r.thing), fault.Response}
	if before := f.take(here); before != nil {
		o.to.Reply(topic, payload)
		before()
		return
	}
	hit := f.Rules.Decide(o.message(fault.Response))
	if hit == nil {
		o.to.Reply(topic, payload)
		return
	}
	switch hit.Kind {
	case fault.Drop:
		o.to.Finish()
	case fault.Disconnect:
		o.c.Disconnect(0)
		o.to.Finish()
	case fault.Delay:
		o.to.Finish()
		f.After(hit.By, func() { o.c.Send(topic, payload) })
	case fault.Reorder:
		o.to.Finish()
		f.hold(here, hit.ID, func() { o.c.Send(topic, payload) })
	case fault.Duplicate:
		again := bytes.Clone(payload) // a payload is the broker's from the moment it is sent
		o.to.Reply(topic, payload)
		o.c.Send(topic, again)
	case fault.Answer:
		o.rejection(hit, o.x, o.to.Reply)
	}
}

// disturbPush is the publishing of a notification while faults are in force.
func (g *Gateway) disturbPush(thing string, op fault.Operation, m broker.Message, token any) {
	f, here := g.Faults, place{thing, fault.Notification}
	send := func() { g.broker.Publish(m, token) }
	if before := f.take(here); before != nil {
		send()
		before()
		return
	}
	hit := f.Rules.Decide(fault.Message{At: g.Now(), Thing: thing, Operation: op, Direction: fault.Notification, Via: fault.MQTT})
	if hit == nil {
		send()
		return
	}
	switch hit.Kind {
	case fault.Drop:
		g.broker.Forget(token)
	case fault.Delay:
		f.After(hit.By, send)
	case fault.Reorder:
		f.hold(here, hit.ID, send)
	case fault.Duplicate:
		send()
		g.broker.Publish(m, nil)
	case fault.Disconnect:
		g.broker.Disconnect(thing, 0)
		send()
	}
}

// disturbConnect decides on a CONNECT while faults are in force.
func (g *Gateway) disturbConnect(c *broker.Conn, way fault.Direction) error {
	hit := g.Faults.Rules.Decide(fault.Message{
		At: g.Now(), Thing: c.ClientID(), Client: c.ClientID(), Operation: fault.Connect, Direction: way, Via: fault.MQTT,
	})
	switch {
	case hit == nil:
		return nil
	case hit.Kind == fault.Disconnect:
		c.Disconnect(0) // nothing is sent after that
	}
	return broker.Reason(quotaExceeded)
}

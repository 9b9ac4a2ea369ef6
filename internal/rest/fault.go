package rest

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/drover-iot/drover/internal/clock"
	"github.com/drover-iot/drover/internal/fault"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/wire"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
)

// Faults disturb the requests of devices (docs/dev-api.md), in `dev` alone.
type Faults struct {
	Rules *fault.Set
	Clock clock.Clock // domain time, of delays
	// Published says what a Jobs request that is published to a topic asks for: its
	// thing, job and operation; ok is false for any other topic.
	Published func(topic string) (m fault.Message, ok bool)
}

// faultNames are the operations of the data plane as faults call them.
var faultNames = map[string]fault.Operation{
	"GetPendingJobExecutions": fault.Get, "StartNextPendingJobExecution": fault.StartNext,
	"DescribeJobExecution": fault.Describe, "UpdateJobExecution": fault.Update,
}

// do carries the operation out.
func (h *handler) do(x *exchange, query url.Values) ([]byte, error) {
	run := func() ([]byte, error) {
		return x.op.call(x.r.Context(), ops.Caller{Principal: principalName(x.who)}, x.members(query), x.body)
	}
	if h.Faults == nil || !h.Faults.Rules.Active() {
		return run()
	}
	d, ok := h.disturbed(x)
	if !ok {
		return run()
	}
	out, err := d.request(run)
	return d.response(out, err)
}

// disturbed says whether faults are about this request: one of the data plane, or
// one that is published.
func (h *handler) disturbed(x *exchange) (d *disturbed, ok bool) {
	d = &disturbed{h: h, x: x}
	switch {
	case x.in == h.data:
		d.m.Thing, d.m.Job = x.r.PathValue("thingName"), x.r.PathValue("jobId")
		d.m.Operation, ok = faultNames[x.op.Name]
	case x.in == h.messages && x.op.Name == "Publish":
		d.m, ok = h.Faults.Published(x.r.PathValue("topic"))
		d.published = true
	}
	d.m.Via = fault.HTTPS
	return d, ok
}

// disturbed is one request while faults are in force.
type disturbed struct {
	h         *handler
	x         *exchange
	m         fault.Message
	published bool // its body is the payload of a message
}

func (d *disturbed) decide(way fault.Direction) *fault.Hit {
	d.m.At, d.m.Direction = d.h.Faults.Clock.Now(), way
	return d.h.Faults.Rules.Decide(d.m)
}

// request carries the request out, or does what the faults make of it.
func (d *disturbed) request(run func() ([]byte, error)) ([]byte, error) {
	hit := d.decide(fault.Request)
	if hit == nil {
		return run()
	}
	switch hit.Kind {
	case fault.Drop, fault.Disconnect:
		panic(http.ErrAbortHandler)
	case fault.Delay:
		goOn := d.pause(hit.By)
		defer goOn()
	case fault.Duplicate:
		_, _ = run() // the client hears the second
	case fault.Answer, fault.Throttle:
		return nil, d.refusal(hit)
	case fault.StaleVersion:
		d.bump(hit)
	}
	return run()
}

// response gives the answer, or what the faults make of it.
func (d *disturbed) response(out []byte, err error) ([]byte, error) {
	hit := d.decide(fault.Response)
	if hit == nil {
		return out, err
	}
	switch hit.Kind {
	case fault.Drop, fault.Disconnect:
		panic(http.ErrAbortHandler)
	case fault.Delay:
		d.pause(hit.By)()
	case fault.Answer:
		return nil, d.refusal(hit)
	}
	return out, err
}

// pause waits until d of domain time have passed, and keeps whoever moves the
// clock until goOn is called. A client that leaves ends it.
func (d *disturbed) pause(by time.Duration) (goOn func()) {
	unhurried(d.x.w)
	gone := d.x.r.Context().Done()
	come, done := make(chan struct{}), make(chan struct{})
	timer := d.h.Faults.Clock.AfterFunc(by, func() {
		close(come)
		select {
		case <-done:
		case <-gone:
		}
	})
	select {
	case <-come:
		return func() { close(done) }
	case <-gone:
		timer.Stop()
		panic(http.ErrAbortHandler)
	}
}

// refusal is a rule's error, with the execution's state where one is due.
func (d *disturbed) refusal(hit *fault.Hit) error {
	e := hit.Error()
	if d.m.Operation == fault.Update && (e.Code == job.VersionMismatch || e.Code == job.InvalidStateTransition) {
		if now := d.look(); now != nil {
			e = e.With(job.ExecutionState{Status: now.Status, Details: now.StatusDetails, Version: now.VersionNumber})
		}
	}
	return injected{e}
}

// injected is an error that is sent as it is, and is nobody's fault.
type injected struct{ e *job.Error }

func (i injected) Error() string { return i.e.Message }

// look reads the execution that an update is of; nil if there is none that is
// not over.
func (d *disturbed) look() *jobsdata.JobExecution {
	in := &jobsdata.UpdateJobExecutionInput{ThingName: registry.Name(d.m.Thing), JobID: job.ID(d.m.Job)}
	read := func() error { return wire.Bind(in, d.x.members(nil), d.x.body) }
	if d.published {
		read = func() error { return wire.Decode(d.x.body, in) }
	}
	if read() != nil {
		return nil
	}
	out, err := d.h.Data.DescribeJobExecution(d.ctx(), ops.Caller{Principal: principalName(d.x.who)}, &jobsdata.DescribeJobExecutionInput{
		ThingName: in.ThingName, JobID: in.JobID, ExecutionNumber: in.ExecutionNumber, IncludeJobDocument: new(bool),
	})
	if err != nil {
		return nil
	}
	return out.Execution
}

func (d *disturbed) ctx() context.Context { return d.x.r.Context() }

// bump changes the execution as another of the device's clients might have, so
// that the expectedVersion of the request is stale.
func (d *disturbed) bump(hit *fault.Hit) {
	now := d.look()
	if now == nil || now.Status != job.InProgress {
		hit.Say(fault.NotBumped)
		return
	}
	_, err := d.h.Data.UpdateJobExecution(d.ctx(), ops.Caller{Principal: hit.ID}, &jobsdata.UpdateJobExecutionInput{
		ThingName: now.ThingName, JobID: now.JobID, ExecutionNumber: &now.ExecutionNumber,
		Status: now.Status, StatusDetails: now.StatusDetails, ExpectedVersion: &now.VersionNumber,
	})
	if err != nil {
		hit.Say(fault.NotBumped)
		return
	}
	hit.Say(fault.Bumped(now.VersionNumber))
}

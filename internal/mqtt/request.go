package mqtt

import (
	"github.com/drover-iot/drover/internal/broker"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/wire"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
)

// exchange is one request that waits for its answer.
type exchange struct {
	g     *Gateway
	topic string // of the request
	token *string
	reply interface {
		Reply(topic string, payload []byte)
	}
}

// serve decodes a request and starts its operation. Whatever happens, exactly
// one answer follows, on the request's topic with /accepted or /rejected, to
// whoever asked and to nobody else.
func (x *exchange) serve(caller ops.Caller, r request, payload []byte) {
	g := x.g
	if r.namespaced && !r.namespace.Valid() {
		x.unread(payload)
		x.refuse(job.Errorf(job.InvalidRequest, "%q in the topic is no namespace: expected [a-zA-Z0-9_-]+ after %s", string(r.namespace), namespaceMark))
		return
	}
	switch r.op {
	case getPending:
		in := &jobsdata.GetPendingJobExecutionsInput{ThingName: r.thing}
		if x.decode(payload, in, &in.ClientToken) {
			g.data.GetPendingJobExecutionsAsync(caller, in, finish[*jobsdata.GetPendingJobExecutionsOutput](x))
		}
	case startNext:
		in := &jobsdata.StartNextPendingJobExecutionInput{ThingName: r.thing}
		if x.decode(payload, in, &in.ClientToken) {
			x.warn(in.Warning)
			g.data.StartNextPendingJobExecutionAsync(caller, in, finish[*jobsdata.StartNextPendingJobExecutionOutput](x))
		}
	case describe:
		in := &jobsdata.DescribeJobExecutionInput{ThingName: r.thing, JobID: r.job, Namespace: r.namespace}
		if x.decode(payload, in, &in.ClientToken) {
			g.data.DescribeJobExecutionAsync(caller, in, finish[*jobsdata.DescribeJobExecutionOutput](x))
		}
	case update:
		in := &jobsdata.UpdateJobExecutionInput{ThingName: r.thing, JobID: r.job, Namespace: r.namespace}
		if x.decode(payload, in, &in.ClientToken) {
			x.warn(in.Warning)
			g.data.UpdateJobExecutionAsync(caller, in, finish[*jobsdata.UpdateJobExecutionOutput](x))
		}
	default:
		x.unread(payload)
		x.refuse(job.Errorf(job.InvalidTopic, "No operation has the topic %s: expected get, start-next, {jobId}/get or {jobId}/update after jobs/", x.topic))
	}
}

// unread takes the token of a request whose topic says enough: what else the
// body says is of no matter.
func (x *exchange) unread(payload []byte) {
	in := new(jobsdata.GetPendingJobExecutionsInput)
	_ = wire.Decode(payload, in)
	x.token = in.ClientToken
}

// decode fills and checks in; if it cannot, it has answered.
func (x *exchange) decode(payload []byte, in any, token **string) bool {
	err := wire.Decode(payload, in)
	x.token = *token
	if err != nil {
		x.refuse(err)
		return false
	}
	return true
}

// finish gives the done of an operation whose answer goes to x.
func finish[Out jobsdata.Reply](x *exchange) func(Out, error) {
	return func(out Out, err error) {
		if err != nil {
			x.refuse(err)
			return
		}
		x.reply.Reply(x.topic+"/accepted", out.Append(make([]byte, 0, 128), x.form()))
	}
}

func (x *exchange) refuse(err error) {
	e := wire.ErrorOf(err)
	if e.Code == job.Internal {
		x.g.Log.Error("operation failed", "topic", x.topic, "err", e.Cause)
	}
	x.reply.Reply(x.topic+"/rejected", jobsdata.AppendError(make([]byte, 0, 128), e, x.form()))
}

func (x *exchange) form() jobsdata.Form {
	return jobsdata.Form{Protocol: jobsdata.MQTT, ClientToken: x.token, Timestamp: x.g.Now(), OmitThingName: x.g.OmitThingName}
}

func (x *exchange) warn(warning string) {
	if warning != "" {
		x.g.Log.Warn(warning, "topic", x.topic)
	}
}

// callerName is who asks, for the history: the certificate or key, else the
// client id.
func callerName(c *broker.Conn) string {
	if p := principal(c); p.ID != "" {
		return p.ID
	}
	return c.ClientID()
}

package mqtt

import (
	"context"
	"strings"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
)

// Request carries out a Jobs request that came as an HTTPS publish. No
// connection asked, so the response is dropped, whatever it says; what the
// request changes is announced as always (device-plane.md 1.2). It returns when
// the operation has ended; whether the caller may publish was asked before.
// Errors: Forbidden where only the service speaks, NotImplemented for a topic
// outside Jobs.
func (g *Gateway) Request(ctx context.Context, c ops.Caller, topic string, payload []byte) error {
	r := parse(topic)
	switch {
	case r.op == answer:
		return job.Errorf(job.Forbidden, "Only the service publishes to %s.", topic)
	case r.op == notJobs && covers(topic, services):
		return g.requestOther(ctx, c, topic, payload)
	case r.op == notJobs && !strings.HasPrefix(topic, prefix):
		return job.Errorf(job.NotImplemented, "Publish over HTTPS is not implemented yet for topics outside $aws/things/{thing}/jobs/; publish over MQTT.")
	case r.op == notJobs:
		return job.Errorf(job.NotImplemented, "Publish over HTTPS is implemented for $aws/things/{thing}/jobs/ alone; %s is the topic of another service.", topic)
	}
	done := make(dropped)
	x := &exchange{g: g, topic: topic, reply: done}
	x.serve(c, r, payload)
	select {
	case <-done:
		return nil
	case <-ctx.Done(): // the client left; the operation ends on its own
		return ctx.Err()
	}
}

// dropped takes the place of the connection that would be answered.
type dropped chan struct{}

func (d dropped) Reply(string, []byte) { close(d) }

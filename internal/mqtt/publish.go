package mqtt

import (
	"context"
	"errors"
	"strings"

	"github.com/drover-iot/drover/internal/broker"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
)

// PublishFor carries out a publish that came over HTTPS (device-plane.md 6.6).
// Whether the caller may publish was asked before. What the topic is decides as it
// does over MQTT:
//
//   - a Jobs request is executed. No connection asked, so the response is dropped,
//     whatever it says; what the request changes is announced as always (1.2);
//   - a request to a shadow is executed, and told to its subscribers; what other
//     services are told is taken and dropped (11 row 25);
//   - an ordinary topic is fanned out.
//
// It returns when all this has happened, and what must not be lost is on disk.
// Errors: Forbidden where only the service speaks, InvalidRequest, LimitExceeded.
func (g *Gateway) PublishFor(ctx context.Context, c ops.Caller, m broker.Message) error {
	if err := inWords(g.broker.Check(&m)); err != nil {
		return err
	}
	done := make(chan error, 1)
	switch r := parse(m.Topic); {
	case r.op == answer:
		return job.Errorf(job.Forbidden, "Only the service publishes to %s.", m.Topic)
	case r.op != notJobs:
		x := &exchange{g: g, topic: m.Topic, reply: dropped(done)}
		x.serve(c, r, m.Payload)
	case !strings.HasPrefix(m.Topic, "$"):
		g.broker.PublishThen(m, func(err error) { done <- err })
	case covers(m.Topic, services):
		return g.requestOther(ctx, c, m.Topic, m.Payload)
	default:
		return job.Errorf(job.Forbidden, "%s is reserved, and no topic that clients publish to.", m.Topic)
	}
	select {
	case err := <-done:
		return inWords(err)
	case <-ctx.Done(): // the client left; what was begun ends on its own
		return ctx.Err()
	}
}

// inWords says what the broker's reason code means to who is told by HTTPS.
func inWords(err error) error {
	reason, ok := errors.AsType[broker.Reason](err)
	if !ok {
		return err
	}
	switch byte(reason) {
	case topicInvalid:
		return job.Errorf(job.InvalidRequest, "The topic cannot be published to: expected 1 to 256 bytes of UTF-8, at most 7 slashes, no + and no #.")
	case quotaExceeded:
		return job.Errorf(job.LimitExceeded, "The message does not fit: its payload and properties are too long, or no more messages can be retained.")
	}
	return job.Errorf(job.InvalidRequest, "The MQTT 5 properties of the message are malformed: expected UTF-8 without NUL, and a response topic without + and #.")
}

// MQTT 5's reason codes.
const (
	topicInvalid  = 0x90
	quotaExceeded = 0x97
)

// dropped takes the place of the connection that would be answered.
type dropped chan error

func (d dropped) Reply(string, []byte) { d <- nil }

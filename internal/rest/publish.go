package rest

import (
	"context"
	"fmt"

	"github.com/drover-iot/drover/internal/auth"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/wire"
	"github.com/google/uuid"
)

// Publish carries out what an HTTPS publish asks (device-plane.md 1.2, 6.6):
// (*mqtt.Gateway).Request.
type Publish func(ctx context.Context, c ops.Caller, topic string, payload []byte) error

// messagePlane is the service iotdata: publishing and device shadows.
func messagePlane(publish Publish, shadow Shadow) *plane {
	calls := calls{}
	if publish != nil {
		calls["Publish"] = publish.call
	}
	operations := []wire.Operation{{Name: "Publish", Method: "POST", Path: "/topics/{topic+}", Status: 200, Body: true}}
	for verb, o := range shadowOperations {
		operations = append(operations, o)
		if shadow != nil {
			calls[o.Name] = shadow.call(verb)
		}
	}
	p := newPlane(auth.ServiceData, "iot:", operations, calls)
	p.refusal = dataRefusal
	return p
}

// call is Publish as an operation: the body is the payload as it is.
func (p Publish) call(ctx context.Context, c ops.Caller, members func(location, name string) (string, bool), body []byte) ([]byte, error) {
	if qos, given := members("query", "qos"); given && qos != "0" && qos != "1" {
		return nil, job.Errorf(job.InvalidRequest, "qos is %q, expected 0 or 1.", qos)
	}
	if retain, given := members("query", "retain"); given && retain != "true" && retain != "false" {
		return nil, job.Errorf(job.InvalidRequest, "retain is %q, expected true or false.", retain)
	}
	topic, _ := members("uri", "topic")
	if err := p(ctx, c, topic, body); err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, `{"message":"OK","traceId":%q}`, uuid.NewString()), nil
}

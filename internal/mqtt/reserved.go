package mqtt

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/drover-iot/drover/internal/broker"
	"github.com/drover-iot/drover/internal/ops"
)

// services are the reserved topics of AWS IoT's other services. A client that
// publishes or subscribes there is not an error, and never a reason to end its
// connection (device-plane.md 11 row 25): shadows are here, refusals says who is
// answered, and the rest is taken and dropped. What is not in the table is
// refused (6.5).
var services = []string{
	"$aws/things/+/shadow/#",
	"$aws/things/+/defender/#",
	"$aws/things/+/streams/#",
	"$aws/things/+/tunnels/#",
	"$aws/provisioning-templates/#",
	"$aws/certificates/#",
	"$aws/commands/#",
	"$aws/rules/#",
	"$aws/events/#",
	"$aws/sitewise/#",
	"$aws/device_location/#",
}

// audible are the reserved topics that a client may subscribe to.
var audible = append([]string{"$aws/things/+/jobs/#"}, services...)

// refusal is how a service that is not here refuses a request: on which topic,
// and in which form.
type refusal struct {
	requests string // a filter
	topic    func(request string) string
	form     func(r asked) fields
}

// asked is a request that is refused.
type asked struct {
	levels []string // of its topic
	body   struct {
		Header struct {
			ReportID int64 `json:"report_id"`
		} `json:"header"`
		Short struct {
			ReportID int64 `json:"rid"`
		} `json:"hed"`
		Token string `json:"c"`
	}
	at time.Time
}

// refusals are the requests that have an answer; a client that waits for one
// goes on. Those whose last level is neither json nor cbor are dropped.
var refusals = []refusal{
	{"$aws/certificates/create/+", rejected, provisioning},
	{"$aws/certificates/create-from-csr/+", rejected, provisioning},
	{"$aws/provisioning-templates/+/provision/+", rejected, provisioning},
	{"$aws/things/+/defender/metrics/+", rejected, defender},
	{"$aws/things/+/streams/+/get/+", beforeFormat("rejected"), stream},
	{"$aws/things/+/streams/+/describe/+", beforeFormat("rejected"), stream},
	{"$aws/commands/+/+/executions/+/response/+", responseRejected, command},
	{"$aws/device_location/+/get_position_estimate", rejected, location},
}

const notHere = "This service is not part of Drover; nothing was changed."

func provisioning(asked) fields {
	return fields{{"statusCode", int64(501)}, {"errorCode", "NotImplemented"}, {"errorMessage", notHere}}
}

func defender(r asked) fields {
	f := fields{{"thingName", r.levels[2]}}
	if id := max(r.body.Header.ReportID, r.body.Short.ReportID); id > 0 {
		f = append(f, field{"reportId", id})
	}
	return append(f, field{"status", "REJECTED"},
		field{"statusDetails", fields{{"ErrorCode", "NotImplemented"}, {"ErrorMessage", notHere}}}, field{"timestamp", r.at.UnixMilli()})
}

func stream(r asked) fields {
	f := fields{{"o", "ResourceNotFound"}, {"m", "There is no stream " + r.levels[4] + ": " + notHere}}
	if r.body.Token != "" {
		f = append(f, field{"c", r.body.Token})
	}
	return f
}

func command(r asked) fields {
	return fields{{"error", "ResourceNotFound"}, {"errorMessage", notHere}, {"executionId", r.levels[5]}}
}

func location(asked) fields {
	return fields{{"errorCode", "NotImplemented"}, {"errorMessage", notHere}}
}

func rejected(request string) string { return request + "/rejected" }

// beforeFormat puts the word in the place of the verb: streams/S/rejected/json.
func beforeFormat(word string) func(string) string {
	return func(request string) string {
		verb := strings.LastIndexByte(request, '/')
		format := request[verb:]
		return request[:strings.LastIndexByte(request[:verb], '/')+1] + word + format
	}
}

// responseRejected is response/rejected/json.
func responseRejected(request string) string {
	format := strings.LastIndexByte(request, '/')
	return request[:format] + "/rejected" + request[format:]
}

// refuseService is the answer of another service to a request; ok is false when
// it has none.
func refuseService(topic string, payload []byte, now time.Time) (reply string, body []byte, ok bool) {
	levels := strings.Split(topic, "/")
	for _, r := range refusals {
		if !matches(levels, strings.Split(r.requests, "/")) {
			continue
		}
		a := asked{levels: levels, at: now}
		switch levels[len(levels)-1] {
		case "json", "get_position_estimate":
			_ = json.Unmarshal(payload, &a.body) // what cannot be read is not echoed
			return r.topic(topic), r.form(a).json(), true
		case "cbor":
			return r.topic(topic), r.form(a).cbor(), true
		}
	}
	return "", nil, false
}

// matches says whether a topic is one of a filter without `#`.
func matches(topic, filter []string) bool {
	if len(topic) != len(filter) {
		return false
	}
	for i := range topic {
		if filter[i] != "+" && filter[i] != topic[i] || topic[i] == "" {
			return false
		}
	}
	return true
}

// otherService takes what a client publishes to a reserved topic outside Jobs.
func (g *Gateway) otherService(c *broker.Conn, topic string, payload []byte) broker.Verdict {
	if r, ok := parseShadow(topic); ok {
		p := c.Begin()
		g.shadowRequest(ops.Caller{Principal: callerName(c)}, r, payload, func(err error) {
			if err == nil {
				p.Finish()
				return
			}
			g.Log.Error("storing what a shadow's subscribers must hear failed: the request is not acknowledged", "topic", topic, "err", err)
			p.Refuse(unspecified)
		})
		return broker.Consumed
	}
	if reply, body, ok := refuseService(topic, payload, g.Now()); ok {
		c.Begin().Reply(reply, body)
		return broker.Consumed
	}
	if covers(topic, services) {
		return broker.Drop
	}
	return broker.Refuse
}

// requestOther is otherService for an HTTPS publish: a shadow's answer goes to
// its subscribers, an answer of another service has no connection to go to.
func (g *Gateway) requestOther(ctx context.Context, c ops.Caller, topic string, payload []byte) error {
	r, ok := parseShadow(topic)
	if !ok {
		return nil
	}
	ended := make(chan error, 1)
	g.shadowRequest(c, r, payload, func(err error) { ended <- err })
	select {
	case err := <-ended:
		return err
	case <-ctx.Done(): // the client left; the operation ends on its own
		return ctx.Err()
	}
}

// unspecified is MQTT 5's reason code 0x80.
const unspecified = 0x80

package rest

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/drover-iot/drover/internal/auth"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/wire"
	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
)

// Message is what an HTTPS publish asks for (device-plane.md 6.6).
type Message struct {
	Topic   string
	Payload []byte
	QoS     byte // 0 or 1
	Retain  bool

	// What MQTT 5 carries beside the payload; each may be absent.
	ContentType     string
	ResponseTopic   string
	ExpirySeconds   *int64
	UTF8            *bool   // the payload format: text or bytes
	CorrelationData *string // bytes
	UserProperties  []UserProperty
}

// UserProperty is one of a message's; names may repeat.
type UserProperty struct{ Name, Value string }

// Publish carries an HTTPS publish out, and returns when what must not be lost of
// it is on disk: (*mqtt.Gateway).Request and PublishThen behind it.
type Publish func(ctx context.Context, c ops.Caller, m Message) error

// MaxPayload is the longest payload of a message (device-plane.md 6.2).
const MaxPayload = 128 << 10

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
	p.maxBody = MaxPayload
	op := p.routed(&http.Request{Method: http.MethodPost, URL: &url.URL{Path: "/topics/x"}})
	p.find = func(r *http.Request) *operation {
		escaped, ok := strings.CutPrefix(r.URL.EscapedPath(), "/topics/")
		if !ok {
			return p.routed(r)
		}
		// A topic may have empty levels and dots, which no router leaves alone.
		topic, err := url.PathUnescape(escaped)
		if r.Method != op.Method || topic == "" || err != nil {
			return nil
		}
		r.SetPathValue("topic", topic)
		return op
	}
	return p
}

// call is Publish as an operation: the body is the payload as it is.
func (p Publish) call(ctx context.Context, c ops.Caller, members func(location, name string) (string, bool), body []byte) ([]byte, error) {
	m := Message{Payload: body}
	m.Topic, _ = members("uri", "topic")
	for _, read := range []func(func(location, name string) (string, bool)) error{m.readQuery, m.readHeaders} {
		if err := read(members); err != nil {
			return nil, err
		}
	}
	if err := p(ctx, c, m); err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, `{"message":"OK","traceId":%q}`, uuid.NewString()), nil
}

func (m *Message) readQuery(members func(location, name string) (string, bool)) error {
	switch qos, _ := members("query", "qos"); qos {
	case "", "0":
	case "1":
		m.QoS = 1
	default:
		return job.Errorf(job.InvalidRequest, "qos is %q, expected 0 or 1.", qos)
	}
	switch retain, given := members("query", "retain"); {
	case !given || retain == "false":
	case retain == "true":
		m.Retain = true
	default:
		return job.Errorf(job.InvalidRequest, "retain is %q, expected true or false.", retain)
	}
	m.ContentType, _ = members("query", "contentType")
	m.ResponseTopic, _ = members("query", "responseTopic")
	if text, given := members("query", "messageExpiry"); given {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seconds < 0 {
			return job.Errorf(job.InvalidRequest, "messageExpiry is %q, expected a number of seconds.", text)
		}
		m.ExpirySeconds = &seconds
	}
	return nil
}

// The headers of MQTT 5's properties, as the model of iot-data names them.
const (
	headerFormat      = "x-amz-mqtt5-payload-format-indicator"
	headerCorrelation = "x-amz-mqtt5-correlation-data"
	headerUser        = "x-amz-mqtt5-user-properties"
)

func (m *Message) readHeaders(members func(location, name string) (string, bool)) error {
	switch format, given := members("header", headerFormat); {
	case !given:
	case format == "UTF8_DATA" || format == "UNSPECIFIED_BYTES":
		text := format == "UTF8_DATA"
		m.UTF8 = &text
	default:
		return job.Errorf(job.InvalidRequest, "%s is %q, expected UNSPECIFIED_BYTES or UTF8_DATA.", headerFormat, format)
	}
	if text, given := members("header", headerCorrelation); given {
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return job.Errorf(job.InvalidRequest, "%s is not base64.", headerCorrelation)
		}
		correlation := string(data)
		m.CorrelationData = &correlation
	}
	text, given := members("header", headerUser)
	if !given {
		return nil
	}
	const form = `expected a JSON array of objects with one string each, such as [{"a":"1"},{"b":"2"}], in base64`
	document, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return job.Errorf(job.InvalidRequest, "%s is not base64: %s.", headerUser, form)
	}
	var within string // a client that was given the JSON as a text has made JSON of it
	if json.Unmarshal(document, &within) == nil {
		document = []byte(within)
	}
	var list []map[string]string
	if err := json.Unmarshal(document, &list); err != nil {
		return job.Errorf(job.InvalidRequest, "%s: %s.", headerUser, form)
	}
	for _, one := range list {
		if len(one) != 1 {
			return job.Errorf(job.InvalidRequest, "%s has an object with %d names: %s.", headerUser, len(one), form)
		}
		for name, value := range one {
			m.UserProperties = append(m.UserProperties, UserProperty{name, value})
		}
	}
	return nil
}

package conversation

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// reply is the answer to a device step, told without its protocol.
type reply struct {
	token string // the clientToken that was sent, if any
	// MQTT
	message *message
	topic   string // of the request
	// HTTP
	answer *answer
}

func (p *reply) String() string {
	if p.message != nil {
		return fmt.Sprintf("%s %s", p.message.topic, p.message.payload)
	}
	return p.answer.String()
}

// spelling is how a code of MQTT is told over HTTPS (device-plane.md 5.2; 11 row
// 18 for inBody).
type spelling struct {
	status    int
	errorType string
	inBody    bool
}

var spellings = map[string]spelling{
	"InvalidTopic":           {404, "UnknownOperationException", false},
	"InvalidJson":            {400, "InvalidRequestException", false},
	"InvalidRequest":         {400, "InvalidRequestException", false},
	"InvalidStateTransition": {409, "InvalidStateTransitionException", true},
	"VersionMismatch":        {409, "InvalidStateTransitionException", true},
	"TerminalStateReached":   {410, "TerminalStateException", false},
	"ResourceNotFound":       {404, "ResourceNotFoundException", false},
	"RequestThrottled":       {429, "ThrottlingException", false},
	"InternalError":          {500, "InternalFailureException", false},
}

// operate is the step `device OPERATION THING [JOB]`.
func (r *runner) operate(s Step) error {
	op, thing, jobID := s.Args[0], s.Args[1], ""
	named := op == "describe" || op == "update"
	if named != (len(s.Args) == 3) {
		return fmt.Errorf("device %s: describe and update name a job, get and start-next do not", op)
	}
	if named {
		jobID = s.Args[2]
	}
	if r.over == HTTP {
		return r.operateHTTP(op, thing, jobID, s.Body)
	}
	suffix := map[string]string{"get": "get", "start-next": "start-next", "describe": jobID + "/get", "update": jobID + "/update"}[op]
	if suffix == "" {
		return fmt.Errorf("device %s: want get, start-next, describe or update", op)
	}
	return r.operateMQTT("$aws/things/"+thing+"/jobs/"+suffix, s.Body)
}

// operateMQTT publishes at QoS 1 on a connection that subscribed to nothing,
// with a clientToken where the body is an object, and takes the reply.
func (r *runner) operateMQTT(topic, body string) error {
	if err := r.connectDevice(); err != nil {
		return err
	}
	p := &reply{topic: topic}
	if rest, ok := strings.CutPrefix(body, "{"); ok {
		r.counts.tokens++
		p.token = fmt.Sprintf("token-%d", r.counts.tokens)
		comma := ","
		if strings.TrimSpace(rest) == "}" {
			comma = ""
		}
		body = fmt.Sprintf(`{"clientToken":%q%s%s`, p.token, comma, rest)
	}
	id, err := r.device.publish(topic, []byte(body), publishOptions{qos: 1})
	if err != nil {
		return err
	}
	m, err := r.device.next()
	if err != nil {
		return fmt.Errorf("no reply: %w", err)
	}
	if _, err := r.device.acknowledged(id, pktPuback); err != nil {
		return fmt.Errorf("no PUBACK: %w", err)
	}
	if m.qos != 0 || m.retain || m.dup {
		return fmt.Errorf("the reply to an unsubscribed requester has qos %d, retain %t, dup %t", m.qos, m.retain, m.dup)
	}
	p.message = &m
	r.reply = p
	return nil
}

func (r *runner) connectDevice() error {
	if r.device != nil {
		return nil
	}
	c, err := dial(r.target.MQTTAddr(), connectOptions{id: "conversation-device"})
	if err != nil {
		return err
	}
	r.device = c
	return c.welcomed(false)
}

func (r *runner) operateHTTP(op, thing, jobID, body string) error {
	q := request{method: "GET", path: "/things/" + url.PathEscape(thing) + "/jobs"}
	switch op {
	case "get":
	case "start-next":
		q.method, q.path, q.body = "PUT", q.path+"/$next", body
	case "describe":
		query, err := asQuery(body)
		if err != nil {
			return err
		}
		q.path += "/" + url.PathEscape(jobID) + query
	case "update":
		q.method, q.path, q.body = "POST", q.path+"/"+url.PathEscape(jobID), body
	default:
		return fmt.Errorf("device %s: want get, start-next, describe or update", op)
	}
	a, err := r.do(q)
	if err != nil {
		return err
	}
	r.reply = &reply{answer: a}
	return nil
}

// asQuery writes the fields of describe as HTTPS takes them.
func asQuery(body string) (string, error) {
	if body == "" {
		return "", nil
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(body), &fields); err != nil {
		return "", fmt.Errorf("over HTTPS the body of describe must be an object: %w", err)
	}
	query := url.Values{}
	for k, v := range fields {
		query.Set(k, strings.Trim(string(v), `"`))
	}
	if len(query) == 0 {
		return "", nil
	}
	return "?" + query.Encode(), nil
}

// replied is the step `accepted` or `rejected CODE`.
func (r *runner) replied(s Step) error {
	p := r.reply
	if p == nil {
		return errors.New("no device step before it")
	}
	r.reply = nil
	if s.Body == "" {
		s.Body = "{}"
	}
	want, err := decode([]byte(s.Body))
	if err != nil {
		return fmt.Errorf("the body of the step: %w", err)
	}
	w, ok := want.(*object)
	if !ok {
		return errors.New("the body of the step is no object")
	}
	code := ""
	if s.Verb == "rejected" {
		code = s.Args[0]
		if _, known := spellings[code]; !known {
			return fmt.Errorf("%s is no code of device-plane.md 5.2", code)
		}
		if !w.has("message") {
			w.keys, w.values["message"] = append(w.keys, "message"), "$string"
		}
	}
	got, err := r.bare(p, code)
	if err != nil {
		return fmt.Errorf("%w; the reply was %s", err, p)
	}
	if err := r.matcher(s.InOrder).match("reply", w, got); err != nil {
		return fmt.Errorf("%w; the reply was %s", err, p)
	}
	return nil
}

// bare checks what is the protocol's (topic, status, token, time, code, the form
// of the document) and gives the rest.
func (r *runner) bare(p *reply, code string) (*object, error) {
	if p.message != nil {
		return r.bareMQTT(p, code)
	}
	got, err := decode(p.answer.body)
	o, ok := got.(*object)
	if err != nil || !ok {
		return nil, fmt.Errorf("the body is no object: %w", errors.Join(err))
	}
	if code == "" {
		if p.answer.status != 200 {
			return nil, errors.New("want accepted")
		}
		return unquoteDocuments(o)
	}
	sp := spellings[code]
	if p.answer.status != sp.status || p.answer.errorType != sp.errorType {
		return nil, fmt.Errorf("want %d %s", sp.status, sp.errorType)
	}
	if sp.inBody {
		if o.values["code"] != code {
			return nil, fmt.Errorf("want code %q in the body", code)
		}
		o = o.without("code")
	}
	return o, nil
}

func (r *runner) bareMQTT(p *reply, code string) (*object, error) {
	suffix := "/accepted"
	if code != "" {
		suffix = "/rejected"
	}
	if p.message.topic != p.topic+suffix {
		return nil, fmt.Errorf("want topic %s%s", p.topic, suffix)
	}
	got, err := decode(p.message.payload)
	o, ok := got.(*object)
	if err != nil || !ok {
		return nil, fmt.Errorf("the payload is no object: %w", errors.Join(err))
	}
	if code != "" && o.values["code"] != code {
		return nil, fmt.Errorf("want code %q", code)
	}
	head := []string{"clientToken", "timestamp"} // the order of an accepted envelope
	if p.token == "" || code == "InvalidJson" {
		head = head[1:]
		if o.has("clientToken") {
			return nil, errors.New("there is a clientToken to no request's")
		}
	} else if o.values["clientToken"] != p.token {
		return nil, fmt.Errorf("want clientToken %q", p.token)
	}
	if o.values["timestamp"] != number(int(r.target.Now().Unix())) {
		return nil, fmt.Errorf("want timestamp %d", r.target.Now().Unix())
	}
	if code == "" && strings.Join(o.keys[:len(head)], " ") != strings.Join(head, " ") {
		return nil, fmt.Errorf("accepted begins with %q, want %q", o.keys[:len(head)], head)
	}
	return o.without("clientToken").without("timestamp").without("code"), nil
}

// unquoteDocuments turns the string form of jobDocument into the object form.
func unquoteDocuments(o *object) (*object, error) {
	holders := []*object{o}
	if e, ok := o.values["execution"].(*object); ok {
		holders = append(holders, e)
	}
	for _, h := range holders {
		if !h.has("jobDocument") {
			continue
		}
		text, ok := h.values["jobDocument"].(string)
		if !ok {
			return nil, errors.New("over HTTPS jobDocument must be a string")
		}
		v, err := decode([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("jobDocument: %w", err)
		}
		h.values["jobDocument"] = v
	}
	return o, nil
}

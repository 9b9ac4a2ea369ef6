package conversation

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// mqttStep runs the steps that speak MQTT as it stands.
func (r *runner) mqttStep(s Step) error {
	if s.Verb == "connect" {
		return r.connect(s)
	}
	name := s.Args[0]
	c, ok := r.raw[name]
	if !ok {
		return fmt.Errorf("there is no client %q: connect it first", name)
	}
	switch s.Verb {
	case "connack":
		return r.connackProperties(c, s)
	case "subscribe":
		return r.subscribe(c, s)
	case "unsubscribe":
		return c.unsubscribe(s.Args[1:])
	case "publish":
		return r.publish(c, s)
	case "receive":
		return r.receive(c, s)
	case "nothing":
		if err := r.settle(); err != nil {
			return err
		}
		return r.quiet(name, c)
	case "ping":
		return c.ping()
	case "auth":
		return c.write(frame(pktAuth, 0, byte(0x18), properties(byte(0x15), "SCRAM-SHA-1")))
	case "disconnect":
		return r.disconnect(c, s)
	case "drop":
		c.close()
		return nil
	case "closed":
		return closed(c, s)
	}
	return fmt.Errorf("%s is no step", s.Verb)
}

func (r *runner) connect(s Step) error {
	o := connectOptions{id: s.Args[0], v5: s.flag("v5"), persistent: s.flag("persistent")}
	if o.id == "-" {
		o.id = ""
	}
	var errs [4]error
	o.expiry, errs[0] = s.number("expiry", 0)
	o.keepAlive, errs[1] = s.number("keepalive", 0)
	refused, err := s.number("refused", 0)
	errs[2] = err
	if topic, ok := s.Options["will"]; ok {
		o.will = &message{topic: topic, payload: []byte(s.Body), retain: s.flag("will-retain")}
		o.will.qos, errs[3] = s.number("will-qos", 0)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	if o.v5 && o.persistent && o.expiry == 0 {
		o.expiry = 3600
	}
	c, err := dial(r.target.MQTTAddr(), o)
	if err != nil {
		return err
	}
	name := s.Args[0]
	if as, ok := s.Options["as"]; ok {
		name = as
	}
	r.raw[name] = c
	if refused != 0 {
		return c.refused(refused)
	}
	switch want := s.Options["session"]; want {
	case "", "new", "present":
		return c.welcomed(want == "present")
	default:
		return fmt.Errorf("session=%s: want new or present", want)
	}
}

// welcomed waits for the CONNACK of a connection that is accepted.
func (c *client) welcomed(sessionPresent bool) error {
	p, err := c.connacked()
	if err != nil {
		return err
	}
	if code := p.body[1]; code != 0 {
		return fmt.Errorf("CONNACK refuses with 0x%02x", code)
	}
	if present := p.body[0] == 1; present != sessionPresent || p.body[0] > 1 {
		return fmt.Errorf("CONNACK says session present = %#x, want %t", p.body[0], sessionPresent)
	}
	return nil
}

func (c *client) refused(code int) error {
	p, err := c.connacked()
	if err != nil {
		return err
	}
	if int(p.body[1]) != code || p.body[0] != 0 {
		return fmt.Errorf("CONNACK is %x, want a refusal with 0x%02x", p.body, code)
	}
	return nil
}

func (c *client) connacked() (packet, error) {
	if err := c.wait(func() bool { return c.connack != nil }); err != nil {
		return packet{}, fmt.Errorf("no CONNACK: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.connack.body) < 2 || !c.v5 && len(c.connack.body) != 2 {
		return packet{}, fmt.Errorf("CONNACK is %x", c.connack.body)
	}
	return *c.connack, nil
}

func (r *runner) connackProperties(c *client, s Step) error {
	p, err := c.connacked()
	if err != nil {
		return err
	}
	body := cursor{rest: p.body[2:]}
	got, err := body.properties()
	if err != nil {
		return err
	}
	want, err := decode([]byte(s.Body))
	if err != nil {
		return fmt.Errorf("the body of the step: %w", err)
	}
	return r.matcher(false).match("CONNACK", want, got)
}

func (r *runner) subscribe(c *client, s Step) error {
	filters := s.Args[1:]
	qos, err := s.number("qos", 0)
	if err != nil {
		return err
	}
	want, err := s.number("granted", qos)
	if err != nil {
		return err
	}
	sid, err := s.number("subscription-id", 0)
	if err != nil {
		return err
	}
	id, err := c.subscribe(filters, byte(qos), sid)
	if err != nil || s.flag("unanswered") {
		return err
	}
	got, err := c.granted(id)
	if err != nil {
		return fmt.Errorf("no SUBACK: %w", err)
	}
	if !bytes.Equal(got, bytes.Repeat([]byte{byte(want)}, len(filters))) {
		return fmt.Errorf("SUBACK is %#x, want %#x for each of %d filters", got, want, len(filters))
	}
	return nil
}

func (r *runner) publish(c *client, s Step) error {
	o := publishOptions{retain: s.flag("retain"), responseTopic: s.Options["response-topic"], correlation: s.Options["correlation"]}
	var err error
	if o.qos, err = s.number("qos", 0); err != nil {
		return err
	}
	reason, err := s.number("reason", 0)
	if err != nil {
		return err
	}
	id, err := c.publish(s.Args[1], []byte(s.Body), o)
	if err != nil || o.qos == 0 || s.flag("unanswered") {
		return err
	}
	rest, err := c.acknowledged(id, pktPuback)
	if err != nil {
		return fmt.Errorf("no PUBACK: %w", err)
	}
	got := 0
	if len(rest) > 0 {
		got = int(rest[0])
	}
	if got != reason {
		return fmt.Errorf("PUBACK has reason 0x%02x, want 0x%02x", got, reason)
	}
	return nil
}

func (r *runner) receive(c *client, s Step) error {
	qos, err := s.number("qos", 0)
	if err != nil {
		return err
	}
	m, err := c.next()
	if err != nil {
		return err
	}
	if m.topic != s.Args[1] {
		return fmt.Errorf("the next message is %s %s", m.topic, m.payload)
	}
	if m.qos != qos || m.retain != s.flag("retain") || m.dup {
		return fmt.Errorf("it has qos %d, retain %t, dup %t", m.qos, m.retain, m.dup)
	}
	if m.properties != nil && len(m.properties.keys) > 0 {
		return fmt.Errorf("it has properties %s", show(m.properties))
	}
	if !strings.HasPrefix(s.Body, "{") {
		if string(m.payload) != s.Body {
			return fmt.Errorf("its payload is %q", m.payload)
		}
		return nil
	}
	if err := r.matchBytes(s, m.payload); err != nil {
		return fmt.Errorf("%w; the payload was %s", err, m.payload)
	}
	return nil
}

func (r *runner) disconnect(c *client, s Step) error {
	packet := frame(pktDisconnect, 0)
	if s.flag("with-will") {
		packet = frame(pktDisconnect, 0, byte(0x04))
	}
	if err := c.write(packet); err != nil {
		return err
	}
	// The server closes: its session and will are settled then.
	err := c.wait(func() bool { return c.ended != nil })
	c.close()
	return err
}

// closed waits for the end of the connection, after which nothing may be unread.
func closed(c *client, s Step) error {
	want, err := s.number("reason", -1)
	if err != nil {
		return err
	}
	if err := c.wait(func() bool { return c.ended != nil }); err != nil {
		return fmt.Errorf("the connection is still open: %w", err)
	}
	if m := c.waiting(); len(m) > 0 {
		return fmt.Errorf("before the end came %s %s", m[0].topic, m[0].payload)
	}
	if c.reason != want {
		return fmt.Errorf("DISCONNECT has reason %#x, want %#x (-0x1: none)", c.reason, want)
	}
	return nil
}

package broker

import (
	"strings"

	"github.com/drover-iot/drover/internal/broker/packet"
)

// handle acts on one packet. An error ends the connection.
func (c *Conn) handle(bt *batch, h packet.Header, body []byte) error {
	switch h.Type {
	case packet.PUBLISH:
		return c.publish(bt, h, body)
	case packet.PUBACK:
		ack, err := packet.ParsePuback(body, c.version)
		if err == nil {
			c.sess.acked(c, ack.ID)
		}
		return err
	case packet.PINGREQ:
		if len(body) > 0 {
			return &packet.Error{Code: packet.Malformed, Clause: "3.12", Detail: "a PINGREQ with a body"}
		}
		c.sendBytes(pingresp)
		return nil
	case packet.SUBSCRIBE:
		return c.subscribe(body)
	case packet.UNSUBSCRIBE:
		return c.unsubscribe(body)
	case packet.DISCONNECT:
		return c.disconnect(body)
	case packet.CONNECT:
		if c.sess == nil {
			return c.connect(bt, body)
		}
		return violation("3.1.0-2", "a second CONNECT")
	case packet.PUBREC, packet.PUBREL, packet.PUBCOMP:
		return &packet.Error{Code: packet.QoSNotSupported, Clause: "device-plane.md 6.3", Detail: "a packet of QoS 2"}
	}
	return violation("device-plane.md 6.3", "a "+h.Type.String()+" packet from a client")
}

var pingresp = packet.AppendPingresp(nil)

func violation(clause, detail string) error {
	return &packet.Error{Code: packet.ProtocolError, Clause: clause, Detail: detail}
}

// publish takes a PUBLISH to the hook, and on to whoever must hear it.
func (c *Conn) publish(bt *batch, h packet.Header, body []byte) error {
	p, m := &bt.pub, &bt.msg
	if err := packet.ParsePublish(h, body, c.version, p); err != nil {
		return err
	}
	*m = Message{Payload: p.Payload, QoS: p.QoS, Retain: p.Retain}
	if err := c.checkPublish(p, m); err != nil {
		return err
	}
	if c.pending.Load() >= maxInflight {
		if err := c.holdBack(bt, p); err != nil || c.dying.Load() {
			return err
		}
	}
	c.in.id, c.in.begun = p.ID, false
	v := c.b.hooks.Publish(c, m)
	if v == Forward && m.Retain && !c.b.retained.accepts(m, &c.b.limits) {
		v = RefuseQuota
	}
	if c.in.begun {
		p.ID = 0 // the hook's Pending acknowledges
		if !c.hasRoom() {
			// Who does not read its answers is not asked for more requests.
			c.rest(bt, c.hasRoom)
		}
	}
	switch v {
	case Forward:
		if c.b.route(bt, m, origin{conn: c, id: p.ID}, false) {
			p.ID = 0 // the store acknowledges
		}
	case Consumed, Drop:
	default:
		code := refusals[v].publish
		if c.version == packet.V311 || p.QoS == 0 {
			return &packet.Error{Code: code, Clause: "device-plane.md 6.5", Detail: "a PUBLISH to " + m.Topic + " that is refused"}
		}
		if p.ID != 0 {
			c.acknowledge(p.ID, code)
			p.ID = 0
		}
	}
	if p.ID != 0 {
		c.acknowledge(p.ID, packet.Success)
	}
	return nil
}

// holdBack stops reading while 100 answers are due; a MQTT 5 client was told not
// to send more than that at QoS 1 (device-plane.md 6.2).
func (c *Conn) holdBack(bt *batch, p *packet.Publish) error {
	if c.version == packet.V5 && p.QoS > 0 && c.unacked.Load() >= maxInflight {
		return &packet.Error{Code: packet.ReceiveMaxExceeded, Clause: "v5 3.3.4-7", Detail: "more unacknowledged PUBLISH packets than the receive maximum"}
	}
	c.rest(bt, func() bool { return c.pending.Load() < maxInflight })
	return nil
}

// checkPublish applies the limits, and resolves the topic alias.
func (c *Conn) checkPublish(p *packet.Publish, m *Message) error {
	if p.QoS > 1 {
		return &packet.Error{Code: packet.QoSNotSupported, Clause: "device-plane.md 6.2", Detail: "a PUBLISH of QoS 2"}
	}
	if len(p.Payload) > c.b.limits.MaxPayload {
		return &packet.Error{Code: packet.QuotaExceeded, Clause: "device-plane.md 6.2", Detail: "a payload longer than the maximum"}
	}
	alias, aliased := p.Props.Num(packet.TopicAlias)
	switch {
	case aliased && (alias == 0 || alias > maxAliases):
		return &packet.Error{Code: packet.TopicAliasInvalid, Clause: "v5 3.3.2-8", Detail: "a topic alias of 0, or above the topic alias maximum"}
	case aliased && len(p.Topic) == 0:
		if int(alias) <= len(c.in.aliases) {
			m.Topic = c.in.aliases[alias-1]
		}
		if m.Topic == "" {
			return violation("v5 3.3.2.3.4", "a topic alias that stands for nothing")
		}
	default:
		if m.Topic = string(p.Topic); !validTopic(m.Topic) {
			return &packet.Error{Code: packet.TopicInvalid, Clause: "device-plane.md 6.2", Detail: "a topic that is empty, too long, too deep, or has a wildcard"}
		}
	}
	if aliased && len(p.Topic) > 0 {
		if c.in.aliases == nil {
			c.in.aliases = make([]string, maxAliases)
		}
		c.in.aliases[alias-1] = m.Topic
	}
	if len(p.Props) == 0 {
		return nil
	}
	if _, ok := p.Props.Num(packet.SubscriptionID); ok {
		return &packet.Error{Code: packet.SubIDsNotSupported, Clause: "v5 3.3.4-6", Detail: "a subscription identifier in a PUBLISH"}
	}
	if t, ok := p.Props.Str(packet.ResponseTopic); ok && strings.ContainsAny(t, "+#") {
		return violation("v5 3.3.2-14", "a wildcard in a response topic")
	}
	c.b.takeProps(m, p.Props)
	return nil
}

// disconnect is the client's farewell: it takes the will back, unless it says
// otherwise, and may shorten the session (v5 3.14).
func (c *Conn) disconnect(body []byte) error {
	p, err := packet.ParseDisconnect(body, c.version)
	if err != nil {
		return err
	}
	if n, ok := p.Props.Num(packet.SessionExpiry); ok {
		s := c.sess
		s.mu.Lock()
		bad := s.expiry == 0 && n > 0
		if !bad && s.conn == c {
			s.expiry = c.b.clipExpiry(n)
		}
		s.mu.Unlock()
		if bad {
			return violation("v5 3.14.2.2.2", "a session expiry in a DISCONNECT where CONNECT had none")
		}
	}
	if p.Code == packet.Success {
		c.will = nil
	}
	c.shut(ClientInitiated, 0)
	return nil
}

// subscribe grants what the hook grants. In a persistent session the SUBACK
// waits for the disk (design.md decision 14); retained messages follow it.
func (c *Conn) subscribe(body []byte) error {
	p, err := packet.ParseSubscribe(body, c.version, maxFilters)
	if err != nil {
		return err
	}
	if _, ok := p.Props.Num(packet.SubscriptionID); ok {
		return &packet.Error{Code: packet.SubIDsNotSupported, Clause: "device-plane.md 6.3", Detail: "a subscription identifier"}
	}
	codes := make([]packet.Code, len(p.Filters))
	for i, f := range p.Filters {
		if codes[i], err = c.judge(f); err != nil {
			return err
		}
	}
	s := c.sess
	s.mu.Lock()
	if s.conn != c {
		s.mu.Unlock()
		return nil
	}
	changes, greet := s.subscribe(p.Filters, codes)
	if c.version == packet.V311 {
		for i := range codes {
			codes[i] = min(codes[i], packet.Unspecified)
		}
	}
	ack := packet.AppendSuback(nil, c.version, &packet.Suback{ID: p.ID, Codes: codes})
	if len(changes) > 0 && c.b.store != nil && s.persistent.Load() {
		q := pendings.Get().(*Pending)
		*q = Pending{c: c, id: p.ID, ack: ack}
		c.line(q)
		c.b.store.Apply(changes, func(err error) {
			q.subscribed(greet, err)
			if err == nil {
				c.b.hooks.Subscribed(c, filtersOf(changes))
			}
		})
		s.mu.Unlock()
		return nil
	}
	s.mu.Unlock()
	c.answer(&Pending{c: c, id: p.ID, ack: ack, done: true})
	for _, sub := range greet {
		c.b.sendRetained(s, sub.Filter, sub.Options.QoS())
	}
	if len(changes) > 0 {
		c.b.hooks.Subscribed(c, filtersOf(changes))
	}
	return nil
}

func filtersOf(changes []Change) []string {
	filters := make([]string, len(changes))
	for i := range changes {
		filters[i] = changes[i].Filter
	}
	return filters
}

// subscribed is the store's answer to a SUBSCRIBE or UNSUBSCRIBE.
func (p *Pending) subscribed(greet []Subscription, err error) {
	c := p.c
	if err != nil {
		c.b.log.Error("storing a change of MQTT subscriptions failed", "client", c.id, "err", err)
		c.shut(ServerError, packet.AdministrativeAction)
	}
	p.complete()
	for _, sub := range greet {
		if to := c.b.sendRetained(c.sess, sub.Filter, sub.Options.QoS()); to != nil {
			to.flushSoon()
		}
	}
}

// judge decides on one filter: a code to grant or to refuse it, or an error
// that ends the connection.
func (c *Conn) judge(f packet.Filter) (packet.Code, error) {
	if f.Options.QoS() > 1 {
		return 0, &packet.Error{Code: packet.QoSNotSupported, Clause: "device-plane.md 6.2", Detail: "a SUBSCRIBE of QoS 2"}
	}
	if !validFilter(f.Filter) {
		return 0, &packet.Error{Code: packet.FilterInvalid, Clause: "device-plane.md 6.2", Detail: "a topic filter that is empty, too long, too deep, shared, or has a misplaced wildcard"}
	}
	switch v := c.b.hooks.Subscribe(c, f.Filter, f.Options.QoS()); {
	case v < Refuse:
		return packet.Code(f.Options.QoS()), nil
	case c.version == packet.V311 && v != RefuseQuota:
		return 0, &packet.Error{Code: refusals[v].subscribe, Clause: "device-plane.md 6.5", Detail: "a SUBSCRIBE to " + f.Filter + " that is refused"}
	default:
		return refusals[v].subscribe, nil
	}
}

// subscribe adds the granted filters as far as the quota allows, and returns
// what the store must know and whose retained messages are due. s.mu is held.
func (s *session) subscribe(filters []packet.Filter, codes []packet.Code) (changes []Change, greet []Subscription) {
	for i, f := range filters {
		if codes[i] >= packet.Unspecified {
			continue
		}
		sub := Subscription{f.Filter, f.Options}
		at := s.subscription(f.Filter)
		switch {
		case at >= 0:
			s.subs[at].Options = f.Options
			sub.Filter = s.subs[at].Filter // one string for session and index
		case len(s.subs) >= maxSubscriptions:
			codes[i] = packet.QuotaExceeded
			continue
		default:
			s.subs = append(s.subs, sub)
		}
		s.b.index.put(sub.Filter, s, f.Options)
		changes = append(changes, Change{Kind: SubscriptionPut, ClientID: s.id, Filter: f.Filter, Options: f.Options})
		if h := f.Options.RetainHandling(); !isWildcard(f.Filter) && (h == 0 || h == 1 && at < 0) {
			greet = append(greet, sub)
		}
	}
	return changes, greet
}

// unsubscribe takes filters away; those that were not there are no error. In a
// persistent session the UNSUBACK waits for the disk, as the SUBACK did.
func (c *Conn) unsubscribe(body []byte) error {
	p, err := packet.ParseUnsubscribe(body, c.version, maxSubscriptions)
	if err != nil {
		return err
	}
	for _, f := range p.Filters {
		if !validFilter(f) {
			return &packet.Error{Code: packet.FilterInvalid, Clause: "4.7.3-1", Detail: "an UNSUBSCRIBE from what no filter can be"}
		}
	}
	s := c.sess
	s.mu.Lock()
	var changes []Change
	for _, f := range p.Filters {
		if at := s.subscription(f); at >= 0 && s.conn == c {
			s.b.index.remove(f, s)
			s.subs = append(s.subs[:at], s.subs[at+1:]...)
			changes = append(changes, Change{Kind: SubscriptionDelete, ClientID: s.id, Filter: f})
		}
	}
	ack := packet.AppendUnsuback(nil, c.version, &packet.Suback{ID: p.ID, Codes: make([]packet.Code, len(p.Filters))})
	if len(changes) > 0 && c.b.store != nil && s.persistent.Load() {
		q := pendings.Get().(*Pending)
		*q = Pending{c: c, id: p.ID, ack: ack}
		c.line(q)
		c.b.store.Apply(changes, func(err error) {
			q.subscribed(nil, err)
			if err == nil {
				c.b.hooks.Unsubscribed(c, filtersOf(changes))
			}
		})
		s.mu.Unlock()
		return nil
	}
	s.mu.Unlock()
	c.answer(&Pending{c: c, id: p.ID, ack: ack, done: true})
	if len(changes) > 0 {
		c.b.hooks.Unsubscribed(c, filtersOf(changes))
	}
	return nil
}

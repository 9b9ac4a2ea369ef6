package packet

// Options are the subscription options of one filter (v5 3.8.3.1); on 3.1.1
// only the QoS is there. This byte is also what a session store keeps.
type Options byte

// QoS is the highest QoS the subscriber wants.
func (o Options) QoS() byte { return byte(o) & 3 }

// NoLocal keeps a client's own messages from it.
func (o Options) NoLocal() bool { return o&4 != 0 }

// RetainAsPublished passes the retain flag on as the publisher set it.
func (o Options) RetainAsPublished() bool { return o&8 != 0 }

// RetainHandling says when retained messages are sent: 0 always, 1 for a new
// subscription only, 2 never.
func (o Options) RetainHandling() byte { return byte(o) >> 4 & 3 }

// Filter is one line of a SUBSCRIBE.
type Filter struct {
	Filter  string
	Options Options
}

// Subscribe is a SUBSCRIBE (3.8).
type Subscribe struct {
	ID      uint16
	Filters []Filter
	Props   Properties
}

// ParseSubscribe reads the body of a SUBSCRIBE with at most limit filters.
// QoS 2 is returned as it is: well-formed, and refused by the broker.
func ParseSubscribe(body []byte, version byte, limit int) (p Subscribe, err error) {
	c := cursor{b: body}
	p.ID = c.id()
	if version == V5 {
		p.Props = c.props(in(SUBSCRIBE))
	}
	for c.err == nil && len(c.b) > 0 {
		if len(p.Filters) == limit {
			return p, &Error{QuotaExceeded, "device-plane.md 6.2", "more topic filters in one SUBSCRIBE than are allowed"}
		}
		f := Filter{Filter: c.str(), Options: Options(c.u8())}
		if c.err == nil {
			c.err = checkOptions(f.Options, version)
		}
		p.Filters = append(p.Filters, f)
	}
	if c.err == nil && len(p.Filters) == 0 {
		c.err = violation("3.8.3-3", "a SUBSCRIBE without a topic filter")
	}
	return p, c.err
}

func checkOptions(o Options, version byte) error {
	switch {
	case o.QoS() == 3:
		return malformed("3.8.3-4", "QoS 3 in a SUBSCRIBE")
	case version == V311 && o > 2, o&0xC0 != 0:
		return malformed("3.8.3-4", "reserved bits of the subscription options are set")
	case o.RetainHandling() == 3:
		return violation("v5 3.8.3.1", "retain handling 3")
	}
	return nil
}

// AppendSubscribe writes a SUBSCRIBE.
func AppendSubscribe(dst []byte, version byte, p *Subscribe) []byte {
	n := 2
	if version == V5 {
		n += p.Props.blockLen()
	}
	for _, f := range p.Filters {
		n += 3 + len(f.Filter)
	}
	dst = appendU16(appendHeader(dst, SUBSCRIBE, 2, n), p.ID)
	if version == V5 {
		dst = appendProps(dst, p.Props)
	}
	for _, f := range p.Filters {
		dst = append(appendStr(dst, f.Filter), byte(f.Options))
	}
	return dst
}

// Unsubscribe is an UNSUBSCRIBE (3.10).
type Unsubscribe struct {
	ID      uint16
	Filters []string
	Props   Properties
}

// ParseUnsubscribe reads the body of an UNSUBSCRIBE with at most limit filters.
func ParseUnsubscribe(body []byte, version byte, limit int) (p Unsubscribe, err error) {
	c := cursor{b: body}
	p.ID = c.id()
	if version == V5 {
		p.Props = c.props(in(UNSUBSCRIBE))
	}
	for c.err == nil && len(c.b) > 0 {
		if len(p.Filters) == limit {
			return p, &Error{QuotaExceeded, "device-plane.md 6.2", "more topic filters in one UNSUBSCRIBE than are allowed"}
		}
		p.Filters = append(p.Filters, c.str())
	}
	if c.err == nil && len(p.Filters) == 0 {
		c.err = violation("3.10.3-2", "an UNSUBSCRIBE without a topic filter")
	}
	return p, c.err
}

// AppendUnsubscribe writes an UNSUBSCRIBE.
func AppendUnsubscribe(dst []byte, version byte, p *Unsubscribe) []byte {
	n := 2
	if version == V5 {
		n += p.Props.blockLen()
	}
	for _, f := range p.Filters {
		n += 2 + len(f)
	}
	dst = appendU16(appendHeader(dst, UNSUBSCRIBE, 2, n), p.ID)
	if version == V5 {
		dst = appendProps(dst, p.Props)
	}
	for _, f := range p.Filters {
		dst = appendStr(dst, f)
	}
	return dst
}

// Suback is a SUBACK (3.9) or an UNSUBACK (3.11): a code for each filter, in
// their order. The UNSUBACK of 3.1.1 has none.
type Suback struct {
	ID    uint16
	Codes []Code
	Props Properties
}

// AppendSuback writes a SUBACK.
func AppendSuback(dst []byte, version byte, p *Suback) []byte {
	return appendCodes(dst, SUBACK, version, p)
}

// AppendUnsuback writes an UNSUBACK.
func AppendUnsuback(dst []byte, version byte, p *Suback) []byte {
	if version != V5 {
		return appendU16(appendHeader(dst, UNSUBACK, 0, 2), p.ID)
	}
	return appendCodes(dst, UNSUBACK, version, p)
}

func appendCodes(dst []byte, t Type, version byte, p *Suback) []byte {
	n := 2 + len(p.Codes)
	if version == V5 {
		n += p.Props.blockLen()
	}
	dst = appendU16(appendHeader(dst, t, 0, n), p.ID)
	if version == V5 {
		dst = appendProps(dst, p.Props)
	}
	for _, c := range p.Codes {
		dst = append(dst, byte(c))
	}
	return dst
}

// ParseSuback reads the body of a SUBACK or, with t UNSUBACK, of an UNSUBACK.
func ParseSuback(t Type, body []byte, version byte) (p Suback, err error) {
	c := cursor{b: body}
	p.ID = c.id()
	if version == V5 {
		p.Props = c.props(in(t))
	}
	for _, x := range c.b {
		p.Codes = append(p.Codes, Code(x))
	}
	if c.err == nil && t == UNSUBACK && version != V5 && len(p.Codes) > 0 {
		c.fail("3.11", "bytes after the last field of an UNSUBACK")
	}
	return p, c.err
}

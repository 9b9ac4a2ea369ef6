package packet

// Publish is a PUBLISH (3.3). Topic and Payload alias the bytes it was read
// from: a receiver that keeps them copies them.
type Publish struct {
	QoS     byte
	Retain  bool
	Dup     bool
	ID      uint16 // 0 at QoS 0
	Topic   []byte // empty where a topic alias stands for it
	Payload []byte
	Props   Properties
}

// ParsePublish reads the body of a PUBLISH into p.
func ParsePublish(h Header, body []byte, version byte, p *Publish) error {
	c := cursor{b: body}
	p.QoS, p.Retain, p.Dup = h.Flags>>1&3, h.Flags&1 != 0, h.Flags&8 != 0
	p.Topic = c.text()
	p.ID = 0
	if p.QoS > 0 {
		p.ID = c.id()
	} else if p.Dup && c.err == nil {
		c.fail("3.3.1-2", "DUP on a QoS 0 PUBLISH")
	}
	p.Props = nil
	if version == V5 {
		p.Props = c.props(in(PUBLISH))
	}
	p.Payload = c.b
	return c.err
}

// PublishSize is the length of a PUBLISH on the wire.
func PublishSize(version byte, topic string, payload []byte, qos byte, props Properties) int {
	n := publishLen(version, topic, payload, qos, props)
	return 1 + varintLen(n) + n
}

func publishLen(version byte, topic string, payload []byte, qos byte, props Properties) int {
	n := 2 + len(topic) + len(payload)
	if qos > 0 {
		n += 2
	}
	if version == V5 {
		n += props.blockLen()
	}
	return n
}

// CanPublish says whether a PUBLISH can carry this topic and these properties:
// their strings have at most 65,535 bytes each (1.5.3).
func CanPublish(topic string, props Properties) bool {
	for i := range props {
		if len(props[i].Str) > maxStr || len(props[i].Val) > maxStr {
			return false
		}
	}
	return len(topic) <= maxStr
}

// AppendPublish writes a PUBLISH without DUP: AWS IoT Core never sets it
// (device-plane.md 6.2). What CanPublish refuses is not written at all.
func AppendPublish(dst []byte, version byte, topic string, payload []byte, qos byte, retain bool, id uint16, props Properties) []byte {
	if !CanPublish(topic, props) {
		return dst
	}
	flags := qos << 1
	if retain {
		flags |= 1
	}
	dst = appendHeader(dst, PUBLISH, flags, publishLen(version, topic, payload, qos, props))
	dst = appendStr(dst, topic)
	if qos > 0 {
		dst = appendU16(dst, id)
	}
	if version == V5 {
		dst = appendProps(dst, props)
	}
	return append(dst, payload...)
}

// Ack is a PUBACK (3.4).
type Ack struct {
	ID    uint16
	Code  Code
	Props Properties
}

// ParsePuback reads the body of a PUBACK.
func ParsePuback(body []byte, version byte) (p Ack, err error) {
	c := cursor{b: body}
	p.ID = c.id()
	if version == V5 {
		if len(c.b) > 0 {
			p.Code = Code(c.u8())
		}
		if len(c.b) > 0 {
			p.Props = c.props(in(PUBACK))
		}
	}
	if c.err == nil && len(c.b) > 0 {
		c.fail("3.4", "bytes after the last field of a PUBACK")
	}
	return p, c.err
}

// AppendPuback writes a PUBACK; a code other than success has a place on 5 only.
func AppendPuback(dst []byte, version byte, id uint16, code Code) []byte {
	if version == V5 && code != Success {
		return append(appendU16(appendHeader(dst, PUBACK, 0, 3), id), byte(code))
	}
	return appendU16(appendHeader(dst, PUBACK, 0, 2), id)
}

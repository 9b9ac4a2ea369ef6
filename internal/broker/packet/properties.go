package packet

import "encoding/binary"

// PropID names an MQTT 5 property (v5 2.2.2.2).
type PropID byte

// The properties of MQTT 5.
const (
	PayloadFormat       PropID = 0x01
	MessageExpiry       PropID = 0x02
	ContentType         PropID = 0x03
	ResponseTopic       PropID = 0x08
	CorrelationData     PropID = 0x09
	SubscriptionID      PropID = 0x0B
	SessionExpiry       PropID = 0x11
	AssignedClientID    PropID = 0x12
	ServerKeepAlive     PropID = 0x13
	AuthMethod          PropID = 0x15
	AuthData            PropID = 0x16
	RequestProblemInfo  PropID = 0x17
	WillDelay           PropID = 0x18
	RequestResponseInfo PropID = 0x19
	ResponseInfo        PropID = 0x1A
	ServerReference     PropID = 0x1C
	ReasonString        PropID = 0x1F
	ReceiveMaximum      PropID = 0x21
	TopicAliasMaximum   PropID = 0x22
	TopicAlias          PropID = 0x23
	MaximumQoS          PropID = 0x24
	RetainAvailable     PropID = 0x25
	UserProperty        PropID = 0x26
	MaximumPacketSize   PropID = 0x27
	WildcardAvailable   PropID = 0x28
	SubIDAvailable      PropID = 0x29
	SharedAvailable     PropID = 0x2A
)

// Property is one of a packet's properties. Num holds an integer, Str a string
// or binary data or a user property's name, Val a user property's value.
type Property struct {
	ID       PropID
	Num      uint32
	Str, Val string
}

// Properties are a packet's properties in their order on the wire.
type Properties []Property

// Num returns the value of an integer property, and whether it is there.
func (p Properties) Num(id PropID) (uint32, bool) {
	for i := range p {
		if p[i].ID == id {
			return p[i].Num, true
		}
	}
	return 0, false
}

// Str returns the value of a string or binary property, and whether it is there.
func (p Properties) Str(id PropID) (string, bool) {
	for i := range p {
		if p[i].ID == id {
			return p[i].Str, true
		}
	}
	return "", false
}

type propKind byte

const (
	kindNone propKind = iota
	kindFlag          // a byte that is 0 or 1
	kindU16
	kindU32
	kindVarint
	kindText
	kindBin
	kindPair
)

// where is a set of packets, one bit for each type; a CONNECT's will has its own.
type where uint32

const inWill where = 1

func in(types ...Type) (w where) {
	for _, t := range types {
		w |= 1 << t
	}
	return w
}

// propFacts is v5 2.2.2.2 as data: what a property holds, and where it may be.
var propFacts = [...]struct {
	kind    propKind
	where   where
	nonZero bool // zero is a protocol error
}{
	PayloadFormat:       {kind: kindFlag, where: in(PUBLISH) | inWill},
	MessageExpiry:       {kind: kindU32, where: in(PUBLISH) | inWill},
	ContentType:         {kind: kindText, where: in(PUBLISH) | inWill},
	ResponseTopic:       {kind: kindText, where: in(PUBLISH) | inWill},
	CorrelationData:     {kind: kindBin, where: in(PUBLISH) | inWill},
	SubscriptionID:      {kind: kindVarint, where: in(PUBLISH, SUBSCRIBE), nonZero: true},
	SessionExpiry:       {kind: kindU32, where: in(CONNECT, CONNACK, DISCONNECT)},
	AssignedClientID:    {kind: kindText, where: in(CONNACK)},
	ServerKeepAlive:     {kind: kindU16, where: in(CONNACK)},
	AuthMethod:          {kind: kindText, where: in(CONNECT, CONNACK, AUTH)},
	AuthData:            {kind: kindBin, where: in(CONNECT, CONNACK, AUTH)},
	RequestProblemInfo:  {kind: kindFlag, where: in(CONNECT)},
	WillDelay:           {kind: kindU32, where: inWill},
	RequestResponseInfo: {kind: kindFlag, where: in(CONNECT)},
	ResponseInfo:        {kind: kindText, where: in(CONNACK)},
	ServerReference:     {kind: kindText, where: in(CONNACK, DISCONNECT)},
	ReasonString:        {kind: kindText, where: in(CONNACK, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, DISCONNECT, AUTH)},
	ReceiveMaximum:      {kind: kindU16, where: in(CONNECT, CONNACK), nonZero: true},
	TopicAliasMaximum:   {kind: kindU16, where: in(CONNECT, CONNACK)},
	TopicAlias:          {kind: kindU16, where: in(PUBLISH)},
	MaximumQoS:          {kind: kindFlag, where: in(CONNACK)},
	RetainAvailable:     {kind: kindFlag, where: in(CONNACK)},
	UserProperty:        {kind: kindPair, where: ^where(0)},
	MaximumPacketSize:   {kind: kindU32, where: in(CONNECT, CONNACK), nonZero: true},
	WildcardAvailable:   {kind: kindFlag, where: in(CONNACK)},
	SubIDAvailable:      {kind: kindFlag, where: in(CONNACK)},
	SharedAvailable:     {kind: kindFlag, where: in(CONNACK)},
}

// maxUserProperties bounds what one packet may make the receiver allocate.
const maxUserProperties = 256

// props reads a property block; nil when it is empty.
func (c *cursor) props(at where) Properties {
	n := int(c.varint())
	if n == 0 {
		return nil
	}
	in := cursor{b: c.take(n), err: c.err}
	var (
		out  Properties
		seen uint64
		user int
	)
	for len(in.b) > 0 && in.err == nil {
		id := PropID(in.varint())
		if int(id) >= len(propFacts) || propFacts[id].kind == kindNone || propFacts[id].where&at == 0 {
			in.fail("v5 2.2.2.2", "a property that this packet cannot have")
			break
		}
		f := propFacts[id]
		if id == UserProperty {
			if user++; user > maxUserProperties {
				in.err = &Error{QuotaExceeded, "v5 3.3.2.3.7", "more than 256 user properties in one packet"}
				break
			}
		} else if seen&(1<<id) != 0 {
			in.err = violation("v5 2.2.2.2", "a property that is there twice")
			break
		}
		seen |= 1 << id
		p := in.value(id, f.kind)
		if in.err == nil && f.nonZero && p.Num == 0 {
			in.err = violation("v5 2.2.2.2", "a property that must not be zero")
		}
		out = append(out, p)
	}
	if c.err == nil {
		c.err = in.err
	}
	return out
}

func (c *cursor) value(id PropID, k propKind) Property {
	p := Property{ID: id}
	switch k {
	case kindFlag:
		if p.Num = uint32(c.u8()); p.Num > 1 && c.err == nil {
			c.err = violation("v5 2.2.2.2", "a property that is neither 0 nor 1")
		}
	case kindU16:
		p.Num = uint32(c.u16())
	case kindU32:
		p.Num = c.u32()
	case kindVarint:
		p.Num = c.varint()
	case kindText:
		p.Str = c.str()
	case kindBin:
		p.Str = string(c.bin())
	case kindPair:
		p.Str, p.Val = c.str(), c.str()
	}
	return p
}

// size is the length of the block without its own length.
func (p Properties) size() (n int) {
	for i := range p {
		n++
		switch propFacts[p[i].ID].kind {
		case kindFlag:
			n++
		case kindU16:
			n += 2
		case kindU32:
			n += 4
		case kindVarint:
			n += varintLen(int(p[i].Num))
		case kindText, kindBin:
			n += 2 + len(p[i].Str)
		case kindPair:
			n += 4 + len(p[i].Str) + len(p[i].Val)
		}
	}
	return n
}

// blockLen is the length of the whole block on the wire.
func (p Properties) blockLen() int {
	n := p.size()
	return varintLen(n) + n
}

func appendProps(dst []byte, p Properties) []byte {
	dst = appendVarint(dst, uint32(p.size()))
	for i := range p {
		dst = append(dst, byte(p[i].ID))
		switch propFacts[p[i].ID].kind {
		case kindFlag:
			dst = append(dst, byte(p[i].Num))
		case kindU16:
			dst = appendU16(dst, uint16(p[i].Num))
		case kindU32:
			dst = binary.BigEndian.AppendUint32(dst, p[i].Num)
		case kindVarint:
			dst = appendVarint(dst, p[i].Num)
		case kindText, kindBin:
			dst = appendStr(dst, p[i].Str)
		case kindPair:
			dst = appendStr(appendStr(dst, p[i].Str), p[i].Val)
		}
	}
	return dst
}

package packet

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Type is the kind of a control packet (MQTT 3.1.1 section 2.2.1).
type Type byte

// The packets that pass between a device and a broker at QoS 0 and 1.
const (
	Connect    Type = 1
	Connack    Type = 2
	Publish    Type = 3
	Puback     Type = 4
	Subscribe  Type = 8
	Suback     Type = 9
	Unsub      Type = 10
	Unsuback   Type = 11
	Pingreq    Type = 12
	Pingresp   Type = 13
	Disconnect Type = 14
)

// MaxSize bounds a packet that Next accepts: the largest payload of the
// service, 128 KiB, with its topic and headers.
const MaxSize = 160 << 10

// ErrTooLarge is Next's answer to a packet above MaxSize.
var ErrTooLarge = errors.New("packet: larger than a broker of this service sends")

// ErrMalformed is the answer to bytes that are no packet of MQTT 3.1.1.
var ErrMalformed = errors.New("packet: malformed")

// Login is what a CONNECT says.
type Login struct {
	ClientID  string
	KeepAlive uint16 // seconds; 0 = none
	Clean     bool   // false asks for a session that outlives the connection
	Will      *Will  // nil = none
}

// Will is the message of QoS 1 that a broker publishes for a connection that
// ended without a DISCONNECT.
type Will struct {
	Topic   string
	Payload []byte
}

// AppendConnect appends a CONNECT.
func AppendConnect(b []byte, l Login) []byte {
	flags := byte(0)
	if l.Clean {
		flags |= 1 << 1
	}
	n := 10 + 2 + len(l.ClientID)
	if l.Will != nil {
		flags |= 1<<2 | 1<<3 // it is there, QoS 1
		n += 2 + len(l.Will.Topic) + 2 + len(l.Will.Payload)
	}
	b = appendHeader(b, byte(Connect)<<4, n)
	b = append(b, 0, 4, 'M', 'Q', 'T', 'T', 4, flags)
	b = binary.BigEndian.AppendUint16(b, l.KeepAlive)
	b = appendString(b, l.ClientID)
	if l.Will != nil {
		b = appendString(appendString(b, l.Will.Topic), l.Will.Payload)
	}
	return b
}

// AppendConnack appends a CONNACK; tests and the benchmark's direct pump stand
// in for a broker with it.
func AppendConnack(b []byte, sessionPresent bool, code byte) []byte {
	present := byte(0)
	if sessionPresent {
		present = 1
	}
	return append(b, byte(Connack)<<4, 2, present, code)
}

// AppendSubscribe appends a SUBSCRIBE that asks for the same QoS on each filter.
func AppendSubscribe(b []byte, id uint16, qos byte, filters ...string) []byte {
	n := 2
	for _, f := range filters {
		n += 2 + len(f) + 1
	}
	b = appendHeader(b, byte(Subscribe)<<4|2, n)
	b = binary.BigEndian.AppendUint16(b, id)
	for _, f := range filters {
		b = append(appendString(b, f), qos)
	}
	return b
}

// AppendUnsubscribe appends an UNSUBSCRIBE.
func AppendUnsubscribe(b []byte, id uint16, filters ...string) []byte {
	n := 2
	for _, f := range filters {
		n += 2 + len(f)
	}
	b = appendHeader(b, byte(Unsub)<<4|2, n)
	b = binary.BigEndian.AppendUint16(b, id)
	for _, f := range filters {
		b = appendString(b, f)
	}
	return b
}

// AppendSuback appends a SUBACK with one return code per filter.
func AppendSuback(b []byte, id uint16, codes ...byte) []byte {
	b = appendHeader(b, byte(Suback)<<4, 2+len(codes))
	b = binary.BigEndian.AppendUint16(b, id)
	return append(b, codes...)
}

// AppendPublish appends a PUBLISH; id counts only at QoS 1, where it may not be 0.
func AppendPublish[T string | []byte](b []byte, topic T, qos byte, id uint16, payload []byte) []byte {
	n := 2 + len(topic) + len(payload)
	if qos > 0 {
		n += 2
	}
	b = appendHeader(b, byte(Publish)<<4|qos<<1, n)
	b = appendString(b, topic)
	if qos > 0 {
		b = binary.BigEndian.AppendUint16(b, id)
	}
	return append(b, payload...)
}

// AppendPuback appends a PUBACK.
func AppendPuback(b []byte, id uint16) []byte {
	return binary.BigEndian.AppendUint16(append(b, byte(Puback)<<4, 2), id)
}

// AppendPingreq appends a PINGREQ.
func AppendPingreq(b []byte) []byte { return append(b, byte(Pingreq)<<4, 0) }

// AppendPingresp appends a PINGRESP.
func AppendPingresp(b []byte) []byte { return append(b, byte(Pingresp)<<4, 0) }

// AppendDisconnect appends a DISCONNECT.
func AppendDisconnect(b []byte) []byte { return append(b, byte(Disconnect)<<4, 0) }

func appendHeader(b []byte, first byte, n int) []byte {
	b = append(b, first)
	for n >= 0x80 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n))
}

func appendString[T string | []byte](b []byte, s T) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// Packet is one control packet; Body is a part of the bytes it was read from.
type Packet struct {
	Type  Type
	Flags byte
	Body  []byte
}

// Next reads the first packet of b and says how many bytes it took. No bytes
// and no error: b does not hold a whole packet yet.
func Next(b []byte) (Packet, int, error) {
	size, shift := 0, 0
	for i := 1; i < len(b); i++ {
		if i > 4 {
			return Packet{}, 0, fmt.Errorf("%w: remaining length of more than 4 bytes", ErrMalformed)
		}
		size |= int(b[i]&0x7f) << shift
		shift += 7
		if b[i]&0x80 != 0 {
			continue
		}
		if size > MaxSize {
			return Packet{}, 0, fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, size, MaxSize)
		}
		end := i + 1 + size
		if len(b) < end {
			return Packet{}, 0, nil
		}
		return Packet{Type: Type(b[0] >> 4), Flags: b[0] & 0xf, Body: b[i+1 : end]}, end, nil
	}
	return Packet{}, 0, nil
}

// ID is the packet id of an acknowledgement (PUBACK, SUBACK).
func (p Packet) ID() (uint16, error) {
	if len(p.Body) < 2 {
		return 0, fmt.Errorf("%w: packet type %d without an id", ErrMalformed, p.Type)
	}
	return binary.BigEndian.Uint16(p.Body), nil
}

// Message is a PUBLISH; Topic and Payload are parts of the bytes it was read from.
type Message struct {
	Topic   []byte
	Payload []byte
	ID      uint16 // 0 at QoS 0
	QoS     byte
	Retain  bool
	Dup     bool
}

// Message reads a PUBLISH.
func (p Packet) Message() (Message, error) {
	m := Message{QoS: p.Flags >> 1 & 3, Retain: p.Flags&1 != 0, Dup: p.Flags&8 != 0}
	if p.Type != Publish || m.QoS > 1 || len(p.Body) < 2 {
		return Message{}, fmt.Errorf("%w: packet type %d, flags %d is no PUBLISH of QoS 0 or 1", ErrMalformed, p.Type, p.Flags)
	}
	n, rest := int(binary.BigEndian.Uint16(p.Body)), p.Body[2:]
	idLen := 2 * int(m.QoS)
	if len(rest) < n+idLen {
		return Message{}, fmt.Errorf("%w: PUBLISH shorter than its topic", ErrMalformed)
	}
	m.Topic, m.Payload = rest[:n], rest[n+idLen:]
	if m.QoS == 1 {
		m.ID = binary.BigEndian.Uint16(rest[n:])
	}
	return m, nil
}

// Connack reads a CONNACK.
func (p Packet) Connack() (sessionPresent bool, code byte, err error) {
	if p.Type != Connack || len(p.Body) < 2 {
		return false, 0, fmt.Errorf("%w: packet type %d where a CONNACK was due", ErrMalformed, p.Type)
	}
	return p.Body[0]&1 != 0, p.Body[1], nil
}

package conversation

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The packet types of MQTT that a client sends or gets.
const (
	pktConnect     = 1
	pktConnack     = 2
	pktPublish     = 3
	pktPuback      = 4
	pktSubscribe   = 8
	pktSuback      = 9
	pktUnsubscribe = 10
	pktUnsuback    = 11
	pktPingreq     = 12
	pktPingresp    = 13
	pktDisconnect  = 14
	pktAuth        = 15
	maxPacket      = 4 << 20
	protocolLevel4 = 4
	protocolLevel5 = 5
)

// packet is one control packet as it is on the wire.
type packet struct {
	kind  byte
	flags byte
	body  []byte
}

// frame builds a packet from its parts: bytes, strings with a length before
// them (text) and 16-bit numbers.
func frame(kind, flags byte, parts ...any) []byte {
	var body []byte
	for _, p := range parts {
		switch p := p.(type) {
		case byte:
			body = append(body, p)
		case uint16:
			body = binary.BigEndian.AppendUint16(body, p)
		case uint32:
			body = binary.BigEndian.AppendUint32(body, p)
		case string:
			body = binary.BigEndian.AppendUint16(body, uint16(len(p)))
			body = append(body, p...)
		case []byte:
			body = append(body, p...)
		default:
			panic(fmt.Sprintf("frame: %T is no part of a packet", p))
		}
	}
	out := appendVarint([]byte{kind<<4 | flags}, len(body))
	return append(out, body...)
}

func appendVarint(b []byte, n int) []byte {
	for {
		c := byte(n & 0x7f)
		if n >>= 7; n == 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// properties writes an MQTT 5 property block.
func properties(parts ...any) []byte {
	body := frame(0, 0, parts...)[1:]
	return body // the remaining length of a packet is written like that of a property block
}

func readVarint(r io.ByteReader) (int, error) {
	n := 0
	for shift := 0; shift < 28; shift += 7 {
		c, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		n |= int(c&0x7f) << shift
		if c < 0x80 {
			return n, nil
		}
	}
	return 0, errors.New("a length of more than four bytes")
}

func readPacket(r *bufio.Reader) (packet, error) {
	first, err := r.ReadByte()
	if err != nil {
		return packet{}, err
	}
	n, err := readVarint(r)
	if err != nil {
		return packet{}, err
	}
	if n > maxPacket {
		return packet{}, fmt.Errorf("a packet of %d bytes", n)
	}
	p := packet{kind: first >> 4, flags: first & 0x0f, body: make([]byte, n)}
	_, err = io.ReadFull(r, p.body)
	return p, err
}

// cursor reads the fields of a body; the first one that is cut off sets bad.
type cursor struct {
	rest []byte
	bad  bool
}

func (c *cursor) take(n int) []byte {
	if n > len(c.rest) {
		c.bad, n = true, len(c.rest)
	}
	b := c.rest[:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cursor) uint(n int) int {
	v := 0
	for _, b := range c.take(n) {
		v = v<<8 | int(b)
	}
	return v
}

func (c *cursor) text() string { return string(c.take(c.uint(2))) }

// ReadByte makes a cursor the source of a varint.
func (c *cursor) ReadByte() (byte, error) {
	if len(c.rest) == 0 {
		c.bad = true
		return 0, io.ErrUnexpectedEOF
	}
	return c.take(1)[0], nil
}

// property is how one MQTT 5 property is called and written.
type property struct {
	name string
	size int // bytes of a number; 0: text
}

var propertyTable = map[byte]property{
	0x02: {"messageExpiryInterval", 4},
	0x03: {"contentType", 0},
	0x08: {"responseTopic", 0},
	0x09: {"correlationData", 0},
	0x11: {"sessionExpiryInterval", 4},
	0x12: {"assignedClientIdentifier", 0},
	0x13: {"serverKeepAlive", 2},
	0x1f: {"reasonString", 0},
	0x21: {"receiveMaximum", 2},
	0x22: {"topicAliasMaximum", 2},
	0x23: {"topicAlias", 2},
	0x24: {"maximumQoS", 1},
	0x25: {"retainAvailable", 1},
	0x27: {"maximumPacketSize", 4},
	0x28: {"wildcardSubscriptionAvailable", 1},
	0x29: {"subscriptionIdentifiersAvailable", 1},
	0x2a: {"sharedSubscriptionAvailable", 1},
}

// properties reads a property block.
func (c *cursor) properties() (*object, error) {
	n, err := readVarint(c)
	if err != nil {
		return nil, err
	}
	block := cursor{rest: c.take(n)}
	o := &object{values: map[string]any{}}
	for len(block.rest) > 0 {
		id := byte(block.uint(1))
		p, ok := propertyTable[id]
		if !ok {
			return nil, fmt.Errorf("property 0x%02x is not one a server sends", id)
		}
		if o.has(p.name) {
			return nil, fmt.Errorf("property %s is there twice", p.name)
		}
		o.keys = append(o.keys, p.name)
		if p.size == 0 {
			o.values[p.name] = block.text()
		} else {
			o.values[p.name] = number(block.uint(p.size))
		}
	}
	if block.bad || c.bad {
		return nil, io.ErrUnexpectedEOF
	}
	return o, nil
}

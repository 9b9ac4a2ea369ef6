package packet

import (
	"encoding/binary"
	"unicode/utf8"
	"unsafe"
)

// A cursor takes fields off the front of a packet's body. The first field that
// is not there, or not legal, makes every later one zero; err says which.
type cursor struct {
	b   []byte
	err error
}

func (c *cursor) fail(clause, detail string) {
	if c.err == nil {
		c.err = malformed(clause, detail)
	}
	c.b = nil
}

func (c *cursor) take(n int) []byte {
	if c.err != nil || len(c.b) < n {
		c.fail("2.2.3", "the packet ends inside a field")
		return nil
	}
	f := c.b[:n:n]
	c.b = c.b[n:]
	return f
}

func (c *cursor) u8() byte {
	if f := c.take(1); f != nil {
		return f[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if f := c.take(2); f != nil {
		return binary.BigEndian.Uint16(f)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if f := c.take(4); f != nil {
		return binary.BigEndian.Uint32(f)
	}
	return 0
}

// varint reads a variable byte integer (v5 1.5.5).
func (c *cursor) varint() uint32 {
	var v uint32
	for i := range 4 {
		f := c.take(1)
		if f == nil {
			return 0
		}
		v |= uint32(f[0]&0x7F) << (7 * i)
		if f[0] < 0x80 {
			if i > 0 && f[0] == 0 {
				c.fail("v5 1.5.5-1", "a variable byte integer in more bytes than it needs")
				return 0
			}
			return v
		}
	}
	c.fail("v5 1.5.5", "a variable byte integer of more than four bytes")
	return 0
}

// bin reads binary data (v5 1.5.6); the result aliases the packet.
func (c *cursor) bin() []byte { return c.take(int(c.u16())) }

// text reads a UTF-8 encoded string (1.5.3); the result aliases the packet.
func (c *cursor) text() []byte {
	f := c.bin()
	if c.err == nil && !validText(f) {
		c.fail("1.5.3-1", "a string that is not UTF-8, or that has U+0000 in it")
		return nil
	}
	return f
}

func (c *cursor) str() string { return string(c.text()) }

// id reads a packet identifier, which is never zero (2.3.1-1).
func (c *cursor) id() uint16 {
	v := c.u16()
	if c.err == nil && v == 0 {
		c.fail("2.3.1-1", "packet identifier 0")
	}
	return v
}

// validText reports whether b may be an MQTT string: well-formed UTF-8 without
// U+0000 (1.5.3-1, 1.5.3-2).
func validText(b []byte) bool {
	for _, x := range b {
		if x == 0 || x >= utf8.RuneSelf {
			return validTextSlow(b)
		}
	}
	return true
}

func validTextSlow(b []byte) bool {
	for _, x := range b {
		if x == 0 {
			return false
		}
	}
	return utf8.Valid(b)
}

// ValidText is validText of a string that did not come off the wire.
func ValidText(s string) bool { return validText(unsafe.Slice(unsafe.StringData(s), len(s))) }

func appendVarint(dst []byte, v uint32) []byte {
	for v >= 0x80 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}

func varintLen(v int) int {
	switch {
	case v < 1<<7:
		return 1
	case v < 1<<14:
		return 2
	case v < 1<<21:
		return 3
	}
	return 4
}

func appendU16(dst []byte, v uint16) []byte { return append(dst, byte(v>>8), byte(v)) }

// maxStr is how long a string may be (1.5.3).
const maxStr = 0xFFFF

// appendStr panics for what it would have to cut: who has strings of others asks
// first, as AppendPublish does.
func appendStr[T string | []byte](dst []byte, s T) []byte {
	if len(s) > maxStr {
		panic("packet: a string of more than 65,535 bytes")
	}
	return append(appendU16(dst, uint16(len(s))), s...)
}

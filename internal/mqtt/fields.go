package mqtt

import (
	"encoding/binary"
	"encoding/json"
)

// fields is an object of a reply, its members in order. A value is a string, an
// int64 that is not negative, or fields.
type fields []field

type field struct {
	name  string
	value any
}

// json writes the object as JSON.
func (f fields) json() []byte {
	b := []byte{'{'}
	for i, m := range f {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, quoted(m.name)...), ':')
		if sub, ok := m.value.(fields); ok {
			b = append(b, sub.json()...)
		} else {
			b = append(b, quoted(m.value)...)
		}
	}
	return append(b, '}')
}

func quoted(v any) []byte {
	b, _ := json.Marshal(v) // of a string or a number it cannot fail
	return b
}

// cbor writes the object as CBOR (RFC 8949): a map of texts, unsigned integers
// and maps.
func (f fields) cbor() []byte { return f.appendCBOR(nil) }

func (f fields) appendCBOR(b []byte) []byte {
	b = head(b, cborMap, uint64(len(f)))
	for _, m := range f {
		b = cborString(b, m.name)
		switch v := m.value.(type) {
		case string:
			b = cborString(b, v)
		case int64:
			b = head(b, cborUint, uint64(v))
		case fields:
			b = v.appendCBOR(b)
		}
	}
	return b
}

// The major types, in the upper three bits of a head.
const (
	cborUint byte = 0 << 5
	cborText byte = 3 << 5
	cborMap  byte = 5 << 5
)

func cborString(b []byte, s string) []byte { return append(head(b, cborText, uint64(len(s))), s...) }

// head is a major type with its argument in the shortest form.
func head(b []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n < 1<<8:
		return append(b, major|24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}

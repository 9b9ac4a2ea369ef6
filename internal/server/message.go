package server

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/drover-iot/drover/internal/broker"
)

// A stored message is a version, a byte of flags, the fields, each string with
// its length before it. Version 1 is the only one; a reader refuses others.
const messageVersion = 1

const (
	flagQoS1 byte = 1 << iota
	flagRetain
	flagExpires
	flagProps
	flagFormat
	flagCorrelation
)

func encodeMessage(m *broker.Message) []byte {
	flags := byte(0)
	set := func(flag byte, on bool) {
		if on {
			flags |= flag
		}
	}
	set(flagQoS1, m.QoS > 0)
	set(flagRetain, m.Retain)
	set(flagExpires, !m.Expires.IsZero())
	if p := m.Props; p != nil {
		set(flagProps, true)
		set(flagFormat, p.HasFormat)
		set(flagCorrelation, p.HasCorrelation)
	}
	b := make([]byte, 0, 32+len(m.Topic)+len(m.Payload))
	b = append(b, messageVersion, flags)
	if flags&flagExpires != 0 {
		b = binary.AppendVarint(b, m.Expires.UnixMilli())
	}
	b = appendString(b, m.Topic)
	b = appendString(b, m.Payload)
	if p := m.Props; p != nil {
		b = append(b, p.PayloadFormat)
		b = appendString(b, p.ContentType)
		b = appendString(b, p.ResponseTopic)
		b = appendString(b, p.CorrelationData)
		b = binary.AppendUvarint(b, uint64(len(p.User)))
		for _, u := range p.User {
			b = appendString(appendString(b, u.Name), u.Value)
		}
	}
	return b
}

func appendString[S ~string | ~[]byte](b []byte, s S) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func decodeMessage(b []byte) (*broker.Message, error) {
	r := reader{rest: b}
	if v := r.byte(); v != messageVersion && !r.short {
		return nil, fmt.Errorf("stored with version %d, this build knows %d: run a newer build of Drover", v, messageVersion)
	}
	flags := r.byte()
	m := &broker.Message{Retain: flags&flagRetain != 0}
	if flags&flagQoS1 != 0 {
		m.QoS = 1
	}
	if flags&flagExpires != 0 {
		m.Expires = time.UnixMilli(r.varint()).UTC()
	}
	m.Topic, m.Payload = r.string(), []byte(r.string())
	if flags&flagProps != 0 {
		m.Props = r.props(flags)
	}
	if r.short || len(r.rest) != 0 {
		return nil, errors.New("damaged: its length is not what its fields need")
	}
	return m, nil
}

// reader takes fields off a stored message; short says that one was not there.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) props(flags byte) *broker.Props {
	p := &broker.Props{
		HasFormat: flags&flagFormat != 0, HasCorrelation: flags&flagCorrelation != 0,
		PayloadFormat: r.byte(), ContentType: r.string(), ResponseTopic: r.string(), CorrelationData: r.string(),
	}
	for n := r.uvarint(); n > 0 && !r.short; n-- {
		p.User = append(p.User, broker.UserProperty{Name: r.string(), Value: r.string()})
	}
	return p
}

func (r *reader) byte() byte {
	if len(r.rest) == 0 {
		r.short = true
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.skip(n)
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	r.skip(n)
	return v
}

func (r *reader) skip(n int) {
	if n <= 0 {
		r.short, r.rest = true, nil
		return
	}
	r.rest = r.rest[n:]
}

func (r *reader) string() string {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.short, r.rest = true, nil
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}

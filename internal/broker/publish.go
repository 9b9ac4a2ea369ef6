package broker

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/drover-iot/drover/internal/broker/packet"
)

// PublishThen is Publish for who must know what became of m: done is called once,
// from any goroutine and perhaps before PublishThen returns, when m is on disk for
// all who must not lose it (design.md decision 14), or with an error. What a client
// could not publish is refused, with the Reason that it would be given.
func (b *Broker) PublishThen(m Message, done func(error)) {
	if err := b.Check(&m); err != nil {
		done(err)
		return
	}
	bt := getBatch()
	waits := b.route(bt, &m, origin{done: done}, true)
	bt.flushSoon()
	putBatch(bt)
	if !waits {
		done(nil)
	}
}

// Expiry gives the end of a message's life, seconds from now, within the limits
// (device-plane.md 6.2).
func (b *Broker) Expiry(seconds int64) time.Time {
	d := min(max(seconds, int64(minMessageExpiry/time.Second)), int64(maxMessageExpiry/time.Second))
	return b.clock.Now().Add(time.Duration(d) * time.Second)
}

// Check holds a message that no packet brought against what a packet could bring.
// The error is the Reason that a client would be given.
func (b *Broker) Check(m *Message) error {
	if code := b.judge(m); code != packet.Success {
		return Reason(code)
	}
	return nil
}

func (b *Broker) judge(m *Message) packet.Code {
	props := b.wireProps(m)
	for i := range props {
		if !validText(props[i].Val) || props[i].ID != packet.CorrelationData && !validText(props[i].Str) {
			return packet.Malformed
		}
	}
	switch room := b.limits.MaxPayload + b.limits.HeaderRoom; {
	case !validText(m.Topic) || !validTopic(m.Topic):
		return packet.TopicInvalid
	case m.Props != nil && strings.ContainsAny(m.Props.ResponseTopic, "+#"):
		return packet.ProtocolError
	case len(m.Payload) > b.limits.MaxPayload || packet.PublishSize(packet.V5, m.Topic, m.Payload, m.QoS, props) > room,
		m.Retain && !b.retained.accepts(m, &b.limits):
		return packet.QuotaExceeded
	}
	return packet.Success
}

// validText is what MQTT's strings may hold (1.5.3).
func validText(s string) bool {
	return len(s) <= 0xffff && utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}

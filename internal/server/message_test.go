package server

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/drover-iot/drover/internal/broker"
)

func drawMessage(t *rapid.T) *broker.Message {
	m := &broker.Message{
		Topic: rapid.String().Draw(t, "topic"), Payload: rapid.SliceOf(rapid.Byte()).Draw(t, "payload"),
		QoS: rapid.SampledFrom([]byte{0, 1}).Draw(t, "qos"), Retain: rapid.Bool().Draw(t, "retain"),
	}
	if rapid.Bool().Draw(t, "expires") {
		m.Expires = time.UnixMilli(rapid.Int64Range(-1<<40, 1<<44).Draw(t, "at")).UTC()
	}
	if rapid.Bool().Draw(t, "properties") {
		m.Props = &broker.Props{
			HasFormat: rapid.Bool().Draw(t, "has format"), PayloadFormat: rapid.Byte().Draw(t, "format"),
			ContentType: rapid.String().Draw(t, "type"), ResponseTopic: rapid.String().Draw(t, "response"),
			HasCorrelation: rapid.Bool().Draw(t, "has correlation"), CorrelationData: rapid.String().Draw(t, "correlation"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "user properties") {
			m.Props.User = append(m.Props.User, broker.UserProperty{Name: rapid.String().Draw(t, "name"), Value: rapid.String().Draw(t, "value")})
		}
	}
	return m
}

func TestAStoredMessageComesBackAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawMessage(t)
		got, err := decodeMessage(encodeMessage(want))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestADamagedMessageIsAnErrorAndNeverAPanic cuts and bends stored messages.
func TestADamagedMessageIsAnErrorAndNeverAPanic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := encodeMessage(drawMessage(t))
		cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
		if _, err := decodeMessage(b[:cut]); err == nil {
			t.Fatalf("%d of %d bytes were taken for a whole message", cut, len(b))
		}
		b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= rapid.ByteRange(1, 255).Draw(t, "bend")
		_, _ = decodeMessage(b) // it may be another message; it may not panic
	})
	if _, err := decodeMessage([]byte{messageVersion + 1, 0, 0, 0}); err == nil {
		t.Error("a message of a newer version was read")
	}
}

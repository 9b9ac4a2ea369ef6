package broker_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drover-iot/drover/internal/broker"
	"github.com/drover-iot/drover/internal/broker/packet"
)

// told is a done of PublishThen that keeps what it is called with.
type told []string

func (d *told) done(err error) { *d = append(*d, fmt.Sprint(err)) }

// A publish from the server is answered when it is on disk (design.md decisions 1
// and 14): what nobody must keep is answered at once.
func TestPublishThenAnswersWhenTheMessageIsOnDisk(t *testing.T) {
	for _, row := range []struct {
		name  string
		m     broker.Message
		waits bool
	}{
		{"QoS 1 for a persistent session", broker.Message{Topic: "kept", QoS: 1}, true},
		{"a retained message, at any QoS", broker.Message{Topic: "nobody", Payload: []byte("r"), Retain: true}, true},
		{"QoS 0 for a persistent session", broker.Message{Topic: "kept"}, false},
		{"QoS 1 that nobody hears", broker.Message{Topic: "nobody", QoS: 1}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			play(t, func(w *world) {
				w.join("c", keep).sub(1, 1, "kept").expect("SUBACK #1 01")
				w.store.Hold()
				var d told
				w.b.PublishThen(row.m, d.done)
				synctest.Wait()
				if waited := len(d) == 0; waited != row.waits {
					t.Errorf("told %v before the commit, want to wait: %t", d, row.waits)
				}
				w.store.Release()
				synctest.Wait()
				if fmt.Sprint(d) != "[<nil>]" {
					t.Errorf("told %v, want one success", d)
				}
			})
		})
	}
}

func TestPublishThenRefusesWhatNoClientCouldPublish(t *testing.T) {
	play(t, func(w *world) {
		w.stop()
		w.cfg.Limits = broker.Limits{Retained: 1}
		w.start()
		for name, row := range map[string]struct {
			m    broker.Message
			want packet.Code
		}{
			"no topic":                       {broker.Message{}, packet.TopicInvalid},
			"a wildcard":                     {broker.Message{Topic: "a/+"}, packet.TopicInvalid},
			"a topic of 257 bytes":           {broker.Message{Topic: strings.Repeat("a", 257)}, packet.TopicInvalid},
			"eight slashes":                  {broker.Message{Topic: strings.Repeat("a/", 8) + "a"}, packet.TopicInvalid},
			"a topic that is not UTF-8":      {broker.Message{Topic: "a\xff"}, packet.TopicInvalid},
			"a NUL":                          {broker.Message{Topic: "a\x00"}, packet.TopicInvalid},
			"a payload of 128 KiB and 1":     {broker.Message{Topic: "a", Payload: make([]byte, 128<<10+1)}, packet.QuotaExceeded},
			"a wildcard to respond to":       {broker.Message{Topic: "a", Props: &broker.Props{ResponseTopic: "b/#"}}, packet.ProtocolError},
			"a property that is not UTF-8":   {broker.Message{Topic: "a", Props: &broker.Props{ContentType: "\xff"}}, packet.Malformed},
			"properties beyond their room":   {broker.Message{Topic: "a", Payload: make([]byte, 128<<10), Props: &broker.Props{ContentType: strings.Repeat("c", 9<<10)}}, packet.QuotaExceeded},
			"a second retained topic, of 1":  {broker.Message{Topic: "b", Payload: []byte("x"), Retain: true}, packet.QuotaExceeded},
			"what is within all the limits":  {broker.Message{Topic: "a", Payload: make([]byte, 128<<10), Props: &broker.Props{HasCorrelation: true, CorrelationData: "\xff\x00"}}, packet.Success},
			"the topic that is retained now": {broker.Message{Topic: "r", Payload: []byte("y"), Retain: true}, packet.Success},
		} {
			w.b.PublishThen(broker.Message{Topic: "r", Payload: []byte("x"), Retain: true}, func(error) {})
			var got error
			w.b.PublishThen(row.m, func(err error) { got = err })
			synctest.Wait()
			var reason broker.Reason
			if errors.As(got, &reason); packet.Code(reason) != row.want {
				t.Errorf("%s: %v, want reason %#x", name, got, row.want)
			}
		}
	})
}

// A SigV4 session ends after 24 hours (device-plane.md 6.1), whether its
// client is busy or silent.
func TestAConnectionEndsAtItsTime(t *testing.T) {
	for _, v := range []byte{packet.V311, packet.V5} {
		t.Run(fmt.Sprint(v), func(t *testing.T) {
			play(t, func(w *world) {
				c := w.dialUntil(v, time.Now().Add(24*time.Hour)).hello("c").expect("CONNACK false 00*")
				w.event("c connected, session present false")
				for range 24*60 - 1 {
					time.Sleep(time.Minute)
					c.send([]byte{0xC0, 0}).expect("PINGRESP")
				}
				time.Sleep(time.Minute - time.Millisecond)
				c.silent()
				time.Sleep(time.Millisecond)
				if v == packet.V5 {
					c.expect("DISCONNECT 98")
				}
				c.expect("CLOSED")
				w.event("c disconnected: SERVER_INITIATED_DISCONNECT")
			})
		})
	}
}

package broker_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/broker"
	"github.com/drover-iot/drover/internal/broker/packet"
)

// The rows of device-plane.md 6.2 that are in force, and bad input.

func publish(v byte, topic string, n int) []byte {
	return packet.AppendPublish(nil, v, topic, make([]byte, n), 0, false, 0, nil)
}

func subscribe(v byte, opts packet.Options, filters ...string) []byte {
	p := packet.Subscribe{ID: 1}
	for _, f := range filters {
		p.Filters = append(p.Filters, packet.Filter{Filter: f, Options: opts})
	}
	return packet.AppendSubscribe(nil, v, &p)
}

func TestWhatBreaksALimitEndsTheConnectionWithItsCode(t *testing.T) {
	many := make([]string, 9)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	for _, row := range []struct {
		name string
		send func(v byte) []byte
		code string // of MQTT 5; empty where the limit is kept
	}{
		{"a payload of 128 KiB", func(v byte) []byte { return publish(v, "t", 128<<10) }, ""},
		{"a payload of one byte more", func(v byte) []byte { return publish(v, "t", 128<<10+1) }, "97"},
		{"a packet that announces 256 MB, before its body", func(byte) []byte { return []byte{0x30, 0xFF, 0xFF, 0xFF, 0x7F} }, "97"},
		{"a topic of 256 bytes", func(v byte) []byte { return publish(v, strings.Repeat("t", 256), 0) }, ""},
		{"a topic of 257 bytes", func(v byte) []byte { return publish(v, strings.Repeat("t", 257), 0) }, "90"},
		{"a topic of 7 slashes", func(v byte) []byte { return publish(v, "1/2/3/4/5/6/7/8", 0) }, ""},
		{"a topic of 8 slashes", func(v byte) []byte { return publish(v, "1/2/3/4/5/6/7/8/9", 0) }, "90"},
		{"a reserved topic of 8 slashes", func(v byte) []byte { return publish(v, "$aws/2/3/4/5/6/7/8/9", 0) }, ""},
		{"an empty topic", func(v byte) []byte { return publish(v, "", 0) }, "90"},
		{"a topic with a wildcard", func(v byte) []byte { return publish(v, "a/+", 0) }, "90"},
		{"a filter of 256 bytes", func(v byte) []byte { return subscribe(v, 0, strings.Repeat("t", 256)) }, ""},
		{"a filter of 257 bytes", func(v byte) []byte { return subscribe(v, 0, strings.Repeat("t", 257)) }, "8F"},
		{"a filter of 8 slashes", func(v byte) []byte { return subscribe(v, 0, "1/2/3/4/5/6/7/8/9") }, "8F"},
		{"a misplaced wildcard", func(v byte) []byte { return subscribe(v, 0, "a/#/b") }, "8F"},
		{"8 filters in one SUBSCRIBE", func(v byte) []byte { return subscribe(v, 0, many[:8]...) }, ""},
		{"9 filters in one SUBSCRIBE", func(v byte) []byte { return subscribe(v, 0, many...) }, "97"},
		{"SUBSCRIBE at QoS 2", func(v byte) []byte { return subscribe(v, 2, "t") }, "9B"},
		{"PUBLISH at QoS 2", func(v byte) []byte { return packet.AppendPublish(nil, v, "t", nil, 2, false, 1, nil) }, "9B"},
		{"a second CONNECT", func(v byte) []byte {
			return packet.AppendConnect(nil, &packet.Connect{Version: v, Clean: true, ClientID: "c"})
		}, "82"},
		{"a packet that only servers send", func(byte) []byte { return []byte{0x20, 2, 0, 0} }, "82"},
		{"a malformed packet", func(byte) []byte { return []byte{0x82, 2, 0, 0} }, "81"},
		{"PINGREQ with a body", func(byte) []byte { return []byte{0xC0, 1, 0} }, "81"},
	} {
		t.Run(row.name, func(t *testing.T) {
			versions(t, func(w *world, v byte) {
				c := w.dial(v).hello("c").expect("CONNACK false 00*")
				c.send(row.send(v))
				switch {
				case row.code == "":
					for len(c.got) > 0 {
						<-c.got // a SUBACK
					}
					c.send([]byte{0xC0, 0})
					for c.expect(); len(c.got) > 1; {
						<-c.got
					}
					c.expect("PINGRESP").silent()
				case v == packet.V5:
					c.expect("DISCONNECT "+row.code, "CLOSED")
				default:
					c.expect("CLOSED")
				}
			})
		})
	}
}

func TestABadConnectIsAnsweredAsItsVersionCan(t *testing.T) {
	connect := func(f func(p *packet.Connect)) func(v byte) []byte {
		return func(v byte) []byte {
			p := packet.Connect{Version: v, Clean: true, ClientID: "c"}
			f(&p)
			return packet.AppendConnect(nil, &p)
		}
	}
	long := strings.Repeat("x", 129)
	for _, row := range []struct {
		name     string
		send     func(v byte) []byte
		v3, v5   string // CONNACK code; "" closes without one
		accepted bool
	}{
		{"a client id of 128 bytes", connect(func(p *packet.Connect) { p.ClientID = long[1:] }), "00", "00", true},
		{"a client id of 129 bytes", connect(func(p *packet.Connect) { p.ClientID = long }), "02", "85", false},
		{"a client id that begins with $", connect(func(p *packet.Connect) { p.ClientID = "$c" }), "02", "85", false},
		{"no client id, clean", connect(func(p *packet.Connect) { p.ClientID = "" }), "00", "00", true},
		{"no client id, a session to keep", connect(func(p *packet.Connect) { p.ClientID, p.Clean = "", false }), "02", "00", false},
		{"a will of QoS 2", connect(func(p *packet.Connect) { p.Will = &packet.Will{Topic: "w", QoS: 2} }), "", "9B", false},
		{"a will topic with a wildcard", connect(func(p *packet.Connect) { p.Will = &packet.Will{Topic: "w/#"} }), "", "90", false},
		{"a will topic of 9 levels", connect(func(p *packet.Connect) { p.Will = &packet.Will{Topic: "1/2/3/4/5/6/7/8/9"} }), "", "90", false},
		{"an authentication method", connect(func(p *packet.Connect) {
			if p.Version == packet.V5 {
				p.Props = packet.Properties{{ID: packet.AuthMethod, Str: "x"}}
			}
		}), "00", "80", false},
		{"a malformed CONNECT", func(v byte) []byte { return []byte{0x10, 10, 0, 4, 'M', 'Q', 'T', 'T', v, 3, 0, 0} }, "", "80", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			versions(t, func(w *world, v byte) {
				c, want := w.dial(v).send(row.send(v)), row.v3
				if v == packet.V5 {
					want = row.v5
				}
				if want != "" {
					c.expect("CONNACK false " + want + "*")
				}
				if want == "00" {
					c.silent()
				} else {
					c.expect("CLOSED")
				}
			})
		})
	}
	for name, first := range map[string][]byte{
		"another protocol level": {0x10, 12, 0, 4, 'M', 'Q', 'T', 'T', 6, 2, 0, 0, 0, 0},
		"MQTT 3.1":               {0x10, 14, 0, 6, 'M', 'Q', 'I', 's', 'd', 'p', 3, 2, 0, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(w *world) { w.dial(packet.V311).send(first).expect("CONNACK false 01", "CLOSED") })
		})
	}
	for name, first := range map[string][]byte{
		"a first packet that is not CONNECT": {0xC0, 0},
		"HTTP":                               []byte("GET / HTTP/1.1\r\n\r\n"),
		"another protocol name":              {0x10, 12, 0, 4, 'X', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(w *world) { w.dial(packet.V311).send(first).expect("CLOSED") })
		})
	}
}

func TestAFiftyFirstSubscriptionFailsInItsSubackAndTheConnectionLives(t *testing.T) {
	versions(t, func(w *world, v byte) {
		c := w.dial(v).hello("c").expect("CONNACK false 00*")
		for i := range 50 {
			c.sub(uint16(i+1), 0, fmt.Sprint("t", i)).expect(fmt.Sprintf("SUBACK #%d 00", i+1))
		}
		code := map[byte]string{packet.V311: "80", packet.V5: "97"}[v]
		c.sub(60, 0, "one more", "t0").expect("SUBACK #60 " + code + " 00") // t0 is there already
		c.unsub(61, "t7").expect("UNSUBACK #61*").sub(62, 0, "one more").expect("SUBACK #62 00").silent()
	})
}

func TestASilentClientIsClosedAtOneAndAHalfKeepAlives(t *testing.T) {
	versions(t, func(w *world, v byte) {
		c := w.dial(v).hello("c", func(p *packet.Connect) { p.KeepAlive = 40 }).expect("CONNACK false 00*")
		w.event("c connected, session present false")
		time.Sleep(59 * time.Second)
		c.send([]byte{0xC0, 0}).expect("PINGRESP")
		time.Sleep(59 * time.Second)
		c.silent().pub(0, "t", "a PUBLISH counts as well")
		time.Sleep(59 * time.Second)
		c.silent()
		time.Sleep(2 * time.Second)
		if v == packet.V5 {
			c.expect("DISCONNECT 8D")
		}
		c.expect("CLOSED")
		w.event("c disconnected: MQTT_KEEP_ALIVE_TIMEOUT")
	})
}

func TestHalfAPacketIsNoSignOfLife(t *testing.T) {
	play(t, func(w *world) {
		c := w.join("c", func(p *packet.Connect) { p.KeepAlive = 30 })
		for _, b := range publish(packet.V311, "t", 100)[:50] {
			c.nc.Write([]byte{b})
			time.Sleep(time.Second)
		}
		c.expect("CLOSED")
	})
}

func TestAClientThatNeverFinishesItsConnectIsClosed(t *testing.T) {
	for name, first := range map[string][]byte{"nothing": {}, "half a CONNECT": {0x10, 100, 0, 4, 'M', 'Q'}} {
		t.Run(name, func(t *testing.T) {
			play(t, func(w *world) {
				c := w.dial(packet.V311).send(first)
				time.Sleep(9 * time.Second)
				c.silent()
				time.Sleep(2 * time.Second)
				c.expect("CLOSED")
				if n := w.b.Stats().Connections; n != 0 {
					w.t.Errorf("%d connections are left", n)
				}
			})
		})
	}
}

func TestOneThatNeverReadsLosesQoS0AndIsClosedAndQoS1StaysInItsSession(t *testing.T) {
	play(t, func(w *world) {
		w.stop()
		w.cfg.Limits = broker.Limits{Outbound: 4 << 10, WriteTimeout: 5 * time.Second}
		w.start()
		w.join("c", keep).sub(1, 1, "t").expect("SUBACK #1 01").drop()
		stuck, theirs := pipe(w, packet.AppendConnect(nil, &packet.Connect{Version: packet.V311, ClientID: "c", KeepAlive: 1200}))
		defer theirs.Close()
		p := w.join("p")
		for i := range 20 { // nobody is held up by it
			p.pub(0, "t", strings.Repeat("0", 1000)).pub(uint16(i+1), "t", fmt.Sprint(i, strings.Repeat(" ", 997))).expect(fmt.Sprintf("PUBACK #%d 00", i+1))
		}
		time.Sleep(4 * time.Second)
		w.silentEvents()
		time.Sleep(2 * time.Second)
		w.event("c disconnected: CONNECTION_LOST")
		stuck.Close()
		c := w.dial(packet.V311).hello("c", keep).expect("CONNACK true 00")
		for i := range 20 {
			c.expect(fmt.Sprintf("PUBLISH q1 r0 d0 #%d t %d*", i+1, i))
		}
		c.silent()
	})
}

func TestAFullSessionQueueDropsTheNewest(t *testing.T) {
	for _, row := range []struct {
		name   string
		limits broker.Limits
	}{
		{"by count", broker.Limits{SessionQueue: 3}},
		{"by bytes", broker.Limits{SessionBytes: 3000}},
	} {
		t.Run(row.name, func(t *testing.T) {
			play(t, func(w *world) {
				var log strings.Builder
				w.stop()
				w.cfg.Limits, w.cfg.Log = row.limits, slog.New(slog.NewTextHandler(&log, nil))
				w.start()
				w.join("c", keep).sub(1, 1, "t").expect("SUBACK #1 01").drop()
				for i := range 5 {
					w.b.Publish(broker.Message{Topic: "t", Payload: fmt.Append(nil, i, strings.Repeat(".", 995)), QoS: 1}, nil)
				}
				c := w.dial(packet.V311).hello("c", keep).expect("CONNACK true 00")
				c.expect("PUBLISH q1 r0 d0 #1 t 0*", "PUBLISH q1 r0 d0 #2 t 1*", "PUBLISH q1 r0 d0 #3 t 2*").silent()
				c.ack(1).ack(2).ack(3).silent()
				w.b.Publish(broker.Message{Topic: "t", Payload: []byte("room again"), QoS: 1}, nil)
				c.expect("PUBLISH q1 r0 d0 #4 t room again")
				if n := strings.Count(log.String(), "queue is full"); n != 1 {
					w.t.Errorf("the log says so %d times:\n%s", n, &log)
				}
			})
		})
	}
}

func TestMoreRetainedMessagesThanTheQuotaAreRefused(t *testing.T) {
	play(t, func(w *world) {
		w.stop()
		w.cfg.Limits = broker.Limits{Retained: 2, RetainedBytes: 10}
		w.start()
		c := w.join5("c").retain(1, "a", "1").expect("PUBACK #1 00").retain(2, "b", "1").expect("PUBACK #2 00")
		c.retain(3, "c", "1").expect("PUBACK #3 97").retain(4, "a", "1234567890").expect("PUBACK #4 97")
		c.retain(5, "a", "replaced").expect("PUBACK #5 00").retain(6, "b", "").expect("PUBACK #6 00").retain(7, "c", "1").expect("PUBACK #7 00")
		c.retain(0, "d", "1").expect("DISCONNECT 97", "CLOSED")
		w.join("d").retain(1, "d", "1").expect("CLOSED")
	})
}

func TestTheServersFarewell(t *testing.T) {
	versions(t, func(w *world, v byte) {
		l := w.join("l", keep).sub(1, 1, "gone").expect("SUBACK #1 01")
		c := w.dial(v).hello("c", will(packet.Will{Topic: "gone", QoS: 1})).expect("CONNACK false 00*")
		half := w.dial(v)
		w.stop()
		if v == packet.V5 {
			c.expect("DISCONNECT 8B")
		}
		c.expect("CLOSED")
		half.expect("CLOSED")
		for range l.got { // ends
		}
		if s := w.store.Session("l"); len(s.Queue) != 1 {
			w.t.Errorf("the will was not stored: %+v", s)
		}
		w.dial(v).expect("CLOSED") // too late
		w.start()
	})
}

func TestDisconnectTellsMQTT5TheReason(t *testing.T) {
	play(t, func(w *world) {
		a, b5, c5 := w.join("a"), w.join5("b"), w.join5("c")
		unknown := w.dial(packet.V5)
		w.b.Disconnect("nobody", 0x98)
		w.b.Disconnect("a", 0x98)
		w.b.Disconnect("b", 0x98)
		a.expect("CLOSED")
		b5.expect("DISCONNECT 98", "CLOSED")
		c5.silent()
		unknown.silent()
		w.b.Disconnect("c", 0x87)
		c5.expect("DISCONNECT 87", "CLOSED")
	})
}

// TestTwoHundredBadPacketsHurtNobody sends near misses of every kind, each on a
// connection of its own, beside a client that must not notice.
func TestTwoHundredBadPacketsHurtNobody(t *testing.T) {
	versions(t, func(w *world, v byte) {
		good := w.dial(v).hello("good").expect("CONNACK false 00*").sub(1, 1, "t").expect("SUBACK #1 01")
		seeds := [][]byte{
			packet.AppendPublish(nil, v, "a/b", []byte("payload"), 1, true, 9, nil),
			subscribe(v, 1, "a/+", "b"),
			packet.AppendUnsubscribe(nil, v, &packet.Unsubscribe{ID: 3, Filters: []string{"a"}}),
			packet.AppendPuback(nil, v, 5, packet.Code(v)),
			packet.AppendConnect(nil, &packet.Connect{Version: v, ClientID: "x", Will: &packet.Will{Topic: "w"}}),
		}
		sent := 0
		for _, seed := range seeds {
			for i := range seed {
				for _, flip := range []byte{0xFF, 0x80, 0x20, 0x01} {
					bad := append([]byte(nil), seed...)
					bad[i] ^= flip
					c := w.dial(v).hello("bad").expect("CONNACK*")
					c.send(append(bad, 0xF0|flip&7, 0x00)) // whatever the first was taken for, an end comes
					c.nc.Close()
					sent++
				}
			}
		}
		if sent < 200 {
			w.t.Fatalf("%d packets only", sent)
		}
		good.pub(1, "t", "still here").expect("PUBLISH q1 r0 d0 #1 t still here", "PUBACK #1 00").silent()
		if st := w.b.Stats(); st.Connections != 1 {
			w.t.Errorf("%+v", st)
		}
	})
}

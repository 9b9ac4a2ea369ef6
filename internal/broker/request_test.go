package broker_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drover-iot/drover/internal/broker"
	"github.com/drover-iot/drover/internal/broker/packet"
)

// operations makes topics under op/ requests; their Pendings wait in the order
// of arrival until the test answers them.
func operations(w *world) (asked func() *broker.Pending) {
	all := make(chan *broker.Pending, 1000)
	w.hooks.publish = func(c *broker.Conn, m *broker.Message) broker.Verdict {
		if !strings.HasPrefix(m.Topic, "op/") {
			return broker.Forward
		}
		all <- c.Begin()
		return broker.Consumed
	}
	return func() *broker.Pending {
		w.t.Helper()
		synctest.Wait()
		select {
		case p := <-all:
			return p
		default:
			w.t.Fatal("no request has come")
			return nil
		}
	}
}

func TestAReplyGoesToTheRequesterOnceAtTheQoSOfItsSubscriptions(t *testing.T) { // device-plane.md 1.4
	for _, row := range []struct {
		name    string
		filters map[string]packet.Options
		want    string
	}{
		{"not subscribed: QoS 0", nil, "PUBLISH q0 r0 d0 #0 op/a/accepted {}"},
		{"subscribed elsewhere only: QoS 0", map[string]packet.Options{"op/b/#": 1}, "PUBLISH q0 r0 d0 #0 op/a/accepted {}"},
		{"subscribed at QoS 0", map[string]packet.Options{"op/a/accepted": 0}, "PUBLISH q0 r0 d0 #0 op/a/accepted {}"},
		{"subscribed at QoS 1", map[string]packet.Options{"op/a/accepted": 1}, "PUBLISH q1 r0 d0 #1 op/a/accepted {}"},
		{"several matching filters: one copy, the highest QoS", map[string]packet.Options{"op/a/accepted": 0, "op/+/accepted": 1, "op/#": 0}, "PUBLISH q1 r0 d0 #1 op/a/accepted {}"},
	} {
		for _, qos := range []uint16{0, 1} {
			t.Run(fmt.Sprintf("%s, request at QoS %d", row.name, qos), func(t *testing.T) {
				versions(t, func(w *world, v byte) {
					asked := operations(w)
					other := w.join("other").sub(1, 1, "op/#", "#", "+/+/+").expect("SUBACK #1 01 01 01")
					c := w.dial(v).hello("c").expect("CONNACK false 00*")
					for f, o := range row.filters {
						c.sub(9, o, f).expect("SUBACK #9*")
					}
					c.pub(qos*7, "op/a", "").silent()
					asked().Reply("op/a/accepted", []byte("{}"))
					if qos > 0 {
						c.expect("PUBACK #7 00")
					}
					c.expect(row.want).silent()
					other.silent() // neither the request nor the reply is fanned out
				})
			})
		}
	}
}

func TestRepliesAndAcknowledgementsKeepTheOrderOfArrival(t *testing.T) {
	versions(t, func(w *world, v byte) {
		asked := operations(w)
		c := w.dial(v).hello("c").expect("CONNACK false 00*")
		c.pub(1, "op/1", "").pub(2, "plain", "").pub(0, "op/2", "").pub(3, "op/3", "").sub(4, 1, "x").silent()
		p1, p2, p3 := asked(), asked(), asked()
		p3.Reply("r/3", nil)
		c.silent()
		p2.Reply("r/2", nil)
		c.silent()
		p1.Finish()
		c.expect("PUBACK #1 00", "PUBACK #2 00", "PUBLISH q0 r0 d0 #0 r/2", "PUBACK #3 00", "PUBLISH q0 r0 d0 #0 r/3", "SUBACK #4 01").silent()
	})
}

func TestARequestMayBeAnsweredInTheHook(t *testing.T) {
	play(t, func(w *world) {
		w.hooks.publish = func(c *broker.Conn, m *broker.Message) broker.Verdict {
			c.Begin().Reply(m.Topic+"/accepted", bytes.ToUpper(m.Payload))
			return broker.Consumed
		}
		w.join("c").pub(1, "op", "a").expect("PUBACK #1 00", "PUBLISH q0 r0 d0 #0 op/accepted A").silent()
	})
}

func TestAReplyIsLostWithItsConnectionAndNeverStored(t *testing.T) {
	versions(t, func(w *world, v byte) {
		asked := operations(w)
		c := w.dial(v).hello("c", lasting(v)).expect("CONNACK false 00*").sub(1, 1, "op/#").expect("SUBACK #1 01")
		c.pub(1, "op/1", "").pub(2, "op/2", "").pub(3, "op/3", "")
		asked().Reply("op/1/accepted", nil)
		c.expect("PUBACK #1 00", "PUBLISH q1 r0 d0 #1 op/1/accepted") // never acknowledged
		before, after := asked(), asked()
		c.drop()
		before.Reply("op/2/accepted", nil)
		c = w.dial(v).hello("c", lasting(v)).expect("CONNACK true 00*")
		after.Reply("op/3/accepted", nil)
		c.silent()
		if s := w.store.Session("c"); len(s.Queue) > 0 {
			w.t.Errorf("the store holds %d messages", len(s.Queue))
		}
	})
}

func TestAHundredRequestsWaitAndNoMoreAreRead(t *testing.T) {
	play(t, func(w *world) {
		asked := operations(w)
		c := w.join("c")
		var burst []byte
		for i := range 250 {
			burst = packet.AppendPublish(burst, packet.V311, "op/"+fmt.Sprint(i), nil, 1, false, uint16(i+1), nil)
		}
		go c.nc.Write(burst)
		var waiting []*broker.Pending
		for range 100 {
			waiting = append(waiting, asked())
		}
		c.silent()
		for i := range 250 {
			waiting[i].Finish()
			c.expect(fmt.Sprintf("PUBACK #%d 00", i+1))
			if i < 150 {
				waiting = append(waiting, asked())
			}
		}
		c.silent()
	})
}

func TestWhoDoesNotReadItsAnswersIsNotAskedForMoreRequests(t *testing.T) {
	play(t, func(w *world) {
		w.stop()
		w.cfg.Limits = broker.Limits{Outbound: 4 << 10, WriteTimeout: 5 * time.Second}
		w.start()
		asked := 0
		w.hooks.publish = func(c *broker.Conn, m *broker.Message) broker.Verdict {
			asked++
			c.Begin().Reply(m.Topic+"/accepted", make([]byte, 1<<10))
			return broker.Consumed
		}
		c, theirs := pipe(w, packet.AppendConnect(nil, &packet.Connect{Version: packet.V311, Clean: true, ClientID: "c", KeepAlive: 1200}))
		defer theirs.Close()
		defer c.Close()
		go func() {
			request := packet.AppendPublish(nil, packet.V311, "op", nil, 0, false, 0, nil)
			for range 1000 {
				if _, err := c.Write(request); err != nil {
					return
				}
			}
		}()
		synctest.Wait()
		if asked > 12 { // the queue holds four answers, a write under way as many
			t.Errorf("%d requests were taken of a client that reads nothing", asked)
		}
		if _, err := io.CopyN(io.Discard, c, 1000<<10); err != nil { // it reads on, and no answer was lost
			t.Errorf("after %d requests: %v", asked, err)
		}
	})
}

func TestMQTT5ClientsAreHeldToTheReceiveMaximum(t *testing.T) {
	play(t, func(w *world) {
		asked := operations(w)
		c := w.join5("c")
		for i := range 100 {
			c.pub(uint16(i+1), "op/x", "")
		}
		c.silent()
		asked().Finish()
		c.expect("PUBACK #1 00").pub(101, "op/x", "").silent()
		c.pub(102, "op/x", "").expect("DISCONNECT 93", "CLOSED")
	})
}

func TestVerdictsOnAPublish(t *testing.T) { // device-plane.md 6.5
	for _, row := range []struct {
		name    string
		v       byte
		id      uint16
		verdict broker.Verdict
		want    []string
		reason  string
	}{
		{"dropped at QoS 1", packet.V311, 1, broker.Drop, []string{"PUBACK #1 00"}, ""},
		{"dropped at QoS 0", packet.V5, 0, broker.Drop, nil, ""},
		{"consumed without a Pending", packet.V311, 1, broker.Consumed, []string{"PUBACK #1 00"}, ""},
		{"refused, 3.1.1, QoS 0", packet.V311, 0, broker.Refuse, []string{"CLOSED"}, "FORBIDDEN_ACCESS"},
		{"refused, 3.1.1, QoS 1", packet.V311, 1, broker.Refuse, []string{"CLOSED"}, "FORBIDDEN_ACCESS"},
		{"refused, MQTT 5, QoS 1", packet.V5, 1, broker.Refuse, []string{"PUBACK #1 87"}, ""},
		{"refused, MQTT 5, QoS 0", packet.V5, 0, broker.Refuse, []string{"DISCONNECT 87", "CLOSED"}, "FORBIDDEN_ACCESS"},
		{"no such topic, MQTT 5, QoS 1", packet.V5, 1, broker.RefuseInvalid, []string{"PUBACK #1 90"}, ""},
		{"over quota, MQTT 5, QoS 1", packet.V5, 1, broker.RefuseQuota, []string{"PUBACK #1 97"}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			play(t, func(w *world) {
				l := w.join("l").sub(1, 1, "#").expect("SUBACK #1 01")
				w.hooks.publish = func(*broker.Conn, *broker.Message) broker.Verdict { return row.verdict }
				c := w.dial(row.v).hello("c").expect("CONNACK false 00*")
				w.event("c connected, session present false")
				c.pub(row.id, "t", "x").expect(row.want...)
				l.silent()
				if row.reason != "" {
					w.event("c disconnected: " + row.reason)
				} else {
					c.silent()
				}
			})
		})
	}
}

func TestVerdictsOnASubscribe(t *testing.T) { // device-plane.md 6.5
	for _, row := range []struct {
		name    string
		v       byte
		verdict broker.Verdict
		want    []string
	}{
		{"refused, 3.1.1", packet.V311, broker.Refuse, []string{"CLOSED"}},
		{"invalid, 3.1.1", packet.V311, broker.RefuseInvalid, []string{"CLOSED"}},
		{"over quota, 3.1.1", packet.V311, broker.RefuseQuota, []string{"SUBACK #1 01 80"}},
		{"refused, MQTT 5", packet.V5, broker.Refuse, []string{"SUBACK #1 01 87"}},
		{"invalid, MQTT 5", packet.V5, broker.RefuseInvalid, []string{"SUBACK #1 01 8F"}},
		{"over quota, MQTT 5", packet.V5, broker.RefuseQuota, []string{"SUBACK #1 01 97"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			play(t, func(w *world) {
				w.hooks.subscribe = func(_ *broker.Conn, f string, _ byte) broker.Verdict {
					if f == "no" {
						return row.verdict
					}
					return broker.Forward
				}
				c := w.dial(row.v).hello("c").expect("CONNACK false 00*").sub(1, 1, "yes", "no").expect(row.want...)
				if w.b.HasAudience("no") {
					w.t.Error("the refused filter is in force")
				}
				if row.want[0] != "CLOSED" {
					c.pub(0, "yes", "x").expect("PUBLISH q0 r0 d0 #0 yes x").pub(0, "no", "x").silent()
				}
			})
		})
	}
}

func TestReceiveIsAskedAtEveryDeliveryOfAnOrdinaryMessageAndNotForReplies(t *testing.T) {
	play(t, func(w *world) {
		asked := operations(w)
		allowed := false
		w.hooks.receive = func(*broker.Conn, string) broker.Reception {
			if allowed {
				return broker.Received
			}
			return broker.NotReceived
		}
		c := w.join("c", keep).sub(1, 1, "#").expect("SUBACK #1 01")
		w.b.Publish(broker.Message{Topic: "t", QoS: 1}, nil)
		w.b.Publish(broker.Message{Topic: "t"}, nil)
		c.silent().pub(1, "op/x", "")
		asked().Reply("r", nil)
		c.expect("PUBACK #1 00", "PUBLISH q1 r0 d0 #1 r").ack(1).drop()
		w.b.Publish(broker.Message{Topic: "t", Payload: []byte("while away"), QoS: 1}, nil)
		c = w.dial(packet.V311).hello("c", keep).expect("CONNACK true 00").silent() // asked again when sent
		allowed = true
		w.b.Publish(broker.Message{Topic: "t", Payload: []byte("now"), QoS: 1}, nil)
		c.expect("PUBLISH q1 r0 d0 #1 t now").ack(1)
		time.Sleep(time.Second)
		if s := w.store.Session("c"); len(s.Queue) > 0 {
			w.t.Errorf("%d messages that may not be received are still stored", len(s.Queue))
		}
	})
}

func TestARefusedConnect(t *testing.T) { // device-plane.md 6.5
	for _, row := range []struct {
		name string
		v    byte
		err  error
		want []string
	}{
		{"3.1.1 is closed without a CONNACK", packet.V311, errors.New("no"), []string{"CLOSED"}},
		{"MQTT 5 gets 87", packet.V5, errors.New("no"), []string{"CONNACK false 87", "CLOSED"}},
		{"MQTT 5 gets the code that the hook names", packet.V5, broker.Reason(0x86), []string{"CONNACK false 86", "CLOSED"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			play(t, func(w *world) {
				w.hooks.connect = func(c *broker.Conn, p *broker.ConnectInfo) error {
					if c.Facts() != "facts of "+t.Name() || p.ClientID != "c" || p.Version != row.v || p.KeepAlive != 20*time.Minute {
						w.t.Errorf("asked about %+v, %v", p, c.Facts())
					}
					return row.err
				}
				w.dial(row.v).hello("c").expect(row.want...)
				if n := w.b.Stats().Sessions; n > 0 || len(w.hooks.events) > 0 {
					w.t.Errorf("%d sessions, %d events", n, len(w.hooks.events))
				}
			})
		})
	}
}

func TestAMessageIsDeliveredOncePerSessionAtTheLowerQoS(t *testing.T) {
	versions(t, func(w *world, v byte) {
		c := w.dial(v).hello("c").expect("CONNACK false 00*").sub(1, 0, "a/b", "a/#").expect("SUBACK #1 00 00").sub(2, 1, "a/+").expect("SUBACK #2 01")
		c.pub(0, "a/b", "0").expect("PUBLISH q0 r0 d0 #0 a/b 0").silent()
		c.pub(1, "a/b", "1").expect("PUBLISH q1 r0 d0 #1 a/b 1", "PUBACK #1 00").ack(1).silent()
		c.unsub(3, "a/+", "never there").expect("UNSUBACK #3*")
		c.pub(1, "a/b", "2").expect("PUBLISH q0 r0 d0 #0 a/b 2", "PUBACK #1 00").silent()
	})
}

func TestTheServersIdsAndTheClientsAreDifferentSpaces(t *testing.T) { // 2.3.1
	play(t, func(w *world) {
		c := w.join("c").sub(1, 1, "t").expect("SUBACK #1 01")
		w.b.Publish(broker.Message{Topic: "t", Payload: []byte("mine"), QoS: 1}, nil)
		c.expect("PUBLISH q1 r0 d0 #1 t mine").pub(1, "t", "yours").expect("PUBLISH q1 r0 d0 #2 t yours", "PUBACK #1 00")
		c.ack(1).ack(2).ack(2).ack(77).silent() // acknowledging what is not there is no error
	})
}

func TestNoMoreThanTheWindowIsInFlight(t *testing.T) {
	for _, row := range []struct {
		name   string
		v      byte
		opts   []connectOption
		window int
	}{
		{"100 on 3.1.1", packet.V311, nil, 100},
		{"100 where MQTT 5 would take more", packet.V5, []connectOption{prop(packet.ReceiveMaximum, 5000)}, 100},
		{"the receive maximum of MQTT 5", packet.V5, []connectOption{prop(packet.ReceiveMaximum, 3)}, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			play(t, func(w *world) {
				asked := operations(w)
				c := w.dial(row.v).hello("c", row.opts...).expect("CONNACK false 00*").sub(1, 1, "t", "r").expect("SUBACK #1 01 01")
				for i := range row.window + 2 {
					w.b.Publish(broker.Message{Topic: "t", Payload: fmt.Append(nil, i), QoS: 1}, nil)
				}
				for i := range row.window {
					c.expect(fmt.Sprintf("PUBLISH q1 r0 d0 #%d t %d", i+1, i))
				}
				c.silent().pub(0, "op/x", "")
				asked().Reply("r", nil) // a reply at QoS 1 keeps to the window as well
				c.pub(0, "t", "QoS 0 does not wait").expect("PUBLISH q0 r0 d0 #0 t QoS 0 does not wait")
				c.silent().ack(1).expect(fmt.Sprintf("PUBLISH q1 r0 d0 #%d t %d", row.window+1, row.window)).silent()
				c.ack(2).expect(fmt.Sprintf("PUBLISH q1 r0 d0 #%d t %d", row.window+2, row.window+1)).silent()
				c.ack(3).expect(fmt.Sprintf("PUBLISH q1 r0 d0 #%d r", row.window+3)).silent()
			})
		})
	}
}

func TestPropertiesOfAMessageTravelToMQTT5Only(t *testing.T) {
	play(t, func(w *world) {
		c3, c5 := w.join("c3").sub(1, 0, "t").expect("SUBACK #1 00"), w.join5("c5").sub(1, 0, "t").expect("SUBACK #1 00")
		w.join5("p").pub(0, "t", "x",
			packet.Property{ID: packet.PayloadFormat, Num: 1}, packet.Property{ID: packet.ContentType, Str: "ct"},
			packet.Property{ID: packet.ResponseTopic, Str: "rt"}, packet.Property{ID: packet.CorrelationData, Str: "cd"},
			packet.Property{ID: packet.UserProperty, Str: "k", Val: "1"}, packet.Property{ID: packet.UserProperty, Str: "k", Val: "2"},
			packet.Property{ID: packet.MessageExpiry, Num: 60})
		c3.expect("PUBLISH q0 r0 d0 #0 t x")
		c5.expect("PUBLISH q0 r0 d0 #0 t x 02=60 01=1 03=ct 08=rt 09=cd 26=k:1 26=k:2")
		c3.pub(0, "t", "plain").expect("PUBLISH q0 r0 d0 #0 t plain")
		c5.expect("PUBLISH q0 r0 d0 #0 t plain")
	})
}

func TestMessagesExpireByDomainTimeAndAreClipped(t *testing.T) { // device-plane.md 6.2
	play(t, func(w *world) {
		w.join5("c", keepFor(1e6)).sub(1, 1, "t").expect("SUBACK #1 01").bye().expect("CLOSED")
		p := w.join5("p", func(p *packet.Connect) { p.KeepAlive = 0 })
		for i, n := range []uint32{0, 5, 100, 4_000_000_000} {
			p.pub(uint16(i+1), "t", fmt.Sprint(n), packet.Property{ID: packet.MessageExpiry, Num: n}).expect(fmt.Sprintf("PUBACK #%d 00", i+1))
		}
		time.Sleep(50 * time.Second)
		c := w.dial(packet.V5).hello("c", keepFor(1e6)).expect("CONNACK true 00*")
		c.expect("PUBLISH q1 r0 d0 #1 t 100 02=50", "PUBLISH q1 r0 d0 #2 t 4000000000 02=604750").silent()
	})
}

func TestAClientWithAMaximumPacketSizeNeverGetsMore(t *testing.T) {
	play(t, func(w *world) {
		c := w.join5("c", prop(packet.MaximumPacketSize, 100)).sub(1, 1, "t").expect("SUBACK #1 01")
		w.b.Publish(broker.Message{Topic: "t", Payload: make([]byte, 100), QoS: 1}, nil)
		w.b.Publish(broker.Message{Topic: "t", Payload: make([]byte, 100)}, nil)
		w.b.Publish(broker.Message{Topic: "t", Payload: []byte("fits"), QoS: 1}, nil)
		c.expect("PUBLISH q1 r0 d0 #1 t fits").silent()
	})
}

func TestNoLocalKeepsAClientsOwnMessagesFromIt(t *testing.T) {
	play(t, func(w *world) {
		c := w.join5("c").sub(1, 4, "t").expect("SUBACK #1 00").pub(0, "t", "own").silent()
		w.join("p").pub(0, "t", "other")
		c.expect("PUBLISH q0 r0 d0 #0 t other").silent()
	})
}

func TestTopicAliases(t *testing.T) { // device-plane.md 6.2
	alias := func(n uint32) packet.Property { return packet.Property{ID: packet.TopicAlias, Num: n} }
	play(t, func(w *world) {
		l := w.join("l").sub(1, 0, "#").expect("SUBACK #1 00")
		c := w.join5("c").pub(0, "a", "1", alias(8)).pub(0, "", "2", alias(8)).pub(0, "b", "3", alias(8)).pub(0, "", "4", alias(8))
		l.expect("PUBLISH q0 r0 d0 #0 a 1", "PUBLISH q0 r0 d0 #0 a 2", "PUBLISH q0 r0 d0 #0 b 3", "PUBLISH q0 r0 d0 #0 b 4")
		c.pub(0, "", "5", alias(1)).expect("DISCONNECT 82", "CLOSED")
		w.join5("d").pub(0, "a", "", alias(9)).expect("DISCONNECT 94", "CLOSED")
		w.join5("e").pub(0, "a", "", alias(0)).expect("DISCONNECT 94", "CLOSED")
		w.join5("f").pub(0, "", "").expect("DISCONNECT 90", "CLOSED")
	})
}

// What could not be judged waits, in its order, and is on disk until it is
// delivered or refused.
func TestAMessageWhoseReceptionIsNotKnownWaits(t *testing.T) {
	for name, row := range map[string]struct {
		then broker.Reception
		want []string
	}{
		"and is delivered":    {broker.Received, []string{"PUBLISH q1 r0 d0 #1 t one", "PUBLISH q1 r0 d0 #2 t two"}},
		"and is not received": {broker.NotReceived, nil},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(w *world) {
				var answer atomic.Int32
				answer.Store(int32(broker.ReceivedLater))
				w.hooks.receive = func(*broker.Conn, string) broker.Reception { return broker.Reception(answer.Load()) }
				c := w.join("c", keep).sub(1, 1, "t").expect("SUBACK #1 01")
				for _, text := range []string{"one", "two"} {
					w.b.Publish(broker.Message{Topic: "t", Payload: []byte(text), QoS: 1}, nil)
				}
				time.Sleep(time.Minute)
				c.silent()
				if s := w.store.Session("c"); s == nil || len(s.Queue) != 2 {
					t.Fatalf("stored: %+v, want both", s)
				}
				answer.Store(int32(row.then))
				time.Sleep(time.Minute)
				c.expect(row.want...).silent()
				if row.want == nil {
					if s := w.store.Session("c"); len(s.Queue) != 0 {
						t.Errorf("still stored: %+v", s.Queue)
					}
				}
			})
		})
	}
}

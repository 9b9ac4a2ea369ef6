package broker_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/broker"
	"github.com/drover-iot/drover/internal/broker/packet"
)

// The rows of device-plane.md 6.3, each in both versions of the protocol where
// it exists in both.

func versions(t *testing.T, f func(w *world, v byte)) {
	for _, v := range []byte{packet.V311, packet.V5} {
		t.Run(fmt.Sprintf("level %d", v), func(t *testing.T) { play(t, func(w *world) { f(w, v) }) })
	}
}

// lasting asks for a session that outlives its connection.
func lasting(v byte) connectOption {
	if v == packet.V5 {
		return keepFor(3600)
	}
	return keep
}

func TestOfTwoConnectionsWithOneClientIDTheNewcomerWins(t *testing.T) {
	versions(t, func(w *world, v byte) {
		old := w.dial(v).hello("c").expect("CONNACK false 00*")
		w.event("c connected, session present false")
		new := w.dial(v).hello("c").expect("CONNACK false 00*")
		if v == packet.V5 {
			old.expect("DISCONNECT 8E")
		}
		old.expect("CLOSED")
		new.sub(1, 0, "t").expect("SUBACK #1 00").pub(0, "t", "x").expect("PUBLISH q0 r0 d0 #0 t x")
	})
}

func TestAResumedSessionHasItsSubscriptionsAndItsStoredMessagesInOrder(t *testing.T) {
	versions(t, func(w *world, v byte) {
		c := w.dial(v).hello("c", lasting(v)).expect("CONNACK false 00*")
		c.sub(1, 1, "t/+").expect("SUBACK #1 01").bye().expect("CLOSED")
		p := w.dial(packet.V311).hello("p").expect("CONNACK false 00")
		for i := range 5 {
			p.pub(uint16(i+1), "t/x", fmt.Sprint(i)).expect(fmt.Sprintf("PUBACK #%d 00", i+1))
		}
		p.pub(0, "t/x", "QoS 0 is not kept").silent()
		c = w.dial(v).hello("c", lasting(v)).expect("CONNACK true 00*")
		for i := range 5 {
			c.expect(fmt.Sprintf("PUBLISH q1 r0 d0 #%d t/x %d", i+1, i))
		}
		c.silent().pub(0, "t/y", "live").expect("PUBLISH q0 r0 d0 #0 t/y live")
	})
}

func TestWhatWasNotAcknowledgedIsSentAgainInOrderAndNeverMarkedDup(t *testing.T) {
	versions(t, func(w *world, v byte) {
		c := w.dial(v).hello("c", lasting(v)).expect("CONNACK false 00*").sub(1, 1, "t").expect("SUBACK #1 01")
		for i := range 3 {
			w.b.Publish(broker.Message{Topic: "t", Payload: fmt.Append(nil, i), QoS: 1}, nil)
		}
		c.expect("PUBLISH q1 r0 d0 #1 t 0", "PUBLISH q1 r0 d0 #2 t 1", "PUBLISH q1 r0 d0 #3 t 2")
		c.ack(2).silent().drop()
		w.b.Publish(broker.Message{Topic: "t", Payload: []byte("3"), QoS: 1}, nil)
		c = w.dial(v).hello("c", lasting(v)).expect("CONNACK true 00*")
		c.expect("PUBLISH q1 r0 d0 #1 t 0", "PUBLISH q1 r0 d0 #2 t 2", "PUBLISH q1 r0 d0 #3 t 3").silent()
	})
}

func TestACleanStartEndsTheStoredSession(t *testing.T) {
	versions(t, func(w *world, v byte) {
		w.dial(v).hello("c", lasting(v)).expect("CONNACK false 00*").sub(1, 1, "t").expect("SUBACK #1 01").bye().expect("CLOSED")
		if !w.b.HasPersistentAudience("t") {
			w.t.Fatal("the offline session is no audience")
		}
		c := w.dial(v).hello("c").expect("CONNACK false 00*")
		w.b.Publish(broker.Message{Topic: "t", QoS: 1}, nil)
		c.silent().bye().expect("CLOSED")
		w.dial(v).hello("c", lasting(v)).expect("CONNACK false 00*")
		if w.b.HasAudience("t") {
			w.t.Error("the ended session is still an audience")
		}
	})
}

func TestASessionWithoutExpiryEndsWithItsConnection(t *testing.T) {
	versions(t, func(w *world, v byte) {
		w.dial(v).hello("c").expect("CONNACK false 00*").sub(1, 1, "t").expect("SUBACK #1 01").drop()
		if w.b.HasAudience("t") || w.b.Stats().Sessions != 0 {
			w.t.Error("the session is still there")
		}
		w.dial(v).hello("c", keep).expect("CONNACK false 00*")
	})
}

func TestAStoredSessionExpiresCountedFromItsDisconnect(t *testing.T) {
	for _, row := range []struct {
		name   string
		v      byte
		opt    connectOption
		expiry time.Duration
	}{
		{"3.1.1 after an hour", packet.V311, keep, time.Hour},
		{"MQTT 5 after what it asked for", packet.V5, keepFor(90), 90 * time.Second},
		{"MQTT 5 after seven days at most", packet.V5, keepFor(0xFFFFFFFF), 7 * 24 * time.Hour},
	} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, late %t", row.name, late), func(t *testing.T) {
				play(t, func(w *world) {
					c := w.dial(row.v).hello("c", row.opt).expect("CONNACK false 00*").sub(1, 1, "t").expect("SUBACK #1 01")
					time.Sleep(20 * time.Minute) // connected time does not count
					c.bye().expect("CLOSED")
					wait, present := row.expiry-time.Second, "true"
					if late {
						wait, present = row.expiry+time.Second, "false"
					}
					time.Sleep(wait)
					if w.b.HasPersistentAudience("t") == late {
						w.t.Errorf("persistent audience: %t", !late)
					}
					w.dial(row.v).hello("c", row.opt).expect("CONNACK " + present + " 00*")
				})
			})
		}
	}
}

func TestAStringOfHashDoesNotMatchTheParentLevelNorLeadingWildcardsReservedTopics(t *testing.T) {
	for _, row := range []struct {
		filter, topic string
		want          bool
	}{
		{"a/#", "a", false},
		{"a/#", "a/", true},
		{"a/#", "a/b", true},
		{"a/#", "a/b/c", true},
		{"a/+", "a", false},
		{"a/+", "a/", true},
		{"a/+", "a/b/c", false},
		{"+", "a", true},
		{"+", "/a", false},
		{"+/+", "/a", true},
		{"#", "a/b", true},
		{"#", "$aws/things/t", false},
		{"+/things/t", "$aws/things/t", false},
		{"$aws/#", "$aws/things/t", true},
		{"$aws/things/+", "$aws/things/t", true},
		{"a/+/#", "a/b", false},
		{"a/+/#", "a/b/c", true},
		{"A", "a", false},
	} {
		t.Run(row.filter+" and "+row.topic, func(t *testing.T) {
			if got := broker.Match(row.filter, row.topic); got != row.want {
				t.Errorf("Match: %t", got)
			}
			play(t, func(w *world) {
				c := w.join("c").sub(1, 0, row.filter).expect("SUBACK #1 00").pub(0, row.topic, "x")
				if row.want {
					c.expect("PUBLISH q0 r0 d0 #0 " + row.topic + " x")
				}
				c.silent()
				if w.b.HasAudience(row.topic) != row.want {
					w.t.Error("HasAudience disagrees")
				}
			})
		})
	}
}

func TestRetainedMessagesGoToExactFiltersOnly(t *testing.T) {
	versions(t, func(w *world, v byte) {
		w.dial(v).hello("p").expect("CONNACK false 00*").retain(1, "a/b", "kept").expect("PUBACK #1 00").retain(0, "a/c", "kept too").silent()
		c := w.dial(v).hello("c").expect("CONNACK false 00*")
		c.sub(1, 1, "a/#", "a/+").expect("SUBACK #1 01 01").silent()
		c.sub(2, 1, "a/b").expect("SUBACK #2 01", "PUBLISH q1 r1 d0 #1 a/b kept").ack(1)
		c.sub(3, 0, "a/c").expect("SUBACK #3 00", "PUBLISH q0 r1 d0 #0 a/c kept too").silent()
	})
}

func TestARetainedPublishReachesSubscribersAsAnOrdinaryMessage(t *testing.T) {
	play(t, func(w *world) {
		c, r := w.join("c").sub(1, 0, "t").expect("SUBACK #1 00"), w.join5("r").sub(1, 8, "t").expect("SUBACK #1 00")
		w.join("p").retain(1, "t", "x").expect("PUBACK #1 00")
		c.expect("PUBLISH q0 r0 d0 #0 t x")
		r.expect("PUBLISH q0 r1 d0 #0 t x") // retain as published
	})
}

func TestAnEmptyRetainedPublishClearsAndIsItselfDelivered(t *testing.T) {
	versions(t, func(w *world, v byte) {
		c := w.dial(v).hello("c").expect("CONNACK false 00*").sub(1, 0, "t").expect("SUBACK #1 00")
		p := w.dial(v).hello("p").expect("CONNACK false 00*").retain(1, "t", "x").expect("PUBACK #1 00")
		c.expect("PUBLISH q0 r0 d0 #0 t x")
		p.retain(2, "t", "").expect("PUBACK #2 00")
		c.expect("PUBLISH q0 r0 d0 #0 t")
		c.sub(2, 0, "t").expect("SUBACK #2 00").silent()
		if n := w.b.Stats().Retained; n != 0 {
			w.t.Errorf("%d retained messages are left", n)
		}
	})
}

func TestRetainHandlingSaysWhenRetainedMessagesAreSent(t *testing.T) {
	play(t, func(w *world) {
		c := w.join5("c").retain(1, "t", "x").expect("PUBACK #1 00")
		const ifNew, never = 1 << 4, 2 << 4
		c.sub(1, never, "t").expect("SUBACK #1 00").silent()
		c.sub(2, ifNew, "t").expect("SUBACK #2 00").silent()
		c.sub(3, 0, "t").expect("SUBACK #3 00", "PUBLISH q0 r1 d0 #0 t x")
		c.unsub(4, "t").expect("UNSUBACK #4 00").sub(5, ifNew, "t").expect("SUBACK #5 00", "PUBLISH q0 r1 d0 #0 t x").silent()
	})
}

func TestTheWillIsPublishedUnlessTheClientTookItBack(t *testing.T) {
	w1 := packet.Will{Topic: "gone/c", Payload: []byte("bye"), QoS: 1}
	for _, row := range []struct {
		name string
		end  func(w *world, c *client)
		want bool
	}{
		{"a lost connection", func(_ *world, c *client) { c.drop() }, true},
		{"DISCONNECT", func(_ *world, c *client) { c.bye() }, false},
		{"a takeover", func(w *world, c *client) { w.dial(c.version).hello("c") }, true},
		{"a malformed packet", func(_ *world, c *client) { c.send([]byte{0xF7, 0}) }, true},
		{"silence beyond the keep-alive", func(*world, *client) { time.Sleep(31 * time.Minute) }, true},
		{"the server's decision", func(w *world, _ *client) { w.b.Disconnect("c", 0x98) }, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			versions(t, func(w *world, v byte) {
				l := w.join("listener").sub(1, 1, "gone/#").expect("SUBACK #1 01")
				go func() { // stays alive whatever the clock does
					for range 3 {
						time.Sleep(15 * time.Minute)
						l.send(packet.AppendPingreq(nil))
					}
				}()
				c := w.dial(v).hello("c", will(w1)).expect("CONNACK false 00*")
				row.end(w, c)
				time.Sleep(time.Second)
				var got []string
				for range len(l.got) {
					if line := <-l.got; line != "PINGRESP" {
						got = append(got, line)
					}
				}
				if want := "PUBLISH q1 r0 d0 #1 gone/c bye"; row.want != (len(got) == 1 && got[0] == want) || !row.want && len(got) > 0 {
					w.t.Errorf("the listener got %q", got)
				}
				time.Sleep(time.Hour)
			})
		})
	}
}

func TestAWillMayBeRetainedAndMayBeSentWithDisconnect04(t *testing.T) {
	play(t, func(w *world) {
		w1 := packet.Will{Topic: "gone/c", Payload: []byte("bye"), Retain: true}
		w.join5("c", will(w1)).send(packet.AppendDisconnect(nil, packet.V5, &packet.Disconnect{Code: packet.DisconnectWithWill})).expect("CLOSED")
		w.event("c disconnected: CLIENT_INITIATED_DISCONNECT")
		w.join("l").sub(1, 0, "gone/c").expect("SUBACK #1 00", "PUBLISH q0 r1 d0 #0 gone/c bye")
	})
}

func TestADelayedWillIsNotSentToAClientThatComesBackInTime(t *testing.T) {
	for _, row := range []struct {
		name   string
		back   time.Duration
		opts   connectOption
		want   bool
		expiry uint32
	}{
		{"it resumes in time", 5 * time.Second, keepFor(60), false, 60},
		{"it comes too late", 15 * time.Second, keepFor(60), true, 60},
		{"it starts clean: the session ended, and with it the delay", 5 * time.Second, func(p *packet.Connect) {}, true, 60},
		{"the session expires before the delay is over", 5 * time.Second, keepFor(60), true, 2},
		{"there is no session to wait for", time.Second, keepFor(60), true, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			play(t, func(w *world) {
				l := w.join("l").sub(1, 0, "gone").expect("SUBACK #1 00")
				w1 := packet.Will{Topic: "gone", Props: packet.Properties{{ID: packet.WillDelay, Num: 10}}}
				w.join5("c", keepFor(row.expiry), will(w1)).drop()
				time.Sleep(row.back)
				w.dial(packet.V5).hello("c", row.opts)
				if row.want {
					l.expect("PUBLISH q0 r0 d0 #0 gone")
				}
				time.Sleep(time.Minute)
				l.silent()
			})
		})
	}
}

func TestUnsupportedFeaturesOfMQTT5AreRefusedByTheirCode(t *testing.T) {
	subID := packet.Properties{{ID: packet.SubscriptionID, Num: 1}}
	for _, row := range []struct {
		name string
		send []byte
		want string
	}{
		{"a subscription identifier in SUBSCRIBE", packet.AppendSubscribe(nil, packet.V5, &packet.Subscribe{ID: 1, Filters: []packet.Filter{{Filter: "t"}}, Props: subID}), "DISCONNECT A1"},
		{"a subscription identifier in PUBLISH", packet.AppendPublish(nil, packet.V5, "t", nil, 0, false, 0, subID), "DISCONNECT A1"},
		{"AUTH", []byte{0xF0, 2, 0x18, 0}, "DISCONNECT 82"},
		{"QoS 2 in PUBLISH", packet.AppendPublish(nil, packet.V5, "t", nil, 2, false, 7, nil), "DISCONNECT 9B"},
		{"QoS 2 in SUBSCRIBE", packet.AppendSubscribe(nil, packet.V5, &packet.Subscribe{ID: 1, Filters: []packet.Filter{{Filter: "t", Options: 2}}}), "DISCONNECT 9B"},
		{"PUBREC", []byte{0x50, 2, 0, 1}, "DISCONNECT 9B"},
		{"PUBREL", []byte{0x62, 2, 0, 1}, "DISCONNECT 9B"},
		{"a shared subscription", packet.AppendSubscribe(nil, packet.V5, &packet.Subscribe{ID: 1, Filters: []packet.Filter{{Filter: "$share/g/t"}}}), "DISCONNECT 8F"},
	} {
		t.Run(row.name, func(t *testing.T) {
			play(t, func(w *world) { w.join5("c").send(row.send).expect(row.want, "CLOSED") })
		})
	}
}

func TestTheConnackOfMQTT5HasTheServicesProperties(t *testing.T) {
	for _, row := range []struct {
		name string
		id   string
		opts []connectOption
		want []string
	}{
		{"the usual ones", "c", nil, []string{"11=0", "21=100", "24=1", "25=1", "27=139264", "22=8", "28=1", "29=0", "13=1200"}},
		{"a session expiry is returned", "c", []connectOption{keepFor(77)}, []string{"11=77"}},
		{"a session expiry is clipped to seven days", "c", []connectOption{keepFor(0xFFFFFFFF)}, []string{"11=604800"}},
		{"no client id: one is assigned", "", nil, []string{"12="}},
		{"a keep-alive of 1 becomes 30", "c", []connectOption{func(p *packet.Connect) { p.KeepAlive = 1 }}, []string{"13=30"}},
		{"a keep-alive of 0 becomes 1200", "c", []connectOption{func(p *packet.Connect) { p.KeepAlive = 0 }}, []string{"13=1200"}},
		{"a keep-alive of 65535 becomes 1200", "c", []connectOption{func(p *packet.Connect) { p.KeepAlive = 65535 }}, []string{"13=1200"}},
		{"a keep-alive of 100 stays", "c", []connectOption{func(p *packet.Connect) { p.KeepAlive = 100 }}, []string{"13=100"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			play(t, func(w *world) {
				c := w.dial(packet.V5).hello(row.id, row.opts...)
				c.expect() // waits
				time.Sleep(time.Millisecond)
				got := <-c.got
				for _, p := range row.want {
					if !strings.Contains(got+" ", " "+p) {
						w.t.Errorf("%s lacks %s", got, p)
					}
				}
			})
		})
	}
}

func TestSessionsSurviveARestartOfTheServer(t *testing.T) {
	for _, crash := range []bool{false, true} {
		t.Run(fmt.Sprintf("crash %t", crash), func(t *testing.T) {
			versions(t, func(w *world, v byte) {
				c := w.dial(v).hello("c", lasting(v)).expect("CONNACK false 00*").sub(1, 1, "t", "u/#").expect("SUBACK #1 01 01")
				w.b.Publish(broker.Message{Topic: "t", Payload: []byte("acknowledged"), QoS: 1}, "token 1")
				c.expect("PUBLISH q1 r0 d0 #1 t acknowledged").ack(1)
				w.b.Publish(broker.Message{Topic: "t", Payload: []byte("in flight"), QoS: 1}, "token 2")
				c.expect("PUBLISH q1 r0 d0 #2 t in flight")
				time.Sleep(time.Second) // lazy removal
				if !crash {
					c.drop()
				}
				p := w.dial(packet.V311).hello("p").expect("CONNACK false 00").retain(1, "r", "retained").expect("PUBACK #1 00")
				p.pub(2, "u/v", "2").expect("PUBACK #2 00").pub(3, "elsewhere", "3").expect("PUBACK #3 00")
				if crash {
					w.store.Hold()
					w.b.Publish(broker.Message{Topic: "t", Payload: []byte("never reached the disk"), QoS: 1}, "token 3")
					w.store.Lose()
					w.crash()
				} else {
					w.stop()
				}
				w.start()
				if got := fmt.Sprint(w.store.Tokens()); got != "[token 1 token 2]" {
					w.t.Errorf("tokens %s", got)
				}
				if !w.b.HasPersistentAudience("t") || !w.b.HasPersistentAudience("u/x") {
					w.t.Error("the loaded session is no audience")
				}
				c = w.dial(v).hello("c", lasting(v)).expect("CONNACK true 00*")
				c.expect("PUBLISH q1 r0 d0 #1 t in flight", "PUBLISH q1 r0 d0 #2 u/v 2").ack(1).ack(2).silent()
				c.sub(5, 0, "r").expect("SUBACK #5 00", "PUBLISH q0 r1 d0 #0 r retained").silent()
				time.Sleep(time.Second)
				if s := w.store.Session("c"); len(s.Queue) != 0 || len(s.Subscriptions) != 3 {
					w.t.Errorf("the store holds %+v", s)
				}
			})
		})
	}
}

// crash ends the broker without letting it write another word.
func (w *world) crash() {
	old := w.store
	w.store = old.Fork()
	w.cfg.Sessions = w.store
	old.Release()
	w.stop()
}

func TestWhatMustBeOnDiskIsAnsweredWhenItIs(t *testing.T) {
	versions(t, func(w *world, v byte) {
		p := w.dial(v).hello("p").expect("CONNACK false 00*")
		w.store.Hold()
		c := w.dial(v).hello("c", lasting(v)).silent()
		w.store.Release()
		c.expect("CONNACK false 00*")

		w.store.Hold()
		c.sub(1, 1, "t").silent()
		w.store.Release()
		c.expect("SUBACK #1 01")

		w.store.Hold()
		p.pub(1, "t", "a persistent session must hear it").silent()
		p.pub(2, "elsewhere", "nobody does, but answers keep their order").silent()
		w.store.Release()
		p.expect("PUBACK #1 00", "PUBACK #2 00")

		w.store.Hold()
		p.retain(3, "r", "x").silent()
		w.store.Release()
		p.expect("PUBACK #3 00")

		w.store.Hold()
		p.retain(5, "r", "").silent()
		q := w.dial(v).hello("q").expect("CONNACK false 00*")
		q.retain(1, "r", "").silent() // it is cleared already, and not yet on disk
		w.store.Release()
		p.expect("PUBACK #5 00")
		q.expect("PUBACK #1 00")

		w.store.Hold()
		p.pub(4, "elsewhere", "what nobody stores waits for nothing").expect("PUBACK #4 00")
		w.dial(v).hello("x").expect("CONNACK false 00*").sub(1, 1, "y").expect("SUBACK #1 01")
		c.expect("PUBLISH*").ack(1)
		c.unsub(9, "t").silent()
		w.store.Release()
		c.expect("UNSUBACK #9*")

		w.store.Hold()
		c.unsub(10, "what no filter was").expect("UNSUBACK #10*")
		clean := w.dial(v).hello("c").silent() // the end of a stored session
		w.store.Release()
		if v == packet.V5 {
			c.expect("DISCONNECT 8E")
		}
		c.expect("CLOSED")
		clean.expect("CONNACK false 00*")
		w.store.Hold()
		w.dial(v).hello("c").expect("CONNACK false 00*") // there is none any more
		w.store.Release()
	})
}

func TestAStoredSessionThatIsResumedToEndWithItsConnectionEndsOnDiskFirst(t *testing.T) {
	play(t, func(w *world) {
		w.join5("c", keepFor(90)).bye().expect("CLOSED")
		w.store.Hold()
		c := w.dial(packet.V5).hello("c", keep).silent()
		w.store.Release()
		c.expect("CONNACK true 00*")
		if s := w.store.Session("c"); s != nil {
			w.t.Errorf("the store holds %+v", s)
		}
	})
}

func TestAStoreThatFailsIsNeverAcknowledged(t *testing.T) {
	play(t, func(w *world) {
		w.join("c", keep).sub(1, 1, "t").expect("SUBACK #1 01")
		p, p5 := w.join("p"), w.join5("p5")
		w.store.Fail(errors.New("disk on fire"))
		p.pub(1, "t", "x").expect("CLOSED")
		p5.pub(1, "t", "x").expect("PUBACK #1 80").silent()
		w.dial(packet.V5).hello("new", keepFor(9)).expect("CONNACK false 80*", "CLOSED")
		w.dial(packet.V311).hello("new", keep).expect("CLOSED")
		w.store.Release()
	})
}

package mqtt

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net"
	"strings"

	"github.com/drover-iot/drover/internal/broker"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/wire/events"
)

// EventRow is the durable row of an event as a token of the broker: it goes in the
// transaction that gives the event to the persistent sessions.
type EventRow int64

// Events publishes what a commit has to tell on `$aws/events/…` (control-plane.md C):
// QoS 1, not retained. What nobody listens to is not rendered.
func (g *Gateway) Events(es []job.Message) {
	for i := range es {
		e := &es[i]
		var token any
		if e.Row != 0 {
			token = EventRow(e.Row)
		}
		if token == nil && !g.broker.HasAudience(e.Topic) {
			continue
		}
		payload := e.Payload
		if payload == nil {
			body, ok := e.Body.(events.Event)
			if !ok {
				g.Log.Error("an event cannot be rendered", "topic", e.Topic)
				continue
			}
			payload = events.Append(nil, body)
		}
		g.broker.Publish(broker.Message{Topic: e.Topic, Payload: payload, QoS: 1}, token)
	}
}

// NeedsEventRow says whether a persistent session listens to the topic of an event,
// so that it must survive a crash.
func (g *Gateway) NeedsEventRow(topic string) bool { return g.broker.HasPersistentAudience(topic) }

// Subscribed tells that a client has filters now.
func (g *Gateway) Subscribed(c *broker.Conn, filters []string) { g.subscriptions(c, true, filters) }

// Unsubscribed tells that a client has given filters up.
func (g *Gateway) Unsubscribed(c *broker.Conn, filters []string) { g.subscriptions(c, false, filters) }

func (g *Gateway) subscriptions(c *broker.Conn, subscribed bool, filters []string) {
	if topic := events.SubscriptionsTopic(subscribed, c.ClientID()); g.lifecycle(c, topic) {
		g.publish(events.NewSubscriptions(g.client(c), subscribed, filters, g.Now()))
	}
}

// present tells that a client has connected.
func (g *Gateway) present(c *broker.Conn) {
	if g.lifecycle(c, events.PresenceTopic(true, c.ClientID())) {
		g.publish(events.NewConnected(g.client(c), address(c), c.Serial(), g.Now()))
	}
}

// Disconnected forgets the connection, and tells that the client is gone.
func (g *Gateway) Disconnected(c *broker.Conn, reason broker.DisconnectReason) {
	g.here.remove(principal(c), c)
	if g.lifecycle(c, events.PresenceTopic(false, c.ClientID())) {
		g.publish(events.NewDisconnected(g.client(c), reason.String(), c.Serial(), g.Now()))
	}
}

// lifecycle says whether a lifecycle event of a client is told: those of ids that
// would be wildcards in a topic are not.
func (g *Gateway) lifecycle(c *broker.Conn, topic string) bool {
	return !strings.ContainsAny(c.ClientID(), "#+") && g.broker.HasAudience(topic)
}

func (g *Gateway) publish(e events.Event) {
	g.broker.Publish(broker.Message{Topic: e.Topic(), Payload: events.Append(nil, e), QoS: 1}, nil)
}

func (g *Gateway) client(c *broker.Conn) events.Client {
	return events.Client{ClientID: c.ClientID(), Session: sessionID(c.Serial()), Principal: principal(c).ID}
}

// salt makes the session identifiers of this process its own.
var salt = func() (b [16]byte) { _, _ = rand.Read(b[:]); return b }()

// sessionID is the sessionIdentifier of a connection: 32 hexadecimal digits.
func sessionID(serial int64) string {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(salt[:], uint64(serial)))
	return hex.EncodeToString(sum[:16])
}

// address is the client's IP address; empty: it did not come over IP.
func address(c *broker.Conn) string {
	host, _, err := net.SplitHostPort(c.RemoteAddr().String())
	if err != nil {
		return ""
	}
	return host
}

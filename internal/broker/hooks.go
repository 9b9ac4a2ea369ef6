package broker

import (
	"fmt"
	"time"

	"github.com/drover-iot/drover/internal/broker/packet"
)

// Message is what is published. A Message that was handed to the broker is
// never changed again by either side.
type Message struct {
	Topic   string
	Payload []byte
	QoS     byte // 0 or 1
	Retain  bool
	Props   *Props    // MQTT 5 only; nil when there are none
	Expires time.Time // domain time after which nobody hears it; zero is never
}

// Props are the MQTT 5 properties that travel with a message.
type Props struct {
	HasFormat       bool // PayloadFormat was given
	PayloadFormat   byte // 1: the payload is UTF-8
	ContentType     string
	ResponseTopic   string
	CorrelationData string // binary
	HasCorrelation  bool
	User            []UserProperty
}

// UserProperty is one of a message's user properties; names may repeat.
type UserProperty struct{ Name, Value string }

// Reason is an MQTT 5 reason code. As an error it may be returned by
// Hooks.Connect to choose the code of the CONNACK.
type Reason byte

func (r Reason) Error() string { return fmt.Sprintf("refused with reason code 0x%02X", byte(r)) }

// Verdict is a hook's answer.
type Verdict byte

// The verdicts. Subscribe knows Forward and the refusals only.
const (
	// Forward lets it pass: a message is fanned out, a filter granted.
	Forward Verdict = iota
	// Consumed takes the message as a request: it is not fanned out, and is
	// acknowledged with the reply of the Pending that the hook began (at once,
	// if it began none).
	Consumed
	// Drop acknowledges the message, and nobody hears it.
	Drop
	// Refuse is for what the client may not do (device-plane.md 6.5): a 3.1.1
	// connection is closed; on MQTT 5 the answer is PUBACK or SUBACK 0x87, for
	// a QoS 0 PUBLISH DISCONNECT 0x87.
	Refuse
	// RefuseInvalid is Refuse for a name that cannot be meant: PUBACK 0x90,
	// SUBACK 0x8F.
	RefuseInvalid
	// RefuseQuota refuses without closing a 3.1.1 connection where there is a
	// way to say so (SUBACK 0x80); on MQTT 5 the code is 0x97.
	RefuseQuota
)

// refusals are the MQTT 5 reason codes of the verdicts.
var refusals = [...]struct{ publish, subscribe packet.Code }{
	Refuse:        {packet.NotAuthorized, packet.NotAuthorized},
	RefuseInvalid: {packet.TopicInvalid, packet.FilterInvalid},
	RefuseQuota:   {packet.QuotaExceeded, packet.QuotaExceeded},
}

// ConnectInfo is what a client said in its CONNECT.
type ConnectInfo struct {
	ClientID    string // assigned by the broker if the client sent none
	Version     byte   // 4 is MQTT 3.1.1, 5 is MQTT 5
	Clean       bool
	KeepAlive   time.Duration // as it is in force, after clamping
	HasUsername bool
	Username    string
	Password    []byte
	Will        *Message // asked about again when it is published
	WillDelay   time.Duration
	User        []UserProperty
}

// Hooks are the decisions that the broker leaves to its owner. All but Receive
// and Will
// are called on the connection's own goroutine; none may block for long.
type Hooks interface {
	// Connect decides on a CONNECT, before the CONNACK. A refused 3.1.1 client
	// is closed without a CONNACK, a MQTT 5 client gets CONNACK 0x87, or the
	// code that the error (a Reason) names.
	Connect(c *Conn, p *ConnectInfo) error
	// Publish is asked for every PUBLISH, before fan-out. m and its payload are
	// valid during the call only; the hook copies what it keeps.
	Publish(c *Conn, m *Message) Verdict
	// Subscribe is asked for every filter of a SUBSCRIBE.
	Subscribe(c *Conn, filter string, qos byte) Verdict
	// Subscribed and Unsubscribed follow the SUBACK and the UNSUBACK with the
	// filters that the session has now, and those that it had; never with none.
	// When a SUBACK waits for the disk they come from the goroutine that tells so.
	Subscribed(c *Conn, filters []string)
	Unsubscribed(c *Conn, filters []string)
	// Receive is asked at each delivery of an ordinary message, from whatever
	// goroutine delivers it and with locks held: it must answer from memory and
	// must not call the broker. A message that may not be received is dropped
	// for this session. Where memory does not tell, one of QoS 1 waits, and is
	// asked about again.
	Receive(c *Conn, topic string) Reception
	// Will is asked whether what a connection has left behind may be published
	// now; it may have ended long ago, and its permission too. facts are those of
	// the connection. It is called from any goroutine, without locks.
	Will(facts any, m *Message) bool
	// Connected follows the CONNACK; Disconnected is the last call for every c
	// whose Connect said yes, even if it was taken over before it was greeted.
	// After a takeover Connected of the new connection may come before
	// Disconnected of the old one.
	Connected(c *Conn, sessionPresent bool)
	Disconnected(c *Conn, reason DisconnectReason)
}

// DisconnectReason says why a connection ended, in the words of AWS IoT's
// lifecycle events.
type DisconnectReason byte

// Why connections end.
const (
	ConnectionLost DisconnectReason = iota
	ClientInitiated
	ClientError
	DuplicateClientID
	ForbiddenAccess
	KeepAliveTimeout
	ServerError
	ServerInitiated
	Throttled
)

func (r DisconnectReason) String() string {
	return [...]string{
		"CONNECTION_LOST", "CLIENT_INITIATED_DISCONNECT", "CLIENT_ERROR", "DUPLICATE_CLIENTID",
		"FORBIDDEN_ACCESS", "MQTT_KEEP_ALIVE_TIMEOUT", "SERVER_ERROR", "SERVER_INITIATED_DISCONNECT",
		"THROTTLED",
	}[r]
}

// Reception is the answer of Hooks.Receive.
type Reception byte

// The answers.
const (
	NotReceived Reception = iota // may not be received
	Received
	ReceivedLater // not known now
)

// AllowAll is the Hooks that says yes to everything; embed it to answer only
// some of the questions.
type AllowAll struct{}

// Connect accepts.
func (AllowAll) Connect(*Conn, *ConnectInfo) error { return nil }

// Publish forwards.
func (AllowAll) Publish(*Conn, *Message) Verdict { return Forward }

// Subscribe grants.
func (AllowAll) Subscribe(*Conn, string, byte) Verdict { return Forward }

// Subscribed does nothing.
func (AllowAll) Subscribed(*Conn, []string) {}

// Unsubscribed does nothing.
func (AllowAll) Unsubscribed(*Conn, []string) {}

// Receive permits.
func (AllowAll) Receive(*Conn, string) Reception { return Received }

// Will permits.
func (AllowAll) Will(any, *Message) bool { return true }

// Connected does nothing.
func (AllowAll) Connected(*Conn, bool) {}

// Disconnected does nothing.
func (AllowAll) Disconnected(*Conn, DisconnectReason) {}

var _ Hooks = AllowAll{}

package broker

import (
	"context"
	"time"

	"github.com/drover-iot/drover/internal/broker/packet"
)

// Options are a subscription's options: the QoS in the low two bits, the flags
// of MQTT 5 above (v5 3.8.3.1). A store keeps the byte as it is.
type Options = packet.Options

// SessionStore keeps what must survive a restart: persistent sessions with
// their subscriptions and unacknowledged QoS 1 messages, and retained messages.
// brokertest.Run is its contract as a test.
type SessionStore interface {
	// Load yields everything that is stored, before the broker serves anyone.
	// An error of yield or retained ends it and is returned.
	Load(ctx context.Context, yield func(StoredSession) error, retained func(Message) error) error
	// Apply makes a group of changes durable: atomically, and in the order of
	// the calls. It takes the slice over, only enqueues (it never waits for the
	// disk), and must not call done before it returns: the broker holds locks.
	// done may be nil; it is called once, after the sync. Groups may be
	// committed together. Removing what is not there is no error, and neither
	// is a SubscriptionPut or QueueAppend for a client id without a session:
	// it is ignored. Times may be kept in whole milliseconds.
	Apply(changes []Change, done func(error))
}

// ChangeKind says which fields of a Change count.
type ChangeKind byte

// The kinds of Change.
const (
	// SessionPut creates or updates a session: ClientID, Expiry, DisconnectedAt.
	SessionPut ChangeKind = iota + 1
	// SessionDelete removes a session with its subscriptions and queue: ClientID.
	SessionDelete
	// SubscriptionPut adds or replaces: ClientID, Filter, Options.
	SubscriptionPut
	// SubscriptionDelete removes: ClientID, Filter.
	SubscriptionDelete
	// QueueAppend adds a message to a session's queue: ClientID, Seq, Message.
	// Seq is unique over all sessions and restarts.
	QueueAppend
	// QueueRemove removes acknowledged messages: ClientID, Seqs.
	QueueRemove
	// RetainedPut sets a topic's retained message: Message.
	RetainedPut
	// RetainedDelete clears it: Message.Topic.
	RetainedDelete
	// Token consumes the token that was given to Publish: Token.
	Token
)

// Change is one durable change.
type Change struct {
	Kind           ChangeKind
	ClientID       string
	Expiry         time.Duration // of the session, counted from DisconnectedAt
	DisconnectedAt time.Time     // domain time; zero while connected
	Filter         string
	Options        Options
	Seq            int64
	Seqs           []int64
	Message        *Message
	Token          any
}

// StoredSession is a session as Load yields it.
type StoredSession struct {
	ClientID       string
	Expiry         time.Duration
	DisconnectedAt time.Time // zero: it was connected when the server went down
	Subscriptions  []Subscription
	Queue          []QueuedMessage // ascending by Seq
}

// Subscription is a filter with its options.
type Subscription struct {
	Filter  string
	Options Options
}

// QueuedMessage is a message that a session has not acknowledged yet.
type QueuedMessage struct {
	Seq     int64
	Message *Message
}

// Clock is domain time (design.md decision 6): sessions and messages expire by
// it. Keep-alive and the other deadlines of the transport are real time.
type Clock interface {
	Now() time.Time
	// AfterFunc returns what stops the call.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is a pending AfterFunc.
type Timer interface{ Stop() bool }

type realClock struct{}

func (realClock) Now() time.Time                            { return time.Now() }
func (realClock) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }

package events

import "time"

// Client is who a lifecycle event is of.
type Client struct {
	ClientID  string
	Session   string // 32 hexadecimal digits, of this connection alone
	Principal string // id of the certificate or access key; empty: it has none
}

// PresenceTopic is where it is told that a client has connected, or disconnected.
func PresenceTopic(connected bool, clientID string) string {
	if connected {
		return prefix + "presence/connected/" + clientID
	}
	return prefix + "presence/disconnected/" + clientID
}

// SubscriptionsTopic is where it is told that a client has subscribed, or unsubscribed.
func SubscriptionsTopic(subscribed bool, clientID string) string {
	if subscribed {
		return prefix + "subscriptions/subscribed/" + clientID
	}
	return prefix + "subscriptions/unsubscribed/" + clientID
}

// Connected is that a client has connected.
type Connected struct {
	ClientID            string `json:"clientId"`
	Timestamp           int64  `json:"timestamp"`
	EventType           string `json:"eventType"`
	SessionIdentifier   string `json:"sessionIdentifier"`
	PrincipalIdentifier string `json:"principalIdentifier,omitzero"`
	IPAddress           string `json:"ipAddress,omitzero"`
	VersionNumber       int64  `json:"versionNumber"`
}

// NewConnected is the event of a connection; version grows with every connection.
func NewConnected(c Client, ip string, version int64, at time.Time) *Connected {
	return &Connected{
		ClientID: c.ClientID, Timestamp: at.UnixMilli(), EventType: "connected", SessionIdentifier: c.Session,
		PrincipalIdentifier: c.Principal, IPAddress: ip, VersionNumber: version,
	}
}

// Topic is `$aws/events/presence/connected/{clientId}`.
func (e *Connected) Topic() string { return PresenceTopic(true, e.ClientID) }

// Disconnected is that a client is gone.
type Disconnected struct {
	ClientID                  string `json:"clientId"`
	Timestamp                 int64  `json:"timestamp"`
	EventType                 string `json:"eventType"`
	SessionIdentifier         string `json:"sessionIdentifier"`
	PrincipalIdentifier       string `json:"principalIdentifier,omitzero"`
	ClientInitiatedDisconnect bool   `json:"clientInitiatedDisconnect"`
	DisconnectReason          string `json:"disconnectReason"`
	VersionNumber             int64  `json:"versionNumber"`
}

// clientInitiated is the reason of a client that has said DISCONNECT.
const clientInitiated = "CLIENT_INITIATED_DISCONNECT"

// NewDisconnected is the event of a connection that has ended for this reason; the
// version is that of its Connected.
func NewDisconnected(c Client, reason string, version int64, at time.Time) *Disconnected {
	return &Disconnected{
		ClientID: c.ClientID, Timestamp: at.UnixMilli(), EventType: "disconnected", SessionIdentifier: c.Session,
		PrincipalIdentifier: c.Principal, ClientInitiatedDisconnect: reason == clientInitiated, DisconnectReason: reason, VersionNumber: version,
	}
}

// Topic is `$aws/events/presence/disconnected/{clientId}`.
func (e *Disconnected) Topic() string { return PresenceTopic(false, e.ClientID) }

// Subscriptions is that a client has subscribed to filters, or unsubscribed.
type Subscriptions struct {
	ClientID            string   `json:"clientId"`
	Timestamp           int64    `json:"timestamp"`
	EventType           string   `json:"eventType"`
	SessionIdentifier   string   `json:"sessionIdentifier"`
	PrincipalIdentifier string   `json:"principalIdentifier,omitzero"`
	Topics              []string `json:"topics"`
}

// NewSubscriptions is the event of filters that were granted, or given up.
func NewSubscriptions(c Client, subscribed bool, filters []string, at time.Time) *Subscriptions {
	e := &Subscriptions{
		ClientID: c.ClientID, Timestamp: at.UnixMilli(), EventType: "subscribed", SessionIdentifier: c.Session,
		PrincipalIdentifier: c.Principal, Topics: filters,
	}
	if !subscribed {
		e.EventType = "unsubscribed"
	}
	return e
}

// Topic is `$aws/events/subscriptions/{subscribed or unsubscribed}/{clientId}`.
func (e *Subscriptions) Topic() string {
	return SubscriptionsTopic(e.EventType == "subscribed", e.ClientID)
}

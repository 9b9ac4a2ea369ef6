// Package broker is an MQTT 3.1.1 and 5 broker core in the shape of AWS IoT
// Core (device-plane.md 6): connections, sessions, subscriptions, QoS 0 and 1,
// retained messages, wills. It knows no Jobs: what a topic means, and who may
// do what, is asked of Hooks; what must survive a restart goes to a
// SessionStore that somebody else implements.
//
//	broker.go     Config, New, Serve, Attach, Close: the door
//	hooks.go      Message, Hooks, Verdict: what the owner of the broker decides
//	store.go      SessionStore, Change: what must be on disk, and when
//	conn.go       one connection: its goroutine, its end
//	read.go       reading without a buffer while idle; keep-alive
//	write.go      the outbound queue; writing without ever blocking a caller
//	flusher.go    writing for goroutines that have no time for it
//	connect.go    CONNECT and CONNACK
//	inbound.go    the other packets a client sends
//	pending.go    requests that are answered later, in arrival order
//	session.go    subscriptions, queue and packets in flight of one client id
//	registry.go   who is connected: takeover, resume, expiry
//	route.go      one message to every session that must hear it
//	index.go      filters: a hash map for exact ones, a trie for wildcards
//	topic.go      what a topic and a filter may look like, and when they match
//	retained.go   the last message of a topic
//
// A connection is one goroutine that never waits for another (design.md
// decision 14): delivering to it is an append to its bounded queue and a
// write that does not block.
//
// Locks, always taken in this order: Broker.mu, Broker.storeMu,
// retained.mu, session.mu, outbound.mu; the index's own locks are leaves.
package broker

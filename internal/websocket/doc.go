// Package websocket is the server's end of RFC 6455 as a net.Conn, for MQTT over
// WebSocket (device-plane.md 6.1): the stream that binary frames carry, and
// nothing of HTTP but the upgrade.
//
//	upgrade.go   from an HTTP request to a Conn
//	conn.go      a Conn: reading, writing, closing
//	frame.go     the frames of the peer, taken apart in place
//
// It is our own because the broker asks three things of a connection that the
// libraries do not give. A deadline that has passed wakes the reader and harms
// nothing (coder/websocket closes the connection then, gorilla/websocket never
// reads again). An idle connection holds no buffer: what arrives is unmasked in
// the buffer of whoever reads. And a message may span frames and share them, so
// no message is ever gathered: what a peer announces costs no memory.
//
// Extensions are not negotiated. Text frames are refused.
package websocket

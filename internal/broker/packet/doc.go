// Package packet is the codec of MQTT 3.1.1 and 5 control packets: bytes to
// values and back, for both ends of a connection. It does no I/O, knows no
// session, and allocates nothing on the way of an ordinary PUBLISH.
//
//	frame.go       fixed header, control packet types, reason codes, Error
//	cursor.go      the primitive fields: integers, strings, binary data
//	properties.go  MQTT 5 properties as one table of facts
//	connect.go     CONNECT, CONNACK, DISCONNECT
//	publish.go     PUBLISH and its acknowledgement
//	subscribe.go   SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK
//
// Clause numbers in errors and tests are those of the OASIS standards: "3.x"
// for MQTT 3.1.1 and MQTT 5 alike where they agree, "v5 3.x" where only the
// latter has them.
package packet

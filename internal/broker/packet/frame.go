package packet

import "fmt"

// Protocol levels (3.1.2.2).
const (
	V311 byte = 4
	V5   byte = 5
)

// Type is a control packet type (2.2.1).
type Type byte

// The control packet types.
const (
	CONNECT Type = iota + 1
	CONNACK
	PUBLISH
	PUBACK
	PUBREC
	PUBREL
	PUBCOMP
	SUBSCRIBE
	SUBACK
	UNSUBSCRIBE
	UNSUBACK
	PINGREQ
	PINGRESP
	DISCONNECT
	AUTH
)

var typeNames = [...]string{
	"reserved", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP",
	"SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH",
}

func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("type %d", byte(t))
}

// Code is an MQTT 5 reason code (v5 2.4); the ones named here are those AWS IoT
// Core uses (device-plane.md 6.4).
type Code byte

// Reason codes.
const (
	Success              Code = 0x00
	GrantedQoS1          Code = 0x01
	DisconnectWithWill   Code = 0x04
	Unspecified          Code = 0x80
	Malformed            Code = 0x81
	ProtocolError        Code = 0x82
	UnsupportedVersion   Code = 0x84
	InvalidClientID      Code = 0x85
	BadCredentials       Code = 0x86
	NotAuthorized        Code = 0x87
	ServerShuttingDown   Code = 0x8B
	KeepAliveTimeout     Code = 0x8D
	SessionTakenOver     Code = 0x8E
	FilterInvalid        Code = 0x8F
	TopicInvalid         Code = 0x90
	PacketIDInUse        Code = 0x91
	ReceiveMaxExceeded   Code = 0x93
	TopicAliasInvalid    Code = 0x94
	QuotaExceeded        Code = 0x97
	AdministrativeAction Code = 0x98
	QoSNotSupported      Code = 0x9B
	SubIDsNotSupported   Code = 0xA1
)

// CONNACK return codes of MQTT 3.1.1 (3.2.2.3) that the broker sends.
const (
	ReturnBadVersion  byte = 0x01
	ReturnBadClientID byte = 0x02
)

// Error says why bytes are not a packet the receiver may act on. Code is what a
// MQTT 5 peer is told; a 3.1.1 peer is only closed.
type Error struct {
	Code   Code
	Clause string // of the standard, or of device-plane.md
	Detail string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s (clause %s, reason 0x%02X)", e.Detail, e.Clause, byte(e.Code))
}

func malformed(clause, detail string) error { return &Error{Malformed, clause, detail} }
func violation(clause, detail string) error { return &Error{ProtocolError, clause, detail} }

// Header is the fixed header of a control packet (2.2).
type Header struct {
	Type   Type
	Flags  byte
	Length int // of what follows the fixed header
}

// MaxHeader is the longest fixed header: one byte and four of remaining length.
const MaxHeader = 5

// fixedFlags are the only legal flags of each type (2.2.2); PUBLISH has its own.
var fixedFlags = [16]byte{PUBREL: 2, SUBSCRIBE: 2, UNSUBSCRIBE: 2}

// ParseHeader reads the fixed header at the start of b and returns its length
// in bytes; 0 means that more bytes are needed. It refuses what no packet may
// begin with, so that a reader can give up before it takes the body in.
func ParseHeader(b []byte) (h Header, n int, err error) {
	if len(b) == 0 {
		return h, 0, nil
	}
	h.Type, h.Flags = Type(b[0]>>4), b[0]&0x0F
	switch {
	case h.Type == 0:
		return h, 0, malformed("2.2.1", "control packet type 0 is reserved")
	case h.Type == PUBLISH:
		if h.Flags&0x06 == 0x06 {
			return h, 0, malformed("3.3.1-4", "a PUBLISH with both QoS bits set")
		}
	case h.Flags != fixedFlags[h.Type]:
		return h, 0, malformed("2.2.2-2", h.Type.String()+" with reserved flag bits changed")
	}
	for i := 1; ; i++ {
		if i == len(b) {
			return h, 0, nil
		}
		h.Length |= int(b[i]&0x7F) << (7 * (i - 1))
		if b[i] < 0x80 {
			if i > 1 && b[i] == 0 {
				return h, 0, malformed("v5 1.5.5-1", "a remaining length in more bytes than it needs")
			}
			return h, i + 1, nil
		}
		if i == 4 {
			return h, 0, malformed("2.2.3", "a remaining length of more than four bytes")
		}
	}
}

// appendHeader writes a fixed header.
func appendHeader(dst []byte, t Type, flags byte, length int) []byte {
	return appendVarint(append(dst, byte(t)<<4|flags), uint32(length))
}

// AppendPingreq writes a PINGREQ (3.12).
func AppendPingreq(dst []byte) []byte { return append(dst, byte(PINGREQ)<<4, 0) }

// AppendPingresp writes a PINGRESP (3.13).
func AppendPingresp(dst []byte) []byte { return append(dst, byte(PINGRESP)<<4, 0) }

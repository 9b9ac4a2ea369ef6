package websocket

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// The opcodes of RFC 6455 section 5.2.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// The close codes of RFC 6455 section 7.4.1 that are sent here.
const (
	closeNormal      = 1000
	closeGoingAway   = 1001
	closeProtocol    = 1002
	closeUnsupported = 1003
	closeTooBig      = 1009
)

const (
	maxHeader  = 14 // two bytes, eight of length, four of mask
	maxControl = 125

	// maxFrame is the longest frame that is taken. Frames are not gathered, so it
	// bounds no memory; but what no MQTT client writes is no MQTT client.
	maxFrame = 1 << 20
)

// A failure is what the peer did wrong, and the code that it is told.
type failure struct {
	code   uint16
	detail string
}

func (f *failure) Error() string {
	return fmt.Sprintf("websocket: %s (close code %d)", f.detail, f.code)
}

// input takes the peer's stream apart. Whatever pieces the stream comes in, the
// state between them is here.
type input struct {
	early []byte // came with the request of the upgrade

	head [maxHeader]byte
	have int // bytes of head

	body     bool   // the payload of a frame is being read
	op       byte   // of the frame
	left     uint64 // bytes of its payload that are still to come
	mask     uint32 // little-endian, rotated to the next byte
	within   bool   // a message has begun and not ended
	control  []byte // what has come of a control frame's payload
	finished error  // nothing more will be read: io.EOF, or a failure
}

// take moves the message bytes in b to its front and returns how many they are.
// control is told of every whole control frame; its payload is valid during the
// call. An error ends the stream: what b holds behind it is not looked at.
func (in *input) take(b []byte, control func(op byte, payload []byte) error) (n int, err error) {
	rest := b
	for len(rest) > 0 {
		if !in.body {
			k, err := in.header(rest)
			if err != nil {
				return n, err
			}
			rest = rest[k:]
		} else {
			k := int(min(uint64(len(rest)), in.left))
			in.unmask(rest[:k])
			if in.op >= opClose {
				in.control = append(in.control, rest[:k]...)
			} else {
				n += copy(b[n:], rest[:k])
			}
			in.left -= uint64(k)
			rest = rest[k:]
		}
		if in.body && in.left == 0 {
			in.body = false
			if in.op >= opClose {
				err := control(in.op, in.control)
				in.control = in.control[:0]
				if err != nil {
					return n, err
				}
			}
		}
	}
	return n, nil
}

// header takes what is still missing of a frame's header, and begins its body
// when it is whole.
func (in *input) header(b []byte) (taken int, err error) {
	for {
		need := 2
		if in.have >= 2 {
			need = headerLen(in.head[1])
		}
		k := copy(in.head[in.have:need], b[taken:])
		in.have += k
		taken += k
		if in.have < need {
			return taken, nil
		}
		if need > 2 {
			in.have = 0
			return taken, in.begin(need)
		}
		if err := in.judge(in.head[0], in.head[1]); err != nil {
			return taken, err
		}
	}
}

func headerLen(second byte) int {
	switch second & 0x7f {
	case 126:
		return 2 + 2 + 4
	case 127:
		return 2 + 8 + 4
	}
	return 2 + 4
}

// judge refuses a frame by its first two bytes.
func (in *input) judge(first, second byte) error {
	final, op := first&0x80 != 0, first&0x0f
	switch {
	case first&0x70 != 0:
		return &failure{closeProtocol, "a frame with reserved bits: no extension was agreed on"}
	case second&0x80 == 0:
		return &failure{closeProtocol, "a frame that is not masked"}
	case op == opText:
		return &failure{closeUnsupported, "a text frame: MQTT is binary"}
	case op == opBinary && in.within:
		return &failure{closeProtocol, "a new message in the middle of another"}
	case op == opContinuation && !in.within:
		return &failure{closeProtocol, "a continuation of nothing"}
	case op >= opClose && (!final || second&0x7f > maxControl):
		return &failure{closeProtocol, "a control frame that is fragmented or longer than 125 bytes"}
	case op > opBinary && op < opClose || op > opPong:
		return &failure{closeProtocol, fmt.Sprintf("a frame of unknown opcode %#x", op)}
	}
	return nil
}

// begin starts the body of the frame whose header is whole.
func (in *input) begin(length int) error {
	in.op = in.head[0] & 0x0f
	switch in.head[1] & 0x7f {
	case 126:
		in.left = uint64(binary.BigEndian.Uint16(in.head[2:]))
	case 127:
		in.left = binary.BigEndian.Uint64(in.head[2:])
	default:
		in.left = uint64(in.head[1] & 0x7f)
	}
	if in.left > maxFrame {
		return &failure{closeTooBig, fmt.Sprintf("a frame of %d bytes, the longest may have %d", in.left, maxFrame)}
	}
	in.mask = binary.LittleEndian.Uint32(in.head[length-4:])
	in.body = true
	if in.op < opClose {
		in.within = in.head[0]&0x80 == 0
	}
	return nil
}

// unmask takes the mask off the next bytes of a payload.
func (in *input) unmask(b []byte) {
	wide := uint64(in.mask)<<32 | uint64(in.mask)
	n := len(b)
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^wide)
	}
	for i := range b {
		b[i] ^= byte(in.mask >> (8 * (i & 3)))
	}
	in.mask = bits.RotateLeft32(in.mask, -8*(n&3))
}

// closeCode reads the payload of a close frame. A peer that gives no code gets
// none back.
func closeCode(payload []byte) (code uint16, err error) {
	if len(payload) == 0 {
		return 0, nil
	}
	if len(payload) >= 2 {
		code = binary.BigEndian.Uint16(payload)
	}
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014, code >= 3000 && code <= 4999:
		return code, nil
	}
	return 0, &failure{closeProtocol, "a close frame with no code that may be sent"}
}

// appendFrame appends a frame of the server's: whole, not masked.
func appendFrame(b []byte, op byte, payload []byte) []byte {
	b = append(b, 0x80|op)
	switch n := len(payload); {
	case n <= maxControl:
		b = append(b, byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}

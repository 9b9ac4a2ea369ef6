package packet

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// b is bytes and strings in a row; a string stands for its bytes.
func b(parts ...any) (out []byte) {
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			out = append(out, byte(p))
		case string:
			out = append(out, p...)
		case []byte:
			out = append(out, p...)
		}
	}
	return out
}

// decode parses the body of any packet.
func decode(h Header, body []byte, v byte) (any, error) {
	switch h.Type {
	case CONNECT:
		return ParseConnect(body)
	case CONNACK:
		return ParseConnack(body, v)
	case PUBLISH:
		var p Publish
		err := ParsePublish(h, body, v, &p)
		return p, err
	case PUBACK:
		return ParsePuback(body, v)
	case SUBSCRIBE:
		return ParseSubscribe(body, v, 8)
	case SUBACK, UNSUBACK:
		return ParseSuback(h.Type, body, v)
	case UNSUBSCRIBE:
		return ParseUnsubscribe(body, v, 8)
	case DISCONNECT:
		return ParseDisconnect(body, v)
	}
	return nil, nil
}

// encode is the way back.
func encode(h Header, p any, v byte) []byte {
	switch p := p.(type) {
	case Connect:
		return AppendConnect(nil, &p)
	case Connack:
		return AppendConnack(nil, v, &p)
	case Publish:
		out := AppendPublish(nil, v, string(p.Topic), p.Payload, p.QoS, p.Retain, p.ID, p.Props)
		if p.Dup {
			out[0] |= 8
		}
		return out
	case Ack:
		if len(p.Props) > 0 {
			return nil // the broker never sends properties in a PUBACK
		}
		return AppendPuback(nil, v, p.ID, p.Code)
	case Subscribe:
		return AppendSubscribe(nil, v, &p)
	case Suback:
		if h.Type == SUBACK {
			return AppendSuback(nil, v, &p)
		}
		return AppendUnsuback(nil, v, &p)
	case Unsubscribe:
		return AppendUnsubscribe(nil, v, &p)
	case Disconnect:
		return AppendDisconnect(nil, v, &p)
	}
	return []byte{byte(h.Type)<<4 | h.Flags, 0}
}

var goodPackets = []struct {
	clause string
	v      byte
	wire   []byte
	want   any
}{
	{"3.1: the shortest CONNECT", V311, b(0x10, 12, 0, 4, "MQTT", 4, 2, 0, 0, 0, 0), Connect{Version: V311, Clean: true}},
	{
		"3.1: everything a 3.1.1 CONNECT can hold", V311,
		b(0x10, 31, 0, 4, "MQTT", 4, 0xEC, 1, 0x2C, 0, 1, "c", 0, 3, "a/b", 0, 2, 0, 0xFF, 0, 2, "us", 0, 1, 0x00, ""),
		Connect{
			Version: V311, KeepAlive: 300, ClientID: "c", Will: &Will{Topic: "a/b", Payload: []byte{0, 0xFF}, QoS: 1, Retain: true},
			HasUsername: true, Username: "us", HasPassword: true, Password: []byte{0},
		},
	},
	{
		"v5 3.1: properties of the session and of the will", V5,
		b(0x10, 41, 0, 4, "MQTT", 5, 0x06, 0, 60, 8, 0x11, 0, 0, 0, 10, 0x21, 0, 5, 0, 1, "c",
			12, 0x18, 0, 0, 0, 3, 0x26, 0, 1, "k", 0, 1, "v", 0, 1, "w", 0, 0),
		Connect{
			Version: V5, Clean: true, KeepAlive: 60, ClientID: "c", Props: Properties{{ID: SessionExpiry, Num: 10}, {ID: ReceiveMaximum, Num: 5}},
			Will: &Will{Topic: "w", Props: Properties{{ID: WillDelay, Num: 3}, {ID: UserProperty, Str: "k", Val: "v"}}},
		},
	},
	{"v5 3.1.2.9: a password without a user name", V5, b(0x10, 16, 0, 4, "MQTT", 5, 0x42, 0, 0, 0, 0, 0, 0, 1, "p"), Connect{Version: V5, Clean: true, HasPassword: true, Password: []byte("p")}},
	{"3.2: CONNACK with a session", V311, b(0x20, 2, 1, 0), Connack{SessionPresent: true}},
	{"v5 3.2: CONNACK with properties", V5, b(0x20, 10, 0, 0, 7, 0x24, 1, 0x13, 4, 0xB0, 0x29, 0), Connack{Props: Properties{{ID: MaximumQoS, Num: 1}, {ID: ServerKeepAlive, Num: 1200}, {ID: SubIDAvailable}}}},
	{"3.3: PUBLISH at QoS 0 with an empty payload", V311, b(0x30, 3, 0, 1, "t"), Publish{Topic: []byte("t"), Payload: []byte{}}},
	{"3.3: PUBLISH at QoS 1, retained, DUP", V311, b(0x3B, 7, 0, 1, "t", 0, 10, "hi"), Publish{QoS: 1, Retain: true, Dup: true, ID: 10, Topic: []byte("t"), Payload: []byte("hi")}},
	{"3.3: PUBLISH at QoS 2 is well-formed", V311, b(0x34, 5, 0, 1, "t", 0, 10), Publish{QoS: 2, ID: 10, Topic: []byte("t"), Payload: []byte{}}},
	{
		"v5 3.3: PUBLISH with the properties of a message", V5,
		b(0x30, 25, 0, 1, "t", 20, 0x01, 1, 0x02, 0, 0, 0, 9, 0x03, 0, 1, "c", 0x08, 0, 1, "r", 0x09, 0, 2, 0, 0xFF, "ab"),
		Publish{Topic: []byte("t"), Payload: []byte("ab"), Props: Properties{
			{ID: PayloadFormat, Num: 1}, {ID: MessageExpiry, Num: 9}, {ID: ContentType, Str: "c"}, {ID: ResponseTopic, Str: "r"}, {ID: CorrelationData, Str: "\x00\xFF"},
		}},
	},
	{"v5 3.3.2.3.4: a topic alias for an empty topic", V5, b(0x30, 6, 0, 0, 3, 0x23, 0, 2), Publish{Topic: []byte{}, Payload: []byte{}, Props: Properties{{ID: TopicAlias, Num: 2}}}},
	{"3.4: PUBACK", V311, b(0x40, 2, 0xFF, 0xFF), Ack{ID: 65535}},
	{"v5 3.4.2.1: PUBACK with a reason code", V5, b(0x40, 3, 0, 1, 0x87), Ack{ID: 1, Code: NotAuthorized}},
	{"3.8: SUBSCRIBE to two filters", V311, b(0x82, 11, 0, 1, 0, 1, "a", 0, 0, 2, "b/", 1), Subscribe{ID: 1, Filters: []Filter{{"a", 0}, {"b/", 1}}}},
	{"v5 3.8.3.1: SUBSCRIBE with all options", V5, b(0x82, 9, 0, 1, 2, 0x0B, 5, 0, 1, "a", 0x2D), Subscribe{ID: 1, Filters: []Filter{{"a", 0x2D}}, Props: Properties{{ID: SubscriptionID, Num: 5}}}},
	{"3.9: SUBACK", V311, b(0x90, 4, 0, 1, 1, 0x80), Suback{ID: 1, Codes: []Code{1, 0x80}}},
	{"v5 3.9: SUBACK", V5, b(0x90, 4, 0, 1, 0, 0x8F), Suback{ID: 1, Codes: []Code{0x8F}}},
	{"3.10: UNSUBSCRIBE", V311, b(0xA2, 5, 0, 2, 0, 1, "a"), Unsubscribe{ID: 2, Filters: []string{"a"}}},
	{"3.11: UNSUBACK", V311, b(0xB0, 2, 0, 2), Suback{ID: 2}},
	{"v5 3.11: UNSUBACK", V5, b(0xB0, 4, 0, 2, 0, 0), Suback{ID: 2, Codes: []Code{0}}},
	{"3.12: PINGREQ", V311, b(0xC0, 0), nil},
	{"3.13: PINGRESP", V311, b(0xD0, 0), nil},
	{"3.14: DISCONNECT", V311, b(0xE0, 0), Disconnect{}},
	{"v5 3.14: DISCONNECT with a reason", V5, b(0xE0, 1, 0x8E), Disconnect{Code: SessionTakenOver}},
	{"v5 3.14: DISCONNECT with a session expiry", V5, b(0xE0, 7, 4, 5, 0x11, 0, 0, 0, 1), Disconnect{Code: 4, Props: Properties{{ID: SessionExpiry, Num: 1}}}},
}

func TestWellFormedPacketsAreReadAndWrittenByteForByte(t *testing.T) {
	for _, row := range goodPackets {
		t.Run(row.clause, func(t *testing.T) {
			row.wire[1] = byte(len(row.wire) - 2) // the length is not what these rows are about
			h, n, err := ParseHeader(row.wire)
			if err != nil || n != 2 || n+h.Length != len(row.wire) {
				t.Fatalf("header %+v of %d bytes, %v", h, n, err)
			}
			got, err := decode(h, row.wire[n:], row.v)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(row.want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			if out := encode(h, got, row.v); !bytes.Equal(out, row.wire) {
				t.Errorf("written as % X\nwant       % X", out, row.wire)
			}
			for i := range row.wire[n:] { // every cut is an error, or another whole packet, never a panic
				decode(h, row.wire[n:n+i], row.v)
			}
		})
	}
}

func TestBadPacketsAreRefusedWithTheirCode(t *testing.T) {
	connect := func(level, flags int, rest ...any) []byte {
		body := b(0, 4, "MQTT", level, flags, 0, 0, b(rest...))
		return b(0x10, len(body), body)
	}
	for _, row := range []struct {
		clause string
		v      byte
		wire   []byte
		code   Code
	}{
		{"2.2.1: type 0", V5, b(0x00, 0), Malformed},
		{"2.2.2-2: PINGREQ with flags", V5, b(0xC1, 0), Malformed},
		{"2.2.2-2: SUBSCRIBE without its flags", V5, b(0x80, 0), Malformed},
		{"2.2.2-2: PUBREL without its flags", V5, b(0x60, 2, 0, 1), Malformed},
		{"2.2.3: a remaining length of five bytes", V5, b(0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01), Malformed},
		{"v5 1.5.5-1: a remaining length in more bytes than it needs", V5, b(0x30, 0x83, 0x00, 0, 1, "t"), Malformed},
		{"3.3.1-4: QoS 3", V5, b(0x36, 5, 0, 1, "t", 0, 1), Malformed},
		{"3.3.1-2: DUP at QoS 0", V5, b(0x38, 4, 0, 1, "t", 0), Malformed},
		{"2.3.1-1: packet id 0", V5, b(0x32, 6, 0, 1, "t", 0, 0, 0), Malformed},
		{"1.5.3-1: a topic that is not UTF-8", V5, b(0x30, 5, 0, 2, 0xC3, 0x28, 0), Malformed},
		{"1.5.3-1: an encoded surrogate", V5, b(0x30, 6, 0, 3, 0xED, 0xA0, 0x80, 0), Malformed},
		{"1.5.3-2: U+0000 in a topic", V5, b(0x30, 5, 0, 2, "a", 0, 0), Malformed},
		{"2.2.3: a topic longer than the packet", V5, b(0x30, 4, 0, 9, "a", 0), Malformed},
		{"v5 2.2.2: properties longer than the packet", V5, b(0x30, 4, 0, 1, "a", 9), Malformed},
		{"v5 2.2.2.2: a property cut short", V5, b(0x30, 6, 0, 1, "a", 2, 0x02, 0), Malformed},
		{"v5 2.2.2.2: a property of another packet", V5, b(0x30, 9, 0, 1, "a", 5, 0x11, 0, 0, 0, 1), Malformed},
		{"v5 2.2.2.2: a property that does not exist", V5, b(0x30, 6, 0, 1, "a", 2, 0x7F, 0), Malformed},
		{"v5 2.2.2.2: a property twice", V5, b(0x30, 8, 0, 1, "a", 4, 0x01, 0, 0x01, 0), ProtocolError},
		{"v5 3.3.2.3.2: payload format 2", V5, b(0x30, 6, 0, 1, "a", 2, 0x01, 2), ProtocolError},
		{"v5 3.8.2.1.2: subscription identifier 0", V5, b(0x82, 9, 0, 1, 2, 0x0B, 0, 0, 1, "a", 0), ProtocolError},
		{"3.1.2-1: another protocol name", V5, b(0x10, 12, 0, 4, "MQTX", 4, 2, 0, 0, 0, 0), Malformed},
		{"3.1.2-2: MQTT 3.1", V5, b(0x10, 14, 0, 6, "MQIsdp", 3, 2, 0, 0, 0, 0), UnsupportedVersion},
		{"3.1.2-2: level 6", V5, connect(6, 2, 0, 0), UnsupportedVersion},
		{"3.1.2-3: the reserved flag", V5, connect(4, 3, 0, 0), Malformed},
		{"3.1.2-11: will retain without a will", V5, connect(4, 0x22, 0, 0), Malformed},
		{"3.1.2-11: will QoS without a will", V5, connect(4, 0x0A, 0, 0), Malformed},
		{"3.1.2-14: will QoS 3", V5, connect(4, 0x1E, 0, 0, 0, 1, "w", 0, 0), Malformed},
		{"3.1.2-22: a password without a user name in 3.1.1", V5, connect(4, 0x42, 0, 0, 0, 0), Malformed},
		{"3.1.3: bytes behind the last field", V5, connect(4, 2, 0, 0, 1), Malformed},
		{"3.1.3: a will that is not there", V5, connect(4, 6, 0, 0), Malformed},
		{"v5 3.1.2.11.3: receive maximum 0", V5, connect(5, 2, 3, 0x21, 0, 0, 0, 0), ProtocolError},
		{"v5 3.1.2.11.4: maximum packet size 0", V5, connect(5, 2, 5, 0x27, 0, 0, 0, 0, 0, 0), ProtocolError},
		{"3.8.3-3: SUBSCRIBE without a filter", V311, b(0x82, 2, 0, 1), ProtocolError},
		{"3.8.3-4: SUBSCRIBE at QoS 3", V311, b(0x82, 6, 0, 1, 0, 1, "a", 3), Malformed},
		{"3.8.3-4: MQTT 5 options in 3.1.1", V311, b(0x82, 6, 0, 1, 0, 1, "a", 4), Malformed},
		{"v5 3.8.3-5: reserved bits of the options", V5, b(0x82, 7, 0, 1, 0, 0, 1, "a", 0x40), Malformed},
		{"v5 3.8.3.1: retain handling 3", V5, b(0x82, 7, 0, 1, 0, 0, 1, "a", 0x30), ProtocolError},
		{"device-plane.md 6.2: nine filters in a SUBSCRIBE", V311, b(0x82, 2+9*4, 0, 1, bytes.Repeat(b(0, 1, "a", 0), 9)), QuotaExceeded},
		{"3.10.3-2: UNSUBSCRIBE without a filter", V311, b(0xA2, 2, 0, 1), ProtocolError},
		{"3.4: PUBACK with bytes behind", V311, b(0x40, 3, 0, 1, 0), Malformed},
		{"3.4: PUBACK cut short", V311, b(0x40, 1, 0), Malformed},
		{"3.14: DISCONNECT with a body in 3.1.1", V311, b(0xE0, 1, 0), Malformed},
		{"v5 3.3.2.3.7: more user properties than anyone needs", V5, manyUserProperties(), QuotaExceeded},
	} {
		t.Run(row.clause, func(t *testing.T) {
			h, n, err := ParseHeader(row.wire)
			if err == nil {
				if n == 0 || n+h.Length != len(row.wire) {
					t.Fatalf("the row is wrong: header of %d bytes, body of %d, %d in all", n, h.Length, len(row.wire))
				}
				_, err = decode(h, row.wire[n:], row.v)
			}
			var pe *Error
			if !errors.As(err, &pe) || pe.Code != row.code {
				t.Errorf("got %v, want reason 0x%02X", err, byte(row.code))
			}
		})
	}
}

func manyUserProperties() []byte {
	var props Properties
	for range maxUserProperties + 1 {
		props = append(props, Property{ID: UserProperty})
	}
	return AppendPublish(nil, V5, "t", nil, 0, false, 0, props)
}

func TestAnIncompleteHeaderAsksForMore(t *testing.T) {
	for _, in := range [][]byte{nil, b(0x30), b(0x30, 0x80), b(0x30, 0xFF, 0xFF, 0xFF)} {
		if h, n, err := ParseHeader(in); n != 0 || err != nil {
			t.Errorf("% X: %+v, %d, %v", in, h, n, err)
		}
	}
	for _, length := range []int{0, 127, 128, 16383, 16384, 2097151, 2097152, 268435455} { // 2.2.3, table 2.4
		in := appendHeader(nil, PUBLISH, 0, length)
		if h, n, err := ParseHeader(in); h.Length != length || n != len(in) || err != nil || n != 1+varintLen(length) {
			t.Errorf("length %d: %+v, %d, %v", length, h, n, err)
		}
	}
}

func TestPublishSizeIsTheSizeOnTheWire(t *testing.T) {
	props := Properties{{ID: UserProperty, Str: "k", Val: strings.Repeat("v", 200)}, {ID: MessageExpiry, Num: 5}}
	for _, v := range []byte{V311, V5} {
		for _, qos := range []byte{0, 1} {
			for _, n := range []int{0, 100, 20_000} {
				wire := AppendPublish(nil, v, "a/b", make([]byte, n), qos, false, 1, props)
				if got := PublishSize(v, "a/b", make([]byte, n), qos, props); got != len(wire) {
					t.Errorf("level %d, QoS %d, %d bytes: %d, is %d", v, qos, n, got, len(wire))
				}
			}
		}
	}
}

// FuzzPacket: whatever the bytes, parsing ends; and what it accepts, it writes
// so that it reads the same.
func FuzzPacket(f *testing.F) {
	for _, row := range goodPackets {
		f.Add(row.wire, row.v == V5)
	}
	f.Fuzz(func(t *testing.T, in []byte, five bool) {
		v := V311
		if five {
			v = V5
		}
		h, n, err := ParseHeader(in)
		if err != nil || n == 0 || len(in) < n+h.Length {
			return
		}
		p, err := decode(h, in[n:n+h.Length], v)
		if err != nil {
			return
		}
		wire := encode(h, p, v)
		if wire == nil {
			return
		}
		h2, n2, err := ParseHeader(wire)
		if err != nil || n2+h2.Length != len(wire) {
			t.Fatalf("written as % X: %+v %v", wire, h2, err)
		}
		again, err := decode(h2, wire[n2:], v)
		if err != nil {
			t.Fatalf("written as % X: %v", wire, err)
		}
		if d := cmp.Diff(p, again); d != "" {
			t.Fatalf("read again (-first +second):\n%s", d)
		}
	})
}

func BenchmarkParsePublish(b *testing.B) {
	wire := AppendPublish(nil, V311, "$aws/things/thing-12345/jobs/fw-42/update", make([]byte, 300), 1, false, 7, nil)
	var p Publish
	b.ReportAllocs()
	for b.Loop() {
		h, n, _ := ParseHeader(wire)
		if err := ParsePublish(h, wire[n:], V311, &p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendPublish(b *testing.B) {
	payload, dst := make([]byte, 300), make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendPublish(dst[:0], V311, "$aws/things/thing-12345/jobs/fw-42/update/accepted", payload, 1, false, 7, nil)
	}
}

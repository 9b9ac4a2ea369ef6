package packet

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestWhatIsAppendedIsReadBack(t *testing.T) {
	var b []byte
	b = AppendConnect(b, Login{ClientID: "pump-7", KeepAlive: 60, Clean: true})
	b = AppendConnack(b, true, 0)
	b = AppendSubscribe(b, 1, 1, "a/+", "b/#")
	b = AppendSuback(b, 1, 1, 1)
	b = AppendPublish(b, "a/b", 1, 513, []byte(strings.Repeat("x", 300)))
	b = AppendPublish(b, "a/c", 0, 0, nil)
	b = AppendPuback(b, 513)
	b = AppendPingreq(b)
	b = AppendPingresp(b)
	b = AppendDisconnect(b)

	var got []Packet
	for len(b) > 0 {
		p, n, err := Next(b)
		if err != nil || n == 0 {
			t.Fatalf("Next after %d packets: n=%d err=%v", len(got), n, err)
		}
		got, b = append(got, p), b[n:]
	}
	want := []Type{Connect, Connack, Subscribe, Suback, Publish, Publish, Puback, Pingreq, Pingresp, Disconnect}
	if len(got) != len(want) {
		t.Fatalf("read %d packets, appended %d", len(got), len(want))
	}
	for i, p := range got {
		if p.Type != want[i] {
			t.Errorf("packet %d: type %d, want %d", i, p.Type, want[i])
		}
	}
	if !bytes.Equal(got[0].Body, []byte("\x00\x04MQTT\x04\x02\x00\x3c\x00\x06pump-7")) {
		t.Errorf("CONNECT: %q", got[0].Body)
	}
	if !bytes.Equal(got[2].Body, []byte("\x00\x01\x00\x03a/+\x01\x00\x03b/#\x01")) || got[2].Flags != 2 {
		t.Errorf("SUBSCRIBE: flags %d %q", got[2].Flags, got[2].Body)
	}
	if present, code, err := got[1].Connack(); !present || code != 0 || err != nil {
		t.Errorf("CONNACK: %v %v %v", present, code, err)
	}
	m, err := got[4].Message()
	if err != nil || string(m.Topic) != "a/b" || m.ID != 513 || m.QoS != 1 || len(m.Payload) != 300 {
		t.Errorf("PUBLISH: %+v %v", m, err)
	}
	if m, err = got[5].Message(); err != nil || m.ID != 0 || m.QoS != 0 || len(m.Payload) != 0 {
		t.Errorf("PUBLISH QoS 0: %+v %v", m, err)
	}
	if id, err := got[6].ID(); id != 513 || err != nil {
		t.Errorf("PUBACK: %d %v", id, err)
	}
}

func TestAWillAndAnUnsubscribeAreWrittenAsTheStandardHasThem(t *testing.T) {
	b := AppendConnect(nil, Login{ClientID: "c", KeepAlive: 60, Will: &Will{Topic: "w", Payload: []byte("gone")}})
	if want := "\x10\x16\x00\x04MQTT\x04\x0c\x00\x3c\x00\x01c\x00\x01w\x00\x04gone"; string(b) != want {
		t.Errorf("CONNECT with a will of QoS 1: %q, want %q", b, want)
	}
	if b = AppendUnsubscribe(nil, 7, "a", "b/#"); string(b) != "\xa2\x0a\x00\x07\x00\x01a\x00\x03b/#" {
		t.Errorf("UNSUBSCRIBE: %q", b)
	}
}

func TestAPacketCutAnywhereIsNotYetThere(t *testing.T) {
	whole := AppendPublish(nil, "a/b", 1, 7, []byte(strings.Repeat("y", 200)))
	for n := range whole {
		if _, took, err := Next(whole[:n]); took != 0 || err != nil {
			t.Fatalf("first %d of %d bytes: took %d, err %v", n, len(whole), took, err)
		}
	}
}

func TestBytesThatAreNoPacketAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		bytes []byte
		want  error
	}{
		"five bytes of length":  {[]byte{0x30, 0xff, 0xff, 0xff, 0xff, 0x01}, ErrMalformed},
		"a packet of 268435455": {[]byte{0x30, 0xff, 0xff, 0xff, 0x7f}, ErrTooLarge},
	} {
		if _, _, err := Next(c.bytes); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	for name, b := range map[string][]byte{
		"no topic":         {0x30, 1, 0},
		"topic too short":  {0x30, 4, 0, 9, 'a', 'b'},
		"no packet id":     {0x32, 3, 0, 1, 'a'},
		"QoS 2":            {0x34, 5, 0, 1, 'a', 0, 1},
		"not a PUBLISH":    {0x40, 2, 0, 1},
		"empty PUBLISH":    {0x30, 0},
		"QoS 3 (reserved)": {0x36, 5, 0, 1, 'a', 0, 1},
	} {
		p, n, err := Next(b)
		if n != len(b) || err != nil {
			t.Fatalf("%s: Next took %d, err %v", name, n, err)
		}
		if m, err := p.Message(); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: read as %+v, err %v", name, m, err)
		}
	}
	if _, err := (Packet{Type: Puback}).ID(); !errors.Is(err, ErrMalformed) {
		t.Errorf("PUBACK without an id: %v", err)
	}
	if _, _, err := (Packet{Type: Connack, Body: []byte{0}}).Connack(); !errors.Is(err, ErrMalformed) {
		t.Errorf("short CONNACK: %v", err)
	}
}

func FuzzNext(f *testing.F) {
	f.Add(AppendPublish(nil, "a/b", 1, 1, []byte("x")))
	f.Add([]byte{0x30, 0xff, 0xff, 0xff, 0x7f})
	f.Add([]byte{0x90, 0x02, 0x00, 0x01})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, n, err := Next(b)
		if n > len(b) || (err != nil && n != 0) || len(p.Body) > n {
			t.Fatalf("took %d of %d bytes, body %d, err %v", n, len(b), len(p.Body), err)
		}
		if m, err := p.Message(); err == nil && len(m.Topic)+len(m.Payload) > len(p.Body) {
			t.Fatalf("message larger than its packet: %+v", m)
		}
		_, _ = p.ID()
		_, _, _ = p.Connack()
	})
}

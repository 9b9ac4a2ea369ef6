package websocket

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	client "github.com/coder/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come; nothing asserts that it
// comes sooner.
const patience = 30 * time.Second

// serve upgrades every request and hands the Conn to f, which owns it.
func serve(t *testing.T, f func(*Conn)) (url string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Upgrade(w, r, "mqtt")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		f(c)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// echo sends back what it reads, until the end.
func echo(c *Conn) {
	defer c.Close()
	_, _ = io.Copy(c, c)
}

func dial(t *testing.T, url string) *client.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, _, err := client.Dial(ctx, url, &client.DialOptions{Subprotocols: []string{"mqttv3.1", "mqtt"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	if c.Subprotocol() != "mqtt" {
		t.Fatalf("the subprotocol is %q", c.Subprotocol())
	}
	return c
}

// TestAnotherImplementationTalksToIt sends messages of every size class through a
// client that shares no code with this package.
func TestAnotherImplementationTalksToIt(t *testing.T) {
	c := dial(t, serve(t, echo))
	c.SetReadLimit(-1)
	nc := client.NetConn(t.Context(), c, client.MessageBinary)
	for _, n := range []int{1, 125, 126, 127, 4095, 65535, 65536, 200_000, maxFrame} {
		want := bytes.Repeat([]byte{byte(n), 0xff, 0}, n/3+1)[:n]
		go nc.Write(want)
		got := make([]byte, n)
		if _, err := io.ReadFull(nc, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes did not come back: %v", n, err)
		}
	}
	go c.Read(t.Context()) // a pong is seen by a reader
	if err := c.Ping(t.Context()); err != nil {
		t.Error("no answer to a ping:", err)
	}
	if err := c.Close(client.StatusNormalClosure, "done"); err != nil {
		t.Error("the closing handshake:", err)
	}
}

// raw is a client of bytes.
type raw struct {
	t  *testing.T
	nc net.Conn
}

func open(t *testing.T, url string) raw {
	t.Helper()
	nc, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	io.WriteString(nc, "GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n")
	// The key and its answer are those of RFC 6455 section 1.3.
	want := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(nc, got); err != nil || string(got) != want {
		t.Fatalf("%q, %v", got, err)
	}
	return raw{t, nc}
}

func (r raw) send(frames ...[]byte) {
	r.t.Helper()
	if _, err := r.nc.Write(bytes.Join(frames, nil)); err != nil {
		r.t.Fatal(err)
	}
}

func (r raw) expect(want ...byte) {
	r.t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(r.nc, got); err != nil || !bytes.Equal(got, want) {
		r.t.Fatalf("got % x (%v), want % x", got[:n], err, want)
	}
}

func (r raw) expectEnd() {
	r.t.Helper()
	if got, err := io.ReadAll(r.nc); len(got) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		r.t.Errorf("got % x (%v), want the end", got, err)
	}
}

// frame is a client's, masked; the length is written as it is announced.
func frame(first byte, payload string) []byte { return announced(first, len(payload), payload) }

func announced(first byte, n int, payload string) []byte {
	b := []byte{first}
	switch {
	case n <= 125:
		b = append(b, 0x80|byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	mask := []byte{1, 2, 3, 4}
	b = append(b, mask...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i%4])
	}
	return b
}

const final = 0x80

func TestFramesMayBeSplitSharedAndInterruptedByControlFrames(t *testing.T) {
	r := open(t, serve(t, func(c *Conn) {
		defer c.Close()
		b := make([]byte, 6)
		if _, err := io.ReadFull(c, b); err == nil {
			c.Write(b)
		}
		c.Read(b) // the close frame
	}))
	r.send(frame(opBinary, "a"), frame(final|opPing, "hi"), frame(opContinuation, ""), frame(opContinuation, "bc"),
		frame(final|opPong, "unasked"), frame(final|opContinuation, "d"), frame(final|opBinary, ""), frame(final|opBinary, "ef"))
	r.expect(0x8A, 2, 'h', 'i')
	r.expect(0x82, 6, 'a', 'b', 'c', 'd', 'e', 'f')
	r.send(frame(final|opClose, "\x03\xe8bye"))
	r.expect(0x88, 2, 0x03, 0xe8)
	r.expectEnd()
}

func TestWhatBreaksTheProtocolIsToldSoAndEnded(t *testing.T) {
	for name, row := range map[string]struct {
		sent []byte
		code uint16
	}{
		"a text frame":                        {frame(final|opText, "x"), closeUnsupported},
		"the beginning of a text message":     {frame(opText, "x"), closeUnsupported},
		"a frame that is not masked":          {[]byte{0x82, 1, 'x'}, closeProtocol},
		"reserved bits":                       {frame(final|0x40|opBinary, "x"), closeProtocol},
		"an opcode that there is not":         {frame(final|0x3, "x"), closeProtocol},
		"a control opcode that there is not":  {frame(final|0xB, "x"), closeProtocol},
		"a continuation of nothing":           {frame(final|opContinuation, "x"), closeProtocol},
		"a message within a message":          {append(frame(opBinary, "x"), frame(final|opBinary, "y")...), closeProtocol},
		"a fragmented ping":                   {frame(opPing, "x"), closeProtocol},
		"a ping of 126 bytes":                 {frame(final|opPing, strings.Repeat("x", 126)), closeProtocol},
		"a frame of 1 MiB and a byte":         {announced(final|opBinary, maxFrame+1, "x"), closeTooBig},
		"a frame of a length without meaning": {append([]byte{0x82, 0xff}, bytes.Repeat([]byte{0xff}, 12)...), closeTooBig},
		"a close frame of one byte":           {frame(final|opClose, "x"), closeProtocol},
		"a close code that may not be sent":   {frame(final|opClose, "\x03\xee"), closeProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan error, 1)
			r := open(t, serve(t, func(c *Conn) {
				defer c.Close()
				_, err := io.Copy(io.Discard, c)
				ended <- err
			}))
			r.send(row.sent, bytes.Repeat([]byte{'z'}, 10_000)) // unread input must not take the answer away
			r.expect(0x88, 2, byte(row.code>>8), byte(row.code))
			r.expectEnd()
			var f *failure
			if err := <-ended; !errors.As(err, &f) || f.code != row.code {
				t.Errorf("the reader got %v, want a failure with code %d", err, row.code)
			}
		})
	}
}

func TestACloseWithoutACodeIsAnsweredWithoutOne(t *testing.T) {
	r := open(t, serve(t, echo))
	r.send(frame(final|opClose, ""))
	r.expect(0x88, 0)
	r.expectEnd()
}

// TestADeadlineWakesTheReaderAndHarmsNothing lets one pass between any two bytes of
// a header, a mask and a payload.
func TestADeadlineWakesTheReaderAndHarmsNothing(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	c := &Conn{nc: theirs}
	defer theirs.Close()
	var got []byte
	type result struct {
		b   []byte
		err error
	}
	for _, one := range frame(final|opBinary, "abcd") {
		read := make(chan result)
		go func() {
			b := make([]byte, 8)
			n, err := c.Read(b)
			read <- result{b[:n], err}
		}()
		if _, err := ours.Write([]byte{one}); err != nil { // the reader has it when this returns
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Unix(1, 0))
		r := <-read
		if got = append(got, r.b...); r.err != nil && !errors.Is(r.err, os.ErrDeadlineExceeded) {
			t.Fatal(r.err)
		}
		c.SetReadDeadline(time.Time{})
	}
	if string(got) != "abcd" {
		t.Errorf("read %q", got)
	}
}

func TestCloseWriteSaysThatTheServerGoesAwayAndThePeerCanFinish(t *testing.T) {
	got := make(chan string, 1)
	r := open(t, serve(t, func(c *Conn) {
		defer c.Close()
		c.Write([]byte("last"))
		c.CloseWrite()
		if _, err := c.Write([]byte("more")); !errors.Is(err, errClosed) {
			t.Errorf("a write behind the close frame: %v", err)
		}
		b, err := io.ReadAll(c)
		got <- fmt.Sprint(string(b), err)
	}))
	r.expect(0x82, 4, 'l', 'a', 's', 't', 0x88, 2, 0x03, 0xe9)
	r.send(frame(final|opBinary, "mine"), frame(final|opClose, "\x03\xe9"))
	if s := <-got; s != "mine<nil>" {
		t.Errorf("read %q", s)
	}
	r.expectEnd()
}

// TestAPeerThatPingsAndDoesNotReadEndsItsConnectionAlone: the answer to a ping
// waits for room within a bound of the owner's.
func TestAPeerThatPingsAndDoesNotReadEndsItsConnectionAlone(t *testing.T) {
	ended := make(chan error, 1)
	r := open(t, serve(t, func(c *Conn) {
		c.nc.(*net.TCPConn).SetWriteBuffer(4 << 10)
		c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)) // it may pass at any moment of the flood
		_, err := io.Copy(io.Discard, c)
		c.Close()
		ended <- err
	}))
	ping := bytes.Repeat(frame(final|opPing, strings.Repeat("p", 125)), 1000)
	for {
		if _, err := r.nc.Write(ping); err != nil {
			break
		}
		select {
		case err := <-ended:
			t.Log("the reader ended with", err)
			return
		default:
		}
	}
	<-ended
}

func TestWhatIsNoUpgradeIsRefusedWithAReason(t *testing.T) {
	good := http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Protocol": {"mqtt"},
	}
	for name, row := range map[string]struct {
		method, header, value, want string
	}{
		"another method":           {"POST", "X", "", "begins with GET"},
		"an ordinary request":      {"GET", "Upgrade", "", "Upgrade: websocket"},
		"no Connection header":     {"GET", "Connection", "keep-alive", "Connection: Upgrade"},
		"an old version":           {"GET", "Sec-Websocket-Version", "8", "expected 13"},
		"no key":                   {"GET", "Sec-Websocket-Key", "", "16 bytes"},
		"a key that is too short":  {"GET", "Sec-Websocket-Key", "c2hvcnQ=", "16 bytes"},
		"no subprotocol":           {"GET", "Sec-Websocket-Protocol", "", "expected mqtt"},
		"another subprotocol":      {"GET", "Sec-Websocket-Protocol", "mqttv3.1, chat", "expected mqtt"},
		"nothing to take over":     {"GET", "X", "", "needs HTTP/1.1"},
		"HTTP/2 has no connection": {"GET", "", "", "came by HTTP/2.0"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(row.method, "/mqtt", nil)
			r.Header = good.Clone()
			if row.header != "" {
				r.Header.Set(row.header, row.value)
			} else {
				r.Proto, r.ProtoMajor = "HTTP/2.0", 2
			}
			_, err := Upgrade(httptest.NewRecorder(), r, "mqtt")
			var refused *HandshakeError
			if !errors.As(err, &refused) || !strings.Contains(refused.Message, row.want) {
				t.Errorf("got %v, want a HandshakeError that says %q", err, row.want)
			}
		})
	}
}

func TestTheSubprotocolIsTheFirstOfOursThatTheClientOffers(t *testing.T) {
	for offered, want := range map[string]string{"mqtt": "mqtt", "mqttv3.1": "mqttv3.1", "chat, mqttv3.1, mqtt": "mqtt"} {
		r := httptest.NewRequest(http.MethodGet, "/mqtt", nil)
		r.Header = http.Header{
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Protocol": {offered},
		}
		if _, got, err := check(r, []string{"mqtt", "mqttv3.1"}); err != nil || got != want {
			t.Errorf("of %q it speaks %q, %v; want %q", offered, got, err, want)
		}
	}
}

// FuzzTake: whatever pieces a stream comes in, what is taken of it is the same.
func FuzzTake(f *testing.F) {
	f.Add(bytes.Join([][]byte{frame(opBinary, "abc"), frame(final|opPing, "p"), frame(final|opContinuation, strings.Repeat("d", 300)), frame(final|opClose, "\x03\xe8")}, nil), uint64(1))
	f.Add(announced(final|opBinary, 70_000, "x"), uint64(2))
	f.Add([]byte{0x82, 0xff, 0xff}, uint64(3))
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		run := func(piece func() int) (out []byte, log string) {
			var in input
			for rest := stream; len(rest) > 0; {
				k := min(piece(), len(rest))
				b := append([]byte(nil), rest[:k]...)
				rest = rest[k:]
				n, err := in.take(b, func(op byte, payload []byte) error {
					log += fmt.Sprintf("%x %x;", op, payload)
					if op == opClose {
						return io.EOF
					}
					return nil
				})
				if out = append(out, b[:n]...); err != nil {
					return out, log + err.Error()
				}
				if len(in.control) > maxControl {
					t.Fatal("a control frame is kept beyond its bound")
				}
			}
			return out, log
		}
		whole, wholeLog := run(func() int { return len(stream) })
		random := rand.New(rand.NewPCG(seed, 0))
		pieces, piecesLog := run(func() int { return 1 + random.IntN(9) })
		if !bytes.Equal(whole, pieces) || wholeLog != piecesLog {
			t.Errorf("whole: %q %s\nin pieces: %q %s", whole, wholeLog, pieces, piecesLog)
		}
	})
}

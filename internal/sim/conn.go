package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/drover-iot/drover/internal/sim/packet"
)

// Login is who a connection says it is.
type Login struct {
	ClientID  string
	KeepAlive time.Duration // whole seconds; 0 = no keep-alive
	// Persistent asks for a session that outlives the connection, and resumes
	// the one that is there.
	Persistent bool
	Will       *packet.Will // nil = none
}

// Conn is an MQTT 3.1.1 connection of one goroutine: nothing runs beside it, so
// an idle one costs its socket and a small buffer. Writes are gathered until
// Flush or Receive, so that an acknowledgement and the next request share a
// packet on the network.
type Conn struct {
	net       net.Conn
	resumed   bool
	keepAlive time.Duration
	buf       []byte
	in        []byte // the part of buf that is read and not yet handled
	out       []byte // to be written
	lastID    uint16
	wrote     time.Time
	pinged    bool      // a PINGREQ waits for its answer
	inbox     []Message // read while something else was awaited
}

// Message is a PUBLISH that arrived.
type Message struct {
	Topic   string
	Payload []byte
	QoS     byte
	Retain  bool
	Dup     bool
}

const (
	readSize     = 1 << 10 // grows with a larger packet, up to packet.MaxSize
	writeTimeout = 10 * time.Second
	replyTimeout = 10 * time.Second // for CONNACK and SUBACK
)

// ErrRefused is the answer of a broker that said no.
var ErrRefused = errors.New("sim: the broker refused")

// connackReasons are the return codes of MQTT 3.1.1 section 3.2.2.3.
var connackReasons = [...]string{"accepted", "protocol version", "client id", "server unavailable", "user name or password", "not authorised"}

// Connect logs in on an open network connection, which it owns from then on.
func Connect(ctx context.Context, nc net.Conn, l Login) (*Conn, error) {
	c := &Conn{net: nc, keepAlive: l.KeepAlive, wrote: time.Now()}
	c.out = packet.AppendConnect(c.out, packet.Login{ClientID: l.ClientID, KeepAlive: uint16(l.KeepAlive / time.Second), Clean: !l.Persistent, Will: l.Will})
	p, err := c.await(ctx, packet.Connack)
	if err == nil {
		var code byte
		if c.resumed, code, err = p.Connack(); err == nil && code != 0 {
			reason := "unknown"
			if int(code) < len(connackReasons) {
				reason = connackReasons[code]
			}
			err = fmt.Errorf("%w: CONNACK code %d (%s) for client id %q", ErrRefused, code, reason, l.ClientID)
		}
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	return c, nil
}

// Resumed says whether the broker still had the session.
func (c *Conn) Resumed() bool { return c.resumed }

// Subscribe asks for the filters at QoS 1 and waits until all are granted.
func (c *Conn) Subscribe(ctx context.Context, filters ...string) error {
	c.out = packet.AppendSubscribe(c.out, c.nextID(), 1, filters...)
	p, err := c.await(ctx, packet.Suback)
	if err != nil {
		return err
	}
	if len(p.Body) != 2+len(filters) {
		return fmt.Errorf("%w: SUBACK with %d codes for %d filters", packet.ErrMalformed, len(p.Body)-2, len(filters))
	}
	for i, code := range p.Body[2:] {
		if code > 1 {
			return fmt.Errorf("%w: SUBACK code %#x for %s", ErrRefused, code, filters[i])
		}
	}
	return nil
}

// Publish gathers a message of QoS 1; Flush or Receive sends it. Its PUBACK is
// not reported: an answer is what a device waits for.
func (c *Conn) Publish(topic string, payload []byte) {
	c.out = packet.AppendPublish(c.out, topic, 1, c.nextID(), payload)
}

// Confirm publishes a message of QoS 1, retained or not, and waits for its
// PUBACK.
func (c *Conn) Confirm(ctx context.Context, topic string, payload []byte, retain bool) error {
	id, at := c.nextID(), len(c.out)
	c.out = packet.AppendPublish(c.out, topic, 1, id, payload)
	if retain {
		c.out[at] |= 1 // MQTT 3.1.1 section 3.3.1.3
	}
	return c.awaitID(ctx, packet.Puback, id)
}

// Unsubscribe takes filters back and waits for the UNSUBACK.
func (c *Conn) Unsubscribe(ctx context.Context, filters ...string) error {
	id := c.nextID()
	c.out = packet.AppendUnsubscribe(c.out, id, filters...)
	return c.awaitID(ctx, packet.Unsuback, id)
}

// awaitID waits for the acknowledgement of one packet; those of earlier ones
// pass by.
func (c *Conn) awaitID(ctx context.Context, want packet.Type, id uint16) error {
	for {
		p, err := c.await(ctx, want)
		if err != nil {
			return err
		}
		if got, err := p.ID(); err != nil || got == id {
			return err
		}
	}
}

// Flush writes what was gathered.
func (c *Conn) Flush() error {
	if len(c.out) == 0 {
		return nil
	}
	c.wrote = time.Now()
	if err := c.net.SetWriteDeadline(c.wrote.Add(writeTimeout)); err != nil {
		return err
	}
	_, err := c.net.Write(c.out)
	c.out = c.out[:0]
	return err
}

// Receive gives the next message, acknowledged with the next write. It keeps
// the connection alive while it waits. At the time until, without a message, it
// says os.ErrDeadlineExceeded, and the connection stays good; a zero until
// waits as long as the connection lasts. When ctx ends it says so.
func (c *Conn) Receive(ctx context.Context, until time.Time) (Message, error) {
	for {
		if len(c.inbox) > 0 {
			m := c.inbox[0]
			c.inbox = c.inbox[1:]
			return m, c.Flush()
		}
		if _, err := c.step(ctx, until); err != nil {
			return Message{}, err
		}
	}
}

// await reads until a packet of the type has come; messages wait in the inbox.
func (c *Conn) await(ctx context.Context, want packet.Type) (packet.Packet, error) {
	until := time.Now().Add(replyTimeout)
	for {
		p, err := c.step(ctx, until)
		if err != nil {
			return packet.Packet{}, fmt.Errorf("waiting for packet type %d: %w", want, err)
		}
		if p.Type == want {
			return p, nil
		}
	}
}

// step writes what is due and reads one packet. The packet's body is good until
// the next step.
func (c *Conn) step(ctx context.Context, until time.Time) (packet.Packet, error) {
	for {
		p, n, err := packet.Next(c.in)
		if err != nil {
			return p, err
		}
		if n > 0 {
			c.in = c.in[n:]
			return p, c.handle(p)
		}
		if err := c.Flush(); err != nil {
			return p, err
		}
		if err := c.read(ctx, until); err != nil {
			return p, err
		}
	}
}

func (c *Conn) handle(p packet.Packet) error {
	switch p.Type {
	case packet.Publish:
		m, err := p.Message()
		if err != nil {
			return err
		}
		if m.QoS > 0 {
			c.out = packet.AppendPuback(c.out, m.ID)
		}
		c.inbox = append(c.inbox, Message{
			Topic: string(m.Topic), Payload: append([]byte(nil), m.Payload...), QoS: m.QoS, Retain: m.Retain, Dup: m.Dup,
		})
	case packet.Pingresp:
		c.pinged = false
	case packet.Disconnect:
		return fmt.Errorf("%w: it sent DISCONNECT", ErrRefused)
	}
	return nil
}

// read waits for bytes until there are some, a ping is due, the time is up or
// ctx ends.
func (c *Conn) read(ctx context.Context, until time.Time) error {
	deadline, ping := until, time.Time{}
	if c.keepAlive > 0 {
		// The first half of the keep-alive is silence, the second waits for the answer.
		ping = c.wrote.Add(c.keepAlive / 2)
		if deadline.IsZero() || ping.Before(deadline) {
			deadline = ping
		}
	}
	if err := c.net.SetReadDeadline(deadline); err != nil {
		return err
	}
	// ctx is done before its function runs: either the function moves the
	// deadline that was just set, or Err is seen here.
	stop := context.AfterFunc(ctx, func() { _ = c.net.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err := c.fill()
	switch {
	case err == nil || !errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !until.IsZero() && !time.Now().Before(until):
		return os.ErrDeadlineExceeded
	case c.pinged:
		return fmt.Errorf("sim: no answer to a ping within %s", c.keepAlive/2)
	case !ping.IsZero() && !time.Now().Before(ping):
		c.pinged = true
		c.out = packet.AppendPingreq(c.out)
	}
	return nil
}

// fill reads once behind what is there. A buffer that grew for a large packet
// is let go with it, so that an idle device keeps little.
func (c *Conn) fill() error {
	switch {
	case len(c.in) == 0 && len(c.buf) != readSize:
		c.buf = make([]byte, readSize)
	case len(c.in) == len(c.buf):
		c.buf = make([]byte, 2*len(c.buf))
	}
	have := copy(c.buf, c.in)
	n, err := c.net.Read(c.buf[have:])
	c.in = c.buf[:have+n]
	return err
}

func (c *Conn) nextID() uint16 {
	c.lastID = c.lastID%0xffff + 1
	return c.lastID
}

// Close says DISCONNECT and closes: the end of a connection that is not a loss.
func (c *Conn) Close() error {
	c.out = packet.AppendDisconnect(c.out)
	return errors.Join(c.Flush(), c.net.Close())
}

// Drop closes the network connection without a word, as a device that loses
// its power does.
func (c *Conn) Drop() error { return c.net.Close() }

// jobsTopic is the start of all of a thing's Jobs topics (device-plane.md 1.1).
func jobsTopic(thing string) string { return "$aws/things/" + thing + "/jobs/" }

// cutJobsTopic is what follows it; "" if the topic is another's.
func cutJobsTopic(thing, topic string) string {
	rest, ok := strings.CutPrefix(topic, jobsTopic(thing))
	if !ok {
		return ""
	}
	return rest
}

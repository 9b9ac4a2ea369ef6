package conversation

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// patience is how long a step waits before it fails. No step passes because
// time went by.
const patience = 10 * time.Second

// probePrefix begins the topics with which the runner finds out that nothing is
// on its way; no client sees them.
const probePrefix = "conversation/probe/"

func number(n int) json.Number { return json.Number(strconv.Itoa(n)) }

// message is one PUBLISH that a client got.
type message struct {
	topic      string
	payload    []byte
	qos        int
	retain     bool
	dup        bool
	properties *object // MQTT 5
}

// client is one MQTT connection, seen from the client's side and byte by byte:
// what a library would hide (QoS, DUP, copies, order) is what it is for. It
// acknowledges what it gets at QoS 1.
type client struct {
	conn net.Conn
	v5   bool

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each event
	connack *packet
	inbox   []message
	probes  []string
	marker  bool              // it wants the pushes of the marker thing
	acks    map[uint16]packet // PUBACK, SUBACK, UNSUBACK by packet id
	pongs   int
	sentIDs uint16
	reason  int   // of the server's DISCONNECT, -1 without one
	ended   error // why there is no more to read
}

type connectOptions struct {
	id         string
	v5         bool
	persistent bool
	expiry     int
	keepAlive  int
	will       *message
}

// dial opens a connection and sends CONNECT; it does not wait for CONNACK.
func dial(addr string, o connectOptions) (*client, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, v5: o.v5, changed: make(chan struct{}), acks: map[uint16]packet{}, reason: -1}
	go c.read()
	return c, c.write(connectPacket(o))
}

func connectPacket(o connectOptions) []byte {
	level, flags := byte(protocolLevel4), byte(0)
	if o.v5 {
		level = protocolLevel5
	}
	if !o.persistent {
		flags |= 0x02
	}
	if o.will != nil {
		flags |= 0x04 | byte(o.will.qos)<<3
		if o.will.retain {
			flags |= 0x20
		}
	}
	parts := []any{"MQTT", level, flags, uint16(o.keepAlive)}
	if o.v5 && o.expiry > 0 {
		parts = append(parts, properties(byte(0x11), uint32(o.expiry)))
	} else if o.v5 {
		parts = append(parts, properties())
	}
	parts = append(parts, o.id)
	if o.will != nil {
		if o.v5 {
			parts = append(parts, properties())
		}
		parts = append(parts, o.will.topic, string(o.will.payload))
	}
	return frame(pktConnect, 0, parts...)
}

func (c *client) write(b []byte) error {
	if err := c.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := c.conn.Write(b)
	return err
}

// read owns the reading side until the connection ends.
func (c *client) read() {
	r := bufio.NewReader(c.conn)
	for {
		p, err := readPacket(r)
		if err == nil {
			err = c.take(p)
		}
		if err != nil {
			c.event(func() { c.ended = err })
			c.conn.Close()
			return
		}
	}
}

func (c *client) take(p packet) error {
	body := cursor{rest: p.body}
	switch p.kind {
	case pktConnack:
		c.event(func() { c.connack = &p })
	case pktPublish:
		return c.takePublish(p)
	case pktPuback, pktSuback, pktUnsuback:
		id := uint16(body.uint(2))
		var err error
		c.event(func() {
			if _, twice := c.acks[id]; twice {
				err = fmt.Errorf("packet id %d is acknowledged twice", id)
			}
			c.acks[id] = p
		})
		return err
	case pktPingresp:
		c.event(func() { c.pongs++ })
	case pktDisconnect:
		reason := 0
		if len(p.body) > 0 {
			reason = int(p.body[0])
		}
		c.event(func() { c.reason = reason })
	default:
		return fmt.Errorf("packet type %d is not one a server sends", p.kind)
	}
	if body.bad {
		return fmt.Errorf("a packet of type %d is cut off", p.kind)
	}
	return nil
}

func (c *client) takePublish(p packet) error {
	body := cursor{rest: p.body}
	m := message{dup: p.flags&8 != 0, qos: int(p.flags >> 1 & 3), retain: p.flags&1 != 0, topic: body.text()}
	var id uint16
	if m.qos > 0 {
		id = uint16(body.uint(2))
	}
	if c.v5 {
		var err error
		if m.properties, err = body.properties(); err != nil {
			return err
		}
	}
	if body.bad {
		return errors.New("a PUBLISH is cut off")
	}
	m.payload = body.rest
	c.event(func() {
		switch {
		case strings.HasPrefix(m.topic, probePrefix):
			c.probes = append(c.probes, m.topic)
		case c.marker || !strings.HasPrefix(m.topic, "$aws/things/"+markerThing+"/"):
			c.inbox = append(c.inbox, m)
		}
	})
	if m.qos == 1 {
		return c.write(frame(pktPuback, 0, id))
	}
	return nil
}

// event changes the state and wakes who waits for it.
func (c *client) event(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	close(c.changed)
	c.changed = make(chan struct{})
}

var errPatience = fmt.Errorf("nothing came in %v", patience)

// wait returns when done says so, which it asks under the lock; when the
// connection ends first, with the reason.
func (c *client) wait(done func() bool) error {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		c.mu.Lock()
		ok, ended, changed := done(), c.ended, c.changed
		c.mu.Unlock()
		if ok {
			return nil
		}
		if ended != nil {
			return fmt.Errorf("the connection ended: %w", ended)
		}
		select {
		case <-changed:
		case <-late.C:
			return errPatience
		}
	}
}

// next takes the oldest message.
func (c *client) next() (message, error) {
	var m message
	err := c.wait(func() bool {
		if len(c.inbox) == 0 {
			return false
		}
		m, c.inbox = c.inbox[0], c.inbox[1:]
		return true
	})
	return m, err
}

// waiting are the messages nobody took.
func (c *client) waiting() []message {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inbox
}

func (c *client) alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended == nil
}

func (c *client) newID() uint16 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sentIDs++
	return c.sentIDs
}

// acknowledged waits for the acknowledgement of a packet id and gives the bytes
// that follow the id.
func (c *client) acknowledged(id uint16, kind byte) ([]byte, error) {
	var p packet
	err := c.wait(func() (ok bool) { p, ok = c.acks[id]; return ok })
	if err != nil {
		return nil, err
	}
	if p.kind != kind {
		return nil, fmt.Errorf("packet id %d is acknowledged by a packet of type %d", id, p.kind)
	}
	return p.body[2:], nil
}

// ping sends PINGREQ and waits for the answer; what was on its way is in the
// inbox then.
func (c *client) ping() error {
	c.mu.Lock()
	want := c.pongs + 1
	c.mu.Unlock()
	if err := c.write(frame(pktPingreq, 0)); err != nil {
		return err
	}
	return c.wait(func() bool { return c.pongs >= want })
}

type publishOptions struct {
	qos           int
	retain        bool
	responseTopic string
	correlation   string
}

// publish sends a PUBLISH and gives its packet id.
func (c *client) publish(topic string, payload []byte, o publishOptions) (uint16, error) {
	flags := byte(o.qos) << 1
	if o.retain {
		flags |= 1
	}
	parts := []any{topic}
	var id uint16
	if o.qos > 0 {
		id = c.newID()
		parts = append(parts, id)
	}
	if c.v5 {
		var props []any
		if o.responseTopic != "" {
			props = append(props, byte(0x08), o.responseTopic)
		}
		if o.correlation != "" {
			props = append(props, byte(0x09), o.correlation)
		}
		parts = append(parts, properties(props...))
	}
	return id, c.write(frame(pktPublish, flags, append(parts, payload)...))
}

// subscribe sends one SUBSCRIBE for all filters and gives its packet id.
func (c *client) subscribe(filters []string, qos byte, subscriptionID int) (uint16, error) {
	id := c.newID()
	parts := []any{id}
	if c.v5 && subscriptionID > 0 {
		parts = append(parts, properties(byte(0x0b), appendVarint(nil, subscriptionID)))
	} else if c.v5 {
		parts = append(parts, properties())
	}
	for _, f := range filters {
		parts = append(parts, f, qos)
	}
	return id, c.write(frame(pktSubscribe, 2, parts...))
}

// granted waits for the SUBACK and gives its codes.
func (c *client) granted(id uint16) ([]byte, error) { return c.codes(id, pktSuback) }

// codes waits for the acknowledgement of a packet id and gives its reason codes.
func (c *client) codes(id uint16, kind byte) ([]byte, error) {
	rest, err := c.acknowledged(id, kind)
	if err != nil || !c.v5 {
		return rest, err
	}
	body := cursor{rest: rest}
	_, err = body.properties()
	return body.rest, err
}

// unsubscribe gives filters up and waits for the UNSUBACK: AWS has no code for a
// filter that was not there (device-plane.md 6.4).
func (c *client) unsubscribe(filters []string) error {
	id := c.newID()
	parts, want := []any{id}, []byte(nil)
	if c.v5 {
		parts, want = append(parts, properties()), make([]byte, len(filters))
	}
	for _, f := range filters {
		parts = append(parts, f)
	}
	if err := c.write(frame(pktUnsubscribe, 2, parts...)); err != nil {
		return err
	}
	got, err := c.codes(id, pktUnsuback)
	if err != nil {
		return fmt.Errorf("no UNSUBACK: %w", err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("UNSUBACK is %#x, want %#x for %d filters", got, want, len(filters))
	}
	return nil
}

// close ends the TCP connection without a word.
func (c *client) close() { c.conn.Close() }

package broker

import (
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/drover-iot/drover/internal/broker/packet"
)

const codeTakenOver = packet.SessionTakenOver

// refusal is why a CONNECT is refused: the reason code for MQTT 5, and the
// return code for 3.1.1, where 0 closes without a CONNACK.
type refusal struct {
	code packet.Code
	ret  byte
	why  string
}

func (r *refusal) Error() string { return r.why }

// connackCodes are the codes that AWS's CONNACK has (device-plane.md 6.4).
var connackCodes = map[packet.Code]bool{
	packet.Unspecified: true, packet.InvalidClientID: true, packet.BadCredentials: true, packet.NotAuthorized: true,
	packet.QuotaExceeded: true, packet.TopicInvalid: true, packet.QoSNotSupported: true,
}

// connect answers a CONNECT: it attaches the session, and returns when the
// CONNACK is queued.
func (c *Conn) connect(bt *batch, body []byte) error {
	p, err := packet.ParseConnect(body)
	c.version = p.Version
	info, expiry, err := c.checkConnect(&p, err)
	if err == nil {
		err = c.b.hooks.Connect(c, info)
	}
	if err != nil {
		c.refuse(err)
		return nil
	}
	c.will, c.willDelay, c.serial = info.Will, info.WillDelay, c.b.serial.next(c.b.clock.Now())

	written := make(chan error, 1)
	present, waits := c.b.attach(c, p.Clean, expiry, func(err error) {
		written <- err
		c.kick()
	})
	if waits { // decision 14: a new persistent session, or the end of one, is on disk first
		c.rest(bt, func() bool { return len(written) > 0 })
		if !c.sess.confirm(written) {
			c.refuse(&refusal{packet.Unspecified, 0, "the session could not be stored"})
			return nil
		}
	}
	c.in.limit = info.KeepAlive * 3 / 2 // 3.1.2.10
	c.in.armed = false
	c.greet(&p, info, present, expiry)
	c.flush()
	c.b.hooks.Connected(c, present)
	return nil
}

// confirm notes that the session is on disk. It reports false if the store
// failed: then nothing may remember the session either.
func (s *session) confirm(written <-chan error) bool {
	var err error
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case err = <-written:
		s.stored = err == nil
	default: // the connection was shut first
	}
	if err != nil {
		s.b.log.Error("storing a new MQTT session, or the end of the one before it, failed", "client", s.id, "err", err)
		s.expiry = 0
	}
	return err == nil
}

// greet queues the CONNACK, and then lets the session deliver.
func (c *Conn) greet(p *packet.Connect, info *ConnectInfo, present bool, expiry time.Duration) {
	ack := packet.Connack{SessionPresent: present}
	if c.version == packet.V5 {
		ack.Props = c.connackProps(p, info, expiry)
	}
	raw := packet.AppendConnack(nil, c.version, &ack)
	s := c.sess
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != c {
		return // taken over before it was greeted
	}
	c.sendBytes(raw)
	c.out.mu.Lock()
	c.out.greeted = true
	c.out.mu.Unlock()
	s.live = true
	s.pump(c)
}

// connackProps are the properties of device-plane.md 6.3.
func (c *Conn) connackProps(p *packet.Connect, info *ConnectInfo, expiry time.Duration) packet.Properties {
	out := packet.Properties{
		{ID: packet.SessionExpiry, Num: uint32(expiry / time.Second)},
		{ID: packet.ReceiveMaximum, Num: maxInflight},
		{ID: packet.MaximumQoS, Num: 1},
		{ID: packet.RetainAvailable, Num: 1},
		{ID: packet.MaximumPacketSize, Num: uint32(c.b.limits.MaxPayload + c.b.limits.HeaderRoom)},
	}
	if p.ClientID == "" {
		out = append(out, packet.Property{ID: packet.AssignedClientID, Str: c.id})
	}
	return append(out,
		packet.Property{ID: packet.TopicAliasMaximum, Num: maxAliases},
		packet.Property{ID: packet.WildcardAvailable, Num: 1},
		packet.Property{ID: packet.SubIDAvailable, Num: 0},
		packet.Property{ID: packet.SharedAvailable, Num: 0},
		packet.Property{ID: packet.ServerKeepAlive, Num: uint32(info.KeepAlive / time.Second)},
	)
}

// refuse sends the CONNACK that says why, where there is one, and closes.
func (c *Conn) refuse(err error) {
	r, reason := refusalOf(err), ClientError
	if r.code == packet.NotAuthorized || r.code == packet.BadCredentials {
		reason = ForbiddenAccess
	}
	c.b.log.Info("refusing an MQTT connection", "client", c.id, "remote", c.nc.RemoteAddr(), "err", err)
	switch {
	case c.version == packet.V5:
		c.sendBytes(packet.AppendConnack(nil, packet.V5, &packet.Connack{Code: byte(r.code)}))
	case r.ret != 0:
		c.sendBytes(packet.AppendConnack(nil, packet.V311, &packet.Connack{Code: r.ret}))
	}
	c.shut(reason, 0)
}

func refusalOf(err error) *refusal {
	var (
		r      *refusal
		pe     *packet.Error
		reason Reason
	)
	switch {
	case errors.As(err, &r):
		return r
	case errors.As(err, &pe) && pe.Code == packet.UnsupportedVersion:
		return &refusal{pe.Code, packet.ReturnBadVersion, pe.Detail}
	case errors.As(err, &pe) && connackCodes[pe.Code]:
		return &refusal{pe.Code, 0, pe.Detail}
	case errors.As(err, &pe):
		return &refusal{packet.Unspecified, 0, pe.Detail}
	case errors.As(err, &reason):
		return &refusal{packet.Code(reason), 0, err.Error()}
	}
	return &refusal{packet.NotAuthorized, 0, err.Error()}
}

// checkConnect applies the limits of device-plane.md 6.2 and takes over what the
// client said; parseErr is what the codec found.
func (c *Conn) checkConnect(p *packet.Connect, parseErr error) (*ConnectInfo, time.Duration, error) {
	if parseErr != nil {
		return nil, 0, parseErr
	}
	if err := c.checkClientID(p); err != nil {
		return nil, 0, err
	}
	info := &ConnectInfo{
		ClientID: c.id, Version: p.Version, Clean: p.Clean, KeepAlive: clampKeepAlive(p.KeepAlive),
		HasUsername: p.HasUsername, Username: p.Username, Password: p.Password,
	}
	if err := c.checkWill(p.Will, info); err != nil {
		return nil, 0, err
	}
	c.window = maxInflight
	if p.Version == packet.V311 {
		if p.Clean {
			return info, 0, nil
		}
		return info, c.b.limits.SessionExpiry, nil
	}
	if _, ok := p.Props.Str(packet.AuthMethod); ok {
		return nil, 0, &refusal{packet.Unspecified, 0, "extended authentication is not supported"}
	}
	if n, ok := p.Props.Num(packet.ReceiveMaximum); ok {
		c.window = min(int(n), maxInflight)
	}
	if n, ok := p.Props.Num(packet.MaximumPacketSize); ok {
		c.maxPacket = int(n)
	}
	for _, x := range p.Props {
		if x.ID == packet.UserProperty {
			info.User = append(info.User, UserProperty{x.Str, x.Val})
		}
	}
	n, _ := p.Props.Num(packet.SessionExpiry)
	return info, c.b.clipExpiry(n), nil
}

// clipExpiry is a MQTT 5 session expiry as it is in force (device-plane.md 6.2).
func (b *Broker) clipExpiry(seconds uint32) time.Duration {
	return min(time.Duration(seconds)*time.Second, b.limits.MaxExpiry)
}

// clampKeepAlive brings a keep-alive into 30..1200 s; none is the longest.
func clampKeepAlive(seconds uint16) time.Duration {
	if seconds == 0 {
		return maxKeepAlive
	}
	return min(max(time.Duration(seconds)*time.Second, minKeepAlive), maxKeepAlive)
}

func (c *Conn) checkClientID(p *packet.Connect) error {
	c.id = p.ClientID
	switch {
	case len(c.id) > maxClientID:
		c.id = c.id[:maxClientID] // for the log
		return &refusal{packet.InvalidClientID, packet.ReturnBadClientID, "a client id of more than 128 bytes"}
	case strings.HasPrefix(c.id, "$"):
		return &refusal{packet.InvalidClientID, packet.ReturnBadClientID, "a client id that begins with $"}
	case c.id == "" && p.Version == packet.V311 && !p.Clean:
		return &refusal{packet.InvalidClientID, packet.ReturnBadClientID, "a session to keep, but no client id to keep it for"}
	case c.id == "":
		c.id = rand.Text()
	}
	return nil
}

func (c *Conn) checkWill(w *packet.Will, info *ConnectInfo) error {
	if w == nil {
		return nil
	}
	switch {
	case w.QoS > 1:
		return &refusal{packet.QoSNotSupported, 0, "a will of QoS 2"}
	case !validTopic(w.Topic):
		return &refusal{packet.TopicInvalid, 0, "a will topic that is empty, too long, too deep, or has a wildcard"}
	case len(w.Payload) > c.b.limits.MaxPayload:
		return &refusal{packet.QuotaExceeded, 0, "a will payload that is too large"}
	}
	info.Will = &Message{Topic: w.Topic, Payload: w.Payload, QoS: w.QoS, Retain: w.Retain}
	c.b.takeProps(info.Will, w.Props)
	n, _ := w.Props.Num(packet.WillDelay)
	info.WillDelay = time.Duration(n) * time.Second
	return nil
}

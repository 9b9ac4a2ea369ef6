package main

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/drover-iot/drover/internal/sim/packet"
)

// pumpFor handles what arrives for so long. With requests under way and no
// answer for the stall time it fails: a closed loop that stands still is a
// lost answer, not a slow one.
func (g *gen) pumpFor(d time.Duration) error {
	until := g.now() + d
	seen, at := g.total, g.now()
	for {
		now := g.now()
		if now >= until || g.record && g.over() {
			return nil
		}
		next, err := g.pace(now)
		if err != nil {
			return err
		}
		if g.total != seen {
			seen, at = g.total, now
		} else if g.repeat && now-at > stall {
			return fmt.Errorf("no answer for %s with %d requests under way", stall, len(g.conns))
		}
		if err := g.poll(min(until-now, next, time.Second)); err != nil {
			return err
		}
	}
}

// pace sends the requests that are due, and tells how long there are none.
func (g *gen) pace(now time.Duration) (next time.Duration, err error) {
	next = time.Second
	if g.cfg.Every == 0 {
		return next, nil
	}
	for i := range g.conns {
		c := &g.conns[i]
		if c.waiting && c.due <= now {
			c.waiting = false
			late := c.sent > 0 && c.answered > c.due
			if err := g.request(c); err != nil {
				return next, err
			}
			if late {
				c.sent = c.due
			}
			c.due += g.cfg.Every
		}
		if c.waiting {
			next = min(next, max(c.due-now, 0))
		}
	}
	return next, nil
}

// pumpUntil handles what arrives until the condition holds.
func (g *gen) pumpUntil(done func() bool) error {
	deadline := g.now() + stall
	for !done() {
		if g.now() > deadline {
			return fmt.Errorf("%d of %d connections are subscribed and %d requests answered after %s", g.ready, len(g.conns), g.total, stall)
		}
		if err := g.poll(time.Second); err != nil {
			return err
		}
	}
	return nil
}

func (g *gen) poll(wait time.Duration) error {
	var events [256]unix.EpollEvent
	n, err := unix.EpollWait(g.epoll, events[:], int(wait/time.Millisecond)+1)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return err
	}
	for i := range max(n, 0) {
		if err := g.readable(g.byFD[events[i].Fd]); err != nil {
			return err
		}
	}
	return nil
}

// readable reads once what the connection has and handles the whole packets in it.
func (g *gen) readable(c *conn) error {
	kept := copy(g.buf, c.in)
	n, err := unix.Read(c.fd, g.buf[kept:])
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", c.script.clientID, err)
	case n == 0:
		return fmt.Errorf("%s: the broker closed the connection", c.script.clientID)
	}
	rest := g.buf[:kept+n]
	for len(rest) > 0 {
		p, took, err := packet.Next(rest)
		if err != nil {
			return err
		}
		if took == 0 {
			break
		}
		if err := g.handle(c, p); err != nil {
			return fmt.Errorf("%s: %w", c.script.clientID, err)
		}
		rest = rest[took:]
	}
	c.in = append(c.in[:0], rest...)
	if c.acked && c.replied && !c.waiting {
		return g.answered(c)
	}
	if g.cfg.LazyACK {
		return nil
	}
	// Half an answer (a PUBACK alone) is acknowledged at once: a broker that
	// leaves Nagle's algorithm on, as mosquitto does by default, would hold the
	// other half for the 40 ms of a delayed ACK, and the figure would be the
	// kernel's timer instead of the broker's work.
	return unix.SetsockoptInt(c.fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
}

func (g *gen) handle(c *conn, p packet.Packet) error {
	switch p.Type {
	case packet.Connack:
		if _, code, err := p.Connack(); err != nil || code != 0 {
			return fmt.Errorf("CONNACK code %d: %w", code, errors.Join(err, errRefused))
		}
	case packet.Suback:
		if len(p.Body) != 3 || p.Body[2] != 1 {
			return fmt.Errorf("SUBACK % x for QoS 1 on %s: %w", p.Body, c.script.filter, errRefused)
		}
		g.ready++
	case packet.Puback:
		c.acked = true
	case packet.Publish:
		m, err := p.Message()
		if err != nil {
			return err
		}
		if string(m.Topic) != c.script.filter && g.cfg.Mode != Idle {
			return fmt.Errorf("%s says %s: %w", m.Topic, m.Payload, errRefused)
		}
		c.replied, c.ackID = true, m.ID
	}
	return nil
}

var errRefused = errors.New("refused")

// answered counts the request that is complete and sends the next one, the
// answer's PUBACK in the same write.
func (g *gen) answered(c *conn) error {
	g.total++
	if g.record {
		now := g.now()
		g.load.Requests++
		if s := int((now - g.from) / time.Second); s < len(g.load.Series) {
			g.load.Series[s]++
		}
		if err := g.hist.RecordValue(max(1, (now - c.sent).Microseconds())); err != nil {
			return err
		}
	}
	if g.repeat && g.cfg.Every > 0 {
		c.waiting, c.answered = true, g.now()
		return nil // the answer's PUBACK goes with the next request
	}
	if g.repeat {
		return g.request(c)
	}
	c.acked, c.replied = false, false
	if c.ackID != 0 {
		return write(c.fd, packet.AppendPuback(c.out[:0:4], c.ackID))
	}
	return nil
}

func (g *gen) request(c *conn) error {
	c.serial++
	c.acked, c.replied = false, false
	id := uint16(c.serial%0xffff) + 1
	idAt := c.payload - 2
	c.out[idAt], c.out[idAt+1] = byte(id>>8), byte(id)
	if at := c.payload + c.script.counter; c.script.counter >= 0 {
		setCounter(c.out[at:at+counterDigits], c.serial)
	}
	out := c.out[4:]
	if c.ackID != 0 {
		out = c.out
		out[2], out[3] = byte(c.ackID>>8), byte(c.ackID)
		c.ackID = 0
	}
	c.sent = g.now()
	return write(c.fd, out)
}

// write sends a small packet whole: with one request under way a socket's
// buffer always has room for it.
func write(fd int, b []byte) error {
	n, err := unix.Write(fd, b)
	if err == nil && n < len(b) {
		err = fmt.Errorf("%d of %d bytes written: the peer does not read", n, len(b))
	}
	return err
}

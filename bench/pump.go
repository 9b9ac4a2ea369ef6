package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/drover-iot/drover/internal/sim/packet"
)

// pumpAlone measures what the responder can do by itself: in a broker's place
// it sends messages as fast as answers come back, with at most window under
// way, and counts the answers. mosquitto has 20 under way by default
// (max_inflight_messages), so window 20 is the comparison that counts.
func pumpAlone(ctx context.Context, self string, window int, run time.Duration) (perSecond float64, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	r, err := startResponder(ctx, self, l.Addr().String(), func() error {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		defer c.Close()
		perSecond, err = pump(c, window, run)
		return err
	})
	if err != nil {
		return 0, err
	}
	r.Kill()
	return perSecond, nil
}

func pump(c net.Conn, window int, run time.Duration) (float64, error) {
	if err := c.SetDeadline(time.Now().Add(run + stall)); err != nil {
		return 0, err
	}
	p := pumper{payload: scriptFor(Echo, 0, "").payload}
	buf, have := make([]byte, 512<<10), 0
	var start time.Time
	for {
		n, err := c.Read(buf[have:])
		if err != nil {
			return 0, err
		}
		have += n
		took, err := p.feed(buf[:have])
		if err != nil {
			return 0, err
		}
		have = copy(buf, buf[took:have])
		if p.subscribed {
			p.subscribed, start = false, time.Now()
			for range window {
				p.send()
			}
		}
		if !start.IsZero() && time.Since(start) >= run {
			return float64(p.answers) / time.Since(start).Seconds(), nil
		}
		if _, err := c.Write(p.out); err != nil {
			return 0, err
		}
	}
}

// pumper stands in for a broker with one client.
type pumper struct {
	payload    []byte
	out        []byte
	id         uint16
	answers    int64
	subscribed bool
}

func (p *pumper) send() {
	p.id = p.id%0xffff + 1
	p.out = packet.AppendPublish(p.out, requestTopic+"17", 1, p.id, p.payload)
}

func (p *pumper) feed(b []byte) (int, error) {
	p.out = p.out[:0]
	took := 0
	for {
		got, n, err := packet.Next(b[took:])
		if err != nil || n == 0 {
			return took, err
		}
		took += n
		switch got.Type {
		case packet.Connect:
			p.out = packet.AppendConnack(p.out, false, 0)
		case packet.Subscribe:
			id, err := got.ID()
			if err != nil {
				return took, err
			}
			p.subscribed = true
			p.out = packet.AppendSuback(p.out, id, 1)
		case packet.Publish:
			m, err := got.Message()
			if err != nil {
				return took, err
			}
			if string(m.Topic) != replyTopic+"17" || len(m.Payload) != len(p.payload) {
				return took, fmt.Errorf("the responder answered on %s with %d bytes", m.Topic, len(m.Payload))
			}
			p.answers++
			p.out = packet.AppendPuback(p.out, m.ID)
			p.send()
		case packet.Puback:
		default:
			return took, errors.New("the responder sent a packet that no responder sends")
		}
	}
}

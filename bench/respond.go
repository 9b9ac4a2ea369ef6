package main

import (
	"fmt"
	"io"
	"net"

	"github.com/drover-iot/drover/internal/sim/packet"
)

// respond is the part `bench respond`: on one connection it answers every
// message on bench/req/N with the same payload on bench/rep/N, QoS 1 both ways,
// until the broker ends the connection. It reads as much as there is and
// answers all of it with one write, so that the broker sets the pace.
func respond(addr string, out io.Writer) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	r := responder{}
	hello := packet.AppendConnect(nil, packet.Login{ClientID: "bench-responder", Clean: true})
	if _, err := c.Write(packet.AppendSubscribe(hello, 1, 1, requestTopic+"#")); err != nil {
		return err
	}
	buf := make([]byte, 512<<10)
	have := 0
	for {
		n, err := c.Read(buf[have:])
		if err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
		have += n
		took, err := r.answer(buf[:have])
		if err != nil {
			return fmt.Errorf("respond: %w", err)
		}
		have = copy(buf, buf[took:have])
		if r.subscribed {
			r.subscribed = false
			if _, err := fmt.Fprintln(out, "ready"); err != nil {
				return err
			}
		}
		if len(r.out) > 0 {
			if _, err := c.Write(r.out); err != nil {
				return err
			}
		}
	}
}

// responder turns what was read into what is to be written.
type responder struct {
	out        []byte
	lastID     uint16
	subscribed bool // a SUBACK came
}

// answer fills out with the answers to the whole packets of b and says how many
// bytes these took.
func (r *responder) answer(b []byte) (int, error) {
	r.out = r.out[:0]
	took := 0
	for {
		p, n, err := packet.Next(b[took:])
		if err != nil || n == 0 {
			return took, err
		}
		took += n
		switch p.Type {
		case packet.Connack:
			if _, code, err := p.Connack(); err != nil || code != 0 {
				return took, fmt.Errorf("CONNACK code %d %v", code, err)
			}
		case packet.Suback:
			r.subscribed = true
		case packet.Publish:
			m, err := p.Message()
			if err != nil {
				return took, err
			}
			r.reply(m)
		}
	}
}

func (r *responder) reply(m packet.Message) {
	if m.ID != 0 {
		r.out = packet.AppendPuback(r.out, m.ID)
	}
	r.lastID = r.lastID%0xffff + 1
	// bench/req/N becomes bench/rep/N in place: the bytes are ours until the next read.
	copy(m.Topic, replyTopic)
	r.out = packet.AppendPublish(r.out, m.Topic, 1, r.lastID, m.Payload)
}

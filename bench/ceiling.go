package main

import (
	"fmt"
	"io"
	"net"

	"github.com/drover-iot/drover/internal/sim/packet"
)

// ceiling is the part `bench ceiling`: the least a Go program can do for the
// generator, one goroutine and one write per request and no broker at all. Its
// figure says what this machine and this generator allow; no broker passes it.
func ceiling(out io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, l.Addr()); err != nil {
		return err
	}
	return serveCeiling(l)
}

func serveCeiling(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go answerEach(c)
	}
}

func answerEach(c net.Conn) {
	defer c.Close()
	buf, have := make([]byte, 4<<10), 0
	var out []byte
	for id := uint16(1); ; id = id%0xffff + 1 {
		n, err := c.Read(buf[have:])
		if err != nil {
			return
		}
		have += n
		out = out[:0]
		took := 0
		for {
			p, n, err := packet.Next(buf[took:have])
			if err != nil {
				return
			}
			if n == 0 {
				break
			}
			took += n
			out = answer(out, p, id)
		}
		have = copy(buf, buf[took:have])
		if len(out) > 0 {
			if _, err := c.Write(out); err != nil {
				return
			}
		}
	}
}

func answer(out []byte, p packet.Packet, id uint16) []byte {
	switch p.Type {
	case packet.Connect:
		return packet.AppendConnack(out, false, 0)
	case packet.Subscribe:
		if id, err := p.ID(); err == nil {
			return packet.AppendSuback(out, id, 1)
		}
	case packet.Publish:
		if m, err := p.Message(); err == nil {
			copy(m.Topic, replyTopic)
			return packet.AppendPublish(packet.AppendPuback(out, m.ID), m.Topic, 1, id, m.Payload)
		}
	}
	return out
}

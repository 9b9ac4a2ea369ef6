package main

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/sim/packet"
)

func TestEveryRequestIsJSONOfTheSameSize(t *testing.T) {
	for mode, topics := range map[Mode][2]string{
		Echo:   {"bench/req/7", "bench/rep/7"},
		Update: {"$aws/things/bench-000007/jobs/fw/update", "$aws/things/bench-000007/jobs/fw/update/accepted"},
		Next:   {"$aws/things/bench-000007/jobs/$next/get", "$aws/things/bench-000007/jobs/$next/get/accepted"},
	} {
		s := scriptFor(mode, 7, "fw")
		if s.topic != topics[0] || s.filter != topics[1] || s.clientID != "bench-000007" {
			t.Errorf("%s: %+v", mode, s)
		}
		if len(s.payload) != payloadSize {
			t.Errorf("%s: %d bytes", mode, len(s.payload))
		}
		setCounter(s.payload[s.counter:s.counter+counterDigits], 42)
		var body struct {
			Token   string            `json:"clientToken"`
			Details map[string]string `json:"statusDetails"`
		}
		if err := json.Unmarshal(s.payload, &body); err != nil || body.Token != "0000000042" {
			t.Errorf("%s: %s: token %q, %v", mode, s.payload, body.Token, err)
		}
		if mode == Update && (len(body.Details) == 0 || len(body.Details) > 10) {
			t.Errorf("update carries %d details", len(body.Details))
		}
	}
}

// server is a broker of a test, on loopback, that answers with answerEach or worse.
func server(t *testing.T, serve func(net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return l.Addr().String()
}

func TestTheGeneratorCountsWhatIsAnswered(t *testing.T) {
	load, err := run(GenConfig{
		Addr: server(t, answerEach), Mode: Echo, Conns: 150, Warm: 10 * time.Millisecond, Run: 1100 * time.Millisecond, ServerPID: os.Getpid(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if load.Requests < 150 || len(load.Series) != 1 || load.Series[0] > load.Requests || load.Series[0] == 0 {
		t.Errorf("%+v", load)
	}
	if load.P50 <= 0 || load.P99 < load.P50 || load.Max < load.P99*0.99 || load.PerSecond <= 0 {
		t.Errorf("latencies out of order: %+v", load)
	}
}

func TestIdleConnectionsAskOnce(t *testing.T) {
	answered := func(c net.Conn) { answerEach(c) }
	load, err := run(GenConfig{Addr: server(t, answered), Mode: Idle, Conns: 120, Run: 10 * time.Millisecond, ServerPID: os.Getpid()})
	if err != nil || load.Requests != 120 || load.RSSBefore == 0 || load.RSSAfter == 0 {
		t.Errorf("%+v %v", load, err)
	}
}

// refusing answers each PUBLISH with a `rejected`, each SUBSCRIBE with code.
func refusing(suback byte) func(net.Conn) {
	return func(c net.Conn) {
		defer c.Close()
		buf := make([]byte, 4096)
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			var out []byte
			for b := buf[:n]; len(b) > 0; {
				p, took, err := packet.Next(b)
				if err != nil || took == 0 {
					return
				}
				b = b[took:]
				switch p.Type {
				case packet.Connect:
					out = packet.AppendConnack(out, false, 0)
				case packet.Subscribe:
					out = packet.AppendSuback(out, 1, suback)
				case packet.Publish:
					out = packet.AppendPublish(out, "x/rejected", 0, 0, []byte(`{"code":"ResourceNotFound"}`))
				}
			}
			if _, err := c.Write(out); err != nil {
				return
			}
		}
	}
}

func TestARefusalEndsTheMeasurement(t *testing.T) {
	cfg := GenConfig{Mode: Update, Job: "fw", Conns: 2, Run: time.Second, ServerPID: os.Getpid()}
	cfg.Addr = server(t, refusing(1))
	if _, err := run(cfg); !errors.Is(err, errRefused) || !strings.Contains(err.Error(), "ResourceNotFound") {
		t.Errorf("a rejected request: %v", err)
	}
	cfg.Addr = server(t, refusing(0x80))
	if _, err := run(cfg); !errors.Is(err, errRefused) {
		t.Errorf("a refused subscription: %v", err)
	}
	cfg.Addr = server(t, func(c net.Conn) { c.Close() })
	if _, err := run(cfg); err == nil {
		t.Error("a closed connection went unnoticed")
	}
	cfg.Addr = "192.0.2.1:1883"
	if _, err := run(cfg); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("a load for another machine: %v", err)
	}
}

func TestTheResponderAnswersWhateverCameInOneRead(t *testing.T) {
	var r responder
	b := packet.AppendSuback(packet.AppendConnack(nil, false, 0), 1, 1)
	b = packet.AppendPublish(b, "bench/req/3", 1, 9, []byte("one"))
	b = packet.AppendPuback(b, 1)
	b = packet.AppendPublish(b, "bench/req/44", 1, 10, []byte("two"))
	half := packet.AppendPublish(nil, "bench/req/5", 1, 11, []byte("three"))[:6]
	took, err := r.answer(append(b, half...))
	if err != nil || took != len(b) || !r.subscribed {
		t.Fatalf("took %d of %d, subscribed %v, %v", took, len(b), r.subscribed, err)
	}
	want := packet.AppendPublish(packet.AppendPuback(nil, 9), "bench/rep/3", 1, 1, []byte("one"))
	want = packet.AppendPublish(packet.AppendPuback(want, 10), "bench/rep/44", 1, 2, []byte("two"))
	if string(r.out) != string(want) {
		t.Errorf("answers %q, want %q", r.out, want)
	}
}

func TestThePumpCountsTheRespondersAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan error, 1)
	go func() { done <- respond(l.Addr().String(), new(strings.Builder)) }()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	rate, err := pump(c, 20, 20*time.Millisecond)
	c.Close()
	if err != nil || rate <= 0 {
		t.Errorf("%.0f/s, %v", rate, err)
	}
	<-done // with an error or not: its broker is gone
}

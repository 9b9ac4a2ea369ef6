package broker_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/broker"
	"github.com/drover-iot/drover/internal/broker/packet"
)

// The benchmarks here measure a broker in a process of its own over loopback,
// so that its CPU time and memory are told apart from the generator's: one
// thread that drives all client sockets through epoll, and one responder.

// serverEnv makes the test binary a broker: it prints its address, serves until
// its input ends, and answers requests to req/... like an operation would if
// the variable says "reply".
const serverEnv = "DROVER_BROKER_BENCH_SERVER"

type replying struct{ broker.AllowAll }

func (replying) Publish(c *broker.Conn, m *broker.Message) broker.Verdict {
	if !strings.HasPrefix(m.Topic, "req/") {
		return broker.Forward
	}
	c.Begin().Reply("echo/"+m.Topic[4:], bytes.Clone(m.Payload))
	return broker.Consumed
}

func serveForBench() {
	cfg := broker.Config{}
	if os.Getenv(serverEnv) == "reply" {
		cfg.Hooks = replying{}
	}
	b, err := broker.New(cfg)
	if err != nil {
		panic(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	if f := os.Getenv("DROVER_BROKER_BENCH_PROFILE"); f != "" {
		out, err := os.Create(f)
		if err != nil {
			panic(err)
		}
		defer out.Close()
		if err := pprof.StartCPUProfile(out); err != nil {
			panic(err)
		}
		defer pprof.StopCPUProfile()
	}
	fmt.Println(ln.Addr())
	if os.Getenv(serverEnv) == "bare" {
		go serveBare(ln)
	} else {
		go b.Serve(ln)
	}
	io.Copy(io.Discard, os.Stdin)
	b.Close(context.Background())
}

// serveBare is the least that can be done: a goroutine for each connection that
// reads, and writes PUBACK and reply together. It is what the figures are held
// against.
func serveBare(ln net.Listener) {
	for {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			in := bufio.NewReaderSize(nc, 1024)
			var p packet.Publish
			var out []byte
			for {
				h, body, err := readPacket(in)
				if err != nil {
					return
				}
				out = out[:0]
				switch h.Type {
				case packet.CONNECT:
					out = packet.AppendConnack(out, packet.V311, &packet.Connack{})
				case packet.SUBSCRIBE:
					out = packet.AppendSuback(out, packet.V311, &packet.Suback{ID: 1, Codes: []packet.Code{1}})
				case packet.PUBLISH:
					packet.ParsePublish(h, body, packet.V311, &p)
					out = packet.AppendPuback(out, packet.V311, p.ID, 0)
					out = packet.AppendPublish(out, packet.V311, "echo/"+string(p.Topic[4:]), p.Payload, 0, false, 0, nil)
				default:
					continue
				}
				nc.Write(out)
			}
		}()
	}
}

type server struct {
	addr string
	cmd  *exec.Cmd
	in   io.Closer
}

func startServer(tb testing.TB, mode string) *server {
	if mode == "mosquitto" {
		return startMosquitto(tb)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverEnv+"="+mode)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		tb.Fatal(err)
	}
	s := &server{strings.TrimSpace(addr), cmd, in}
	tb.Cleanup(func() { s.in.Close(); s.cmd.Wait() })
	return s
}

// startMosquitto runs the broker that the figures are compared with, in its
// default configuration; where it is not installed, the row is skipped.
func startMosquitto(tb testing.TB) *server {
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		path = "/usr/sbin/mosquitto"
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command(path, "-p", port)
	if err := cmd.Start(); err != nil {
		tb.Skip("mosquitto is not installed: ", err)
	}
	tb.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for range 500 {
		if nc, err := net.Dial("tcp", addr); err == nil {
			nc.Close()
			return &server{addr, cmd, io.NopCloser(nil)}
		}
		time.Sleep(10 * time.Millisecond)
	}
	tb.Fatal("mosquitto does not listen")
	return nil
}

// cpu is the server's user and system time.
func (s *server) cpu(tb testing.TB) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		tb.Fatal(err)
	}
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	u, _ := strconv.Atoi(f[11])
	k, _ := strconv.Atoi(f[12])
	return time.Duration(u+k) * 10 * time.Millisecond
}

// calls is how often the server called read and write.
func (s *server) calls(tb testing.TB) (reads, writes float64) {
	io, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", s.cmd.Process.Pid))
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(io)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		n, _ := strconv.ParseFloat(value, 64)
		switch name {
		case "syscr":
			reads = n
		case "syscw":
			writes = n
		}
	}
	return reads, writes
}

func (s *server) rss(tb testing.TB) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		tb.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kb, _ := strconv.Atoi(strings.Fields(rest)[0])
	return kb << 10
}

// open connects a raw client and subscribes it.
func (s *server) open(tb testing.TB, id, filter string, qos packet.Options) *net.TCPConn {
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		tb.Fatal(err)
	}
	p := packet.AppendConnect(nil, &packet.Connect{Version: packet.V311, Clean: true, ClientID: id, KeepAlive: 1200})
	if filter != "" {
		p = packet.AppendSubscribe(p, packet.V311, &packet.Subscribe{ID: 1, Filters: []packet.Filter{{Filter: filter, Options: qos}}})
	}
	nc.Write(p)
	for want := 4; want > 0; {
		n, err := nc.Read(make([]byte, want))
		if err != nil {
			tb.Fatal(err)
		}
		want -= n
	}
	if filter != "" {
		if _, err := io.ReadFull(nc, make([]byte, 5)); err != nil {
			tb.Fatal(err)
		}
	}
	return nc.(*net.TCPConn)
}

// respond is the responder: it acknowledges what it hears on req/N and
// publishes it on echo/N.
func respond(nc net.Conn) {
	in := make([]byte, 0, 256<<10)
	var out []byte
	var p packet.Publish
	for id := uint16(1); ; {
		n, err := nc.Read(in[len(in):cap(in)])
		if err != nil {
			return
		}
		in = in[:len(in)+n]
		out = out[:0]
		rest := in
		for {
			h, n, _ := packet.ParseHeader(rest)
			if n == 0 || len(rest) < n+h.Length {
				break
			}
			if h.Type == packet.PUBLISH {
				packet.ParsePublish(h, rest[n:n+h.Length], packet.V311, &p)
				if p.QoS > 0 {
					out = packet.AppendPuback(out, packet.V311, p.ID, 0)
				}
				out = packet.AppendPublish(out, packet.V311, "echo/"+string(p.Topic[4:]), p.Payload, p.QoS, false, id, nil)
				if id++; id == 0 {
					id = 1
				}
			}
			rest = rest[n+h.Length:]
		}
		in = in[:copy(in, rest)]
		if _, err := nc.Write(out); err != nil {
			return
		}
	}
}

// generator keeps one request in flight on each of its connections.
type generator struct {
	epfd  int
	conns []gconn
	qos   byte
}

type gconn struct {
	fd     int
	req    []byte
	buf    []byte
	acked  bool
	echoed bool
}

func newGenerator(tb testing.TB, s *server, conns int, qos byte, filter bool) *generator {
	epfd, err := syscall.EpollCreate1(0)
	if err != nil {
		tb.Fatal(err)
	}
	g := &generator{epfd: epfd, qos: qos}
	payload := bytes.Repeat([]byte("x"), 300)
	for i := range conns {
		f := ""
		if filter {
			f = fmt.Sprintf("echo/%d", i)
		}
		nc := s.open(tb, fmt.Sprintf("client-%d", i), f, packet.Options(qos))
		file, err := nc.File()
		if err != nil {
			tb.Fatal(err)
		}
		nc.Close()
		tb.Cleanup(func() { file.Close() })
		fd := int(file.Fd())
		syscall.SetNonblock(fd, true)
		ev := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(i)}
		if err := syscall.EpollCtl(epfd, syscall.EPOLL_CTL_ADD, fd, &ev); err != nil {
			tb.Fatal(err)
		}
		g.conns = append(g.conns, gconn{fd: fd, req: packet.AppendPublish(nil, packet.V311, fmt.Sprintf("req/%d", i), payload, qos, false, 7*uint16(qos), nil)})
	}
	tb.Cleanup(func() { syscall.Close(epfd) })
	return g
}

// run makes n round trips and returns how many it made.
func (g *generator) run(tb testing.TB, n int) {
	events := make([]syscall.EpollEvent, 256)
	in := make([]byte, 16<<10)
	started, done := 0, 0
	start := func(c *gconn, prefix []byte) {
		out := prefix
		if started < n {
			started++
			c.acked, c.echoed = g.qos == 0, false
			out = append(prefix, c.req...)
		}
		if len(out) > 0 {
			if _, err := syscall.Write(c.fd, out); err != nil {
				tb.Fatal(err)
			}
		}
	}
	for i := range g.conns {
		start(&g.conns[i], nil)
	}
	for done < n {
		k, err := syscall.EpollWait(g.epfd, events, 10_000)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || k == 0 {
			tb.Fatalf("waiting for answers: %d of %d, %v", done, n, err)
		}
		for _, ev := range events[:k] {
			c := &g.conns[ev.Fd]
			m, err := syscall.Read(c.fd, in)
			if err != nil || m == 0 {
				tb.Fatalf("reading: %d bytes, %v", m, err)
			}
			data := in[:m]
			if len(c.buf) > 0 {
				c.buf = append(c.buf, data...)
				data = c.buf
			}
			var out []byte
			for {
				h, n, _ := packet.ParseHeader(data)
				if n == 0 || len(data) < n+h.Length {
					break
				}
				switch h.Type {
				case packet.PUBACK:
					c.acked = true
				case packet.PUBLISH:
					c.echoed = true
					if h.Flags&2 != 0 {
						body := data[n:]
						id := binary.BigEndian.Uint16(body[2+binary.BigEndian.Uint16(body):])
						out = packet.AppendPuback(out, packet.V311, id, 0)
					}
				}
				data = data[n+h.Length:]
			}
			c.buf = append(c.buf[:0], data...)
			if c.acked && c.echoed {
				c.acked = false
				done++
				start(c, out)
			} else if len(out) > 0 {
				syscall.Write(c.fd, out)
			}
		}
	}
}

// BenchmarkEcho is a round trip of 300 bytes with one request in flight on each
// connection: "responder" through another client's connection, "reply" through
// a Pending, with and without a subscription to the reply.
func BenchmarkEcho(b *testing.B) {
	for _, row := range []struct {
		name, mode string
		conns      int
		qos        byte
		filter     bool
	}{
		{"responder/qos1/500", "forward", 500, 1, true},
		{"responder/qos1/1000", "forward", 1000, 1, true},
		{"responder/qos0/500", "forward", 500, 0, true},
		{"reply/qos1/500", "reply", 500, 1, true},
		{"reply/qos1/1000", "reply", 1000, 1, true},
		{"reply/unsubscribed/500", "reply", 500, 1, false},
		{"bare/500", "bare", 500, 1, false},
		{"mosquitto/qos1/500", "mosquitto", 500, 1, true},
	} {
		b.Run(row.name, func(b *testing.B) {
			s := startServer(b, row.mode)
			if row.mode == "forward" || row.mode == "mosquitto" {
				r := s.open(b, "responder", "req/+", packet.Options(row.qos))
				defer r.Close()
				go respond(r)
			}
			g := newGenerator(b, s, row.conns, row.qos, row.filter)
			g.run(b, 20_000)
			before := s.cpu(b)
			reads, writes := s.calls(b)
			b.ResetTimer()
			g.run(b, b.N)
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
			b.ReportMetric(float64((s.cpu(b)-before).Microseconds())/float64(b.N), "server-µs/req")
			r, w := s.calls(b)
			b.ReportMetric((r-reads)/float64(b.N), "reads/req")
			b.ReportMetric((w-writes)/float64(b.N), "writes/req")
		})
	}
}

// BenchmarkIdleConnection reports the server's memory for each idle connection
// with one subscription and one request behind it.
func BenchmarkIdleConnection(b *testing.B) {
	const conns = 5000
	for b.Loop() {
		s := startServer(b, "reply")
		for i := range 50 { // what is there before the first is not a connection's
			s.open(b, fmt.Sprint("warm", i), "warm", 1).Close()
		}
		before := s.rss(b)
		for i := range conns {
			t := fmt.Sprintf("$aws/things/thing-%d/jobs/#", i)
			nc := s.open(b, fmt.Sprintf("thing-%d", i), t, 1)
			defer nc.Close()
			nc.Write(packet.AppendPublish(nil, packet.V311, fmt.Sprintf("req/%d", i), []byte("{}"), 1, false, 1, nil))
			io.ReadAtLeast(nc, make([]byte, 64), 4)
		}
		time.Sleep(10 * time.Second)
		b.ReportMetric(float64(s.rss(b)-before)/conns, "B/conn")
		s.in.Close()
		s.cmd.Wait()
	}
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"

	"github.com/drover-iot/drover/internal/sim/packet"
	"github.com/drover-iot/drover/internal/sim/process"
)

// GenConfig is what the main process tells a generator, as one JSON argument.
type GenConfig struct {
	Addr      string
	Mode      Mode
	Conns     int
	Job       string
	Warm      time.Duration
	Run       time.Duration
	ServerPID int // its CPU time, or memory, is sampled around the measured part
	OtherPID  int // likewise for the responder; 0 = none
	// Every is how often each connection asks, when that is not at once after the
	// answer before. A request that is late because of the answer before counts
	// from when it was due.
	Every time.Duration
	// LazyACK leaves half an answer to the kernel's delayed ACK, as clients do
	// that give it no thought.
	LazyACK bool
}

// Load is what a generator measured; it prints it as one line of JSON.
type Load struct {
	Requests   int64
	Seconds    float64
	PerSecond  float64
	P50, P99   float64 // milliseconds
	Max        float64
	Series     []int64 // requests answered in each whole second
	ServerCPU  float64 // microseconds of CPU per request
	OtherCPU   float64
	OwnCPU     float64
	ServerCore float64 // cores used
	RSSBefore  int64   // mode idle: bytes resident before the first connection
	RSSAfter   int64   // and after the quiet time
}

// stall is how long a generator waits for any answer at all before it gives up.
const stall = 20 * time.Second

// conn is one closed loop: a request is under way until both its PUBACK and
// its answer are there.
type conn struct {
	fd       int
	in       []byte // the head of a packet whose rest has not come
	out      []byte // four bytes for a PUBACK, then the request
	script   script
	payload  int // where the payload starts in out
	sent     time.Duration
	serial   uint64
	acked    bool
	replied  bool
	due      time.Duration // of the next request, when requests are paced
	waiting  bool          // for that
	answered time.Duration // when the request before was
	ackID    uint16        // the answer's packet id, acknowledged with the next request
}

// gen is the generator: one thread that owns every connection.
type gen struct {
	cfg    GenConfig
	epoll  int
	start  time.Time
	conns  []conn
	byFD   []*conn
	buf    []byte
	ready  int // connections whose subscription is granted
	repeat bool
	record bool
	total  int64
	from   time.Duration // start of the measured part
	load   Load
	begun  func()      // called when the measured part begins
	over   func() bool // ends the measured part early
	hist   *hdrhistogram.Histogram
}

// generate is the part `bench gen`.
func generate(arg string, out io.Writer) error {
	var cfg GenConfig
	if err := json.Unmarshal([]byte(arg), &cfg); err != nil {
		return fmt.Errorf("gen: %w in its configuration", err)
	}
	if _, err := process.RaiseFileLimit(); err != nil {
		return err
	}
	runtime.LockOSThread()
	runtime.GOMAXPROCS(1)
	load, err := run(cfg)
	if err != nil {
		return fmt.Errorf("gen: %s on %s: %w", cfg.Mode, cfg.Addr, err)
	}
	return json.NewEncoder(out).Encode(load)
}

func run(cfg GenConfig) (Load, error) { return runUntil(cfg, func() {}, func() bool { return false }) }

// runUntil measures until it is over, for cfg.Run at most.
func runUntil(cfg GenConfig, begun func(), over func() bool) (Load, error) {
	g := &gen{begun: begun, over: over, cfg: cfg, start: time.Now(), buf: make([]byte, 256<<10), hist: hdrhistogram.New(1, int64(time.Minute/time.Microsecond), 3)}
	defer g.close()
	var err error
	if g.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return Load{}, err
	}
	if g.cfg.Mode == Idle {
		if g.load.RSSBefore, err = process.RSS(g.cfg.ServerPID); err != nil {
			return Load{}, err
		}
	}
	if err := g.connectAll(); err != nil {
		return Load{}, err
	}
	if g.cfg.Mode == Idle {
		return g.hold()
	}
	g.repeat = true
	for i := range g.conns {
		if g.cfg.Every > 0 {
			g.conns[i].waiting, g.conns[i].due = true, g.now()+time.Duration(i)*g.cfg.Every/time.Duration(len(g.conns))
		} else if err := g.request(&g.conns[i]); err != nil {
			return Load{}, err
		}
	}
	if err := g.pumpFor(g.cfg.Warm); err != nil {
		return Load{}, err
	}
	return g.measure()
}

// measure runs the loops for the measured time and samples CPU on both sides of it.
func (g *gen) measure() (Load, error) {
	pids := []int{g.cfg.ServerPID, g.cfg.OtherPID, os.Getpid()}
	before := make([]time.Duration, len(pids))
	used := make([]float64, len(pids))
	for i, pid := range pids {
		if pid != 0 {
			var err error
			if before[i], err = process.CPU(pid); err != nil {
				return Load{}, err
			}
		}
	}
	g.load.Series = make([]int64, int(g.cfg.Run/time.Second)+1)
	g.from, g.record = g.now(), true
	g.begun()
	if err := g.pumpFor(g.cfg.Run); err != nil {
		return Load{}, err
	}
	g.record = false
	took := g.now() - g.from
	for i, pid := range pids {
		if pid != 0 {
			after, err := process.CPU(pid)
			if err != nil {
				return Load{}, err
			}
			used[i] = float64((after - before[i]).Microseconds())
		}
	}
	l := &g.load
	if l.Requests == 0 {
		return Load{}, errors.New("not one request was answered")
	}
	l.Series = l.Series[:int(min(g.cfg.Run, took)/time.Second)] // whole seconds only
	l.Seconds = took.Seconds()
	n := float64(l.Requests)
	l.PerSecond = n / l.Seconds
	l.P50, l.P99, l.Max = g.ms(50), g.ms(99), float64(g.hist.Max())/1e3
	l.ServerCPU, l.OtherCPU, l.OwnCPU = used[0]/n, used[1]/n, used[2]/n
	l.ServerCore = used[0] / 1e6 / l.Seconds
	return *l, nil
}

func (g *gen) ms(percentile float64) float64 {
	return float64(g.hist.ValueAtPercentile(percentile)) / 1e3
}

// hold lets every connection ask once, then keeps all of them quiet.
func (g *gen) hold() (Load, error) {
	const burst = 100
	for i := 0; i < len(g.conns); i += burst {
		upTo := min(i+burst, len(g.conns))
		for j := i; j < upTo; j++ {
			if err := g.request(&g.conns[j]); err != nil {
				return Load{}, err
			}
		}
		if err := g.pumpUntil(func() bool { return g.total >= int64(upTo) }); err != nil {
			return Load{}, err
		}
	}
	if err := g.pumpFor(g.cfg.Run); err != nil {
		return Load{}, err
	}
	var err error
	g.load.Requests = g.total
	g.load.RSSAfter, err = process.RSS(g.cfg.ServerPID)
	return g.load, err
}

// connectAll opens the connections in bursts that a listen queue can hold, and
// waits until every subscription is granted.
func (g *gen) connectAll() error {
	addr, err := net.ResolveTCPAddr("tcp4", g.cfg.Addr)
	if err != nil {
		return err
	}
	if !addr.IP.IsLoopback() {
		return fmt.Errorf("%s is not a loopback address, and a load stays on this machine", g.cfg.Addr)
	}
	to := &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte(addr.IP.To4())}
	g.conns = make([]conn, g.cfg.Conns)
	const burst = 100
	for i := range g.conns {
		if err := g.connect(i, to); err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		if (i+1)%burst == 0 || i+1 == len(g.conns) {
			if err := g.pumpUntil(func() bool { return g.ready == i+1 }); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *gen) connect(i int, to unix.Sockaddr) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	c := &g.conns[i]
	c.fd, c.script = fd, scriptFor(g.cfg.Mode, i, g.cfg.Job)
	for len(g.byFD) <= fd {
		g.byFD = append(g.byFD, nil)
	}
	g.byFD[fd] = c
	if err := unix.Connect(fd, to); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	if err := unix.EpollCtl(g.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
		return err
	}
	hello := packet.AppendConnect(nil, packet.Login{ClientID: c.script.clientID, Clean: true})
	if err := write(fd, packet.AppendSubscribe(hello, 1, 1, c.script.filter)); err != nil {
		return err
	}
	c.out = packet.AppendPublish(packet.AppendPuback(nil, 0), c.script.topic, 1, 1, c.script.payload)
	c.payload = len(c.out) - len(c.script.payload)
	return nil
}

func (g *gen) now() time.Duration { return time.Since(g.start) }

func (g *gen) close() {
	for i := range g.conns {
		if g.conns[i].fd > 0 {
			_ = unix.Close(g.conns[i].fd)
		}
	}
	_ = unix.Close(g.epoll)
}

package sim

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Config is a fleet. Zero values are the defaults.
type Config struct {
	Broker string      // host:port
	TLS    *tls.Config // nil: plaintext
	Things []string    // one device each, its client id the thing's name

	Seed      uint64        // the same seed gives the same fleet the same fate
	Fail      float64       // share of executions that end FAILED or (one in four of them) REJECTED
	Steps     int           // progress reports before the end of an execution; default 3
	StepDelay time.Duration // mean time between them; default 1 s
	KeepAlive time.Duration // default 30 s

	// Events is told what each device does, from many goroutines at once.
	Events func(Event)

	// Dial opens the network connection in place of Broker and TLS.
	Dial func(context.Context) (net.Conn, error)
}

// Kind is what an event is about.
type Kind string

// What happens to a device.
const (
	Connected Kind = "connected" // subscribed, and about to ask for work
	Started   Kind = "started"   // an execution is in hand
	Progress  Kind = "progress"  // a report was accepted
	Ended     Kind = "ended"     // the last report was accepted
	Abandoned Kind = "abandoned" // the execution was taken away: cancelled, timed out, deleted
	Refused   Kind = "refused"   // a request was rejected, and is made again, or a message was no JSON
	Lost      Kind = "lost"      // the connection ended or never began; it is made again
)

// Status is an execution's status, as it is spelled on the wire.
type Status string

// The statuses that a device reports.
const (
	InProgress Status = "IN_PROGRESS"
	Succeeded  Status = "SUCCEEDED"
	Failed     Status = "FAILED"
	Rejected   Status = "REJECTED"
)

func (s Status) terminal() bool { return s == Succeeded || s == Failed || s == Rejected }

// Event is something that happened to a device.
type Event struct {
	Kind    Kind
	Thing   string
	JobID   string // of the execution in hand
	Status  Status
	Step    string // what the device was doing
	Percent int
	Reason  string // why it failed or rejected
	Err     error  // with Refused, Lost and some Abandoned
}

// Fleet is the devices.
type Fleet struct {
	cfg   Config
	stats stats
}

// NewFleet makes a fleet; Run starts it.
func NewFleet(cfg Config) *Fleet {
	cfg.Steps = cmp.Or(cfg.Steps, 3)
	cfg.StepDelay = cmp.Or(cfg.StepDelay, time.Second)
	cfg.KeepAlive = cmp.Or(cfg.KeepAlive, 30*time.Second)
	if cfg.Dial == nil {
		cfg.Dial = dialer(cfg.Broker, cfg.TLS)
	}
	return &Fleet{cfg: cfg, stats: newStats()}
}

// Run connects every device and lets it work until ctx ends; then all of them
// disconnect and Run returns nil. Lost connections are made again; an error is
// a configuration that cannot work.
func (f *Fleet) Run(ctx context.Context) error {
	switch {
	case len(f.cfg.Things) == 0:
		return errors.New("sim: a fleet without things; name at least one")
	case f.cfg.Fail < 0 || f.cfg.Fail > 1:
		return fmt.Errorf("sim: a share of %v failures; expected 0 to 1", f.cfg.Fail)
	case f.cfg.Steps < 0 || f.cfg.StepDelay < 0:
		return fmt.Errorf("sim: %d steps of %s; expected no negative value", f.cfg.Steps, f.cfg.StepDelay)
	case f.cfg.KeepAlive < 2*time.Second || f.cfg.KeepAlive > 0xffff*time.Second:
		return fmt.Errorf("sim: keep-alive %s; expected 2 s to 65535 s", f.cfg.KeepAlive)
	}
	b := behaviour{seed: f.cfg.Seed, fail: f.cfg.Fail, steps: f.cfg.Steps, stepDelay: f.cfg.StepDelay}
	dialing := make(chan struct{}, maxDialing)
	var devices sync.WaitGroup
	for _, thing := range f.cfg.Things {
		d := &device{fleet: f, agent: newAgent(thing, b), dialing: dialing}
		devices.Go(func() { d.run(ctx) })
	}
	devices.Wait()
	return nil
}

// maxDialing is how many devices connect at the same time: a listen queue is
// finite, and a TLS handshake is the dearest thing a device asks for.
const maxDialing = 64

func dialer(addr string, conf *tls.Config) func(context.Context) (net.Conn, error) {
	d := &net.Dialer{Timeout: replyTimeout}
	if conf == nil {
		return func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) }
	}
	t := &tls.Dialer{NetDialer: d, Config: conf}
	return func(ctx context.Context) (net.Conn, error) { return t.DialContext(ctx, "tcp", addr) }
}

func (f *Fleet) tell(e Event) {
	f.stats.count(e)
	if f.cfg.Events != nil {
		f.cfg.Events(e)
	}
}

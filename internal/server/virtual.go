package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/drover-iot/drover/internal/broker"
	"github.com/drover-iot/drover/internal/clock"
	"github.com/drover-iot/drover/internal/devapi"
	"github.com/drover-iot/drover/internal/fault"
	"github.com/drover-iot/drover/internal/mqtt"
	"github.com/drover-iot/drover/internal/rest"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/virtual"
)

// Time is the hand on the clock, nil unless Config.Clock is a clock.Virtual.
func (s *Server) Time() *virtual.Time { return s.time }

// extensions are what AWS lacks, under /drover/v1/.
func (s *Server) extensions() []rest.Extension {
	c := devapi.Config{Dev: s.cfg.Dev, Now: s.cfg.Clock.Now, Faults: s.faults, Changes: s.changes.wait}
	if s.time != nil {
		c.Clock = s.time
	}
	return append(devapi.Extensions(c), rest.Import(s.control.Import))
}

// Faults are the rules that disturb devices, nil on serve.
func (s *Server) Faults() *fault.Set { return s.faults }

// openFaults makes the rules that disturb devices, where there may be any.
func (s *Server) openFaults() *mqtt.Faults {
	if !s.cfg.Dev {
		return nil
	}
	s.faults = new(fault.Set)
	over := &mqtt.Faults{Rules: s.faults, After: s.afterUnlessClosed}
	s.faults.Removed(over.Removed)
	s.faults.Injected(s.changes.signal)
	return over
}

// afterUnlessClosed calls f in domain time, while there is somebody to hear it.
func (s *Server) afterUnlessClosed(d time.Duration, f func()) {
	s.cfg.Clock.AfterFunc(d, func() {
		if !s.draining.Load() {
			f()
		}
	})
}

func (s *Server) faultsOverHTTP() *rest.Faults {
	if s.faults == nil {
		return nil
	}
	return &rest.Faults{Rules: s.faults, Clock: s.cfg.Clock, Published: mqtt.RequestOf}
}

// openTime makes the hand on a clock that can be moved. A folder remembers where
// its clock stood: time does not go back when a server starts again.
func (s *Server) openTime() error {
	stood, err := readClock(s.folder.path)
	if err != nil {
		return err
	}
	moved, ok := s.cfg.Clock.(*clock.Virtual)
	if !ok {
		if now := s.cfg.Clock.Now(); stood.After(now) {
			s.log.Warn("the virtual clock of this folder is ahead of the real one: what was made then lies in the future",
				"stood", stood, "now", now.UTC())
		}
		return nil
	}
	moved.AdvanceTo(stood)
	var keep func(time.Time) error
	if !s.folder.temporary {
		keep = func(now time.Time) error { return writeClock(s.folder.path, now) }
	}
	s.time = virtual.New(moved, keep)
	s.time.Serve(followers{s})
	return nil
}

// schedulerClock is the clock as the scheduler waits for it: one that is moved by
// hand calls nobody, for whoever moves it has the work done.
func (s *Server) schedulerClock() clock.Clock {
	if s.time != nil {
		return undriven{s.cfg.Clock}
	}
	return s.cfg.Clock
}

type undriven struct{ clock.Clock }

func (undriven) AfterFunc(time.Duration, func()) clock.Timer { return nobody{} }

type nobody struct{}

func (nobody) Stop() bool { return true }

// followers are who follows the clock.
type followers struct{ s *Server }

func (f followers) Settle(ctx context.Context) (bool, time.Time, error) { return f.s.sched.Settle(ctx) }

// Told waits for a commit of its own: what was committed before has been told by
// then, for that happens in commit order.
func (f followers) Told(ctx context.Context) error {
	return f.s.store.Update(ctx, func(store.Tx) error { return nil })
}

// Written waits for the messages that are on their way into persistent sessions,
// and for the connections' queues.
func (f followers) Written(ctx context.Context) error {
	stored := make(chan error, 1)
	f.s.sessions.Apply(nil, func(err error) { stored <- err })
	select {
	case err := <-stored:
		f.s.broker.Flush()
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// sessionTime tells the hand what time has done to sessions.
func (s *Server) sessionTime() func(string, broker.Timed) {
	if s.time == nil {
		return nil
	}
	return func(client string, what broker.Timed) {
		is := virtual.Expired
		if what == broker.WillPublished {
			is = virtual.WillPublished
		}
		s.time.Session(client, is)
	}
}

// clockFile is where a folder remembers its virtual clock.
const clockFile = "clock"

func readClock(dir string) (stood time.Time, err error) {
	text, err := os.ReadFile(filepath.Join(dir, clockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return stood, nil
	}
	if err == nil {
		stood, err = time.Parse(time.RFC3339Nano, strings.TrimSpace(string(text)))
	}
	if err != nil {
		return stood, fmt.Errorf("where the virtual clock stood: %w", err)
	}
	return stood, nil
}

func writeClock(dir string, now time.Time) error {
	name := filepath.Join(dir, clockFile)
	err := os.WriteFile(name+".new", []byte(now.Format(time.RFC3339Nano)+"\n"), 0o600)
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		return fmt.Errorf("remember where the virtual clock stands: %w", err)
	}
	return nil
}

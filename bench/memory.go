package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/drover-iot/drover/internal/sim/process"
)

// memory measures what an idle connection costs: the growth of the resident
// memory of a server that has just started, kernel buffers excluded.
func (s *suite) memory(ctx context.Context) error {
	const data = "memory"
	// The things are there before the server starts, so that nothing that
	// registering them left behind can hide what the connections need.
	if err := s.withFleet(ctx, data, s.Crowd, func(*fleetServer, string) error { return nil }); err != nil {
		return err
	}
	return s.restarted(ctx, data, func(f *fleetServer) error {
		load, err := runGenerator(ctx, s.self, GenConfig{Addr: f.addr, Mode: Idle, Conns: s.Crowd, Run: s.Quiet, ServerPID: f.PID()})
		if err != nil {
			return fmt.Errorf("%w; the server's log ends:\n%s", err, f.Log())
		}
		s.results.Memory = &Memory{
			Connections: s.Crowd, Before: load.RSSBefore, After: load.RSSAfter,
			PerConnection: float64(load.RSSAfter-load.RSSBefore) / float64(s.Crowd),
		}
		return nil
	})
}

// expansion measures how fast a job reaches every thing of a large group, and
// whether the memory that takes grows with the group.
func (s *suite) expansion(ctx context.Context) error {
	const data = "expansion"
	var many, few string
	err := s.withFleet(ctx, data, s.Many, func(f *fleetServer, arn string) (err error) {
		many = arn
		if few, err = f.api.CreateGroup(ctx, groupName+"-few"); err != nil {
			return err
		}
		return f.api.AddAll(ctx, groupName+"-few", s.Few, thingName)
	})
	if err != nil {
		return err
	}
	for _, x := range []struct {
		job, target string
		things      int
	}{{"bench-few", few, s.Few}, {"bench-many", many, s.Many}} {
		err := s.restarted(ctx, data, func(f *fleetServer) error {
			e, err := s.expand(ctx, f, x.job, x.target, x.things)
			s.results.Expansion = append(s.results.Expansion, e)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *suite) expand(ctx context.Context, f *fleetServer, job, target string, things int) (Expansion, error) {
	e := Expansion{Things: things}
	var err error
	if e.Idle, err = process.RSS(f.PID()); err != nil {
		return e, err
	}
	if err := process.ResetPeak(f.PID()); err != nil {
		return e, err
	}
	start := time.Now()
	if err := f.queue(ctx, job, target, things, s.ExpandTime); err != nil {
		return e, err
	}
	e.Seconds = time.Since(start).Seconds()
	e.Peak, err = process.PeakRSS(f.PID())
	say("a job on %d things was queued in %.2f s, %.1f MiB over idle", things, e.Seconds, float64(e.Peak-e.Idle)/(1<<20))
	return e, err
}

// restarted runs do on a server that has just started on an existing folder
// and come to rest.
func (s *suite) restarted(ctx context.Context, data string, do func(*fleetServer) error) (err error) {
	f, err := s.start(ctx, data)
	if err != nil {
		return fmt.Errorf("restart on %s: %w", filepath.Base(data), err)
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	select {
	case <-time.After(s.Settle):
	case <-ctx.Done():
		return ctx.Err()
	}
	return do(f)
}

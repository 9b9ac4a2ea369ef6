package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/drover-iot/drover/internal/sim/process"
)

// alone measures what the harness itself can do: the responder without a
// broker, and the generator against a server that does nothing.
func (s *suite) alone(ctx context.Context) error {
	for _, window := range []int{20, s.Conns} {
		rate, err := pumpAlone(ctx, s.self, window, 2*time.Second)
		if err != nil {
			return err
		}
		say("responder alone, %d under way: %.0f/s", window, rate)
		s.results.Responder = append(s.results.Responder, Alone{Window: window, PerSecond: rate})
	}
	c, out, err := process.SpawnWithOutput(ctx, s.self, "ceiling")
	if err != nil {
		return err
	}
	defer c.Kill()
	defer out.Close()
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return fmt.Errorf("ceiling: %w: %s", err, c.Log())
	}
	load, err := runGenerator(ctx, s.self, GenConfig{
		Addr: strings.TrimSpace(addr), Mode: Echo, Conns: s.Conns, Warm: s.Warm, Run: s.Run, ServerPID: c.PID(),
	})
	if err != nil {
		return err
	}
	say("generator against a bare loop: %.0f/s", load.PerSecond)
	s.results.Ceiling = load
	return nil
}

// rates measures both brokers in turn, as often as Runs says, each run in
// another order, so that a machine whose speed drifts is unjust to none.
func (s *suite) rates(ctx context.Context) error {
	m, err := startMosquitto(ctx, s.mosquitto)
	if err != nil {
		return err
	}
	defer m.Kill()
	return s.withJob(ctx, "rates", s.Conns, func(f *fleetServer) error {
		var responders []*process.Child
		for _, b := range []broker{m, f.broker} {
			r, err := startResponder(ctx, s.self, b.addr, nil)
			if err != nil {
				return err
			}
			defer r.Kill()
			responders = append(responders, r)
		}
		judged := []measurement{
			{row: mosquittoEcho, on: m, mode: Echo, with: responders[0]},
			{row: droverEcho, on: f.broker, mode: Echo, with: responders[1]},
			{row: droverUpdate, on: f.broker, mode: Update},
			{row: droverNext, on: f.broker, mode: Next},
		}
		for run := range s.Runs {
			for i := range judged {
				if err := s.measure(ctx, judged[(run+i)%len(judged)], fmt.Sprintf("run %d of %d", run+1, s.Runs)); err != nil {
					return err
				}
			}
		}
		for _, x := range []measurement{ // once, for the record
			{row: mosquittoLazy, on: m, mode: Echo, with: responders[0], lazy: true},
			{row: droverLazy, on: f.broker, mode: Echo, with: responders[1], lazy: true},
		} {
			if err := s.measure(ctx, x, "not judged"); err != nil {
				return err
			}
		}
		return nil
	})
}

// measurement is one row of the table of rates.
type measurement struct {
	row  string
	on   broker
	mode Mode
	with *process.Child // the responder
	lazy bool
}

func (s *suite) measure(ctx context.Context, x measurement, which string) error {
	cfg := GenConfig{
		Addr: x.on.addr, Mode: x.mode, Conns: s.Conns, Job: jobID, Warm: s.Warm, Run: s.Run,
		ServerPID: x.on.PID(), LazyACK: x.lazy,
	}
	if x.with != nil {
		cfg.OtherPID = x.with.PID()
	}
	load, err := runGenerator(ctx, s.self, cfg)
	if err != nil {
		return fmt.Errorf("%s: %w; the server's log ends:\n%s", x.row, err, x.on.Log())
	}
	say("%s: %-26s %7.0f/s  p50 %.2f ms  p99 %.2f ms  %.1f us/req", which, x.row, load.PerSecond, load.P50, load.P99, load.ServerCPU)
	s.results.add(x.row, load)
	return nil
}

// sustained measures updates without a pause, and how large the log grows.
func (s *suite) sustained(ctx context.Context) error {
	return s.withJob(ctx, "sustained", s.Conns, func(f *fleetServer) error {
		largest := watchLog(ctx, f.data)
		profiled := s.startProfile(ctx, f.Ready.Admin)
		load, err := runGenerator(ctx, s.self, GenConfig{
			Addr: f.addr, Mode: Update, Conns: s.Conns, Job: jobID, Warm: s.Warm, Run: s.Sustained, ServerPID: f.PID(),
		})
		err = errors.Join(err, profiled())
		s.results.Sustained = &Sustained{Load: load, LargestLog: largest(), LogLimit: s.WALLimit}
		return err
	})
}

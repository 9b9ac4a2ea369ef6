package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/drover-iot/drover/internal/sim/process"
)

// aSync is a sync of a write-ahead log in the output of strace -y.
var aSync = regexp.MustCompile(`(?m)^\d+ +f(?:data)?sync\(\d+<[^>]*-wal>`)

// durable holds the server to its promise before anything is measured: with
// one device that waits for each answer no two updates can share a commit, so
// the kernel must have synced the log at least once per acknowledged update.
func (s *suite) durable(ctx context.Context) error {
	return s.withJob(ctx, "durable", 1, func(f *fleetServer) error {
		log := filepath.Join(s.dir, "syncs")
		stop, err := trace(ctx, f.PID(), log, "fsync,fdatasync")
		if err != nil {
			return err
		}
		load, err := runGenerator(ctx, s.self, GenConfig{Addr: f.addr, Mode: Update, Conns: 1, Job: jobID, Run: s.Strace, ServerPID: f.PID()})
		if err = errors.Join(err, stop()); err != nil {
			return err
		}
		b, err := os.ReadFile(log)
		if err != nil {
			return err
		}
		syncs := int64(len(aSync.FindAll(b, -1)))
		s.results.Durable = &Durable{Updates: load.Requests, Syncs: syncs}
		say("durable: %d updates of one device, %d syncs of the log", load.Requests, syncs)
		if syncs < load.Requests {
			return fmt.Errorf("%d updates were acknowledged with %d syncs of the log: this server is not durable, and its figures would compare with nothing", load.Requests, syncs)
		}
		return nil
	})
}

// trace starts strace on a process and returns once it is attached.
func trace(ctx context.Context, pid int, file, calls string) (stop func() error, err error) {
	c, err := process.Spawn(ctx, "strace", "-f", "-y", "-e", "trace="+calls, "-o", file, "-p", fmt.Sprint(pid))
	if err != nil {
		return nil, fmt.Errorf("%w (the check of durability needs strace)", err)
	}
	deadline := time.Now().Add(stall)
	for {
		tracer, err := process.Tracer(pid)
		if err == nil && tracer == c.PID() {
			return func() error { return c.End(syscall.SIGINT, stall) }, nil
		}
		if err == nil && time.Now().After(deadline) {
			err = errors.New("it did not attach")
		}
		select {
		case <-c.Done():
			err = errors.New("it ended")
		case <-time.After(10 * time.Millisecond):
		}
		if err != nil {
			c.Kill()
			return nil, fmt.Errorf("strace of pid %d: %w: %s", pid, err, c.Log())
		}
	}
}

// watchLog notes how large the write-ahead log in a data folder gets until the
// returned function is called.
func watchLog(ctx context.Context, data string) (largest func() int64) {
	ctx, cancel := context.WithCancel(ctx)
	var most atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			files, _ := filepath.Glob(filepath.Join(data, "*-wal"))
			for _, file := range files {
				if info, err := os.Stat(file); err == nil {
					most.Store(max(most.Load(), info.Size()))
				}
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() int64 { cancel(); <-done; return most.Load() }
}

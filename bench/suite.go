package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/drover-iot/drover/internal/sim/operator"
	"github.com/drover-iot/drover/internal/sim/process"
)

// Size is how much of everything a run of the suite does.
type Size struct {
	Short      bool
	Runs       int
	Conns      int
	Warm, Run  time.Duration
	Sustained  time.Duration
	Crowd      int // connections of the memory step
	Quiet      time.Duration
	Few, Many  int // things of the expansion step's two jobs
	WALLimit   int64
	Strace     time.Duration // how long the syncs are counted
	Settle     time.Duration // idle time before a memory figure is taken
	ExpandTime time.Duration // the bound on the wait for a job's executions

	Fleet, Moving int           // things of the million step, and those that join and leave
	CrowdBefore   time.Duration // of reports before anything is done to the fleet
	CrowdTime     time.Duration // the bound on what is done to it
}

// The sizes of `bench` and `bench -short`.
var (
	full = Size{
		Runs: 5, Conns: 500, Warm: 1500 * time.Millisecond, Run: 5 * time.Second, Sustained: time.Minute,
		Crowd: 7500, Quiet: 30 * time.Second, Few: 10_000, Many: 100_000,
		Strace: 2 * time.Second, Settle: 5 * time.Second, ExpandTime: 2 * time.Minute,
		Fleet: 1_000_000, Moving: 10_000, CrowdBefore: 20 * time.Second, CrowdTime: 20 * time.Minute,
	}
	brief = Size{
		Short: true, Runs: 1, Conns: 500, Warm: time.Second, Run: 3 * time.Second, Sustained: 10 * time.Second,
		Crowd: 1000, Quiet: 3 * time.Second, Few: 500, Many: 5000,
		Strace: time.Second, Settle: time.Second, ExpandTime: time.Minute,
		Fleet: 20_000, Moving: 500, CrowdBefore: 3 * time.Second, CrowdTime: 2 * time.Minute,
	}
)

// suite is one run of the benchmark.
type suite struct {
	Size
	self      string // this program, for its other parts
	drover    string // the binary under test
	mosquitto string
	profile   string
	dir       string
	results   *Results
}

// steps are what the suite does, in this order. Each starts its own servers.
var steps = []struct {
	name string
	run  func(*suite, context.Context) error
}{
	{"durable", (*suite).durable},
	{"alone", (*suite).alone},
	{"rates", (*suite).rates},
	{"sustained", (*suite).sustained},
	{"memory", (*suite).memory},
	{"expansion", (*suite).expansion},
	{millionStep, (*suite).million},
}

// millionStep runs by itself in full: it takes as long as all others together.
const millionStep = "million"

func stepNames() []string {
	var names []string
	for _, s := range steps {
		names = append(names, s.name)
	}
	return names
}

// runSuite runs the steps and gives what was measured, also when one failed.
func runSuite(ctx context.Context, size Size, binary, profile, only string) (*Results, error) {
	wanted := slices.DeleteFunc(stepNames(), func(name string) bool { return name == millionStep && !size.Short })
	if only != "" {
		for _, name := range strings.Split(only, ",") {
			if !slices.Contains(stepNames(), name) {
				return nil, fmt.Errorf("no step is named %q; there are %s", name, strings.Join(wanted, ", "))
			}
		}
		wanted = strings.Split(only, ",")
	}
	if _, err := process.RaiseFileLimit(); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "drover-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s := &suite{Size: size, self: self, drover: binary, profile: profile, dir: dir}
	version := "not needed"
	if !slices.Equal(wanted, []string{millionStep}) {
		if s.mosquitto, version, err = findMosquitto(); err != nil {
			return nil, err
		}
	}
	if s.drover == "" {
		say("building drover")
		if s.drover, err = buildDrover(ctx, dir); err != nil {
			return nil, fmt.Errorf("build drover: %w", err)
		}
	}
	s.results = newResults(size, version)
	for _, step := range steps {
		if !slices.Contains(wanted, step.name) {
			continue
		}
		start := time.Now()
		if err := step.run(s, ctx); err != nil {
			return s.results, fmt.Errorf("step %s: %w", step.name, err)
		}
		say("step %s took %s", step.name, time.Since(start).Round(100*time.Millisecond))
	}
	return s.results, nil
}

// say prints progress; results go to stdout, talk goes to stderr.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s  %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}

func machine() string {
	model := "unknown CPU"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(b), "model name"); ok {
			line, _, _ := strings.Cut(rest, "\n")
			model = strings.TrimSpace(strings.TrimLeft(line, "\t :"))
		}
	}
	return fmt.Sprintf("%d x %s, %s", runtime.NumCPU(), model, runtime.Version())
}

// jobID is the job whose executions the rates are measured on.
const jobID = "bench-firmware"

const groupName = "bench"

// fleetServer is a drover with its own data folder.
type fleetServer struct {
	broker
	api  *operator.Client
	data string
}

func (s *suite) start(ctx context.Context, data string) (*fleetServer, error) {
	b, err := startDrover(ctx, s.drover, filepath.Join(s.dir, data))
	if err != nil {
		return nil, err
	}
	return &fleetServer{broker: b, api: operator.New(b.Ready.HTTP), data: filepath.Join(s.dir, data)}, nil
}

// stop ends a server as an operator does. One that does not drain in time, or
// exits with an error, has failed.
func (f *fleetServer) stop() error {
	f.api.Close()
	return f.Stop(stall)
}

// withFleet starts a server, registers n things and runs do.
func (s *suite) withFleet(ctx context.Context, data string, n int, do func(*fleetServer, string) error) (err error) {
	f, err := s.start(ctx, data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	start := time.Now()
	arn, err := f.api.CreateFleet(ctx, groupName, n, thingName)
	if err != nil {
		return fmt.Errorf("register %d things: %w", n, err)
	}
	say("registered %d things in %s", n, time.Since(start).Round(100*time.Millisecond))
	return do(f, arn)
}

// withJob is withFleet with a job queued on every thing.
func (s *suite) withJob(ctx context.Context, data string, n int, do func(*fleetServer) error) error {
	return s.withFleet(ctx, data, n, func(f *fleetServer, arn string) error {
		if err := f.queue(ctx, jobID, arn, n, s.ExpandTime); err != nil {
			return err
		}
		return do(f)
	})
}

func (f *fleetServer) queue(ctx context.Context, id, target string, n int, bound time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	if err := f.api.CreateJob(ctx, operator.Job{ID: id, Targets: []string{target}, Document: jobDocument}); err != nil {
		return err
	}
	return f.api.WaitQueued(ctx, id, int64(n), 50*time.Millisecond)
}

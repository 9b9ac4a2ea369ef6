package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/sys/unix"

	"github.com/drover-iot/drover/internal/sim/operator"
	"github.com/drover-iot/drover/internal/sim/process"
)

// The names of the million step.
const (
	crowdGroup  = "million"   // every thing of the fleet
	movingGroup = "moving"    // those that join and leave a CONTINUOUS job
	othersGroup = "bystander" // the devices that report meanwhile
	crowdJob    = "million-firmware"
	movingJob   = "moving-firmware"
)

// others are the devices whose reports are timed, each of them once in pace.
const (
	others = 200
	pace   = 200 * time.Millisecond
)

func crowdName(i int) string { return fmt.Sprintf("fleet-%07d", i) }

// million does to a fleet what is worst for those that are no part of it: a job on
// every thing is queued, cancelled and deleted, things join a CONTINUOUS job and
// leave it, groups go away. 200 other devices report progress all the time, before
// and meanwhile; the server's memory is that over its rest.
func (s *suite) million(ctx context.Context) error {
	const data = "million"
	if err := s.seedMillion(ctx, data); err != nil {
		return err
	}
	unix.Sync() // what the import has left to write is not written meanwhile
	return s.restarted(ctx, data, func(f *fleetServer) error {
		m := &Million{Things: s.Fleet, Moving: s.Moving}
		s.results.Million = m
		var err error
		if m.Idle, err = process.RSS(f.PID()); err != nil {
			return err
		}
		x := &crowd{f: f, m: m, ctx: ctx, bound: s.CrowdTime}
		for _, phase := range []struct {
			name string
			do   func(*crowd) error
		}{
			{before, func(*crowd) error { return wait(ctx, s.CrowdBefore) }},
			{"queued", (*crowd).queue},
			{"cancelled, with force", (*crowd).cancel},
			{"deleted, with force", (*crowd).drop},
			{"joined a CONTINUOUS job", (*crowd).join},
			{"left it", (*crowd).leave},
			{"joined again", (*crowd).join},
			{"their group deleted", (*crowd).dissolve},
			{"the group of all deleted", (*crowd).dissolveAll},
			{after, func(*crowd) error { return wait(ctx, s.CrowdBefore) }},
		} {
			if err := x.phase(phase.name, phase.do); err != nil {
				return fmt.Errorf("%s: %w; the server's log ends:\n%s", phase.name, err, f.Log())
			}
		}
		return nil
	})
}

// before is the phase that the others are held against; after shows what is left.
const (
	before = "before"
	after  = "after"
)

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// seedMillion registers the fleet by an import, and gives the other devices a job
// to report on.
func (s *suite) seedMillion(ctx context.Context, data string) (err error) {
	f, err := s.start(ctx, data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	start := time.Now()
	last, err := f.api.Import(ctx, func(w io.Writer) error {
		for _, g := range []string{crowdGroup, movingGroup, othersGroup} {
			fmt.Fprintf(w, `{"thingGroupName":%q}`+"\n", g)
		}
		for i := range others {
			fmt.Fprintf(w, `{"thingName":%q,"thingGroupNames":[%q]}`+"\n", thingName(i), othersGroup)
		}
		for i := range s.Fleet {
			if _, err := fmt.Fprintf(w, `{"thingName":%q,"attributePayload":{"attributes":{"line":"%d"}},"thingGroupNames":[%q]}`+"\n", crowdName(i), i%100, crowdGroup); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("import: %w; the server's log ends:\n%s", err, f.Log())
	}
	s.results.Import = &Import{Things: last.Things, Seconds: time.Since(start).Seconds()}
	say("imported %d things in %.1f s", last.Things, s.results.Import.Seconds)
	return f.queue(ctx, jobID, groupARN(othersGroup), others, s.ExpandTime)
}

// groupARN is an ARN of `drover dev`.
func groupARN(name string) string { return "arn:aws:iot:us-east-1:000000000000:thinggroup/" + name }

// crowd is the million step under way.
type crowd struct {
	f     *fleetServer
	m     *Million
	ctx   context.Context
	bound time.Duration // of a phase

	called time.Duration // how long the operator waited for the answer that began it
}

// phase has the other devices report while something is done.
func (x *crowd) phase(name string, do func(*crowd) error) error {
	if err := process.ResetPeak(x.f.PID()); err != nil {
		return err
	}
	begun, over := make(chan struct{}), make(chan struct{})
	reports := make(chan error, 1)
	var load Load
	go func() {
		var err error
		load, err = runUntil(GenConfig{
			Addr: x.f.addr, Mode: Update, Conns: others, Job: jobID, Every: pace, Warm: time.Second, Run: x.bound, ServerPID: x.f.PID(),
		}, func() { close(begun) }, func() bool {
			select {
			case <-over:
				return true
			default:
				return false
			}
		})
		reports <- err
	}()
	select {
	case <-begun:
	case err := <-reports:
		return err
	}
	start := time.Now()
	x.called = 0
	err := do(x)
	took := time.Since(start)
	close(over)
	if err := errors.Join(err, <-reports); err != nil {
		return err
	}
	peak, err := process.PeakRSS(x.f.PID())
	load.Series = nil
	x.m.Phases = append(x.m.Phases, Phase{
		Name: name, Seconds: took.Seconds(), Answered: x.called.Seconds() * 1e3, Peak: peak, Load: load,
	})
	say("%-26s %6.1f s, answered in %.1f ms, peak %.1f MiB over idle, others p50 %.2f p99 %.2f max %.1f ms", name, took.Seconds(), x.called.Seconds()*1e3,
		float64(peak-x.m.Idle)/(1<<20), load.P50, load.P99, load.Max)
	return err
}

// call times what the operator waits for.
func (x *crowd) call(do func() error) error {
	start := time.Now()
	err := do()
	x.called = time.Since(start)
	return err
}

// until asks for a job's counters until they are as they should be.
func (x *crowd) until(id string, reached func(operator.JobCounts) bool) error {
	ctx, cancel := context.WithTimeout(x.ctx, x.bound)
	defer cancel()
	for {
		c, err := x.f.api.DescribeJob(ctx, id)
		if err != nil || reached(c) {
			return err
		}
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return fmt.Errorf("job %s stands at %+v: %w", id, c, err)
		}
	}
}

func (x *crowd) queue() error {
	err := x.call(func() error {
		return x.f.api.CreateJob(x.ctx, operator.Job{ID: crowdJob, Targets: []string{groupARN(crowdGroup)}, Document: jobDocument})
	})
	if err != nil {
		return err
	}
	return x.until(crowdJob, func(c operator.JobCounts) bool { return c.Queued >= int64(x.m.Things) })
}

func (x *crowd) cancel() error {
	if err := x.call(func() error { return x.f.api.CancelJob(x.ctx, crowdJob, true) }); err != nil {
		return err
	}
	return x.until(crowdJob, func(c operator.JobCounts) bool { return c.Canceled >= int64(x.m.Things) })
}

func (x *crowd) drop() error {
	if err := x.call(func() error { return x.f.api.DeleteJob(x.ctx, crowdJob, true) }); err != nil {
		return err
	}
	err := x.until(crowdJob, func(operator.JobCounts) bool { return false })
	var gone *operator.Error
	if errors.As(err, &gone) && gone.Status == http.StatusNotFound {
		return nil
	}
	return err
}

// join has things join the group of a CONTINUOUS job, which is made at first.
func (x *crowd) join() error {
	if _, err := x.f.api.DescribeJob(x.ctx, movingJob); err != nil {
		err := x.call(func() error {
			return x.f.api.CreateJob(x.ctx, operator.Job{ID: movingJob, Targets: []string{groupARN(movingGroup)}, Document: jobDocument, Continuous: true})
		})
		if err != nil {
			return err
		}
	}
	_, err := x.f.api.Import(x.ctx, func(w io.Writer) error {
		for i := range x.m.Moving {
			if _, err := fmt.Fprintf(w, `{"thingName":%q,"thingGroupName":%q}`+"\n", crowdName(i), movingGroup); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return x.until(movingJob, func(c operator.JobCounts) bool { return c.Queued >= int64(x.m.Moving) })
}

// leave takes the things out one after the other, as a script would: many requests
// at a time would show what two cores do for an operator, not what devices feel.
func (x *crowd) leave() error {
	for i := range x.m.Moving {
		if err := x.f.api.RemoveFromGroup(x.ctx, movingGroup, crowdName(i)); err != nil {
			return err
		}
	}
	return x.until(movingJob, x.moved)
}

// moved says whether everything of the CONTINUOUS job was taken back.
func (x *crowd) moved(c operator.JobCounts) bool {
	return c.Removed >= int64(x.m.Moving) && c.Queued == 0
}

func (x *crowd) dissolve() error {
	if err := x.call(func() error { return x.f.api.DeleteGroup(x.ctx, movingGroup) }); err != nil {
		return err
	}
	return x.until(movingJob, x.moved)
}

// dissolveAll deletes the group of every thing. Its rows go afterwards, where
// nobody sees it: the phase lasts until the server has come to rest.
func (x *crowd) dissolveAll() error {
	if err := x.call(func() error { return x.f.api.DeleteGroup(x.ctx, crowdGroup) }); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(x.ctx, x.bound)
	defer cancel()
	before, err := process.CPU(x.f.PID())
	for err == nil {
		if err = wait(ctx, time.Second); err != nil {
			break
		}
		var now time.Duration
		if now, err = process.CPU(x.f.PID()); now-before < restingCPU {
			break
		}
		before = now
	}
	return err
}

// restingCPU is more than the reports of the other devices need in a second.
const restingCPU = 500 * time.Millisecond

package sched

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// queuedAt are a job's executions of things whose name begins so, in order, with
// how long after start they were queued.
func (f *fleet) queuedAt(id, prefix string, start time.Time) string {
	f.t.Helper()
	var all []string
	out := must(f.control.ListJobExecutionsForJob(context.Background(), caller, &iot.ListJobExecutionsForJobInput{JobID: job.ID(id)}))(f.t)
	for _, s := range out.ExecutionSummaries {
		e := s.JobExecutionSummary
		if _, name, _ := cutLast(s.ThingARN); strings.HasPrefix(name, prefix) {
			all = append(all, fmt.Sprintf("%s#%d +%s", name, e.ExecutionNumber, e.QueuedAt.Sub(start)))
		}
	}
	return strings.Join(all, ", ")
}

// state is one that the execution of thing "a" may have, how it comes to it, and
// what becomes of it when the thing joins a second target, leaves the first, rejoins
// it, is deleted, or is deleted, made anew and joins (control-plane.md B.3).
type state struct {
	name, reached                         string
	joins, leaves, rejoins, deleted, anew string
}

const timesOut = " IN_PROGRESS minute"

var states = []state{
	{
		"QUEUED", "",
		"a#1 QUEUED", "a#1 REMOVED", "a#1 REMOVED, a#2 QUEUED", "a#1 REMOVED", "a#1 QUEUED, a#1 REMOVED",
	},
	{
		"IN_PROGRESS", "IN_PROGRESS",
		"a#1 IN_PROGRESS", "a#1 IN_PROGRESS", "a#1 IN_PROGRESS", "a#1 REMOVED", "a#1 QUEUED, a#1 REMOVED",
	},
	{
		"SUCCEEDED", "SUCCEEDED",
		"a#1 SUCCEEDED", "a#1 SUCCEEDED", "a#1 SUCCEEDED, a#2 QUEUED", "a#1 SUCCEEDED", "a#1 QUEUED, a#1 SUCCEEDED",
	},
	{
		"FAILED", "FAILED FAILED",
		"a#1 FAILED, a#2 FAILED", "a#1 FAILED, a#2 FAILED", "a#1 FAILED, a#2 FAILED, a#3 QUEUED",
		"a#1 FAILED, a#2 FAILED", "a#1 FAILED, a#1 QUEUED, a#2 FAILED",
	},
	{
		"TIMED_OUT", timesOut + timesOut,
		"a#1 TIMED_OUT, a#2 TIMED_OUT", "a#1 TIMED_OUT, a#2 TIMED_OUT", "a#1 TIMED_OUT, a#2 TIMED_OUT, a#3 QUEUED",
		"a#1 TIMED_OUT, a#2 TIMED_OUT", "a#1 QUEUED, a#1 TIMED_OUT, a#2 TIMED_OUT",
	},
	{
		"REJECTED", "REJECTED",
		"a#1 REJECTED", "a#1 REJECTED", "a#1 REJECTED, a#2 QUEUED", "a#1 REJECTED", "a#1 QUEUED, a#1 REJECTED",
	},
	{
		"CANCELED", "cancel",
		"a#1 CANCELED", "a#1 CANCELED", "a#1 CANCELED, a#2 QUEUED", "a#1 CANCELED", "a#1 CANCELED, a#1 QUEUED",
	},
	{ // it is in no target, so joining the second is rejoining
		"REMOVED", "leave",
		"a#1 REMOVED, a#2 QUEUED", "a#1 REMOVED", "a#1 REMOVED, a#2 QUEUED", "a#1 REMOVED", "a#1 QUEUED, a#1 REMOVED",
	},
	{
		"a retry QUEUED", "FAILED",
		"a#1 FAILED, a#2 QUEUED", "a#1 FAILED, a#2 REMOVED", "a#1 FAILED, a#2 REMOVED, a#3 QUEUED",
		"a#1 FAILED, a#2 REMOVED", "a#1 FAILED, a#1 QUEUED, a#2 REMOVED",
	},
	{
		"a retry IN_PROGRESS", "FAILED IN_PROGRESS",
		"a#1 FAILED, a#2 IN_PROGRESS", "a#1 FAILED, a#2 IN_PROGRESS", "a#1 FAILED, a#2 IN_PROGRESS",
		"a#1 FAILED, a#2 REMOVED", "a#1 FAILED, a#1 QUEUED, a#2 REMOVED",
	},
}

// inState is a job on the groups "line", in which the things are, and "second", with
// one retry and a minute's time, when "a" has come to its state.
func inState(t *testing.T, selection, things, reached string, rate int64) *fleet {
	t.Helper()
	f := newFleet(t, func(c *ops.Config) { c.RolloutDefault = rate })
	f.things(strings.Fields(things)...)
	f.group("line", strings.Fields(things)...)
	f.group("second")
	f.create("fw", func(in *iot.CreateJobInput) {
		in.TargetSelection = selection
		in.TimeoutConfig = &iot.TimeoutConfig{InProgressTimeoutInMinutes: ptr(int64(1))}
		in.JobExecutionsRetryConfig = retries("ALL", 1)
	}, "thinggroup/line", "thinggroup/second")
	f.settle()
	f.do(reached)
	return f
}

// ofA are the executions of the thing "a".
func (f *fleet) ofA() string {
	f.t.Helper()
	var of []string
	for _, line := range f.executions("fw") {
		if strings.HasPrefix(line, "a#") {
			of = append(of, line)
		}
	}
	return strings.Join(of, ", ")
}

// The same holds after the rollout, in the middle of one that has passed the thing,
// and in one whose turn for it is still to come: it got its execution then by leaving
// and rejoining. Nothing of it moves the others.
func TestInEachStateAThingJoinsLeavesRejoinsAndIsDeleted(t *testing.T) {
	for _, s := range states {
		for _, does := range []struct{ name, steps, want string }{
			{"joins", "joinSecond", s.joins},
			{"leaves", "leave", s.leaves},
			{"rejoins", "leave join", s.rejoins},
			{"is deleted", "delete", s.deleted},
			{"is deleted, made anew and joins", "delete create join", s.anew},
		} {
			for _, when := range []struct {
				name   string
				rate   int64
				order  string // of the rollout
				first  string
				others string // when they are queued
			}{
				{"after the rollout", 0, "a x1 x2 x3 x4", "", "x1#1 +0s, x2#1 +0s, x3#1 +0s, x4#1 +0s"},
				{"in the middle of one that has passed it", 1, "a x1 x2 x3 x4", "", "x1#1 +1m0s, x2#1 +2m0s, x3#1 +3m0s, x4#1 +4m0s"},
				{"in the middle of one, before its turn", 1, "x1 x2 x3 x4 a", "leave join ", "x1#1 +0s, x2#1 +1m0s, x3#1 +2m0s, x4#1 +3m0s"},
			} {
				t.Run(s.name+", "+does.name+" "+when.name, func(t *testing.T) {
					f := inState(t, "CONTINUOUS", when.order, when.first+s.reached, when.rate)
					start, at := f.describe("fw").CreatedAt, f.dial.Now()
					f.do(does.steps)
					if got := f.ofA(); got != does.want {
						t.Errorf("got  %s\nwant %s", got, does.want)
					}
					// What it has got by joining, it has got at once.
					times, joined := f.queuedAt("fw", "a", start), "+"+at.Sub(start).String()
					if strings.Contains(does.want, "QUEUED") && strings.Contains(does.steps, "join") && !strings.Contains(times, joined) {
						t.Errorf("it joined at %s; its executions were queued at %s", joined, times)
					}
					f.drain()
					if got := f.queuedAt("fw", "x", start); got != when.others {
						t.Errorf("the others were queued at\n\t%s, want\n\t%s", got, when.others)
					}
					f.recount("fw")
				})
			}
		}
	}
}

// A SNAPSHOT job knows who was there, and sees nobody come or go but who is deleted.
func TestInEachStateASnapshotSeesDeletionsAlone(t *testing.T) {
	for _, s := range states {
		if s.name == "REMOVED" {
			continue // nobody is, by leaving
		}
		for _, does := range []struct{ name, steps, want string }{
			{"joins", "joinSecond", s.joins},
			{"leaves", "leave", s.joins},
			{"rejoins", "leave join", s.joins},
			{"is deleted", "delete", s.deleted},
			{"is deleted, made anew and joins", "delete create join", s.deleted},
		} {
			for _, when := range []struct {
				name   string
				rate   int64
				others string
			}{
				{"after the rollout", 0, "x1#1 +0s, x2#1 +0s, x3#1 +0s, x4#1 +0s"},
				{"in the middle of it", 1, "x1#1 +1m0s, x2#1 +2m0s, x3#1 +3m0s, x4#1 +4m0s"},
			} {
				t.Run(s.name+", "+does.name+" "+when.name, func(t *testing.T) {
					f := inState(t, "SNAPSHOT", "a x1 x2 x3 x4", s.reached, when.rate)
					f.do(does.steps)
					if got := f.ofA(); got != does.want {
						t.Errorf("got  %s\nwant %s", got, does.want)
					}
					f.drain()
					if got := f.queuedAt("fw", "x", f.describe("fw").CreatedAt); got != when.others {
						t.Errorf("the others were queued at\n\t%s, want\n\t%s", got, when.others)
					}
					f.recount("fw")
				})
			}
		}
	}
}

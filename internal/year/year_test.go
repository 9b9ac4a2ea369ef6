package year

import (
	"bufio"
	"container/heap"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/year/reference"
)

// plan is one run: a seed, and so many days with so many things. busy is how much
// the operator does, in percent: a year is long enough to take it easy.
type plan struct {
	seed            uint64
	days, things    int
	busy            int
	noSecondSuccess bool
}

// number reads a number from the environment.
func number(t testing.TB, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q: expected a number, 1 or more", name, text)
	}
	return n
}

// TestAYearGoesByTheRules: DROVER_YEAR_DAYS of it (`make year`: all), drawn from
// DROVER_YEAR_SEED, on 1,000 things.
func TestAYearGoesByTheRules(t *testing.T) {
	days := 10
	if testing.Short() {
		days = 3
	}
	p := plan{seed: uint64(number(t, "DROVER_YEAR_SEED", 2026)), days: number(t, "DROVER_YEAR_DAYS", days), things: 1000, busy: 100}
	if p.days > 300 {
		p.busy = 30
	}
	r := live(t, p)
	t.Logf("seed %d, %d days: %s; trace %s", p.seed, p.days, r.summary(), r.hash())
}

// TestAYearWithoutASecondSuccess is the documented switch of B.3.
func TestAYearWithoutASecondSuccess(t *testing.T) {
	if testing.Short() {
		t.Skip("a variant of the year; left out by -short")
	}
	p := plan{seed: 7, days: max(4, number(t, "DROVER_YEAR_DAYS", 4)/12), things: 300, busy: 100, noSecondSuccess: true}
	r := live(t, p)
	t.Logf("%s", r.summary())
}

// TestTheSameSeedGivesTheSameTrace, and another another.
func TestTheSameSeedGivesTheSameTrace(t *testing.T) {
	p := plan{seed: 99, days: 3, things: 200, busy: 100}
	first, second := live(t, p).hash(), live(t, p).hash()
	if first != second {
		t.Errorf("the traces of seed %d differ: %s and %s", p.seed, first, second)
	}
	p.seed++
	if other := live(t, p).hash(); other == first {
		t.Errorf("seed %d has the trace of seed %d", p.seed, p.seed-1)
	}
}

// run is a year while it goes on.
type run struct {
	plan
	t   testing.TB
	ctx context.Context
	s   *server
	w   *reference.World
	rnd *rand.Rand

	next    time.Time // when the scheduler has something to do
	early   bool      // it is time, and the scheduler has not done it
	events  events
	planned int
	fleet   map[string]*device
	op      operator

	trace hash.Hash
	to    io.Writer
	last  []string // of the trace, for whoever must find out what went wrong
	count map[string]int
}

// event is something that is planned.
type event struct {
	at    time.Time
	order int
	do    func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].order < e[j].order
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	*e = (*e)[:last]
	return x
}

// live has a year go by, and the drain after it.
func live(t testing.TB, p plan) *run {
	t.Helper()
	start := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	r := &run{
		plan: p, t: t, ctx: context.WithoutCancel(t.Context()), s: newServer(t, start, p.noSecondSuccess),
		w: reference.New(reference.Limits{
			RatePerMinute: rateLimit, ActiveSnapshot: activeSnapshot, ActiveForever: activeForever, NoSecondSuccess: p.noSecondSuccess,
		}),
		rnd: rand.New(rand.NewPCG(p.seed, 4)), fleet: map[string]*device{}, trace: sha256.New(), count: map[string]int{},
	}
	r.to = r.trace
	if name := os.Getenv("DROVER_YEAR_TRACE"); name != "" {
		f, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		buffered := bufio.NewWriter(f)
		t.Cleanup(func() { _ = buffered.Flush(); _ = f.Close() })
		r.to = io.MultiWriter(r.trace, buffered)
	}
	r.found()
	end := start.AddDate(0, 0, p.days)
	r.daily(start)
	r.pass(end)
	r.drain()
	return r
}

func (r *run) now() time.Time { return r.s.clock.Now() }

// after plans something, on a whole millisecond.
func (r *run) after(d time.Duration, do func()) {
	r.planned++
	heap.Push(&r.events, event{r.now().Add(max(d, 0).Truncate(time.Millisecond)), r.planned, do})
}

// pass has time go to its end, and everything happen on the way.
func (r *run) pass(end time.Time) {
	for {
		at := end
		if len(r.events) > 0 && r.events[0].at.Before(at) {
			at = r.events[0].at
		}
		if !r.next.IsZero() && r.next.Before(at) {
			at = r.next
		}
		if !at.Before(end) {
			r.moveTo(end)
			return
		}
		r.moveTo(at)
		if r.early = at.Equal(r.next); r.early && r.rnd.IntN(2) == 0 {
			r.settle() // else what happens at this very time comes before the scheduler
		}
		for len(r.events) > 0 && !r.events[0].at.After(at) {
			heap.Pop(&r.events).(event).do()
		}
		r.settle()
	}
}

func (r *run) moveTo(at time.Time) {
	r.s.clock.Advance(at.Sub(r.now()))
	r.w.Advance(at)
	r.complain()
}

// settle has the scheduler do what is due, tells the reference what it has
// reached, and holds the two against each other where anything has changed.
func (r *run) settle() {
	r.early = false
	now := r.now()
	told, next, err := r.s.settle(r.ctx)
	if err != nil {
		r.failf("the scheduler: %v", err)
	}
	if !next.IsZero() && !next.After(now) {
		r.failf("the scheduler rests, and something is due at %s", next)
	}
	r.next = next
	touched := r.w.Settle(now)
	for _, e := range told {
		r.release(e, now)
		r.notify(e)
	}
	for _, j := range r.w.Rollouts() {
		r.w.RolledOut(j, r.describe(j.ID).JobProcessDetails.ProcessingTargets == nil, now)
	}
	r.w.Finish(now)
	r.complain()
	for _, j := range touched {
		r.checkJob(j)
	}
}

// release tells the reference of an execution that it does not know.
func (r *run) release(e job.Effect, now time.Time) {
	x := e.After.Named.Execution
	if x.Status != job.Queued || r.w.Job(string(x.JobID)) == nil || r.w.Attempt(string(x.JobID), e.Thing, x.Number) != nil {
		return
	}
	r.notef("%s reaches %s", x.JobID, e.Thing)
	r.count["reached by rollouts"]++
	r.w.Release(string(x.JobID), e.Thing, now)
}

func (r *run) complain() {
	if wrong := r.w.Wrong(); len(wrong) > 0 {
		r.failf("%s", strings.Join(wrong, "\n"))
	}
}

// drain: the operator rests, every device is there and does its work well; then
// nothing may be left to do.
func (r *run) drain() {
	r.events = nil
	for _, name := range r.names() {
		d := r.fleet[name]
		d.character, d.awayUntil, d.work = quick, time.Time{}, nil
		r.after(time.Duration(r.rnd.IntN(600))*time.Second, d.act)
		d.planned = true
	}
	r.op.resting = true
	for days := 0; days < 200; days++ {
		r.pass(r.now().AddDate(0, 0, 1))
		r.checkAll()
		if len(r.events) == 0 && r.next.IsZero() {
			break
		}
	}
	for _, j := range r.w.Jobs() {
		switch n := j.Pending(); {
		case n > 0:
			r.failf("job %s still has %d pending", j.ID, n)
		case j.Status == reference.Active && !j.Forever:
			r.failf("job %s is still %s", j.ID, j.Status)
		}
	}
	if !r.next.IsZero() || len(r.events) > 0 {
		r.failf("all is done, and something is due at %s", r.next)
	}
}

// daily is what happens every day.
func (r *run) daily(at time.Time) {
	r.settle()
	r.checkAll()
	if !r.op.resting {
		r.operatorsDay()
		r.after(at.AddDate(0, 0, 1).Sub(r.now()), func() { r.daily(at.AddDate(0, 0, 1)) })
	}
}

func (r *run) notef(format string, args ...any) {
	line := r.now().Format("01-02 15:04:05.000 ") + fmt.Sprintf(format, args...)
	fmt.Fprintln(r.to, line)
	if len(r.last) >= 30 {
		r.last = r.last[1:]
	}
	r.last = append(r.last, line)
}

func (r *run) failf(format string, args ...any) {
	r.t.Helper()
	r.t.Fatalf("what came before:\n  %s\nseed %d, %s: %s", strings.Join(r.last, "\n  "), r.seed, r.now().Format("01-02 15:04:05.000"), fmt.Sprintf(format, args...))
}

func (r *run) hash() string { return hex.EncodeToString(r.trace.Sum(nil))[:16] }

func (r *run) summary() string {
	var all []string
	for _, k := range sorted(r.count) {
		all = append(all, fmt.Sprintf("%s %d", k, r.count[k]))
	}
	return strings.Join(all, ", ")
}

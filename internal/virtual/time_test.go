package virtual

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/clock"
	"github.com/drover-iot/drover/internal/sched"
)

var start = time.Unix(1_760_000_000, 0).UTC()

// plan is a server with things to do at times after start.
type plan struct {
	clock *clock.Virtual
	time  *Time
	due   []time.Duration
	log   []string
	fails error
	told  func()
}

func newPlan(due ...time.Duration) *plan {
	p := &plan{clock: clock.NewVirtual(start), due: due}
	p.time = New(p.clock, nil)
	p.time.Serve(p)
	return p
}

func (p *plan) at() time.Duration { return p.clock.Now().Sub(start) }

func (p *plan) Settle(context.Context) (worked bool, next time.Time, err error) {
	for len(p.due) > 0 && p.due[0] <= p.at() {
		if p.fails != nil {
			return worked, next, p.fails
		}
		p.log = append(p.log, fmt.Sprintf("work of +%s at +%s", p.due[0], p.at()))
		p.time.Scheduled(sched.Event{At: p.clock.Now(), Job: "fw", Was: "IN_PROGRESS", Is: "COMPLETED"})
		p.due = p.due[1:]
		worked = true
	}
	if len(p.due) > 0 {
		next = start.Add(p.due[0])
	}
	return worked, next, nil
}

func (p *plan) Told(context.Context) error {
	if p.told != nil {
		p.told()
	}
	return nil
}

func (p *plan) Written(context.Context) error {
	p.log = append(p.log, "written")
	return nil
}

func wantLog(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestWorkAndCallsHappenInTheOrderOfTheirTime(t *testing.T) {
	p := newPlan(10*time.Minute, 10*time.Minute, 30*time.Minute)
	for _, after := range []time.Duration{5 * time.Minute, 20 * time.Minute, 20 * time.Minute, 2 * time.Hour} {
		p.clock.AfterFunc(after, func() { p.log = append(p.log, fmt.Sprintf("call at +%s", p.at())) })
	}
	r, err := p.time.Advance(t.Context(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	wantLog(t, p.log, "call at +5m0s", "work of +10m0s at +10m0s", "work of +10m0s at +10m0s",
		"call at +20m0s", "call at +20m0s", "work of +30m0s at +30m0s", "written")
	if !r.From.Equal(start) || !r.Now.Equal(start.Add(time.Hour)) || !r.Next.Equal(start.Add(2*time.Hour)) || r.Idle {
		t.Errorf("%+v", r)
	}
}

func TestWhatIsDueBeforeTheMoveIsDoneAndNotTold(t *testing.T) {
	p := newPlan(0, time.Minute)
	r, err := p.time.Advance(t.Context(), 0)
	if err != nil || r.Total != 0 || len(p.log) != 2 {
		t.Errorf("%+v, %q (%v)", r, p.log, err)
	}
	if r, err = p.time.Advance(t.Context(), time.Hour); err != nil || r.Total != 1 || r.Counts[OfJob]["COMPLETED"] != 1 || !r.Idle {
		t.Errorf("%+v (%v)", r, err)
	}
}

func TestWhatIsToldMayAskTheClockForMore(t *testing.T) {
	p := newPlan(time.Minute)
	p.told = func() {
		if len(p.log) == 1 { // the work of the first minute
			p.told = nil
			p.clock.AfterFunc(0, func() { p.log = append(p.log, fmt.Sprintf("at once, at +%s", p.at())) })
			p.clock.AfterFunc(time.Second, func() { p.log = append(p.log, fmt.Sprintf("later, at +%s", p.at())) })
		}
	}
	if _, err := p.time.Advance(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	wantLog(t, p.log, "work of +1m0s at +1m0s", "at once, at +1m0s", "later, at +1m1s", "written")
}

func TestTheClockStaysWhereSomethingCouldNotBeDone(t *testing.T) {
	p := newPlan(time.Minute, time.Hour)
	if _, err := p.time.Advance(t.Context(), 30*time.Minute); err != nil {
		t.Fatal(err)
	}
	p.fails = errors.New("the disk is full")
	if _, err := p.time.Advance(t.Context(), 24*time.Hour); !errors.Is(err, p.fails) {
		t.Errorf("got %v", err)
	}
	if p.at() != time.Hour {
		t.Errorf("the clock stands at +%s, want where the work was due", p.at())
	}
	p.fails = nil
	if r, err := p.time.AdvanceUntilIdle(t.Context(), time.Hour); err != nil || !r.Idle || p.at() != time.Hour {
		t.Errorf("then: %+v (%v)", r, err)
	}
}

func TestUntilIdleEndsAtItsBound(t *testing.T) {
	p := newPlan(time.Hour, 48*time.Hour)
	r, err := p.time.AdvanceUntilIdle(t.Context(), 24*time.Hour)
	if err != nil || r.Idle || p.at() != time.Hour || !r.Next.Equal(start.Add(48*time.Hour)) {
		t.Errorf("%+v at +%s (%v)", r, p.at(), err)
	}
}

func TestTheReportIsBoundedAndItsCountsAreNot(t *testing.T) {
	p := newPlan(slices.Repeat([]time.Duration{time.Second}, MaxEvents+7)...)
	p.time.Session("nobody asked yet", Expired)
	r, err := p.time.Advance(t.Context(), time.Minute)
	if err != nil || len(r.Events) != MaxEvents || r.Total != MaxEvents+7 || r.Counts[OfJob]["COMPLETED"] != r.Total || r.Counts[OfSession] != nil {
		t.Errorf("%d events, %d in all, %v (%v)", len(r.Events), r.Total, r.Counts, err)
	}
}

func TestTheClockDoesNotGoBack(t *testing.T) {
	p := newPlan()
	if _, err := p.time.AdvanceTo(t.Context(), start.Add(-time.Second)); !errors.Is(err, ErrBackwards) {
		t.Errorf("got %v", err)
	}
	if _, err := p.time.AdvanceTo(t.Context(), start); err != nil {
		t.Error(err)
	}
}

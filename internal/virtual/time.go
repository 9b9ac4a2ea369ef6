package virtual

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/drover-iot/drover/internal/clock"
	"github.com/drover-iot/drover/internal/sched"
)

// Server is what follows the clock.
type Server interface {
	// Settle does what is due at the clock's time, and tells whether that was
	// anything, and when something is due next: (*sched.Sched).Settle.
	Settle(ctx context.Context) (worked bool, next time.Time, err error)
	// Told returns when whoever must hear of the commits so far has been told.
	Told(ctx context.Context) error
	// Written returns when what was told has left for the devices.
	Written(ctx context.Context) error
}

// Time is a virtual clock with the server that follows it. Its methods may be
// called from any goroutine; moves follow one another.
type Time struct {
	clock  *clock.Virtual
	server Server
	keep   func(time.Time) error
	turn   chan struct{} // holds one while nobody moves the clock
	report recorder
}

// New gives the hand on c. keep is called with the time that each move has
// reached, so that a restart does not go back; nil keeps nothing. Serve names
// the server before the first move.
func New(c *clock.Virtual, keep func(time.Time) error) *Time {
	t := &Time{clock: c, keep: keep, turn: make(chan struct{}, 1)}
	t.turn <- struct{}{}
	return t
}

// Serve says who follows the clock.
func (t *Time) Serve(s Server) { t.server = s }

// Now is where the clock stands.
func (t *Time) Now() time.Time { return t.clock.Now() }

// ErrBackwards refuses a move into the past.
var ErrBackwards = errors.New("the clock does not go back")

// Settle has what is due at the clock's time happen, and gives the next time at
// which something will; zero: nothing is to come.
func (t *Time) Settle(ctx context.Context) (next time.Time, err error) {
	err = t.exclusively(ctx, func() error {
		if next, err = t.settle(ctx); err != nil {
			return err
		}
		return t.server.Written(ctx)
	})
	return next, err
}

// Advance moves the clock by d and tells what has happened on the way; what was
// due before the move began happens too, and is not told. When ctx ends, or
// something cannot be done, the clock stays where it has come to.
func (t *Time) Advance(ctx context.Context, d time.Duration) (Report, error) {
	return t.move(ctx, false, func(now time.Time) time.Time { return now.Add(max(0, d)) })
}

// AdvanceTo is Advance, to a time. Errors: ErrBackwards, and nothing happens.
func (t *Time) AdvanceTo(ctx context.Context, to time.Time) (Report, error) {
	return t.move(ctx, false, func(time.Time) time.Time { return to })
}

// AdvanceUntilIdle moves the clock from one thing that is due to the next, until
// nothing is to come, and by no more than atMost. Report.Idle says which.
func (t *Time) AdvanceUntilIdle(ctx context.Context, atMost time.Duration) (Report, error) {
	return t.move(ctx, true, func(now time.Time) time.Time { return now.Add(max(0, atMost)) })
}

func (t *Time) move(ctx context.Context, idle bool, target func(now time.Time) time.Time) (r Report, err error) {
	err = t.exclusively(ctx, func() error {
		from := t.clock.Now()
		to := target(from)
		if to.Before(from) {
			return fmt.Errorf("%w: it stands at %s", ErrBackwards, from.Format(time.RFC3339Nano))
		}
		next, err := t.settle(ctx)
		t.report.begin()
		for err == nil && !next.IsZero() && !next.After(to) {
			t.clock.AdvanceTo(next)
			next, err = t.settle(ctx)
		}
		if err == nil && !idle {
			t.clock.AdvanceTo(to) // nothing is due on the way
		}
		r = t.report.end()
		r.From, r.Now, r.Next, r.Idle = from, t.clock.Now(), next, err == nil && next.IsZero()
		if err == nil {
			err = t.server.Written(ctx)
		}
		if t.keep != nil {
			err = errors.Join(err, t.keep(t.clock.Now()))
		}
		return err
	})
	return r, err
}

// settle has everything happen that is due now, also what that causes, and gives
// the next time at which something is.
func (t *Time) settle(ctx context.Context) (time.Time, error) {
	for {
		t.clock.AdvanceTo(t.clock.Now()) // calls that are due at once
		worked, next, err := t.server.Settle(ctx)
		if err == nil {
			err = t.server.Told(ctx) // which may ask the clock for more
		}
		if err != nil {
			return next, err
		}
		call, waits := t.clock.Next()
		switch {
		case worked || waits && !call.After(t.clock.Now()):
			continue
		case waits && (next.IsZero() || call.Before(next)):
			return call, nil
		}
		return next, nil
	}
}

// exclusively calls f when it is this caller's turn.
func (t *Time) exclusively(ctx context.Context, f func() error) error {
	select {
	case <-t.turn:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { t.turn <- struct{}{} }()
	return f()
}

// Scheduled takes what the scheduler has done: sched.Config.Did.
func (t *Time) Scheduled(e sched.Event) {
	ev := Event{At: e.At, Kind: OfExecution, Thing: string(e.Thing), Job: string(e.Job), Number: e.Number, Was: e.Was, Is: e.Is}
	if e.Number == 0 {
		ev.Kind = OfJob
	}
	if e.Is == "" {
		ev.Is = Deleted
	}
	t.report.add(ev)
}

// Session takes what has happened in a session of the broker.
func (t *Time) Session(clientID, is string) {
	t.report.add(Event{At: t.clock.Now(), Kind: OfSession, Client: clientID, Is: is})
}

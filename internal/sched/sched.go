package sched

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/drover-iot/drover/internal/clock"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/shadow"
	"github.com/drover-iot/drover/internal/store"
)

// Config is what the scheduler needs.
type Config struct {
	Store    store.Store
	Clock    clock.Clock
	Audience ops.Audience // nil: nobody listens
	Events   *ops.Events  // nil: none are told
	Log      *slog.Logger // nil: slog.Default
	// NoSecondSuccess: a thing that has succeeded and joins a CONTINUOUS job again
	// does not get it once more (control-plane.md B.3).
	NoSecondSuccess bool
	// Did hears what was done because it was due, once it is committed, in
	// order. It is called by whoever does the round. nil: nobody asks.
	Did func(Event)
}

// Sched does what is due. The server gives its Wake to the store's observer.
type Sched struct {
	Config

	rounds sync.Mutex // one round at a time: the loop's, or Settle's

	mu     sync.Mutex
	armed  time.Time     // when the loop wakes by itself; zero: it is working
	wakes  chan struct{} // holds one
	cancel context.CancelFunc
	done   chan struct{}

	// sweeps are how far the sweep of each cancelled job has come. Only the
	// loop touches it; losing it costs another look at rows already swept.
	sweeps map[int64]sweep
}

// How much is done at once. A slice is one transaction that devices wait for: it
// is read in pieces, and when somebody waits it ends with the piece that it is in.
const (
	slice     = 128
	piece     = 8
	timerStep = 256 // timers are decisions like a device's, committed together
	jobStep   = 32  // jobs of one round, and deleted things

	shadowSlice = 64 // shadows that go, each with pages of its own
)

// afterFailure is how long the loop waits before it tries again what failed.
const afterFailure = time.Second

// New makes a scheduler; Start starts it.
func New(c Config) *Sched {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Sched{Config: c, wakes: make(chan struct{}, 1), sweeps: map[int64]sweep{}}
}

// Start begins with what became due while nobody ran. It is called once.
func (s *Sched) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.done = cancel, make(chan struct{})
	go func() {
		defer close(s.done)
		s.run(ctx)
	}()
}

// Stop ends the loop after the slice that it is in. It may be called without
// Start, and again.
func (s *Sched) Stop() {
	if s.cancel != nil {
		s.cancel()
		<-s.done
	}
}

// Wake says that something is due at this time; zero: now. It never blocks: it
// is what store.Observer's Wake does.
func (s *Sched) Wake(at time.Time) {
	s.mu.Lock()
	later := !at.IsZero() && !s.armed.IsZero() && !at.Before(s.armed)
	s.mu.Unlock()
	if !later {
		s.signal()
	}
}

func (s *Sched) signal() {
	select {
	case s.wakes <- struct{}{}:
	default:
	}
}

func (s *Sched) run(ctx context.Context) {
	for ctx.Err() == nil {
		now, next, err := s.round(ctx)
		if err != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "what is due could not be done; it is tried again", "after", afterFailure, "err", err)
			next = now.Add(afterFailure)
		}
		if next.IsZero() || next.After(now) {
			s.wait(ctx, next)
		}
	}
}

// round is runOnce at the clock's time.
func (s *Sched) round(ctx context.Context) (now, next time.Time, err error) {
	s.rounds.Lock()
	defer s.rounds.Unlock()
	now = s.Clock.Now()
	next, err = s.runOnce(ctx, now)
	return now, next, err
}

// Settle does everything that is due at the clock's time, in the goroutine of
// the caller and whatever the loop is at, and returns when nothing is any more.
// It tells whether it did anything, and when something is due next (zero:
// nothing is). This is how a clock that is moved by hand moves the scheduler.
func (s *Sched) Settle(ctx context.Context) (worked bool, next time.Time, err error) {
	for {
		now, next, err := s.round(ctx)
		switch {
		case err != nil:
			return worked, time.Time{}, err
		case ctx.Err() != nil:
			return worked, time.Time{}, context.Cause(ctx)
		case next.IsZero() || next.After(now):
			return worked, next, nil
		}
		worked = true
	}
}

// never is further away than any timer.
const never = 1 << 62

// wait returns when it is time, or something is due earlier.
func (s *Sched) wait(ctx context.Context, next time.Time) {
	if next.IsZero() {
		next = s.Clock.Now().Add(never)
	}
	s.mu.Lock()
	s.armed = next
	s.mu.Unlock()
	timer := s.Clock.AfterFunc(next.Sub(s.Clock.Now()), s.signal)
	if !next.After(s.Clock.Now()) {
		s.signal() // a virtual clock was moved past next meanwhile, and calls nobody before it is moved again
	}
	select {
	case <-s.wakes:
	case <-ctx.Done():
	}
	timer.Stop()
	s.mu.Lock()
	s.armed = time.Time{}
	s.mu.Unlock()
}

// runOnce does one round of what is due now, a slice of each, and tells when
// there is more: not after now when it is at once, zero when nothing is.
func (s *Sched) runOnce(ctx context.Context, now time.Time) (next time.Time, err error) {
	now = now.Truncate(time.Millisecond) // as the store keeps it
	due, err := s.look(ctx, now)
	if err != nil {
		return next, err
	}
	errs := []error{s.sweepTimers(ctx, due.timers, now)}
	for _, key := range due.jobs {
		errs = append(errs, s.work(ctx, key, now))
	}
	for _, thing := range due.removals {
		errs = append(errs, s.remove(ctx, thing, now))
	}
	if due.prune {
		errs = append(errs, s.Store.Update(ctx, func(tx store.Tx) error {
			return inPieces(tx, slice, tx.Prune)
		}))
	}
	if due.shadows {
		errs = append(errs, s.Store.Update(ctx, func(tx store.Tx) error {
			return inPieces(tx, shadowSlice, func(limit int) (more bool, err error) {
				return tx.PruneShadows(now.Add(-shadow.Remembered), limit)
			})
		}))
	}
	if err := errors.Join(errs...); err != nil {
		return next, err
	}
	if due.any() {
		return now, nil
	}
	return due.next, nil
}

// inPieces does a slice piece by piece, until nothing is left.
func inPieces(tx store.Tx, slice int, do func(limit int) (more bool, err error)) error {
	for done := 0; !full(tx, slice, done); done += piece {
		if more, err := do(piece); err != nil || !more {
			return err
		}
	}
	return nil
}

// full says whether a slice of which so much is done ends here.
func full(tx store.Tx, slice, done int) bool { return done >= slice || done > 0 && tx.Pressed() }

// due is what a round has to do.
type due struct {
	timers   []store.Due
	jobs     []int64
	removals []store.Member // deleted things with executions to remove
	prune    bool
	shadows  bool      // that nobody remembers
	next     time.Time // when nothing is due: the next time that something is
}

func (d due) any() bool {
	return len(d.timers)+len(d.jobs)+len(d.removals) > 0 || d.prune || d.shadows
}

func (s *Sched) look(ctx context.Context, now time.Time) (d due, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) (err error) {
		if d.timers, err = tx.DueTimers(now, timerStep); err != nil {
			return err
		}
		if d.jobs, err = tx.DueJobs(now, jobStep); err != nil {
			return err
		}
		if d.removals, err = tx.Removals(jobStep); err != nil {
			return err
		}
		if d.prune, err = tx.Prune(0); err != nil {
			return err
		}
		if d.shadows, err = tx.PruneShadows(now.Add(-shadow.Remembered), 0); err != nil || d.any() {
			return err
		}
		timer, err := tx.NextTimer()
		if err != nil {
			return err
		}
		deleted, err := tx.NextShadow()
		if err != nil {
			return err
		}
		if !deleted.IsZero() { // remembered until then, and due after it
			deleted = shadow.Document{UpdatedAt: deleted}.Forgotten().Add(time.Millisecond)
		}
		d.next, err = tx.NextJob()
		for _, other := range []time.Time{timer, deleted} {
			if d.next.IsZero() || !other.IsZero() && other.Before(d.next) {
				d.next = other
			}
		}
		return err
	})
	return d, err
}

// work does one slice of what a job is due for, in one transaction: its
// changes, its cursor and when it wants attention next.
func (s *Sched) work(ctx context.Context, key int64, now time.Time) error {
	var late []late
	var did []Event
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		late, did = nil, nil
		j, tally, err := tx.JobByKey(key)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return tx.SetDue(key, time.Time{})
		case err != nil:
			return err
		}
		sl := &step{Sched: s, tx: tx, now: now}
		if err = sl.work(j, tally); err == nil {
			err = sl.noteJob(j)
		}
		late, did = sl.late, sl.did
		return err
	})
	if err != nil {
		return err
	}
	s.tellDid(did)
	return s.tellLate(ctx, late, now)
}

// step is the transaction of one slice.
type step struct {
	*Sched
	tx   store.Tx
	now  time.Time
	late []late
	did  []Event
}

// work does the first that there is to do. A job whose abort criteria are met
// hands out nothing any more: the totals are exact, and this is the transaction
// that everything of the job is handed out in (design.md decision 7).
func (s *step) work(j job.Job, t job.Tally) error {
	if j.Status == job.JobInProgress {
		if trip, ok := j.Abort.Trips(t); ok {
			return s.abort(j, trip)
		}
	}
	if j.Selection == job.Continuous {
		if more, err := s.follow(j); err != nil || more {
			return err
		}
	}
	switch {
	case j.Status == job.JobDeletionInProgress:
		return s.drop(j)
	case j.Status == job.JobCanceled && j.Concurrent(t):
		return s.sweep(j)
	case j.Status == job.JobInProgress && !j.Expansion.Done:
		return s.expand(j, t)
	}
	return s.settle(j, t)
}

// abort cancels a job whose criteria are met; what is left of it is swept as
// after CancelJob.
func (s *step) abort(j job.Job, trip job.Trip) error {
	j, err := j.Aborted(trip, s.now)
	if err != nil {
		return err
	}
	if err := s.tx.PutJob(&j, nil); err != nil {
		return err
	}
	if err := s.Events.Job(s.tx, ops.JobCancellationInProgress, j, job.Tally{}, s.now); err != nil {
		return err
	}
	return s.tx.SetDue(j.Key, s.now)
}

// settle ends a job of which everything is done, and the attention to one that
// waits for its devices. The totals are exact: what the batch before has
// counted is in them.
func (s *step) settle(j job.Job, t job.Tally) error {
	delete(s.sweeps, j.Key)
	switch {
	case j.Complete(t):
		if err := s.end(j.Completed(s.now), ops.JobCompleted, t); err != nil {
			return err
		}
	case j.Status == job.JobCanceled && !j.Swept:
		j.Swept = true
		if err := s.end(j, ops.JobCanceled, t); err != nil {
			return err
		}
	}
	return s.tx.SetDue(j.Key, time.Time{})
}

// end writes a job that has come to its end, and tells of it.
func (s *step) end(j job.Job, as ops.JobOperation, t job.Tally) error {
	if err := s.tx.PutJob(&j, nil); err != nil {
		return err
	}
	return s.Events.Job(s.tx, as, j, t, s.now)
}

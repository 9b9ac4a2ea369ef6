package year

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/clock"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/sched"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/store/sqlite"
	"github.com/drover-iot/drover/internal/year/reference"
)

const arnPrefix = "arn:aws:iot:us-east-1:000000000000:"

// The limits of the server of these tests.
const (
	rateLimit      = 1000
	activeSnapshot = 40
	activeForever  = 10
	pendingLimit   = 10
)

// server is the product without its doors: operations, scheduler and store, on a
// clock that is moved by hand.
type server struct {
	clock   *clock.Virtual
	store   *sqlite.Store
	data    *ops.Data
	control *ops.Control
	sched   *sched.Sched

	mu      sync.Mutex
	effects []job.Effect
}

func newServer(t testing.TB, start time.Time, noSecondSuccess bool) *server {
	t.Helper()
	s := &server{clock: clock.NewVirtual(start)}
	var err error
	s.store, err = sqlite.Open(t.TempDir(), store.Config{Visible: pendingLimit, Observer: s, Now: s.clock.Now}, sqlite.Options{Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
	})
	s.data, s.control = ops.New(ops.Config{
		Store: s.store, Now: s.clock.Now, Audience: s, Region: "us-east-1", Account: "000000000000", Endpoint: "localhost",
		PendingLimit: pendingLimit, RolloutDefault: rateLimit, RolloutMax: rateLimit,
		MaxActiveSnapshot: activeSnapshot, MaxActiveContinuous: activeForever,
	})
	s.sched = sched.New(sched.Config{Store: s.store, Clock: s.clock, Audience: s, Log: slog.New(slog.DiscardHandler), NoSecondSuccess: noSecondSuccess})
	return s
}

// Hears: all devices listen, so that all is told.
func (*server) Hears(string, job.Namespace) bool    { return true }
func (*server) NeedsRow(string, job.Namespace) bool { return false }
func (*server) NeedsEventRow(string) bool           { return false }

func (*server) Wake(time.Time) {} // nobody sleeps here

// Events are not enabled here.
func (*server) Events([]job.Message) {}

func (s *server) Effects(es []job.Effect) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.effects = append(s.effects, es...)
}

// settle has the scheduler do what is due, and gives what devices were told since
// the last time and when something is due next.
func (s *server) settle(ctx context.Context) (told []job.Effect, next time.Time, err error) {
	if _, next, err = s.sched.Settle(ctx); err != nil {
		return nil, next, err
	}
	// Effects come in commit order: behind this commit, all are there.
	if err := s.store.Update(ctx, func(store.Tx) error { return nil }); err != nil {
		return nil, next, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	told, s.effects = s.effects, nil
	return told, next, nil
}

// tallies are a job's counters, and what a recount makes of them.
func (s *server) tallies(ctx context.Context, id string) (counted, recounted job.Tally, err error) {
	err = s.store.View(ctx, func(tx store.Tx) error {
		j, t, err := tx.Job(job.ID(id))
		if err != nil {
			return err
		}
		counted = t
		recounted, err = tx.Recount(j.Key)
		return err
	})
	return counted, recounted, err
}

// codeOf is an error as the reference calls it.
func codeOf(err error) reference.Code {
	var e *job.Error
	if err == nil {
		return ""
	}
	if !errors.As(err, &e) {
		return reference.Code(err.Error())
	}
	for code, name := range map[job.Code]reference.Code{
		job.NotFound: reference.NotFound, job.InvalidRequest: reference.InvalidRequest, job.InvalidStateTransition: reference.InvalidStateTransition,
		job.VersionMismatch: reference.VersionMismatch, job.TerminalStateReached: reference.TerminalStateReached,
		job.AlreadyExists: reference.AlreadyExists, job.LimitExceeded: reference.LimitExceeded,
	} {
		if e.Code == code {
			return name
		}
	}
	return reference.Code(e.Message)
}

package server

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/broker"
	"github.com/drover-iot/drover/internal/broker/brokertest"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/store/sqlite"
)

func openStore(t *testing.T, dir string) *sqlite.Store {
	t.Helper()
	st, err := sqlite.Open(dir, store.Config{Now: time.Now}, sqlite.Options{Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func TestTheSessionsKeepTheContractOfTheBroker(t *testing.T) {
	brokertest.Run(t, func(t *testing.T) func() broker.SessionStore {
		dir := t.TempDir()
		end := func() {}
		t.Cleanup(func() { end() })
		return func() broker.SessionStore {
			end()
			st := openStore(t, dir)
			s := newSessions(st, slog.New(slog.DiscardHandler))
			end = func() {
				s.close()
				if err := st.Close(); err != nil {
					t.Error(err)
				}
			}
			return s
		}
	})
}

// gated is a store whose Updates wait to be let through, one by one, and may be
// told to fail.
type gated struct {
	store.Store
	begun chan struct{} // one for each Update that waits
	gate  chan error    // what becomes of it: nil lets it through
}

func (g *gated) Update(ctx context.Context, fn func(store.Tx) error) error {
	g.begun <- struct{}{}
	if err := <-g.gate; err != nil {
		return err
	}
	return g.Store.Update(ctx, fn)
}

// heard collects what done was told, in order.
type heard struct {
	mu  sync.Mutex
	all []error
}

func (h *heard) done(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, err)
}

func TestGroupsThatWaitShareOneCommit(t *testing.T) {
	st := openStore(t, t.TempDir())
	defer st.Close()
	g := &gated{Store: st, begun: make(chan struct{}), gate: make(chan error)}
	s := newSessions(g, slog.New(slog.DiscardHandler))
	var h heard
	put := func(client string) {
		s.Apply([]broker.Change{{Kind: broker.SessionPut, ClientID: client, Expiry: time.Hour}}, h.done)
	}
	put("first")
	<-g.begun // and while its commit is under way, a thousand more arrive
	for range 1000 {
		put("more")
	}
	g.gate <- nil
	<-g.begun
	g.gate <- nil
	s.close() // which would hang on a third Update
	if len(h.all) != 1001 || slices.ContainsFunc(h.all, func(err error) bool { return err != nil }) {
		t.Errorf("%d groups were done, want 1001 without error: %v", len(h.all), h.all[:min(len(h.all), 5)])
	}
}

func TestAGroupThatCannotBeWrittenHarmsNoOther(t *testing.T) {
	dir := t.TempDir()
	st := openStore(t, dir)
	defer st.Close()
	g := &gated{Store: st, begun: make(chan struct{}), gate: make(chan error)}
	s := newSessions(g, slog.New(slog.DiscardHandler))
	var h heard
	s.Apply([]broker.Change{{Kind: broker.SessionPut, ClientID: "zero", Expiry: time.Hour}}, h.done)
	<-g.begun
	for _, client := range []string{"one", "two"} {
		s.Apply([]broker.Change{{Kind: broker.SessionPut, ClientID: client, Expiry: time.Hour}}, h.done)
	}
	// A group that asks for what cannot be is refused after its session was put.
	s.Apply([]broker.Change{{Kind: broker.SessionPut, ClientID: "bad", Expiry: time.Hour}, {Kind: broker.Token, Token: "no row"}}, h.done)
	s.Apply([]broker.Change{{Kind: broker.QueueAppend, ClientID: "bad", Seq: 1, Message: &broker.Message{Topic: "t"}}}, h.done)
	g.gate <- nil
	for range 5 { // the four together, which fails, and then each alone
		<-g.begun
		g.gate <- nil
	}
	s.close()
	if want := []bool{true, true, true, false, true}; !slices.EqualFunc(h.all, want, func(err error, ok bool) bool { return ok == (err == nil) }) {
		t.Errorf("done heard %v, want an error in the fourth place only", h.all)
	}
	var clients []string
	err := st.View(t.Context(), func(tx store.Tx) error {
		return tx.Sessions(func(one store.Session) error {
			clients = append(clients, one.Client)
			return tx.Messages(one.Client, func(int64, []byte) error { return errors.New("a message of a session that was never made is there") })
		})
	})
	if want := []string{"one", "two", "zero"}; err != nil || !slices.Equal(clients, want) {
		t.Errorf("sessions %v (%v), want %v", clients, err, want)
	}
}

func TestAGroupThatFailsAndThatNobodyWaitsForIsLogged(t *testing.T) {
	st := openStore(t, t.TempDir())
	defer st.Close()
	g := &gated{Store: st, begun: make(chan struct{}, 1), gate: make(chan error, 1)}
	var log bytes.Buffer
	s := newSessions(g, slog.New(slog.NewTextHandler(&log, nil)))
	g.gate <- errors.New("disk full")
	s.Apply([]broker.Change{{Kind: broker.SessionPut, ClientID: "c"}}, nil)
	s.close()
	if !strings.Contains(log.String(), "disk full") {
		t.Errorf("the log says %q", log.String())
	}
}

func TestApplyAfterTheEndIsRefused(t *testing.T) {
	st := openStore(t, t.TempDir())
	defer st.Close()
	s := newSessions(st, slog.New(slog.DiscardHandler))
	s.close()
	told := make(chan error, 1)
	s.Apply([]broker.Change{{Kind: broker.SessionDelete, ClientID: "c"}}, func(err error) { told <- err })
	if err := <-told; !errors.Is(err, errSessionsClosed) {
		t.Errorf("got %v, want %v", err, errSessionsClosed)
	}
}

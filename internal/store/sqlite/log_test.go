package sqlite

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

func openStore(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir, store.Config{Now: time.Now}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func nothing(store.Tx) error { return nil }

// What a View has seen is on disk when it returns.
func TestAViewWaitsUntilWhatItMayHaveSeenIsOnDisk(t *testing.T) {
	s := openStore(t, t.TempDir())
	s.log.mu.Lock() // as from a commit until it is synced
	seen, returned := make(chan struct{}), make(chan error, 1)
	go func() {
		returned <- s.View(t.Context(), func(store.Tx) error { close(seen); return store.ErrNotFound })
	}()
	<-seen
	select {
	case err := <-returned:
		t.Errorf("it returned %v before", err)
	default:
	}
	s.log.mu.Unlock()
	if err := <-returned; !errors.Is(err, store.ErrNotFound) {
		t.Errorf("it returned %v, want its own error", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// After a sync that failed nobody knows what is on disk: nothing is acknowledged and
// nothing is told any more, until the folder is opened again.
func TestAfterASyncThatFailedTheStoreAnswersNothing(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	put := func(s *Store, name registry.Name) error {
		return s.Update(t.Context(), func(tx store.Tx) error {
			thing := registry.NewThing("u", name, nil, time.Now())
			return tx.PutThing(&thing)
		})
	}
	if err := put(s, "before"); err != nil {
		t.Fatal(err)
	}
	if err := s.log.file.Close(); err != nil { // a sync of it fails
		t.Fatal(err)
	}
	if err := put(s, "meanwhile"); err == nil || !strings.Contains(err.Error(), "see to the disk") {
		t.Errorf("the commit that was not synced is answered with %v", err)
	}
	if err := put(s, "after"); err == nil {
		t.Error("another commit is acknowledged")
	}
	_, err := s.Transact(t.Context(), store.Keys{Thing: "before"}, func(store.Snapshot) (store.Changes, error) {
		t.Error("a decision is made")
		return store.Changes{}, nil
	})
	if err == nil {
		t.Error("it is answered")
	}
	if err := s.View(t.Context(), nothing); err == nil {
		t.Error("a View is answered")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s = openStore(t, dir)
	if err := s.View(t.Context(), func(tx store.Tx) error { _, err := tx.Thing("before"); return err }); err != nil {
		t.Errorf("what was acknowledged before: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

package sqlite_test

import (
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/store/sqlite"
	"github.com/drover-iot/drover/internal/store/storetest"
)

func durable(t testing.TB, dir string, c store.Config) store.Store {
	t.Helper()
	return open(t, dir, c, sqlite.Options{})
}

func volatile(t testing.TB, dir string, c store.Config) store.Store {
	t.Helper()
	return open(t, dir, c, sqlite.Options{Volatile: true})
}

func open(t testing.TB, dir string, c store.Config, o sqlite.Options) store.Store {
	t.Helper()
	s, err := sqlite.Open(dir, c, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The volatile engine passes the suite in plan_test.go.
func TestTheContractOfAStore(t *testing.T) { storetest.Run(t, durable) }

// Who comes too late is told so, and does not wait.
func TestAClosedStoreAnswersNothing(t *testing.T) {
	s := volatile(t, t.TempDir(), store.Config{Now: time.Now})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	seen := func(store.Tx) error { t.Error("it was answered"); return nil }
	if err := s.View(t.Context(), seen); err == nil {
		t.Error("a View has no error")
	}
	if err := s.Update(t.Context(), seen); err == nil {
		t.Error("an Update has no error")
	}
}

package sqlite_test

import (
	"testing"

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

package crash

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/store/sqlite"
	"github.com/drover-iot/drover/internal/store/storetest"
)

// An execution's history has no public door yet, so what is behind it is read
// from a copy of the data folder, by the store's own conformance suite.

// inStore opens the store of a folder whose server is gone.
func inStore(ctx context.Context, dir string, look func(store.Tx) error) error {
	s, err := sqlite.Open(dir, store.Config{Visible: 10, Now: time.Now}, sqlite.Options{Volatile: true})
	if err != nil {
		return err
	}
	return errors.Join(s.View(ctx, look), s.Close())
}

// histories kills the server once more and holds every history of the folder
// against the states and counters: versions 1, 2, 3 and so on, each once.
func (r *round) histories() error {
	r.server.Kill()
	r.api.Close()
	dir, err := os.MkdirTemp(r.harness.dir, "copy-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	for _, name := range []string{"drover.db", "drover.db-wal"} {
		b, err := os.ReadFile(filepath.Join(r.data, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
		}
		if err != nil {
			return err
		}
	}
	s, err := sqlite.Open(dir, store.Config{Visible: 10, Now: time.Now}, sqlite.Options{Volatile: true})
	if err != nil {
		return err
	}
	var said sayings
	said.during(func() { storetest.CheckConsistent(&said, s, time.Now(), 10) })
	for _, what := range said.texts {
		v := wrong
		if strings.Contains(what, "is of version") || strings.Contains(what, "at version") {
			v = doubled
		}
		r.find(v, "in the history: %s", what)
	}
	r.report.note(func() { r.report.Histories++ })
	return errors.Join(s.Close(), r.start(r.ctx))
}

// sayings is a testing.TB that keeps what a check says.
type sayings struct {
	testing.TB
	texts []string
}

type fatal struct{}

func (s *sayings) during(check func()) {
	defer func() {
		if v := recover(); v != nil && v != (fatal{}) {
			panic(v)
		}
	}()
	check()
}

func (s *sayings) Helper()                   {}
func (s *sayings) Error(args ...any)         { s.texts = append(s.texts, fmt.Sprint(args...)) }
func (s *sayings) Errorf(f string, a ...any) { s.texts = append(s.texts, fmt.Sprintf(f, a...)) }
func (s *sayings) Fatal(args ...any)         { s.Error(args...); panic(fatal{}) }
func (s *sayings) Fatalf(f string, a ...any) { s.Errorf(f, a...); panic(fatal{}) }

package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	zs "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/store/sqlite"
	"github.com/drover-iot/drover/internal/store/storetest"
)

const database = "drover.db"

// TestACrashBetweenAnyTwoWritesLosesNothingThatWasAcknowledged cuts the log off
// at any byte, as a crash does, and opens what is left: it must be the store as
// it was after some change, not before the last one acknowledged until then.
func TestACrashBetweenAnyTwoWritesLosesNothingThatWasAcknowledged(t *testing.T) {
	seeds, random := uint64(3), 120
	if testing.Short() {
		seeds, random = 1, 30
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			load := storetest.NewWorkload(t, durable, dir, seed)
			defer load.Store().Close() //nolint:errcheck // its copies are what matters
			size := func() int {
				info, err := os.Stat(filepath.Join(dir, database+"-wal"))
				if err != nil {
					t.Fatal(err)
				}
				return int(info.Size())
			}
			// After acknowledged[i] bytes of log the store holds states[i].
			acknowledged, states := []int{size()}, []string{load.Dump()}
			for range 80 {
				load.Step()
				acknowledged, states = append(acknowledged, size()), append(states, load.Dump())
			}
			data, log := readFile(t, dir, database), readFile(t, dir, database+"-wal")
			if len(log) != acknowledged[len(acknowledged)-1] {
				t.Fatal("the log was moved meanwhile: this test needs all of it")
			}
			cuts := slices.Clone(acknowledged)
			rng := rand.New(rand.NewPCG(seed, 7))
			for range random {
				cuts = append(cuts, acknowledged[0]+rng.IntN(len(log)-acknowledged[0]+1))
			}
			for _, cut := range cuts {
				least := 0
				for i, n := range acknowledged {
					if n <= cut {
						least = i
					}
				}
				got := openCopy(t, data, log[:cut], load.Now())
				if i := slices.Index(states[least:], got); i < 0 || i > 1 {
					t.Fatalf("cut at %d: change %d was acknowledged by then, and what is left is change %d (-1: none)\n%s", cut, least, i, got)
				}
			}
		})
	}
}

func readFile(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// openCopy opens a store of these files, checks it, and says what it holds.
func openCopy(t *testing.T, data, log []byte, now time.Time) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range map[string][]byte{database: data, database + "-wal": log} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := volatile(t, dir, store.Config{Visible: 10, Now: func() time.Time { return now }})
	defer s.Close() //nolint:errcheck // it was only read
	storetest.CheckConsistent(t, s, now, 10)
	return storetest.Dump(t, s, now)
}

// crashEnv makes the test binary the process that is killed.
const crashEnv = "DROVER_TEST_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashEnv); dir != "" {
		victim(dir)
	}
	os.Exit(m.Run())
}

const crashers = 24 // devices of the victim

// victim reports from many devices until it is killed, and says on standard
// output what was acknowledged, when it was.
func victim(dir string) {
	s, err := sqlite.Open(dir, store.Config{Visible: 10, Now: time.Now}, sqlite.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = os.Stdout.WriteString(fmt.Sprintf(format, args...) + "\n")
	}
	filler := strings.Repeat("x", 1000) // so that the log is moved and begun again
	for i := range crashers {
		name := registry.Name(fmt.Sprintf("thing-%02d", i))
		go func() {
			for n := 0; ; n++ {
				var version int64
				keys := store.Keys{Thing: name, Job: "fw", Queue: store.QueueUnlessStarted}
				_, err := s.Transact(context.Background(), keys, func(snap store.Snapshot) (store.Changes, error) {
					out, err := snap.Queue.Apply(job.Ref{Job: "fw"}, job.Change{
						Kind: job.Report, Status: job.InProgress, Details: job.Details{"n": strconv.Itoa(n), "filler": filler},
					}, time.Now())
					version = out.Queue.Named.Version
					return store.Changes{Moves: out.Moves, At: time.Now()}, err
				})
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				say("%s %d", name, version)
			}
		}()
	}
	select {} // until it is killed
}

// TestKilledWhileManyReportNothingAcknowledgedIsLost kills a process at work,
// again and again over the same data.
func TestKilledWhileManyReportNothingAcknowledgedIsLost(t *testing.T) {
	dir := t.TempDir()
	config := store.Config{Visible: 10, Now: time.Now}
	s := durable(t, dir, config)
	err := s.Update(context.Background(), func(tx store.Tx) error {
		j := job.NewJob("fw", nil, nil, 0, time.Now())
		if err := tx.PutJob(&j, []byte("{}")); err != nil {
			return err
		}
		for i := range crashers {
			thing := registry.NewThing("u", registry.Name(fmt.Sprintf("thing-%02d", i)), nil, time.Now())
			if err := tx.PutThing(&thing); err != nil {
				return err
			}
			out := job.Queue{}.Enqueue(job.Entry{Execution: job.New(thing.Key, j.Key, "fw", 1, time.Now()), Job: j.State}, time.Now())
			if err := tx.Write(store.Changes{Moves: out.Moves, At: time.Now()}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	acknowledged := map[string]int64{}
	rounds := 4
	if testing.Short() {
		rounds = 2
	}
	for range rounds {
		killAfter(t, dir, 200+rng.IntN(3000), acknowledged)
		s := durable(t, dir, config)
		storetest.CheckConsistent(t, s, time.Now(), 10)
		if err := s.View(context.Background(), func(tx store.Tx) error {
			for name, version := range acknowledged {
				snap, err := tx.Snapshot(store.Keys{Thing: registry.Name(name), Job: "fw"})
				if err != nil {
					return err
				}
				if got := snap.Queue.Named.Version; got < version || got > version+1 {
					t.Errorf("%s is at version %d, and %d was acknowledged last", name, got, version)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			return
		}
	}
}

// killAfter runs the victim, kills it when it has said n lines, and notes what
// it said until then.
func killAfter(t *testing.T, dir string, n int, acknowledged map[string]int64) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), crashEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines, killed := 0, false
	for in := bufio.NewScanner(out); in.Scan(); lines++ {
		name, version, ok := strings.Cut(in.Text(), " ")
		if !ok {
			continue // the last line, cut off
		}
		v, err := strconv.ParseInt(version, 10, 64)
		if err != nil {
			t.Fatalf("the victim said %q", in.Text())
		}
		acknowledged[name] = max(acknowledged[name], v)
		if lines >= n && !killed {
			killed = true
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
	if !killed {
		t.Fatalf("the victim ended by itself after %d lines", lines)
	}
}

func TestDataOfANewerFormatIsRefusedAndLeftAsItIs(t *testing.T) {
	dir := t.TempDir()
	if err := durable(t, dir, store.Config{Now: time.Now}).Close(); err != nil {
		t.Fatal(err)
	}
	set := func(pragma string) {
		t.Helper()
		c, err := zs.OpenConn(filepath.Join(dir, database), zs.OpenReadWrite)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close() //nolint:errcheck // the statement has ended
		if err := sqlitex.ExecuteTransient(c, "PRAGMA "+pragma, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct {
		pragma string
		says   []string
	}{
		{fmt.Sprintf("user_version = %d", sqlite.Format+1), []string{fmt.Sprintf("format %d", sqlite.Format+1), fmt.Sprintf("format %d", sqlite.Format), "at least as new"}},
		{"application_id = 77", []string{"not a Drover database", "another data folder"}},
	} {
		set(row.pragma)
		before := readFile(t, dir, database)
		s, err := sqlite.Open(dir, store.Config{Now: time.Now}, sqlite.Options{})
		if err == nil {
			s.Close() //nolint:errcheck // it should not have been opened
			t.Fatalf("after %s it was opened", row.pragma)
		}
		for _, part := range row.says {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("after %s the message is %q: it does not say %q", row.pragma, err, part)
			}
		}
		if after := readFile(t, dir, database); !slices.Equal(before, after) {
			t.Errorf("after %s the refused file was changed", row.pragma)
		}
	}
}

func TestTheCommittingConnectionIsAsDurableAsItSays(t *testing.T) {
	if s := durable(t, t.TempDir(), store.Config{Now: time.Now}); s.Durability() != "wal/full" {
		t.Errorf("durable: %s", s.Durability())
	} else if err := s.Close(); err != nil {
		t.Error(err)
	}
	if s := volatile(t, t.TempDir(), store.Config{Now: time.Now}); s.Durability() != "wal/off" {
		t.Errorf("volatile: %s", s.Durability())
	} else if err := s.Close(); err != nil {
		t.Error(err)
	}
}

package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/store/sqlite"
	"github.com/drover-iot/drover/internal/store/storetest"
)

// What the end of a server has left is looked at on a copy, before the next start
// touches it. Histories have no public door, so they are read there too.

// openStore opens the store of a folder whose server is gone.
func openStore(dir string) (*sqlite.Store, error) {
	return sqlite.Open(dir, store.Config{Visible: 10, Now: time.Now}, sqlite.Options{Volatile: true})
}

// inStore looks at the store of a folder whose server is gone.
func inStore(ctx context.Context, dir string, look func(store.Tx) error) error {
	s, err := openStore(dir)
	if err != nil {
		return err
	}
	return errors.Join(s.View(ctx, look), s.Close())
}

// copyStore copies the database of a folder and its log as far as it counts.
func copyStore(to, from string) error {
	log, err := readLog(filepath.Join(from, logFile))
	if err != nil {
		return err
	}
	if err := copyFile(filepath.Join(to, database), filepath.Join(from, database), 1<<40); err != nil || log.pages == 0 {
		return err
	}
	return copyFile(filepath.Join(to, logFile), filepath.Join(from, logFile), log.bytes())
}

func copyFile(to, from string, most int64) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.CopyN(out, in, most); err != nil && !errors.Is(err, io.EOF) {
		return errors.Join(err, out.Close())
	}
	return out.Close()
}

// examine looks at what the end of the server has left. Every tenth time every
// history is read.
func (r *round) examine() error {
	dir, err := os.MkdirTemp(r.harness.dir, "copy-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	if err := copyStore(dir, r.data); err != nil {
		return err
	}
	s, err := openStore(dir)
	if err != nil {
		return err
	}
	if r.unread++; r.unread >= historyEvery || r.n == r.harness.rounds-1 {
		r.unread = 0
		r.histories(s)
	}
	err = s.View(r.ctx, func(tx store.Tx) error {
		if err := r.examineEvents(tx); err != nil {
			return err
		}
		for p := (store.Page{Limit: 100}); ; {
			jobs, next, err := tx.JobList(store.JobFilter{}, p)
			if err != nil {
				return err
			}
			for _, j := range jobs {
				if err := r.examineJob(tx, j); err != nil {
					return fmt.Errorf("%s: %w", j.ID, err)
				}
			}
			if p.After = next; next == "" {
				return nil
			}
		}
	})
	return errors.Join(err, s.Close())
}

// histories reads every history, and holds it against states and counters: versions
// 1, 2, 3 and so on, each once, and one end at most.
func (r *round) histories(s store.Store) {
	var said sayings
	said.during(func() { storetest.CheckConsistent(&said, s, time.Now(), 10) })
	for _, what := range said.texts {
		v := wrong
		if strings.Contains(what, "is of version") || strings.Contains(what, "at version") || strings.Contains(what, "after its end") {
			v = doubled
		}
		r.find(v, "in the history: %s", what)
	}
	r.report.note(func() { r.report.Histories++ })
}

// examineJob holds a job's counters against a recount of its rows, and its rollout
// against its rate, and notes what the end of the server has cut short.
func (r *round) examineJob(tx store.Tx, j job.Job) error {
	_, counted, err := tx.JobByKey(j.Key)
	if err != nil {
		return err
	}
	real, err := tx.Recount(j.Key)
	if err != nil {
		return err
	}
	if r.checked(); counted != real {
		r.find(wrong, "the counters of %s are %v, its rows are %v", j.ID, counted, real)
	}
	if retargets, err := tx.Retargets(j.Key, 1); err != nil {
		return err
	} else if len(retargets) > 0 {
		r.report.cut(cutFollowing)
	}
	r.noteCut(j, counted)
	return r.examineRate(tx, j)
}

// What an end can cut short.
const (
	cutRollout   = "rollout"
	cutGrowth    = "growing rollout"
	cutSweep     = "cancel sweep"
	cutDeletion  = "deletion"
	cutFollowing = "joins and leaves of a CONTINUOUS job"
	cutEvents    = "events that a session must hear"
	cutList      = "list of thousands"

	ofThousands = " of thousands"
)

// cuts are what a long run must have cut short at least once.
var cuts = []string{
	cutRollout, cutRollout + ofThousands, cutGrowth, cutSweep, cutSweep + ofThousands, cutDeletion, cutDeletion + ofThousands,
	cutFollowing, cutEvents, cutList, newLog,
}

// noteCut notes that the service was in the middle of something with the job: some
// of it was done, and some was left to do.
func (r *round) noteCut(j job.Job, t job.Tally) {
	rows := int64(0)
	for _, n := range t.Things {
		rows += n
	}
	r.mu.Lock()
	targets := int64(0)
	if known := r.jobs[string(j.ID)]; known != nil {
		targets = int64(len(known.things))
	}
	r.mu.Unlock()
	kind := ""
	switch {
	case j.Status == job.JobInProgress && !j.Expansion.Done && rows > 0 && j.Rollout.Rate(0) > 0:
		kind = cutGrowth
	case j.Status == job.JobInProgress && !j.Expansion.Done && rows > 0:
		kind = cutRollout
	case j.Status == job.JobCanceled && t.Things[job.Queued] > 0 && t.Things[job.Canceled] > 0:
		kind = cutSweep
	case j.Status == job.JobDeletionInProgress && rows > 0 && rows < targets:
		kind = cutDeletion
	default:
		return
	}
	r.report.cut(kind)
	if targets >= deepness {
		r.report.cut(kind + ofThousands)
	}
}

// examineEvents notes whether there are events that no session has been given.
func (r *round) examineEvents(tx store.Tx) error {
	left := false
	err := tx.Events(func(job.Message) error { left = true; return nil })
	if left {
		r.report.cut(cutEvents)
	}
	return err
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

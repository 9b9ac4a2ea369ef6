package sqlite

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/store/storetest"
)

// wholeTables are the statements that may read a whole table, each with its reason.
var wholeTables = map[string]string{
	"FROM session ORDER BY":        "all sessions are loaded at the start",
	"FROM retained ORDER BY":       "all retained messages are loaded at the start",
	"FROM effect ORDER BY":         "all effects that are left are replayed at the start",
	"FROM event_message ORDER BY":  "all events that are left are replayed at the start",
	"FROM job_due ORDER BY at":     "the first of an index",
	"FROM dissolved LIMIT 1":       "the first of a table that is empty as a rule",
	"SELECT 1 FROM dissolved":      "the first of a table that is empty as a rule",
	"FROM retarget WHERE grp <> 0": "the first of a partial index",
	"SELECT 1 FROM expansion":      "the first of a partial index",
	"coalesce(max(seq), 0)":        "the last of a table",
	"WHERE due IS NOT NULL":        "the first of a partial index",
	"membership WHERE left_at ":    "the first of a partial index",
	"FROM thing WHERE deleted = 2": "the first of a partial index that is empty as a rule",
	"FROM shadow_gone LIMIT 1":     "the first of a table that is empty as a rule",
	"SELECT 1 FROM shadow_gone":    "the first of a table that is empty as a rule, then of a partial index",
	"shadow WHERE document IS":     "the first of a partial index",
}

// sorts are the statements that may sort what they read, each with its reason.
var sorts = map[string]string{
	"JOIN thing_group g ON g.key = m.grp": "a thing is in ten groups at most",
	"AND name > '' AND typeof(document)":  "a thing has few named shadows",
	"WHERE a.thing = ? AND a.seq > ?":     "a thing has few certificates",
}

// noted is a store that tells, when it is closed, what it has prepared.
type noted struct {
	*Store
	note func(*conn)
}

func (n noted) Close() error {
	_ = n.Update(context.Background(), func(t store.Tx) error { n.note(t.(*tx).c); return nil })
	n.readers(readerCount)
	return n.Store.Close()
}

// readers notes every reader, by holding those that were noted.
func (n noted) readers(left int) {
	if left > 0 {
		_ = n.View(context.Background(), func(t store.Tx) error {
			n.note(t.(*tx).c)
			n.readers(left - 1)
			return nil
		})
	}
}

// prepared are the texts of a connection's cached statements. The library does
// not list them, so this looks inside.
func prepared(c *conn) (texts []string) {
	for _, key := range reflect.ValueOf(c.c).Elem().FieldByName("stmts").MapKeys() {
		texts = append(texts, key.String())
	}
	return texts
}

func TestEveryQueryOfTheContractUsesAnIndex(t *testing.T) {
	var mu sync.Mutex
	texts := map[string]bool{}
	note := func(c *conn) {
		mu.Lock()
		defer mu.Unlock()
		for _, text := range prepared(c) {
			texts[text] = true
		}
	}
	t.Run("suite", func(t *testing.T) {
		storetest.Run(t, func(t testing.TB, dir string, c store.Config) store.Store {
			s, err := Open(dir, c, Options{Volatile: true})
			if err != nil {
				t.Fatal(err)
			}
			return noted{s, note}
		})
	})
	s, err := Open(t.TempDir(), store.Config{Now: time.Now}, Options{Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // nothing was written
	queries := 0
	err = s.View(context.Background(), func(v store.Tx) error {
		for text := range texts {
			verb, _, _ := strings.Cut(strings.TrimSpace(text), " ")
			switch verb {
			case "SELECT", "UPDATE", "DELETE", "INSERT":
			default:
				continue
			}
			queries++
			var plan []string
			if err := v.(*tx).c.query("EXPLAIN QUERY PLAN "+text, make([]any, parameters(v.(*tx).c, text)), func(r *row) error {
				plan = append(plan, r.text(3))
				return nil
			}); err != nil {
				return fmt.Errorf("%s: %w", text, err)
			}
			for _, step := range plan {
				if strings.HasPrefix(step, "SCAN") && step != "SCAN CONSTANT ROW" && !allowed(wholeTables, text) {
					t.Errorf("%s\nreads a whole table: %q", text, step)
				}
				if strings.Contains(step, "TEMP B-TREE") && !allowed(sorts, text) {
					t.Errorf("%s\nsorts: %q", text, step)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if queries < 60 {
		t.Errorf("only %d statements were looked at: are they still cached by text?", queries)
	}
}

func allowed(by map[string]string, text string) bool {
	for part := range by {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

func parameters(c *conn, text string) int {
	s, err := c.prepare(text)
	if err != nil {
		return 0 // the query says so
	}
	return s.BindParamCount()
}

// steps is how many instructions of SQLite's machine a connection's statements
// have run since it was last asked.
func steps(c *conn) int { return counted(c, lib.SQLITE_STMTSTATUS_VM_STEP) }

// counted sums up a counter of a connection's statements since it was last asked.
func counted(c *conn, counter int32) (sum int) {
	stmts := reflect.ValueOf(c.c).Elem().FieldByName("stmts")
	for _, key := range stmts.MapKeys() {
		stmt := stmts.MapIndex(key).Elem()
		tls := (*libc.TLS)(stmt.FieldByName("conn").Elem().FieldByName("tls").UnsafePointer())
		sum += int(lib.Xsqlite3_stmt_status(tls, uintptr(stmt.FieldByName("stmt").Uint()), counter, 1))
	}
	return sum
}

func TestASnapshotExaminesNoMoreRowsForALongPastOrAnotherNamespace(t *testing.T) {
	s, err := Open(t.TempDir(), store.Config{Visible: 10, Now: time.Now}, Options{Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // the test is over
	now := time.Now().Truncate(time.Millisecond)
	write := func(fn func(store.Tx) error) {
		t.Helper()
		if err := s.Update(context.Background(), fn); err != nil {
			t.Fatal(err)
		}
	}
	jobs := map[job.ID]*job.Job{}
	for _, id := range []job.ID{"ended", "fw", "deployment"} {
		j := job.NewJob(id, nil, nil, 0, now)
		if id == "deployment" {
			j.Namespace = "gg"
		}
		jobs[id] = &j
		write(func(tx store.Tx) error { return tx.PutJob(&j, []byte("{}")) })
	}
	for name, past := range map[registry.Name]int64{"old": 10_000, "new": 10} {
		thing := registry.NewThing("u", name, nil, now)
		write(func(tx store.Tx) error { return tx.PutThing(&thing) })
		put := func(tx store.Tx, id job.ID, number int64, s job.Status) error {
			e := job.New(thing.Key, jobs[id].Key, id, number, now)
			e.Status = s
			return tx.Write(store.Changes{Moves: []job.Move{{After: e, Namespace: jobs[id].Namespace, Kind: job.Enqueue}}, At: now})
		}
		for n := int64(1); n <= past; {
			write(func(tx store.Tx) error {
				for ; n%1000 != 0 && n <= past; n++ {
					if err := put(tx, "ended", n, job.Succeeded); err != nil {
						return err
					}
				}
				if err := put(tx, "deployment", n, job.Queued); err != nil {
					return err
				}
				return put(tx, "ended", n, job.Succeeded)
			})
			n++
		}
		write(func(tx store.Tx) error { return put(tx, "fw", 1, job.Queued) })
	}
	cost := func(name registry.Name, k store.Keys) (n int) {
		k.Thing = name
		if err := s.View(context.Background(), func(v store.Tx) error {
			steps(v.(*tx).c)
			_, err := v.Snapshot(k)
			n = steps(v.(*tx).c)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, k := range []store.Keys{
		{Queue: store.WholeQueue},
		{Job: "fw", Queue: store.WholeQueue},
		{Job: "ended", Queue: store.QueueUnlessStarted},
		{Job: "ended", Number: 7, Queue: store.WholeQueue},
	} {
		old, fresh := cost("old", k), cost("new", k)
		if fresh == 0 || old > fresh+5 { // another place in the tree, not another row
			t.Errorf("%+v: %d instructions with 10,000 ended executions and some pending in another namespace, %d with 10", k, old, fresh)
		}
	}
}

// What is bound to a LIMIT or compared in a join makes SQLite compile a statement
// again, if it may look at the values; a walk over a fleet must not pay for that at
// every thing.
func TestAStatementIsCompiledOnceForAWholeWalk(t *testing.T) {
	s, err := Open(t.TempDir(), store.Config{Visible: 10, Now: time.Now}, Options{Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // the test is over
	const things = 50
	err = s.Update(t.Context(), func(v store.Tx) error {
		g := registry.NewGroup("u", "line", 0, "", nil, time.Now())
		if err := v.PutGroup(&g); err != nil {
			return err
		}
		for i := range things {
			thing := registry.NewThing(fmt.Sprint(i), registry.Name(fmt.Sprintf("t%02d", i)), nil, time.Now())
			if err := v.PutThing(&thing); err != nil {
				return err
			}
			if err := v.Join(g.Key, thing.Key); err != nil {
				return err
			}
			if _, _, err := v.GroupsOfThing(thing.Key, store.Page{Limit: 10}); err != nil {
				return err
			}
			if _, err := v.Members(g.Key, int64(i), thing.Key, 64); err != nil {
				return err
			}
			if _, err := v.Newest(1, thing.Key); err != nil {
				return err
			}
			if _, err := v.Snapshot(store.Keys{Thing: thing.Name, Queue: store.WholeQueue}); err != nil {
				return err
			}
		}
		c := v.(*tx).c
		if n := counted(c, lib.SQLITE_STMTSTATUS_REPREPARE); n > 2*len(c.stmts) {
			t.Errorf("%d statements were compiled again %d times for %d things", len(c.stmts), n, things)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

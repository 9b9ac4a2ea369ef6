package sqlite

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	zs "zombiezen.com/go/sqlite"

	"github.com/google/go-cmp/cmp"

	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

// oldFolder makes a data folder as a build of a format before ours left it: with the
// schema of that time, and rows of every kind that a later step touches.
func oldFolder(t *testing.T, format int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	script := fmt.Sprintf("PRAGMA journal_mode = WAL; PRAGMA application_id = %d; PRAGMA user_version = %d; BEGIN;", application, format)
	for _, part := range []string{"", "-rows"} {
		text, err := os.ReadFile(fmt.Sprintf("testdata/format-%d%s.sql", format, part))
		if err != nil {
			t.Fatal(err)
		}
		script += string(text)
	}
	execute(t, dir, script+"COMMIT;")
	return dir
}

func execute(t *testing.T, dir, script string) {
	t.Helper()
	c, err := openConn(filepath.Join(dir, file), zs.OpenReadWrite|zs.OpenCreate)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.script(script); err != nil {
		t.Error(err)
	}
	if err := c.finish(); err != nil {
		t.Fatal(err)
	}
}

// openFolder opens a folder; close ends it, the test's end at the latest.
func openFolder(t *testing.T, dir string) (s *Store, closed func()) {
	t.Helper()
	s, err := Open(dir, store.Config{Now: time.Now}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	closed = sync.OnceFunc(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(closed)
	return s, closed
}

func TestAFolderOfAnOlderFormatIsOpenedWithItsRows(t *testing.T) {
	for format := 1; format < Format; format++ {
		t.Run(fmt.Sprint("format ", format), func(t *testing.T) {
			dir := oldFolder(t, format)
			s, end := openFolder(t, dir)
			if s.MigratedFrom() != format {
				t.Errorf("it was of format %d, it says", s.MigratedFrom())
			}
			check(t, s)
			end()
			again, _ := openFolder(t, dir)
			if again.MigratedFrom() != 0 {
				t.Error("the second start has changed the format again")
			}
			check(t, again)
		})
	}
}

// check looks for the rows of oldFolder, as this build shows them.
func check(t *testing.T, s *Store) {
	t.Helper()
	err := s.View(context.Background(), func(tx store.Tx) error {
		thing, err := tx.Thing("pump-7")
		if err != nil || thing.Version != 3 || thing.Attributes["site"] != "oslo" {
			t.Errorf("the thing: %+v (%v)", thing, err)
		}
		created := time.UnixMilli(1700000000123).UTC()
		want := registry.Certificate{
			ID: "aa", PEM: "pem of aa", Status: registry.Active, Mode: registry.ModeDefault, Version: 1, CreatedAt: created, UpdatedAt: created,
			NotBefore: time.UnixMilli(1600000000000).UTC(), NotAfter: time.UnixMilli(2524607999000).UTC(),
		}
		aa, err := tx.Certificate("aa")
		if err != nil {
			return err
		}
		want.Generation = aa.Generation
		if diff := cmp.Diff(want, aa); diff != "" {
			t.Error(diff)
		}
		listed, _, err := tx.Certificates(true, store.Page{Limit: 9})
		if err != nil || len(listed) != 2 || listed[0].ID != "bb" || listed[0].Generation == aa.Generation {
			t.Errorf("listed: %+v (%v)", listed, err)
		}
		for _, c := range append(listed, aa) {
			if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(c.Generation) {
				t.Errorf("the generation %q is no UUID", c.Generation)
			}
		}
		things, _, err := tx.ThingsOfCertificate("aa", store.AttachmentFilter{}, store.Page{Limit: 9})
		if err != nil || !slices.Equal(things, []registry.Attachment{{Certificate: "aa", Thing: "pump-7"}}) {
			t.Errorf("attached: %v (%v)", things, err)
		}
		j, _, err := tx.Job("fw-1")
		if err != nil || j.InProgressMinutes != 5 {
			t.Errorf("the job: %+v (%v)", j, err)
		}
		document, err := tx.Document(j.Key)
		if string(document) != `{"op":"flash"}` {
			t.Errorf("its document: %s", document)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// tables describes every table and index of a database: its columns with all
// that is said of them, in their order, and what each index is on.
func tables(t *testing.T, dir string) (lines []string) {
	t.Helper()
	s, _ := openFolder(t, dir)
	err := s.View(context.Background(), func(v store.Tx) error {
		c := v.(*tx).c
		var names, indexes []string
		if err := c.query("SELECT name, wr, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table' ORDER BY name", nil, func(r *row) error {
			names = append(names, r.text(0))
			lines = append(lines, fmt.Sprintf("table %s: without rowid %d, strict %d", r.text(0), r.int(1), r.int(2)))
			return nil
		}); err != nil {
			return err
		}
		for _, name := range names {
			if err := c.query("SELECT cid, name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo('"+name+"') ORDER BY cid", nil, func(r *row) error {
				line := "column " + name
				for i := range 7 {
					line += " " + r.text(i)
				}
				lines = append(lines, line)
				return nil
			}); err != nil {
				return err
			}
		}
		if err := c.query("SELECT name, coalesce(sql, '') FROM sqlite_schema WHERE type IN ('index', 'trigger', 'view') ORDER BY name", nil, func(r *row) error {
			indexes = append(indexes, r.text(0))
			lines = append(lines, "made by "+strings.Join(strings.Fields(r.text(0)+" "+r.text(1)), " "))
			return nil
		}); err != nil {
			return err
		}
		for _, name := range indexes {
			if err := c.query("SELECT seqno, name, \"desc\", coll, key FROM pragma_index_xinfo('"+name+"') ORDER BY seqno", nil, func(r *row) error {
				lines = append(lines, fmt.Sprintf("index %s %d %s %d %s %d", name, r.int(0), r.text(1), r.int(2), r.text(3), r.int(4)))
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestAMigratedFolderHasTheSchemaOfAFreshOne(t *testing.T) {
	fresh := tables(t, t.TempDir())
	if len(fresh) < 100 {
		t.Fatalf("only %d facts of the schema", len(fresh))
	}
	for format := 1; format < Format; format++ {
		if diff := cmp.Diff(fresh, tables(t, oldFolder(t, format))); diff != "" {
			t.Errorf("schema.sql (-) and a folder of format %d after its migration (+):\n%s", format, diff)
		}
	}
}

func TestEachFormatHasItsStepsAndItsOldSchema(t *testing.T) {
	steps, err := migrations.ReadDir("migrations")
	if err != nil || len(steps) != Format-1 {
		t.Errorf("%d files of steps lead to format %d (%v)", len(steps), Format, err)
	}
	for format := 1; format < Format; format++ {
		for _, part := range []string{"", "-rows"} {
			if _, err := os.Stat(fmt.Sprintf("testdata/format-%d%s.sql", format, part)); err != nil {
				t.Errorf("format %d is not tested: %v", format, err)
			}
		}
		if _, err := migration(format, format+1); err != nil {
			t.Error(err)
		}
	}
}

func TestAFolderOfANewerFormatIsRefusedAndLeftAsItIs(t *testing.T) {
	for name, row := range map[string]struct{ script, want string }{
		"newer":         {fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", application, Format+1), "at least as new"},
		"no format":     {fmt.Sprintf("PRAGMA application_id = %d;", application), "no build of Drover writes"},
		"somebody else": {"PRAGMA application_id = 1; PRAGMA user_version = 1;", "not a Drover database"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			execute(t, dir, row.script+"CREATE TABLE x (y);")
			before, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			s, err := Open(dir, store.Config{Now: time.Now}, Options{})
			if err == nil {
				_ = s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want that it is %q", err, row.want)
			}
			if after, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(after) != string(before) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
}

// TestACrashDuringAMigrationLeavesOneFormatOrTheOther cuts the log of a
// migration off at any byte, as a crash does, and opens what is left.
func TestACrashDuringAMigrationLeavesOneFormatOrTheOther(t *testing.T) {
	dir := oldFolder(t, 1)
	old, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	openFolder(t, dir) // stays open, so that its log stays
	log, err := os.ReadFile(filepath.Join(dir, file+"-wal"))
	if err != nil || len(log) == 0 {
		t.Fatalf("no log to cut: %v", err)
	}
	from := map[int]int{}
	rng := rand.New(rand.NewPCG(1, 1))
	cuts := []int{0, len(log)}
	for range 20 {
		cuts = append(cuts, rng.IntN(len(log)))
	}
	for _, cut := range cuts {
		crashed := t.TempDir()
		for name, data := range map[string][]byte{file: old, file + "-wal": log[:cut]} {
			if err := os.WriteFile(filepath.Join(crashed, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, end := openFolder(t, crashed)
		from[s.MigratedFrom()]++
		check(t, s)
		end()
	}
	if from[0] == 0 || from[1] == 0 {
		t.Errorf("the formats found were %v: want cuts before the commit and after it", from)
	}
}

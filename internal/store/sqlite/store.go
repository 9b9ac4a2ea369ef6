package sqlite

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	zs "zombiezen.com/go/sqlite"

	"github.com/drover-iot/drover/internal/store"
)

//go:embed schema.sql
var schema string

// application marks the file as Drover's ("drvr").
const application = 0x64727672

// file is the database's name in the data folder.
const file = "drover.db"

// Store is the embedded engine.
type Store struct {
	cfg      store.Config
	path     string
	writer   *writer
	log      log
	readers  chan *conn // idle connections for View
	docs     documents
	observer store.Observer
	durable  string
	migrated int    // the format that was found, when it was an older one
	sync     string // PRAGMA synchronous

	stop  func()          // ends the checkpointer
	ended <-chan struct{} // closed with the store: no View begins any more
	work  sync.WaitGroup
}

// Options are how the engine is opened.
type Options struct {
	// Volatile leaves out every sync: for data that does not outlive the
	// process. Without it each commit is on disk before it is answered.
	Volatile bool
}

var _ store.Store = (*Store)(nil)

// readerCount is how many Views run at once; more wait.
const readerCount = 4

// Open opens the store in a folder, making it if it is new. A folder of an older
// format is brought to ours; a newer one is refused and left as it is.
func Open(dir string, cfg store.Config, o Options) (*Store, error) {
	if cfg.Now == nil {
		return nil, errors.New("sqlite: Config.Now is required")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	s := &Store{cfg: cfg, path: filepath.Join(dir, file), observer: cfg.Observer, readers: make(chan *conn, readerCount)}
	s.docs.limit = documentCache
	w, err := s.connect(o)
	if err != nil {
		return nil, err
	}
	for range readerCount {
		c, err := openConn(s.path, zs.OpenReadOnly)
		if err == nil {
			err = c.script(readerPragmas)
		}
		if err != nil {
			return nil, errors.Join(err, w.close(), s.closeReaders())
		}
		s.readers <- c
	}
	s.writer, err = newWriter(s, w)
	if err != nil {
		return nil, errors.Join(err, w.close(), s.closeReaders())
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop, s.ended = cancel, ctx.Done()
	s.work.Go(s.writer.run)
	s.work.Go(s.writer.complete)
	s.work.Go(func() { s.checkpoints(ctx) })
	return s, nil
}

// The caches are small on purpose: the operating system caches the file, and
// what a job on a million things reads must not stay.
const (
	writerPragmas = `PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 0;
PRAGMA foreign_keys = OFF;`
	readerPragmas = `PRAGMA cache_size = -2048; PRAGMA query_only = ON; PRAGMA temp_store = MEMORY;`
)

// connect opens the writing connection and brings the file to our format.
func (s *Store) connect(o Options) (*conn, error) {
	c, err := openConn(s.path, zs.OpenReadWrite|zs.OpenCreate)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", s.path, err)
	}
	if err := s.prepareFile(c, o); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", s.path, err), c.close())
	}
	return c, nil
}

func (s *Store) prepareFile(c *conn, o Options) error {
	version, err := c.number("user_version")
	if err != nil {
		return err
	}
	id, err := c.pragma("application_id")
	if err != nil {
		return err
	}
	fresh := version == 0 && id == "0"
	switch {
	case !fresh && id != fmt.Sprint(application):
		return fmt.Errorf("the file is not a Drover database (application id %s): choose another data folder", id)
	case version > Format:
		return fmt.Errorf("the data has format %d and this build knows format %d: run a build of Drover that is at least as new as the one that wrote it", version, Format)
	case !fresh && version < 1:
		return fmt.Errorf("the data has format %d, which no build of Drover writes: choose another data folder, or restore this one from a backup", version)
	}
	s.sync = "NORMAL"
	if o.Volatile {
		s.sync = "OFF"
	}
	if err := c.script("PRAGMA journal_mode = WAL; PRAGMA synchronous = " + s.sync + ";" + writerPragmas); err != nil {
		return err
	}
	if fresh {
		err := c.script(fmt.Sprintf("BEGIN; %s; PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;", schema, application, Format))
		if err != nil {
			return fmt.Errorf("make the tables: %w", err)
		}
	} else if version < Format {
		if err := s.migrate(c, version); err != nil {
			return err
		}
	}
	mode, err := c.pragma("journal_mode")
	if err != nil {
		return err
	}
	level, err := c.pragma("synchronous")
	if err != nil {
		return err
	}
	names := map[string]string{"0": "off", "1": "normal", "2": "full", "3": "extra"}
	s.durable = mode + "/" + names[level]
	if o.Volatile {
		return nil
	}
	if s.durable != "wal/normal" {
		return fmt.Errorf("the file system gave journal mode and synchronous level %s, expected wal/normal: put the data folder on a local disk", s.durable)
	}
	s.durable = mode + "/full"
	s.log.file, err = openLog(s.path)
	return err
}

func (c *conn) pragma(name string) (value string, err error) {
	err = c.query("PRAGMA "+name, nil, func(r *row) error { value = r.text(0); return nil })
	return value, err
}

func (c *conn) number(pragma string) (value int, err error) {
	err = c.query("PRAGMA "+pragma, nil, func(r *row) error { value = int(r.int(0)); return nil })
	return value, err
}

// Durability is the journal mode, read back, and whether a commit is on disk before
// it is answered (full) or not (off).
func (s *Store) Durability() string { return s.durable }

// SetObserver names who hears of commits; call it before the first Submit.
func (s *Store) SetObserver(o store.Observer) { s.observer = o }

// Close finishes what was submitted and closes the files.
func (s *Store) Close() error {
	s.writer.close()
	s.stop()
	s.work.Wait()
	var errs []error
	for range readerCount { // Views that are under way end first
		errs = append(errs, (<-s.readers).close())
	}
	return errors.Join(append(errs, s.writer.c.finish(), s.log.close())...)
}

// finish moves the log into the database, so that a copied file is whole.
func (c *conn) finish() error {
	err := c.script("PRAGMA wal_checkpoint(TRUNCATE)")
	return errors.Join(err, c.close())
}

func (s *Store) closeReaders() error {
	var errs []error
	for {
		select {
		case c := <-s.readers:
			errs = append(errs, c.close())
		default:
			return errors.Join(errs...)
		}
	}
}

// View runs fn on a consistent snapshot.
func (s *Store) View(ctx context.Context, fn func(store.Tx) error) (err error) {
	var c *conn
	select {
	case c = <-s.readers:
	case <-s.ended:
		return errClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { s.readers <- c }()
	if _, err := c.exec("BEGIN"); err != nil {
		return err
	}
	defer func() {
		if _, e := c.exec("ROLLBACK"); err == nil {
			err = e
		}
	}()
	err = fn(&tx{c: c, s: s})
	if broken := s.log.broken(); broken != nil {
		return broken
	}
	return err
}

// Update runs fn in the writer, serialised with the batches.
func (s *Store) Update(ctx context.Context, fn func(store.Tx) error) error {
	ch := make(chan error, 1)
	if !s.writer.submit(&task{update: fn, ctx: ctx, done: func(_ store.Commit, err error) { ch <- err }}) {
		return errClosed
	}
	return <-ch
}

// Submit queues a decision.
func (s *Store) Submit(keys store.Keys, decide store.Decide, done func(store.Commit, error)) {
	if !s.writer.submit(&task{keys: keys, decide: decide, done: done}) {
		done(store.Commit{}, errClosed)
	}
}

// Transact is Submit for one who waits.
func (s *Store) Transact(ctx context.Context, keys store.Keys, decide store.Decide) (store.Commit, error) {
	type answer struct {
		commit store.Commit
		err    error
	}
	ch := make(chan answer, 1)
	s.Submit(keys, decide, func(c store.Commit, err error) { ch <- answer{c, err} })
	select {
	case a := <-ch:
		return a.commit, a.err
	case <-ctx.Done():
		return store.Commit{}, context.Cause(ctx)
	}
}

var errClosed = errors.New("the store is closed")

package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// log is the write-ahead log's file, as far as Drover syncs it by itself. SQLite
// as it is built for Go knows fsync only, which on ext4 makes every commit wait for
// what other files have written. So the connections are at synchronous NORMAL, with
// which SQLite syncs when it moves the log, and the writer syncs the data of each
// commit (fdatasync) before anybody hears of it: before it is answered, and before
// a View that may have seen it returns. That is what FULL promises.
type log struct {
	file *os.File // nil: nothing is synced

	mu     sync.RWMutex // held for writing from a commit until it is on disk
	failed error
}

// openLog opens the log of a database, which SQLite has made.
func openLog(database string) (*os.File, error) {
	return os.OpenFile(database+"-wal", os.O_RDWR, 0)
}

// sync makes the commit that was just made last. It is called with mu held. After
// a failure nobody knows what the disk has (the kernel may have dropped what it
// could not write): the store answers nothing any more, and reads the log anew when
// it is opened again.
func (l *log) sync() error {
	if l.file == nil {
		return nil
	}
	if err := dataSync(l.file); err != nil {
		l.failed = fmt.Errorf("the disk did not take the write-ahead log, and what it has of it is not known: see to the disk and start again: %w", err)
	}
	return l.failed
}

// broken is the error of the sync that failed, once one has. It returns when what was
// committed before is on disk.
func (l *log) broken() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.failed
}

func (l *log) close() error {
	if l.file == nil {
		return nil
	}
	if err := l.file.Close(); !errors.Is(err, fs.ErrClosed) {
		return err
	}
	return nil
}

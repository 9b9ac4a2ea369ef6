package sqlite

import (
	"context"
	"time"

	zs "zombiezen.com/go/sqlite"
)

// The log is moved into the database by a connection of its own while commits
// go on, so that no commit pays for it. That alone never lets the log start
// anew under steady load; so when it has walLimit pages the writer is asked,
// between two batches, to move the little that is left and begin again. The
// file keeps its size: overwriting costs less than growing.
const (
	checkpointEvery = 20 * time.Millisecond
	checkpointAfter = 2_000  // rows written since the last time
	walLimit        = 12_000 // pages, 48 MiB
)

func (s *Store) checkpoints(ctx context.Context) {
	c, err := openConn(s.path, zs.OpenReadWrite)
	if err == nil {
		defer c.close() //nolint:errcheck // it has nothing unwritten
		err = c.script("PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = " + s.sync + "; PRAGMA cache_size = -256")
	}
	if err != nil {
		s.writer.restartLog(err) // the writer moves the log by itself, at its cost
		return
	}
	tick := time.NewTicker(checkpointEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if s.writer.written.Load() < checkpointAfter {
			continue
		}
		s.writer.written.Store(0)
		// A failure leaves the log longer, never wrong: the next tick tries again.
		pages, err := c.checkpoint("PASSIVE")
		if err == nil && pages >= walLimit {
			s.writer.restartLog(nil)
		}
	}
}

// checkpoint moves the log in the given mode and tells how many pages it holds.
func (c *conn) checkpoint(mode string) (pages int64, err error) {
	err = c.query("PRAGMA wal_checkpoint("+mode+")", nil, func(r *row) error { pages = r.int(1); return nil })
	return pages, err
}

package sqlite

import (
	"time"

	"github.com/drover-iot/drover/internal/store"
)

// tx is a transaction: on the writing connection within a batch, or on a
// reader. It implements store.Tx, a file for each group of its methods.
type tx struct {
	c *conn
	s *Store
	b *batch // nil on a reader
}

var _ store.Tx = (*tx)(nil)

func (t *tx) now() time.Time { return t.s.cfg.Now() }

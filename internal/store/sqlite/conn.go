package sqlite

import (
	"fmt"

	zs "zombiezen.com/go/sqlite"
)

// conn is one connection with its prepared statements, cached by text. It is
// used by one goroutine at a time.
type conn struct{ c *zs.Conn }

// row is the current row of a query. It is valid during the callback only.
type row struct{ s *zs.Stmt }

func (r *row) int(i int) int64   { return r.s.ColumnInt64(i) }
func (r *row) text(i int) string { return r.s.ColumnText(i) }
func (r *row) bool(i int) bool   { return r.s.ColumnInt64(i) != 0 }

// blob copies the column's bytes; nil when it is NULL or empty.
func (r *row) blob(i int) []byte {
	n := r.s.ColumnLen(i)
	if n == 0 {
		return nil
	}
	b := make([]byte, n)
	r.s.ColumnBytes(i, b)
	return b
}

func openConn(path string, flags zs.OpenFlags) (*conn, error) {
	c, err := zs.OpenConn(path, flags)
	if err != nil {
		return nil, err
	}
	return &conn{c}, nil
}

func (c *conn) close() error { return c.c.Close() }

// prepare gives the statement of this text, reset and without bindings.
func (c *conn) prepare(sql string) (*zs.Stmt, error) { return c.c.Prepare(sql) }

// exec runs a statement that returns no rows and tells how many it changed.
func (c *conn) exec(sql string, args ...any) (changes int64, err error) {
	s, err := c.bound(sql, args)
	if err != nil {
		return 0, err
	}
	if _, err := s.Step(); err != nil {
		return 0, err
	}
	n := int64(c.c.Changes())
	return n, s.Reset()
}

// query calls each for every row, until it returns an error.
func (c *conn) query(sql string, args []any, each func(r *row) error) error {
	s, err := c.bound(sql, args)
	if err != nil {
		return err
	}
	defer s.Reset() //nolint:errcheck // repeats the error that Step gave
	r := row{s}
	for {
		more, err := s.Step()
		if err != nil || !more {
			return err
		}
		if err := each(&r); err != nil {
			return err
		}
	}
}

// lastInsertRowID is the rowid that the latest INSERT made.
func (c *conn) lastInsertRowID() int64 { return c.c.LastInsertRowID() }

func (c *conn) bound(sql string, args []any) (*zs.Stmt, error) {
	s, err := c.prepare(sql)
	if err != nil {
		return nil, err
	}
	for i, a := range args {
		switch v := a.(type) {
		case nil:
			s.BindNull(i + 1)
		case int64:
			s.BindInt64(i+1, v)
		case int:
			s.BindInt64(i+1, int64(v))
		case bool:
			s.BindBool(i+1, v)
		case string:
			s.BindText(i+1, v)
		case []byte:
			if v == nil {
				s.BindNull(i + 1)
			} else {
				s.BindBytes(i+1, v)
			}
		default:
			return nil, fmt.Errorf("sqlite: cannot bind a %T as argument %d of %q", a, i+1, sql)
		}
	}
	return s, nil
}

// script runs statements without arguments one after the other.
func (c *conn) script(sql string) error {
	for sql != "" {
		s, rest, err := c.c.PrepareTransient(sql)
		if err != nil {
			return err
		}
		sql = sql[len(sql)-rest:]
		if s == nil {
			continue
		}
		_, err = s.Step()
		if ferr := s.Finalize(); err == nil {
			err = ferr
		}
		if err != nil {
			return err
		}
	}
	return nil
}

package sqlite

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/drover-iot/drover/internal/store"
)

// errPageFull ends a query whose page needs no more rows.
var errPageFull = errors.New("the page is full")

// pager fills one page of a keyset list: the statement gives rows in key order
// from after the cursor, and the pager keeps what is wanted until the page is
// full or store.Examine rows were looked at.
type pager struct {
	limit    int
	kept     int
	examined int
	last     string // cursor of the last row examined
	next     string // cursor of the next page; empty: there is none
}

// rows is how many rows the statement need give at most, the one that shows
// that there is a next page included.
func (p *pager) rows(filtered bool) int {
	if filtered {
		return store.Examine + 1
	}
	return min(p.limit, store.Examine) + 1
}

// take says whether the row with this cursor, wanted or not, goes on the page.
// errPageFull says that the page is done.
func (p *pager) take(cursor string, wanted bool) (bool, error) {
	if p.examined == store.Examine || wanted && p.kept == p.limit {
		p.next = p.last
		return false, errPageFull
	}
	p.examined++
	p.last = cursor
	if wanted {
		p.kept++
	}
	return wanted, nil
}

// paged is the query of a page.
func (t *tx) paged(sql string, args []any, each func(r *row) error) error {
	if err := t.c.query(sql, args, each); err != nil && !errors.Is(err, errPageFull) {
		return err
	}
	return nil
}

// cursor makes a cursor of numbers; numbers reads it back. An empty cursor
// reads as n times first.
func cursor(parts ...int64) string {
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = strconv.FormatInt(p, 10)
	}
	return strings.Join(texts, ".")
}

func numbers(after string, first ...int64) ([]int64, error) {
	if after == "" {
		return first, nil
	}
	texts := strings.Split(after, ".")
	parts := make([]int64, len(texts))
	for i, text := range texts {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || len(texts) != len(first) {
			return nil, fmt.Errorf("%w: %q", store.ErrCursor, after)
		}
		parts[i] = n
	}
	return parts, nil
}

// one runs a query for a single row; ErrNotFound if there is none.
func (t *tx) one(sql string, args []any, scan func(r *row) error) error {
	err := error(store.ErrNotFound)
	if qerr := t.c.query(sql, args, func(r *row) error { err = scan(r); return err }); qerr != nil {
		return qerr
	}
	return err
}

// exists says whether a query has any row.
func (t *tx) exists(sql string, args ...any) (found bool, err error) {
	err = t.c.query(sql, args, func(*row) error { found = true; return nil })
	return found, err
}

// draw takes the next number of a sequence.
func (t *tx) draw(name string) (n int64, err error) {
	err = t.one(`INSERT INTO sequence (name, value) VALUES (?, 1)
		ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value`, []any{name},
		func(r *row) error { n = r.int(0); return nil })
	return n, err
}

// encode and decode keep a value in a text column.
func encode(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

func decode(text string, v any) error { return json.Unmarshal([]byte(text), v) }

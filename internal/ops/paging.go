package ops

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/store"
)

// defaultPage is the length of a page when the caller names none
// (control-plane.md G); of certificates AWS documents another.
const (
	defaultPage       = 100
	defaultMarkedPage = 25
)

// A list is one listing with its filters: a page token belongs to the list that
// gave it, and to no other.
type list struct {
	bound   [6]byte
	member  string // that carries the token
	form    *base64.Encoding
	perPage int
}

// newList is the list of an operation with these filters.
func newList(operation string, filters ...any) list {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %q", operation, fmt.Sprint(filters...)))
	return list{[6]byte(sum[:]), "nextToken", base64.RawURLEncoding, defaultPage}
}

// newMarkedList is a list whose token is a marker, which AWS's model wants in
// plain base64 (control-plane.md G, Paging).
func newMarkedList(operation string, filters ...any) list {
	l := newList(operation, filters...)
	l.member, l.form, l.perPage = "marker", base64.StdEncoding, defaultMarkedPage
	return l
}

// page is what the store is asked for. Errors: InvalidRequest for a token that
// this list did not give.
func (l list) page(token string, maxResults *int64) (store.Page, error) {
	p := store.Page{Limit: l.perPage}
	if maxResults != nil {
		p.Limit = int(*maxResults)
	}
	if token == "" {
		return p, nil
	}
	raw, err := l.form.DecodeString(token)
	if err != nil || len(raw) <= len(l.bound) || [6]byte(raw) != l.bound {
		return p, errToken(l.member)
	}
	p.After = string(raw[len(l.bound):])
	return p, nil
}

// token is what leads from a page to the next; empty after the last.
func (l list) token(cursor string) string {
	if cursor == "" {
		return ""
	}
	return l.form.EncodeToString(append(l.bound[:], cursor...))
}

// refused is refused for a list whose token has another name.
func (l list) refused(err error) error {
	if errors.Is(err, store.ErrCursor) {
		return errToken(l.member)
	}
	return err
}

func errToken(member string) error {
	return job.Errorf(job.InvalidRequest, "%s is not one that this list gave: use the token of the page before, with the same filters, or none", member)
}

// refused gives what the caller is told of a store's error: missing is the
// answer to ErrNotFound.
func refused(err error, missing func() error) error {
	switch {
	case errors.Is(err, store.ErrNotFound) && missing != nil:
		return missing()
	case errors.Is(err, store.ErrCursor):
		return errToken("nextToken")
	}
	return err
}

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
// (control-plane.md G).
const defaultPage = 100

// A list is one listing with its filters: a page token belongs to the list that
// gave it, and to no other.
type list struct{ bound [6]byte }

// newList is the list of an operation with these filters.
func newList(operation string, filters ...any) list {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %q", operation, fmt.Sprint(filters...)))
	return list{[6]byte(sum[:])}
}

// page is what the store is asked for. Errors: InvalidRequest for a token that
// this list did not give.
func (l list) page(token string, maxResults *int64) (store.Page, error) {
	p := store.Page{Limit: defaultPage}
	if maxResults != nil {
		p.Limit = int(*maxResults)
	}
	if token == "" {
		return p, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) <= len(l.bound) || [6]byte(raw) != l.bound {
		return p, errToken()
	}
	p.After = string(raw[len(l.bound):])
	return p, nil
}

// token is what leads from a page to the next; empty after the last.
func (l list) token(cursor string) string {
	if cursor == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(append(l.bound[:], cursor...))
}

func errToken() error {
	return job.Errorf(job.InvalidRequest, "nextToken is not one that this list gave: use the token of the page before, with the same filters, or none")
}

// refused gives what the caller is told of a store's error: missing is the
// answer to ErrNotFound.
func refused(err error, missing func() error) error {
	switch {
	case errors.Is(err, store.ErrNotFound) && missing != nil:
		return missing()
	case errors.Is(err, store.ErrCursor):
		return errToken()
	}
	return err
}

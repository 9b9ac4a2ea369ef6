package devapi

import (
	"context"
	"strconv"

	"github.com/drover-iot/drover/internal/job"
)

type changesAPI struct{ Config }

// get is GetChanges: it answers when there is a change after the one that the
// caller knows, or when the caller, or the server, has no more time.
func (c changesAPI) get(ctx context.Context, r request) (any, error) {
	seq, next := c.Changes()
	if r.after != "" {
		known, err := strconv.ParseInt(r.after, 10, 64)
		if err != nil {
			return nil, job.Errorf(job.InvalidRequest, "after is %q, expected the seq of an earlier answer.", shorten([]byte(r.after)))
		}
		if seq == known {
			select {
			case <-next:
			case <-ctx.Done():
			}
			seq, _ = c.Changes()
		}
	}
	return struct {
		Seq int64 `json:"seq"`
	}{seq}, nil
}

package operator

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Imported is what an import has done so far.
type Imported struct {
	Line        int64
	Things      int64
	Groups      int64 `json:"thingGroups"`
	Memberships int64
	Done        bool
	Error       string // of the last line of the answer: it has failed
	Message     string
}

// Import sends what write writes, JSON Lines, to POST /drover/v1/import and gives
// the last line of the answer. An import that stops is an *Error.
func (c *Client) Import(ctx context.Context, write func(io.Writer) error) (last Imported, err error) {
	const path = "/drover/v1/import"
	in, out := io.Pipe()
	go func() {
		to := bufio.NewWriterSize(out, 64<<10)
		err := write(to)
		if err == nil {
			err = to.Flush()
		}
		_ = out.CloseWithError(err) // it never fails
	}()
	defer in.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, in)
	if err != nil {
		return last, err
	}
	req.Header.Set("Content-Type", "application/jsonl")
	req.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	authorize(req, time.Now())
	resp, err := (&http.Client{Transport: c.http.Transport}).Do(req) // as long as it takes
	if err != nil {
		return last, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
		if err != nil {
			return last, err
		}
		return last, &Error{Call: "POST " + path, Status: resp.StatusCode, Body: string(b)}
	}
	for d := json.NewDecoder(resp.Body); ; {
		var next Imported
		if err := d.Decode(&next); err != nil {
			return last, fmt.Errorf("POST %s: the answer ends after line %d: %w", path, last.Line, err)
		}
		if next.Error != "" {
			return last, &Error{Call: "POST " + path, Status: http.StatusOK, Body: next.Error + ": " + next.Message}
		}
		if last = next; last.Done {
			return last, nil
		}
	}
}

package drovertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Refusal is an error that the service has answered.
type Refusal struct {
	Status  int
	Type    string // as ResourceNotFoundException
	Message string
}

func (r *Refusal) Error() string { return fmt.Sprintf("%d %s: %s", r.Status, r.Type, r.Message) }

// maxAnswer bounds what is read of an answer.
const maxAnswer = 16 << 20

// Call makes a request of the control plane, or of /drover/v1/: for what has no
// method here. in is encoded as JSON, unless it is nil; the answer is decoded into
// out, unless that is nil. What the service refuses is a *Refusal.
func (d *Drover) Call(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, d.HTTP+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	// The scope of a signature tells the planes apart; dev does not verify it.
	req.Header.Set("Authorization", fmt.Sprintf(
		"AWS4-HMAC-SHA256 Credential=drovertest/20260101/%s/iot/aws4_request, SignedHeaders=host;x-amz-date, Signature=%064d", d.Region, 0))
	req.Header.Set("X-Amz-Date", "20260101T000000Z")
	req.Header.Set("Content-Type", "application/json")
	resp, err := d.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		r := &Refusal{Status: resp.StatusCode, Type: resp.Header.Get("X-Amzn-Errortype")}
		var said struct{ Message string }
		if json.Unmarshal(answer, &said) == nil {
			r.Message = said.Message
		}
		return r
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// must is Call for what has to work.
func (d *Drover) must(method, path string, in, out any) {
	d.t.Helper()
	if err := d.Call(context.Background(), method, path, in, out); err != nil {
		d.t.Fatalf("drovertest: %s %s: %v", method, path, err)
	}
}

func notFound(err error) bool {
	var r *Refusal
	return errors.As(err, &r) && r.Status == http.StatusNotFound
}

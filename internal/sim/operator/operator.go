package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Client calls one server.
type Client struct {
	base string
	http *http.Client
}

// parallel is how many requests of a bulk call are under way at once: enough
// that commits are shared, few enough to be no load test of their own.
const parallel = 64

// New makes a client of the plaintext address host:port.
func New(addr string) *Client {
	return &Client{
		base: "http://" + addr,
		http: &http.Client{
			Timeout:   60 * time.Second,
			Transport: &http.Transport{MaxIdleConnsPerHost: parallel, MaxConnsPerHost: parallel},
		},
	}
}

// Close lets go of the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Error is an answer other than 200.
type Error struct {
	Call   string
	Status int
	Body   string
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %d %s", e.Call, e.Status, e.Body) }

// Job is what a CreateJob of ours says.
type Job struct {
	ID       string
	Targets  []string // ARNs
	Document string
	Timeout  int64 // in-progress minutes; 0 = none

	Continuous bool
	// More are other members of the request, such as abortConfig.
	More map[string]any
}

// JobCounts are what DescribeJob counts, under its status.
type JobCounts struct {
	Status        string
	ForceCanceled bool
	IsConcurrent  bool // the service hands out executions, or takes them back
	Queued        int64
	InProgress    int64
	Succeeded     int64
	Failed        int64
	TimedOut      int64
	Rejected      int64
	Removed       int64
	Canceled      int64
}

// Total is how many executions are counted.
func (c JobCounts) Total() int64 {
	return c.Queued + c.InProgress + c.Succeeded + c.Failed + c.TimedOut + c.Rejected + c.Removed + c.Canceled
}

// Count adds executions of a status.
func (c *JobCounts) Count(status string, n int64) {
	switch status {
	case "QUEUED":
		c.Queued += n
	case "IN_PROGRESS":
		c.InProgress += n
	case "SUCCEEDED":
		c.Succeeded += n
	case "FAILED":
		c.Failed += n
	case "TIMED_OUT":
		c.TimedOut += n
	case "REJECTED":
		c.Rejected += n
	case "REMOVED":
		c.Removed += n
	case "CANCELED":
		c.Canceled += n
	}
}

// Execution is what DescribeJobExecution of the control plane says of one.
type Execution struct {
	Status        string `json:"status"`
	Version       int64  `json:"versionNumber"`
	Number        int64  `json:"executionNumber"`
	StatusDetails struct {
		Map map[string]string `json:"detailsMap"`
	} `json:"statusDetails"`
}

// CreateThing registers a thing and gives its ARN.
func (c *Client) CreateThing(ctx context.Context, name string) (string, error) {
	var out struct {
		ARN string `json:"thingArn"`
	}
	err := c.call(ctx, http.MethodPost, "/things/"+url.PathEscape(name), struct{}{}, &out)
	return out.ARN, err
}

// CreateGroup makes a thing group and gives its ARN.
func (c *Client) CreateGroup(ctx context.Context, name string) (string, error) {
	var out struct {
		ARN string `json:"thingGroupArn"`
	}
	err := c.call(ctx, http.MethodPost, "/thing-groups/"+url.PathEscape(name), struct{}{}, &out)
	return out.ARN, err
}

// AddToGroup makes a thing a member of a group.
func (c *Client) AddToGroup(ctx context.Context, group, thing string) error {
	in := map[string]string{"thingGroupName": group, "thingName": thing}
	return c.call(ctx, http.MethodPut, "/thing-groups/addThingToThingGroup", in, nil)
}

// CreateFleet registers n things, name(0) to name(n-1), all members of a new
// group, many requests at a time, and gives the group's ARN.
func (c *Client) CreateFleet(ctx context.Context, group string, n int, name func(int) string) (string, error) {
	arn, err := c.CreateGroup(ctx, group)
	if err != nil {
		return "", err
	}
	err = inParallel(ctx, n, func(ctx context.Context, i int) error {
		if _, err := c.CreateThing(ctx, name(i)); err != nil {
			return err
		}
		return c.AddToGroup(ctx, group, name(i))
	})
	return arn, err
}

// AddAll makes n existing things members of a group.
func (c *Client) AddAll(ctx context.Context, group string, n int, name func(int) string) error {
	return inParallel(ctx, n, func(ctx context.Context, i int) error { return c.AddToGroup(ctx, group, name(i)) })
}

// inParallel does it for 0 to n-1, many at a time, until one fails.
func inParallel(ctx context.Context, n int, do func(context.Context, int) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var workers sync.WaitGroup
	for w := range parallel {
		workers.Go(func() {
			for i := w; i < n && ctx.Err() == nil; i += parallel {
				if err := do(ctx, i); err != nil {
					stop(err) // the first cause is kept
				}
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

// CreateJob creates a job.
func (c *Client) CreateJob(ctx context.Context, j Job) error {
	in := map[string]any{"targets": j.Targets, "document": j.Document}
	if j.Timeout > 0 {
		in["timeoutConfig"] = map[string]int64{"inProgressTimeoutInMinutes": j.Timeout}
	}
	maps.Copy(in, j.More)
	if j.Continuous {
		in["targetSelection"] = "CONTINUOUS"
	}
	return c.call(ctx, http.MethodPut, "/jobs/"+url.PathEscape(j.ID), in, nil)
}

// DescribeJob gives a job's status and counters.
func (c *Client) DescribeJob(ctx context.Context, id string) (JobCounts, error) {
	var out struct {
		Job struct {
			Status        string `json:"status"`
			ForceCanceled bool   `json:"forceCanceled"`
			IsConcurrent  bool   `json:"isConcurrent"`
			Details       struct {
				Queued     int64 `json:"numberOfQueuedThings"`
				InProgress int64 `json:"numberOfInProgressThings"`
				Succeeded  int64 `json:"numberOfSucceededThings"`
				Failed     int64 `json:"numberOfFailedThings"`
				TimedOut   int64 `json:"numberOfTimedOutThings"`
				Rejected   int64 `json:"numberOfRejectedThings"`
				Removed    int64 `json:"numberOfRemovedThings"`
				Canceled   int64 `json:"numberOfCanceledThings"`
			} `json:"jobProcessDetails"`
		} `json:"job"`
	}
	err := c.call(ctx, http.MethodGet, "/jobs/"+url.PathEscape(id), nil, &out)
	d := out.Job.Details
	return JobCounts{
		Status: out.Job.Status, ForceCanceled: out.Job.ForceCanceled, IsConcurrent: out.Job.IsConcurrent,
		Queued: d.Queued, InProgress: d.InProgress, Succeeded: d.Succeeded, Failed: d.Failed,
		TimedOut: d.TimedOut, Rejected: d.Rejected, Removed: d.Removed, Canceled: d.Canceled,
	}, err
}

// DescribeExecution gives the newest execution of a job on a thing.
func (c *Client) DescribeExecution(ctx context.Context, thing, id string) (Execution, error) {
	var out struct {
		Execution Execution `json:"execution"`
	}
	err := c.call(ctx, http.MethodGet, "/things/"+url.PathEscape(thing)+"/jobs/"+url.PathEscape(id), nil, &out)
	return out.Execution, err
}

// Summary is one execution in a list.
type Summary struct {
	JobID  string
	Number int64
	Status string
}

// WaitQueued returns when at least n executions of the job are QUEUED, asking
// every interval, and fails when ctx ends first.
func (c *Client) WaitQueued(ctx context.Context, id string, n int64, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		got, err := c.DescribeJob(ctx, id)
		if err != nil {
			return err
		}
		if got.Queued >= n {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("job %s: %d of %d executions queued: %w", id, got.Queued, n, ctx.Err())
		}
	}
}

// maxBody bounds what is read of an answer.
const maxBody = 1 << 20

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	return c.request(ctx, method, path, nil, in, out)
}

func (c *Client) request(ctx context.Context, method, path string, header http.Header, in, out any) error {
	var body io.Reader = http.NoBody
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/json")
	authorize(req, time.Now())
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return &Error{Call: method + " " + path, Status: resp.StatusCode, Body: string(b)}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("%s %s: %w in the answer %s", method, path, err, b)
	}
	return nil
}

// authorize signs a request as far as `drover dev` looks.
func authorize(req *http.Request, now time.Time) {
	now = now.UTC()
	req.Header.Set("X-Amz-Date", now.Format("20060102T150405Z"))
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/"+now.Format("20060102")+
		"/us-east-1/iot/aws4_request, SignedHeaders=host;x-amz-date, Signature="+strings.Repeat("0", 64))
}

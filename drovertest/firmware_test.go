package drovertest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/drover-iot/drover/drovertest"
)

// firmware is the device under test: an agent as one is written for AWS IoT Jobs,
// which knows nothing of Drover but an address. It asks for its next job when it
// connects, when it hears of one, and when it is polled; it installs, and reports.
type firmware struct {
	thing, broker string
	install       func(ctx context.Context, job string) error // the work
	poll          chan struct{}                               // its timer

	mu        sync.Mutex
	installed []string // the flash: it survives a connection
	announced []string // the heads of its queue that it was told of; "": there is none
}

// works is an installation that succeeds.
func works(context.Context, string) error { return nil }

// boot runs the firmware until the test ends.
func boot(t *testing.T, d *drovertest.Drover, thing string, install func(ctx context.Context, job string) error) *firmware {
	f := &firmware{thing: thing, broker: d.MQTT, poll: make(chan struct{}, 1), install: install}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			f.session(ctx)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return f
}

func (f *firmware) installs() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.installed)
}

func (f *firmware) has(job string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.installed, job)
}

func (f *firmware) heard() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.announced)
}

// connection is one connection to the broker.
type connection struct {
	mqtt.Client
	topic   string // of the thing's jobs
	replies chan reply
	lost    chan struct{}
	asked   int
}

type reply struct {
	topic       string
	ClientToken string
	Code        string
	Execution   execution
	State       struct{ VersionNumber int64 } `json:"executionState"`
}

type execution struct {
	JobID           string
	Status          string
	ExecutionNumber int64
	VersionNumber   int64
}

// session is a connection and what is done with it.
func (f *firmware) session(ctx context.Context) {
	news := make(chan struct{}, 1)
	c := &connection{topic: "$aws/things/" + f.thing + "/jobs/", replies: make(chan reply, 64), lost: make(chan struct{})}
	o := mqtt.NewClientOptions().AddBroker("tcp://" + f.broker).SetClientID(f.thing).SetAutoReconnect(false).SetConnectTimeout(time.Minute)
	o.SetConnectionLostHandler(func(mqtt.Client, error) { close(c.lost) })
	o.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
		r := reply{topic: strings.TrimPrefix(m.Topic(), c.topic)}
		_ = json.Unmarshal(m.Payload(), &r) // what is not JSON has no token
		if r.topic == "notify-next" {
			f.mu.Lock()
			f.announced = append(f.announced, r.Execution.JobID)
			f.mu.Unlock()
			select {
			case news <- struct{}{}:
			default:
			}
			return
		}
		c.replies <- r
	})
	c.Client = mqtt.NewClient(o)
	if tok := c.Connect(); !tok.WaitTimeout(time.Minute) || tok.Error() != nil {
		return
	}
	defer c.Disconnect(0)
	if tok := c.Subscribe(c.topic+"notify-next", 1, nil); !tok.WaitTimeout(time.Minute) || tok.Error() != nil {
		return
	}
	for {
		next, err := c.ask("start-next", nil)
		if err != nil {
			return // begin again
		}
		if next.Code == "RequestThrottled" {
			continue
		}
		if next.Execution.JobID != "" {
			if f.do(ctx, c, next.Execution) != nil {
				return
			}
			continue
		}
		select {
		case <-news:
		case <-f.poll:
		case <-c.lost:
			return
		case <-ctx.Done():
			return
		}
	}
}

// patience is how long the firmware waits for an answer before it begins again.
const patience = 3 * time.Second

var errNoAnswer = errors.New("no answer")

// ask sends a request and gives its answer, whether that is accepted or rejected.
func (c *connection) ask(operation string, body map[string]any) (reply, error) {
	c.asked++
	token := fmt.Sprintf("t%d", c.asked)
	in := map[string]any{"clientToken": token}
	for k, v := range body {
		in[k] = v
	}
	payload, err := json.Marshal(in)
	if err != nil {
		return reply{}, err
	}
	c.Publish(c.topic+operation, 1, false, payload)
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case r := <-c.replies:
			if r.ClientToken == token {
				return r, nil
			}
		case <-c.lost:
			return reply{}, errNoAnswer
		case <-late.C:
			return reply{}, errNoAnswer
		}
	}
}

// do carries a job out. An error is of the connection; the job is begun again.
func (f *firmware) do(ctx context.Context, c *connection, e execution) error {
	if !f.has(e.JobID) {
		goOn, err := c.report(&e, "IN_PROGRESS")
		if err != nil || !goOn {
			return err
		}
		if err := f.install(ctx, e.JobID); err != nil {
			_, err = c.report(&e, "FAILED")
			return err
		}
		f.mu.Lock()
		f.installed = append(f.installed, e.JobID)
		f.mu.Unlock()
	}
	_, err := c.report(&e, "SUCCEEDED")
	return err
}

// report says how far this attempt at the job is; goOn is false when it is not ours
// any more. Who was overtaken by another looks again. A report without the number
// would be of the newest attempt.
func (c *connection) report(e *execution, status string) (goOn bool, err error) {
	for {
		r, err := c.ask(e.JobID+"/update", map[string]any{
			"status": status, "executionNumber": e.ExecutionNumber, "expectedVersion": e.VersionNumber, "includeJobExecutionState": true,
		})
		switch {
		case err != nil:
			return false, err
		case r.Code == "VersionMismatch":
			e.VersionNumber = r.State.VersionNumber
		case r.Code == "RequestThrottled":
		case r.Code != "":
			return false, nil
		default:
			e.VersionNumber = r.State.VersionNumber
			return true, nil
		}
	}
}

package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/drover-iot/drover/internal/sim"
	"github.com/drover-iot/drover/internal/sim/packet"
)

// client is a device's connection: one request at a time, each with its answer.
type client struct {
	*sim.Conn
	thing string
	token int
}

func dial(ctx context.Context, addr, thing string, persistent bool) (*client, error) {
	return dialWill(ctx, addr, thing, persistent, nil)
}

func dialWill(ctx context.Context, addr, thing string, persistent bool, will *packet.Will) (*client, error) {
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c, err := sim.Connect(ctx, nc, sim.Login{ClientID: thing, KeepAlive: time.Minute, Persistent: persistent, Will: will})
	if err != nil {
		return nil, err
	}
	return &client{Conn: c, thing: thing}, nil
}

func (c *client) topic(suffix string) string { return "$aws/things/" + c.thing + "/jobs/" + suffix }

// answer is the body of a reply or a notification.
type answer struct {
	Token     string `json:"clientToken"`
	Code      string `json:"code"`
	Message   string `json:"message"`
	Execution *struct {
		JobID   string            `json:"jobId"`
		Status  string            `json:"status"`
		Version int64             `json:"versionNumber"`
		Number  int64             `json:"executionNumber"`
		Details map[string]string `json:"statusDetails"`
	} `json:"execution"`
	State *struct {
		Status  string `json:"status"`
		Version int64  `json:"versionNumber"`
	} `json:"executionState"`
}

// errRejected is an answer that says no. Any other error of a request means
// that nobody knows what became of it.
var errRejected = errors.New("rejected")

// ask makes a request and waits for its answer.
func (c *client) ask(ctx context.Context, suffix string, body map[string]any) (answer, error) {
	token, err := c.send(suffix, body)
	if err != nil {
		return answer{}, err
	}
	return c.reply(ctx, suffix, token)
}

// send makes a request without waiting, and gives its token.
func (c *client) send(suffix string, body map[string]any) (string, error) {
	c.token++
	token := fmt.Sprintf("%s-%d", c.thing, c.token)
	body["clientToken"] = token
	b, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	c.Publish(c.topic(suffix), b)
	return token, nil
}

// reply waits for the answer to a request; other messages are dropped.
func (c *client) reply(ctx context.Context, suffix, token string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		m, err := c.Receive(ctx, time.Time{})
		if err != nil {
			return answer{}, err
		}
		verb, ours := strings.CutPrefix(m.Topic, c.topic(suffix)+"/")
		if !ours {
			continue
		}
		var a answer
		if err := json.Unmarshal(m.Payload, &a); err != nil {
			return a, fmt.Errorf("%s: %w in %s", m.Topic, err, m.Payload)
		}
		switch {
		case a.Token != token:
			continue
		case verb == "accepted":
			return a, nil
		case a.Code == "InternalError": // it does not know either
			return a, fmt.Errorf("%s: %s %s", suffix, a.Code, a.Message)
		}
		return a, fmt.Errorf("%s %w: %s %s", suffix, errRejected, a.Code, a.Message)
	}
}

// report sends a status at an expected version, marked with the number n.
func (c *client) report(ctx context.Context, job, status string, version int64, n int) (answer, error) {
	return c.ask(ctx, job+"/update", map[string]any{
		"status": status, "expectedVersion": version, "statusDetails": map[string]string{"n": strconv.Itoa(n)},
	})
}

package sim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// device is one connection and one agent, in one goroutine.
type device struct {
	fleet   *Fleet
	agent   *agent
	dialing chan struct{}
}

const (
	// answerTimeout ends a connection on which a request was not answered: what
	// the server made of it is learned by asking on a new one.
	answerTimeout = 15 * time.Second

	firstBackoff = 200 * time.Millisecond
	maxBackoff   = 10 * time.Second
)

// run keeps the device on line until ctx ends.
func (d *device) run(ctx context.Context) {
	backoff := firstBackoff
	for ctx.Err() == nil {
		online, err := d.session(ctx)
		if ctx.Err() != nil {
			return
		}
		e := d.agent.event(Lost, err)
		d.fleet.tell(e)
		if online {
			backoff = firstBackoff
		}
		pause := time.Duration(float64(backoff) * (0.5 + d.agent.rnd.Float64()))
		backoff = min(2*backoff, maxBackoff)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// session is one connection from its beginning to its end; online says whether
// it got as far as working.
func (d *device) session(ctx context.Context) (online bool, err error) {
	c, err := d.connect(ctx)
	if err != nil {
		return false, err
	}
	d.fleet.tell(Event{Kind: Connected, Thing: d.agent.thing})
	defer d.fleet.stats.offline()
	if err := d.work(ctx, c); ctx.Err() == nil {
		return true, errors.Join(err, c.Drop())
	}
	return true, c.Close()
}

func (d *device) connect(ctx context.Context) (*Conn, error) {
	select {
	case d.dialing <- struct{}{}:
		defer func() { <-d.dialing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	nc, err := d.fleet.cfg.Dial(ctx)
	if err != nil {
		return nil, err
	}
	c, err := Connect(ctx, nc, Login{ClientID: d.agent.thing, KeepAlive: d.fleet.cfg.KeepAlive})
	if err != nil {
		return nil, err
	}
	// Answers come without a subscription (device-plane.md 1.4); only the
	// notification needs one.
	if err := c.Subscribe(ctx, jobsTopic(d.agent.thing)+"notify-next"); err != nil {
		return nil, errors.Join(err, c.Drop())
	}
	return c, nil
}

// work lets the agent react to what arrives and to the time that passes, until
// the connection or ctx ends.
func (d *device) work(ctx context.Context, c *Conn) error {
	var due, asked time.Time // of the next step, of the request under way
	react := func(r reaction) {
		for _, e := range r.events {
			d.fleet.tell(e)
		}
		if r.wait > 0 {
			due = time.Now().Add(r.wait)
		}
		if r.send.topic != "" {
			due, asked = time.Time{}, time.Now()
			c.Publish(r.send.topic, r.send.body)
		}
	}
	react(d.agent.connected())
	for {
		until := due
		if overdue := asked.Add(answerTimeout); !asked.IsZero() && (until.IsZero() || overdue.Before(until)) {
			until = overdue
		}
		m, err := c.Receive(ctx, until)
		switch {
		case err == nil:
			r, answered := d.agent.message(m.Topic, m.Payload)
			if answered && !asked.IsZero() {
				d.fleet.stats.answered(time.Since(asked))
				asked = time.Time{}
			}
			react(r)
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case !due.IsZero() && !time.Now().Before(due):
			due = time.Time{}
			react(d.agent.due())
		default:
			return fmt.Errorf("sim: no answer within %s", answerTimeout)
		}
	}
}

package crash

import (
	"fmt"
	"testing"

	"github.com/drover-iot/drover/internal/sim/operator"
)

// TestRestartLosesNothingOfAPersistentSession: a device with a persistent
// session is away while the server ends and starts again; it hears what came
// before the end and what came after it, and its subscriptions still stand.
func TestRestartLosesNothingOfAPersistentSession(t *testing.T) {
	slow(t)
	s := newServer(t)
	arn, err := s.api.CreateThing(t.Context(), "sleeper")
	if err != nil {
		t.Fatal(err)
	}
	c := connect(t, s, "sleeper", false)
	if err := c.Subscribe(t.Context(), c.topic("notify-next")); err != nil {
		t.Fatal(err)
	}
	for round := range rounds(t) {
		how := endingOf(round)
		if err := c.Drop(); err != nil {
			t.Fatal(err)
		}
		before, after := fmt.Sprintf("before-%03d", round), fmt.Sprintf("after-%03d", round)
		s.createJob(operator.Job{ID: before, Targets: []string{arn}})
		if round%4 < 2 { // else the execution is made by whichever server gets to it
			s.waitQueued(before, 1)
		}
		s.restart(how)

		c = connect(t, s, "sleeper", true)
		expectHead(t, c, how, before)
		finish(t, c, before)
		expectHead(t, c, how, "")

		// The subscription was not made again.
		s.createJob(operator.Job{ID: after, Targets: []string{arn}})
		expectHead(t, c, how, after)
		finish(t, c, after)
		expectHead(t, c, how, "")
	}
}

func connect(t *testing.T, s *server, thing string, resumed bool) *client {
	t.Helper()
	c, err := dial(t.Context(), s.Ready.MQTT, thing, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Drop() })
	if c.Resumed() != resumed {
		t.Fatalf("session present: %v, want %v", c.Resumed(), resumed)
	}
	return c
}

// expectHead waits for a notify-next that tells this head. Delivery is at least
// once, so what was told before may come again first.
func expectHead(t *testing.T, c *client, how ending, job string) {
	t.Helper()
	for {
		a, err := c.hear(t.Context(), "notify-next")
		if err != nil {
			t.Fatalf("after %s, waiting to hear of %q: %v", how, job, err)
		}
		if job == "" && a.Execution == nil || a.Execution != nil && a.Execution.JobID == job {
			return
		}
	}
}

// finish works a job off without taking notifications out of the session: only
// its own answers are read before the notification that follows them.
func finish(t *testing.T, c *client, job string) {
	t.Helper()
	if err := c.report(t.Context(), job, "SUCCEEDED", 1, 1); err != nil {
		t.Fatal(err)
	}
}

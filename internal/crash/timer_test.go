package crash

import (
	"context"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/sim/operator"
)

// A timer is a row: a server that was ended fires it when it is due, and one
// that was down at that time fires it when it starts. The shortest timer of the
// protocol is a minute, so this test sleeps through one, all its servers at once.
func TestRestartForgetsNoTimer(t *testing.T) {
	slow(t)
	rows := []struct {
		name string
		how  ending
		down bool // the server is down when the timer is due
		job  operator.Job
		step int // stepTimeoutInMinutes of start-next; 0 = none
		on   *tested
	}{
		{name: "the in-progress timer fires after kill -9", how: killed, job: operator.Job{Timeout: 1}},
		{name: "a step timer fires after SIGTERM", how: stopped, step: 1},
		{name: "a step timer that fell due while the server was down fires at its start", how: killed, down: true, step: 1},
	}
	for i := range rows {
		row := &rows[i]
		row.on = newServer(t)
		row.job.ID = "timed-job"
		row.on.give("timed", row.job)
		begin(t, row.on, row.step)
		row.on.endBy(row.how)
		if row.down {
			continue
		}
		row.on.restart()
		if e := row.on.execution("timed", "timed-job"); e.Status != "IN_PROGRESS" || e.Version != 2 {
			t.Fatalf("%s: right after the restart it is %+v", row.name, e)
		}
	}
	time.Sleep(time.Minute + time.Second)
	for _, row := range rows {
		if row.down {
			row.on.restart()
		}
		waitTimedOut(t, row.on, row.name)
	}
}

func begin(t *testing.T, s *tested, stepMinutes int) {
	t.Helper()
	c, err := dial(t.Context(), s.Ready.MQTT, "timed", false)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Drop()
	body := map[string]any{}
	if stepMinutes > 0 {
		body["stepTimeoutInMinutes"] = stepMinutes
	}
	if a, err := c.ask(t.Context(), "start-next", body); err != nil || a.Execution == nil {
		t.Fatalf("start-next: %+v %v", a, err)
	}
}

func waitTimedOut(t *testing.T, s *tested, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		e := s.execution("timed", "timed-job")
		if e.Status == "TIMED_OUT" && e.Version == 3 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: it never fired: %+v", name, e)
		}
	}
}

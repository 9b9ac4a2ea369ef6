package drovertest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/drovertest"
)

// failing is a test that notes its failure and goes on: Fatalf panics.
type failing struct{ exampleT }

func (*failing) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// fatal runs f, which must fail the test of t, and gives the message.
func fatal(t *testing.T, f func()) (message string) {
	t.Helper()
	defer func() {
		if v := recover(); v != nil {
			message, _ = v.(string)
		}
	}()
	f()
	t.Error("the test should have failed")
	return ""
}

func TestADroverBeginsWhereItIsTold(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC)
	d := drovertest.Start(t, drovertest.At(at), drovertest.Log())
	if now := d.Now(); !now.Equal(at) {
		t.Errorf("the clock stands at %s", now)
	}
	m := d.AdvanceTo(at.Add(7 * 24 * time.Hour))
	if !m.From.Equal(at) || !m.To.Equal(at.AddDate(0, 0, 7)) || !m.NextDue.IsZero() || m.Total != 0 {
		t.Errorf("%+v", m)
	}
	if next := d.NextDue(); !next.IsZero() {
		t.Errorf("%s is due", next)
	}
	d.Thing("pump-7")
	d.Job("fw", drovertest.Job{Things: []string{"pump-7"}, InProgressTimeout: time.Hour})
	if e, ok := d.Execution("pump-7", "fw"); !ok || e.Status != drovertest.Queued || !e.Queued.Equal(m.To) {
		t.Errorf("%+v", e)
	}
	say(d, "POST", "/things/pump-7/jobs/fw", `{"status":"IN_PROGRESS","statusDetails":{"pct":"40"}}`)
	if next := d.NextDue(); !next.Equal(m.To.Add(time.Hour)) {
		t.Errorf("%s is due, want the timeout", next)
	}
	if e, _ := d.Execution("pump-7", "fw"); e.Details["pct"] != "40" || e.Version != 2 || !e.Started.Equal(m.To) || e.TimedOut != 3600 {
		t.Errorf("%+v", e)
	}
	d.CancelExecution("pump-7", "fw", true)
	d.WaitExecution("pump-7", "fw", drovertest.Canceled)
	if _, ok := d.Execution("pump-8", "fw"); ok {
		t.Error("a thing that is not there has an execution")
	}
	if _, ok := d.JobStatus("fw-2"); ok {
		t.Error("a job that is not there has a status")
	}
}

func TestWhatTheServiceRefusesIsSaid(t *testing.T) {
	t.Parallel()
	d := drovertest.Start(t)
	err := d.Call(context.Background(), "GET", "/things/nobody", nil, nil)
	var r *drovertest.Refusal
	if !errors.As(err, &r) || r.Status != 404 || r.Type != "ResourceNotFoundException" || r.Message == "" {
		t.Errorf("got %v", err)
	}
	if err := d.Call(context.Background(), "POST", "/things/t", map[string]any{"attributePayload": map[string]any{}}, nil); err != nil {
		t.Error(err)
	}
}

func TestAFailureSaysWhatWasWaitedFor(t *testing.T) {
	t.Parallel()
	tb := new(failing)
	defer tb.end()
	d := drovertest.Start(tb, drovertest.Patience(time.Millisecond))
	d.Thing("pump-7")
	d.Job("fw", drovertest.Job{Things: []string{"pump-7"}})
	for _, row := range []struct {
		do   func()
		says string
	}{
		{func() { d.WaitExecution("pump-7", "fw", drovertest.Succeeded) }, "waited in vain until the execution of fw on pump-7"},
		{func() { d.WaitExecution("pump-8", "fw", drovertest.Succeeded) }, "it is nothing"},
		{func() { d.WaitJob("fw", drovertest.Completed) }, "waited in vain until job fw is COMPLETED; it is IN_PROGRESS"},
		{func() { d.WaitJob("fw-2", drovertest.Completed) }, "it is not there"},
		{func() { d.Inject(drovertest.Fault{Kind: "explode"}) }, `kind is "explode"`},
		{func() { d.AdvanceTo(d.Now().Add(-time.Hour)) }, "does not go back"},
		{func() { d.Job("fw", drovertest.Job{Document: `{"other":1}`, Things: []string{"pump-7"}}) }, "409"},
	} {
		if message := fatal(t, row.do); !strings.Contains(message, row.says) {
			t.Errorf("it says %q, want %q", message, row.says)
		}
	}
}

func TestOnTheRealClockNobodyMovesTime(t *testing.T) {
	t.Parallel()
	tb := new(failing)
	defer tb.end()
	d := drovertest.Start(tb, drovertest.RealTime(), drovertest.PendingLimit(0))
	if message := fatal(t, func() { d.Advance(time.Hour) }); !strings.Contains(message, "409 ConflictException") {
		t.Errorf("it says %q", message)
	}
	d.Thing("pump-7")
	d.Job("fw", drovertest.Job{Things: []string{"pump-7"}})
	d.WaitExecution("pump-7", "fw", drovertest.Queued)
}

func TestFaultsAreRemovedAndCleared(t *testing.T) {
	t.Parallel()
	d := drovertest.Start(t)
	d.Thing("pump-7")
	ask := func() string { return say(d, "GET", "/things/pump-7/jobs", "") }
	f := d.Inject(drovertest.Fault{Thing: "pump-*", Kind: drovertest.Answer, Code: "InternalError", Message: "oops", Over: "https", Count: drovertest.Always})
	d.Inject(drovertest.Fault{Kind: drovertest.Throttle, PerSecond: 0.5})
	if got := ask(); got != "500 Internal Server Error" || f.Times() != 1 {
		t.Errorf("%s, %d times", got, f.Times())
	}
	f.Remove()
	if a, b := ask(), ask(); a != "200 OK" || b != "429 Too Many Requests" {
		t.Errorf("without the first: %s, %s", a, b)
	}
	d.ClearFaults()
	if got := ask(); got != "200 OK" || len(d.Injections()) != 0 {
		t.Errorf("without any: %s, %+v", got, d.Injections())
	}
}

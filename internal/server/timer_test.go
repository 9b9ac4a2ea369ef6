package server

import (
	"encoding/json"
	"fmt"
	"testing"
)

// TestTheTimerExampleMinuteByMinute is the guide's example of control-plane.md B.6:
// 20 minutes from 12:00, and steps of 7, 5 and 9 minutes from 12:05, 12:10 and 12:13.
// It is 12:00 when the clock begins.
func TestTheTimerExampleMinuteByMinute(t *testing.T) {
	s := noon(t)
	for _, row := range []struct {
		minute int
		step   int // stepTimeoutInMinutes of a report; 0: none
		left   int // seconds that the device is told
		due    int // the minute
	}{
		{0, 0, 20 * 60, 20},
		{1, 0, 19 * 60, 20},
		{2, 0, 18 * 60, 20},
		{3, 0, 17 * 60, 20},
		{4, 0, 16 * 60, 20},
		{5, 7, 7 * 60, 12},
		{6, 0, 6 * 60, 12},
		{7, 0, 5 * 60, 12},
		{8, 0, 4 * 60, 12},
		{9, 0, 3 * 60, 12},
		{10, 5, 5 * 60, 15},
		{11, 0, 4 * 60, 15},
		{12, 0, 3 * 60, 15},
		{13, 9, 7 * 60, 20}, // 12:22 is beyond the job's own timer
		{14, 0, 6 * 60, 20},
		{15, 0, 5 * 60, 20},
		{16, 0, 4 * 60, 20},
		{17, 0, 3 * 60, 20},
		{18, 0, 2 * 60, 20},
		{19, 0, 1 * 60, 20},
	} {
		m := advance(t, s, minute(row.minute))
		if row.step > 0 {
			succeed(t, s, "POST", "/things/pump-7/jobs/fw", fmt.Sprintf(`{"status":"IN_PROGRESS","stepTimeoutInMinutes":%d}`, row.step))
		}
		e := read(t, s)
		if len(m.Fired) != 0 || e.Status != "IN_PROGRESS" || e.Left != row.left || due(t, s) != row.due*60 {
			t.Errorf("12:%02d: %s with %d s left, due after %d s, and there was %q; want %d s, due at 12:%d", row.minute, e.Status, e.Left, due(t, s), m.lines(), row.left, row.due)
		}
	}
	advance(t, s, `{"by":"59.999s"}`)
	if e := read(t, s); e.Status != "IN_PROGRESS" || e.Left != 0 {
		t.Errorf("a millisecond before 12:20 it is %s with %d s left", e.Status, e.Left)
	}
	wantLines(t, advance(t, s, `{"by":"1ms"}`).lines(),
		"+1200 execution fw/pump-7#1 IN_PROGRESS->TIMED_OUT", "+1200 job fw IN_PROGRESS->COMPLETED")
}

// TestADeviceThatFallsSilentInTheTimerExample is timed out at the deadline that the
// last step left.
func TestADeviceThatFallsSilentInTheTimerExample(t *testing.T) {
	steps := []struct{ minute, step int }{{5, 7}, {10, 5}, {13, 9}}
	for after, ends := range []int{20, 12, 15, 20} {
		t.Run(fmt.Sprintf("after %d steps", after), func(t *testing.T) {
			t.Parallel()
			s := noon(t)
			for _, step := range steps[:after] {
				advance(t, s, minute(step.minute))
				succeed(t, s, "POST", "/things/pump-7/jobs/fw", fmt.Sprintf(`{"status":"IN_PROGRESS","stepTimeoutInMinutes":%d}`, step.step))
			}
			wantLines(t, advance(t, s, minute(60)).lines(),
				fmt.Sprintf("+%d execution fw/pump-7#1 IN_PROGRESS->TIMED_OUT", ends*60), fmt.Sprintf("+%d job fw IN_PROGRESS->COMPLETED", ends*60))
		})
	}
}

// noon is a server on which pump-7 starts a job of twenty minutes when the clock begins.
func noon(t *testing.T) *Server {
	t.Helper()
	s := begin(t, virtualConfig())
	createThing(t, operator(t, s), "pump-7")
	createJob(t, s, "fw", `"timeoutConfig":{"inProgressTimeoutInMinutes":20}`, "pump-7")
	advance(t, s, `{"by":0}`)
	succeed(t, s, "PUT", "/things/pump-7/jobs/$next", "{}")
	return s
}

// minute moves the clock to so many minutes after its beginning.
func minute(n int) string { return fmt.Sprintf(`{"to":%d}`, epoch.Unix()+int64(n)*60) }

// seen is what a device reads of its execution.
type seen struct {
	Status string
	Left   int `json:"approximateSecondsBeforeTimedOut"`
}

func read(t *testing.T, s *Server) seen {
	t.Helper()
	var out struct{ Execution seen }
	if err := json.Unmarshal([]byte(succeed(t, s, "GET", "/things/pump-7/jobs/fw", "")), &out); err != nil {
		t.Fatal(err)
	}
	return out.Execution
}

// due is how many seconds after the clock's beginning the next thing happens.
func due(t *testing.T, s *Server) int {
	t.Helper()
	var out struct{ NextDue int64 }
	if err := json.Unmarshal([]byte(succeed(t, s, "GET", "/drover/v1/clock", "")), &out); err != nil {
		t.Fatal(err)
	}
	return int(out.NextDue - epoch.Unix())
}

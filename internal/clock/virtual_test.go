package clock

import (
	"slices"
	"testing"
	"time"
)

func TestAdvanceCallsWhatIsDueInOrderAtItsTime(t *testing.T) {
	start := time.Unix(1_760_000_000, 0)
	c := NewVirtual(start)
	var called []string
	note := func(name string, after time.Duration) func() {
		return func() {
			called = append(called, name)
			if got := c.Now().Sub(start); got != after {
				t.Errorf("%s was called at +%s, expected +%s", name, got, after)
			}
		}
	}
	c.AfterFunc(3*time.Second, note("late", 3*time.Second))
	c.AfterFunc(time.Second, func() {
		note("first", time.Second)()
		c.AfterFunc(time.Second, note("second, set by the first", 2*time.Second))
	})
	never := c.AfterFunc(2*time.Second, note("stopped", 0))
	if !never.Stop() || never.Stop() {
		t.Error("the first Stop is in time, the second is not")
	}
	c.AfterFunc(time.Minute, note("beyond", time.Minute))
	c.Advance(10 * time.Second)
	if want := []string{"first", "second, set by the first", "late"}; !slices.Equal(called, want) {
		t.Fatalf("called %q, expected %q", called, want)
	}
	if got := c.Now().Sub(start); got != 10*time.Second {
		t.Fatalf("the clock stands at +%s", got)
	}
	c.Advance(-time.Hour)
	if got := c.Now().Sub(start); got != 10*time.Second {
		t.Fatalf("the clock went back to +%s", got)
	}
}

func TestNextIsTheEarliestCallThatIsStillDue(t *testing.T) {
	start := time.Unix(1_760_000_000, 0)
	c := NewVirtual(start)
	if due, ok := c.Next(); ok {
		t.Errorf("nothing was asked for, and %s is due", due)
	}
	c.AfterFunc(time.Hour, func() {})
	sooner := c.AfterFunc(time.Minute, func() {})
	if due, ok := c.Next(); !ok || !due.Equal(start.Add(time.Minute)) {
		t.Errorf("next is %s (%v), expected a minute later", due, ok)
	}
	sooner.Stop()
	c.AdvanceTo(start.Add(time.Minute))
	if due, ok := c.Next(); !ok || !due.Equal(start.Add(time.Hour)) {
		t.Errorf("next is %s (%v), expected an hour after the start", due, ok)
	}
	c.AdvanceTo(start)
	if now := c.Now(); !now.Equal(start.Add(time.Minute)) {
		t.Errorf("the clock went back to %s", now)
	}
}

package clock

import (
	"slices"
	"sync"
	"time"
)

// Virtual is a clock that stands still until it is advanced. What is due is
// called in the order of its time, in the goroutine that advances, with Now at
// the time that it was due: after Advance everything due has been called.
type Virtual struct {
	mu     sync.Mutex
	now    time.Time
	timers []*virtualTimer // by due time, then by creation
}

type virtualTimer struct {
	c   *Virtual
	due time.Time
	f   func()
}

// NewVirtual is a clock that stands at now.
func NewVirtual(now time.Time) *Virtual { return &Virtual{now: now} }

// Now is where the clock stands.
func (c *Virtual) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc calls f when the clock has been advanced by d; at the next Advance,
// whatever its length, if d is not positive.
func (c *Virtual) AfterFunc(d time.Duration, f func()) Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &virtualTimer{c: c, due: c.now.Add(max(0, d)), f: f}
	at := len(c.timers)
	for at > 0 && c.timers[at-1].due.After(t.due) {
		at--
	}
	c.timers = slices.Insert(c.timers, at, t)
	return t
}

// Stop implements Timer.
func (t *virtualTimer) Stop() bool {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	at := slices.Index(t.c.timers, t)
	if at < 0 {
		return false
	}
	t.c.timers = slices.Delete(t.c.timers, at, at+1)
	return true
}

// Next is when the earliest AfterFunc is due; ok says that there is one.
func (c *Virtual) Next() (due time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.timers) == 0 {
		return due, false
	}
	return c.timers[0].due, true
}

// Advance moves the clock by d, not backwards. It must not be called from what
// it calls, nor twice at a time.
func (c *Virtual) Advance(d time.Duration) { c.AdvanceTo(c.Now().Add(max(0, d))) }

// AdvanceTo is Advance, to a time.
func (c *Virtual) AdvanceTo(end time.Time) {
	c.mu.Lock()
	for len(c.timers) > 0 && !c.timers[0].due.After(end) {
		t := c.timers[0]
		c.timers = slices.Delete(c.timers, 0, 1)
		if t.due.After(c.now) {
			c.now = t.due
		}
		c.mu.Unlock()
		t.f()
		c.mu.Lock()
	}
	if end.After(c.now) {
		c.now = end
	}
	c.mu.Unlock()
}

var _ Clock = (*Virtual)(nil)

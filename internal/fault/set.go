package fault

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drover-iot/drover/internal/job"
)

// MaxRules is how many rules a Set holds.
const MaxRules = 1000

// Set is the rules in force. The first that matches a message, whose turn it is
// and whose chance comes up, disturbs it. The zero value is empty; its methods
// may be called from any goroutine.
type Set struct {
	live atomic.Int32 // rules that may still disturb something, and held messages

	mu      sync.Mutex
	rules   []*state
	made    int // of all time, for ids
	report  report
	cleared int // how often
	removed func(id string)
	told    func() // after each injection
}

// state is a rule with how far it has come.
type state struct {
	Rule
	chance   *rand.Rand
	seen     int // matching messages
	injected int
	tokens   float64 // of a throttle with a rate
	filled   time.Time
}

// Status is a rule and what became of it.
type Status struct {
	Rule
	Seen     int // messages that matched
	Injected int
	Done     bool // its count is used up
}

// Removed has f called after a rule was removed: what was held for it may go.
// It is called once, before the Set is used.
func (s *Set) Removed(f func(id string)) { s.removed = f }

// Injected has f called after every injection, with no lock that it could want.
// It is called once, before the Set is used.
func (s *Set) Injected(f func()) { s.told = f }

// Active says whether any message could be disturbed. It is one atomic load, and
// false for a nil Set.
func (s *Set) Active() bool { return s != nil && s.live.Load() > 0 }

// Held counts n more messages that wait for their successor: as long as there
// are any, the Set is active.
func (s *Set) Held(n int32) { s.live.Add(n) }

// Add puts a rule in force, behind the others, and gives it its id. Errors:
// InvalidRequest for what cannot be meant, LimitExceeded.
func (s *Set) Add(r Rule) (Status, error) {
	if err := r.Check(); err != nil {
		return Status{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rules) >= MaxRules {
		return Status{}, job.Errorf(job.LimitExceeded, "There are %d faults already; delete some.", MaxRules)
	}
	s.made++
	r.ID = fmt.Sprintf("fault-%d", s.made)
	st := &state{Rule: r, chance: rand.New(rand.NewPCG(r.Seed, 0))} //nolint:gosec // chance that can be repeated
	s.rules = append(s.rules, st)
	s.live.Add(1)
	return st.status(), nil
}

// Rules are all rules, also those that are over, in their order.
func (s *Set) Rules() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Status, 0, len(s.rules))
	for _, r := range s.rules {
		all = append(all, r.status())
	}
	return all
}

// Remove takes a rule out; it reports false if there is none. What it did stays
// in the report.
func (s *Set) Remove(id string) bool {
	s.mu.Lock()
	at := slices.IndexFunc(s.rules, func(r *state) bool { return r.ID == id })
	if at < 0 {
		s.mu.Unlock()
		return false
	}
	s.drop(s.rules[at])
	s.rules = slices.Delete(s.rules, at, at+1)
	s.mu.Unlock()
	s.tell(id)
	return true
}

// Clear takes all rules out, and empties the report.
func (s *Set) Clear() {
	s.mu.Lock()
	gone := s.rules
	for _, r := range gone {
		s.drop(r)
	}
	s.rules, s.report, s.cleared = nil, report{}, s.cleared+1
	s.mu.Unlock()
	for _, r := range gone {
		s.tell(r.ID)
	}
}

func (s *Set) drop(r *state) {
	if !r.over() {
		s.live.Add(-1)
	}
}

func (s *Set) tell(id string) {
	if s.removed != nil {
		s.removed(id)
	}
}

// Hit is a message that is to be disturbed.
type Hit struct {
	Rule
	set *Set
	of  int // which report: it may have been cleared
	nth int // in it
}

// Decide says what is done to a message; nil: nothing. What it says is in the
// report already.
func (s *Set) Decide(m Message) *Hit {
	hit := s.decide(m)
	if hit != nil && s.told != nil {
		s.told()
	}
	return hit
}

func (s *Set) decide(m Message) *Hit {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rules {
		if !r.takes(m) {
			continue
		}
		if r.over() {
			s.live.Add(-1)
		}
		return &Hit{Rule: r.Rule, set: s, of: s.cleared, nth: s.report.add(Injection{Rule: r.ID, Kind: r.Kind, Message: m, Did: r.did(m.Via)})}
	}
	return nil
}

// Say replaces what the report says of this injection.
func (h *Hit) Say(did string) {
	h.set.mu.Lock()
	defer h.set.mu.Unlock()
	if h.of == h.set.cleared {
		h.set.report.say(h.nth, did)
	}
}

func (r *state) over() bool { return r.Count > 0 && r.injected >= r.Count }

func (r *state) status() Status {
	return Status{Rule: r.Rule, Seen: r.seen, Injected: r.injected, Done: r.over()}
}

// takes says whether the rule disturbs m, and counts. The chance is drawn for
// every message that matches, so that the trace depends on those alone.
func (r *state) takes(m Message) bool {
	if r.over() || !r.matches(m) {
		return false
	}
	r.seen++
	comes := r.chance.Float64() < r.Probability
	if r.seen <= r.Skip || !comes || r.PerSecond > 0 && r.withinRate(m.At) {
		return false
	}
	r.injected++
	return true
}

// withinRate takes a token if there is one: a second's worth at most is saved.
func (r *state) withinRate(now time.Time) bool {
	most := math.Max(1, r.PerSecond)
	if r.filled.IsZero() {
		r.tokens = most
	} else if since := now.Sub(r.filled); since > 0 {
		r.tokens = math.Min(most, r.tokens+since.Seconds()*r.PerSecond)
	}
	r.filled = now
	if r.tokens < 1 {
		return false
	}
	r.tokens--
	return true
}

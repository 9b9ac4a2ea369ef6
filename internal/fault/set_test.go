package fault

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
)

var start = time.Unix(1_760_000_000, 0).UTC()

func add(t *testing.T, s *Set, r Rule) string {
	t.Helper()
	if r.Thing == "" {
		r.Thing = "*"
	}
	if r.Probability == 0 {
		r.Probability = 1
	}
	st, err := s.Add(r)
	if err != nil {
		t.Fatal(err)
	}
	return st.ID
}

func TestWhatARuleMatches(t *testing.T) {
	update := Message{Thing: "pump-7", Operation: Update, Direction: Request, Via: MQTT}
	with := func(m Message, change func(*Message)) Message { change(&m); return m }
	answer := with(update, func(m *Message) { m.Direction = Response })
	notify := with(update, func(m *Message) { m.Operation, m.Direction = Notify, Notification })
	connect := with(update, func(m *Message) { m.Operation = Connect })
	https := with(update, func(m *Message) { m.Via = HTTPS })
	for _, row := range []struct {
		name string
		rule Rule
		m    Message
		want bool
	}{
		{"its operation", Rule{Operation: Update, Direction: Request}, update, true},
		{"any operation", Rule{Operation: Any, Direction: Request}, update, true},
		{"another operation", Rule{Operation: Get, Direction: Request}, update, false},
		{"its thing", Rule{Thing: "pump-7", Operation: Any, Direction: Request}, update, true},
		{"things of a prefix", Rule{Thing: "pump-*", Operation: Any, Direction: Request}, update, true},
		{"another prefix", Rule{Thing: "valve-*", Operation: Any, Direction: Request}, update, false},
		{"a thing that its name begins", Rule{Thing: "pump", Operation: Any, Direction: Request}, update, false},
		{"the other direction", Rule{Operation: Any, Direction: Request}, answer, false},
		{"a notification", Rule{Operation: Any, Direction: Notification}, notify, true},
		{"any is no connect", Rule{Operation: Any, Direction: Request, Kind: Disconnect}, connect, false},
		{"a connect", Rule{Operation: Connect, Direction: Request, Kind: Disconnect}, connect, true},
		{"either protocol", Rule{Operation: Any, Direction: Request}, https, true},
		{"one protocol", Rule{Operation: Any, Direction: Request, Over: MQTT}, https, false},
		{"reordering has no meaning over HTTPS", Rule{Operation: Any, Direction: Request, Kind: Reorder}, https, false},
		{"two answers have none either", Rule{Operation: Any, Direction: Response, Kind: Duplicate}, with(https, func(m *Message) { m.Direction = Response }), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			var s Set
			if row.rule.Kind == "" {
				row.rule.Kind = Drop
			}
			add(t, &s, row.rule)
			if got := s.Decide(row.m) != nil; got != row.want {
				t.Errorf("disturbed: %v, want %v", got, row.want)
			}
		})
	}
}

// pattern draws n messages a second apart: x is one that was disturbed.
func pattern(s *Set, n int) (drawn string) {
	for i := range n {
		m := Message{At: start.Add(time.Duration(i) * time.Second), Thing: "pump-7", Operation: Update, Direction: Request, Via: MQTT}
		if s.Decide(m) != nil {
			drawn += "x"
		} else {
			drawn += "."
		}
	}
	return drawn
}

func TestSkipCountAndRate(t *testing.T) {
	drop := Rule{Operation: Update, Direction: Request, Kind: Drop}
	throttle := Rule{Operation: Update, Direction: Request, Kind: Throttle}
	for _, row := range []struct {
		name   string
		change func() Rule
		want   string
	}{
		{"all", func() Rule { return drop }, "xxxxxxxx"},
		{"the first two", func() Rule { r := drop; r.Count = 2; return r }, "xx......"},
		{"the third", func() Rule { r := drop; r.Skip, r.Count = 2, 1; return r }, "..x....."},
		{"all but two", func() Rule { r := drop; r.Skip = 2; return r }, "..xxxxxx"},
		{"above one in two seconds", func() Rule { r := throttle; r.PerSecond = 0.5; return r }, ".x.x.x.x"},
		{"above a rate that is kept", func() Rule { r := throttle; r.PerSecond = 1; return r }, "........"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var s Set
			add(t, &s, row.change())
			if got := pattern(&s, len(row.want)); got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}

func TestTheSameSeedDisturbsTheSameMessages(t *testing.T) {
	draw := func(seed uint64) string {
		var s Set
		add(t, &s, Rule{Operation: Update, Direction: Request, Kind: Drop, Probability: 0.3, Seed: seed})
		return pattern(&s, 1000)
	}
	first := draw(1)
	if again := draw(1); again != first {
		t.Error("one seed, two traces")
	}
	if draw(2) == first {
		t.Error("two seeds, one trace")
	}
	hits := 0
	for _, c := range first {
		if c == 'x' {
			hits++
		}
	}
	if hits < 200 || hits > 400 {
		t.Errorf("%d of 1000 were disturbed with a probability of 0.3", hits)
	}
}

func TestTheFirstRuleWhoseTurnItIsWins(t *testing.T) {
	var s Set
	add(t, &s, Rule{Operation: Update, Direction: Request, Kind: Drop, Count: 1})
	add(t, &s, Rule{Operation: Any, Direction: Request, Kind: Duplicate, Skip: 1, Count: 1})
	var got []Kind
	for range 4 {
		if hit := s.Decide(Message{Operation: Update, Direction: Request, Via: MQTT}); hit != nil {
			got = append(got, hit.Kind)
		} else {
			got = append(got, "")
		}
	}
	if want := []Kind{Drop, "", Duplicate, ""}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestASetIsActiveAsLongAsItMayDisturbSomething(t *testing.T) {
	var none *Set
	if none.Active() {
		t.Error("no set at all is active")
	}
	var s Set
	var removed []string
	s.Removed(func(id string) { removed = append(removed, id) })
	want := func(what string, active bool) {
		t.Helper()
		if s.Active() != active {
			t.Errorf("%s: active %v", what, !active)
		}
	}
	want("empty", false)
	once := add(t, &s, Rule{Operation: Update, Direction: Request, Kind: Reorder, Count: 1})
	want("with a rule", true)
	pattern(&s, 1)
	want("when its count is used up", false)
	s.Held(1)
	want("while a message is held", true)
	s.Held(-1)
	forever := add(t, &s, Rule{Operation: Update, Direction: Request, Kind: Drop})
	pattern(&s, 5)
	want("without a count", true)
	if !s.Remove(once) || s.Remove(once) {
		t.Error("a rule is removed once")
	}
	want("when one that is over was removed", true)
	s.Clear()
	want("when all were removed", false)
	if !slices.Equal(removed, []string{once, forever}) {
		t.Errorf("told of the removal of %q", removed)
	}
}

func TestTheNumberOfRulesIsBounded(t *testing.T) {
	var s Set
	for range MaxRules {
		add(t, &s, Rule{Operation: Update, Direction: Request, Kind: Drop})
	}
	_, err := s.Add(Rule{Thing: "*", Operation: Update, Direction: Request, Kind: Drop, Probability: 1})
	if e, ok := err.(*job.Error); !ok || e.Code != job.LimitExceeded {
		t.Errorf("got %v", err)
	}
}

func TestTheReportKeepsTheLatest(t *testing.T) {
	var s Set
	add(t, &s, Rule{Operation: Update, Direction: Request, Kind: StaleVersion})
	var first *Hit
	for i := range MaxInjections + 5 {
		hit := s.Decide(Message{Job: fmt.Sprint(i), Operation: Update, Direction: Request, Via: MQTT})
		if i == 0 {
			first = hit
		}
		hit.Say(Bumped(int64(i)))
	}
	first.Say("what is not listed any more is not changed")
	latest, total := s.Report()
	if total != MaxInjections+5 || len(latest) != MaxInjections || latest[0].Job != "5" || latest[MaxInjections-1].Did != Bumped(MaxInjections+4) {
		t.Errorf("%d of %d, from %+v to %+v", len(latest), total, latest[0], latest[len(latest)-1])
	}
	s.Clear()
	add(t, &s, Rule{Operation: Update, Direction: Request, Kind: Drop})
	pattern(&s, 1)
	first.Say("nor what was cleared")
	if latest, total = s.Report(); total != 1 || latest[0].Did != "the PUBLISH was acknowledged and forgotten" {
		t.Errorf("after the clearing: %d, %+v", total, latest)
	}
}

func TestEveryKindSaysWhatItDid(t *testing.T) {
	for way, all := range kinds {
		for _, op := range []Operation{Update, Notify, Connect} {
			for _, kind := range all {
				r := Rule{ID: "f", Thing: "*", Operation: op, Direction: way, Kind: kind, Probability: 1}
				if kind == Delay {
					r.By = time.Second
				}
				if r.Check() != nil || kind == StaleVersion { // which says it later
					continue
				}
				for _, via := range []Via{MQTT, HTTPS} {
					if r.travels(via) && r.did(via) == "" {
						t.Errorf("%s of a %s over %s says nothing", kind, way, via)
					}
				}
			}
		}
	}
}

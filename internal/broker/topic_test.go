package broker

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// naive matches level by level, from the words of the standard (4.7) and of
// device-plane.md 6.3.
func naive(filter, topic string) bool {
	f, t := strings.Split(filter, "/"), strings.Split(topic, "/")
	if strings.HasPrefix(topic, "$") && (f[0] == "+" || f[0] == "#") {
		return false
	}
	for i := range f {
		switch {
		case f[i] == "#":
			return len(t) > i // at least one level to stand for
		case i >= len(t), f[i] != "+" && f[i] != t[i]:
			return false
		}
	}
	return len(f) == len(t)
}

func FuzzMatch(f *testing.F) {
	for _, s := range [][2]string{
		{"a/#", "a"}, {"a/#", "a/"}, {"#", "$aws/x"}, {"+/+", "/"}, {"$aws/things/+/jobs/#", "$aws/things/t/jobs/get"}, {"/", "/"}, {"+", ""}, {"a/+/c", "a//c"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, filter, topic string) {
		if !validFilter(filter) || !validTopic(topic) {
			return
		}
		want := naive(filter, topic)
		if got := Match(filter, topic); got != want {
			t.Errorf("Match(%q, %q) = %t", filter, topic, got)
		}
		x, s := newIndex(), &session{}
		x.put(filter, s, 1)
		if got := len(x.match(topic, nil)) == 1; got != want {
			t.Errorf("index: %q for %q: %t", filter, topic, got)
		}
		x.remove(filter, s)
		if len(x.match(topic, nil)) != 0 || !x.wild.root.empty() {
			t.Errorf("%q is left behind", filter)
		}
	})
}

func TestTheIndexAgreesWithTheNaiveReferenceThroughChanges(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	level := func(words ...string) string { return words[rng.IntN(len(words))] }
	name := func(filter bool) string {
		var out []string
		for i := range 1 + rng.IntN(4) {
			words := []string{"a", "b", "c", "", "$aws"}
			if filter {
				words = append(words, "+", "+")
				if i > 0 && rng.IntN(4) == 0 {
					return strings.Join(append(out, "#"), "/")
				}
			}
			out = append(out, level(words...))
		}
		if s := strings.Join(out, "/"); s != "" {
			return s
		}
		return "a"
	}
	type key struct {
		s      *session
		filter string
	}
	x, live := newIndex(), map[key]Options{}
	var sessions []*session
	for i := range 40 { // more than a list holds without its positions
		sessions = append(sessions, &session{id: fmt.Sprint(i)})
	}
	for range 20_000 {
		k := key{sessions[rng.IntN(len(sessions))], name(true)}
		if rng.IntN(3) == 0 {
			x.remove(k.filter, k.s)
			delete(live, k)
		} else {
			o := Options(rng.IntN(2))
			x.put(k.filter, k.s, o)
			live[k] = o
		}
		if rng.IntN(20) > 0 {
			continue
		}
		topic := name(false)
		want := map[string]int{}
		for k, o := range live {
			if naive(k.filter, topic) {
				want[fmt.Sprint(k.s.id, o)]++
			}
		}
		got := map[string]int{}
		for _, m := range x.match(topic, nil) {
			got[fmt.Sprint(m.s.id, m.opts)]++
		}
		if !maps.Equal(want, got) {
			t.Fatalf("topic %q: got %v, want %v", topic, got, want)
		}
		if x.any(topic, func(target) bool { return true }) != (len(want) > 0) {
			t.Fatalf("any(%q) disagrees", topic)
		}
	}
	for k := range live {
		x.remove(k.filter, k.s)
	}
	if !x.wild.root.empty() || x.wild.n != 0 {
		t.Errorf("the emptied trie still has %d subscriptions", x.wild.n)
	}
	for i := range x.exact {
		if len(x.exact[i].m) > 0 {
			t.Error("the emptied map still has filters")
		}
	}
}

func TestNamesWithinTheLimitsOnly(t *testing.T) {
	for _, row := range []struct {
		name          string
		topic, filter bool
	}{
		{"a", true, true},
		{"", false, false},
		{"/", true, true},
		{strings.Repeat("x", 256), true, true},
		{strings.Repeat("x", 257), false, false},
		{"1/2/3/4/5/6/7/8", true, true},
		{"1/2/3/4/5/6/7/8/9", false, false},
		{"$aws/2/3/4/5/6/7/8/9", true, true},
		{"$aws/" + strings.Repeat("x", 252), false, false},
		{"a/+", false, true},
		{"a/#", false, true},
		{"#", false, true},
		{"+", false, true},
		{"a+", false, false},
		{"a#", false, false},
		{"a/#/b", false, false},
		{"#/a", false, false},
		{"a/b+/c", false, false},
		{"+/+/#", false, true},
		{"$share/g/t", true, false},
	} {
		if got := validTopic(row.name); got != row.topic {
			t.Errorf("topic %q: %t", row.name, got)
		}
		if got := validFilter(row.name); got != row.filter {
			t.Errorf("filter %q: %t", row.name, got)
		}
	}
}

func TestUniqueLeavesOneTargetForEachSessionWithItsHighestQoS(t *testing.T) {
	for _, n := range []int{1, 3, 8, 40} {
		var ts []target
		sessions := make([]*session, n)
		for i := range sessions {
			sessions[i] = &session{}
			ts = append(ts, target{sessions[i], 0})
		}
		for i := range sessions {
			ts = append(ts, target{sessions[i], Options(i % 2)})
		}
		got := unique(ts)
		if len(got) != n {
			t.Fatalf("%d sessions: %d targets", n, len(got))
		}
		for i, g := range got {
			if g.s != sessions[i] || g.opts.QoS() != byte(i%2) {
				t.Errorf("target %d: QoS %d", i, g.opts.QoS())
			}
		}
	}
}

func TestPacketIdsSkipThoseInFlightAfterAWholeRound(t *testing.T) {
	var f flights
	f.push(f.nextID(), entry{seq: 1}) // id 1 stays
	f.push(f.nextID(), entry{seq: 2}) // id 2 stays
	for range 65_533 {
		id := f.nextID()
		f.push(id, entry{})
		if _, ok := f.ack(id); !ok {
			t.Fatalf("id %d is not in flight", id)
		}
	}
	if len(f.list) > 8 {
		t.Errorf("2 messages in flight hold %d places", len(f.list))
	}
	for _, want := range []uint16{3, 4} {
		id := f.nextID()
		if f.push(id, entry{}); id != want {
			t.Errorf("id %d, want %d", id, want)
		}
	}
	for id, seq := range map[uint16]int64{1: 1, 2: 2} {
		if e, ok := f.ack(id); !ok || e.seq != seq {
			t.Errorf("id %d: %v %t", id, e, ok)
		}
	}
	if _, ok := f.ack(1); ok {
		t.Error("acknowledged twice")
	}
	if _, ok := f.ack(0); ok {
		t.Error("id 0 was in flight")
	}
}

func TestADequeKeepsOrderAndHoldsNothingWhenEmpty(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var d deque[int]
	var want []int
	for i := range 10_000 {
		if rng.IntN(3) > 0 || len(want) == 0 {
			d.push(i)
			want = append(want, i)
		} else if got := d.pop(); got != want[0] {
			t.Fatalf("popped %d, want %d", got, want[0])
		} else {
			want = want[1:]
		}
		if d.len() != len(want) || !slices.Equal(d.all(), want) {
			t.Fatalf("after %d: %v, want %v", i, d.all(), want)
		}
	}
	for d.len() > 0 {
		d.pop()
	}
	if d.items != nil {
		t.Error("memory is held")
	}
}

func BenchmarkMatch(b *testing.B) {
	x := newIndex()
	const things = 100_000
	for i := range things {
		s := &session{}
		x.put(fmt.Sprintf("$aws/things/thing-%d/jobs/notify-next", i), s, 1)
		x.put(fmt.Sprintf("$aws/things/thing-%d/jobs/+/get/accepted", i), s, 1)
	}
	for _, row := range []struct{ name, topic string }{
		{"exact", "$aws/things/thing-777/jobs/notify-next"},
		{"wildcard", "$aws/things/thing-777/jobs/fw-42/get/accepted"},
		{"none", "$aws/things/thing-777/jobs/notify"},
	} {
		b.Run(row.name, func(b *testing.B) {
			var dst []target
			b.ReportAllocs()
			for b.Loop() {
				dst = x.match(row.topic, dst[:0])
			}
			if len(dst) > 1 {
				b.Fatal(len(dst))
			}
		})
	}
}

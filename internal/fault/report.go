package fault

// MaxInjections is how many injections a report lists: the latest.
const MaxInjections = 1000

// Injection is one message that was disturbed.
type Injection struct {
	Rule string // its id
	Kind Kind
	Message
	Did string // in words
}

// report is a ring of the latest injections.
type report struct {
	total int
	ring  []Injection
}

// add notes an injection and gives its number.
func (r *report) add(i Injection) int {
	if len(r.ring) < MaxInjections {
		r.ring = append(r.ring, i)
	} else {
		r.ring[r.total%MaxInjections] = i
	}
	r.total++
	return r.total - 1
}

func (r *report) say(nth int, did string) {
	if nth < r.total && nth >= r.total-len(r.ring) {
		r.ring[nth%MaxInjections].Did = did
	}
}

// Report lists the latest injections, oldest first, and counts all since the
// last Clear.
func (s *Set) Report() (latest []Injection, total int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.report
	latest = make([]Injection, 0, len(r.ring))
	for nth := r.total - len(r.ring); nth < r.total; nth++ {
		latest = append(latest, r.ring[nth%MaxInjections])
	}
	return latest, r.total
}

package sim

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Stats is what a fleet has done so far.
type Stats struct {
	Connected int // devices on line now
	Connects  int
	Lost      int // connections that ended by themselves, and attempts that failed
	Started   int // executions
	Reports   int // accepted reports, the last ones included
	Succeeded int
	Failed    int
	Rejected  int
	Abandoned int
	Refused   int // requests
	// From a request to its answer.
	Requests int64
	P50, P99 time.Duration
}

// Done is the number of executions that devices brought to an end.
func (s Stats) Done() int { return s.Succeeded + s.Failed + s.Rejected }

type stats struct {
	mu      sync.Mutex
	now     Stats
	latency *hdrhistogram.Histogram // microseconds
}

const slowest = time.Minute // above it an answer counts as this slow

func newStats() stats {
	return stats{latency: hdrhistogram.New(1, slowest.Microseconds(), 2)}
}

func (s *stats) count(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e.Kind {
	case Connected:
		s.now.Connected++
		s.now.Connects++
	case Lost:
		s.now.Lost++
	case Started:
		s.now.Started++
	case Progress:
		s.now.Reports++
	case Abandoned:
		s.now.Abandoned++
	case Refused:
		s.now.Refused++
	case Ended:
		s.now.Reports++
		switch e.Status {
		case Succeeded:
			s.now.Succeeded++
		case Failed:
			s.now.Failed++
		case Rejected:
			s.now.Rejected++
		}
	}
}

func (s *stats) offline() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.Connected--
}

func (s *stats) answered(after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.Requests++
	// A value within the histogram's bounds is always recorded.
	_ = s.latency.RecordValue(min(max(after, time.Microsecond), slowest).Microseconds())
}

// Stats is a snapshot; it may be asked for while the fleet runs.
func (f *Fleet) Stats() Stats {
	s := &f.stats
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now
	now.P50 = time.Duration(s.latency.ValueAtPercentile(50)) * time.Microsecond
	now.P99 = time.Duration(s.latency.ValueAtPercentile(99)) * time.Microsecond
	return now
}

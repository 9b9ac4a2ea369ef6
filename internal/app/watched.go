package app

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/drover-iot/drover/internal/sim"
)

// deviceState is what a device is seen doing.
type deviceState byte

const (
	waiting deviceState = iota
	working             // nothing reported yet
	quarter
	half
	most
	succeeded
	failed
	rejected
)

// newsLength is how many events of devices are kept to be shown.
const newsLength = 6

// watched is a fleet that is looked at: the state of each device, the last things
// that happened.
type watched struct {
	*sim.Fleet
	mu     sync.Mutex
	change sync.Cond // on mu: something happened
	index  map[string]int
	states []deviceState
	news   []string
}

func newWatched(cfg sim.Config) *watched {
	w := &watched{index: make(map[string]int, len(cfg.Things)), states: make([]deviceState, len(cfg.Things))}
	w.change.L = &w.mu
	for i, thing := range cfg.Things {
		w.index[thing] = i
	}
	cfg.Events = w.hear
	w.Fleet = sim.NewFleet(cfg)
	return w
}

// start lets the fleet work until the returned function is called; that one waits
// until every device has left, and may be called twice.
func (w *watched) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = w.Run(ctx) // the one error is a configuration that newWatched does not make
	}()
	return func() {
		cancel()
		<-ended
	}
}

// online waits until n devices are connected.
func (w *watched) online(ctx context.Context, n int) error {
	stop := context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.change.Broadcast()
	})
	defer stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.Stats().Connected < n {
		if ctx.Err() != nil {
			return fmt.Errorf("%d of %d devices connected: %w", w.Stats().Connected, n, context.Cause(ctx))
		}
		w.change.Wait()
	}
	return nil
}

// hear is called by the devices.
func (w *watched) hear(e sim.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.change.Broadcast()
	state := &w.states[w.index[e.Thing]]
	switch e.Kind {
	case sim.Started:
		*state = working
		w.tell(e.Thing, "IN_PROGRESS", "starts "+e.JobID)
	case sim.Progress:
		*state = min(quarter+deviceState(e.Percent/34), most)
		w.tell(e.Thing, "IN_PROGRESS", fmt.Sprintf("%-9s %3d %%", e.Step, e.Percent))
	case sim.Ended:
		switch e.Status {
		case sim.Succeeded:
			*state = succeeded
		case sim.Failed:
			*state = failed
		case sim.Rejected:
			*state = rejected
		}
		w.tell(e.Thing, string(e.Status), e.Reason)
	case sim.Refused, sim.Lost, sim.Abandoned:
		w.tell(e.Thing, strings.ToUpper(string(e.Kind)), fmt.Sprint(e.Err))
	}
}

func (w *watched) tell(thing, status, what string) {
	w.news = append(w.news, fmt.Sprintf("%-12s %-12s %s", thing, status, what))
	if extra := len(w.news) - newsLength; extra > 0 {
		w.news = append(w.news[:0], w.news[extra:]...)
	}
}

// picture is a copy of what is seen now.
func (w *watched) picture() (states []deviceState, news []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]deviceState(nil), w.states...), append([]string(nil), w.news...)
}

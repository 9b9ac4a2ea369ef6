package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// plan is when and how a round ends its server.
type plan struct {
	how ending
	// kind is what must have been acknowledged, facts times, before the server
	// is ended; empty: anything.
	kind  string
	facts int
	// delay passes after the last of these facts, between is for the ending.
	delay, between time.Duration
	// again are starts that are killed, each after so long, before the one that
	// is let live.
	again []time.Duration
}

func (p plan) String() string {
	kind := p.kind
	if kind == "" {
		kind = "facts"
	}
	return fmt.Sprintf("%s, %v after %d %s", p.how, p.delay, p.facts, kind)
}

// round is one life of a server: work until it is ended, then what is left.
type round struct {
	*world
	ctx   context.Context
	n     int
	phase *phase
	plan  plan
	rnd   *rand.Rand

	armed  atomic.Bool   // the setup is over
	facts  atomic.Int64  // that count for the plan, since then
	trip   chan struct{} // closed when the server is to be ended
	once   sync.Once
	ending atomic.Bool   // from before the first signal
	down   chan struct{} // closed when the server is gone
	clean  bool          // it ended by itself; valid once down is closed

	actors    sync.WaitGroup
	listeners sync.WaitGroup // who only hear, as long as the server lives
	subject   *jobFact       // of the phase
}

// ack notes an acknowledged fact.
func (r *round) ack(kind string) {
	r.report.note(func() { r.report.Acknowledged[kind]++ })
	if !r.armed.Load() || r.plan.kind != "" && r.plan.kind != kind {
		return
	}
	if r.facts.Add(1) >= int64(r.plan.facts) {
		r.tripNow()
	}
}

// tripNow says that the moment has come. A kill that waits for nothing is sent
// here and now: a commit that is late by a part of a millisecond must show.
func (r *round) tripNow() {
	r.once.Do(func() {
		if r.plan.how == killed && r.plan.delay == 0 {
			r.ending.Store(true)
			r.Signal(syscall.SIGKILL)
		}
		close(r.trip)
	})
}

// open notes a request that was not answered: that needs a server that is ending.
func (r *round) unanswered(kind string, err error) {
	r.report.note(func() { r.report.Unanswered[kind]++ })
	if !r.ending.Load() {
		r.find(wrong, "%s failed while the server lived: %v", kind, err)
	}
}

func (r *round) applied(n int) { r.report.note(func() { r.report.Applied += n }) }

func (r *round) checked() { r.report.note(func() { r.report.Checks++ }) }

func (r *round) find(v verdict, format string, args ...any) {
	r.report.find(finding{Round: r.n, Phase: r.phase.name, Ending: r.plan.how, Verdict: v, What: fmt.Sprintf(format, args...)})
}

// request makes a request and notes how it ended.
func (r *round) request(kind string, do func(context.Context) error) (outcome, error) {
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	err := do(ctx)
	o := outcomeOf(err)
	switch o {
	case accepted:
		r.ack(kind)
	case unanswered:
		r.unanswered(kind, err)
	}
	return o, err
}

// set changes a register. A refusal is a finding: the actors of registers ask
// for nothing that the ledger does not allow.
func (r *round) set(g *register, to value, kind string, do func(context.Context) error) outcome {
	r.mu.Lock()
	g.open = append(g.open, to)
	r.dirty[g.key] = true
	r.mu.Unlock()
	o, err := r.request(kind, do)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch o {
	case accepted:
		g.is, g.open = to, nil
	case refused:
		g.open = g.open[:len(g.open)-1]
		r.find(lost, "%s of %s, which is %v, was refused: %v", kind, g.key, g.is, err)
	}
	return o
}

// rest pauses at times after a change that the next one would take back: while
// the next is open, a lost change looks as if the next had been made.
func (r *round) rest(rnd *rand.Rand) {
	if rnd.IntN(2) == 0 {
		return
	}
	select {
	case <-time.After(upTo(rnd, 4*time.Millisecond)):
	case <-r.down:
	}
}

// actor runs one of a round's clients.
func (r *round) actor(f func(rnd *rand.Rand)) {
	rnd := rand.New(rand.NewPCG(r.rnd.Uint64(), r.rnd.Uint64()))
	r.actors.Go(func() { f(rnd) })
}

// play runs the round to the end of its server and back.
func (r *round) play() error {
	if r.phase.setup != nil {
		if err := r.phase.setup(r); err != nil {
			return fmt.Errorf("setting up: %w", err)
		}
	}
	r.armed.Store(true)
	r.listen()
	r.phase.run(r)
	idle := make(chan struct{})
	go func() { r.actors.Wait(); close(idle) }()
	select {
	case <-r.trip:
	case <-idle:
	case <-time.After(patience):
		return fmt.Errorf("%s: not reached within %s", r.plan, patience)
	}
	time.Sleep(r.plan.delay) // the moment is drawn, it is not a wait for anything
	r.ending.Store(true)
	err := r.server.end(r.plan.how, r.plan.between)
	r.report.killed(r.phase.name, r.plan.how)
	r.clean = r.plan.how == stopped && err == nil
	close(r.down)
	<-idle
	r.listeners.Wait()
	if err != nil {
		r.find(wrong, "%s: %v", r.plan.how, err)
	}
	if err := r.examine(); err != nil {
		return fmt.Errorf("looking at what %s has left: %w", r.plan.how, err)
	}
	return r.back()
}

// back starts the server again, and again if the plan says so.
func (r *round) back() error {
	for _, after := range r.plan.again {
		if err := r.stillborn(r.ctx, after); err != nil {
			return fmt.Errorf("start after %s: %w", r.plan.how, err)
		}
		r.report.killed(r.phase.name, born)
	}
	if r.phase.hold != nil {
		r.phase.hold(r)
	}
	if err := r.start(r.ctx); err != nil {
		return fmt.Errorf("start after %s: %w", r.plan.how, err)
	}
	r.started = time.Now()
	return nil
}

// until asks again and again until the answer is yes; what names it for the
// error of never.
func until(ctx context.Context, what string, ask func() (bool, error)) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for {
		if yes, err := ask(); yes || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-limit:
			return fmt.Errorf("%s: not within %s", what, patience)
		}
	}
}

// each does it for all, some at a time, and gives the first error.
func each[T any](all []T, do func(T) error) error {
	errs := make(chan error, len(all))
	next := make(chan T)
	var crew sync.WaitGroup
	for range min(8, len(all)) {
		crew.Go(func() {
			for one := range next {
				errs <- do(one)
			}
		})
	}
	for _, one := range all {
		next <- one
	}
	close(next)
	crew.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

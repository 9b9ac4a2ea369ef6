package storetest

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/store"
)

var durable = []check{
	{"what was acknowledged is there after Close and Open", survivesClose},
	{"Close finishes what was submitted before it", closeFinishes},
	{"the engine says how durable it is", saysDurability},
}

func survivesClose(t *testing.T, w *world) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 5 {
		for range 60 {
			w.step(rng.IntN)
		}
		before := w.dump()
		w.reopen()
		if after := w.dump(); after != before {
			t.Fatalf("a restart changed\n%s\nto\n%s", before, after)
		}
		w.consistent()
	}
}

func closeFinishes(t *testing.T, w *world) {
	const n = 200
	names := w.things(n)
	w.enqueue(w.job("fw", 0), names...)
	answers := make(chan error, n)
	for _, name := range names {
		keys, decide := w.ask(name, job.Ref{Job: "fw"}, job.Change{Kind: job.Report, Status: job.InProgress})
		w.Submit(keys, decide, func(_ store.Commit, err error) { answers <- err })
	}
	w.reopen()
	if len(answers) != n {
		t.Fatalf("%d of %d were answered before Close returned", len(answers), n)
	}
	for range n {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	for _, name := range names {
		if v := w.execution(name, "fw").Version; v != 2 {
			t.Errorf("%s is at version %d, want 2", name, v)
		}
	}
}

func saysDurability(t *testing.T, w *world) {
	if w.Durability() == "" {
		t.Error("it says nothing")
	}
}

// A Workload makes random changes to a store, one acknowledged after the other.
type Workload struct {
	w   *world
	rng *rand.Rand
}

// NewWorkload opens a store at a place and changes it; equal seeds make equal
// changes to an equal store.
func NewWorkload(t testing.TB, open Open, place string, seed uint64) *Workload {
	w := &world{TB: t, open: open, place: place, at: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), told: new(recorder)}
	w.cfg = store.Config{Visible: 10, Now: w.now, Observer: w.told}
	w.Store = open(t, place, w.cfg)
	return &Workload{w, rand.New(rand.NewPCG(seed, seed))}
}

// Step makes a change, one commit at most; when it returns the change has been
// acknowledged.
func (l *Workload) Step() { l.w.Helper(); l.w.change(l.rng.IntN) }

// Dump is all that the store holds.
func (l *Workload) Dump() string { l.w.Helper(); return l.w.dump() }

// Store is the store that is changed.
func (l *Workload) Store() store.Store { return l.w.Store }

// Now is the workload's time.
func (l *Workload) Now() time.Time { return l.w.now() }

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

// order is what a worker process is told, as JSON in its argument.
type order struct {
	DSN, Name, Log string
	Slot           int
	Seed           uint64
	Seconds        float64
	InFlight       int
	Limit          int
	Hot            float64 // the share of requests for the one thing
	Crowd          int     // what the others pick from
	Progress       bool    // progress reports only
	Unlocked       bool    // control run: no FOR UPDATE
	Shuffled       bool    // control run: things and counters are locked in random order
}

// ack is a line of a worker's log, written before the requester is answered.
type ack struct {
	Op       string
	Thing    int64
	Job      int64
	Number   int64
	Version  int64
	Expected int64 // -1: none
}

// tale is what a worker says at its end.
type tale struct {
	Name                                                        string
	Acked, Refused, Failed                                      int64
	Batches, Turns, Retries, Deadlocks, Resolved, Extra, Broken int64
	PerSecond, PerBatch, TurnsPerBatch                          float64
}

// work submits requests of a closed loop until its time is over.
func work(o order) (tale, error) {
	log, err := os.OpenFile(o.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return tale{}, err
	}
	defer log.Close()
	p := open(o.DSN, o.Slot, o.Limit)
	p.shuffle = o.Shuffled
	if o.Shuffled {
		p.lock = "SELECT key, name FROM thing WHERE name = ANY($1::text[]) AND deleted = 0 ORDER BY md5(key::text || pg_backend_pid()) FOR UPDATE"
	}
	if o.Unlocked {
		p.lock = "SELECT key, name FROM thing WHERE name = ANY($1::text[]) AND deleted = 0 ORDER BY key"
	}
	p.start()
	w := &worker{o: o, p: p, random: rand.New(rand.NewPCG(o.Seed, 1)), seen: map[registry.Name]int64{}}
	t := tale{Name: o.Name}
	slots := make(chan struct{}, o.InFlight)
	var mu sync.Mutex
	begin := time.Now()
	for time.Since(begin).Seconds() < o.Seconds {
		slots <- struct{}{}
		r := w.next()
		p.Submit(r.keys, r.decide, func(_ store.Commit, err error) {
			mu.Lock()
			switch {
			case err != nil:
				if _, refusal := err.(*job.Error); refusal {
					t.Refused++
				} else {
					t.Failed++
					fmt.Fprintln(os.Stderr, o.Name, "failed:", err)
				}
			case r.refused != nil:
				t.Refused++
			case r.acked.Version > 0:
				t.Acked++
				line, _ := json.Marshal(r.acked)
				if _, err := log.Write(append(line, '\n')); err != nil {
					t.Failed++
				}
			}
			mu.Unlock()
			w.learn(r)
			<-slots
		})
	}
	for range o.InFlight {
		slots <- struct{}{}
	}
	took := time.Since(begin).Seconds()
	p.close()
	t.Batches, t.Turns, t.Retries, t.Deadlocks, t.Resolved, t.Extra, t.Broken = p.batches, p.turns.n.Load(), p.retries, p.deadlocks, p.resolved, p.extra, p.broken
	t.PerSecond = float64(t.Acked) / took
	t.PerBatch = float64(t.Acked+t.Refused) / float64(max(1, t.Batches))
	t.TurnsPerBatch = float64(t.Turns) / float64(max(1, t.Batches))
	return t, nil
}

type worker struct {
	o      order
	p      *pg
	random *rand.Rand
	n      int64

	mu   sync.Mutex
	seen map[registry.Name]int64 // version of job-1 last heard of
}

type request struct {
	thing   registry.Name
	keys    store.Keys
	decide  store.Decide
	acked   ack
	refused error
}

// next makes a request: on the one thing progress reports, half of them with the
// version last heard of; on the crowd progress, start-next and endings too.
func (w *worker) next() *request {
	w.n++
	op := fmt.Sprintf("%s-%d", w.o.Name, w.n)
	d := job.Details{"op": op}
	r := &request{}
	if w.random.Float64() < w.o.Hot {
		r.thing = hot
		c := job.Change{Kind: job.Report, Status: job.InProgress, Details: d, Actor: w.o.Name}
		if w.random.IntN(2) == 0 {
			w.mu.Lock()
			if v := w.seen[hot]; v > 0 {
				c.ExpectedVersion = &v
			}
			w.mu.Unlock()
		}
		r.report(op, jobID(1), c)
		return r
	}
	r.thing = thingName(1 + w.random.IntN(w.o.Crowd))
	if r.thing == hot {
		r.thing = thingName(1)
	}
	id := jobID(1 + w.random.IntN(jobs))
	switch x := w.random.Float64(); {
	case w.o.Progress:
		r.report(op, id, job.Change{Kind: job.Report, Status: job.InProgress, Details: d, Actor: w.o.Name})
	case x < 0.1:
		r.startNext(op, d, w.o.Name)
	case x < 0.13:
		r.report(op, id, job.Change{Kind: job.Report, Status: job.Succeeded, Details: d, Actor: w.o.Name})
	default:
		r.report(op, id, job.Change{Kind: job.Report, Status: job.InProgress, Details: d, Actor: w.o.Name})
	}
	return r
}

func (r *request) report(op string, id job.ID, c job.Change) {
	need := store.WholeQueue
	if c.Status == job.InProgress {
		need = store.QueueUnlessStarted
	}
	r.keys = store.Keys{Thing: r.thing, Job: id, Queue: need}
	r.decide = func(snap store.Snapshot) (store.Changes, error) {
		at := now()
		var out job.Outcome
		out, r.refused = snap.Queue.Apply(job.Ref{Job: id}, c, at)
		return r.outcome(op, out, c.ExpectedVersion, at)
	}
}

func (r *request) startNext(op string, d job.Details, actor string) {
	r.keys = store.Keys{Thing: r.thing, Queue: store.WholeQueue}
	r.decide = func(snap store.Snapshot) (store.Changes, error) {
		at := now()
		var out job.Outcome
		out, _, _, r.refused = snap.Queue.StartNext(job.Change{Kind: job.Start, Details: d, Actor: actor}, at)
		return r.outcome(op, out, nil, at)
	}
}

// outcome keeps what the requester will be told; it runs again when the batch does.
func (r *request) outcome(op string, out job.Outcome, expected *int64, at time.Time) (store.Changes, error) {
	r.acked = ack{}
	if len(out.Moves) == 0 {
		return store.Changes{}, r.refused
	}
	e := out.Moves[len(out.Moves)-1].After
	r.acked = ack{Op: op, Thing: e.ThingKey, Job: e.JobKey, Number: e.Number, Version: e.Version, Expected: -1}
	if expected != nil {
		r.acked.Expected = *expected
	}
	return store.Changes{Moves: out.Moves, Effects: out.Effects, At: at}, nil
}

func (w *worker) learn(r *request) {
	if r.thing != hot || r.acked.Version == 0 {
		return
	}
	w.mu.Lock()
	w.seen[hot] = r.acked.Version
	w.mu.Unlock()
}

package sqlite

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

// benchThings is how many things the benchmarks' fleet has.
const benchThings = 20_000

// fleet opens a durable store in which every thing has a started execution.
func fleet(tb testing.TB, things int) (*Store, []registry.Name) {
	tb.Helper()
	s, err := Open(tb.TempDir(), store.Config{Visible: 10, Now: time.Now}, Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	names := make([]registry.Name, things)
	now := time.Now()
	err = s.Update(context.Background(), func(tx store.Tx) error {
		j := job.Job{State: job.State{ID: "fw", Status: job.JobInProgress}, Selection: job.Snapshot, CreatedAt: now, LastUpdatedAt: now}
		if err := tx.PutJob(&j, []byte(`{"op":"flash"}`)); err != nil {
			return err
		}
		for i := range names {
			names[i] = registry.Name(fmt.Sprintf("thing-%06d", i))
			thing := registry.NewThing(fmt.Sprint(i), names[i], nil, now)
			if err := tx.PutThing(&thing); err != nil {
				return err
			}
			var q job.Queue
			out := q.Enqueue(job.Entry{Execution: job.New(thing.Key, j.Key, j.ID, 1, now), Job: j.State}, now)
			if err := tx.Write(store.Changes{Moves: out.Moves, At: now}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return s, names
}

// BenchmarkUpdate is a progress report with its history, durable, from 500
// devices that each wait for their answer.
func BenchmarkUpdate(b *testing.B) {
	s, names := fleet(b, benchThings)
	details := job.Details{"step": "download", "progress": "40", "message": "fetched 4 of 10 parts of the image"}
	b.ReportAllocs()
	inFlight(b, 500, func(i int, done func(error)) {
		name := names[(i*7919)%len(names)]
		s.Submit(store.Keys{Thing: name, Job: "fw", Queue: store.QueueUnlessStarted}, func(snap store.Snapshot) (store.Changes, error) {
			now := time.Now()
			out, err := snap.Queue.Apply(job.Ref{Job: "fw"}, job.Change{Kind: job.Report, Status: job.InProgress, Details: details, Actor: "d"}, now)
			return store.Changes{Moves: out.Moves, At: now}, err
		}, func(_ store.Commit, err error) { done(err) })
	})
}

// BenchmarkNext reads the head of the queue, as `$next` does.
func BenchmarkNext(b *testing.B) {
	s, names := fleet(b, benchThings)
	b.ReportAllocs()
	inFlight(b, 500, func(i int, done func(error)) {
		s.Submit(store.Keys{Thing: names[(i*7919)%len(names)], Queue: store.WholeQueue}, func(snap store.Snapshot) (store.Changes, error) {
			if _, ok := job.Head(snap.Queue, time.Now()); !ok {
				return store.Changes{}, store.ErrNotFound
			}
			return store.Changes{}, nil
		}, func(_ store.Commit, err error) { done(err) })
	})
}

// inFlight runs b.N operations with so many waiting at a time.
func inFlight(b *testing.B, width int, start func(i int, done func(error))) {
	var all sync.WaitGroup
	slots := make(chan struct{}, width)
	b.ResetTimer()
	for i := range b.N {
		slots <- struct{}{}
		all.Add(1)
		start(i, func(err error) {
			if err != nil {
				b.Error(err)
			}
			<-slots
			all.Done()
		})
	}
	all.Wait()
}

// BenchmarkCreateThing is an ordinary update of the control plane, from many
// callers at a time.
func BenchmarkCreateThing(b *testing.B) {
	s, _ := fleet(b, 1)
	b.ReportAllocs()
	b.SetParallelism(32)
	var n atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			err := s.Update(context.Background(), func(tx store.Tx) error {
				thing := registry.NewThing(fmt.Sprint(i), registry.Name(fmt.Sprintf("new-%d", i)), nil, time.Now())
				return tx.PutThing(&thing)
			})
			if err != nil {
				b.Error(err)
			}
		}
	})
}

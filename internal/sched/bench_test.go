package sched

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/store/sqlite"
)

// BenchmarkARollout queues a job on a group of things, durably, and cancels it
// again: things per second of both, and how much the heap grew at its highest.
func BenchmarkARollout(b *testing.B) {
	for _, things := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(things), func(b *testing.B) {
			s, err := sqlite.Open(b.TempDir(), store.Config{Visible: 10, Now: time.Now}, sqlite.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close() //nolint:errcheck // the benchmark is over
			group := benchGroup(b, s, things)
			sched := New(Config{Store: s, Clock: &dial{}, Log: slog.New(slog.DiscardHandler)})
			var peak uint64
			drain := func() {
				for {
					now := time.Now()
					next, err := sched.runOnce(context.Background(), now)
					if err != nil {
						b.Fatal(err)
					}
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					peak = max(peak, m.HeapAlloc)
					if next.IsZero() {
						return
					}
				}
			}
			var queued, swept time.Duration
			for i := 0; b.Loop(); i++ {
				j := job.NewJob(job.ID(fmt.Sprint("fw", i)), nil, []job.Target{{Group: true, Key: group}}, 1<<40, time.Now())
				update(b, s, func(tx store.Tx) error {
					if err := tx.PutJob(&j, []byte("{}")); err != nil {
						return err
					}
					return tx.SetDue(j.Key, time.Now())
				})
				start := time.Now()
				drain()
				queued += time.Since(start)
				update(b, s, func(tx store.Tx) error {
					j, _, err := tx.JobByKey(j.Key)
					if err != nil {
						return err
					}
					j, _, err = j.Cancel(false, "", "", time.Now())
					if err != nil {
						return err
					}
					if err := tx.PutJob(&j, nil); err != nil {
						return err
					}
					return tx.SetDue(j.Key, time.Now())
				})
				start = time.Now()
				drain()
				swept += time.Since(start)
			}
			n := float64(b.N * things)
			b.ReportMetric(n/queued.Seconds(), "queued/s")
			b.ReportMetric(n/swept.Seconds(), "swept/s")
			b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
		})
	}
}

func update(b *testing.B, s store.Store, fn func(store.Tx) error) {
	b.Helper()
	if err := s.Update(context.Background(), fn); err != nil {
		b.Fatal(err)
	}
}

func benchGroup(b *testing.B, s store.Store, things int) (key int64) {
	g := registry.NewGroup("u", "line", 0, "", nil, time.Now())
	update(b, s, func(tx store.Tx) error { return tx.PutGroup(&g) })
	for from := 0; from < things; from += 2000 {
		update(b, s, func(tx store.Tx) error {
			for i := from; i < min(things, from+2000); i++ {
				t := registry.NewThing(fmt.Sprint(i), registry.Name(fmt.Sprintf("thing-%07d", i)), nil, time.Now())
				if err := tx.PutThing(&t); err != nil {
					return err
				}
				if err := tx.Join(g.Key, t.Key); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Key
}

package sqlite

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drover-iot/drover/internal/store"
)

// A device that asks while an update runs does not wait for the next one too; and
// devices that always ask do not keep updates out for ever.
func TestUpdatesLetDecisionsGoFirstForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &writer{}
		w.wake = sync.NewCond(&w.mu)
		submit := func(decisions, updates int) {
			for range decisions {
				w.submit(&task{})
			}
			for range updates {
				w.submit(&task{update: func(store.Tx) error { return nil }})
			}
		}
		take := func(decisions, updates int) {
			t.Helper()
			tasks, _, _ := w.take()
			gotD, gotU := 0, 0
			for _, task := range tasks {
				switch {
				case task.update != nil:
					gotU++
				case gotU > 0:
					t.Fatal("a decision after an update, in one commit")
				default:
					gotD++
				}
			}
			if gotD != decisions || gotU != updates {
				t.Fatalf("took %d decisions and %d updates, want %d and %d", gotD, gotU, decisions, updates)
			}
		}
		submit(0, 1)
		take(0, 1) // nobody else waits
		submit(2, 1)
		take(2, 0)
		submit(1, 1)
		take(1, 0)
		time.Sleep(updatePatience)
		submit(batchLimit+1, 0)
		take(batchLimit, 2) // its patience is over
		take(1, 0)
		submit(1, 1)
		take(1, 0) // and begins anew
		take(0, 1)
	})
}

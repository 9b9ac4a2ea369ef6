package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/store"
)

var sessions = []check{
	{"a session is kept with its subscriptions and messages, and goes with them", sessionIsKept},
	{"messages of a session are in the order of their sequence", messagesInOrder},
	{"retained messages are kept, replaced and removed", retained},
	{"durable effects are kept, oldest first, until they are dropped", durableEffects},
}

// sessionsOf is all that the messaging tables hold, as text.
func (w *world) sessionsOf() (lines []string) {
	w.Helper()
	w.view(func(tx store.Tx) error {
		var every []store.Session
		if err := tx.Sessions(func(s store.Session) error { every = append(every, s); return nil }); err != nil {
			return err
		}
		for _, s := range every {
			lines = append(lines, fmt.Sprintf("%s %s %s", s.Client, s.Expiry, s.DisconnectedAt.Format(time.TimeOnly)))
			if err := tx.Subscriptions(s.Client, func(filter string, qos byte) error {
				lines = append(lines, fmt.Sprintf(" %s %d", filter, qos))
				return nil
			}); err != nil {
				return err
			}
			if err := tx.Messages(s.Client, func(seq int64, message []byte) error {
				lines = append(lines, fmt.Sprintf(" %d %q", seq, message))
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
	return lines
}

func sessionIsKept(t *testing.T, w *world) {
	w.update(func(tx store.Tx) error {
		for _, err := range []error{
			tx.PutSession(store.Session{Client: "pump", Expiry: time.Hour}),
			tx.PutSession(store.Session{Client: "valve", Expiry: time.Minute, DisconnectedAt: w.now()}),
			tx.PutSubscription("pump", "a/+", 1),
			tx.PutSubscription("pump", "b/#", 1),
			tx.PutSubscription("pump", "b/#", 0),
			tx.PutSubscription("valve", "a/+", 1),
			tx.EnqueueMessage("pump", 7, []byte("seven")),
			tx.EnqueueMessage("valve", 1, []byte{0, 255}),
		} {
			if err != nil {
				return err
			}
		}
		return nil
	})
	want := []string{"pump 1h0m0s 00:00:00", " a/+ 1", " b/# 0", ` 7 "seven"`, "valve 1m0s 09:00:00", " a/+ 1", ` 1 "\x00\xff"`}
	same := func(when string) {
		t.Helper()
		if got := w.sessionsOf(); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", when, got, want)
		}
	}
	same("at first")
	w.reopen()
	same("after a restart")
	w.update(func(tx store.Tx) error {
		if err := tx.PutSession(store.Session{Client: "valve", Expiry: 2 * time.Minute}); err != nil {
			return err
		}
		if err := tx.DeleteSubscription("valve", "a/+"); err != nil {
			return err
		}
		return tx.DeleteSession("pump")
	})
	want = []string{"valve 2m0s 00:00:00", ` 1 "\x00\xff"`}
	same("after one went")
	w.update(func(tx store.Tx) error { return tx.PutSession(store.Session{Client: "pump"}) })
	want = append([]string{"pump 0s 00:00:00"}, want...)
	same("a new session of the same client has nothing of the old one")
}

func messagesInOrder(t *testing.T, w *world) {
	w.update(func(tx store.Tx) error {
		if err := tx.PutSession(store.Session{Client: "pump"}); err != nil {
			return err
		}
		for _, seq := range []int64{3, 1, 200, 20, 2} {
			if err := tx.EnqueueMessage("pump", seq, []byte{byte(seq)}); err != nil {
				return err
			}
		}
		return tx.EnqueueMessage("other", 5, []byte("not mine"))
	})
	seqs := func() (seqs []int64) {
		w.view(func(tx store.Tx) error {
			return tx.Messages("pump", func(seq int64, message []byte) error {
				if len(message) != 1 || message[0] != byte(seq) {
					t.Errorf("message %d is %q", seq, message)
				}
				seqs = append(seqs, seq)
				return nil
			})
		})
		return seqs
	}
	if got := seqs(); !slices.Equal(got, []int64{1, 2, 3, 20, 200}) {
		t.Errorf("messages: %v", got)
	}
	w.update(func(tx store.Tx) error { return tx.DequeueMessages("pump", []int64{2, 200, 999, 5}) })
	if got := seqs(); !slices.Equal(got, []int64{1, 3, 20}) {
		t.Errorf("messages after some were taken: %v", got)
	}
}

func retained(t *testing.T, w *world) {
	w.update(func(tx store.Tx) error {
		for topic, message := range map[string]string{"a": "1", "b/c": "2", "d": "3"} {
			if err := tx.PutRetained(topic, []byte(message)); err != nil {
				return err
			}
		}
		if err := tx.PutRetained("a", []byte("9")); err != nil {
			return err
		}
		if err := tx.PutRetained("nobody", nil); err != nil {
			return err
		}
		return tx.PutRetained("d", []byte{})
	})
	w.reopen()
	got := map[string]string{}
	w.view(func(tx store.Tx) error {
		return tx.Retained(func(topic string, message []byte) error { got[topic] = string(message); return nil })
	})
	if diff := cmp.Diff(map[string]string{"a": "9", "b/c": "2"}, got); diff != "" {
		t.Error(diff)
	}
}

func durableEffects(t *testing.T, w *world) {
	rows := func() (rows []store.EffectRow) {
		w.view(func(tx store.Tx) error {
			return tx.Effects(func(r store.EffectRow) error { rows = append(rows, r); return nil })
		})
		return rows
	}
	effects := []job.Effect{
		{Thing: "b", Notify: true, Next: true, Durable: true},
		{Thing: "live", Notify: true},
		{Thing: "a", Notify: true, Namespace: "gg", Durable: true},
	}
	w.thing("b")
	if _, err := w.Transact(ctx, store.Keys{Thing: "b"}, func(store.Snapshot) (store.Changes, error) {
		return store.Changes{Effects: slices.Clone(effects), At: w.now()}, nil
	}); err != nil {
		t.Fatal(err)
	}
	_, told, _ := w.take()
	if len(told) != 3 || told[0].Row == 0 || told[1].Row != 0 || told[2].Row <= told[0].Row {
		t.Fatalf("told %+v: a durable effect carries its row", told)
	}
	want := []store.EffectRow{
		{Row: told[0].Row, Thing: "b", Notify: true, Next: true},
		{Row: told[2].Row, Thing: "a", Notify: true, Namespace: "gg"},
	}
	if diff := cmp.Diff(want, rows()); diff != "" {
		t.Error(diff)
	}
	w.reopen()
	if diff := cmp.Diff(want, rows()); diff != "" {
		t.Errorf("after a restart: %s", diff)
	}
	w.update(func(tx store.Tx) error { return tx.DropEffect(want[0].Row) })
	if diff := cmp.Diff(want[1:], rows()); diff != "" {
		t.Errorf("after one was dropped: %s", diff)
	}
}

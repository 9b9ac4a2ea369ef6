package brokertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/broker"
	"github.com/google/go-cmp/cmp"
)

// Run holds a SessionStore to its contract. open is called once for each test
// and returns a function that opens the same data, again each time it is
// called; the store before it, if any, is not used any more.
func Run(t *testing.T, open func(t *testing.T) (reopen func() broker.SessionStore)) {
	at := time.UnixMilli(1_760_000_000_123).UTC()
	msg := func(topic, payload string) *broker.Message {
		return &broker.Message{Topic: topic, Payload: []byte(payload), QoS: 1}
	}
	full := &broker.Message{
		Topic: "a/b", Payload: []byte{0, 1, 0xFF}, QoS: 1, Retain: true, Expires: at.Add(time.Hour),
		Props: &broker.Props{
			HasFormat: true, PayloadFormat: 1, ContentType: "text/plain", ResponseTopic: "r", HasCorrelation: true, CorrelationData: "\x00\xFE",
			User: []broker.UserProperty{{Name: "k", Value: "1"}, {Name: "k", Value: "2"}},
		},
	}
	put := broker.Change{Kind: broker.SessionPut, ClientID: "c", Expiry: time.Hour}
	base := broker.StoredSession{ClientID: "c", Expiry: time.Hour}
	with := func(f func(*broker.StoredSession)) []broker.StoredSession {
		s := base
		f(&s)
		return []broker.StoredSession{s}
	}
	for _, row := range []struct {
		name     string
		groups   [][]broker.Change
		sessions []broker.StoredSession
		retained []broker.Message
	}{
		{name: "an empty store holds nothing"},
		{name: "a session that is put is there, connected", groups: [][]broker.Change{{put}}, sessions: with(func(*broker.StoredSession) {})},
		{
			name: "a session that is put again has the new expiry and time of disconnect, and keeps the rest",
			groups: [][]broker.Change{{put}, {
				{Kind: broker.SubscriptionPut, ClientID: "c", Filter: "f", Options: 1},
				{Kind: broker.QueueAppend, ClientID: "c", Seq: 1, Message: msg("t", "1")},
				{Kind: broker.SessionPut, ClientID: "c", Expiry: time.Minute, DisconnectedAt: at},
			}},
			sessions: with(func(s *broker.StoredSession) {
				s.Expiry, s.DisconnectedAt = time.Minute, at
				s.Subscriptions = []broker.Subscription{{Filter: "f", Options: 1}}
				s.Queue = []broker.QueuedMessage{{Seq: 1, Message: msg("t", "1")}}
			}),
		},
		{
			name: "a deleted session leaves nothing behind for the next one of its name",
			groups: [][]broker.Change{{
				put,
				{Kind: broker.SubscriptionPut, ClientID: "c", Filter: "f", Options: 1},
				{Kind: broker.QueueAppend, ClientID: "c", Seq: 1, Message: msg("t", "1")},
			}, {{Kind: broker.SessionDelete, ClientID: "c"}, put}},
			sessions: with(func(*broker.StoredSession) {}),
		},
		{
			name: "a subscription that is put again has the new options, all eight bits of them; a deleted one is gone",
			groups: [][]broker.Change{{
				put,
				{Kind: broker.SubscriptionPut, ClientID: "c", Filter: "f", Options: 0},
				{Kind: broker.SubscriptionPut, ClientID: "c", Filter: "g", Options: 1},
				{Kind: broker.SubscriptionPut, ClientID: "c", Filter: "f", Options: 0x2D},
				{Kind: broker.SubscriptionDelete, ClientID: "c", Filter: "g"},
				{Kind: broker.SubscriptionDelete, ClientID: "c", Filter: "never there"},
			}},
			sessions: with(func(s *broker.StoredSession) {
				s.Subscriptions = []broker.Subscription{{Filter: "f", Options: 0x2D}}
			}),
		},
		{
			name: "a queue is loaded in the order of its sequence numbers, whatever the order of appending",
			groups: [][]broker.Change{
				{put, {Kind: broker.QueueAppend, ClientID: "c", Seq: 300, Message: msg("t", "3")}},
				{{Kind: broker.QueueAppend, ClientID: "c", Seq: 20, Message: msg("t", "2")}, {Kind: broker.QueueAppend, ClientID: "c", Seq: 1, Message: full}},
			},
			sessions: with(func(s *broker.StoredSession) {
				s.Queue = []broker.QueuedMessage{{Seq: 1, Message: full}, {Seq: 20, Message: msg("t", "2")}, {Seq: 300, Message: msg("t", "3")}}
			}),
		},
		{
			name: "removing takes the named messages only, and of this session only",
			groups: [][]broker.Change{
				{
					put,
					{Kind: broker.QueueAppend, ClientID: "c", Seq: 1, Message: msg("t", "1")},
					{Kind: broker.QueueAppend, ClientID: "c", Seq: 2, Message: msg("t", "2")},
					{Kind: broker.QueueAppend, ClientID: "c", Seq: 3, Message: msg("t", "3")},
				},
				{{Kind: broker.QueueRemove, ClientID: "c", Seqs: []int64{1, 3, 99}}, {Kind: broker.QueueRemove, ClientID: "nobody", Seqs: []int64{2}}},
			},
			sessions: with(func(s *broker.StoredSession) { s.Queue = []broker.QueuedMessage{{Seq: 2, Message: msg("t", "2")}} }),
		},
		{
			name: "what belongs to a session that is not there is ignored",
			groups: [][]broker.Change{{
				{Kind: broker.SubscriptionPut, ClientID: "nobody", Filter: "f", Options: 1},
				{Kind: broker.QueueAppend, ClientID: "nobody", Seq: 1, Message: msg("t", "1")},
				{Kind: broker.SessionDelete, ClientID: "nobody"},
			}},
		},
		{
			name: "the last retained message of a topic is kept as it is, a deleted one is gone",
			groups: [][]broker.Change{{
				{Kind: broker.RetainedPut, Message: msg("a/b", "old")},
				{Kind: broker.RetainedPut, Message: msg("gone", "x")},
				{Kind: broker.RetainedPut, Message: full},
				{Kind: broker.RetainedDelete, Message: &broker.Message{Topic: "gone"}},
				{Kind: broker.RetainedDelete, Message: &broker.Message{Topic: "never there"}},
			}},
			retained: []broker.Message{*full},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			reopen := open(t)
			s := reopen()
			for _, g := range row.groups {
				s.Apply(g, nil)
			}
			settle(t, s)
			for range 2 { // what a Load reads, it leaves there
				s = reopen()
				sessions, retained := load(t, s)
				if d := cmp.Diff(row.sessions, sessions); d != "" {
					t.Fatalf("sessions (-want +got):\n%s", d)
				}
				if d := cmp.Diff(row.retained, retained); d != "" {
					t.Fatalf("retained (-want +got):\n%s", d)
				}
			}
		})
	}
	t.Run("groups are done in the order of the calls, and never before Apply returned", func(t *testing.T) {
		s := open(t)()
		const n = 200
		order := make(chan int, n)
		for i := range n {
			returned := make(chan struct{})
			s.Apply([]broker.Change{{Kind: broker.SessionPut, ClientID: fmt.Sprint("c", i), Expiry: time.Hour}}, func(err error) {
				<-returned
				if err != nil {
					t.Error(err)
				}
				order <- i
			})
			close(returned)
		}
		for i := range n {
			if got := <-order; got != i {
				t.Fatalf("group %d was done in place %d", got, i)
			}
		}
	})
	t.Run("an error of a callback ends Load and is returned", func(t *testing.T) {
		s := open(t)()
		s.Apply([]broker.Change{put, {Kind: broker.RetainedPut, Message: full}}, nil)
		settle(t, s)
		stop := fmt.Errorf("stop here")
		ok1, ok2 := func(broker.StoredSession) error { return nil }, func(broker.Message) error { return nil }
		if err := s.Load(context.Background(), func(broker.StoredSession) error { return stop }, ok2); err != stop {
			t.Errorf("error of yield: got %v", err)
		}
		if err := s.Load(context.Background(), ok1, func(broker.Message) error { return stop }); err != stop {
			t.Errorf("error of retained: got %v", err)
		}
	})
}

// settle waits until everything that was applied before is on disk.
func settle(t *testing.T, s broker.SessionStore) {
	t.Helper()
	done := make(chan error, 1)
	s.Apply(nil, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatalf("an empty group: %v", err)
	}
}

func load(t *testing.T, s broker.SessionStore) (sessions []broker.StoredSession, retained []broker.Message) {
	t.Helper()
	err := s.Load(context.Background(),
		func(x broker.StoredSession) error { sessions = append(sessions, normal(x)); return nil },
		func(m broker.Message) error { m.Expires = utc(m.Expires); retained = append(retained, m); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return sessions, retained
}

// normal makes equal what means the same.
func normal(s broker.StoredSession) broker.StoredSession {
	if len(s.Subscriptions) == 0 {
		s.Subscriptions = nil
	}
	if len(s.Queue) == 0 {
		s.Queue = nil
	}
	s.DisconnectedAt = utc(s.DisconnectedAt)
	for i, q := range s.Queue {
		m := *q.Message
		m.Expires = utc(m.Expires)
		s.Queue[i].Message = &m
	}
	return s
}

func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}

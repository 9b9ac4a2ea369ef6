package sqlite

import (
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

func (t *tx) PutSession(s store.Session) error {
	_, err := t.c.exec(`INSERT INTO session (client, expiry, disconnected) VALUES (?, ?, ?)
		ON CONFLICT (client) DO UPDATE SET expiry = excluded.expiry, disconnected = excluded.disconnected`,
		s.Client, s.Expiry.Milliseconds(), millis(s.DisconnectedAt))
	return err
}

// DeleteSession takes the session's subscriptions and messages with it.
func (t *tx) DeleteSession(client string) error {
	for _, table := range []string{"session", "subscription", "message"} {
		if _, err := t.c.exec("DELETE FROM "+table+" WHERE client = ?", client); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) Sessions(yield func(store.Session) error) error {
	return t.c.query("SELECT client, expiry, disconnected FROM session ORDER BY client", nil, func(r *row) error {
		return yield(store.Session{Client: r.text(0), Expiry: time.Duration(r.int(1)) * time.Millisecond, DisconnectedAt: instant(r.int(2))})
	})
}

func (t *tx) PutSubscription(client, filter string, qos byte) error {
	_, err := t.c.exec("INSERT INTO subscription (client, filter, qos) VALUES (?, ?, ?) ON CONFLICT (client, filter) DO UPDATE SET qos = excluded.qos",
		client, filter, int64(qos))
	return err
}

func (t *tx) DeleteSubscription(client, filter string) error {
	_, err := t.c.exec("DELETE FROM subscription WHERE client = ? AND filter = ?", client, filter)
	return err
}

func (t *tx) Subscriptions(client string, yield func(filter string, qos byte) error) error {
	return t.c.query("SELECT filter, qos FROM subscription WHERE client = ? ORDER BY filter", []any{client},
		func(r *row) error { return yield(r.text(0), byte(r.int(1))) })
}

func (t *tx) EnqueueMessage(client string, seq int64, message []byte) error {
	_, err := t.c.exec("INSERT OR REPLACE INTO message (client, seq, body) VALUES (?, ?, ?)", client, seq, nonNil(message))
	return err
}

func (t *tx) DequeueMessages(client string, seqs []int64) error {
	for _, seq := range seqs {
		if _, err := t.c.exec("DELETE FROM message WHERE client = ? AND seq = ?", client, seq); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) Messages(client string, yield func(seq int64, message []byte) error) error {
	return t.c.query("SELECT seq, body FROM message WHERE client = ? ORDER BY seq", []any{client},
		func(r *row) error { return yield(r.int(0), r.blob(1)) })
}

func (t *tx) PutRetained(topic string, message []byte) error {
	if len(message) == 0 {
		_, err := t.c.exec("DELETE FROM retained WHERE topic = ?", topic)
		return err
	}
	_, err := t.c.exec("INSERT INTO retained (topic, body) VALUES (?, ?) ON CONFLICT (topic) DO UPDATE SET body = excluded.body", topic, message)
	return err
}

func (t *tx) Retained(yield func(topic string, message []byte) error) error {
	return t.c.query("SELECT topic, body FROM retained ORDER BY topic", nil, func(r *row) error { return yield(r.text(0), r.blob(1)) })
}

func (t *tx) DropEffect(row int64) error {
	_, err := t.c.exec("DELETE FROM effect WHERE seq = ?", row)
	return err
}

func (t *tx) Effects(yield func(store.EffectRow) error) error {
	return t.c.query("SELECT seq, thing, notify, next, namespace FROM effect ORDER BY seq", nil, func(r *row) error {
		return yield(store.EffectRow{
			Row: r.int(0), Thing: registry.Name(r.text(1)), Notify: r.bool(2), Next: r.bool(3), Namespace: job.Namespace(r.text(4)),
		})
	})
}

func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func (t *tx) DropEvent(row int64) error {
	_, err := t.c.exec("DELETE FROM event_message WHERE seq = ?", row)
	return err
}

func (t *tx) Events(yield func(job.Message) error) error {
	return t.c.query("SELECT seq, topic, body FROM event_message ORDER BY seq", nil, func(r *row) error {
		return yield(job.Message{Row: r.int(0), Topic: r.text(1), Payload: r.blob(2)})
	})
}

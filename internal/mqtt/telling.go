package mqtt

import (
	"sync"

	"github.com/drover-iot/drover/internal/broker"
)

// telling is what the shadow service says about one request. ended is called
// once, when all of it is with those who must hear it, on disk where that is
// needed (design.md decision 14), or with the first error.
type telling struct {
	g     *Gateway
	ended func(error)

	mu   sync.Mutex
	left int // messages under way, and one until all are said
	err  error
}

func (g *Gateway) telling(ended func(error)) *telling {
	return &telling{g: g, ended: ended, left: 1}
}

// say publishes a message of the service. One that no client could publish, most
// likely because it is too long, is left out: the request was carried out.
func (t *telling) say(topic string, payload []byte) {
	t.mu.Lock()
	t.left++
	t.mu.Unlock()
	m := broker.Message{Topic: topic, Payload: payload, QoS: 1}
	if err := t.g.broker.Check(&m); err != nil {
		t.g.Log.Warn("a message of a shadow cannot be published, it is left out", "topic", topic, "bytes", len(payload), "err", err)
		t.done(nil)
		return
	}
	t.g.broker.PublishThen(m, t.done)
}

// allSaid is called after the last say.
func (t *telling) allSaid() { t.done(nil) }

func (t *telling) done(err error) {
	t.mu.Lock()
	if t.err == nil {
		t.err = err
	}
	t.left--
	last := t.left == 0
	err = t.err
	t.mu.Unlock()
	if last {
		t.ended(err)
	}
}

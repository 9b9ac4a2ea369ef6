package broker

import "sync"

// retained holds the last retained message of each topic. Only exact filters
// are served from it (device-plane.md 6.3), so a map is all it takes.
type retained struct {
	mu    sync.RWMutex
	m     map[string]*Message
	bytes int
}

func (r *retained) put(m *Message) {
	r.bytes += len(m.Payload)
	if old := r.m[m.Topic]; old != nil {
		r.bytes -= len(old.Payload)
	}
	r.m[m.Topic] = m
}

func (r *retained) remove(topic string) {
	if old := r.m[topic]; old != nil {
		r.bytes -= len(old.Payload)
		delete(r.m, topic)
	}
}

// accepts reports whether m may be retained within the limits.
func (r *retained) accepts(m *Message, l *Limits) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	old := r.m[m.Topic]
	n, bytes := len(r.m)+1, r.bytes+len(m.Payload)
	if old != nil {
		n, bytes = n-1, bytes-len(old.Payload)
	}
	return len(m.Payload) == 0 || n <= l.Retained && bytes <= l.RetainedBytes
}

func (r *retained) get(topic string) *Message {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.m[topic]
}

// retain changes the retained message of a topic. One that is not there is cleared
// all the same: the end of it may not be on disk yet. r.mu is held.
func (r *retained) retain(f *fanout, changes []Change) []Change {
	if len(f.m.Payload) > 0 {
		m := f.keep()
		r.put(m)
		return append(changes, Change{Kind: RetainedPut, Message: m})
	}
	r.remove(f.m.Topic)
	return append(changes, Change{Kind: RetainedDelete, Message: &Message{Topic: f.m.Topic}})
}

// sendRetained delivers the retained message of an exact filter to a session
// that has just subscribed to it.
func (b *Broker) sendRetained(s *session, filter string, qos byte) *Conn {
	m := b.retained.get(filter)
	if m == nil || b.expired(m) {
		return nil
	}
	if min(qos, m.QoS) == 0 {
		return s.deliverQoS0(m, true)
	}
	b.storeMu.RLock()
	defer b.storeMu.RUnlock()
	c, changes := s.deliverQoS1(&fanout{m: m, kept: m}, true, nil)
	if len(changes) > 0 {
		b.store.Apply(changes, nil)
	}
	return c
}

package broker

import (
	"sync"
	"time"

	"github.com/drover-iot/drover/internal/broker/packet"
)

// fanout is a message on its way to many: m is valid now, kept is a copy that
// may be kept, made when the first one needs it.
type fanout struct {
	m, kept *Message
}

func (f *fanout) keep() *Message {
	if f.kept == nil {
		m := *f.m
		m.Payload = append([]byte(nil), m.Payload...)
		f.kept = &m
	}
	return f.kept
}

// origin is where a message comes from, and who waits for it to be on disk.
type origin struct {
	conn  *Conn       // the publishing connection; nil for the server
	id    uint16      // of a QoS 1 publish of conn; 0 for none
	token any         // of Publish
	done  func(error) // of PublishThen
}

// route hands m to every session that must hear it. owned says that m's payload
// may be kept. When it has to be on disk first, a publish of a connection is
// acknowledged, and done is called, when it is, and route reports true: nothing
// is left to do.
func (b *Broker) route(bt *batch, m *Message, from origin, owned bool) (waits bool) {
	bt.targets = unique(b.index.match(m.Topic, bt.targets[:0]))
	f := fanout{m: m}
	if owned {
		kept := *m
		f.kept = &kept
	}
	var changes []Change
	if b.store != nil && (m.QoS > 0 || m.Retain || from.token != nil) {
		b.storeMu.RLock()
		defer b.storeMu.RUnlock()
	}
	if m.Retain {
		b.retained.mu.Lock() // also the order of the store's changes
		defer b.retained.mu.Unlock()
		changes = b.retained.retain(&f, changes)
	}
	changes = b.fan(bt, &f, from.conn, changes)
	if from.token != nil {
		changes = append(changes, Change{Kind: Token, Token: from.token})
	}
	if len(changes) == 0 || b.store == nil {
		return false
	}
	done := from.done
	if from.id != 0 {
		done = from.conn.begin(from.id).stored
	}
	b.store.Apply(changes, done)
	return done != nil
}

// stored is the store's answer to a PUBLISH that must be on disk before it is
// acknowledged (design.md decision 14).
func (p *Pending) stored(err error) {
	if err == nil {
		p.Finish()
		return
	}
	p.c.b.log.Error("storing a published MQTT message failed: it is not acknowledged", "client", p.c.id, "err", err)
	p.Refuse(byte(packet.Unspecified))
}

// fan delivers to bt.targets.
func (b *Broker) fan(bt *batch, f *fanout, from *Conn, changes []Change) []Change {
	for i := range bt.targets {
		t := &bt.targets[i]
		if from != nil && t.opts.NoLocal() && t.s == from.sess {
			continue
		}
		retain := f.m.Retain && t.opts.RetainAsPublished()
		var c *Conn
		if min(f.m.QoS, t.opts.QoS()) == 0 {
			c = t.s.deliverQoS0(f.m, retain)
		} else {
			c, changes = t.s.deliverQoS1(f, retain, changes)
		}
		if c != nil {
			bt.touch(c)
		}
	}
	return changes
}

// unique leaves one target for each session, with the highest QoS of its
// matching filters: a message is delivered once (3.3.5-1 allows it).
func unique(ts []target) []target {
	if len(ts) < 2 {
		return ts
	}
	if len(ts) <= 16 {
		n := 1
	next:
		for _, t := range ts[1:] {
			for i := range ts[:n] {
				if ts[i].s == t.s {
					ts[i].opts = better(ts[i].opts, t.opts)
					continue next
				}
			}
			ts[n] = t
			n++
		}
		return ts[:n]
	}
	seen := make(map[*session]int, len(ts))
	n := 0
	for _, t := range ts {
		if i, ok := seen[t.s]; ok {
			ts[i].opts = better(ts[i].opts, t.opts)
			continue
		}
		seen[t.s] = n
		ts[n] = t
		n++
	}
	return ts[:n]
}

func better(a, b Options) Options {
	if b.QoS() > a.QoS() {
		return b
	}
	return a
}

// expired reports whether m's time is over.
func (b *Broker) expired(m *Message) bool {
	return !m.Expires.IsZero() && !b.clock.Now().Before(m.Expires)
}

// Message expiry is clipped to these (device-plane.md 6.2).
const (
	minMessageExpiry = time.Second
	maxMessageExpiry = 7 * 24 * time.Hour
)

// takeProps moves the properties of a PUBLISH or will that travel with the
// message into m.
func (b *Broker) takeProps(m *Message, props packet.Properties) {
	m.Props, m.Expires = nil, time.Time{}
	var p Props
	carried := false
	for i := range props {
		x := &props[i]
		switch x.ID {
		case packet.PayloadFormat:
			p.HasFormat, p.PayloadFormat = true, byte(x.Num)
		case packet.ContentType:
			p.ContentType = x.Str
		case packet.ResponseTopic:
			p.ResponseTopic = x.Str
		case packet.CorrelationData:
			p.HasCorrelation, p.CorrelationData = true, x.Str
		case packet.UserProperty:
			p.User = append(p.User, UserProperty{x.Str, x.Val})
		case packet.MessageExpiry:
			d := time.Duration(x.Num) * time.Second
			m.Expires = b.clock.Now().Add(min(max(d, minMessageExpiry), maxMessageExpiry))
			continue
		default:
			continue
		}
		carried = true
	}
	if carried {
		m.Props = &p
	}
}

// wireProps is the way back; the expiry that is left is in whole seconds.
func (b *Broker) wireProps(m *Message) (out packet.Properties) {
	if !m.Expires.IsZero() {
		left := max(m.Expires.Sub(b.clock.Now()), 0)
		out = append(out, packet.Property{ID: packet.MessageExpiry, Num: uint32((left + time.Second - 1) / time.Second)})
	}
	p := m.Props
	if p == nil {
		return out
	}
	if p.HasFormat {
		out = append(out, packet.Property{ID: packet.PayloadFormat, Num: uint32(p.PayloadFormat)})
	}
	if p.ContentType != "" {
		out = append(out, packet.Property{ID: packet.ContentType, Str: p.ContentType})
	}
	if p.ResponseTopic != "" {
		out = append(out, packet.Property{ID: packet.ResponseTopic, Str: p.ResponseTopic})
	}
	if p.HasCorrelation {
		out = append(out, packet.Property{ID: packet.CorrelationData, Str: p.CorrelationData})
	}
	for _, u := range p.User {
		out = append(out, packet.Property{ID: packet.UserProperty, Str: u.Name, Val: u.Value})
	}
	return out
}

// removals are acknowledged messages that the store may forget: lazily, many at
// a time, for losing the knowledge costs a redelivery at most.
type removals struct {
	mu    sync.Mutex
	n     int
	seqs  map[string][]int64
	timer *time.Timer
}

const (
	removeBatch = 512
	removeAfter = 500 * time.Millisecond
)

// add is called with session.mu held, so it only notes.
func (r *removals) add(b *Broker, s *session, seq int64) {
	if seq == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seqs == nil {
		r.seqs = make(map[string][]int64)
	}
	r.seqs[s.id] = append(r.seqs[s.id], seq)
	r.n++
	switch {
	case r.timer == nil:
		r.timer = time.AfterFunc(removeAfter, func() { r.flush(b) })
	case r.n == removeBatch:
		r.timer.Reset(0)
	}
}

// flush hands what was noted to the store. storeMu makes sure that the groups
// which appended these messages are there already.
func (r *removals) flush(b *Broker) {
	r.mu.Lock()
	seqs := r.seqs
	r.seqs, r.n = nil, 0
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	r.mu.Unlock()
	if len(seqs) == 0 {
		return
	}
	changes := make([]Change, 0, len(seqs))
	for id, list := range seqs {
		changes = append(changes, Change{Kind: QueueRemove, ClientID: id, Seqs: list})
	}
	b.storeMu.Lock()
	defer b.storeMu.Unlock()
	b.store.Apply(changes, nil)
}

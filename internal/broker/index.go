package broker

import (
	"hash/maphash"
	"strings"
	"sync"
)

// target is one session's subscription as the index knows it.
type target struct {
	s    *session
	opts Options
}

// subscribers is the set of sessions behind one filter. Up to a few it is a
// plain list; beyond that, pos finds a session's place in it.
type subscribers struct {
	list []target
	pos  map[*session]int
}

const indexedFrom = 32

func (x *subscribers) find(s *session) int {
	if x.pos != nil {
		if i, ok := x.pos[s]; ok {
			return i
		}
		return -1
	}
	for i := range x.list {
		if x.list[i].s == s {
			return i
		}
	}
	return -1
}

func (x *subscribers) put(s *session, o Options) {
	if i := x.find(s); i >= 0 {
		x.list[i].opts = o
		return
	}
	x.list = append(x.list, target{s, o})
	switch {
	case x.pos != nil:
		x.pos[s] = len(x.list) - 1
	case len(x.list) > indexedFrom:
		x.pos = make(map[*session]int, 2*indexedFrom)
		for i := range x.list {
			x.pos[x.list[i].s] = i
		}
	}
}

func (x *subscribers) remove(s *session) {
	i, last := x.find(s), len(x.list)-1
	if i < 0 {
		return
	}
	x.list[i] = x.list[last]
	x.list[last] = target{}
	x.list = x.list[:last]
	if x.pos != nil {
		delete(x.pos, s)
		if i < last {
			x.pos[x.list[i].s] = i
		}
	}
	if last == 0 {
		*x = subscribers{}
	}
}

const shards = 64

// index finds the sessions that subscribe to a topic. It holds its locks only
// while it copies them out.
type index struct {
	seed  maphash.Seed
	exact [shards]struct {
		mu sync.RWMutex
		m  map[string]subscribers
		_  [32]byte // two shards do not share a cache line
	}
	wild struct {
		mu   sync.RWMutex
		n    int
		root node
	}
}

func newIndex() *index {
	x := &index{seed: maphash.MakeSeed()}
	for i := range x.exact {
		x.exact[i].m = make(map[string]subscribers)
	}
	return x
}

func (x *index) put(filter string, s *session, o Options) {
	if isWildcard(filter) {
		x.wild.mu.Lock()
		defer x.wild.mu.Unlock()
		if x.wild.root.put(filter, s, o) {
			x.wild.n++
		}
		return
	}
	sh := &x.exact[maphash.String(x.seed, filter)%shards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	subs := sh.m[filter]
	subs.put(s, o)
	sh.m[filter] = subs
}

func (x *index) remove(filter string, s *session) {
	if isWildcard(filter) {
		x.wild.mu.Lock()
		defer x.wild.mu.Unlock()
		if x.wild.root.remove(filter, s) {
			x.wild.n--
		}
		return
	}
	sh := &x.exact[maphash.String(x.seed, filter)%shards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	subs := sh.m[filter]
	if subs.remove(s); len(subs.list) == 0 {
		delete(sh.m, filter)
	} else {
		sh.m[filter] = subs
	}
}

// match appends a target for every subscription that matches topic: a session
// with several matching filters appears several times.
func (x *index) match(topic string, dst []target) []target {
	x.each(topic, func(ts []target) bool {
		dst = append(dst, ts...)
		return true
	})
	return dst
}

// any reports whether a subscription that matches topic satisfies ok.
func (x *index) any(topic string, ok func(target) bool) (found bool) {
	x.each(topic, func(ts []target) bool {
		for _, t := range ts {
			if ok(t) {
				found = true
				return false
			}
		}
		return true
	})
	return found
}

// each calls f with the subscribers of every matching filter, under the lock,
// until it says false.
func (x *index) each(topic string, f func([]target) bool) {
	sh := &x.exact[maphash.String(x.seed, topic)%shards]
	sh.mu.RLock()
	subs, ok := sh.m[topic]
	more := !ok || f(subs.list)
	sh.mu.RUnlock()
	if !more {
		return
	}
	x.wild.mu.RLock()
	defer x.wild.mu.RUnlock()
	if x.wild.n > 0 {
		x.wild.root.each(topic, topic[0] == '$', f)
	}
}

// node is one level of the wildcard filters. Most nodes of a fleet have one
// child (a thing's own), so the first one needs no map.
type node struct {
	key   string // the level that leads here from the parent
	child *node
	more  map[string]*node // nil until there is a second child
	plus  *node
	hash  subscribers // of filters that end in /# here
	subs  subscribers // of filters that end here
}

func (n *node) literal(level string) *node {
	if n.child != nil && n.child.key == level {
		return n.child
	}
	return n.more[level]
}

func (n *node) next(level string) *node {
	if level == "+" {
		if n.plus == nil {
			n.plus = &node{key: level}
		}
		return n.plus
	}
	c := n.literal(level)
	if c == nil {
		c = &node{key: level}
		switch {
		case n.child == nil:
			n.child = c
		case n.more == nil:
			n.more = map[string]*node{level: c}
		default:
			n.more[level] = c
		}
	}
	return c
}

// put reports whether the subscription is a new one.
func (n *node) put(filter string, s *session, o Options) bool {
	set := &n.hash
	for rest, more := filter, true; more && rest != "#"; set = &n.hash {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		if n = n.next(level); !more {
			set = &n.subs
			break
		}
	}
	before := len(set.list)
	set.put(s, o)
	return len(set.list) > before
}

// remove takes the subscription out, and the nodes that nobody needs any more.
func (n *node) remove(filter string, s *session) (removed bool) {
	if filter == "#" {
		before := len(n.hash.list)
		n.hash.remove(s)
		return len(n.hash.list) < before
	}
	level, rest, more := strings.Cut(filter, "/")
	c := n.plus
	if level != "+" {
		c = n.literal(level)
	}
	if c == nil {
		return false
	}
	if more {
		removed = c.remove(rest, s)
	} else {
		before := len(c.subs.list)
		c.subs.remove(s)
		removed = len(c.subs.list) < before
	}
	if removed && c.empty() {
		n.drop(c)
	}
	return removed
}

func (n *node) empty() bool {
	return n.child == nil && len(n.more) == 0 && n.plus == nil && len(n.hash.list) == 0 && len(n.subs.list) == 0
}

func (n *node) drop(c *node) {
	switch c {
	case n.plus:
		n.plus = nil
	case n.child:
		n.child = nil
	default:
		if delete(n.more, c.key); len(n.more) == 0 {
			n.more = nil
		}
	}
}

// each visits what matches topic below n. reserved says that topic is whole and
// begins with $, which no leading wildcard matches. # needs a level to stand
// for, so a/# is not found for a (device-plane.md 6.3).
func (n *node) each(topic string, reserved bool, f func([]target) bool) bool {
	if len(n.hash.list) > 0 && !reserved && !f(n.hash.list) {
		return false
	}
	level, rest, more := strings.Cut(topic, "/")
	if c := n.literal(level); c != nil && !c.descend(rest, more, f) {
		return false
	}
	return n.plus == nil || reserved || n.plus.descend(rest, more, f)
}

func (n *node) descend(rest string, more bool, f func([]target) bool) bool {
	if more {
		return n.each(rest, false, f)
	}
	return len(n.subs.list) == 0 || f(n.subs.list)
}

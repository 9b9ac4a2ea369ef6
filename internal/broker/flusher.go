package broker

import (
	"runtime"
	"sync"
)

// flusher writes for those who must not: the goroutine on which a store's
// commits complete hands in hundreds of replies at a time, and a write to a
// socket costs ten times what a reply does. What is queued for one connection
// meanwhile goes out in one write. Its goroutines exist only while there is
// something to write.
type flusher struct {
	mu      sync.Mutex
	conns   []*Conn // each once: outbound.due
	workers int
}

const flusherShare = 32 // connections that a worker takes at a time

func (f *flusher) add(c *Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.out.due {
		return
	}
	c.out.due = true
	f.conns = append(f.conns, c)
	if f.workers == 0 || f.workers < runtime.GOMAXPROCS(0) && len(f.conns) > f.workers*flusherShare {
		f.workers++
		go f.work()
	}
}

func (f *flusher) work() {
	var mine [flusherShare]*Conn
	for {
		f.mu.Lock()
		n := copy(mine[:], f.conns)
		if n == 0 {
			f.workers--
			f.mu.Unlock()
			return
		}
		for _, c := range mine[:n] {
			c.out.due = false
		}
		clear(f.conns[:n])
		if f.conns = f.conns[n:]; len(f.conns) == 0 {
			f.conns = nil
		}
		f.mu.Unlock()
		for _, c := range mine[:n] {
			c.flush()
		}
	}
}

// flushSoon has what was queued written by somebody else: by the connection's
// own goroutine if it is at work (it flushes when it has worked off what it
// read), else by the flusher.
func (c *Conn) flushSoon() {
	if !c.busy.Load() {
		c.b.flusher.add(c)
	}
}

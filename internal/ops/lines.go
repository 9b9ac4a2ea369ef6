package ops

import (
	"runtime"
	"sync"

	"github.com/drover-iot/drover/internal/wire/shadowdata"
)

// lines has the requests to device shadows. Those to one shadow are done one
// after another, in the order in which they came. What costs time (reading,
// merging, writing JSON) is done by a few workers: not by the goroutines that
// commit and answer for everybody, and never on all processors. A worker runs
// while there is something to do.
type lines struct {
	mu      sync.Mutex
	waiting map[shadowdata.Key][]func() // behind the one under way; no entry: nobody is
	begin   []func()                    // requests whose turn it is
	goOn    []func()                    // requests that go on after their commit
	begun   int
	workers int
}

// maxBegun is how many requests are under way at once: those that wait hold
// nothing but their payload.
const maxBegun = 64

// maxWorkers leaves the other half of the processors to the other requests.
var maxWorkers = max(1, runtime.GOMAXPROCS(0)/2)

// join lets f begin, on a worker, when all that joined the line of key before
// have left it.
func (l *lines) join(key shadowdata.Key, f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if behind, busy := l.waiting[key]; busy {
		l.waiting[key] = append(behind, f)
		return
	}
	if l.waiting == nil {
		l.waiting = map[shadowdata.Key][]func(){}
	}
	l.waiting[key] = nil
	l.begin = append(l.begin, f)
	l.work()
}

// leave ends the turn of a request; it is called on a worker.
func (l *lines) leave(key shadowdata.Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun--
	if behind := l.waiting[key]; len(behind) > 0 {
		l.waiting[key] = behind[1:]
		l.begin = append(l.begin, behind[0])
	} else {
		delete(l.waiting, key)
	}
	l.work()
}

// then lets a request that is under way go on, on a worker.
func (l *lines) then(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.goOn = append(l.goOn, f)
	l.work()
}

// work makes sure that somebody works. l.mu is held.
func (l *lines) work() {
	if l.workers < maxWorkers {
		l.workers++
		go l.run()
	}
}

func (l *lines) run() {
	for f := l.next(); f != nil; f = l.next() {
		f()
	}
}

// next is what to do next; nil ends the worker.
func (l *lines) next() (f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case len(l.goOn) > 0:
		f, l.goOn = l.goOn[0], l.goOn[1:]
	case len(l.begin) > 0 && l.begun < maxBegun:
		l.begun++
		f, l.begin = l.begin[0], l.begin[1:]
	default:
		l.workers--
	}
	return f
}

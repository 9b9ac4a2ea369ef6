package sqlite

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

// task is one thing to do in the writer: a decision, or an update.
type task struct {
	keys   store.Keys
	decide store.Decide
	update func(store.Tx) error
	ctx    context.Context // of an update
	done   func(store.Commit, error)

	err     error
	effects []job.Effect
	events  []job.Message
}

// batchLimit is how many decisions one commit takes, and as many updates at most.
// Updates let decisions go first, in commits of their own, for as long as
// updatePatience; then they share a commit, the decisions first. In a commit of
// their own, updates end as soon as a decision waits: no other begins, and a long
// one is told so (Tx.Pressed). In a shared one they take updateSlice at most before
// the rest waits for the next.
const (
	batchLimit     = 512
	updateSlice    = 5 * time.Millisecond
	updatePatience = 5 * time.Millisecond
)

// writer owns the writing connection. It takes what waits, runs it in one
// transaction, commits, and hands the batch to the completion goroutine, so
// that answering one batch overlaps with deciding the next.
type writer struct {
	s *Store
	c *conn

	mu        sync.Mutex
	wake      *sync.Cond
	decisions []*task
	updates   []*task
	passed    time.Time // since when updates let decisions go first; zero: they do not
	restart   bool
	closed    bool

	asking atomic.Int64 // length of decisions

	batches chan *batch
	written atomic.Int64 // rows since the last checkpoint

	// Caches of the writing connection: only the writer touches them, and a
	// batch that is rolled back empties them.
	things map[registry.Name]int64
	states map[int64]job.State
	jobs   map[job.ID]int64

	// earliest is a time before which no timer runs out.
	earliest time.Time

	queueSeq, eventSeq, commits int64
	selfCheckpoint              bool
}

// batch is what one commit holds.
type batch struct {
	w       *writer
	tasks   []*task
	tallies map[int64]job.Tally
	shared  bool          // decisions and updates are in it
	effects []job.Effect  // of the task that runs
	events  []job.Message // likewise
	wakes   []time.Time
	rows    int64
	seqAt   int64 // queueSeq as stored

	lastMoved movedKey
	lastEvent int64
	commit    store.Commit
}

type movedKey struct{ thing, job, number int64 }

func newWriter(s *Store, c *conn) (*writer, error) {
	w := &writer{s: s, c: c, batches: make(chan *batch, 2)}
	w.wake = sync.NewCond(&w.mu)
	w.forget()
	c.c.SetBusyTimeout(200 * time.Millisecond)
	return w, w.readSequences()
}

func (w *writer) readSequences() error {
	w.queueSeq, w.eventSeq = 0, 0
	err := w.c.query("SELECT value FROM sequence WHERE name = 'queue'", nil, func(r *row) error { w.queueSeq = r.int(0); return nil })
	if err != nil {
		return err
	}
	return w.c.query("SELECT coalesce(max(seq), 0) FROM event", nil, func(r *row) error { w.eventSeq = r.int(0); return nil })
}

// forget empties the caches.
func (w *writer) forget() {
	w.earliest = time.Time{}
	w.things, w.states, w.jobs = map[registry.Name]int64{}, map[int64]job.State{}, map[job.ID]int64{}
}

// The caches' bounds; a full one is emptied, the working set comes back at once.
const (
	thingCache = 50_000
	stateCache = 4_096
)

func (w *writer) rememberThing(name registry.Name, key int64) {
	if len(w.things) >= thingCache {
		clear(w.things)
	}
	w.things[name] = key
}

func (w *writer) rememberState(st job.State) {
	if len(w.states) >= stateCache {
		clear(w.states)
		clear(w.jobs)
	}
	w.states[st.Key], w.jobs[st.ID] = st, st.Key
}

// forgetThing and forgetJob empty a cached row that an update has changed:
// every write to the thing or job tables calls them.
func (t *tx) forgetThing(name registry.Name) { delete(t.b.w.things, name) }

func (t *tx) forgetJob(key int64, id job.ID) {
	delete(t.b.w.states, key)
	delete(t.b.w.jobs, id)
}

// submit queues a task; false when the store is closed.
func (w *writer) submit(t *task) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	if t.update != nil {
		w.updates = append(w.updates, t)
	} else {
		w.decisions = append(w.decisions, t)
		w.asking.Store(int64(len(w.decisions)))
	}
	w.wake.Signal()
	return true
}

// restartLog asks for the log to begin again between two batches; with an
// error, from now on as part of every thousandth commit.
func (w *writer) restartLog(err error) {
	w.mu.Lock()
	w.restart = true
	w.selfCheckpoint = err != nil
	w.wake.Signal()
	w.mu.Unlock()
}

// close lets the writer finish what was submitted and end.
func (w *writer) close() {
	w.mu.Lock()
	w.closed = true
	w.wake.Signal()
	w.mu.Unlock()
}

func (w *writer) run() {
	defer close(w.batches)
	for {
		tasks, restart, ok := w.take()
		if !ok {
			return
		}
		if len(tasks) > 0 {
			b := w.commit(tasks)
			w.written.Add(b.rows)
			w.batches <- b
		}
		if restart {
			// Busy readers make it fail; the checkpointer asks again.
			_, _ = w.c.checkpoint("RESTART")
		}
	}
}

// take waits for work: decisions, and updates unless they let those go first.
func (w *writer) take() (tasks []*task, restart, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.decisions)+len(w.updates) == 0 && !w.restart && !w.closed {
		w.wake.Wait()
	}
	tasks = shift(tasks, &w.decisions)
	w.asking.Store(int64(len(w.decisions)))
	if !w.yield(len(tasks) > 0 && len(w.updates) > 0) {
		tasks = shift(tasks, &w.updates)
	}
	restart = w.restart || w.selfCheckpoint && w.commits%1000 == 0
	w.restart = false
	return tasks, restart, len(tasks) > 0 || restart || !w.closed
}

// waiting takes the decisions that wait.
func (w *writer) waiting() (tasks []*task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	tasks = shift(tasks, &w.decisions)
	w.asking.Store(int64(len(w.decisions)))
	return tasks
}

// yield says whether updates, when they would have to share a commit, let the
// decisions go first.
func (w *writer) yield(share bool) bool {
	now := time.Now()
	switch {
	case !share:
		w.passed = time.Time{}
		return false
	case w.passed.IsZero():
		w.passed = now
	}
	if now.Sub(w.passed) < updatePatience {
		return true
	}
	w.passed = time.Time{}
	return false
}

// shift moves up to a batch of tasks from the front of a queue.
func shift(to []*task, queue *[]*task) []*task {
	q := *queue
	n := min(len(q), batchLimit)
	to = append(to, q[:n]...)
	rest := copy(q, q[n:])
	clear(q[rest:])
	*queue = q[:rest]
	return to
}

// putBack returns updates for which a commit had no time.
func (w *writer) putBack(updates []*task) {
	w.mu.Lock()
	w.updates = slices.Concat(updates, w.updates)
	w.mu.Unlock()
}

// commit runs the tasks as one transaction. If that fails as a whole (a full
// disk, a damaged page), each is tried alone, so that only those that cannot
// be done fail.
func (w *writer) commit(tasks []*task) *batch {
	if err := w.s.log.broken(); err != nil {
		b := &batch{w: w, tasks: tasks}
		b.fail(err)
		return b
	}
	b, err := w.attempt(tasks)
	if err == nil {
		return b
	}
	if len(b.tasks) == 1 {
		b.fail(err)
		return b
	}
	all := &batch{w: w}
	for _, t := range b.tasks {
		t.err, t.effects, t.events = nil, nil, nil
		one := w.commit([]*task{t})
		all.tasks = append(all.tasks, one.tasks...) // it, and who has joined it
		all.rows += one.rows
		all.wakes = append(all.wakes, one.wakes...)
		all.commit = one.commit
	}
	return all
}

func (w *writer) attempt(tasks []*task) (b *batch, err error) {
	b = &batch{w: w, tasks: tasks, seqAt: w.queueSeq}
	defer func() {
		if err != nil {
			_, _ = w.c.exec("ROLLBACK") // it fails when SQLite has rolled back by itself
			w.forget()
			if e := w.readSequences(); e != nil {
				err = e
			}
			b.rows, b.wakes = 0, nil
		}
	}()
	if _, err := w.c.exec("BEGIN"); err != nil {
		return b, err
	}
	t := &tx{c: w.c, s: w.s, b: b}
	var late time.Time // for updates
	for i, task := range tasks {
		if task.update != nil {
			if now := time.Now(); late.IsZero() {
				b.shared, late = i > 0, now.Add(updateSlice)
			} else if now.After(late) || t.Pressed() {
				w.putBack(tasks[i:])
				b.tasks = tasks[:i]
				break
			}
		}
		if err := b.run(t, task); err != nil {
			return b, err
		}
	}
	if !late.IsZero() { // who asked while an update ran shares its commit
		asked := w.waiting()
		b.tasks = slices.Concat(b.tasks, asked)
		for _, task := range asked {
			if err := b.run(t, task); err != nil {
				return b, err
			}
		}
	}
	if err := b.flush(t); err != nil {
		return b, err
	}
	w.s.log.mu.Lock()
	defer w.s.log.mu.Unlock()
	if _, err := w.c.exec("COMMIT"); err != nil {
		return b, err
	}
	w.commits++
	b.commit = store.Commit{Seq: w.commits}
	if err := w.s.log.sync(); err != nil {
		b.fail(err)
	}
	return b, nil
}

// fail answers every task of a batch with an error: it may be on disk, or not.
func (b *batch) fail(err error) {
	for _, t := range b.tasks {
		t.err, t.effects, t.events = err, nil, nil
	}
}

// run does one task within the transaction. The error is one that spoils the
// transaction; a task's own refusal stays with the task.
func (b *batch) run(t *tx, task *task) error {
	b.effects, b.events, b.lastMoved = nil, nil, movedKey{}
	if task.update != nil {
		return b.runUpdate(t, task)
	}
	for again := true; again; {
		snap, err := t.Snapshot(task.keys)
		if err != nil {
			return err
		}
		changes, err := task.decide(snap)
		if err != nil {
			task.err = err
			return nil
		}
		if len(changes.Moves)+len(changes.Effects)+len(changes.Events) == 0 && changes.Shadow == nil {
			return nil
		}
		if err := t.Write(changes); err != nil {
			return err
		}
		task.effects, task.events = b.effects, b.events
		again = changes.Again
	}
	return nil
}

// runUpdate does an ordinary transaction inside the batch: what it changed is
// taken back, alone, when it fails.
func (b *batch) runUpdate(t *tx, task *task) error {
	if task.err = context.Cause(task.ctx); task.err != nil {
		return nil
	}
	if err := b.flush(t); err != nil {
		return err
	}
	seq, event, rows, wakes := b.w.queueSeq, b.w.eventSeq, b.rows, len(b.wakes)
	if _, err := t.c.exec("SAVEPOINT task"); err != nil {
		return err
	}
	task.err = task.update(t)
	if task.err == nil {
		task.err = b.flush(t)
	}
	if task.err == nil {
		task.effects, task.events = b.effects, b.events
		b.rows++
		_, err := t.c.exec("RELEASE task")
		return err
	}
	b.tallies = nil
	b.w.queueSeq, b.seqAt, b.w.eventSeq, b.rows, b.wakes = seq, seq, event, rows, b.wakes[:wakes]
	b.w.forget()
	if _, err := t.c.exec("ROLLBACK TO task"); err != nil {
		return err
	}
	_, err := t.c.exec("RELEASE task")
	return err
}

// Pressed says whether decisions wait for the update that runs. Who asks has come to
// a place where it can stop: other threads of the machine have their turn there.
func (t *tx) Pressed() bool {
	if t.b == nil || t.b.shared {
		return false
	}
	giveWay()
	return t.b.w.asking.Load() > 0
}

func (b *batch) count(jobKey int64, d job.Tally) {
	if b.tallies == nil {
		b.tallies = map[int64]job.Tally{}
	}
	b.tallies[jobKey] = b.tallies[jobKey].Plus(d)
}

func (b *batch) wake(at time.Time) { b.wakes = append(b.wakes, at) }

// flush writes what is summed up over the batch: one row of counters and one
// of attention for each job, and the queue's sequence.
func (b *batch) flush(t *tx) error {
	for key, d := range b.tallies {
		if err := t.addTally(key, d); err != nil {
			return err
		}
		if err := t.SetDue(key, dueNow); err != nil {
			return err
		}
	}
	if len(b.tallies) > 0 {
		b.wake(time.Time{})
		clear(b.tallies)
	}
	if b.seqAt != b.w.queueSeq {
		_, err := t.c.exec("INSERT INTO sequence (name, value) VALUES ('queue', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", b.w.queueSeq)
		if err != nil {
			return err
		}
		b.seqAt = b.w.queueSeq
	}
	return nil
}

// dueNow is the time that is always due.
var dueNow = time.UnixMilli(1)

// addTally adds a difference to a job's counters.
func (t *tx) addTally(key int64, d job.Tally) error {
	_, err := t.c.exec(sqlAddTally, key,
		d.Things[job.Queued], d.Things[job.InProgress], d.Things[job.Succeeded], d.Things[job.Failed],
		d.Things[job.TimedOut], d.Things[job.Rejected], d.Things[job.Removed], d.Things[job.Canceled],
		d.Finished[job.Succeeded], d.Finished[job.Failed], d.Finished[job.TimedOut], d.Finished[job.Rejected])
	return err
}

const sqlAddTally = `INSERT INTO tally (job, queued, in_progress, succeeded, failed, timed_out, rejected, removed, canceled,
 finished_succeeded, finished_failed, finished_timed_out, finished_rejected) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)
 ON CONFLICT (job) DO UPDATE SET queued = queued + excluded.queued, in_progress = in_progress + excluded.in_progress,
 succeeded = succeeded + excluded.succeeded, failed = failed + excluded.failed, timed_out = timed_out + excluded.timed_out,
 rejected = rejected + excluded.rejected, removed = removed + excluded.removed, canceled = canceled + excluded.canceled,
 finished_succeeded = finished_succeeded + excluded.finished_succeeded, finished_failed = finished_failed + excluded.finished_failed,
 finished_timed_out = finished_timed_out + excluded.finished_timed_out, finished_rejected = finished_rejected + excluded.finished_rejected`

// complete answers, in commit order: each task's done, then its effects and events.
func (w *writer) complete() {
	for b := range w.batches {
		for _, t := range b.tasks {
			t.done(b.commit, t.err)
			if len(t.effects) > 0 && w.s.observer != nil {
				w.s.observer.Effects(t.effects)
			}
			if len(t.events) > 0 && w.s.observer != nil {
				w.s.observer.Events(t.events)
			}
		}
		if w.s.observer != nil {
			for _, at := range b.wakes {
				w.s.observer.Wake(at)
			}
		}
	}
}

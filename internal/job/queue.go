package job

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Entry is a stored execution beside the state of its job.
type Entry struct {
	Execution
	Job State
}

// Queue is the aggregate: the pending executions of one thing in one namespace,
// and the one that a request names, which is of that namespace. All rules that
// look at more than one execution are here.
type Queue struct {
	// Pending holds the stored QUEUED and IN_PROGRESS rows in queue
	// order (IN_PROGRESS first, then QueuedAt, then Seq), as many as were
	// needed to see one more than the visible limit. Nil when it was not asked for.
	Pending []Entry
	// Named is the execution that the request names; Number 0: there is none.
	Named Entry
	// Previous is the attempt before Named; Number 0: there is none.
	Previous Entry
	// Newer is the thing's newest attempt of the same job when that is not
	// Named; Number 0: Named is the newest. Only the newest is ever pending.
	Newer Entry
	// Superseded says that an attempt newer than Named is finished.
	Superseded bool
}

// Move is one execution's step from before to after: what the store writes.
// Before.Number is 0 for an execution that is new, After.Number for one that is deleted.
type Move struct {
	Before, After Execution
	Namespace     Namespace // of the queue that it is a place in
	Kind          Kind
	Actor         string
	Tally         Tally
}

// Effect tells what devices must hear after a commit (device-plane.md 4.3).
type Effect struct {
	ThingKey  int64
	Thing     string
	Namespace Namespace // whose queue it is
	Notify    bool      // the visible pending set changed
	// Next: the head's (jobId, executionNumber) changed. Of a namespace this is
	// told to nobody, for only the plain queue has a notify-next (4.4).
	Next  bool
	After Queue // the queue as it is then, for rendering
	At    time.Time
	// Row is the durable row of this effect, 0 when it lives in memory only:
	// it is set by the store when Durable was asked for (design.md decision 2).
	Row     int64
	Durable bool
}

// Outcome is all that one request causes.
type Outcome struct {
	Queue   Queue
	Moves   []Move
	Effects []Effect
}

// Then is both outcomes as one change of the thing's queue: devices are told
// once, of the queue as it is in the end.
func (o Outcome) Then(next Outcome) Outcome {
	o.Queue = next.Queue
	o.Moves = append(o.Moves, next.Moves...)
	for _, e := range next.Effects {
		for _, before := range o.Effects {
			e.Notify, e.Next = e.Notify || before.Notify, e.Next || before.Next
		}
		o.Effects = []Effect{e}
	}
	return o
}

// Less is the order of the queue: IN_PROGRESS before QUEUED, then QueuedAt,
// then creation (device-plane.md 3.2).
func Less(a, b Execution) bool { return compare(a, b) < 0 }

func compare(a, b Execution) int {
	if a.Status != b.Status {
		if a.Status == InProgress {
			return -1
		}
		if b.Status == InProgress {
			return 1
		}
	}
	if c := a.QueuedAt.Compare(b.QueuedAt); c != 0 {
		return c
	}
	return cmp.Compare(a.Seq, b.Seq)
}

// Visible lists the pending executions that a device may see now, in queue
// order.
func (q Queue) Visible(now time.Time) []Execution {
	seen := make([]Execution, 0, len(q.Pending))
	for i := range q.Pending {
		if e, ok := visible(&q.Pending[i], now); ok {
			seen = append(seen, e)
		}
	}
	return seen
}

// Seen says whether a device may see this stored row as pending now.
func Seen(entry Entry, now time.Time) bool {
	_, ok := visible(&entry, now)
	return ok
}

func visible(entry *Entry, now time.Time) (Execution, bool) {
	e, ok := Effective(entry.Execution, entry.Job, now)
	return e, ok && e.Status.Pending() && entry.Job.Status != JobScheduled
}

// Head is the execution that is next for the thing: the only selector of
// "next" (`$next`, start-next, notify-next).
func Head(q Queue, now time.Time) (Execution, bool) {
	for i := range q.Pending {
		if e, ok := visible(&q.Pending[i], now); ok {
			return e, true
		}
	}
	return Execution{}, false
}

// Find gives the named execution as it is to be seen now. Errors: NotFound.
func (q Queue) Find(now time.Time) (Execution, error) {
	if q.Named.Number != 0 {
		if e, ok := Effective(q.Named.Execution, q.Named.Job, now); ok {
			return e, nil
		}
	}
	return Execution{}, Errorf(NotFound, "No such job execution: this thing has none with that job id and execution number")
}

// Within is the queue as a request that names this namespace sees it: an
// execution of another one is not there. The empty one asks for none
// (device-plane.md 4.4).
func (q Queue) Within(n Namespace) Queue {
	if n != "" && q.Named.Job.Namespace != n {
		q.Named, q.Previous, q.Newer = Entry{}, Entry{}, Entry{}
	}
	return q
}

// TimeOut writes down the earliest time-out of this queue that nobody has written
// down, as its timer does; ok is false when there is none. A time-out at or before
// now came before any request of now (device-plane.md 3.4, Timers).
func (q Queue) TimeOut(now time.Time) (out Outcome, ok bool) {
	var late Entry
	look := func(e Entry) {
		seen, _ := Effective(e.Execution, e.Job, now)
		if seen.Status != TimedOut || seen.Version == e.Version {
			return
		}
		if !ok || cmp.Or(e.Due().Compare(late.Due()), cmp.Compare(e.JobKey, late.JobKey)) < 0 {
			late, ok = e, true
		}
	}
	for _, e := range q.Pending {
		look(e)
	}
	look(q.Named)
	if !ok {
		return Outcome{Queue: q}, false
	}
	out, _ = Queue{Pending: q.Pending, Named: late}.Apply(late.Ref(), Change{Kind: Sweep}, now) // which nothing refuses
	return out, true
}

// StartNext hands out the head, starting it if it is QUEUED. ok is false when
// the queue is empty (device-plane.md 3.2).
func (q Queue) StartNext(c Change, now time.Time) (_ Outcome, head Execution, ok bool, _ error) {
	for i := range q.Pending {
		e, seen := visible(&q.Pending[i], now)
		if !seen {
			continue
		}
		if e.Status == InProgress {
			return Outcome{Queue: q}, e, true, nil
		}
		q.Named = q.Pending[i]
		out, err := q.Apply(e.Ref(), c, now)
		return out, out.Queue.Named.Execution, err == nil, err
	}
	return Outcome{Queue: q}, Execution{}, false, nil
}

// Apply makes change c of the named execution r. A row that the job's flag or
// the clock has overtaken is swept first, and then the request is judged: so an
// Outcome with moves may come together with an error, and both count.
func (q Queue) Apply(r Ref, c Change, now time.Time) (Outcome, error) {
	out := Outcome{Queue: q}
	seen, err := q.Find(now)
	if err != nil || seen.JobID != r.Job || r.Number != 0 && seen.Number != r.Number {
		if err == nil {
			err = Errorf(NotFound, "No such job execution: this thing has none with that job id and execution number")
		}
		return out, err
	}
	stored := q.Named.Execution
	if seen.Version != stored.Version {
		out.step(stored, seen, Change{Kind: Sweep, Actor: ActorService}, now)
		out.retry(now)
	}
	if c.Kind == Sweep {
		return out, nil
	}
	if c.Kind == Delete {
		return out, out.delete(seen, c, now)
	}
	next, err := seen.Apply(c, q.Named.Job.InProgressMinutes, now)
	if err != nil {
		return out, err
	}
	if next.Version != seen.Version {
		out.step(seen, next, c, now)
		out.retry(now)
	}
	return out, nil
}

// retry queues the attempt that follows one that has just ended, where its job
// allows one. It is part of the same change, so devices are told once; the one
// that ended stays the named one.
func (o *Outcome) retry(now time.Time) {
	ended := o.Queue
	next, ok := ended.Named.Job.Retry(ended.Named.Execution, now)
	if !ok || ended.Newer.Number != 0 {
		return
	}
	*o = o.Then(ended.Enqueue(Entry{next, ended.Named.Job}, now))
	o.Queue.Newer = o.Queue.Named
	o.Queue.Named, o.Queue.Previous = ended.Named, ended.Previous
}

// ActorService is the actor of what the service does by itself.
const ActorService = "service"

// delete takes the execution away. IN_PROGRESS needs force (control-plane.md A.3).
func (o *Outcome) delete(e Execution, c Change, now time.Time) error {
	if e.Status == InProgress && !c.Force {
		return Errorf(InvalidStateTransition,
			"The job execution is IN_PROGRESS: set force to delete it").With(e.State())
	}
	o.step(e, Execution{}, c, now)
	return nil
}

// Drop takes the named execution away because its job is being deleted, which
// has hidden it already: devices are told as if it had been seen until now.
func (q Queue) Drop(now time.Time) Outcome {
	out := Outcome{Queue: q}
	if e := q.Named.Execution; e.Number != 0 {
		out.step(e, Execution{}, Change{Kind: Delete, Actor: ActorService}, now)
	}
	return out
}

// Emptied is what devices hear when all of a thing's queue goes at once. What a
// job's flag or the clock has overtaken counts as if it had been seen until now.
func (q Queue) Emptied(thing int64, n Namespace, now time.Time) []Effect {
	seen := func(e Entry) bool { return e.Job.Status != JobScheduled }
	if !slices.ContainsFunc(q.Pending, seen) {
		return nil
	}
	return []Effect{{ThingKey: thing, Namespace: n, Notify: true, Next: n == "", At: now}}
}

// Enqueue adds a new execution to the queue, behind all of its time: the store
// numbers it (Seq) when it is written. previous is the thing's attempt of
// the same job before it, with Number 0 if there is none.
func (q Queue) Enqueue(e Entry, now time.Time) Outcome {
	e.Seq = math.MaxInt64 // the last of its instant until the store has numbered it
	e.FinishedBefore = q.Named.Latest()
	out := Outcome{Queue: q}
	out.Queue.Previous, out.Queue.Named, out.Queue.Newer, out.Queue.Superseded = q.Named, e, Entry{}, false
	out.step(Execution{}, e.Execution, Change{Kind: Enqueue, Actor: ActorService}, now)
	return out
}

// step records a move of the named execution and the effects it has: the
// difference of the two queues. This is the only place that knows when devices
// are told.
func (o *Outcome) step(before, after Execution, c Change, now time.Time) {
	namespace := o.Queue.Named.Job.Namespace
	o.Moves = append(o.Moves, Move{
		Before: before, After: after, Namespace: namespace, Kind: c.Kind, Actor: c.Actor,
		Tally: Delta(o.Queue.Newer.Execution, before, after, o.Queue.Previous.Execution, o.Queue.Superseded),
	})
	oldHead, _ := headCounting(o.Queue, before, now)
	o.Queue = o.Queue.replace(before, after)
	newHead, _ := Head(o.Queue, now)

	was := before.Number != 0 && before.Status.Pending()
	is := after.Number != 0 && after.Status.Pending()
	if was && is && before.Status == after.Status {
		return // it keeps its place, also in a queue that was not read (store.QueueUnlessStarted)
	}
	notify := was != is
	next := namespace == "" && (oldHead.JobID != newHead.JobID || oldHead.Number != newHead.Number)
	if !notify && !next {
		return
	}
	thing := cmp.Or(after.ThingKey, before.ThingKey)
	o.Effects = append(o.Effects, Effect{
		ThingKey: thing, Namespace: namespace, Notify: notify, Next: next, After: o.Queue, At: now,
	})
}

// headCounting is the head that devices were last told of: a row that is only
// now being swept counts as it was stored.
func headCounting(q Queue, row Execution, now time.Time) (Execution, bool) {
	for i := range q.Pending {
		e := &q.Pending[i]
		if e.JobKey == row.JobKey && e.Number == row.Number {
			if row.Status.Pending() {
				return row, true
			}
			continue
		}
		if seen, ok := visible(e, now); ok {
			return seen, true
		}
	}
	return Execution{}, false
}

// replace gives the queue with the named execution moved from before to after.
func (q Queue) replace(before, after Execution) Queue {
	job := q.Named.Job
	pending := make([]Entry, 0, len(q.Pending)+1)
	for _, e := range q.Pending {
		if before.Number == 0 || e.JobKey != before.JobKey || e.Number != before.Number {
			pending = append(pending, e)
		}
	}
	if after.Number != 0 && after.Status.Pending() {
		at, _ := slices.BinarySearchFunc(pending, after, func(e Entry, x Execution) int { return compare(e.Execution, x) })
		pending = slices.Insert(pending, at, Entry{after, job})
	}
	q.Pending = pending
	q.Named = Entry{after, job}
	return q
}

package main

import (
	"encoding/json"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

// The read turn: six statements, one flush. What follows the lock is read by
// later statements of READ COMMITTED, so it has all that the holder before us
// committed.
const (
	sqlLock = `SELECT key, name FROM thing WHERE name = ANY($1::text[]) AND deleted = 0 ORDER BY key FOR UPDATE`
	sqlXID  = `SELECT pg_current_xact_id()::text`
	sqlSeqs = `SELECT nextval('event_seq') FROM generate_series(1, $1::int)`

	columns = `e.thing, e.job, e.number, e.seq, e.status, e.version, e.queued, e.started, e.last_updated,
 e.in_progress_deadline, e.step_deadline, e.force_canceled, e.retry, e.last_event, e.details,
 j.id, j.status, j.force_canceled, j.changed, j.in_progress_minutes`

	// The attempts that were asked for: at most lim of them, from number upto down.
	sqlAttempts = `SELECT ` + columns + `
 FROM unnest($1::text[], $2::text[], $3::bigint[], $4::int[]) AS a(thing, job, upto, lim)
 JOIN thing t ON t.name = a.thing AND t.deleted = 0
 JOIN job j ON j.id = a.job
 CROSS JOIN LATERAL (SELECT * FROM execution x WHERE x.thing = t.key AND x.job = j.key AND x.number <= a.upto
  ORDER BY x.number DESC LIMIT a.lim) e`

	// The first lim rows of each queue; none where the one execution that is
	// asked for is the newest of its job, or has the number, and is IN_PROGRESS.
	sqlPending = `SELECT ` + columns + `
 FROM unnest($1::text[], $2::int[], $3::text[], $4::bigint[]) AS a(thing, lim, unless_job, unless_number)
 JOIN thing t ON t.name = a.thing AND t.deleted = 0
 CROSS JOIN LATERAL (SELECT * FROM pending q WHERE q.thing = t.key ORDER BY q.rank, q.queued, q.seq LIMIT a.lim) p
 JOIN execution e ON e.thing = p.thing AND e.job = p.job AND e.number = p.number
 JOIN job j ON j.key = e.job
 WHERE a.unless_job = '' OR NOT EXISTS (
  SELECT FROM job uj JOIN LATERAL (SELECT status FROM execution x WHERE x.thing = t.key AND x.job = uj.key
   AND (a.unless_number = 0 OR x.number = a.unless_number) ORDER BY x.number DESC LIMIT 1) u ON u.status = 2
  WHERE uj.id = a.unless_job)
 ORDER BY p.thing, p.rank, p.queued, p.seq`
)

type (
	attemptsKey struct{ thing, job int64 }
	rowKey      struct{ thing, job, number int64 }
)

func keyOf(e job.Execution) rowKey { return rowKey{e.ThingKey, e.JobKey, e.Number} }

// queue is the head of a thing's queue, as far as it was read.
type queue struct {
	rows     []job.Execution
	complete bool
}

// working is what a batch knows: what was read, overlaid with the changes of
// the decisions that ran. Later decisions see it.
type working struct {
	visible  int
	xid      string
	things   map[registry.Name]int64
	states   map[int64]job.State
	jobs     map[job.ID]int64
	attempts map[attemptsKey][]job.Execution // newest first, enough for every decision that names them
	queues   map[int64]*queue
	moved    map[rowKey]job.Execution // what the decisions so far have made of rows
	limits   map[registry.Name]int
	events   []int64 // sequence numbers, reserved under the locks
}

// read queues the statements of the read turn and says how their rows become a
// working set. Limits grow with the number of decisions on the same thing: each
// may take a row away that a later one would have had to look behind.
func read(b *pgx.Batch, tasks []*task, visible int, lock string) *working {
	w := &working{
		visible: visible, things: map[registry.Name]int64{}, states: map[int64]job.State{}, jobs: map[job.ID]int64{},
		attempts: map[attemptsKey][]job.Execution{}, queues: map[int64]*queue{}, limits: map[registry.Name]int{}, moved: map[rowKey]job.Execution{},
	}
	type ask struct {
		thing registry.Name
		job   job.ID
		upto  int64
	}
	onThing, names := map[registry.Name]int{}, map[ask]int{}
	for _, t := range tasks {
		onThing[t.keys.Thing]++
		if t.keys.Job != "" {
			names[ask{t.keys.Thing, t.keys.Job, math.MaxInt64}]++
			if t.keys.Number != 0 {
				names[ask{t.keys.Thing, t.keys.Job, t.keys.Number}]++
			}
		}
	}
	var locked, aThing, aJob, pThing, pJob []string
	var aUpto, pNumber []int64
	var aLimit, pLimit []int32
	for name := range onThing {
		locked = append(locked, string(name))
	}
	for a, n := range names {
		aThing, aJob = append(aThing, string(a.thing)), append(aJob, string(a.job))
		aUpto, aLimit = append(aUpto, a.upto), append(aLimit, int32(1+n))
	}
	for _, t := range tasks {
		k := t.keys
		if _, again := w.limits[k.Thing]; again || k.Queue == store.NoQueue {
			continue
		}
		limit := math.MaxInt32
		if visible > 0 {
			limit = visible + onThing[k.Thing] + slack
		}
		w.limits[k.Thing] = limit
		pThing, pLimit = append(pThing, string(k.Thing)), append(pLimit, int32(limit))
		if k.Queue == store.QueueUnlessStarted && onThing[k.Thing] == 1 {
			pJob, pNumber = append(pJob, string(k.Job)), append(pNumber, k.Number)
		} else {
			pJob, pNumber = append(pJob, ""), append(pNumber, 0)
		}
	}
	b.Queue("BEGIN")
	b.Queue(lock, locked).Query(func(rows pgx.Rows) error {
		var key int64
		var name string
		_, err := pgx.ForEachRow(rows, []any{&key, &name}, func() error { w.things[registry.Name(name)] = key; return nil })
		return err
	})
	b.Queue(sqlXID).QueryRow(func(row pgx.Row) error { return row.Scan(&w.xid) })
	b.Queue(sqlSeqs, 2*len(tasks)).Query(func(rows pgx.Rows) error {
		var seq int64
		_, err := pgx.ForEachRow(rows, []any{&seq}, func() error { w.events = append(w.events, seq); return nil })
		return err
	})
	b.Queue(sqlAttempts, aThing, aJob, aUpto, aLimit).Query(func(rows pgx.Rows) error {
		return w.scan(rows, func(e job.Execution) {
			list := w.attempts[attemptsKey{e.ThingKey, e.JobKey}]
			at, found := slices.BinarySearchFunc(list, e.Number, func(x job.Execution, n int64) int { return int(n - x.Number) })
			if !found {
				w.attempts[attemptsKey{e.ThingKey, e.JobKey}] = slices.Insert(list, at, e)
			}
		})
	})
	b.Queue(sqlPending, pThing, pLimit, pJob, pNumber).Query(w.scanPending)
	return w
}

// slack is how many hidden rows (of cancelled or scheduled jobs) a queue may
// hold before its visible ones without costing a turn more.
const slack = 8

func (w *working) scanPending(rows pgx.Rows) error {
	read := map[int64][]job.Execution{}
	err := w.scan(rows, func(e job.Execution) { read[e.ThingKey] = append(read[e.ThingKey], e) })
	for name, limit := range w.limits {
		if key := w.things[name]; key != 0 {
			w.queues[key] = &queue{rows: read[key], complete: len(read[key]) < limit}
		}
	}
	return err
}

func (w *working) scan(rows pgx.Rows, yield func(job.Execution)) error {
	for rows.Next() {
		var e job.Execution
		var st job.State
		var status, jobStatus int16
		var queued, started, updated, inProgress, step, changed int64
		var id string
		var details *string
		if err := rows.Scan(&e.ThingKey, &e.JobKey, &e.Number, &e.Seq, &status, &e.Version, &queued, &started, &updated,
			&inProgress, &step, &e.ForceCanceled, &e.RetryAttempt, &e.LastEvent, &details,
			&id, &jobStatus, &st.ForceCanceled, &changed, &st.InProgressMinutes); err != nil {
			return err
		}
		e.JobID, e.Status = job.ID(id), job.Status(status)
		e.QueuedAt, e.StartedAt, e.LastUpdatedAt = instant(queued), instant(started), instant(updated)
		e.InProgressDeadline, e.StepDeadline = instant(inProgress), instant(step)
		if details != nil {
			if err := json.Unmarshal([]byte(*details), &e.Details); err != nil {
				return err
			}
		}
		st.Key, st.ID, st.Status, st.ChangedAt = e.JobKey, e.JobID, job.JobStatus(jobStatus), instant(changed)
		w.states[st.Key], w.jobs[st.ID] = st, st.Key // the latest reading counts, for the whole batch
		yield(e)
	}
	return rows.Err()
}

// snapshot is what a decision sees. short says that so many hidden rows came
// before the visible ones that more of the queue must be read: one turn more.
func (w *working) snapshot(k store.Keys, now time.Time) (snap store.Snapshot, short bool) {
	if snap.ThingKey = w.things[k.Thing]; snap.ThingKey == 0 {
		return snap, false
	}
	q := &snap.Queue
	list := w.attempts[attemptsKey{snap.ThingKey, w.jobs[k.Job]}]
	for i, e := range list {
		if k.Job == "" || k.Number != 0 && e.Number != k.Number {
			continue
		}
		q.Named = w.entry(e)
		if i+1 < len(list) {
			q.Previous = w.entry(list[i+1])
		}
		if i > 0 {
			q.Newer = w.entry(list[0])
		}
		break
	}
	started := q.Named.Number != 0 && q.Named.Status == job.InProgress
	if k.Queue == store.NoQueue || k.Queue == store.QueueUnlessStarted && started {
		return snap, false
	}
	snap.HasQueue = true
	read, seen := w.queues[snap.ThingKey], 0
	for _, e := range read.rows {
		entry := w.entry(e)
		q.Pending = append(q.Pending, entry)
		if job.Seen(entry, now) {
			if seen++; w.visible > 0 && seen == w.visible+1 {
				return snap, false
			}
		}
	}
	return snap, !read.complete
}

func (w *working) entry(e job.Execution) job.Entry {
	return job.Entry{Execution: e, Job: w.states[e.JobKey]}
}

// move overlays one step. A row that would come behind what was read of an
// incomplete queue is left out, for rows that were not read may come before it.
func (w *working) move(before, after job.Execution) {
	w.moved[keyOf(before)] = after
	list := w.attempts[attemptsKey{before.ThingKey, before.JobKey}]
	if at := slices.IndexFunc(list, func(e job.Execution) bool { return e.Number == before.Number }); at >= 0 {
		list[at] = after
	}
	q := w.queues[before.ThingKey]
	if q == nil {
		return
	}
	q.rows = slices.DeleteFunc(q.rows, func(e job.Execution) bool { return keyOf(e) == keyOf(before) })
	if !after.Status.Pending() {
		return
	}
	at := 0
	for at < len(q.rows) && job.Less(q.rows[at], after) {
		at++
	}
	if at < len(q.rows) || q.complete {
		q.rows = slices.Insert(q.rows, at, after)
	}
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

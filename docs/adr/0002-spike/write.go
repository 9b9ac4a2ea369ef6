package main

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/store"
)

// The write turn: what the whole batch changed, in at most seven statements and
// one flush, COMMIT included.
const (
	sqlEvents = `INSERT INTO event (seq, previous, at, thing, job, number, kind, status, version, details, actor)
 SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::smallint[], $8::smallint[], $9::bigint[], $10::text[], $11::text[])`
	sqlExecutions = `UPDATE execution e SET status = u.status, version = u.version, started = u.started, last_updated = u.updated,
 in_progress_deadline = u.in_progress, step_deadline = u.step, due = nullif(u.due, 0), force_canceled = u.force, last_event = u.event, details = u.details
 FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::smallint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::boolean[], $12::bigint[], $13::text[])
  AS u(thing, job, number, status, version, started, updated, in_progress, step, due, force, event, details)
 WHERE e.thing = u.thing AND e.job = u.job AND e.number = u.number`
	sqlUnqueue = `DELETE FROM pending p USING unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::bigint[]) AS u(thing, rank, queued, seq)
 WHERE p.thing = u.thing AND p.rank = u.rank AND p.queued = u.queued AND p.seq = u.seq`
	sqlQueue = `INSERT INTO pending (thing, rank, queued, seq, job, number)
 SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])`
	// Rows are locked in the order of the arrays, which is that of the jobs.
	sqlTally = `INSERT INTO tally (job, slot, things, finished)
 SELECT u.job, $2::smallint, u.things::bigint[], u.finished::bigint[] FROM unnest($1::bigint[], $3::text[], $4::text[]) AS u(job, things, finished)
 ON CONFLICT (job, slot) DO UPDATE SET things = plus(tally.things, excluded.things), finished = plus(tally.finished, excluded.finished)`
	// DO UPDATE, not DO NOTHING: a consumer that deletes the row must wait for
	// this commit, and so read its counters, or find the row again.
	sqlDue = `INSERT INTO job_due (job, slot, at) SELECT u.job, $2::smallint, 1 FROM unnest($1::bigint[]) AS u(job)
 ON CONFLICT (job, slot) DO UPDATE SET at = 1`
)

// changes is what the decisions of a batch add up to.
type changes struct {
	working *working
	events  []job.Event
	first   map[rowKey]job.Execution // as it was stored
	last    map[rowKey]job.Execution // as it will be
	order   []rowKey
	tallies map[int64]job.Tally
}

func newChanges(w *working) *changes {
	return &changes{working: w, first: map[rowKey]job.Execution{}, last: map[rowKey]job.Execution{}, tallies: map[int64]job.Tally{}}
}

var (
	errMove      = errors.New("the spike moves executions that exist")
	errSequences = errors.New("the reserved event numbers are used up")
)

// add takes what one decision returned. Nothing is kept of a decision that
// cannot be taken whole.
func (c *changes) add(ch store.Changes) error {
	if len(c.events)+len(ch.Moves) > len(c.working.events) {
		return errSequences
	}
	for _, m := range ch.Moves {
		if m.Before.Number == 0 || m.After.Number == 0 {
			return errMove
		}
	}
	for _, m := range ch.Moves {
		key := keyOf(m.Before)
		if before, again := c.last[key]; again {
			m.Before.LastEvent = before.LastEvent
		} else {
			c.first[key] = m.Before
			c.order = append(c.order, key)
		}
		ev := m.Event(ch.At)
		ev.Seq = c.working.events[len(c.events)]
		m.After.LastEvent = ev.Seq
		c.events = append(c.events, ev)
		c.last[key] = m.After
		if !m.Tally.Zero() {
			c.tallies[ev.JobKey] = c.tallies[ev.JobKey].Plus(m.Tally)
		}
		c.working.move(m.Before, m.After)
	}
	return nil
}

// queue puts the write turn into b.
func (c *changes) queue(b *pgx.Batch, p *pg) error {
	if len(c.events) > 0 {
		if err := c.queueRows(b, p); err != nil {
			return err
		}
	}
	if len(c.tallies) > 0 {
		c.queueTallies(b, p.slot, p.shuffle)
	}
	b.Queue("COMMIT")
	return nil
}

func (c *changes) queueRows(b *pgx.Batch, p *pg) error {
	var ev [9][]int64 // seq, previous, at, thing, job, number, kind, status, version
	var evDetails []*string
	var actors []string
	for _, e := range c.events {
		for i, v := range [...]int64{e.Seq, e.Previous, millis(e.At), e.ThingKey, e.JobKey, e.Number, int64(e.Kind), int64(e.Status), e.Version} {
			ev[i] = append(ev[i], v)
		}
		d, err := details(e.Details)
		if err != nil {
			return err
		}
		evDetails, actors = append(evDetails, d), append(actors, e.Actor)
	}
	b.Queue(sqlEvents, ev[0], ev[1], ev[2], ev[3], ev[4], ev[5], small(ev[6]), small(ev[7]), ev[8], evDetails, actors)

	var ex [11][]int64 // thing, job, number, status, version, started, updated, in progress, step, due, event
	var force []bool
	var exDetails []*string
	var gone, come [6][]int64 // thing, rank, queued, seq, job, number
	for _, key := range c.order {
		was, is := c.first[key], c.last[key]
		for i, v := range [...]int64{
			is.ThingKey, is.JobKey, is.Number, int64(is.Status), is.Version, millis(is.StartedAt), millis(is.LastUpdatedAt),
			millis(is.InProgressDeadline), millis(is.StepDeadline), millis(is.Due()), is.LastEvent,
		} {
			ex[i] = append(ex[i], v)
		}
		d, err := details(is.Details)
		if err != nil {
			return err
		}
		force, exDetails = append(force, is.ForceCanceled), append(exDetails, d)
		if was.Status == is.Status {
			continue
		}
		if was.Status.Pending() {
			place(&gone, was)
		}
		if is.Status.Pending() {
			place(&come, is)
		}
	}
	want := int64(len(c.order))
	b.Queue(sqlExecutions, ex[0], ex[1], ex[2], small(ex[3]), ex[4], ex[5], ex[6], ex[7], ex[8], ex[9], force, ex[10], exDetails).
		Exec(p.affects(want))
	if n := int64(len(gone[0])); n > 0 {
		b.Queue(sqlUnqueue, gone[0], small(gone[1]), gone[2], gone[3]).Exec(p.affects(n))
	}
	if len(come[0]) > 0 {
		b.Queue(sqlQueue, come[0], small(come[1]), come[2], come[3], come[4], come[5])
	}
	return nil
}

func (c *changes) queueTallies(b *pgx.Batch, slot int, shuffle bool) {
	var jobs []int64
	for key := range c.tallies { // in the random order of a Go map: what the control run keeps
		jobs = append(jobs, key)
	}
	if !shuffle {
		slices.Sort(jobs)
	}
	var things, finished []string
	for _, key := range jobs {
		t := c.tallies[key]
		things, finished = append(things, array(t.Things[:])), append(finished, array(t.Finished[:]))
	}
	b.Queue(sqlTally, jobs, slot, things, finished)
	b.Queue(sqlDue, jobs, slot)
}

// affects counts the statements that did not find what was locked and read a
// moment ago: with the lock there are none, and the control run shows that
// without it there are.
func (p *pg) affects(want int64) func(pgconn.CommandTag) error {
	return func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() != want {
			p.broken++
		}
		return nil
	}
}

func place(into *[6][]int64, e job.Execution) {
	rank := int64(1)
	if e.Status == job.InProgress {
		rank = 0
	}
	for i, v := range [...]int64{e.ThingKey, rank, millis(e.QueuedAt), e.Seq, e.JobKey, e.Number} {
		into[i] = append(into[i], v)
	}
}

func small(v []int64) []int16 {
	s := make([]int16, len(v))
	for i := range v {
		s[i] = int16(v[i])
	}
	return s
}

func array(v []int64) string {
	text, _ := json.Marshal(v) // numbers always have a form
	return "{" + string(text[1:len(text)-1]) + "}"
}

func details(d job.Details) (*string, error) {
	if len(d) == 0 {
		return nil, nil
	}
	b, err := json.Marshal(d)
	s := string(b)
	return &s, err
}

// now is the domain time of the spike, to the millisecond that is stored.
func now() time.Time { return time.Now().Truncate(time.Millisecond) }

package sqlite

import (
	"errors"

	zs "zombiezen.com/go/sqlite"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/store"
)

const (
	sqlInsertExecution = `INSERT INTO execution (status, version, started, last_updated, in_progress_deadline, step_deadline,
 force_canceled, last_event, details, due, thing, job, number, seq, queued, retry, retries_failed, finished_before) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`
	// A report that leaves the timers alone must not touch their index.
	sqlReportExecution = `UPDATE execution SET status=?, version=?, started=?, last_updated=?, in_progress_deadline=?, step_deadline=?,
 force_canceled=?, last_event=?, details=? WHERE thing=? AND job=? AND number=?`
	sqlMoveExecution = `UPDATE execution SET status=?, version=?, started=?, last_updated=?, in_progress_deadline=?, step_deadline=?,
 force_canceled=?, last_event=?, details=?, due=? WHERE thing=? AND job=? AND number=?`
	sqlDeleteExecution = `DELETE FROM execution WHERE thing=? AND job=? AND number=?`
	sqlRelink          = `UPDATE execution SET finished_before = ?1 WHERE thing = ?2 AND job = ?3 AND number > ?4 AND number <= coalesce(
 (SELECT min(e.number) FROM execution e WHERE e.thing = ?2 AND e.job = ?3 AND e.number > ?4 AND e.status BETWEEN 3 AND 6), 9223372036854775807)`
	sqlInsertPending = `INSERT INTO pending (thing, rank, queued, seq, namespace, job, number) VALUES (?,?,?,?,?,?,?)`
	sqlDeletePending = `DELETE FROM pending WHERE thing=? AND rank=? AND queued=? AND seq=? AND namespace=?`
	sqlInsertEvent   = `INSERT INTO event (seq, previous, at, thing, job, number, kind, status, version, details, actor) VALUES (?,?,?,?,?,?,?,?,?,?,?)`
	sqlInsertEffect  = `INSERT INTO effect (thing, notify, next, namespace) VALUES (?,?,?,?)`
)

// Write applies what a decision returned: rows, history, counters, effects, events.
func (t *tx) Write(ch store.Changes) error {
	if t.b == nil {
		return errors.New("sqlite: Write needs an Update")
	}
	for i := range ch.Moves {
		if err := t.move(&ch.Moves[i], ch); err != nil {
			return err
		}
	}
	for i := range ch.Effects {
		e := &ch.Effects[i]
		if e.Durable {
			if _, err := t.c.exec(sqlInsertEffect, e.Thing, e.Notify, e.Next, string(e.Namespace)); err != nil {
				return err
			}
			e.Row = t.c.lastInsertRowID()
		}
	}
	for i := range ch.Events {
		e := &ch.Events[i]
		if e.Payload != nil {
			if _, err := t.c.exec("INSERT INTO event_message (topic, body) VALUES (?, ?)", e.Topic, e.Payload); err != nil {
				return err
			}
			e.Row = t.c.lastInsertRowID()
		}
	}
	if ch.Shadow != nil {
		if err := t.putShadow(ch.Shadow, ch.Forget); err != nil {
			return err
		}
		t.b.rows++
	}
	if !ch.Wake.IsZero() {
		t.b.wake(ch.Wake)
	}
	t.b.effects = append(t.b.effects, ch.Effects...)
	t.b.events = append(t.b.events, ch.Events...)
	t.b.rows += int64(len(ch.Moves))
	return nil
}

func (t *tx) move(m *job.Move, ch store.Changes) error {
	w := t.b.w
	if m.Before.Number == 0 {
		w.queueSeq++
		m.After.Seq = w.queueSeq
	}
	w.eventSeq++
	// A second move of the same execution within one decision goes on from the
	// event of the first.
	if m.Before.Number != 0 && t.b.lastMoved == (movedKey{m.Before.ThingKey, m.Before.JobKey, m.Before.Number}) {
		m.Before.LastEvent = t.b.lastEvent
	}
	ev := m.Event(ch.At)
	m.After.LastEvent = w.eventSeq
	t.b.lastMoved = movedKey{ev.ThingKey, ev.JobKey, ev.Number}
	t.b.lastEvent = w.eventSeq

	details, err := encodeDetails(m.After.Details)
	if err != nil {
		return err
	}
	if err := t.insertEvent(ev, w.eventSeq, details); err != nil {
		return err
	}
	if err := t.putExecution(m, details); err != nil {
		return err
	}
	if err := t.putPending(m.Before, m.After, m.Namespace); err != nil {
		return err
	}
	if !m.Tally.Zero() {
		t.b.count(ev.JobKey, m.Tally)
	}
	if due := m.After.Due(); !due.IsZero() && !due.Equal(m.Before.Due()) {
		t.b.wake(due)
		if due.Before(w.earliest) {
			w.earliest = due
		}
	}
	return nil
}

func (t *tx) insertEvent(ev job.Event, seq int64, details []byte) error {
	s, err := t.c.prepare(sqlInsertEvent)
	if err != nil {
		return err
	}
	for i, v := range [...]int64{
		seq, ev.Previous, millis(ev.At), ev.ThingKey, ev.JobKey, ev.Number,
		int64(ev.Kind), int64(ev.Status), ev.Version,
	} {
		s.BindInt64(i+1, v)
	}
	bindBlob(s, 10, details)
	s.BindText(11, ev.Actor)
	return run(s)
}

func (t *tx) putExecution(m *job.Move, details []byte) error {
	a, b := &m.After, &m.Before
	if a.Number == 0 {
		s, err := t.c.prepare(sqlDeleteExecution)
		if err != nil {
			return err
		}
		bindKey(s, 1, b)
		if err := run(s); err != nil {
			return err
		}
		if err := t.relink(b); err != nil {
			return err
		}
		return t.dropTombstone(b.ThingKey)
	}
	due, sql := a.Due(), sqlReportExecution
	timed := b.Number == 0 || !due.Equal(b.Due())
	if b.Number == 0 {
		sql = sqlInsertExecution
	} else if timed {
		sql = sqlMoveExecution
	}
	s, err := t.c.prepare(sql)
	if err != nil {
		return err
	}
	for i, v := range [...]int64{
		int64(a.Status), a.Version, millis(a.StartedAt), millis(a.LastUpdatedAt),
		millis(a.InProgressDeadline), millis(a.StepDeadline), flag(a.ForceCanceled), a.LastEvent,
	} {
		s.BindInt64(i+1, v)
	}
	bindBlob(s, 9, details)
	at := 10
	if timed {
		if due.IsZero() {
			s.BindNull(at)
		} else {
			s.BindInt64(at, millis(due))
		}
		at++
	}
	bindKey(s, at, a)
	if b.Number == 0 {
		s.BindInt64(at+3, a.Seq)
		s.BindInt64(at+4, millis(a.QueuedAt))
		s.BindInt64(at+5, a.RetryAttempt)
		s.BindInt64(at+6, a.RetriesFailed)
		s.BindInt64(at+7, int64(a.FinishedBefore))
	}
	return run(s)
}

// relink tells the attempts after a finished one that was deleted which is the
// latest finished before them now: those up to the next that is finished.
func (t *tx) relink(gone *job.Execution) error {
	if !gone.Status.Finished() {
		return nil
	}
	_, err := t.c.exec(sqlRelink, int64(gone.FinishedBefore), gone.ThingKey, gone.JobKey, gone.Number)
	return err
}

// putPending keeps the queue table: a row for each stored pending execution.
func (t *tx) putPending(before, after job.Execution, namespace job.Namespace) error {
	was := before.Number != 0 && before.Status.Pending()
	is := after.Number != 0 && after.Status.Pending()
	if was == is && (!was || rank(before) == rank(after)) {
		return nil
	}
	if was {
		s, err := t.c.prepare(sqlDeletePending)
		if err != nil {
			return err
		}
		bindPlace(s, before, namespace)
		if err := run(s); err != nil {
			return err
		}
	}
	if !is {
		return nil
	}
	s, err := t.c.prepare(sqlInsertPending)
	if err != nil {
		return err
	}
	bindPlace(s, after, namespace)
	s.BindInt64(6, after.JobKey)
	s.BindInt64(7, after.Number)
	return run(s)
}

func bindPlace(s *zs.Stmt, e job.Execution, namespace job.Namespace) {
	s.BindInt64(1, e.ThingKey)
	s.BindInt64(2, rank(e))
	s.BindInt64(3, millis(e.QueuedAt))
	s.BindInt64(4, e.Seq)
	s.BindText(5, string(namespace))
}

func rank(e job.Execution) int64 {
	if e.Status == job.InProgress {
		return 0
	}
	return 1
}

func bindKey(s *zs.Stmt, at int, e *job.Execution) {
	s.BindInt64(at, e.ThingKey)
	s.BindInt64(at+1, e.JobKey)
	s.BindInt64(at+2, e.Number)
}

func bindBlob(s *zs.Stmt, at int, b []byte) {
	if b == nil {
		s.BindNull(at)
	} else {
		s.BindBytes(at, b)
	}
}

func run(s *zs.Stmt) error {
	if _, err := s.Step(); err != nil {
		return err
	}
	return s.Reset()
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

package sqlite

import (
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

// SQLite looks at the values of bare parameters when it plans an ordered query
// and then plans it anew for every value, at several times the query's own
// cost. It does not look into an expression: hence `?+0`, and for text `?||...`.
const (
	sqlThingKey = `SELECT key FROM thing WHERE name = ? AND deleted = 0`
	sqlState    = `SELECT key, ` + stateColumns + ` FROM job j WHERE `
	sqlNewest   = `SELECT ` + executionColumns + ` FROM execution e WHERE e.thing = ?+0 AND e.job = ?+0 ORDER BY e.number DESC LIMIT 2`
	sqlNumbered = `SELECT ` + executionColumns + ` FROM execution e WHERE e.thing = ?+0 AND e.job = ?+0 AND e.number <= ?+0 ORDER BY e.number DESC LIMIT 2`
	sqlFinished = `SELECT 1 FROM execution e WHERE e.thing = ?+0 AND e.job = ?+0 AND e.number > ?+0 AND e.status BETWEEN 3 AND 6 LIMIT 1`
	sqlPending  = `SELECT ` + executionColumns + ` FROM pending p CROSS JOIN execution e ON e.thing = p.thing AND e.job = p.job AND e.number = p.number
 WHERE p.thing = ?+0 AND p.namespace = ?||'' ORDER BY p.rank, p.queued, p.seq`
)

// Snapshot reads what a decision must see: the thing, the named execution with
// its neighbours, and the pending rows of the namespace until one more than the
// visible limit are seen.
func (t *tx) Snapshot(k store.Keys) (snap store.Snapshot, err error) {
	snap.At = t.now()
	if snap.ThingKey = k.ThingKey; snap.ThingKey == 0 {
		if snap.ThingKey, err = t.thingKey(k.Thing); err != nil || snap.ThingKey == 0 {
			return snap, err
		}
	}
	namespace := k.Namespace
	if k.Job != "" {
		state, found, err := t.stateByID(k.Job)
		if err != nil {
			return snap, err
		}
		if found {
			namespace = state.Namespace
			if err := t.readNamed(&snap, k, state); err != nil {
				return snap, err
			}
		}
	}
	if k.Shadow != nil {
		if snap.Shadow, err = t.readShadow(snap.ThingKey, *k.Shadow); err != nil {
			return snap, err
		}
		if snap.Shadow.Document == nil && *k.Shadow != "" {
			if snap.Named, err = t.countShadows(snap.ThingKey); err != nil {
				return snap, err
			}
		}
	}
	snap.HasQueue = k.Queue == store.WholeQueue || k.Queue == store.QueueUnlessStarted && !runs(snap.Queue.Named, snap.At)
	if !snap.HasQueue && k.Queue != store.NoQueue {
		if snap.HasQueue, err = t.late(snap.At); err != nil {
			return snap, err
		}
	}
	if snap.HasQueue {
		snap.Queue.Pending, err = t.readPending(snap.ThingKey, namespace, snap.At)
	}
	return snap, err
}

// runs says that an execution is IN_PROGRESS, and as it is stored.
func runs(e job.Entry, now time.Time) bool {
	seen, ok := job.Effective(e.Execution, e.Job, now)
	return ok && e.Number != 0 && e.Status == job.InProgress && seen.Version == e.Version
}

// late says whether any timer has run out. The writer asks the table only when the
// earliest that it knows of has.
func (t *tx) late(now time.Time) (bool, error) {
	if t.b != nil && now.Before(t.b.w.earliest) {
		return false, nil
	}
	next, err := t.NextTimer()
	if err != nil || next.IsZero() {
		next = now.Add(time.Minute) // no timer is shorter
	}
	if t.b != nil {
		t.b.w.earliest = next
	}
	return !next.After(now), err
}

// thingKey is a living thing's key, 0 if there is none of this name.
func (t *tx) thingKey(name registry.Name) (key int64, err error) {
	if t.b != nil {
		if key, ok := t.b.w.things[name]; ok {
			return key, nil
		}
	}
	s, err := t.c.prepare(sqlThingKey)
	if err != nil {
		return 0, err
	}
	s.BindText(1, string(name))
	found, err := s.Step()
	if err != nil || !found {
		return 0, err
	}
	key = s.ColumnInt64(0)
	if t.b != nil {
		t.b.w.rememberThing(name, key)
	}
	return key, s.Reset()
}

func (t *tx) readNamed(snap *store.Snapshot, k store.Keys, state job.State) error {
	q := &snap.Queue
	sql := sqlNewest
	if k.Number != 0 {
		sql = sqlNumbered
	}
	s, err := t.c.prepare(sql)
	if err != nil {
		return err
	}
	s.BindInt64(1, snap.ThingKey)
	s.BindInt64(2, state.Key)
	if k.Number != 0 {
		s.BindInt64(3, k.Number)
	}
	for _, into := range []*job.Entry{&q.Named, &q.Previous} {
		found, err := s.Step()
		if err != nil {
			return err
		}
		if !found {
			break
		}
		if into.Execution, err = scanExecution(s, 0); err != nil {
			return err
		}
		into.JobID, into.Job = state.ID, state
		if into == &q.Named && k.Number != 0 && q.Named.Number != k.Number {
			q.Named = job.Entry{} // the number asked for is not there
			break
		}
	}
	if err := s.Reset(); err != nil || k.Number == 0 || q.Named.Number == 0 {
		return err
	}
	return t.readNewer(snap, state)
}

// readNewer fills Queue.Newer when an older attempt was asked for.
func (t *tx) readNewer(snap *store.Snapshot, state job.State) error {
	s, err := t.c.prepare(sqlNewest)
	if err != nil {
		return err
	}
	s.BindInt64(1, snap.ThingKey)
	s.BindInt64(2, state.Key)
	found, err := s.Step()
	if err != nil || !found {
		return err
	}
	newest, err := scanExecution(s, 0)
	if err != nil {
		return err
	}
	if err := s.Reset(); err != nil || newest.Number == snap.Queue.Named.Number {
		return err
	}
	newest.JobID = state.ID
	snap.Queue.Newer = job.Entry{Execution: newest, Job: state}
	snap.Queue.Superseded, err = t.exists(sqlFinished, snap.ThingKey, state.Key, snap.Queue.Named.Number)
	return err
}

func (t *tx) readPending(thing int64, namespace job.Namespace, now time.Time) (pending []job.Entry, err error) {
	s, err := t.c.prepare(sqlPending)
	if err != nil {
		return nil, err
	}
	s.BindInt64(1, thing)
	s.BindText(2, string(namespace))
	seen, want := 0, t.s.cfg.Visible+1
	for {
		found, err := s.Step()
		if err != nil {
			return nil, err
		}
		if !found {
			return pending, s.Reset()
		}
		e, err := scanExecution(s, 0)
		if err != nil {
			return nil, err
		}
		state, err := t.state(e.JobKey)
		if err != nil {
			return nil, err
		}
		e.JobID = state.ID
		entry := job.Entry{Execution: e, Job: state}
		pending = append(pending, entry)
		if t.s.cfg.Visible > 0 && job.Seen(entry, now) {
			if seen++; seen == want {
				return pending, s.Reset()
			}
		}
	}
}

// state is the flag of a job, by key.
func (t *tx) state(key int64) (job.State, error) {
	if t.b != nil {
		if st, ok := t.b.w.states[key]; ok {
			return st, nil
		}
	}
	st, found, err := t.readState("key = ?", key)
	if err == nil && !found {
		err = store.ErrNotFound
	}
	return st, err
}

// stateByID is the flag of a job, by its id.
func (t *tx) stateByID(id job.ID) (job.State, bool, error) {
	if t.b != nil {
		if key, ok := t.b.w.jobs[id]; ok {
			return t.b.w.states[key], true, nil
		}
	}
	return t.readState("id = ?", string(id))
}

func (t *tx) readState(where string, arg any) (st job.State, found bool, err error) {
	err = t.c.query(sqlState+where, []any{arg}, func(r *row) error {
		found = true
		st = scanStateOf(r, r.int(0), 1)
		return nil
	})
	if found && t.b != nil {
		t.b.w.rememberState(st)
	}
	return st, found, err
}

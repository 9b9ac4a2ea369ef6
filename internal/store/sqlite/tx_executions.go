package sqlite

import (
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

// listed says whether a row, as it is to be seen at f.Now, is wanted.
func listed(f store.ExecutionFilter, e job.Execution, s job.State) bool {
	if f.Status == 0 {
		return true
	}
	seen, ok := job.Effective(e, s, f.Now)
	return ok && seen.Status == f.Status
}

func (t *tx) ExecutionsForJob(jobKey int64, f store.ExecutionFilter, p store.Page) (rows []store.Row, next string, err error) {
	after, err := numbers(p.After, 0, 0)
	if err != nil {
		return nil, "", err
	}
	state, err := t.state(jobKey)
	if err != nil {
		return nil, "", err
	}
	pg := pager{limit: p.Limit}
	err = t.paged("SELECT "+executionColumns+`, n.name FROM execution e CROSS JOIN thing n ON n.key = e.thing
		WHERE e.job = ? AND e.thing >= ? AND (e.thing > ? OR e.number < ?) ORDER BY e.thing, e.number DESC LIMIT ?+0`,
		[]any{jobKey, after[0], after[0], after[1], pg.rows(f.Status != 0)}, func(r *row) error {
			e, err := scanExecution(r.s, 0)
			if err != nil {
				return err
			}
			e.JobID = state.ID
			keep, err := pg.take(cursor(e.ThingKey, e.Number), listed(f, e, state))
			if keep {
				rows = append(rows, store.Row{Entry: job.Entry{Execution: e, Job: state}, Thing: registry.Name(r.text(executionWidth))})
			}
			return err
		})
	return rows, pg.next, err
}

const stateColumns = "j.id, j.status, j.force_canceled, j.changed, j.in_progress_minutes, j.namespace, j.retry_failed, j.retry_timed_out, j.retry_both"

// stateWidth is how many columns stateColumns has.
const stateWidth = 9

func scanStateOf(r *row, key int64, at int) job.State {
	return job.State{
		Key: key, ID: job.ID(r.text(at)), Status: job.JobStatus(r.int(at + 1)), ForceCanceled: r.bool(at + 2),
		ChangedAt: instant(r.int(at + 3)), InProgressMinutes: r.int(at + 4), Namespace: job.Namespace(r.text(at + 5)),
		Retries: job.Budget{Failed: r.int(at + 6), TimedOut: r.int(at + 7), Both: r.int(at + 8)},
	}
}

func (t *tx) ExecutionsForThing(thing int64, f store.ExecutionFilter, p store.Page) (rows []store.Row, next string, err error) {
	before, err := numbers(p.After, 1<<62)
	if err != nil {
		return nil, "", err
	}
	var name registry.Name
	err = t.one("SELECT name FROM thing WHERE key = ?", []any{thing}, func(r *row) error { name = registry.Name(r.text(0)); return nil })
	if err != nil {
		return nil, "", err
	}
	pg := pager{limit: p.Limit}
	filtered := f.Status != 0 || f.Namespace != ""
	sql, args := "SELECT "+executionColumns+", "+stateColumns+` FROM execution e CROSS JOIN job j ON j.key = e.job
		WHERE e.thing = ? AND e.seq < ? ORDER BY e.seq DESC LIMIT ?+0`, []any{thing, before[0], pg.rows(filtered)}
	if f.Job != "" {
		// Of one job a thing has few attempts, and a later one has a higher
		// number and a higher sequence.
		sql = "SELECT " + executionColumns + ", " + stateColumns + ` FROM job j CROSS JOIN execution e ON e.thing = ? AND e.job = j.key
			WHERE e.seq < ? AND j.id = ? ORDER BY e.number DESC LIMIT ?+0`
		args = []any{thing, before[0], string(f.Job), pg.rows(filtered)}
	}
	err = t.paged(sql, args, func(r *row) error {
		e, err := scanExecution(r.s, 0)
		if err != nil {
			return err
		}
		state := scanStateOf(r, e.JobKey, executionWidth)
		e.JobID = state.ID
		keep, err := pg.take(cursor(e.Seq), (f.Namespace == "" || f.Namespace == state.Namespace) && listed(f, e, state))
		if keep {
			rows = append(rows, store.Row{Entry: job.Entry{Execution: e, Job: state}, Thing: name})
		}
		return err
	})
	return rows, pg.next, err
}

// PendingNamespaces jumps from one to the next, whatever waits in each.
func (t *tx) PendingNamespaces(thing int64) (all []job.Namespace, err error) {
	const first, after = "SELECT namespace FROM pending WHERE thing = ? ORDER BY namespace LIMIT 1",
		"SELECT namespace FROM pending WHERE thing = ? AND namespace > ?||'' ORDER BY namespace LIMIT 1"
	note := func(r *row) error { all = append(all, job.Namespace(r.text(0))); return nil }
	err = t.c.query(first, []any{thing}, note)
	for n := 1; err == nil && len(all) == n; n++ {
		err = t.c.query(after, []any{thing, string(all[n-1])}, note)
	}
	return all, err
}

func (t *tx) Recount(jobKey int64) (sum job.Tally, err error) {
	var thing int64
	var newer, finished bool // a newer attempt of this thing was counted, a newer finished one was
	err = t.c.query("SELECT thing, status FROM execution WHERE job = ? ORDER BY thing, number DESC", []any{jobKey}, func(r *row) error {
		if r.int(0) != thing {
			thing, newer, finished = r.int(0), false, false
		}
		s := job.Status(r.int(1))
		if !newer {
			sum.Things[s]++
			newer = true
		}
		if s.Finished() && !finished {
			sum.Finished[s]++
			finished = true
		}
		return nil
	})
	return sum, err
}

// History follows the chain of an execution's events back from its last.
func (t *tx) History(e job.Execution, yield func(job.Event) error) error {
	for seq := e.LastEvent; seq != 0; {
		var ev job.Event
		err := t.c.query(`SELECT seq, previous, at, thing, job, number, kind, status, version, details, actor FROM event WHERE seq = ?`,
			[]any{seq}, func(r *row) (err error) {
				ev = job.Event{
					Seq: r.int(0), Previous: r.int(1), At: instant(r.int(2)), ThingKey: r.int(3), JobKey: r.int(4), Number: r.int(5),
					Kind: job.Kind(r.int(6)), Status: job.Status(r.int(7)), Version: r.int(8), Actor: r.text(10),
				}
				ev.Details, err = decodeDetails(r.blob(9))
				return err
			})
		if err != nil || ev.Seq == 0 {
			return err // pruned from here on
		}
		if err := yield(ev); err != nil {
			return err
		}
		seq = ev.Previous
	}
	return nil
}

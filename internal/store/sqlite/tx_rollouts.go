package sqlite

import (
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

// expanding says whether any job's targets, or the things of a dissolved group,
// are still being walked.
func (t *tx) expanding() (bool, error) {
	open, err := t.exists("SELECT 1 FROM expansion WHERE done = 0 LIMIT 1")
	if err != nil || open {
		return open, err
	}
	return t.exists("SELECT 1 FROM retarget WHERE grp <> 0 LIMIT 1")
}

// Pin is the latest membership number.
func (t *tx) Pin() (pin int64, err error) {
	err = t.c.query("SELECT value FROM sequence WHERE name = 'membership'", nil, func(r *row) error { pin = r.int(0); return nil })
	return pin, err
}

func (t *tx) Members(group, pin, after int64, limit int) (members []store.Member, err error) {
	err = t.c.query(`SELECT m.thing, n.name FROM membership m CROSS JOIN thing n ON n.key = m.thing
		WHERE m.grp = ? AND m.thing > ? AND m.joined <= ? AND (m.left_at = 0 OR m.left_at > ?) AND n.deleted = 0
		ORDER BY m.thing LIMIT ?+0`, []any{group, after, pin, pin, limit}, func(r *row) error {
		members = append(members, store.Member{Key: r.int(0), Name: registry.Name(r.text(1))})
		return nil
	})
	return members, err
}

// WasMember looks at the groups that the thing is in or was in, which are few,
// not at those of the subtree.
func (t *tx) WasMember(group, pin, thing int64) (bool, error) {
	top, err := t.pathOf(group)
	if err != nil || top == "" {
		return false, err
	}
	return t.exists(`SELECT 1 FROM membership m CROSS JOIN group_path p ON p.grp = m.grp
		WHERE m.thing = ?1 AND m.left_at = 0 AND m.joined <= ?2 AND p.path >= ?3 AND p.path < ?4
		UNION ALL SELECT 1 FROM membership m CROSS JOIN group_path p ON p.grp = m.grp
		WHERE m.thing = ?1 AND m.left_at <> 0 AND m.left_at > ?2 AND m.joined <= ?2 AND p.path >= ?3 AND p.path < ?4 LIMIT 1`,
		thing, pin, top, beyond(top))
}

func (t *tx) Newest(jobKey, thing int64) (e job.Execution, err error) {
	err = t.c.query("SELECT "+executionColumns+" FROM execution e WHERE e.thing = ? AND e.job = ? ORDER BY e.number DESC LIMIT 1",
		[]any{thing, jobKey}, func(r *row) (err error) { e, err = scanExecution(r.s, 0); return err })
	return e, err
}

func (t *tx) LastQueued() (seq int64, err error) {
	if t.b != nil {
		return t.b.w.queueSeq, nil // it is stored at the end of the batch
	}
	err = t.c.query("SELECT value FROM sequence WHERE name = 'queue'", nil, func(r *row) error { seq = r.int(0); return nil })
	return seq, err
}

func (t *tx) Followers(group int64) (jobs []int64, err error) {
	err = t.c.query("SELECT job FROM followed WHERE grp = ? ORDER BY job", []any{group}, func(r *row) error {
		jobs = append(jobs, r.int(0))
		return nil
	})
	return jobs, err
}

func (t *tx) AddRetarget(jobKey int64, r store.Retarget) error {
	_, err := t.c.exec(`INSERT INTO retarget (job, seq, thing, grp, joined, after_key)
		SELECT ?1, coalesce((SELECT max(seq) FROM retarget WHERE job = ?1), 0) + 1, ?2, ?3, ?4, ?5`, jobKey, r.Thing.Key, r.Group, r.Joined, r.After)
	if err != nil {
		return err
	}
	return t.SetDue(jobKey, dueNow)
}

func (t *tx) Retargets(jobKey int64, limit int) (all []store.Retarget, err error) {
	err = t.c.query(`SELECT r.seq, r.thing, coalesce(n.name, ''), r.grp, r.joined, r.after_key FROM retarget r
		LEFT JOIN thing n ON n.key = r.thing AND n.deleted = 0 WHERE r.job = ? ORDER BY r.seq LIMIT ?+0`, []any{jobKey, limit}, func(r *row) error {
		all = append(all, store.Retarget{
			Seq: r.int(0), Thing: store.Member{Key: r.int(1), Name: registry.Name(r.text(2))}, Group: r.int(3), Joined: r.bool(4), After: r.int(5),
		})
		return nil
	})
	return all, err
}

func (t *tx) PutRetarget(jobKey int64, r store.Retarget) error {
	return t.rewrite("UPDATE retarget SET after_key = ? WHERE job = ? AND seq = ?", r.After, jobKey, r.Seq)
}

func (t *tx) DropRetargets(jobKey, until int64) error {
	_, err := t.c.exec("DELETE FROM retarget WHERE job = ? AND seq <= ?", jobKey, until)
	return err
}

func (t *tx) MarkLeft(e job.Execution, left bool) error {
	return t.rewrite("UPDATE execution SET has_left = ? WHERE thing = ? AND job = ? AND number = ?", left, e.ThingKey, e.JobKey, e.Number)
}

func (t *tx) WhoLeft(jobKey, after int64, limit int) (members []store.Member, err error) {
	err = t.c.query(`SELECT e.thing, n.name FROM execution e CROSS JOIN thing n ON n.key = e.thing
		WHERE e.job = ? AND e.has_left <> 0 AND e.thing > ? AND n.deleted = 0 GROUP BY e.thing ORDER BY e.thing LIMIT ?+0`, []any{jobKey, after, limit}, func(r *row) error {
		members = append(members, store.Member{Key: r.int(0), Name: registry.Name(r.text(1))})
		return nil
	})
	return members, err
}

func (t *tx) DueTimers(now time.Time, limit int) (due []store.Due, err error) {
	err = t.c.query(`SELECT n.name, j.id, e.number, e.due FROM execution e CROSS JOIN thing n ON n.key = e.thing
		CROSS JOIN job j ON j.key = e.job WHERE e.due <= ? AND j.status <> ? AND n.deleted = 0 ORDER BY e.due LIMIT ?+0`,
		[]any{millis(now), int64(job.JobDeletionInProgress), limit}, func(r *row) error {
			due = append(due, store.Due{
				Thing: registry.Name(r.text(0)), Ref: job.Ref{Job: job.ID(r.text(1)), Number: r.int(2)}, At: instant(r.int(3)),
			})
			return nil
		})
	return due, err
}

func (t *tx) NextTimer() (at time.Time, err error) {
	err = t.c.query("SELECT due FROM execution WHERE due IS NOT NULL ORDER BY due LIMIT 1", nil,
		func(r *row) error { at = instant(r.int(0)); return nil })
	return at, err
}

func (t *tx) DueJobs(now time.Time, limit int) (keys []int64, err error) {
	err = t.c.query("SELECT job FROM job_due WHERE at <= ? ORDER BY at, job LIMIT ?+0", []any{millis(now), limit},
		func(r *row) error { keys = append(keys, r.int(0)); return nil })
	return keys, err
}

func (t *tx) NextJob() (at time.Time, err error) {
	err = t.c.query("SELECT at FROM job_due ORDER BY at LIMIT 1", nil, func(r *row) error { at = instant(r.int(0)); return nil })
	return at, err
}

func (t *tx) SetDue(jobKey int64, at time.Time) error {
	if at.IsZero() {
		_, err := t.c.exec("DELETE FROM job_due WHERE job = ?", jobKey)
		return err
	}
	_, err := t.c.exec("INSERT INTO job_due (job, at) VALUES (?, ?) ON CONFLICT (job) DO UPDATE SET at = excluded.at", jobKey, millis(at))
	t.b.wake(at)
	return err
}

// Prune takes memberships that have ended, then those of dissolved groups.
func (t *tx) Prune(limit int) (more bool, err error) {
	if walked, err := t.expanding(); err != nil || walked {
		return false, err
	}
	if limit == 0 {
		return t.exists(`SELECT 1 FROM membership WHERE left_at <> 0 UNION ALL SELECT 1 FROM dissolved LIMIT 1`)
	}
	n, err := t.pruneMemberships("left_at <> 0", limit)
	if err != nil || n == limit {
		return n == limit, err
	}
	for n < limit {
		var group int64
		if err := t.c.query("SELECT grp FROM dissolved LIMIT 1", nil, func(r *row) error { group = r.int(0); return nil }); err != nil || group == 0 {
			return false, err
		}
		of, err := t.pruneMemberships("grp = ?", limit-n, group)
		if err != nil {
			return false, err
		}
		if n += of; n < limit {
			for _, table := range []string{"dissolved", "group_path"} {
				if _, err := t.c.exec("DELETE FROM "+table+" WHERE grp = ?", group); err != nil {
					return false, err
				}
			}
		}
	}
	return true, nil
}

func (t *tx) pruneMemberships(where string, limit int, args ...any) (n int, err error) {
	var keys [][3]int64
	err = t.c.query("SELECT grp, thing, joined FROM membership WHERE "+where+" LIMIT ?+0", append(args, limit), func(r *row) error {
		keys = append(keys, [3]int64{r.int(0), r.int(1), r.int(2)})
		return nil
	})
	for _, k := range keys {
		if err == nil {
			_, err = t.c.exec("DELETE FROM membership WHERE grp = ? AND thing = ? AND joined = ?", k[0], k[1], k[2])
		}
	}
	return len(keys), err
}

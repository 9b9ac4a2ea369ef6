package sqlite

import (
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

// expanding says whether any job's targets are still being walked.
func (t *tx) expanding() (bool, error) {
	return t.exists("SELECT 1 FROM expansion WHERE done = 0 LIMIT 1")
}

// Pin is the latest membership number.
func (t *tx) Pin() (pin int64, err error) {
	err = t.c.query("SELECT value FROM sequence WHERE name = 'membership'", nil, func(r *row) error { pin = r.int(0); return nil })
	return pin, err
}

func (t *tx) Members(group, pin, after int64, limit int) (members []store.Member, err error) {
	err = t.c.query(`SELECT m.thing, n.name FROM membership m CROSS JOIN thing n ON n.key = m.thing
		WHERE m.grp = ? AND m.thing > ? AND m.joined <= ? AND (m.left_at = 0 OR m.left_at > ?) AND n.deleted = 0
		ORDER BY m.thing LIMIT ?`, []any{group, after, pin, pin, limit}, func(r *row) error {
		members = append(members, store.Member{Key: r.int(0), Name: registry.Name(r.text(1))})
		return nil
	})
	return members, err
}

func (t *tx) WasMember(group, pin, thing int64) (bool, error) {
	return t.exists(`SELECT 1 FROM membership WHERE grp = ? AND thing = ? AND joined <= ? AND (left_at = 0 OR left_at > ?) LIMIT 1`,
		group, thing, pin, pin)
}

func (t *tx) HasExecution(jobKey, thing int64) (bool, error) {
	return t.exists("SELECT 1 FROM execution WHERE thing = ? AND job = ? LIMIT 1", thing, jobKey)
}

func (t *tx) DueTimers(now time.Time, limit int) (due []store.Due, err error) {
	err = t.c.query(`SELECT n.name, j.id, e.number, e.due FROM execution e CROSS JOIN thing n ON n.key = e.thing
		CROSS JOIN job j ON j.key = e.job WHERE e.due <= ? AND j.status <> ? AND n.deleted = 0 ORDER BY e.due LIMIT ?`,
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
	err = t.c.query("SELECT job FROM job_due WHERE at <= ? ORDER BY at, job LIMIT ?", []any{millis(now), limit},
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
			if _, err := t.c.exec("DELETE FROM dissolved WHERE grp = ?", group); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

func (t *tx) pruneMemberships(where string, limit int, args ...any) (n int, err error) {
	var keys [][3]int64
	err = t.c.query("SELECT grp, thing, joined FROM membership WHERE "+where+" LIMIT ?", append(args, limit), func(r *row) error {
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

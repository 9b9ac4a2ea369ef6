package sqlite

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

const jobColumns = `j.key, j.selection, j.created, j.last_updated, j.completed, j.rest,
 x.done, x.pin, x.target, x.after_key, x.started, x.released, x.steps, x.recent, x.walked, ` + stateColumns

// jobWidth is how many columns jobColumns has.
const jobWidth = 15 + stateWidth

const tallyColumns = `t.queued, t.in_progress, t.succeeded, t.failed, t.timed_out, t.rejected, t.removed, t.canceled,
 t.finished_succeeded, t.finished_failed, t.finished_timed_out, t.finished_rejected`

// jobRest is what of a job is kept as JSON: read with the job, asked for never.
type jobRest struct {
	Description string       `json:",omitempty"`
	Targets     []string     `json:",omitempty"`
	Resolved    []job.Target `json:",omitempty"`
	ReasonCode  string       `json:",omitempty"`
	Comment     string       `json:",omitempty"`
	Swept       bool         `json:",omitempty"`
	Actor       string       `json:",omitempty"`
	PerMinute   int64        `json:",omitempty"`
	Asked       int64        `json:",omitempty"`
	Growth      job.Growth   `json:",omitzero"`

	Abort job.AbortPolicy `json:",omitempty"`
	Retry job.RetryPolicy `json:",omitempty"`
}

func scanJob(r *row) (j job.Job, err error) {
	var rest jobRest
	if err := decode(r.text(5), &rest); err != nil {
		return j, fmt.Errorf("job %d: %w", r.int(0), err)
	}
	j = job.Job{
		State:     scanStateOf(r, r.int(0), 15),
		Selection: job.Selection(r.int(1)),
		CreatedAt: instant(r.int(2)), LastUpdatedAt: instant(r.int(3)), CompletedAt: instant(r.int(4)),
		Description: rest.Description, Targets: rest.Targets, Resolved: rest.Resolved,
		ReasonCode: rest.ReasonCode, Comment: rest.Comment, Swept: rest.Swept, Actor: rest.Actor,
		Expansion: job.Expansion{
			Done: r.bool(6), Pin: r.int(7), Target: int(r.int(8)), Group: r.int(14), After: r.int(9),
			Stats: job.Stats{Start: instant(r.int(10)), Released: r.int(11), Steps: r.int(12)},
		},
		Rollout: job.Rollout{Asked: rest.Asked, PerMinute: rest.PerMinute, Growth: rest.Growth},
		Abort:   rest.Abort, Retry: rest.Retry,
	}
	j.Expansion.Stats.Recent, err = decodeBatches(r.text(13), j.Expansion.Stats.Start)
	return j, err
}

// encodeBatches writes a minute's releases as "milliseconds:count" each, from
// the start of the rollout on.
func encodeBatches(s job.Stats) string {
	var b []byte
	for _, batch := range s.Recent {
		b = strconv.AppendInt(b, batch.At.Sub(s.Start).Milliseconds(), 10)
		b = append(b, ':')
		b = strconv.AppendInt(b, batch.N, 10)
		b = append(b, ' ')
	}
	return string(b)
}

func decodeBatches(text string, start time.Time) (all []job.Batch, err error) {
	for field := range strings.FieldsSeq(text) {
		at, n, _ := strings.Cut(field, ":")
		ms, err1 := strconv.ParseInt(at, 10, 64)
		count, err2 := strconv.ParseInt(n, 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		all = append(all, job.Batch{At: start.Add(time.Duration(ms) * time.Millisecond), N: count})
	}
	return all, nil
}

// countedStatuses is the order of tallyColumns: so many of Things, then of Finished.
var (
	countedThings   = [...]job.Status{job.Queued, job.InProgress, job.Succeeded, job.Failed, job.TimedOut, job.Rejected, job.Removed, job.Canceled}
	countedFinished = [...]job.Status{job.Succeeded, job.Failed, job.TimedOut, job.Rejected}
)

func scanTally(r *row, at int) (t job.Tally) {
	for i, s := range countedThings {
		t.Things[s] = r.int(at + i)
	}
	for i, s := range countedFinished {
		t.Finished[s] = r.int(at + len(countedThings) + i)
	}
	return t
}

func (t *tx) Job(id job.ID) (job.Job, job.Tally, error) { return t.job("j.id = ?", string(id)) }

func (t *tx) JobByKey(key int64) (job.Job, job.Tally, error) { return t.job("j.key = ?", key) }

func (t *tx) job(where string, arg any) (j job.Job, tally job.Tally, err error) {
	err = t.one("SELECT "+jobColumns+", "+tallyColumns+` FROM job j JOIN expansion x ON x.job = j.key
		LEFT JOIN tally t ON t.job = j.key WHERE `+where, []any{arg}, func(r *row) (err error) {
		j, err = scanJob(r)
		tally = scanTally(r, jobWidth)
		return err
	})
	return j, tally, err
}

func (t *tx) PutJob(j *job.Job, document []byte) error {
	rest, err := encode(jobRest{
		Description: j.Description, Targets: j.Targets, Resolved: j.Resolved,
		ReasonCode: j.ReasonCode, Comment: j.Comment, Swept: j.Swept, Actor: j.Actor,
		PerMinute: j.Rollout.PerMinute, Asked: j.Rollout.Asked, Growth: j.Rollout.Growth, Abort: j.Abort, Retry: j.Retry,
	})
	if err != nil {
		return err
	}
	if j.Key == 0 {
		return t.insertJob(j, rest, document)
	}
	// A slice of an expansion leaves all this as it is: then it is not written.
	n, err := t.c.exec(`UPDATE job SET status = ?1, force_canceled = ?2, changed = ?3, in_progress_minutes = ?4, last_updated = ?5,
		completed = ?6, rest = ?7, retry_failed = ?9, retry_timed_out = ?10, retry_both = ?11
		WHERE key = ?8 AND NOT (status = ?1 AND force_canceled = ?2 AND changed = ?3
		AND in_progress_minutes = ?4 AND last_updated = ?5 AND completed = ?6 AND rest = ?7
		AND retry_failed = ?9 AND retry_timed_out = ?10 AND retry_both = ?11)`,
		int64(j.Status), j.ForceCanceled, millis(j.ChangedAt), j.InProgressMinutes, millis(j.LastUpdatedAt), millis(j.CompletedAt), rest, j.Key,
		j.Retries.Failed, j.Retries.TimedOut, j.Retries.Both)
	if err != nil {
		return err
	}
	if n > 0 {
		t.forgetJob(j.Key, j.ID)
		if err := t.putTargets(j); err != nil {
			return err
		}
	}
	return t.putExpansion(j)
}

func (t *tx) insertJob(j *job.Job, rest string, document []byte) error {
	_, err := t.c.exec(`INSERT INTO job (id, status, force_canceled, changed, in_progress_minutes, selection,
		created, last_updated, completed, rest, namespace, retry_failed, retry_timed_out, retry_both) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		string(j.ID), int64(j.Status), j.ForceCanceled, millis(j.ChangedAt), j.InProgressMinutes, int64(j.Selection),
		millis(j.CreatedAt), millis(j.LastUpdatedAt), millis(j.CompletedAt), rest, string(j.Namespace), j.Retries.Failed, j.Retries.TimedOut, j.Retries.Both)
	if err != nil {
		return err
	}
	j.Key = t.c.lastInsertRowID()
	if _, err := t.c.exec("INSERT INTO document (job, body) VALUES (?, ?)", j.Key, document); err != nil {
		return err
	}
	if err := t.putTargets(j); err != nil {
		return err
	}
	return t.putExpansion(j)
}

// putTargets keeps what finds a job by its targets: by ARN every one, by group
// the CONTINUOUS ones that still follow it.
func (t *tx) putTargets(j *job.Job) error {
	for _, target := range j.Targets {
		if _, err := t.c.exec("INSERT OR IGNORE INTO job_target (target, job) VALUES (?, ?)", target, j.Key); err != nil {
			return err
		}
	}
	if j.Selection != job.Continuous {
		return nil
	}
	sql := "INSERT OR IGNORE INTO followed (grp, job) VALUES (?, ?)"
	if j.Status != job.JobInProgress && j.Status != job.JobScheduled {
		sql = "DELETE FROM followed WHERE grp = ? AND job = ?"
	}
	for _, target := range j.Resolved {
		if !target.Group {
			continue
		}
		if _, err := t.c.exec(sql, target.Key, j.Key); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) putExpansion(j *job.Job) error {
	x := &j.Expansion
	_, err := t.c.exec(`INSERT OR REPLACE INTO expansion (job, done, pin, target, after_key, started, released, steps, recent, walked)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		j.Key, x.Done, x.Pin, x.Target, x.After, millis(x.Stats.Start), x.Stats.Released, x.Stats.Steps, encodeBatches(x.Stats), x.Group)
	return err
}

func (t *tx) Document(jobKey int64) (body []byte, err error) {
	err = t.one("SELECT body FROM document WHERE job = ?", []any{jobKey}, func(r *row) error { body = r.blob(0); return nil })
	return body, err
}

// JobList walks by key, which is the order of creation.
func (t *tx) JobList(f store.JobFilter, p store.Page) (jobs []job.Job, next string, err error) {
	before, err := numbers(p.After, 1<<62)
	if err != nil {
		return nil, "", err
	}
	pg := pager{limit: p.Limit}
	sql, args := "SELECT "+jobColumns+" FROM job j JOIN expansion x ON x.job = j.key WHERE j.key < ? ORDER BY j.key DESC LIMIT ?+0", []any{}
	if f.Target != "" {
		sql = "SELECT " + jobColumns + ` FROM job_target o CROSS JOIN job j ON j.key = o.job JOIN expansion x ON x.job = j.key
			WHERE o.target = ? AND o.job < ? ORDER BY o.job DESC LIMIT ?+0`
		args = append(args, f.Target)
	}
	args = append(args, before[0], pg.rows(f.Status != 0 || f.Selection != 0 || f.Namespace != ""))
	err = t.paged(sql, args, func(r *row) error {
		j, err := scanJob(r)
		if err != nil {
			return err
		}
		wanted := (f.Status == 0 || f.Status == j.Status) && (f.Selection == 0 || f.Selection == j.Selection) &&
			(f.Namespace == "" || f.Namespace == j.Namespace)
		keep, err := pg.take(cursor(j.Key), wanted)
		if keep {
			jobs = append(jobs, j)
		}
		return err
	})
	return jobs, pg.next, err
}

func (t *tx) CountJobs(s job.JobStatus, of job.Selection, limit int) (n int, err error) {
	sql, args := "SELECT 1 FROM job WHERE status = ? LIMIT ?+0", []any{int64(s), limit}
	if of != 0 {
		sql, args = "SELECT 1 FROM job WHERE status = ? AND selection = ? LIMIT ?+0", []any{int64(s), int64(of), limit}
	}
	err = t.c.query(sql, args, func(*row) error { n++; return nil })
	return n, err
}

func (t *tx) DropJob(key int64) error {
	var id job.ID
	var rest jobRest
	err := t.one("DELETE FROM job WHERE key = ? RETURNING id, rest", []any{key}, func(r *row) error {
		id = job.ID(r.text(0))
		return decode(r.text(1), &rest)
	})
	if err != nil {
		return err
	}
	t.forgetJob(key, id)
	if err := t.dropTags(registry.TaggedJob, key); err != nil {
		return err
	}
	for _, target := range rest.Targets {
		if _, err := t.c.exec("DELETE FROM job_target WHERE target = ? AND job = ?", target, key); err != nil {
			return err
		}
	}
	for _, target := range rest.Resolved {
		if !target.Group {
			continue
		}
		if _, err := t.c.exec("DELETE FROM followed WHERE grp = ? AND job = ?", target.Key, key); err != nil {
			return err
		}
	}
	for _, table := range []string{"document", "tally", "job_due", "expansion", "retarget"} {
		if _, err := t.c.exec("DELETE FROM "+table+" WHERE job = ?", key); err != nil {
			return err
		}
	}
	return nil
}

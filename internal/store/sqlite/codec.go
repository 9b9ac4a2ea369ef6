package sqlite

import (
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	zs "zombiezen.com/go/sqlite"

	"github.com/drover-iot/drover/internal/job"
)

// millis and instant are how a time is kept: epoch milliseconds, 0 is unset.
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

// executionColumns are the columns that scanExecution reads, in its order.
const executionColumns = `e.thing, e.job, e.number, e.seq, e.status, e.version, e.queued, e.started, e.last_updated,
 e.in_progress_deadline, e.step_deadline, e.force_canceled, e.retry, e.last_event, e.details,
 e.retries_failed, e.finished_before, e.has_left`

// executionWidth is how many columns executionColumns has.
const executionWidth = 18

// scanExecution reads executionColumns from column at on. The job's id is not
// among them: the caller knows the job.
func scanExecution(s *zs.Stmt, at int) (job.Execution, error) {
	e := job.Execution{
		ThingKey: s.ColumnInt64(at), JobKey: s.ColumnInt64(at + 1), Number: s.ColumnInt64(at + 2), Seq: s.ColumnInt64(at + 3),
		Status: job.Status(s.ColumnInt64(at + 4)), Version: s.ColumnInt64(at + 5),
		QueuedAt: instant(s.ColumnInt64(at + 6)), StartedAt: instant(s.ColumnInt64(at + 7)), LastUpdatedAt: instant(s.ColumnInt64(at + 8)),
		InProgressDeadline: instant(s.ColumnInt64(at + 9)), StepDeadline: instant(s.ColumnInt64(at + 10)),
		ForceCanceled: s.ColumnInt64(at+11) != 0, RetryAttempt: s.ColumnInt64(at + 12), LastEvent: s.ColumnInt64(at + 13),
		RetriesFailed: s.ColumnInt64(at + 15), FinishedBefore: job.Status(s.ColumnInt64(at + 16)), Left: s.ColumnInt64(at+17) != 0,
	}
	r := row{s}
	var err error
	e.Details, err = decodeDetails(r.blob(at + 14))
	return e, err
}

// encodeDetails gives NULL for no details: a JSON object else, sorted by key.
func encodeDetails(d job.Details) ([]byte, error) {
	if len(d) == 0 {
		return nil, nil
	}
	return json.Marshal(d, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
}

func decodeDetails(b []byte) (job.Details, error) {
	if len(b) == 0 {
		return nil, nil
	}
	var d job.Details
	err := json.Unmarshal(b, &d)
	return d, err
}

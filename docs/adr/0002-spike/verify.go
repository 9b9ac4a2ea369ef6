package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/drover-iot/drover/internal/job"
)

// verify holds what was acknowledged against what the database has. It returns
// what is wrong, one line each kind, and how many events nobody was told of.
func verify(ctx context.Context, dsn string, logs []string) (wrong []string, hotVersion int64, untold int, err error) {
	c, err := connect(ctx, dsn, &turns{})
	if err != nil {
		return nil, 0, 0, err
	}
	defer c.Close(ctx)
	faults := map[string]int{}
	acks, err := readAcks(logs)
	if err != nil {
		return nil, 0, 0, err
	}
	type execution struct{ version, lastEvent int64 }
	executions := map[rowKey]execution{}
	var k rowKey
	var x execution
	rows, _ := c.Query(ctx, "SELECT thing, job, number, version, last_event FROM execution")
	if _, err = pgx.ForEachRow(rows, []any{&k.thing, &k.job, &k.number, &x.version, &x.lastEvent}, func() error { executions[k] = x; return nil }); err != nil {
		return nil, 0, 0, err
	}

	// History: versions grow by one, each event names the one before it.
	type at struct{ seq, version int64 }
	last, told := map[rowKey]at{}, map[string]bool{}
	var seq, previous, version int64
	var details *string
	rows, _ = c.Query(ctx, "SELECT seq, previous, thing, job, number, version, details FROM event ORDER BY seq")
	_, err = pgx.ForEachRow(rows, []any{&seq, &previous, &k.thing, &k.job, &k.number, &version, &details}, func() error {
		before, ok := last[k]
		if !ok {
			before.version = 1
		}
		if version != before.version+1 {
			faults["a version that does not follow the one before it"]++
		}
		if previous != before.seq {
			faults["an event that does not name the one before it"]++
		}
		last[k] = at{seq, version}
		var d job.Details
		if details != nil {
			if err := json.Unmarshal([]byte(*details), &d); err != nil {
				return err
			}
		}
		a, acked := acks[d["op"]]
		switch {
		case told[d["op"]]:
			faults["a request that was done twice"]++
		case !acked:
			untold++
		case a.Version != version || (rowKey{a.Thing, a.Job, a.Number}) != k:
			faults["an answer that says another version than the history"]++
		}
		told[d["op"]] = true
		return nil
	})
	if err != nil {
		return nil, 0, 0, err
	}
	for key, e := range executions {
		l, ok := last[key]
		if !ok {
			l.version = 1
		}
		if e.version != l.version || e.lastEvent != l.seq {
			faults["an execution that is not what its history says"]++
		}
		if key.thing == crowd/2 && key.job == 1 {
			hotVersion = e.version
		}
	}
	winners := map[[4]int64]bool{}
	for op, a := range acks {
		if !told[op] {
			faults["an acknowledged request that is lost"]++
		}
		if a.Expected < 0 {
			continue
		}
		guarded := [4]int64{a.Thing, a.Job, a.Number, a.Expected}
		if winners[guarded] || a.Version != a.Expected+1 {
			faults["a second winner for one expectedVersion"]++
		}
		winners[guarded] = true
	}
	for name, sql := range map[string]string{
		"a counter that is not its recount": `SELECT count(*) FROM (
  SELECT job, i - 1 AS status, sum(n) AS n FROM tally, unnest(things) WITH ORDINALITY u(n, i) GROUP BY 1, 2) c
 FULL JOIN (SELECT job, status, count(*) AS n FROM execution GROUP BY 1, 2) r USING (job, status) WHERE coalesce(c.n, 0) <> coalesce(r.n, 0)`,
		"a queue that is not its executions": `SELECT count(*) FROM pending p FULL JOIN (SELECT * FROM execution WHERE status IN (1, 2)) e USING (thing, job, number)
 WHERE p.seq IS DISTINCT FROM e.seq OR p.queued IS DISTINCT FROM e.queued OR p.rank IS DISTINCT FROM 2 - e.status AND p.rank IS DISTINCT FROM e.status - 1
  OR (e.status = 2) <> (p.rank = 0)`,
		"a job with moves and no row of attention": "SELECT count(DISTINCT job) FROM tally t WHERE slot > 0 AND NOT EXISTS (SELECT FROM job_due d WHERE d.job = t.job)",
	} {
		var n int
		if err := c.QueryRow(ctx, sql).Scan(&n); err != nil {
			return nil, 0, 0, fmt.Errorf("%s: %w", name, err)
		}
		if n > 0 {
			faults[name] += n
		}
	}
	for what, n := range faults {
		wrong = append(wrong, fmt.Sprintf("%d times %s", n, what))
	}
	slices.Sort(wrong)
	return wrong, hotVersion, untold, nil
}

func readAcks(logs []string) (map[string]ack, error) {
	acks := map[string]ack{}
	for _, path := range logs {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			var a ack
			if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
				break // the torn last line of a killed process
			}
			if _, twice := acks[a.Op]; twice {
				return nil, fmt.Errorf("%s was acknowledged twice", a.Op)
			}
			acks[a.Op] = a
		}
		if err := lines.Err(); err != nil {
			return nil, err
		}
		_ = f.Close()
	}
	return acks, nil
}

package main

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
)

//go:embed schema.sql
var schema string

const (
	things = 20_000
	jobs   = 5
	crowd  = 1_000 // how many things the random part of a contention run picks from
)

func thingName(i int) registry.Name { return registry.Name(fmt.Sprintf("t%06d", i)) }
func jobID(i int) job.ID            { return job.ID(fmt.Sprintf("job-%d", i)) }

// hot is the thing that two processes fight for: its key lies amid those of the
// crowd, so that the order of locks matters.
var hot = thingName(crowd / 2)

// load makes the fleet anew: every thing has every job QUEUED.
func load(ctx context.Context, dsn string) error {
	c, err := connect(ctx, dsn, &turns{})
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	var queued job.Tally
	queued.Things[job.Queued] = things
	for _, sql := range []string{
		"DROP SCHEMA public CASCADE; CREATE SCHEMA public", schema,
		fmt.Sprintf("INSERT INTO thing SELECT i, 't' || lpad(i::text, 6, '0') FROM generate_series(1, %d) i", things),
		fmt.Sprintf("INSERT INTO job SELECT i, 'job-' || i, 1, false, 0, 0 FROM generate_series(1, %d) i", jobs),
		fmt.Sprintf(`INSERT INTO execution SELECT t, j, 1, j * %d + t, 1, 1, 1700000000000 + j, 0, 1700000000000 + j, 0, 0, NULL, false, 0, 0, NULL
 FROM generate_series(1, %[1]d) t, generate_series(1, %[2]d) j`, things, jobs),
		"INSERT INTO pending SELECT thing, 1, queued, seq, job, number FROM execution",
		fmt.Sprintf("INSERT INTO tally SELECT key, 0, '%s', '%s' FROM job", array(queued.Things[:]), array(queued.Finished[:])),
		"VACUUM ANALYZE", "CHECKPOINT",
	} {
		if _, err := c.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%w in %s", err, sql)
		}
	}
	return nil
}

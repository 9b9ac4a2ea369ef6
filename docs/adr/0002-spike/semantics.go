package main

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/store"
)

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 2)) }

// semantics shows the contract of a batch: order, visibility, isolation.
func (s *show) semantics() error {
	fmt.Println("the contract of a batch")
	p := open(s.dsn, 1, 512)
	report := func(name int, id job.ID, c job.Change) (*task, *request) {
		r := &request{thing: thingName(name)}
		c.Kind = job.Report
		r.report(fmt.Sprint(name, id, c.Status), id, c)
		return &task{keys: r.keys, decide: r.decide, done: func(store.Commit, error) {}}, r
	}

	// One failing decision in a batch of 64.
	var tasks []*task
	var requests []*request
	refusal := errors.New("no")
	for i := range 64 {
		t, r := report(1+i, jobID(1), job.Change{Status: job.InProgress})
		if i == 31 {
			t.decide = func(store.Snapshot) (store.Changes, error) { return store.Changes{}, refusal }
		}
		tasks, requests = append(tasks, t), append(requests, r)
	}
	p.commit(s.ctx, tasks)
	good := 0
	for i, r := range requests {
		if i != 31 && tasks[i].err == nil && r.acked.Version == 2 {
			good++
		}
	}
	s.claim(good == 63 && errors.Is(tasks[31].err, refusal), "one failing decision in a batch of 64 leaves %d others", good)

	// 20 reports, an ending, and a report that comes too late, on one thing.
	tasks, requests = nil, nil
	for i := range 22 {
		status := job.InProgress
		if i == 20 {
			status = job.Succeeded
		}
		t, r := report(100, jobID(2), job.Change{Status: status})
		tasks, requests = append(tasks, t), append(requests, r)
	}
	p.commit(s.ctx, tasks)
	ordered := true
	for i, r := range requests[:21] {
		ordered = ordered && r.refused == nil && r.acked.Version == int64(2+i)
	}
	var late *job.Error
	s.claim(ordered && errors.As(requests[21].refused, &late) && late.State.Version == 22,
		"22 decisions on one execution in one batch see each other: versions 2 to 22, then %s at version %d", late.Message, late.State.Version)

	// Start-next and the end of what it started, through the whole queue.
	tasks = nil
	var heads []job.ID
	next := func(thing int) *task {
		r := &request{thing: thingName(thing)}
		r.startNext("next", nil, "")
		return &task{keys: r.keys, done: func(store.Commit, error) {}, decide: func(snap store.Snapshot) (store.Changes, error) {
			head, _ := job.Head(snap.Queue, now())
			heads = append(heads, head.JobID)
			return r.decide(snap)
		}}
	}
	for i := range jobs {
		end, _ := report(200, jobID(1+i), job.Change{Status: job.Succeeded})
		tasks = append(tasks, next(200), end)
	}
	tasks = append(tasks, next(200))
	p.commit(s.ctx, tasks)
	s.claim(fmt.Sprint(heads) == "[job-1 job-2 job-3 job-4 job-5 ]", "start-next and end, five times on one thing in one batch: %v", heads)

	// A queue whose visible rows stand behind 40 of a cancelled job each.
	if err := s.hide(300, 40); err != nil {
		return err
	}
	tasks, heads, p.visible = nil, nil, 1
	end, _ := report(300, jobID(1), job.Change{Status: job.Failed})
	tasks = append(tasks, next(300), end, next(300))
	before := p.turns.n.Load()
	p.commit(s.ctx, tasks)
	s.claim(fmt.Sprint(heads) == "[job-1 job-2]" && p.extra == 1, "behind 40 hidden rows: %v, in %d turns", heads, p.turns.n.Load()-before)
	return p.conn.Close(s.ctx)
}

// hide puts executions of cancelled jobs before all others of a thing.
func (s *show) hide(thing, n int) error {
	c, err := connect(s.ctx, s.dsn, &turns{})
	if err != nil {
		return err
	}
	defer c.Close(s.ctx)
	for _, sql := range []string{
		"INSERT INTO job SELECT 1000 + i, 'gone-' || i, 2, false, 1, 0 FROM generate_series(1, $2::int) i WHERE $1 > 0",
		"INSERT INTO execution SELECT $1::int, 1000 + i, 1, -i, 1, 1, 1, 0, 1, 0, 0, NULL, false, 0, 0, NULL FROM generate_series(1, $2::int) i",
		"INSERT INTO pending SELECT $1::int, 1, 1, -i, 1000 + i, 1 FROM generate_series(1, $2::int) i",
	} {
		if _, err := c.Exec(s.ctx, sql, thing, n); err != nil {
			return err
		}
	}
	return nil
}

package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/drover-iot/drover/internal/sim/operator"
)

// state is an execution as its device knows it.
type state struct {
	status  string
	version int64
	n       int // the mark of the last report; 0 = none
}

// worker is a device that keeps a ledger of what was acknowledged.
type worker struct {
	thing   string
	acked   map[string]state // by job: what the server has acknowledged
	unknown map[string]state // by job: what it was asked last and did not answer
	marks   int
	rnd     *rand.Rand
}

// work starts jobs and reports on them until the connection ends. It returns an
// error for what no crash explains.
func (w *worker) work(ctx context.Context, addr string, acknowledged func()) error {
	c, err := dial(ctx, addr, w.thing, false)
	if err != nil {
		return nil // the server has gone already
	}
	defer c.Drop()
	for {
		job, err := w.start(ctx, c)
		if err == nil && job != "" {
			err = w.finish(ctx, c, job, acknowledged)
		}
		switch {
		case errors.Is(err, errRejected):
			return err
		case err != nil || job == "": // the connection ended, or all work is done
			return nil
		}
	}
}

func (w *worker) start(ctx context.Context, c *client) (job string, err error) {
	// What start-next will hand out is not known here, so an unanswered one may
	// have started any job that is still queued.
	a, err := c.ask(ctx, "start-next", map[string]any{})
	if err != nil || a.Execution == nil {
		return "", err
	}
	e := a.Execution
	before, known := w.acked[e.JobID]
	switch {
	case e.Number != 1:
		return "", fmt.Errorf("%s: %w: execution %d of %s where one was ever made", w.thing, errRejected, e.Number, e.JobID)
	case known && before.status == "IN_PROGRESS" && e.Version != before.version:
		return "", fmt.Errorf("%s: %w: %s handed out with version %d, acknowledged %d", w.thing, errRejected, e.JobID, e.Version, before.version)
	}
	before.status, before.version = "IN_PROGRESS", e.Version
	w.acked[e.JobID] = before
	return e.JobID, nil
}

// finish reports a few times, the last time with the end of the execution.
func (w *worker) finish(ctx context.Context, c *client, job string, acknowledged func()) error {
	for left := w.rnd.IntN(20); left >= 0; left-- {
		w.marks++
		next := state{status: "IN_PROGRESS", version: w.acked[job].version + 1, n: w.marks}
		if left == 0 {
			next.status = "SUCCEEDED"
		}
		w.unknown[job] = next
		if err := c.report(ctx, job, next.status, next.version-1, next.n); err != nil {
			return err
		}
		w.acked[job] = next
		delete(w.unknown, job)
		acknowledged()
	}
	return nil
}

// check holds the server's execution against the ledger, and takes over which
// way an unanswered request went.
func (w *worker) check(job string, e operator.Execution) error {
	got := state{status: e.Status, version: e.Version}
	if text, ok := e.StatusDetails.Map["n"]; ok {
		n, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		got.n = n
	}
	acked, known := w.acked[job]
	asked, open := w.unknown[job]
	delete(w.unknown, job)
	switch {
	case known && got == acked:
	case open && got == asked:
		w.acked[job] = got
	case !known && got == state{status: "QUEUED", version: 1}:
	case !known && got == state{status: "IN_PROGRESS", version: 2}: // an unanswered start-next
		w.acked[job] = got
	default:
		return fmt.Errorf("%s on %s is %+v after the restart; acknowledged %+v (%v), under way %+v (%v)", job, w.thing, got, acked, known, asked, open)
	}
	return nil
}

const workers = 16

func TestRestartKeepsEveryAcknowledgedUpdate(t *testing.T) {
	slow(t)
	s := newServer(t)
	names, group := s.fleet("device", workers)
	crew := make([]*worker, workers)
	for i, name := range names {
		crew[i] = &worker{thing: name, acked: map[string]state{}, unknown: map[string]state{}, rnd: rand.New(rand.NewPCG(1, uint64(i)))}
	}
	when := rand.New(rand.NewPCG(2, 2))
	var jobs []string
	for round := range rounds(t) {
		for range 3 {
			job := fmt.Sprintf("job-%03d", len(jobs))
			s.createJob(operator.Job{ID: job, Targets: []string{group}})
			s.waitQueued(job, workers)
			jobs = append(jobs, job)
		}
		how := endingOf(round)
		acknowledged := workUntil(t, s, crew, 1+when.IntN(300), how)
		t.Logf("round %d: %s after %d acknowledged updates, %d unanswered", round, how, acknowledged, unanswered(crew))
		s.start()
		for _, w := range crew {
			for _, job := range jobs {
				if err := w.check(job, s.execution(w.thing, job)); err != nil {
					t.Fatalf("round %d, %s after %d acknowledged updates: %v", round, how, acknowledged, err)
				}
			}
		}
		s.recount(names, jobs)
	}
}

func unanswered(crew []*worker) (n int) {
	for _, w := range crew {
		n += len(w.unknown)
	}
	return n
}

// workUntil lets the crew work, ends the server once so many updates were
// acknowledged (or all work is done), and says how many were.
func workUntil(t *testing.T, s *server, crew []*worker, target int, how ending) int64 {
	t.Helper()
	var count atomic.Int64
	enough := make(chan struct{})
	var once sync.Once
	acknowledged := func() {
		if count.Add(1) >= int64(target) {
			once.Do(func() { close(enough) })
		}
	}
	var crewDone sync.WaitGroup
	problems := make(chan error, len(crew))
	for _, w := range crew {
		crewDone.Go(func() { problems <- w.work(t.Context(), s.Ready.MQTT, acknowledged) })
	}
	go func() { crewDone.Wait(); once.Do(func() { close(enough) }) }()
	<-enough
	s.end(how)
	crewDone.Wait()
	for range crew {
		if err := <-problems; err != nil {
			t.Errorf("%s: %v", how, err)
		}
	}
	return count.Load()
}

// recount holds the jobs' counters against their executions, and that no thing
// has a job twice.
func (s *server) recount(names, jobs []string) {
	s.t.Helper()
	counted := map[string]operator.JobCounts{}
	for _, name := range names {
		list, err := s.api.Executions(s.t.Context(), name)
		if err != nil {
			s.t.Fatal(err)
		}
		if len(list) != len(jobs) {
			s.t.Errorf("%s has %d executions of %d jobs", name, len(list), len(jobs))
		}
		for _, e := range list {
			c := counted[e.JobID]
			switch e.Status {
			case "QUEUED":
				c.Queued++
			case "IN_PROGRESS":
				c.InProgress++
			case "SUCCEEDED":
				c.Succeeded++
			}
			counted[e.JobID] = c
		}
	}
	for _, job := range jobs {
		got, err := s.api.DescribeJob(s.t.Context(), job)
		if err != nil {
			s.t.Fatal(err)
		}
		got.Status = ""
		if got != counted[job] {
			s.t.Errorf("%s counts %+v, its executions are %+v", job, got, counted[job])
		}
	}
}

// TestKillDuringARolloutLeavesNoThingOut kills a server that is still making a
// job's executions: whatever the last commit left, the next start completes it,
// and no thing gets the job twice.
func TestKillDuringARolloutLeavesNoThingOut(t *testing.T) {
	slow(t)
	const things = 3000
	s := newServer(t)
	_, group := s.fleet("many", things)
	inTheMiddle := 0
	for round := range rounds(t) {
		job := fmt.Sprintf("wide-%03d", round)
		s.createJob(operator.Job{ID: job, Targets: []string{group}})
		before, err := s.api.DescribeJob(t.Context(), job)
		if err != nil {
			t.Fatal(err)
		}
		if before.Queued < things {
			inTheMiddle++
		}
		s.restart(killed)
		s.waitQueued(job, things)
		if after, err := s.api.DescribeJob(t.Context(), job); err != nil || after.Queued != things {
			t.Fatalf("%s: %d executions queued on %d things (%v)", job, after.Queued, things, err)
		}
	}
	t.Logf("%d of %d kills came before the rollout's end", inTheMiddle, rounds(t))
	list, err := s.api.Executions(t.Context(), "many-2999")
	if err != nil || len(list) != rounds(t) {
		t.Errorf("the last thing has %d executions of %d jobs (%v)", len(list), rounds(t), err)
	}
}

// Command 0002-spike shows that Submit of internal/store runs on PostgreSQL in
// two round trips a batch, and safely with two writer processes. It starts its
// own server, prints what it saw, and exits 1 when a claim of the ADR fails.
//
//	cd docs/adr/0002-spike && go run .
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/drover-iot/drover/internal/store"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "work" {
		var o order
		err := json.Unmarshal([]byte(os.Args[2]), &o)
		var t tale
		if err == nil {
			t, err = work(o)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		_ = json.NewEncoder(os.Stdout).Encode(t)
		return
	}
	ctx := context.Background()
	dsn, stop, err := postgres(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s := &show{ctx: ctx, dsn: dsn}
	if s.logs, err = os.MkdirTemp("", "spike-log"); err == nil {
		err = s.all()
		_ = os.RemoveAll(s.logs)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if s.failed {
		os.Exit(1)
	}
}

type show struct {
	ctx    context.Context
	dsn    string
	logs   string // folder of the workers' logs
	runs   int
	failed bool
}

func (s *show) all() error {
	for _, part := range []func() error{s.roundTrips, s.semantics, s.throughput, s.contention, s.lostConnections, s.killed, s.controls} {
		if err := load(s.ctx, s.dsn); err != nil {
			return err
		}
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// claim prints whether what the ADR says was seen.
func (s *show) claim(ok bool, format string, args ...any) {
	mark := "ok  "
	if !ok {
		mark, s.failed = "FAIL", true
	}
	fmt.Printf("  %s  %s\n", mark, fmt.Sprintf(format, args...))
}

// roundTrips runs batches of exactly n decisions on n things, and of n on few.
func (s *show) roundTrips() error {
	fmt.Println("round trips a batch, counted on the wire")
	for _, n := range []int{1, 64, 512} {
		for _, spread := range []int{things, 8} {
			p := open(s.dsn, 1, n)
			w := &worker{o: order{Name: fmt.Sprintf("turns-%d-%d", n, spread), Crowd: spread}, p: p, random: random(uint64(n))}
			var per []int64
			var bytes, micros int64
			for range 20 {
				tasks := make([]*task, n)
				for i := range tasks {
					r := w.next()
					tasks[i] = &task{keys: r.keys, decide: r.decide, done: func(store.Commit, error) {}}
				}
				before, sent, begin := p.turns.n.Load(), p.turns.sent.Load()+p.turns.received.Load(), time.Now()
				p.commit(s.ctx, tasks)
				micros = time.Since(begin).Microseconds()
				per = append(per, p.turns.n.Load()-before)
				bytes = p.turns.sent.Load() + p.turns.received.Load() - sent
			}
			steady := per[5:]
			constant := true
			for _, t := range steady {
				constant = constant && t == 2
			}
			s.claim(constant, "%3d decisions on up to %5d things: first batch %d (connect, prepare), then %d each; the last: %d kB, %d us", n, spread, per[0], steady[0], bytes/1000, micros)
			_ = p.conn.Close(s.ctx)
		}
	}
	return nil
}

// throughput is an indication: progress reports of random things, from one
// process and from two.
func (s *show) throughput() error {
	fmt.Println("durable updates a second (fsync on), an indication; client and server share the machine")
	for _, limit := range []int{64, 512} {
		for _, processes := range []int{1, 2} {
			if err := s.started(); err != nil {
				return err
			}
			var orders []order
			for i := range processes {
				orders = append(orders, order{Name: fmt.Sprint("p", i), Slot: 1 + i, Seed: uint64(i), Seconds: 6, InFlight: 2 * limit, Limit: limit, Crowd: things, Progress: true})
			}
			tales, _, err := s.run(orders, nil)
			if err != nil {
				return err
			}
			sum := 0.0
			for _, t := range tales {
				sum += t.PerSecond
			}
			fmt.Printf("        batch <= %3d, %d process(es): %6.0f/s; decisions a batch %.0f, turns a batch %.3f\n", limit, processes, sum, tales[0].PerBatch, tales[0].TurnsPerBatch)
		}
	}
	return nil
}

// started makes the fleet anew, everything IN_PROGRESS.
func (s *show) started() error {
	if err := load(s.ctx, s.dsn); err != nil {
		return err
	}
	c, err := connect(s.ctx, s.dsn, &turns{})
	if err != nil {
		return err
	}
	defer c.Close(s.ctx)
	for _, sql := range []string{"UPDATE execution SET status = 2, version = 2, started = queued", "UPDATE pending SET rank = 0", "VACUUM ANALYZE", "CHECKPOINT"} {
		if _, err := c.Exec(s.ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// pair is two processes, half of whose requests are for the one thing.
func pair(seconds float64) []order {
	var orders []order
	for i, name := range []string{"A", "B"} {
		orders = append(orders, order{Name: name, Slot: 1 + i, Seed: uint64(10 + i), Seconds: seconds, InFlight: 256, Limit: 128, Hot: 0.5, Crowd: crowd})
	}
	return orders
}

func (s *show) contention() error {
	fmt.Println("two processes, half of all requests for one thing, the rest for 1,000")
	for _, sameSlot := range []bool{true, false} {
		if err := load(s.ctx, s.dsn); err != nil {
			return err
		}
		orders := pair(8)
		if sameSlot {
			orders[1].Slot = orders[0].Slot
			fmt.Println("      both with one row of counters a job")
		} else {
			fmt.Println("      each with its own rows of counters")
		}
		if err := s.judge(orders, nil, 0); err != nil {
			return err
		}
	}
	return nil
}

// lostConnections ends the writers' connections all the time: a COMMIT that was
// sent and not answered must not be done again.
func (s *show) lostConnections() error {
	fmt.Println("the same, while a writer's connection is ended every 100 ms")
	return s.judge(pair(8), func(stop <-chan struct{}, _ []*exec.Cmd) error {
		c, err := connect(s.ctx, s.dsn, &turns{})
		if err != nil {
			return err
		}
		defer c.Close(s.ctx)
		for {
			select {
			case <-stop:
				return nil
			case <-time.After(100 * time.Millisecond):
				_, err := c.Exec(s.ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' ORDER BY random() LIMIT 1`)
				if err != nil {
					return err
				}
			}
		}
	}, 0)
}

// killed ends one process with SIGKILL in the middle of its work.
func (s *show) killed() error {
	fmt.Println("the same, and process A is killed (SIGKILL) half way")
	orders := pair(8)
	return s.judge(orders, func(stop <-chan struct{}, processes []*exec.Cmd) error {
		time.Sleep(4 * time.Second)
		return processes[0].Process.Kill()
	}, orders[0].InFlight)
}

// judge runs the orders and holds the outcome against the claims. untold is how
// many requests may be done without an answer: those of a killed process.
func (s *show) judge(orders []order, disturb func(<-chan struct{}, []*exec.Cmd) error, untold int) error {
	tales, logs, err := s.run(orders, disturb)
	if err != nil {
		return err
	}
	wrong, version, unheard, err := verify(s.ctx, s.dsn, logs)
	if err != nil {
		return err
	}
	var failed, broken, deadlocks int64
	for _, t := range tales {
		failed, broken, deadlocks = failed+t.Failed, broken+t.Broken, deadlocks+t.Deadlocks
		fmt.Printf("        %s: %d acknowledged, %d refused, %d batches of %.0f, %d retried, %d commits found out after a lost answer, %.0f/s\n",
			t.Name, t.Acked, t.Refused, t.Batches, t.PerBatch, t.Retries, t.Resolved, t.PerSecond)
	}
	s.claim(len(wrong) == 0, "versions grow by one, nothing lost, nothing doubled, one winner a version, counters and queues right; the one thing is at version %d %s", version, strings.Join(wrong, "; "))
	s.claim(failed == 0 && broken == 0, "%d requests failed, %d writes missed a row", failed, broken)
	s.claim(deadlocks == 0, "%d deadlocks", deadlocks)
	s.claim(unheard <= untold, "%d requests done and not answered, at most %d could be", unheard, untold)
	return nil
}

// controls break the rules, to see that the runs above could have failed.
func (s *show) controls() error {
	fmt.Println("controls")
	orders := pair(5)
	for i := range orders {
		orders[i].Unlocked = true
	}
	_, logs, err := s.run(orders, nil)
	if err != nil {
		return err
	}
	wrong, _, _, err := verify(s.ctx, s.dsn, logs)
	if err != nil {
		return err
	}
	s.claim(len(wrong) > 0, "without FOR UPDATE: %s", strings.Join(wrong, "; "))

	if err := load(s.ctx, s.dsn); err != nil {
		return err
	}
	orders = pair(5)
	for i := range orders {
		orders[i].Shuffled, orders[i].Slot, orders[i].Hot = true, 1, 0
	}
	tales, _, err := s.run(orders, nil)
	if err != nil {
		return err
	}
	s.claim(tales[0].Deadlocks+tales[1].Deadlocks > 0, "without an order of locks: %d deadlocks", tales[0].Deadlocks+tales[1].Deadlocks)
	return nil
}

// run starts a process for each order and waits for them.
func (s *show) run(orders []order, disturb func(<-chan struct{}, []*exec.Cmd) error) (tales []tale, logs []string, err error) {
	s.runs++
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	var processes []*exec.Cmd
	outs := make([]strings.Builder, len(orders))
	for i, o := range orders {
		o.DSN, o.Log = s.dsn, filepath.Join(s.logs, fmt.Sprint(s.runs, o.Name))
		logs = append(logs, o.Log)
		text, err := json.Marshal(o)
		if err != nil {
			return nil, nil, err
		}
		c := exec.CommandContext(s.ctx, self, "work", string(text))
		c.Stdout, c.Stderr = &outs[i], os.Stderr
		if err := c.Start(); err != nil {
			return nil, nil, err
		}
		processes = append(processes, c)
	}
	stop, disturbed := make(chan struct{}), make(chan error, 1)
	if disturb != nil {
		go func() { disturbed <- disturb(stop, processes) }()
	} else {
		disturbed <- nil
	}
	for i, c := range processes {
		if err := c.Wait(); err != nil {
			if c.ProcessState.Exited() {
				return nil, nil, fmt.Errorf("process %s: %w", orders[i].Name, err)
			}
			continue // killed: it tells no tale
		}
		var t tale
		if err := json.Unmarshal([]byte(outs[i].String()), &t); err != nil {
			return nil, nil, err
		}
		tales = append(tales, t)
	}
	close(stop)
	return tales, logs, <-disturbed
}

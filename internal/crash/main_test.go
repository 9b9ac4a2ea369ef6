package crash

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/sim/operator"
	"github.com/drover-iot/drover/internal/sim/process"
)

// drover is the binary under test.
var drover string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(build(m))
}

func build(m *testing.M) int {
	if testing.Short() {
		return m.Run() // every test skips itself, by name
	}
	dir, err := os.MkdirTemp("", "drover-crash-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	drover = filepath.Join(dir, "drover")
	cmd := exec.Command("go", "build", "-o", drover, "./cmd/drover")
	cmd.Dir = filepath.Join("..", "..")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		fmt.Fprintf(os.Stderr, "go build ./cmd/drover: %v\n%s", err, &out)
		return 1
	}
	return m.Run()
}

// rounds is how often a test ends its server.
func rounds(t *testing.T) int {
	text := os.Getenv("DROVER_CRASH_ROUNDS")
	if text == "" {
		return 4
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("DROVER_CRASH_ROUNDS=%q: expected a number above 0", text)
	}
	return n
}

func slow(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and ends servers; left out by -short")
	}
	t.Parallel()
}

// patience bounds every wait of these tests; reaching it means never.
const patience = 3 * time.Minute

// server is a drover on a data folder that outlives it.
type server struct {
	t    *testing.T
	data string
	*process.Child
	api *operator.Client
}

// newServer starts a server on a new folder; the test's end ends it.
func newServer(t *testing.T) *server {
	s := &server{t: t, data: t.TempDir()}
	s.start()
	t.Cleanup(func() { s.api.Close(); s.Kill() })
	return s
}

func (s *server) start() {
	s.t.Helper()
	// The child must live until the cleanup has ended it: t.Context ends before.
	c, err := process.StartDrover(context.WithoutCancel(s.t.Context()), drover, "dev", "--data", s.data,
		"--mqtt-addr=127.0.0.1:0", "--http-addr=127.0.0.1:0", "--admin-addr=", "--rollout-default=0", "--rollout-max=0", "--max-active-snapshot-jobs=0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.Child, s.api = c, operator.New(c.Ready.HTTP)
}

// An ending is how a server ends.
type ending string

const (
	killed  ending = "kill -9"
	stopped ending = "SIGTERM"
)

// endings in turn, the harder one first.
func endingOf(round int) ending {
	if round%2 == 0 {
		return killed
	}
	return stopped
}

func (s *server) end(how ending) {
	s.t.Helper()
	s.api.Close()
	if how == killed {
		s.Kill()
		return
	}
	if err := s.Stop(patience); err != nil {
		s.t.Fatalf("%s: %v", how, err)
	}
}

func (s *server) restart(how ending) {
	s.t.Helper()
	s.end(how)
	s.start()
}

// fleet registers n things in a group of their own and gives their names and
// the group's ARN.
func (s *server) fleet(group string, n int) (names []string, arn string) {
	s.t.Helper()
	for i := range n {
		names = append(names, fmt.Sprintf("%s-%03d", group, i))
	}
	arn, err := s.api.CreateFleet(s.t.Context(), group, n, func(i int) string { return names[i] })
	if err != nil {
		s.t.Fatal(err)
	}
	return names, arn
}

func (s *server) createJob(j operator.Job) {
	s.t.Helper()
	if j.Document == "" {
		j.Document = `{"operation":"test"}`
	}
	if err := s.api.CreateJob(s.t.Context(), j); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) waitQueued(job string, n int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if err := s.api.WaitQueued(ctx, job, int64(n), 10*time.Millisecond); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) execution(thing, job string) operator.Execution {
	s.t.Helper()
	e, err := s.api.DescribeExecution(s.t.Context(), thing, job)
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

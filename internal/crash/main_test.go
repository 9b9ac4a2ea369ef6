package crash

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/sim/operator"
	"github.com/drover-iot/drover/internal/sim/process"
)

// root is the module's folder, drover the binary under test.
var (
	root   = filepath.Join("..", "..")
	drover string
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(build(m))
}

func build(m *testing.M) int {
	if testing.Short() {
		return m.Run() // every test that needs it skips itself, by name
	}
	dir, err := os.MkdirTemp("", "drover-crash-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	drover = filepath.Join(dir, "drover")
	if err := goBuild(drover); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func goBuild(to string, flags ...string) error {
	cmd := exec.Command("go", append(append([]string{"build", "-o", to}, flags...), "./cmd/drover")...)
	cmd.Dir = root
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build ./cmd/drover: %w\n%s", err, &out)
	}
	return nil
}

func slow(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and ends servers; left out by -short")
	}
	t.Parallel()
}

// patience bounds every wait of these tests; reaching it means never.
const patience = 3 * time.Minute

// An ending is how a server ends.
type ending string

const (
	killed  ending = "kill -9"
	frozen  ending = "stop, kill -9"    // SIGSTOP first: requests pile up in front of it
	stopped ending = "SIGTERM"          // and it drains to its end
	cut     ending = "SIGTERM, kill -9" // in the middle of its drain
	born    ending = "kill -9 at start" // before it is ready
)

// endings is the order of the report's columns.
var endings = []ending{killed, frozen, stopped, cut, born}

// pick draws an ending: mostly the hard one.
func pick(rnd *rand.Rand) ending {
	switch n := rnd.IntN(20); {
	case n < 12:
		return killed
	case n < 15:
		return frozen
	case n < 17:
		return stopped
	}
	return cut
}

// server is a drover on a data folder that outlives it.
type server struct {
	binary, data string
	*process.Child
	api *operator.Client
}

func (s *server) args() []string {
	return []string{
		"dev", "--data", s.data, "--mqtt-addr=127.0.0.1:0", "--http-addr=127.0.0.1:0", "--admin-addr=",
		"--rollout-default=0", "--rollout-max=0", "--max-active-snapshot-jobs=0",
	}
}

// start returns when the server is ready. It lives until it is ended, or ctx is.
func (s *server) start(ctx context.Context) error {
	c, err := process.StartDrover(ctx, s.binary, s.args()...)
	if err != nil {
		return err
	}
	s.Child, s.api = c, operator.New(c.Ready.HTTP)
	return nil
}

// start and kill it after a time, wherever it then is.
func (s *server) stillborn(ctx context.Context, after time.Duration) error {
	return stillborn(ctx, after, s.binary, s.args()...)
}

func stillborn(ctx context.Context, after time.Duration, binary string, args ...string) error {
	c, err := process.Spawn(ctx, binary, args...)
	if err != nil {
		return err
	}
	select {
	case <-time.After(after):
	case <-c.Done():
		return fmt.Errorf("it ended by itself while it started; its log ends:\n%s", c.Log())
	}
	c.Kill()
	return nil
}

// end ends it; between the two signals of an ending passes the time between.
func (s *server) end(how ending, between time.Duration) error {
	if s.api != nil {
		defer s.api.Close()
	}
	switch how {
	case stopped:
		return s.Stop(patience)
	case frozen:
		s.Signal(syscall.SIGSTOP)
		time.Sleep(between)
	case cut:
		s.Signal(syscall.SIGTERM)
		select {
		case <-time.After(between):
		case <-s.Done(): // it was faster
		}
	}
	s.Kill()
	return nil
}

// tested is a server of one test.
type tested struct {
	t *testing.T
	server
}

// newServer starts a server on a new folder; the test's end ends it.
func newServer(t *testing.T) *tested {
	s := &tested{t: t, server: server{binary: drover, data: t.TempDir()}}
	s.restart()
	t.Cleanup(func() { s.api.Close(); s.Kill() })
	return s
}

// restart starts it (again).
func (s *tested) restart() {
	s.t.Helper()
	// The child must live until the cleanup has ended it: t.Context ends before.
	if err := s.start(context.WithoutCancel(s.t.Context())); err != nil {
		s.t.Fatal(err)
	}
}

func (s *tested) endBy(how ending) {
	s.t.Helper()
	if err := s.end(how, 0); err != nil {
		s.t.Fatalf("%s: %v", how, err)
	}
}

// give makes a thing and its job, and waits until that is queued.
func (s *tested) give(thing string, j operator.Job) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	arn, err := s.api.CreateThing(ctx, thing)
	if err != nil {
		s.t.Fatal(err)
	}
	j.Targets, j.Document = []string{arn}, `{"operation":"test"}`
	if err := s.api.CreateJob(ctx, j); err != nil {
		s.t.Fatal(err)
	}
	if err := s.api.WaitQueued(ctx, j.ID, 1, 10*time.Millisecond); err != nil {
		s.t.Fatal(err)
	}
}

func (s *tested) execution(thing, job string) operator.Execution {
	s.t.Helper()
	e, err := s.api.DescribeExecution(s.t.Context(), thing, job)
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

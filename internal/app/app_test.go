package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/cli"
)

// patience is how long a test waits for what must come; nothing asserts that it
// comes sooner.
const patience = 60 * time.Second

// beDrover makes the test's own binary behave as drover.
const beDrover = "APP_TEST_BE_DROVER"

func TestMain(m *testing.M) {
	if os.Getenv(beDrover) != "" {
		os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// process is a drover that runs as a process of its own.
type process struct {
	*exec.Cmd
	stdout *bufio.Reader
	stderr lockedBuffer
	temp   string // its folder for temporary files
}

func drover(t *testing.T, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	p := &process{Cmd: exec.CommandContext(ctx, self, args...), temp: t.TempDir()}
	p.Env = append(os.Environ(), beDrover+"=1", "TMPDIR="+p.temp, "HOME="+p.temp)
	p.Dir = p.temp
	p.Stderr = &p.stderr
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdout = bufio.NewReader(out)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Process.Kill() // it has ended, if all went well
		if t.Failed() {
			t.Logf("stderr of drover %s:\n%s", strings.Join(args, " "), p.stderr.String())
		}
	})
	return p
}

// ready reads the ready line.
func (p *process) ready(t *testing.T) (doors map[string]any) {
	t.Helper()
	line, err := p.stdout.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &doors)
	}
	if err != nil || doors["ready"] != true {
		t.Fatalf("the ready line is %q (%v)\n%s", line, err, p.stderr.String())
	}
	return doors
}

// signal ends the process with sig and gives its exit code and the rest of its
// stdout.
func (p *process) signal(t *testing.T, sig syscall.Signal) (int, string) {
	t.Helper()
	if err := p.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	return p.wait(t)
}

func (p *process) wait(t *testing.T) (int, string) {
	t.Helper()
	rest, err := io.ReadAll(p.stdout)
	if err != nil {
		t.Fatal(err)
	}
	err = p.Wait()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return p.ProcessState.ExitCode(), string(rest)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestDemoEndsByItselfWithTheJobCompleted(t *testing.T) {
	t.Parallel()
	p := drover(t, "demo", "--devices", "50", "--fail", "0.1")
	code, out := p.wait(t)
	if code != cli.ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	for _, want := range []string{
		"registered 50 things and the group pumps over HTTP", "connected 50 devices over MQTT",
		"firmware-2-1 COMPLETED in ", "50 connections, 0 lost", "latency p50 ", "drover dev ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
	// Everything that was handed out has ended, and some of it not well.
	counts := regexp.MustCompile(`executions  (\d+) succeeded, (\d+) failed, (\d+) rejected`).FindStringSubmatch(out)
	if counts == nil {
		t.Fatalf("no summary:\n%s", out)
	}
	sum, ill := 0, 0
	for i, text := range counts[1:] {
		n, _ := strconv.Atoi(text) // the pattern leaves digits
		sum += n
		if i > 0 {
			ill += n
		}
	}
	if sum != 50 || ill == 0 {
		t.Errorf("%s: want 50 in all, some of them failed", counts[0])
	}
	if strings.Contains(out, "\x1b") {
		t.Errorf("control sequences in what is no terminal: %q", out)
	}
	if left, err := os.ReadDir(p.temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestAnInterruptedDemoFailsAndLeavesNothing(t *testing.T) {
	t.Parallel()
	p := drover(t, "demo")
	for {
		line, err := p.stdout.ReadString('\n')
		if err != nil {
			t.Fatalf("the demo ended before its job: %v\n%s", err, p.stderr.String())
		}
		if strings.Contains(line, "created the job") {
			break
		}
	}
	code, out := p.signal(t, syscall.SIGINT)
	if code != cli.ExitFailed || !strings.Contains(p.stderr.String(), "Interrupted before the job was done.") {
		t.Errorf("exit code %d, stderr %q, stdout %q", code, p.stderr.String(), out)
	}
	if left, err := os.ReadDir(p.temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestServeSaysWhereItIsAndDrainsOnSIGTERM(t *testing.T) {
	t.Parallel()
	p := drover(t, "serve", "--data", "data", "--mqtts-addr", "127.0.0.1:0", "--https-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0")
	doors := p.ready(t)
	for _, door := range []string{"mqtts", "https", "admin"} {
		if addr, _ := doors[door].(string); !strings.HasPrefix(addr, "127.0.0.1:") || strings.HasSuffix(addr, ":0") {
			t.Errorf("%s is %v", door, doors[door])
		}
	}
	if len(doors) != 4 {
		t.Errorf("%v, want the three open doors alone", doors)
	}
	code, rest := p.signal(t, syscall.SIGTERM)
	if code != cli.ExitOK || rest != "" {
		t.Errorf("exit code %d and %q on stdout, want 0 and nothing after the ready line", code, rest)
	}
	said := p.stderr.String()
	for _, want := range []string{"first start", filepath.Join("data", "ca.pem"), filepath.Join("data", "credentials"), `"msg":"ended"`} {
		if !strings.Contains(said, want) {
			t.Errorf("stderr lacks %q:\n%s", want, said)
		}
	}
	secret := regexp.MustCompile(`aws_secret_access_key = (\S+)`)
	text, err := os.ReadFile(filepath.Join(p.temp, "data", "credentials"))
	if found := secret.FindSubmatch(text); err != nil || found == nil || strings.Contains(said, string(found[1])) {
		t.Errorf("the credentials (%v) are not a file with a secret that nobody was told", err)
	}
}

func TestDevPrintsLinesThatWorkWithItsPorts(t *testing.T) {
	t.Parallel()
	p := drover(t, "dev", "--mqtt-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--log-format", "text")
	doors := p.ready(t)
	_, port, _ := strings.Cut(doors["mqtt"].(string), ":")
	code, _ := p.signal(t, syscall.SIGINT)
	if code != cli.ExitOK {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"-p " + port + " -i pump-7", "AWS_ENDPOINT_URL=http://" + doors["http"].(string), "aws iot create-job"} {
		if !strings.Contains(p.stderr.String(), want) {
			t.Errorf("stderr lacks %q:\n%s", want, p.stderr.String())
		}
	}
	if left, err := os.ReadDir(p.temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestASecondServerOnAFolderIsToldWhoHasIt(t *testing.T) {
	t.Parallel()
	first := drover(t, "dev", "--data", "data", "--mqtt-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0")
	first.ready(t)
	second := drover(t, "dev", "--data", filepath.Join(first.temp, "data"), "--mqtt-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0")
	code, out := second.wait(t)
	want := "is in use by another drover, process " + strconv.Itoa(first.Process.Pid)
	if code != cli.ExitUsage || out != "" || !strings.Contains(second.stderr.String(), want) {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, out, second.stderr.String())
	}
	// A lock dies with its process, however that ends.
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait() // killed, as it must be
	third := drover(t, "dev", "--data", filepath.Join(first.temp, "data"), "--mqtt-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0")
	third.ready(t)
	if code, _ := third.signal(t, syscall.SIGTERM); code != cli.ExitOK {
		t.Errorf("exit code %d", code)
	}
}

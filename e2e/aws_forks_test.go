package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// forks run the pinned AWS CLI without paying for its start each time
// (testdata/aws_forks.py): as many at once as there are processors.
type forks struct{ idle chan *fork }

// fork is one process that forks.
type fork struct {
	in  io.Writer
	out *bufio.Reader
}

func newForks(t *testing.T, python string) *forks {
	t.Helper()
	f := &forks{idle: make(chan *fork, runtime.GOMAXPROCS(0))}
	for range cap(f.idle) {
		cmd := exec.Command(python, filepath.Join("testdata", "aws_forks.py"))
		cmd.Env = append(environ(), "PYTHONWARNINGS=ignore", "LC_ALL=C.UTF-8")
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			in.Close() // and it ends by itself
			if err := cmd.Wait(); err != nil {
				t.Errorf("aws_forks.py: %v", err)
			}
		})
		f.idle <- &fork{in, bufio.NewReader(out)}
	}
	return f
}

// run runs `aws` with these arguments in this environment, name=value.
func (f *forks) run(t *testing.T, dir string, env, args []string) said {
	t.Helper()
	files := t.TempDir()
	stdout, stderr := filepath.Join(files, "stdout"), filepath.Join(files, "stderr")
	for _, path := range []string{stdout, stderr} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	variables := map[string]string{}
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		variables[name] = value
	}
	call, err := json.Marshal(map[string]any{"args": args, "env": variables, "dir": dir, "stdout": stdout, "stderr": stderr})
	if err != nil {
		t.Fatal(err)
	}
	one := <-f.idle
	defer func() { f.idle <- one }()
	if _, err := one.in.Write(append(call, '\n')); err != nil {
		t.Fatal(err)
	}
	line, err := one.out.ReadString('\n')
	if err != nil {
		t.Fatalf("aws_forks.py does not answer: %v", err)
	}
	var s said
	if s.exit, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]*string{stdout: &s.stdout, stderr: &s.stderr} {
		read, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		*text = string(read)
	}
	return s
}

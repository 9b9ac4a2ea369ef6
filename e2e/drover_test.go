package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must come before it gives up. It is
// no measure of speed: nothing asserts that a thing happens sooner.
const patience = 60 * time.Second

// poll is the pause between two questions of the same thing.
const poll = 50 * time.Millisecond

// A server is one drover under test, with its data, over any number of restarts.
type server struct {
	mode  string // "dev" or "serve"
	data  string
	doors doors
	flags []string // the addresses of the first start, so that a restart has them too
	cmd   *exec.Cmd
	log   *logBuffer
	ended chan error
}

// doors is the line that a server prints when it is ready.
type doors struct {
	Ready bool   `json:"ready"`
	MQTT  string `json:"mqtt"`
	MQTTS string `json:"mqtts"`
	HTTP  string `json:"http"`
	HTTPS string `json:"https"`
	Admin string `json:"admin"`
}

// onBoth runs f against a `drover dev` and a `drover serve`, each fresh, side by
// side with the other tests.
func onBoth(t *testing.T, f func(t *testing.T, s *server)) {
	for _, mode := range []string{"dev", "serve"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			f(t, start(t, mode))
		})
	}
}

// start runs a new server on free ports and waits until it is ready. It is
// stopped when the test ends; its log is shown when the test failed.
func start(t *testing.T, mode string, flags ...string) *server {
	t.Helper()
	s := &server{mode: mode, data: filepath.Join(t.TempDir(), "data"), log: &logBuffer{}}
	if mode == "dev" {
		s.flags = append([]string{"--mqtt-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"}, flags...)
	} else {
		s.flags = append([]string{"--mqtts-addr", "127.0.0.1:0", "--https-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0"}, flags...)
	}
	s.launch(t)
	t.Cleanup(func() {
		s.stop(t, syscall.SIGTERM)
		if t.Failed() {
			t.Logf("the log of drover %s:\n%s", mode, s.log)
		}
	})
	return s
}

func (s *server) launch(t *testing.T) {
	t.Helper()
	s.cmd = exec.Command(drover, append([]string{s.mode, "--data", s.data}, s.flags...)...)
	s.cmd.Env = append(environ(), "HOME="+filepath.Dir(s.data))
	s.cmd.Stderr = s.log
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan doors, 1)
	s.ended = make(chan error, 1)
	go func(cmd *exec.Cmd, ended chan<- error) {
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			var d doors
			if json.Unmarshal(lines.Bytes(), &d) == nil && d.Ready {
				ready <- d
				break
			}
			fmt.Fprintln(s.log, lines.Text())
		}
		io.Copy(s.log, stdout)
		ended <- cmd.Wait()
	}(s.cmd, s.ended)
	select {
	case s.doors = <-ready:
	case err := <-s.ended:
		s.cmd = nil
		t.Fatalf("drover %s ended before it was ready: %v\n%s", s.mode, err, s.log)
	case <-time.After(patience):
		t.Fatalf("drover %s did not say that it is ready\n%s", s.mode, s.log)
	}
	for flag, addr := range map[string]string{
		"--mqtt-addr": s.doors.MQTT, "--mqtts-addr": s.doors.MQTTS,
		"--http-addr": s.doors.HTTP, "--https-addr": s.doors.HTTPS, "--admin-addr": s.doors.Admin,
	} {
		for i := range s.flags {
			if s.flags[i] != flag {
				continue
			}
			if _, port, err := net.SplitHostPort(addr); err != nil || port == "0" {
				t.Fatalf("the ready line gives %q for %s, want host:port: %+v", addr, flag, s.doors)
			}
			s.flags[i+1] = addr
		}
	}
}

// stop ends the server with a signal and waits for it. SIGTERM must drain and
// end it with status 0.
func (s *server) stop(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if s.cmd == nil {
		return
	}
	cmd := s.cmd
	s.cmd = nil
	if err := cmd.Process.Signal(sig); err != nil {
		t.Errorf("drover %s is gone already: %v\n%s", s.mode, err, s.log)
	}
	select {
	case err := <-s.ended:
		if sig == syscall.SIGTERM && err != nil {
			t.Errorf("drover %s, ended by SIGTERM: %v\n%s", s.mode, err, s.log)
		}
	case <-time.After(patience):
		cmd.Process.Kill()
		t.Fatalf("drover %s does not end after %v\n%s", s.mode, sig, s.log)
	}
}

// restart stops the server with sig and starts it on the same data and ports.
func (s *server) restart(t *testing.T, sig syscall.Signal) {
	t.Helper()
	s.stop(t, sig)
	s.launch(t)
}

// endpoint is the URL for AWS clients.
func (s *server) endpoint() string {
	if s.mode == "dev" {
		return "http://" + s.doors.HTTP
	}
	return "https://" + s.doors.HTTPS
}

func (s *server) ca() string { return filepath.Join(s.data, "ca.pem") }

// env is the environment of an AWS client of this server, and nothing of the
// machine's own AWS settings.
func (s *server) env() []string {
	env := append(environ(),
		"HOME="+filepath.Dir(s.data), "AWS_CONFIG_FILE="+os.DevNull,
		"AWS_DEFAULT_REGION=us-east-1", "AWS_REGION=us-east-1", "AWS_ENDPOINT_URL="+s.endpoint(),
		"AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1", "AWS_PAGER=", "PYTHONWARNINGS=ignore",
	)
	if s.mode == "dev" {
		return append(env, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull, "AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY=key")
	}
	return append(env, "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(s.data, "credentials"), "AWS_PROFILE=drover", "AWS_CA_BUNDLE="+s.ca())
}

// environ is ours without what would lead an AWS client or drover elsewhere.
func environ() (env []string) {
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "AWS_") && !strings.HasPrefix(kv, "DROVER_") && !strings.HasPrefix(kv, "HOME=") {
			env = append(env, kv)
		}
	}
	return env
}

// credentials reads the access key that the first start of `serve` made.
func (s *server) credentials(t *testing.T) (id, secret string) {
	t.Helper()
	if s.mode == "dev" {
		return "any", "key"
	}
	path := filepath.Join(s.data, "credentials")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %v, want 0600", path, info.Mode().Perm())
	}
	profile := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			profile = strings.Trim(line, "[]")
		}
		key, value, _ := strings.Cut(line, "=")
		switch value = strings.TrimSpace(value); {
		case profile != "drover":
		case strings.TrimSpace(key) == "aws_access_key_id":
			id = value
		case strings.TrimSpace(key) == "aws_secret_access_key":
			secret = value
		}
	}
	if id == "" || secret == "" {
		t.Fatalf("%s has no access key in the profile drover:\n%s", path, text)
	}
	if strings.Contains(s.log.String(), secret) {
		t.Error("the secret access key is in the log")
	}
	return id, secret
}

// logBuffer keeps what a process says, while it runs.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// eventually asks until the answer is nil: for what the server does after it
// answered, such as the expansion of a job.
func eventually(t *testing.T, ask func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v still: %v", patience, err)
		}
		time.Sleep(poll)
	}
}

package e2e

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A script is a program that a user could have written with one of AWS's SDKs,
// of e2e/js or e2e/python. It says what it hears on stdout, a JSON object a
// line, each with the name of its "event".
type script struct {
	name  string
	lines chan string // closed when the program has said everything
	log   *logBuffer
	ended chan error
}

// scriptEnv is what the scripts read: who the device is and where the server is.
// addr is the door; a script that is given no port leaves the choice to its SDK.
func (s *server) scriptEnv(t *testing.T, thing, addr string) []string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	id, secret := s.credentials(t)
	return append(environ(), "HOME="+filepath.Dir(s.data), "NODE_PATH="+nodeModules(), "NODE_EXTRA_CA_CERTS="+s.ca(),
		"THING="+thing, "HOST=localhost", "PORT="+port, "CA="+s.ca(), "CERT="+s.certFile(thing), "KEY="+s.keyFile(thing),
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID="+id, "AWS_SECRET_ACCESS_KEY="+secret, "AWS_ENDPOINT_URL="+s.endpoint(),
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull, "AWS_EC2_METADATA_DISABLED=true")
}

// startScript runs a script; it is killed when the test ends before it does.
func startScript(t *testing.T, env []string, program string, args ...string) *script {
	t.Helper()
	cmd := exec.Command(program, args...)
	p := &script{name: strings.Join(args, " "), lines: make(chan string, 64), log: &logBuffer{}, ended: make(chan error, 1)}
	cmd.Env, cmd.Stderr = env, p.log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			p.lines <- scan.Text()
		}
		close(p.lines)
		p.ended <- cmd.Wait()
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-gone
	})
	return p
}

// expect is the very next line: like this pattern.
func (p *script) expect(t *testing.T, pattern string) {
	t.Helper()
	select {
	case line, more := <-p.lines:
		if !more {
			t.Fatalf("%s ended before it said %s:\n%s", p.name, pattern, p.log)
		}
		if err := match(pattern, []byte(line)); err != nil {
			t.Fatalf("%s said %s\n%v\n%s", p.name, line, err, p.log)
		}
	case <-time.After(patience):
		t.Fatalf("%s does not say %s\n%s", p.name, pattern, p.log)
	}
}

// finish waits for the end of the script: without another line, and well.
func (p *script) finish(t *testing.T) {
	t.Helper()
	select {
	case line, more := <-p.lines:
		if more {
			t.Fatalf("%s said %s, want its end\n%s", p.name, line, p.log)
		}
	case <-time.After(patience):
		t.Fatalf("%s does not end\n%s", p.name, p.log)
	}
	if err := <-p.ended; err != nil {
		t.Fatalf("%s: %v\n%s", p.name, err, p.log)
	}
}

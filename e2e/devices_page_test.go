package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	_ "github.com/aws/aws-sdk-go-v2/config" // a block of the page needs it
)

// A pageBlock is the one fenced block under a heading of docs/devices.md.
type pageBlock struct {
	heading, language, text string
}

// TestDevicesPage runs every block of docs/devices.md as it stands there, against
// a server whose ports alone are others: the setup, and for each client of the
// table the lines that take a job and report it as done. A client without a block
// and a block without a client in the table fail.
func TestDevicesPage(t *testing.T) {
	text, err := os.ReadFile("../docs/devices.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := pageBlocks(t, string(text))
	rows := regexp.MustCompile(`(?m)^\| \[(.+?)\]\(#(.+?)\) \| .+? \| (.+?) \|`).FindAllStringSubmatch(string(text), -1)
	if len(rows) < 12 || len(rows)+1 != len(blocks) {
		t.Fatalf("the table has %d clients and the page %d blocks, the setup among them", len(rows), len(blocks))
	}
	s := start(t, "serve")
	env := pageEnv(t, s, blocks["First"])
	for i, row := range rows {
		client, anchor, hears := row[1], row[2], row[3]
		block, ok := blocks[client]
		t.Run(client, func(t *testing.T) {
			if !ok {
				t.Fatalf("the client has no block: no heading %q", client)
			}
			if want := anchorOf(client); anchor != want {
				t.Errorf("the table's link goes to #%s, the heading is at #%s", anchor, want)
			}
			device := block.prepare(t, env)
			job := fmt.Sprintf("page-%d", i)
			switch hears {
			case "asking":
				device.asksFor(t, s, job)
			case "`notify-next`":
				device.hearsOf(t, s, job)
			default:
				t.Fatalf("the table says that it hears of a job by %q", hears)
			}
		})
	}
}

// pageBlocks are the blocks of a page by their headings.
func pageBlocks(t *testing.T, page string) map[string]pageBlock {
	t.Helper()
	blocks, heading := map[string]pageBlock{}, ""
	var open *pageBlock
	for line := range strings.Lines(page) {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && open != nil:
			blocks[heading], open = *open, nil
		case isFence:
			if _, twice := blocks[heading]; twice {
				t.Fatalf("there are two blocks under %q, and a test for one", heading)
			}
			open = &pageBlock{heading: heading, language: strings.TrimSpace(fence)}
		case open != nil:
			open.text += line
		case strings.HasPrefix(line, "#"):
			heading = strings.TrimSpace(strings.TrimLeft(line, "#"))
		}
	}
	if open != nil {
		t.Fatalf("the block under %q has no end", heading)
	}
	return blocks
}

// anchorOf is where GitHub puts a heading.
func anchorOf(heading string) string {
	text := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(heading), "")
	return strings.ReplaceAll(text, " ", "-")
}

// pageEnv runs the page's setup in a folder that looks as the page says, and
// gives the environment it leaves, which is all that the other blocks get.
func pageEnv(t *testing.T, s *server, setup pageBlock) []string {
	t.Helper()
	dir := filepath.Dir(s.data)
	if err := os.Symlink(s.data, filepath.Join(dir, "drover-data")); err != nil {
		t.Fatal(err)
	}
	port := func(addr string) string { return addr[strings.LastIndex(addr, ":")+1:] }
	text := strings.NewReplacer("8883", port(s.doors.MQTTS), "8443", port(s.doors.HTTPS)).Replace(setup.text)
	if strings.Count(setup.text, "8883") == 0 || strings.Count(setup.text, "8443") < 2 {
		t.Fatalf("the setup does not name the ports:\n%s", setup.text)
	}
	pinned, err := filepath.Abs(venv)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "-euc", text+"\nenv -0 > env")
	cmd.Dir = dir
	cmd.Env = append(environ(), "HOME="+dir, "PATH="+strings.Join([]string{filepath.Dir(drover), pinned, os.Getenv("PATH")}, ":"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the setup of the page: %v\n%s", err, out)
	}
	env, err := os.ReadFile(filepath.Join(dir, "env"))
	if err != nil {
		t.Fatal(err)
	}
	return append(strings.Split(strings.TrimRight(string(env), "\x00"), "\x00"), "PWD="+dir, "NODE_PATH="+nodeModules())
}

// A pageDevice is a block as a program, which begin starts.
type pageDevice struct {
	thing string
	out   *logBuffer
	ended chan error
	begin func(t *testing.T)
}

// prepare makes the block the program that it is.
func (b pageBlock) prepare(t *testing.T, env []string) *pageDevice {
	t.Helper()
	var cmd *exec.Cmd
	switch b.language {
	case "sh":
		for _, client := range regexp.MustCompile(`\b(aws|mosquitto_[a-z]+) `).FindAllStringSubmatch(b.text, -1) {
			need(t, client[1])
		}
		cmd = exec.Command("sh", "-euc", b.text)
	case "python":
		cmd = exec.Command(need(t, "python"), "-c", b.text)
	case "js":
		module := regexp.MustCompile(`require\('(.+?)'\)`).FindStringSubmatch(b.text)
		cmd = exec.Command(needModule(t, module[1]), "-e", b.text)
	case "go":
		cmd = exec.Command(goProgram(t, b.text))
	default:
		t.Fatalf("nothing here runs %q", b.language)
	}
	d := &pageDevice{out: &logBuffer{}, ended: make(chan error, 1)}
	for _, kv := range env {
		switch name, value, _ := strings.Cut(kv, "="); name {
		case "PWD":
			cmd.Dir = value
		case "THING":
			d.thing = value
		}
	}
	cmd.Env, cmd.Stdout, cmd.Stderr = env, d.out, d.out
	d.begin = func(t *testing.T) {
		t.Helper()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			d.ended <- cmd.Wait()
		}()
		t.Cleanup(func() {
			cmd.Process.Kill()
			<-gone
			if t.Failed() {
				t.Logf("the block said:\n%s", d.out)
			}
		})
	}
	return d
}

// goProgram builds a program with the modules of this one.
func goProgram(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "device")
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", binary, source).CombinedOutput(); err != nil {
		t.Fatalf("the block does not build: %v\n%s", err, out)
	}
	return binary
}

// asksFor: the job is there, the block takes it, ends, and it is done.
func (d *pageDevice) asksFor(t *testing.T, s *server, job string) {
	t.Helper()
	s.createJob(t, job, d.thing)
	eventually(t, func() error { return match(`["QUEUED"]`, s.statuses(t, job)) })
	d.begin(t)
	select {
	case err := <-d.ended:
		if err != nil {
			t.Fatalf("the block ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the block does not end")
	}
	eventually(t, func() error { return match(`["SUCCEEDED"]`, s.statuses(t, job)) })
}

// hearsOf: a job that waits is done when the device comes, and one that is made
// then is heard of.
func (d *pageDevice) hearsOf(t *testing.T, s *server, job string) {
	t.Helper()
	for i, id := range []string{job + "-waits", job + "-comes"} {
		s.createJob(t, id, d.thing)
		if i == 0 {
			eventually(t, func() error { return match(`["QUEUED"]`, s.statuses(t, id)) })
			d.begin(t)
		}
		d.does(t, s, id)
	}
}

func (d *pageDevice) does(t *testing.T, s *server, job string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(poll) {
		got := s.statuses(t, job)
		if bytes.Equal(got, []byte(`["SUCCEEDED"]`)) {
			return
		}
		select {
		case err := <-d.ended:
			t.Fatalf("%s is %s, and the block ended: %v", job, got, err)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is still %s", job, got)
		}
	}
}

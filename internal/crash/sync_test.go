package crash

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/sim/operator"
	"github.com/drover-iot/drover/internal/sim/process"
)

// A kill does not prove a sync: what a killed process wrote stays in the page
// cache. So this test watches the system calls, and wants for every update
//
//	a write to the log   <   the end of a sync of the log   <   its reply
//
// once for updates that come one by one, and once for many in one packet, which
// share commits.
func TestCrashSafetyTheLogIsSyncedBeforeTheFirstReply(t *testing.T) {
	slow(t)
	if _, err := exec.LookPath("strace"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("strace is missing, and CI may not do without it")
		}
		t.Skip("strace is missing (Debian: apt-get install strace)")
	}
	s := newServer(t)
	s.give("watched", operator.Job{ID: "watched-job"})
	c, err := dial(t.Context(), s.Ready.MQTT, "watched", false)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Drop()
	if _, err := c.report(t.Context(), "watched-job", "IN_PROGRESS", 1, 0); err != nil {
		t.Fatal(err)
	}

	const inTurn, atOnce = 30, 60
	trace := strace(t, s.PID(), func() {
		for n := range inTurn {
			if _, err := c.report(t.Context(), "watched-job", "IN_PROGRESS", int64(2+n), n); err != nil {
				t.Fatal(err)
			}
		}
	})
	checkInTurn(t, trace, inTurn)
	trace = strace(t, s.PID(), func() { burst(t, c, atOnce) })
	checkAtOnce(t, trace, atOnce)
}

// burst sends n updates in one write and reads their answers.
func burst(t *testing.T, c *client, n int) {
	t.Helper()
	tokens := make([]string, n)
	for i := range tokens {
		token, err := c.send("watched-job/update", map[string]any{"status": "IN_PROGRESS"})
		if err != nil {
			t.Fatal(err)
		}
		tokens[i] = token
	}
	for _, token := range tokens { // answers come in the order of the requests
		if _, err := c.reply(t.Context(), "watched-job/update", token); err != nil {
			t.Fatal(err)
		}
	}
}

// A call is a system call that matters here, at the time that counts: a sync
// and a write to the log when they end, a reply when it begins.
type call byte

const (
	logWrite call = 'w'
	logSync  call = 's'
	reply    call = 'r'
)

func checkInTurn(t *testing.T, trace []call, n int) {
	t.Helper()
	replies := 0
	wrote, synced := false, false
	for _, c := range trace {
		switch c {
		case logWrite:
			wrote, synced = true, false
		case logSync:
			synced = wrote
		case reply:
			if !synced {
				t.Errorf("reply %d left without a sync after its write to the log; calls: %s", replies, trace)
				return
			}
			replies++
			wrote, synced = false, false
		}
	}
	if replies != n {
		t.Errorf("%d replies seen, want %d; calls: %s", replies, n, trace)
	}
}

func checkAtOnce(t *testing.T, trace []call, n int) {
	t.Helper()
	text := string(callBytes(trace))
	first, last := strings.IndexByte(text, byte(reply)), strings.LastIndexByte(text, byte(reply))
	if first < 0 {
		t.Fatalf("no reply seen; calls: %s", text)
	}
	if w := strings.IndexByte(text[:first], byte(logWrite)); w < 0 || !strings.Contains(text[w:first], string(logSync)) {
		t.Errorf("the first reply left before the first batch was synced; calls: %s", text)
	}
	if w := strings.LastIndexByte(text[:last], byte(logWrite)); w < 0 || !strings.Contains(text[w:last], string(logSync)) {
		t.Errorf("the last reply left before the last batch was synced; calls: %s", text)
	}
	if syncs := strings.Count(text, string(logSync)); syncs >= n {
		t.Errorf("%d updates that came at once took %d syncs: they share no commit", n, syncs)
	}
}

func callBytes(trace []call) []byte {
	b := make([]byte, len(trace))
	for i, c := range trace {
		b[i] = byte(c)
	}
	return b
}

// strace runs do while the process is traced, and gives the calls that matter
// in the order the kernel's tracer saw them.
func strace(t *testing.T, pid int, do func()) []call {
	t.Helper()
	file := filepath.Join(t.TempDir(), "trace")
	tracer, err := process.Spawn(t.Context(), "strace", "-f", "-y", "-s", "400", "-e", "trace=write,pwrite64,fsync,fdatasync,writev,sendto,sendmsg", "-o", file, "-p", fmt.Sprint(pid))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if by, err := process.Tracer(pid); err == nil && by == tracer.PID() {
			break
		}
		select {
		case <-tracer.Done():
			t.Fatalf("strace ended: %s", tracer.Log())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("strace did not attach: %s", tracer.Log())
		}
	}
	do()
	if err := tracer.End(syscall.SIGINT, patience); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return readTrace(b)
}

var (
	begun   = regexp.MustCompile(`^(\d+) +(\w+)\(\d+<([^>]*)>(.*)$`)
	resumed = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>`)
)

// readTrace reads the output of strace -f -y.
func readTrace(b []byte) (calls []call) {
	pending := map[string]call{} // by thread: the call whose end is to come
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if m := resumed.FindStringSubmatch(lines.Text()); m != nil {
			if c, ok := pending[m[1]]; ok {
				calls = append(calls, c)
				delete(pending, m[1])
			}
			continue
		}
		m := begun.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		thread, name, file, rest := m[1], m[2], m[3], m[4]
		var c call
		switch {
		case strings.HasSuffix(file, "-wal") && strings.HasSuffix(name, "sync"):
			c = logSync
		case strings.HasSuffix(file, "-wal"):
			c = logWrite
		case strings.Contains(rest, "/update/accepted"):
			calls = append(calls, reply) // its beginning counts
			continue
		default:
			continue
		}
		if strings.HasSuffix(rest, "<unfinished ...>") {
			pending[thread] = c
		} else {
			calls = append(calls, c)
		}
	}
	return calls
}

// TestCrashSafetyTheTraceReaderSeesWhatItMust proves that the check can fail.
func TestCrashSafetyTheTraceReaderSeesWhatItMust(t *testing.T) {
	const good = `7 pwrite64(9</d/drover.db-wal>, "x"..., 24, 32) = 24
7 pwrite64(9</d/drover.db-wal>, "x"..., 4096, 56) = 4096
7 fdatasync(9</d/drover.db-wal> <unfinished ...>
8 write(3<pipe:[1]>, "noise", 5) = 5
7 <... fdatasync resumed>)      = 0
8 write(11<socket:[77]>, "@\2\0\1008\0($aws/things/t/jobs/j/update/accepted{}", 60) = 60
`
	if got := string(callBytes(readTrace([]byte(good)))); got != "wwsr" {
		t.Errorf("read as %q, want wwsr", got)
	}
	// A sync that has begun and not ended protects nothing.
	early := strings.Replace(good, "7 <... fdatasync resumed>)      = 0\n", "", 1) + "7 <... fdatasync resumed>)      = 0\n"
	if got := string(callBytes(readTrace([]byte(early)))); got != "wwrs" {
		t.Errorf("read as %q, want wwrs", got)
	}
}

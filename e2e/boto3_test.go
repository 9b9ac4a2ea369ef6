package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestBoto3(t *testing.T) { boto3(t, "testdata/boto3_story.py") }

func TestBoto3Identity(t *testing.T) {
	boto3(t, "testdata/boto3_identity.py", "IDENTITY_FILES="+newPapers(t).dir)
}

// TestBoto3RefusesWhatIsNotHere calls every operation that is not in.
func TestBoto3RefusesWhatIsNotHere(t *testing.T) {
	tables, err := filepath.Abs(wireTables)
	if err != nil {
		t.Fatal(err)
	}
	boto3(t, "testdata/boto3_refusals.py", "WIRE_TABLES="+tables)
}

// boto3 runs a script; each of its checks is a subtest.
func boto3(t *testing.T, script string, env ...string) {
	python := need(t, "python")
	onBoth(t, func(t *testing.T, s *server) {
		cmd := exec.Command(python, script)
		cmd.Env = append(s.env(), append(env, "PYTHONDONTWRITEBYTECODE=1")...)
		out, err := cmd.CombinedOutput()
		type check struct{ name, trace string }
		var passed, failed []check
		for line := range strings.Lines(string(out)) {
			if name, ok := strings.CutPrefix(line, "ok "); ok {
				passed = append(passed, check{name: strings.TrimSpace(name)})
			} else if name, ok := strings.CutPrefix(line, "not ok "); ok {
				failed = append(failed, check{name: strings.TrimSpace(name)})
			} else if len(failed) > 0 {
				failed[len(failed)-1].trace += line
			}
		}
		for _, c := range passed {
			t.Run(c.name, func(*testing.T) {})
		}
		for _, c := range failed {
			t.Run(c.name, func(t *testing.T) { t.Error(c.trace) })
		}
		if len(passed) == 0 || (err != nil) != (len(failed) > 0) {
			t.Errorf("the script itself: %v\n%s", err, out)
		}
	})
}

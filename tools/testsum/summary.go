package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// event is one line of `go test -json` (cmd/test2json).
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build output
	Test        string
	Output      string
	Elapsed     float64
	FailedBuild string
}

// test is what is known of one test so far.
type test struct {
	output  []string
	outcome string // pass, fail, skip, or "" while it runs
	parent  bool   // it ran subtests
	childOK bool   // none of its subtests failed
}

type summary struct {
	out     io.Writer
	tests   map[string]*test // of the packages that are not done, by package + " " + name
	builds  map[string][]string
	skips   []string
	failed  []string
	passed  int
	skipped int
}

func newSummary(out io.Writer) *summary {
	return &summary{out: out, tests: map[string]*test{}, builds: map[string][]string{}}
}

func (s *summary) failures() int { return len(s.failed) }

func (s *summary) fail(name, why string) {
	s.failed = append(s.failed, name)
	fmt.Fprintf(s.out, "--- FAIL: %s\n%s\n", name, strings.TrimRight(why, "\n"))
}

// read takes events until the stream ends. What is not JSON is shown as it is.
func (s *summary) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintln(s.out, lines.Text())
			continue
		}
		s.take(e)
	}
	return lines.Err()
}

func (s *summary) take(e event) {
	if e.Action == "build-output" {
		s.builds[e.ImportPath] = append(s.builds[e.ImportPath], e.Output)
		return
	}
	if e.Package == "" {
		return
	}
	key := e.Package + " " + e.Test
	t := s.tests[key]
	if t == nil {
		t = &test{childOK: true}
		s.tests[key] = t
	}
	switch e.Action {
	case "run":
		if parent := s.parent(e); parent != nil {
			parent.parent = true
		}
	case "output":
		t.output = append(t.output, e.Output)
	case "pass", "fail", "skip":
		t.outcome = e.Action
		if e.Test == "" {
			s.endPackage(e, t)
			return
		}
		if parent := s.parent(e); parent != nil && e.Action == "fail" {
			parent.childOK = false
		}
		s.count(strings.TrimSuffix(key, " "), t)
		t.output = nil
	}
}

func (s *summary) parent(e event) *test {
	if i := strings.LastIndexByte(e.Test, '/'); i >= 0 {
		return s.tests[e.Package+" "+e.Test[:i]]
	}
	return nil
}

func (s *summary) count(name string, t *test) {
	switch {
	case t.outcome == "fail" && (!t.parent || t.childOK):
		s.fail(name, strings.Join(t.output, ""))
	case t.outcome == "skip":
		s.skipped++
		s.skips = append(s.skips, name+reason(t.output))
	case t.outcome == "pass" && !t.parent:
		s.passed++
	}
}

// endPackage blames a failed package for the tests that never ended, and for
// itself when no test explains it: a build that failed, a panic in TestMain. What
// the package said by itself, such as the trace of a panic, is shown once.
func (s *summary) endPackage(e event, p *test) {
	explained := false
	for key, t := range s.tests {
		if pkg, name, _ := strings.Cut(key, " "); pkg == e.Package && name != "" {
			if t.outcome == "" && !t.parent && e.Action == "fail" {
				s.fail(key+" (did not end)", strings.Join(append(t.output, p.output...), ""))
				p.output = nil
				explained = true
			}
			explained = explained || t.outcome == "fail"
			delete(s.tests, key)
		}
	}
	delete(s.tests, e.Package+" ")
	if e.Action == "fail" && !explained {
		s.fail(e.Package, strings.Join(append(s.builds[e.FailedBuild], p.output...), ""))
	}
	if e.Action == "pass" {
		fmt.Fprintf(s.out, "ok   %s %.1fs\n", e.Package, e.Elapsed)
	}
}

// endModule blames what was cut off without a word.
func (s *summary) endModule() {
	for key, t := range s.tests {
		s.fail(strings.TrimSuffix(key, " ")+" (cut off)", strings.Join(t.output, ""))
		delete(s.tests, key)
	}
}

// reason is the line a test gave with its t.Skip, the one before "--- SKIP".
func reason(output []string) string {
	for _, line := range output {
		if i := strings.Index(line, ".go:"); i >= 0 {
			if _, said, ok := strings.Cut(line[i+4:], ": "); ok {
				return ": " + strings.TrimSpace(said)
			}
		}
	}
	return ""
}

// report prints the summary and says whether all is well.
func (s *summary) report() bool {
	for _, skip := range s.skips {
		fmt.Fprintln(s.out, "skipped", skip)
	}
	for _, name := range s.failed {
		fmt.Fprintln(s.out, "FAILED ", name)
	}
	ran := s.passed + len(s.failed) + s.skipped
	if ran == 0 {
		fmt.Fprintln(s.out, "no test ran: are the packages named right?")
	}
	fmt.Fprintf(s.out, "%d passed, %d failed, %d skipped\n", s.passed, len(s.failed), s.skipped)
	return ran > 0 && len(s.failed) == 0
}

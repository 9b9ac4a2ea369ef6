package main

import (
	"strings"
	"testing"
)

// stream writes the events of one package: each row is action, test, output.
func stream(rows ...[3]string) string {
	var b strings.Builder
	for _, r := range rows {
		b.WriteString(`{"Action":"` + r[0] + `","Package":"p","Test":"` + r[1] + `","Output":"` + r[2] + `"}` + "\n")
	}
	return b.String()
}

func TestTheLastLineCountsTheTestsThatDidTheWork(t *testing.T) {
	for _, row := range []struct {
		name, in, last string
		ok             bool
	}{
		{"a parent stands for its subtests", stream(
			[3]string{"run", "TestA"}, [3]string{"run", "TestA/x"}, [3]string{"run", "TestA/y"},
			[3]string{"pass", "TestA/x"}, [3]string{"skip", "TestA/y"}, [3]string{"pass", "TestA"}, [3]string{"pass"},
		), "1 passed, 0 failed, 1 skipped", true},
		{"a failed subtest is counted once", stream(
			[3]string{"run", "TestA"}, [3]string{"run", "TestA/x"},
			[3]string{"fail", "TestA/x"}, [3]string{"fail", "TestA"}, [3]string{"fail"},
		), "0 passed, 1 failed, 0 skipped", false},
		{"a parent that fails by itself is counted", stream(
			[3]string{"run", "TestA"}, [3]string{"run", "TestA/x"},
			[3]string{"pass", "TestA/x"}, [3]string{"fail", "TestA"}, [3]string{"fail"},
		), "1 passed, 1 failed, 0 skipped", false},
		{"a package that does not build is a failure", stream([3]string{"fail"}), "0 passed, 1 failed, 0 skipped", false},
		{"a test that never ended is a failure", stream([3]string{"run", "TestA"}, [3]string{"fail"}), "0 passed, 1 failed, 0 skipped", false},
		{"a parent of tests that never ended is not counted beside them", stream(
			[3]string{"run", "TestA"}, [3]string{"run", "TestA/x"}, [3]string{"fail"},
		), "0 passed, 1 failed, 0 skipped", false},
		{"a parent that never ended after its subtests did is a failure", stream(
			[3]string{"run", "TestA"}, [3]string{"run", "TestA/x"}, [3]string{"pass", "TestA/x"}, [3]string{"fail"},
		), "1 passed, 1 failed, 0 skipped", false},
		{"a stream that is cut off is a failure", stream([3]string{"run", "TestA"}), "0 passed, 1 failed, 0 skipped", false},
		{"a package without tests is neither", stream([3]string{"skip"}), "0 passed, 0 failed, 0 skipped", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out strings.Builder
			s := newSummary(&out)
			if err := s.read(strings.NewReader(row.in)); err != nil {
				t.Fatal(err)
			}
			s.endModule()
			ok := s.report()
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if last := lines[len(lines)-1]; last != row.last || ok != row.ok {
				t.Errorf("got %q, %v; want %q, %v; all of it:\n%s", last, ok, row.last, row.ok, out.String())
			}
		})
	}
}

func TestASkippedTestIsNamedWithItsReason(t *testing.T) {
	var out strings.Builder
	s := newSummary(&out)
	in := stream([3]string{"run", "TestAWS"}, [3]string{"output", "TestAWS", `    a_test.go:7: client missing: aws\n`}, [3]string{"skip", "TestAWS"})
	if err := s.read(strings.NewReader(in)); err != nil {
		t.Fatal(err)
	}
	s.report()
	if !strings.Contains(out.String(), "skipped p TestAWS: client missing: aws\n") {
		t.Error(out.String())
	}
}

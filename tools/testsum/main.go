// Command testsum runs `go test -json` in one module after another and sums up:
// the output of what failed, the name and reason of what was skipped, and as the
// very last line
//
//	N passed, N failed, N skipped
//
// It counts the tests that did the work: a test that ran subtests stands for
// them, unless it failed by itself. A package that did not build, or that died
// outside of a test, counts as one failure. Exit status 1 when anything failed
// or nothing ran.
//
//	testsum [-modules .,e2e] [-- go test flags and packages]
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

func main() {
	modules := flag.String("modules", ".", "folders of the modules to test, separated by commas")
	flag.Parse()
	sum := newSummary(os.Stdout)
	for _, dir := range strings.Split(*modules, ",") {
		if err := runModule(sum, dir, flag.Args()); err != nil {
			fmt.Fprintln(os.Stderr, "testsum:", err)
			os.Exit(2)
		}
	}
	if !sum.report() {
		os.Exit(1)
	}
}

// runModule feeds one `go test -json` to the summary. A failing test is the
// summary's business; only a go command that said nothing about its failure is
// an error here.
func runModule(sum *summary, dir string, args []string) error {
	if len(args) == 0 {
		args = []string{"./..."}
	}
	fmt.Printf("== %s: go test %s\n", dir, strings.Join(args, " "))
	start, before := time.Now(), sum.failures()
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := sum.read(out); err != nil {
		return fmt.Errorf("the output of go test in %s: %w", dir, err)
	}
	if _, err := io.Copy(io.Discard, out); err != nil {
		return err
	}
	err = cmd.Wait()
	sum.endModule()
	fmt.Printf("== %s: %s\n", dir, time.Since(start).Round(time.Second/10))
	if err != nil && sum.failures() == before {
		sum.fail(dir, "go test: "+err.Error())
	}
	return nil
}

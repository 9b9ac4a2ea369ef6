package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// drover is the binary under test, built once from the module above.
var drover string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "drover-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	drover = filepath.Join(dir, "drover")
	build := exec.Command("go", "build", "-o", drover, "./cmd/drover")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "e2e: drover does not build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

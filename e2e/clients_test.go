package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// venv is where `make clients` puts the pinned Python clients.
const venv = "../.cache/venv/bin"

// need returns the path of a client. A client that is not there skips the test
// by its name on a developer's machine and fails it where CI=true: it is the one
// reason for which a test here may be skipped.
func need(t *testing.T, client string) string {
	t.Helper()
	if pinned, err := filepath.Abs(filepath.Join(venv, client)); err == nil {
		if _, err := os.Stat(pinned); err == nil {
			return pinned
		}
	}
	// The system's python has no boto3 of the version we pin.
	if client != "python" {
		if path, err := exec.LookPath(client); err == nil {
			return path
		}
	}
	const hint = "make clients installs aws and boto3, the package mosquitto-clients has the mosquitto ones"
	if os.Getenv("CI") == "true" {
		t.Fatalf("the client %s is missing, and CI must run every client: %s", client, hint)
	}
	t.Skipf("the client %s is missing: %s", client, hint)
	return ""
}

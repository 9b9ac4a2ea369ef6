package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// venv and modules are where `make clients` puts the pinned clients.
const (
	venv    = "../.cache/venv/bin"
	modules = "../.cache/js/node_modules"
)

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
	missing(t, client)
	return ""
}

// needModule checks that a JavaScript client is there, and returns node.
func needModule(t *testing.T, name string) (node string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(nodeModules(), name, "package.json")); err != nil {
		missing(t, name)
	}
	return need(t, "node")
}

// nodeModules is the NODE_PATH of a script.
func nodeModules() string {
	path, err := filepath.Abs(modules)
	if err != nil {
		panic(err) // the test has no working directory
	}
	return path
}

func missing(t *testing.T, client string) {
	t.Helper()
	const hint = "make clients installs the ones of Python and JavaScript, the packages mosquitto-clients and curl have the others"
	if os.Getenv("CI") == "true" {
		t.Fatalf("the client %s is missing, and CI must run every client: %s", client, hint)
	}
	t.Skipf("the client %s is missing: %s", client, hint)
}

package e2e

import "testing"

// TestAWSCLIRegistry runs the chapters of registry_table_test.go, one after the
// other; TestBoto3Registry has both kinds of servers.
func TestAWSCLIRegistry(t *testing.T) {
	cli := pinnedCLI(t)
	t.Parallel()
	start(t, "dev").runChapters(t, cli, registryChapters)
}

func TestBoto3Registry(t *testing.T) { boto3(t, "testdata/boto3_registry.py") }

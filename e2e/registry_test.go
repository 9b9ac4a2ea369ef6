package e2e

import (
	"testing"
	"time"
)

// TestAWSCLIRegistry runs the chapters of registry_table_test.go, one after the
// other; TestBoto3Registry has both kinds of servers. The clock begins half an hour
// ago, so that the minutes that pass do not lead into the future.
func TestAWSCLIRegistry(t *testing.T) {
	cli := pinnedCLI(t)
	t.Parallel()
	s := start(t, "dev", "--clock", "virtual", "--clock-at", time.Now().Add(-30*time.Minute).UTC().Format(time.RFC3339), "--max-tags", "0")
	s.runChapters(t, cli, registryChapters)
}

func TestBoto3Registry(t *testing.T) { boto3(t, "testdata/boto3_registry.py") }

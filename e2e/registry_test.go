package e2e

import "testing"

// TestAWSCLIRegistry runs the chapters of registry_table_test.go, one after the
// other; TestBoto3Registry has both kinds of servers.
func TestAWSCLIRegistry(t *testing.T) {
	cli := need(t, "aws")
	t.Parallel()
	s := start(t, "dev")
	for _, part := range registryChapters {
		t.Run(part.name, func(t *testing.T) {
			for i, c := range part.commands {
				ask := func() error { return s.try(t, cli, c) }
				if c.later {
					eventually(t, ask)
				} else if err := ask(); err != nil {
					t.Errorf("%d: aws %s\n%v", i+1, c.run, err)
				}
			}
		})
	}
}

func TestBoto3Registry(t *testing.T) { boto3(t, "testdata/boto3_registry.py") }

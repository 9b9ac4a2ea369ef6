package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A command is one call of the AWS CLI with what it must say: JSON like want on
// stdout (nothing, if want is empty), or the error. What the server does after
// it answered is asked for again until it is there (later).
type command struct {
	run   string // split at spaces, '…' keeps them
	want  string
	error string
	later bool
	save  string // the certificateId of the answer is {save} from then on (identity_table_test.go)
}

// aws runs the CLI and gives its stdout, or the name of the AWS error.
func (s *server) aws(t *testing.T, cli string, args ...string) ([]byte, error) {
	t.Helper()
	cmd := exec.Command(cli, args...)
	cmd.Env = s.env()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if m := awsError.FindSubmatch(stderr.Bytes()); m != nil {
			return nil, &apiError{name: string(m[1]), operation: string(m[2]), message: string(m[3])}
		}
		return nil, fmt.Errorf("aws %s: %w\n%s%s", strings.Join(args, " "), err, stderr.Bytes(), stdout.Bytes())
	}
	return stdout.Bytes(), nil
}

var awsError = regexp.MustCompile(`An error occurred \((\S+)\) when calling the (\S+) operation[^:]*: (.*)`)

type apiError struct{ name, operation, message string }

func (e *apiError) Error() string { return e.name + " from " + e.operation + ": " + e.message }

// try runs a command and says how it differs from what it must do.
func (s *server) try(t *testing.T, cli string, c command) error {
	t.Helper()
	out, err := s.aws(t, cli, words(c.run)...)
	var refused *apiError
	switch {
	case errors.As(err, &refused) && refused.name == c.error:
		if refused.message == "" {
			return fmt.Errorf("%s has no message", c.error)
		}
		return nil
	case err != nil:
		return err
	case c.error != "":
		return fmt.Errorf("got %s, want %s", out, c.error)
	case c.want == "" && len(bytes.TrimSpace(out)) != 0:
		return fmt.Errorf("got %s, want nothing", out)
	case c.want == "":
		return nil
	}
	return match(c.want, out)
}

// words splits a command line: spaces separate, '…' is one word.
func words(line string) (list []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			list = append(list, part)
		} else {
			list = append(list, strings.Fields(part)...)
		}
	}
	return list
}

// issued are the operations that an operator and a device can call now; the
// table below must call each of them.
var issued = map[string][]string{
	"iot": {
		"describe-endpoint",
		"create-thing", "describe-thing", "update-thing", "delete-thing", "list-things",
		"create-thing-group", "describe-thing-group", "delete-thing-group", "list-thing-groups",
		"add-thing-to-thing-group", "remove-thing-from-thing-group", "list-things-in-thing-group", "list-thing-groups-for-thing",
		"update-thing-group", "update-thing-groups-for-thing",
		"create-thing-type", "describe-thing-type", "list-thing-types", "update-thing-type", "deprecate-thing-type",
		"tag-resource", "untag-resource", "list-tags-for-resource",
		"update-event-configurations", "describe-event-configurations",
		"create-job", "describe-job", "list-jobs", "get-job-document", "cancel-job", "delete-job",
		"update-job", "associate-targets-with-job",
		"describe-job-execution", "cancel-job-execution", "delete-job-execution",
		"list-job-executions-for-job", "list-job-executions-for-thing",
		"create-keys-and-certificate", "create-certificate-from-csr", "register-certificate-without-ca",
		"describe-certificate", "list-certificates", "update-certificate", "delete-certificate",
		"attach-thing-principal", "detach-thing-principal", "list-thing-principals", "list-thing-principals-v2",
		"list-principal-things", "list-principal-things-v2",
	},
	"iot-jobs-data": {
		"get-pending-job-executions", "start-next-pending-job-execution", "describe-job-execution", "update-job-execution",
	},
}

func TestAWSCLIEveryCommandIsInTheTable(t *testing.T) {
	called := map[string]bool{}
	for _, part := range slices.Concat(chapters, identityChapters, registryChapters) {
		for _, c := range part.commands {
			if w := words(c.run); c.error == "" {
				called[w[0]+" "+w[1]] = true
			}
		}
	}
	for service, operations := range issued {
		for _, op := range operations {
			if !called[service+" "+op] {
				t.Errorf("no command of the table calls aws %s %s with success", service, op)
			}
		}
	}
}

// TestAWSCLI runs the chapters of awscli_table_test.go, one after the other,
// against one server of each kind.
func TestAWSCLI(t *testing.T) {
	cli := need(t, "aws")
	onBoth(t, func(t *testing.T, s *server) {
		for _, part := range chapters {
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
	})
}

// TestAWSCLISaysWhatIsNotThereYet: a known operation without an implementation
// is refused by its name, and an SDK can tell.
func TestAWSCLISaysWhatIsNotThereYet(t *testing.T) {
	cli := need(t, "aws")
	onBoth(t, func(t *testing.T, s *server) {
		for _, call := range []struct{ run, operation string }{
			{"iot list-policies", "ListPolicies"},
			{"iot list-job-templates", "ListJobTemplates"},
			{"iot list-topic-rules", "ListTopicRules"},
			{"iot search-index --query-string thingName:*", "SearchIndex"},
		} {
			_, err := s.aws(t, cli, words(call.run)...)
			var refused *apiError
			if !errors.As(err, &refused) || !strings.Contains(refused.message, call.operation) {
				t.Errorf("aws %s: got %v, want a refusal that names %s", call.run, err, call.operation)
			}
		}
	})
}

func TestWordsKeepsWhatIsQuoted(t *testing.T) {
	got := words(`iot create-job --document '{"a": 1}' --x y`)
	if want := []string{"iot", "create-job", "--document", `{"a": 1}`, "--x", "y"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

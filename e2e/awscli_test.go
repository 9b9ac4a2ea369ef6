package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
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
	save  string // the certificateId of the answer, or its member of, is {save} from then on
	of    string
}

// A chapter is commands of one kind, in order.
type chapter = struct {
	name     string
	commands []command
}

// An awsCLI runs the AWS CLI once.
type awsCLI func(t *testing.T, env, args []string) said

// program is the AWS CLI of this path, as an operator has it.
func program(path string) awsCLI {
	return func(t *testing.T, env, args []string) said {
		t.Helper()
		cmd := exec.Command(path, args...)
		cmd.Env = env
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		var failed *exec.ExitError
		if err := cmd.Run(); err != nil && !errors.As(err, &failed) {
			t.Fatal(err)
		}
		return said{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
	}
}

// pinnedCLI is the pinned AWS CLI, which the tables run without paying for its
// start each time.
func pinnedCLI(t *testing.T) awsCLI {
	t.Helper()
	f := newForks(t, need(t, "python"))
	return func(t *testing.T, env, args []string) said {
		t.Helper()
		return f.run(t, ".", env, args)
	}
}

// aws runs the CLI and gives its stdout, or the name of the AWS error.
func (s *server) aws(t *testing.T, cli awsCLI, args ...string) ([]byte, error) {
	t.Helper()
	out := cli(t, s.env(), args)
	if out.exit != 0 {
		if m := awsError.FindStringSubmatch(out.stderr); m != nil {
			return nil, &apiError{name: m[1], operation: m[2], message: m[3]}
		}
		return nil, fmt.Errorf("aws %s: exit code %d\n%s%s", strings.Join(args, " "), out.exit, out.stderr, out.stdout)
	}
	return []byte(out.stdout), nil
}

var awsError = regexp.MustCompile(`An error occurred \((\S+)\) when calling the (\S+) operation[^:]*: (.*)`)

type apiError struct{ name, operation, message string }

func (e *apiError) Error() string { return e.name + " from " + e.operation + ": " + e.message }

// try runs a command and says how it differs from what it must do.
func (s *server) try(t *testing.T, cli awsCLI, c command) error {
	t.Helper()
	_, err := s.tryFor(t, cli, c)
	return err
}

// tryFor is try, and gives what the command saves.
func (s *server) tryFor(t *testing.T, cli awsCLI, c command) (saved string, err error) {
	t.Helper()
	out, err := s.aws(t, cli, words(c.run)...)
	if c.save == "" || err != nil {
		return "", s.judge(c, out, err)
	}
	answer := map[string]any{}
	err = errors.Join(s.judge(c, out, err), json.Unmarshal(out, &answer))
	saved, _ = answer[cmp.Or(c.of, "certificateId")].(string)
	return saved, err
}

// judge says how an answer differs from what it must be.
func (*server) judge(c command, out []byte, err error) error {
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

// advance moves the virtual clock.
func (s *server) advance(t *testing.T, by string) {
	t.Helper()
	resp, err := http.Post(s.endpoint()+"/drover/v1/clock/advance", "application/json", strings.NewReader(`{"by":"`+by+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the clock answers %s", resp.Status)
	}
}

// runChapters runs chapters one after the other. known are placeholders with their
// values; what a command saves joins them.
func (s *server) runChapters(t *testing.T, cli awsCLI, parts []chapter, known ...string) {
	for _, part := range parts {
		t.Run(part.name, func(t *testing.T) {
			for i, c := range part.commands {
				fill := strings.NewReplacer(known...)
				c.run, c.want = fill.Replace(c.run), fill.Replace(c.want)
				if by, ok := strings.CutPrefix(c.run, "clock "); ok {
					s.advance(t, by)
					continue
				}
				var saved string
				ask := func() (err error) {
					saved, err = s.tryFor(t, cli, c)
					return err
				}
				if c.later {
					eventually(t, ask)
				} else if err := ask(); err != nil {
					t.Errorf("%d: aws %s\n%v", i+1, c.run, err)
				}
				if c.save != "" {
					known = append(known, "{"+c.save+"}", saved)
				}
			}
		})
	}
}

// TestAWSCLI runs the chapters of awscli_table_test.go, one after the other,
// against one server of each kind.
func TestAWSCLI(t *testing.T) {
	cli := pinnedCLI(t)
	onBoth(t, func(t *testing.T, s *server) { s.runChapters(t, cli, chapters) })
}

// TestAWSCLIMembers runs memberChapters likewise.
func TestAWSCLIMembers(t *testing.T) {
	cli := pinnedCLI(t)
	onBoth(t, func(t *testing.T, s *server) { s.runChapters(t, cli, memberChapters) })
}

// TestAWSCLISaysWhatIsNotThereYet: a known operation without an implementation
// is refused by its name, and an SDK can tell.
func TestAWSCLISaysWhatIsNotThereYet(t *testing.T) {
	cli := pinnedCLI(t)
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

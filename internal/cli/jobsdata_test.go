package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/cli/awscli"
)

// TestTheCommandsAreThoseOfTheServiceModel holds the derived shapes against what
// botocore ships: every member in its order, what is required, every minimum and
// every enum, of what a command takes and of what it answers.
func TestTheCommandsAreThoseOfTheServiceModel(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "wire", "testdata", "botocore-facts.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	facts := map[string][][]string{} // the lines of a shape
	for line := range strings.Lines(string(text)) {
		if c := strings.Split(strings.TrimSuffix(line, "\n"), "\t"); len(c) == 8 {
			facts[c[0]] = append(facts[c[0]], c)
		}
	}
	structures := map[string]string{
		"execution": "JobExecution", "executionState": "JobExecutionState",
		"inProgressJobs[]": "JobExecutionSummary", "queuedJobs[]": "JobExecutionSummary",
	}
	line := func(c []string) string { return strings.Join([]string{c[1], c[2], c[3], c[4], c[7]}, " ") }
	var walk func(where string, s *awscli.Shape)
	walk = func(where string, s *awscli.Shape) {
		var got, want []string
		say := func(name, location, required string, s *awscli.Shape) {
			min, enum := "-", "-"
			if s.Min != nil {
				min = fmt.Sprint(*s.Min)
			}
			if s.Enum != nil {
				enum = strings.Join(s.Enum, ",")
			}
			got = append(got, line([]string{"", name, location, required, min, "", "", enum}))
			if s.Kind == awscli.Structure {
				walk(structures[name], s)
			}
		}
		for _, m := range s.Members {
			location, required := m.In, "-"
			if location != "body" {
				location += ":" + m.WireName
			}
			if m.Required {
				required = "required"
			}
			say(m.Name, location, required, m.Shape)
			switch m.Kind {
			case awscli.List:
				say(m.Name+"[]", "-", "-", m.Elem)
			case awscli.Map:
				say(m.Name+"{key}", "-", "-", m.Key)
				say(m.Name+"{value}", "-", "-", m.Value)
			}
		}
		for _, c := range facts["jobsdata."+where] {
			want = append(want, line(c))
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") || len(want) == 0 {
			t.Errorf("%s: got\n%s\nwant\n%s", where, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	for _, op := range dataCommands().Operations {
		walk(op.Name+"Input", op.Input)
		walk(op.Name+"Output", op.Output)
	}
	if n := len(dataCommands().Operations); n != 4 {
		t.Errorf("%d operations, want 4", n)
	}
}

// command runs `drover iot-jobs-data` in this process with a clock that only counts.
func command(t *testing.T, env map[string]string, random float64, args ...string) (code int, stdout, stderr string, pauses []time.Duration) {
	t.Helper()
	var out, err bytes.Buffer
	getenv := func(name string) string { return env[name] }
	code = awscli.Run(t.Context(), &awscli.Host{
		Program: "drover", Out: &out, Err: &err, ReadFile: readParameter,
		Expand:   func(path string) string { return expand(path, getenv) },
		Terminal: func() (int, bool) { return noTerminal, false },
		Dial:     func(g awscli.Globals) awscli.Caller { return &caller{globals: g, env: getenv} },
		Pause:    func(_ context.Context, d time.Duration) error { pauses = append(pauses, d); return nil },
		Random:   func() float64 { return random },
	}, dataCommands(), args)
	return code, out.String(), err.String(), pauses
}

func environment(endpoint string, more ...string) map[string]string {
	env := map[string]string{
		"AWS_ENDPOINT_URL": endpoint, "AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "key",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	}
	for _, kv := range more {
		name, value, _ := strings.Cut(kv, "=")
		env[name] = value
	}
	return env
}

// TestWhatMayPassIsAskedAgain: which refusals, how often, after which pauses.
func TestWhatMayPassIsAskedAgain(t *testing.T) {
	for _, row := range []struct {
		name, code, env string
		status, asked   int
		again           bool
	}{
		{"throttled", "ThrottlingException", "", 429, 5, true},
		{"throttled by its name alone", "ThrottlingException", "", 400, 5, true},
		{"busy", "ServiceUnavailableException", "", 503, 5, true},
		{"broken", "InternalFailure", "", 500, 5, true},
		{"twice at most", "ServiceUnavailableException", "AWS_MAX_ATTEMPTS=2", 503, 2, true},
		{"standard mode", "ServiceUnavailableException", "AWS_RETRY_MODE=standard", 503, 3, true},
		{"wrong", "InvalidRequestException", "", 400, 1, false},
		{"not there", "ResourceNotFoundException", "", 404, 1, false},
		{"not implemented", "NotImplementedException", "", 501, 1, false},
	} {
		asked := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked++
			w.Header().Set("X-Amzn-Errortype", row.code)
			w.WriteHeader(row.status)
			io.WriteString(w, `{"message":"no"}`)
		}))
		code, _, stderr, pauses := command(t, environment(server.URL, row.env), 0.5, "get-pending-job-executions", "--thing-name", "t")
		server.Close()
		want := "An error occurred (" + row.code + ") when calling the GetPendingJobExecutions operation: no"
		if row.again {
			want = fmt.Sprintf("(reached max retries: %d): no", row.asked-1)
		}
		if code != 255 || asked != row.asked || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, asked %d times, want %d; %s", row.name, code, asked, row.asked, stderr)
		}
		for i, p := range pauses {
			if want := time.Second / 2 << i; p != want {
				t.Errorf("%s: pause %d is %v, want %v", row.name, i, p, want)
			}
		}
	}
}

// TestSilenceIsBounded: a server that accepts and says nothing.
func TestSilenceIsBounded(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	endpoint := "http://" + listener.Addr().String()
	code, _, stderr, _ := command(t, environment(endpoint, "AWS_MAX_ATTEMPTS=1"), 0, "get-pending-job-executions", "--thing-name", "t", "--cli-read-timeout", "1")
	if want := `Read timeout on endpoint URL: "` + endpoint + `/things/t/jobs"`; code != 255 || !strings.Contains(stderr, want) {
		t.Errorf("exit code %d, %q, want %q", code, stderr, want)
	}
}

func TestAnInterruptEndsTheCommand(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	defer server.Close()
	env := environment(server.URL)
	var out, stderr bytes.Buffer
	c := jobsData{Args: []string{"get-pending-job-executions", "--thing-name", "t"}}
	err := c.Run(ctx, Streams{Out: &out, Err: &stderr, Env: func(name string) string { return env[name] }})
	var f *Failure
	if !errors.As(err, &f) || f.Exit != 130 || !f.Told || out.String() != "\n" || stderr.Len() > 0 {
		t.Errorf("got %v %+v, stdout %q, stderr %q", err, f, out.String(), stderr.String())
	}
}

// TestSourcesThatTheTableCannotCompare: what drover has beside the AWS CLI, and
// where it would go to another server.
func TestSourcesThatTheTableCannotCompare(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"queuedJobs":[],"authorization":"`+r.Header.Get("Authorization")+`"}`)
	}))
	defer server.Close()
	ask := []string{"get-pending-job-executions", "--thing-name", "t", "--output", "json"}
	for _, row := range []struct {
		name string
		env  []string
		args []string
		code int
		want string
	}{
		{"AWS_REGION, where the AWS CLI finds none", []string{"AWS_DEFAULT_REGION=", "AWS_REGION=eu-west-1"}, nil, 0, "queuedJobs"},
		{"no region", []string{"AWS_DEFAULT_REGION="}, nil, 255, "You must specify a region."},
		{"no endpoint", []string{"AWS_ENDPOINT_URL="}, nil, 255, "Next: --endpoint-url"},
		{"configured endpoints are ignored", []string{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true"}, nil, 255, "No endpoint"},
		{"an option is not ignored", []string{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true"}, []string{"--endpoint-url", server.URL}, 0, "queuedJobs"},
		{"debug says what was asked, and no secret", nil, []string{"--debug"}, 0, "debug: GetPendingJobExecutions, attempt 1 of 5: GET /things/t/jobs"},
		{"an option of another program", nil, []string{"--v2-debug"}, 255, "Unknown options: --v2-debug"},
		{"a certificate alone", nil, []string{"--cert", "x.pem"}, 255, "--cert and --key go together"},
		{"a timeout below zero", nil, []string{"--cli-read-timeout=-1"}, 255, "expected 0 to"},
	} {
		code, stdout, stderr, _ := command(t, environment(server.URL, row.env...), 0, append(ask, row.args...)...)
		if code != row.code || !strings.Contains(stdout+stderr, row.want) || strings.Contains(stderr, "Signature=") {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q; want %d and %q", row.name, code, stdout, stderr, row.code, row.want)
		}
	}
}

func TestHelpTeaches(t *testing.T) {
	for args, want := range map[string][]string{
		"help":                        {"get-pending-job-executions", "--endpoint-url", "--cert pump-7.cert.pem", "Exit codes"},
		"--help":                      {"start-next-pending-job-execution"},
		"update-job-execution help":   {"--status-details K=V", "--no-include-job-document", "Required.", "--cli-input-json"},
		"update-job-execution --help": {"--expected-version NUMBER", "--step-timeout-in-minutes NUMBER"},
	} {
		code, stdout, stderr, _ := command(t, environment(""), 0, strings.Fields(args)...)
		for _, w := range want {
			if code != 0 || stderr != "" || !strings.Contains(stdout, w) {
				t.Errorf("%s: exit code %d, %q lacks %q", args, code, stdout+stderr, w)
			}
		}
	}
	for _, op := range dataCommands().Operations {
		if dataHelp.Operations[op.Name] == "" {
			t.Errorf("%s has no help", op.Name)
		}
		for _, m := range op.Input.Members {
			if dataHelp.Members[m.Name] == "" {
				t.Errorf("%s has no help", m.Name)
			}
		}
	}
}

package e2e

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iotjobsdataplane"
	"github.com/aws/aws-sdk-go-v2/service/iotjobsdataplane/types"
)

const service = "iot-jobs-data"

// An invocation is a row of testdata/iotjobsdata.tsv.
type invocation struct {
	name, state, env, args string
	exit                   int
}

func invocations(t *testing.T) (rows []invocation) {
	t.Helper()
	table, err := os.ReadFile(filepath.Join("testdata", "iotjobsdata.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	header := false
	for line := range strings.Lines(string(table)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		c := strings.Split(line, "\t")
		if !header {
			header = true
			continue
		}
		if len(c) == 4 { // an editor may take the tab at the end of a line
			c = append(c, "")
		}
		if len(c) != 5 {
			t.Fatalf("%q has %d columns, want 5", line, len(c))
		}
		exit, err := strconv.Atoi(c[3])
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		rows = append(rows, invocation{name: c[0], state: c[1], env: c[2], args: c[4], exit: exit})
	}
	return rows
}

// A difference is one that must be, with its reason. What both programs say is
// compared after it was taken away.
type difference struct {
	reason string
	take   func(program, text string) string
}

// replaced takes a difference away by an expression.
func replaced(pattern, by string) func(program, text string) string {
	re := regexp.MustCompile(pattern)
	return func(_, text string) string { return re.ReplaceAllString(text, by) }
}

// of limits a difference to one program.
func of(program string, take func(program, text string) string) func(program, text string) string {
	return func(p, text string) string {
		if p != program {
			return text
		}
		return take(p, text)
	}
}

var stderrDifferences = []difference{
	{"each shows how it is used itself", replaced(`(?s)^usage: .*<subcommand> help\n`, "usage\n")},
	{"each has its own name", replaced(`(?m)^(aws|drover): error: `, "PROGRAM: error: ")},
	{"drover says what to do next", of("drover", replaced(`(?m)^Next: .*\n`, ""))},
	{"drover has no `configure`", of("aws", replaced(` You can( also)? configure .* by running "aws configure"\.`, ""))},
	{"start-command-execution is no part of Jobs", subcommands},
	{
		"the pinned AWS CLI prints the name of a function where the place of the mistake should stand",
		replaced(`(?s)(Expected: '.*', received: '.*' for input:\n).*`, "${1}PLACE\n"),
	},
	{"what is wrong with TLS is in the words of a library", replaced(`(SSL validation failed for \S+) .*`, "$1 WHY")},
}

var stdoutDifferences = []difference{
	{"the things of both have names of their own, of one length", replaced(`\b(aws|dro)-([0-9]{3})\b`, "XXX-$2")},
	{"they were started and changed one after the other", replaced(`\b1[0-9]{9}\b`, "1TTTTTTTTT")},
	{"the clock runs down between them", replaced(`("approximateSecondsBeforeTimedOut": )[0-9]+`, "${1}N")},
}

// drawn is of the skeletons: the AWS CLI draws a value of an enum by lot, drover
// takes the first.
var drawn = difference{"the AWS CLI draws lots", replaced(`"status": "[A-Z_]+"`, `"status": "ANY"`)}

// subcommands writes the commands that may be meant one a line, in order.
func subcommands(_, text string) string {
	const head = "argument operation: Invalid choice, valid choices are:\n\n"
	before, after, found := strings.Cut(text, head)
	if !found {
		return text
	}
	list, rest, _ := strings.Cut(after, "\n\n")
	var names []string
	for _, name := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(" |\n", r) }) {
		if name != "start-command-execution" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return before + head + strings.Join(names, "\n") + "\n\n" + strings.TrimSuffix(rest, "\n")
}

// said is what a program wrote, and its exit code.
type said struct {
	stdout, stderr string
	exit           int
}

func TestIoTJobsDataIsTheAWSCLIsByteForByte(t *testing.T) {
	python := need(t, "python") // the pinned one: another AWS CLI says other things
	b := newBench(t, start(t, "dev"), newForks(t, python))
	rows := invocations(t)
	if len(rows) < 60 {
		t.Errorf("the table has %d rows, want at least 60", len(rows))
	}
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			want, got := b.run(t, "aws", i, row), b.run(t, "drover", i, row)
			if want.exit != row.exit || got.exit != row.exit {
				t.Errorf("exit codes: aws %d, drover %d, the table %d", want.exit, got.exit, row.exit)
			}
			out := stdoutDifferences
			if row.state == "shared" {
				out = nil // there is one state, so there are no differences
			}
			if strings.Contains(row.args, "--generate-cli-skeleton") {
				out = append(slices.Clone(out), drawn)
			}
			compare(t, "stdout", out, want.stdout, got.stdout)
			compare(t, "stderr", stderrDifferences, want.stderr, got.stderr)
		})
	}
}

func compare(t *testing.T, what string, but []difference, aws, drover string) {
	t.Helper()
	for _, d := range but {
		aws, drover = d.take("aws", aws), d.take("drover", drover)
	}
	if aws != drover {
		t.Errorf("%s differs\n aws:\n%s\n drover:\n%s", what, aws, drover)
	}
}

// bench is where both programs find the same.
type bench struct {
	server *server
	aws    *forks
	dir    string // the files of the rows
	fake   string
}

func newBench(t *testing.T, s *server, aws *forks) *bench {
	t.Helper()
	b := &bench{server: s, aws: aws, dir: t.TempDir()}
	if err := os.CopyFS(b.dir, os.DirFS(filepath.Join("testdata", "iotjobsdata"))); err != nil {
		t.Fatal(err)
	}
	services := filepath.Join(b.dir, "services")
	text, err := os.ReadFile(services)
	if err == nil {
		err = os.WriteFile(services, bytes.ReplaceAll(text, []byte("{http}"), []byte(s.doors.HTTP)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	fake := httptest.NewServer(&otherSide{})
	t.Cleanup(fake.Close)
	b.fake = fake.URL

	s.newThing(t, "idle")
	s.newThing(t, "pump")
	for i, job := range []string{"fw-1", "fw-2", "fw-3"} {
		s.createJob(t, job, "pump")
		s.awaitQueue(t, "pump", i+1)
	}
	s.startNext(t, "pump", map[string]string{"step": "flash", "ort": "東京 é", "a": "1"})
	return b
}

// awaitQueue waits until the thing has n executions pending.
func (s *server) awaitQueue(t *testing.T, thing string, n int) {
	t.Helper()
	eventually(t, func() error {
		out, err := s.jobs(t).GetPendingJobExecutions(t.Context(), &iotjobsdataplane.GetPendingJobExecutionsInput{ThingName: &thing})
		if err == nil && len(out.InProgressJobs)+len(out.QueuedJobs) != n {
			err = errors.New("the queue is not filled yet")
		}
		return err
	})
}

func (s *server) startNext(t *testing.T, thing string, details map[string]string) {
	t.Helper()
	_, err := s.jobs(t).StartNextPendingJobExecution(t.Context(), &iotjobsdataplane.StartNextPendingJobExecutionInput{ThingName: &thing, StatusDetails: details})
	if err != nil {
		t.Fatal(err)
	}
}

// prepare brings a thing of the row and the program alone into the row's state.
func (b *bench) prepare(t *testing.T, program string, i int, row invocation) (thing, job string) {
	t.Helper()
	// The names of both are of one length, for tables.
	thing, job = fmt.Sprintf("%s-%03d", program[:3], i), fmt.Sprintf("job-%s-%03d", program[:3], i)
	switch row.state {
	case "-", "shared":
		return thing, job
	case "queued", "started", "ended":
	default:
		t.Fatalf("%q is no state", row.state)
	}
	b.server.newThing(t, thing)
	b.server.createJob(t, job, thing)
	b.server.awaitQueue(t, thing, 1)
	if row.state == "queued" {
		return thing, job
	}
	b.server.startNext(t, thing, nil)
	if row.state == "ended" {
		_, err := b.server.jobs(t).UpdateJobExecution(t.Context(), &iotjobsdataplane.UpdateJobExecutionInput{
			ThingName: &thing, JobId: &job, Status: types.JobExecutionStatusSucceeded,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return thing, job
}

// run runs one of the programs as the row says.
func (b *bench) run(t *testing.T, program string, i int, row invocation) said {
	t.Helper()
	thing, job := b.prepare(t, program, i, row)
	fill := strings.NewReplacer("{thing}", thing, "{job}", job, "{fake}", b.fake, "{http}", b.server.doors.HTTP,
		"{dir}", b.dir, "{service}", service, "{program}", program)
	args := words(row.args)
	if !slices.Contains(args, "{service}") {
		args = slices.Insert(args, 0, service)
	}
	for i := range args {
		args[i] = fill.Replace(args[i])
	}
	env := map[string]string{
		"HOME": b.dir, "AWS_CONFIG_FILE": filepath.Join(b.dir, "config"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(b.dir, "credentials"),
		"AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "key",
		"AWS_ENDPOINT_URL": b.server.endpoint(), "AWS_MAX_ATTEMPTS": "1", "AWS_EC2_METADATA_DISABLED": "true",
		"LC_ALL": "C.UTF-8",
	}
	for _, word := range strings.Fields(row.env) {
		name, value, set := strings.Cut(fill.Replace(word), "=")
		if set {
			env[name] = value
		} else {
			delete(env, strings.TrimPrefix(name, "-"))
		}
	}
	variables := environ()
	for name, value := range env {
		variables = append(variables, name+"="+value)
	}
	if program == "aws" {
		return b.aws.run(t, b.dir, variables, args)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, drover, args...)
	cmd.Dir, cmd.Env = b.dir, variables
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var failed *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return said{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// otherSide answers what drover would not: by the name of the thing.
type otherSide struct {
	mu   sync.Mutex
	seen map[string]int
}

var answers = map[string]struct {
	status     int
	kind, body string
}{
	"busy":      {503, "ServiceUnavailableException", `{"message":"later"}`},
	"page":      {503, "", `<html>Service Unavailable</html>`},
	"slow":      {429, "com.amazonaws#ThrottlingException:http://internal", `{"message":"slow down"}`},
	"throttled": {400, "ThrottlingException", `{"message":"slow down"}`},
	"text":      {400, "", `this is no JSON`},
	"code":      {400, "", `{"code":"a#NamedInTheBody:x","Message":"capital"}`},
	"empty":     {404, "", ``},
	"moved":     {301, "", ``},
	"odd":       {200, "", `{"queuedJobs":[{"jobId":"a","more":1,"queuedAt":1.5},null],"inProgressJobs":null,"x":1}`},
	"words":     {200, "", `hello`},
	"list":      {200, "", `[]`},
}

// ServeHTTP implements http.Handler.
func (o *otherSide) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.Split(r.URL.Path, "/")[2]
	if name == "gone" {
		panic(http.ErrAbortHandler)
	}
	if strings.HasPrefix(name, "once-") {
		o.mu.Lock()
		if o.seen == nil {
			o.seen = map[string]int{}
		}
		o.seen[name]++
		first := o.seen[name] == 1
		o.mu.Unlock()
		if name = "odd"; first {
			name = "busy"
		}
	}
	a := answers[name]
	if a.kind != "" {
		w.Header().Set("X-Amzn-Errortype", a.kind)
	}
	w.WriteHeader(cmp.Or(a.status, http.StatusTeapot))
	io.WriteString(w, a.body)
}

// TestIoTJobsDataTableHasEveryOption: the options of the four commands and those of
// all commands, each in some row that is meant to work.
func TestIoTJobsDataTableHasEveryOption(t *testing.T) {
	called := map[string]bool{}
	for _, row := range invocations(t) {
		if row.exit == 0 {
			for _, word := range words(row.args) {
				name, _, _ := strings.Cut(word, "=")
				called[name] = true
			}
		}
	}
	for _, name := range slices.Concat(issued[service], strings.Fields(`
		--thing-name --job-id --status --status-details --step-timeout-in-minutes --expected-version --execution-number
		--include-job-document --no-include-job-document --include-job-execution-state --no-include-job-execution-state
		--cli-input-json --generate-cli-skeleton --endpoint-url --no-verify-ssl --no-paginate --output --query --profile --region
		--color --no-sign-request --cli-read-timeout --cli-connect-timeout`)) {
		if !called[name] {
			t.Errorf("no row calls %s with success", name)
		}
	}
}

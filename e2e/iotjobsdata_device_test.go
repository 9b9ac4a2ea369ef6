package e2e

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// device runs `drover iot-jobs-data` as a device without any AWS settings does.
func (s *server) deviceCLI(t *testing.T, args ...string) said {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, drover, append([]string{service}, args...)...)
	cmd.Dir, cmd.Env = t.TempDir(), append(environ(), "HOME="+t.TempDir(), "AWS_ENDPOINT_URL="+s.endpoint(), "AWS_MAX_ATTEMPTS=1")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var failed *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return said{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// TestIoTJobsDataRunsAJobWithADeviceCertificate is the example of `drover
// iot-jobs-data help`: the files of `drover thing create --cert-out`, and no
// credentials and no region.
func TestIoTJobsDataRunsAJobWithADeviceCertificate(t *testing.T) {
	s := start(t, "serve")
	s.newThing(t, "thing-a")
	s.createJob(t, "fw-1", "thing-a")
	s.awaitQueue(t, "thing-a", 1)
	files := []string{"--cert", s.certFile("thing-a"), "--key", s.keyFile("thing-a"), "--cacert", s.ca(), "--thing-name", "thing-a", "--output", "text"}
	for _, step := range []struct{ run, want string }{
		{"start-next-pending-job-execution --query execution.jobId", "fw-1\n"},
		{"describe-job-execution --job-id fw-1 --query execution.jobDocument", `{"op":"flash","job":"fw-1"}` + "\n"},
		{
			"update-job-execution --job-id fw-1 --status IN_PROGRESS --status-details step=flash,pct=40 --include-job-execution-state",
			"EXECUTIONSTATE\tIN_PROGRESS\t3\nSTATUSDETAILS\t40\tflash\n",
		},
		{"update-job-execution --job-id fw-1 --status SUCCEEDED", ""},
		{"start-next-pending-job-execution --query execution.jobId", "None\n"},
		{"get-pending-job-executions", ""},
	} {
		got := s.deviceCLI(t, append(words(step.run), files...)...)
		if got.exit != 0 || got.stdout != step.want || got.stderr != "" {
			t.Fatalf("%s: exit code %d, stdout %q, stderr %q; want stdout %q", step.run, got.exit, got.stdout, got.stderr, step.want)
		}
	}
	if err := match(`["SUCCEEDED"]`, s.statuses(t, "fw-1")); err != nil {
		t.Error(err)
	}
}

// TestIoTJobsDataScriptOfTheDocsRunsAJob runs the script of docs/device-cli.md.
func TestIoTJobsDataScriptOfTheDocsRunsAJob(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "device-cli.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## A job, by a shell script")
	_, section, _ = strings.Cut(section, "```\n")
	script, _, found := strings.Cut(section, "```")
	const endpoint = "https://drover.example:8443"
	if !found || !strings.Contains(script, endpoint) {
		t.Fatalf("docs/device-cli.md has no script with %s", endpoint)
	}
	for result, want := range map[string]string{"0": `["SUCCEEDED"]`, "1": `["FAILED"]`} {
		s := start(t, "serve")
		s.newThing(t, "pump-7")
		s.createJob(t, "fw-1", "pump-7")
		s.awaitQueue(t, "pump-7", 1)
		work := "#!/bin/sh\ngrep -q flash \"$1\" || exit 9\nexit " + result + "\n"
		if err := os.WriteFile(filepath.Join(s.certs(), "do-it"), []byte(work), 0o700); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time there is nothing to do
			cmd := exec.Command("sh", "-ec", strings.ReplaceAll(script, endpoint, s.endpoint()))
			cmd.Dir = s.certs()
			cmd.Env = append(environ(), "HOME="+t.TempDir(), "PATH="+filepath.Dir(drover)+string(os.PathListSeparator)+os.Getenv("PATH"))
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		if err := match(want, s.statuses(t, "fw-1")); err != nil {
			t.Error(err)
		}
	}
}

// TestIoTJobsDataSaysWhatIsWrongWithACertificate: one sentence, a next step where
// there is one, and the exit code of the AWS CLI for a failure.
func TestIoTJobsDataSaysWhatIsWrongWithACertificate(t *testing.T) {
	s := start(t, "serve")
	s.newThing(t, "thing-a")
	s.newThing(t, "thing-b")
	other := filepath.Join(t.TempDir(), "other-ca.pem")
	if err := os.WriteFile(other, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, key, ca := s.certFile("thing-a"), s.keyFile("thing-a"), s.ca()
	for name, row := range map[string]struct {
		thing string
		args  []string
		want  []string
	}{
		"the key of another":     {"thing-a", []string{"--cert", a, "--key", s.keyFile("thing-b"), "--cacert", ca}, []string{"cannot be used together", "does not match", "Next: drover thing create"}},
		"no key":                 {"thing-a", []string{"--cert", a, "--cacert", ca}, []string{"--cert and --key go together", "Next: "}},
		"no certificate":         {"thing-a", []string{"--key", key, "--cacert", ca}, []string{"--cert and --key go together", "Next: "}},
		"a key that is not PEM":  {"thing-a", []string{"--cert", a, "--key", other, "--cacert", ca}, []string{"cannot be used together", "Next: "}},
		"a file that is missing": {"thing-a", []string{"--cert", a + ".gone", "--key", key, "--cacert", ca}, []string{"no such file", "Next: "}},
		"a CA that is none":      {"thing-a", []string{"--cert", a, "--key", key, "--cacert", other}, []string{"SSL validation failed for https://", "no PEM certificate"}},
		"no CA":                  {"thing-a", []string{"--cert", a, "--key", key}, []string{"SSL validation failed for https://", "unknown authority"}},
		"another thing":          {"thing-b", []string{"--cert", a, "--key", key, "--cacert", ca}, []string{"An error occurred (ForbiddenException) when calling the GetPendingJobExecutions operation: "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := s.deviceCLI(t, append([]string{"get-pending-job-executions", "--thing-name", row.thing}, row.args...)...)
			if got.exit != 255 || got.stdout != "" {
				t.Errorf("exit code %d, stdout %q", got.exit, got.stdout)
			}
			for _, want := range row.want {
				if !strings.Contains(got.stderr, want) {
					t.Errorf("stderr lacks %q:\n%s", want, got.stderr)
				}
			}
		})
	}
}

// TestIoTJobsDataSignsForServe: with the credentials file that serve wrote, as an
// operator who is no device.
func TestIoTJobsDataSignsForServe(t *testing.T) {
	s := start(t, "serve")
	s.newThing(t, "thing-a")
	for name, args := range map[string][]string{
		"checked":     {"--ca-bundle", s.ca()},
		"not checked": {"--no-verify-ssl"},
	} {
		cmd := exec.Command(drover, append([]string{service, "get-pending-job-executions", "--thing-name", "thing-a"}, args...)...)
		cmd.Env = append(environ(), "HOME="+t.TempDir(), "AWS_ENDPOINT_URL="+s.endpoint(), "AWS_DEFAULT_REGION=us-east-1",
			"AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(s.data, "credentials"), "AWS_PROFILE=drover")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		if err := match(`{"inProgressJobs":[],"queuedJobs":[]}`, out); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

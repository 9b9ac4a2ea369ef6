package e2e

import (
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
	"github.com/aws/aws-sdk-go-v2/service/iotjobsdataplane"

	"github.com/drover-iot/drover/drovertest"
)

// testLibs is the environment of a test suite in another language: the binary
// under test, and the clients that it is written with.
func testLibs(t *testing.T) []string {
	t.Helper()
	source, err := filepath.Abs("../clients/python/src")
	if err != nil {
		t.Fatal(err)
	}
	return append(environ(), "HOME="+t.TempDir(), "DROVER_BIN="+drover, "NODE_PATH="+nodeModules(),
		"PYTHONPATH="+source, "PYTHONDONTWRITEBYTECODE=1")
}

// suite runs a test suite of another language; its output must end as told.
func suite(t *testing.T, ends, program string, args ...string) {
	t.Helper()
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = testLibs(t)
	out, err := cmd.CombinedOutput()
	if !regexp.MustCompile(ends).Match(out) {
		t.Errorf("%s %v: %v, and its output has nothing like %s\n%s", program, args, err, ends, out)
	}
}

const pytestEnds = `(?m)^\d+ passed in [\d.]+s`

func pytest(t *testing.T, path string) {
	t.Helper()
	suite(t, pytestEnds, need(t, "python"), "-m", "pytest", "-q", "-p", "pytest_drover.plugin", "-p", "no:cacheprovider", path)
}

// nodeEnds is the end of a suite without a failure. The native part of the SDK keeps
// node from ending (--test-force-exit), and what a process does after its summary is
// between the two: the exit status is not asked.
const nodeEnds = `(?m)^# pass [1-9]\d*\n# fail 0\n# cancelled 0\n# skipped 0`

func TestPytestPluginFromSource(t *testing.T) { pytest(t, "../clients/python/tests") }

func TestNodeClientFromSource(t *testing.T) {
	suite(t, nodeEnds, need(t, "node"), "--test-force-exit", "../clients/js/test/client.test.js")
}

// The types of the client for node are its module's, and those of the answers.
func TestNodeClientIsAsItsTypesSay(t *testing.T) {
	suite(t, nodeEnds, needModule(t, "typescript"), "--test-force-exit", "js/types.test.mjs")
}

func TestDeviceSDKPythonUnderTimeAndFaults(t *testing.T) { pytest(t, "python/test_device.py") }

func TestDeviceSDKJavaScriptUnderTimeAndFaults(t *testing.T) {
	suite(t, nodeEnds, needModule(t, "aws-iot-device-sdk-v2"), "--test-force-exit", "js/device.test.mjs")
}

func TestGoSDKAgainstADroverInTheTestsOwnProcess(t *testing.T) {
	t.Parallel()
	d := drovertest.Start(t)
	a := d.AWS()
	cfg := aws.Config{
		Region: a.Region, BaseEndpoint: aws.String(a.Endpoint), HTTPClient: a.HTTPClient,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: a.AccessKeyID, SecretAccessKey: a.SecretAccessKey}, nil
		}),
	}
	operator, device := iot.NewFromConfig(cfg), iotjobsdataplane.NewFromConfig(cfg)
	thing, err := operator.CreateThing(t.Context(), &iot.CreateThingInput{ThingName: aws.String("pump-7")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = operator.CreateJob(t.Context(), &iot.CreateJobInput{
		JobId: aws.String("fw"), Targets: []string{*thing.ThingArn}, Document: aws.String(`{"op":"flash"}`),
		TimeoutConfig: &types.TimeoutConfig{InProgressTimeoutInMinutes: aws.Int64(7 * 24 * 60)},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Settle()
	next, err := device.StartNextPendingJobExecution(t.Context(), &iotjobsdataplane.StartNextPendingJobExecutionInput{ThingName: aws.String("pump-7")})
	if err != nil || next.Execution == nil || *next.Execution.JobId != "fw" {
		t.Fatalf("%+v (%v)", next, err)
	}
	if moved := d.Advance(7 * 24 * time.Hour).String(); moved != "execution fw/pump-7#1 IN_PROGRESS -> TIMED_OUT\njob fw IN_PROGRESS -> COMPLETED" {
		t.Errorf("seven days later:\n%s", moved)
	}
	d.WaitJob("fw", drovertest.Completed)
}

package e2e

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
)

func TestDeviceSDKJavaScriptRunsAWholeJob(t *testing.T) {
	deviceSDK(t, needModule(t, "aws-iot-device-sdk-v2"), "js/device_sdk_v2.js")
}

func TestDeviceSDKPythonRunsAWholeJob(t *testing.T) {
	deviceSDK(t, need(t, "python"), "python/device_sdk.py")
}

// deviceSDK runs a device of both generations of the SDK's Jobs client, over both
// protocols, through both doors.
func deviceSDK(t *testing.T, program, path string) {
	s := start(t, "serve")
	for _, generation := range []string{"v1", "v2"} {
		for _, protocol := range protocols {
			for door, addr := range map[string]string{"mtls": s.doors.MQTTS, "websocket": s.doors.HTTPS} {
				t.Run(fmt.Sprintf("client %s, MQTT %s, %s", generation, protocol, door), func(t *testing.T) {
					t.Parallel()
					thing := fmt.Sprintf("%s-%s-%s", generation, protocol[:1], door)
					s.newThing(t, thing)
					s.wholeJob(t, thing, startScript(t, s.scriptEnv(t, thing, addr), program, path, generation, protocol, door))
				})
			}
		}
	}
}

// wholeJob plays the operator for a device over MQTT that hears of a job, runs
// it to its end, and then hears of the next; it checks what the device heard and
// what the operator sees.
func (s *server) wholeJob(t *testing.T, thing string, device *script) {
	t.Helper()
	first, second := thing+"-1", thing+"-2"
	execution := func(job, more string) string {
		return fmt.Sprintf(`"execution":{"jobId":%q,"thingName":%q,"queuedAt":"$seconds","lastUpdatedAt":"$seconds","executionNumber":1,
			"jobDocument":{"op":"flash","job":%q},%s}`, job, thing, job, more)
	}
	const envelope = `"timestamp":"$seconds","clientToken?":"$string"`
	device.expect(t, `{"event":"ready",`+envelope+`,"inProgressJobs":[],"queuedJobs":[]}`)
	s.createJob(t, first, thing)
	device.expect(t, `{"event":"heard",`+envelope+`,`+execution(first, `"status":"QUEUED","versionNumber":1`)+`}`)
	s.createJob(t, second, thing)
	device.expect(t, `{"event":"started",`+execution(first,
		`"status":"IN_PROGRESS","versionNumber":2,"startedAt":"$seconds","statusDetails":{"step":"begin"}`)+`}`)
	state := `"executionState":{"status":"IN_PROGRESS","statusDetails":{"pct":"50"},"versionNumber":3}`
	device.expect(t, `{"event":"updated",`+envelope+`,`+state+`}`)
	device.expect(t, `{"event":"rejected",`+envelope+`,"code":"VersionMismatch","message":"$string",`+state+`}`)
	device.expect(t, `{"event":"succeeded",`+envelope+`}`)
	device.expect(t, `{"event":"next",`+envelope+`,`+execution(second, `"status":"QUEUED","versionNumber":1`)+`}`)
	device.expect(t, `{"event":"described",`+envelope+`,`+execution(second, `"status":"QUEUED","versionNumber":1`)+`}`)
	device.expect(t, `{"event":"empty",`+envelope+`}`)
	// What a process does after that is between the SDK and its runtime: the one
	// of JavaScript may abort or hang when Node takes its native part down.
	device.expect(t, `{"event":"disconnected"}`)
	s.executionIs(t, first, thing, "SUCCEEDED", 4, map[string]string{"pct": "100"})
	s.executionIs(t, second, thing, "REJECTED", 2, map[string]string{})
}

// executionIs checks how a job ended on a thing, as an operator sees it.
func (s *server) executionIs(t *testing.T, job, thing, status string, version int64, details map[string]string) {
	t.Helper()
	out, err := s.control(t).DescribeJobExecution(t.Context(), &iot.DescribeJobExecutionInput{JobId: &job, ThingName: &thing})
	if err != nil {
		t.Fatal(err)
	}
	e := out.Execution
	var got map[string]string
	if e.StatusDetails != nil {
		got = e.StatusDetails.DetailsMap
	}
	if string(e.Status) != status || e.VersionNumber != version || fmt.Sprint(got) != fmt.Sprint(details) ||
		aws.ToTime(e.StartedAt).IsZero() {
		t.Errorf("%s on %s is %s, version %d, %v; want %s, version %d, %v", job, thing, e.Status, e.VersionNumber, got, status, version, details)
	}
}

// The first SDK for JavaScript asks with {} on $next/get, reports at QoS 0
// without a version, and waits for no reply (device-plane.md 1.3).
func TestDeviceSDKJavaScriptV1RunsWholeJobs(t *testing.T) {
	node := needModule(t, "aws-iot-device-sdk")
	s := start(t, "serve")
	for door, addr := range map[string]string{"mtls": s.doors.MQTTS, "websocket": s.doors.HTTPS} {
		t.Run(door, func(t *testing.T) {
			t.Parallel()
			thing := "js-" + door
			first, second := thing+"-1", thing+"-2"
			s.newThing(t, thing)
			s.createJobWith(t, first, `{"operation":"flash"}`, thing)
			s.createJobWith(t, second, `{"files":["a","b"]}`, thing)
			device := startScript(t, s.scriptEnv(t, thing, addr), node, "js/device_sdk_v1.js", door)
			device.expect(t, `{"event":"job","handler":"flash","id":"`+first+`","document":{"operation":"flash"},"status":{"status":"QUEUED"}}`)
			device.expect(t, `{"event":"job","handler":"any","id":"`+second+`","document":{"files":["a","b"]},"status":{"status":"QUEUED"}}`)
			device.expect(t, `{"event":"disconnected"}`)
			device.finish(t)
			eventually(t, func() error { return match(`["SUCCEEDED"]`, s.statuses(t, second)) }) // QoS 0: nobody waited
			s.executionIs(t, first, thing, "SUCCEEDED", 3, map[string]string{"pct": "100"})
			s.executionIs(t, second, thing, "SUCCEEDED", 3, map[string]string{"pct": "100"})
		})
	}
}

func TestJavaScriptSDKRunsAWholeJobOverHTTPS(t *testing.T) {
	node := needModule(t, "@aws-sdk/client-iot-jobs-data-plane")
	onBoth(t, func(t *testing.T, s *server) {
		s.newThing(t, "pump-7")
		s.createJob(t, "fw-1", "pump-7")
		s.createJob(t, "fw-2", "pump-7")
		eventually(t, func() error { return match(`["QUEUED"]`, s.statuses(t, "fw-2")) })
		device := startScript(t, append(s.env(), "THING=pump-7", "NODE_PATH="+nodeModules(), "NODE_EXTRA_CA_CERTS="+s.ca()),
			node, "js/jobs_data_plane.js")
		summary := func(job string) string {
			return `{"jobId":"` + job + `","queuedAt":"$seconds","lastUpdatedAt":"$seconds","executionNumber":1,"versionNumber":1}`
		}
		const started = `"jobId":"fw-1","thingName":"pump-7","status":"IN_PROGRESS","queuedAt":"$seconds","startedAt":"$seconds",
			"lastUpdatedAt":"$seconds","executionNumber":1,"approximateSecondsBeforeTimedOut":"$int"`
		device.expect(t, `{"event":"pending","inProgressJobs":[],"queuedJobs":[`+summary("fw-1")+`,`+summary("fw-2")+`]}`)
		device.expect(t, `{"event":"started","execution":{`+started+`,"versionNumber":2,"statusDetails":{"step":"begin"},
			"jobDocument":"{\"op\":\"flash\",\"job\":\"fw-1\"}"}}`)
		device.expect(t, `{"event":"updated","executionState":{"status":"IN_PROGRESS","statusDetails":{"pct":"50"},"versionNumber":3},
			"jobDocument":"{\"op\":\"flash\",\"job\":\"fw-1\"}"}`)
		device.expect(t, `{"event":"described","execution":{`+started+`,"versionNumber":3,"statusDetails":{"pct":"50"}}}`)
		refused := func(name string, status int) {
			t.Helper()
			device.expect(t, fmt.Sprintf(`{"event":"refused","name":%q,"message":"$string","status":%d,"requestId":"$string"}`, name, status))
		}
		refused("InvalidStateTransitionException", 409)
		refused("InvalidRequestException", 400)
		device.expect(t, `{"event":"succeeded"}`)
		refused("TerminalStateException", 410)
		refused("ResourceNotFoundException", 404)
		device.expect(t, `{"event":"next","execution":{"jobId":"fw-2","thingName":"pump-7","status":"QUEUED","queuedAt":"$seconds",
			"lastUpdatedAt":"$seconds","executionNumber":1,"versionNumber":1,"jobDocument":"{\"op\":\"flash\",\"job\":\"fw-2\"}"}}`)
		device.finish(t)
		s.executionIs(t, "fw-1", "pump-7", "SUCCEEDED", 4, map[string]string{"pct": "100"})
	})
}

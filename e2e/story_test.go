package e2e

import (
	"syscall"
	"testing"
)

// TestStory is what the project exists for: an operator creates a job with the
// AWS CLI, a device is notified over MQTT, starts it, reports, completes it; the
// counters are right, and all of it survives a restart.
func TestStory(t *testing.T) {
	cli := program(need(t, "aws"))
	onBothProtocols(t, func(t *testing.T, s *server, protocol string) {
		operator := func(run, want string) {
			t.Helper()
			if err := s.try(t, cli, command{run: run, want: want}); err != nil {
				t.Fatalf("aws %s\n%v", run, err)
			}
		}
		s.newThing(t, "pump-7")
		s.newThing(t, "pump-8")
		operator("iot create-thing-group --thing-group-name pumps", group("pumps"))
		for _, name := range []string{"pump-7", "pump-8"} {
			operator("iot add-thing-to-thing-group --thing-group-name pumps --thing-name "+name, "")
		}
		device := s.connect(t, "pump-7", session{protocol: protocol})
		device.listen(t, "notify-next")

		operator("iot create-job --job-id fw-42 --targets "+arn+`thinggroup/pumps --document '{"op":"flash","job":"fw-42"}'`,
			`{"jobArn":"`+arn+`job/fw-42","jobId":"fw-42"}`)
		head := `{"jobId":"fw-42","thingName":"pump-7","queuedAt":"$seconds","lastUpdatedAt":"$seconds","executionNumber":1,
			"jobDocument":{"op":"flash","job":"fw-42"},`
		device.expect(t, "notify-next", `{"timestamp":"$seconds","execution":`+head+`"status":"QUEUED","versionNumber":1}}`)
		device.ask(t, "start-next", `{"clientToken":"1"}`)
		device.expect(t, "start-next/accepted", `{"clientToken":"1","timestamp":"$seconds","execution":`+head+
			`"startedAt":"$seconds","status":"IN_PROGRESS","versionNumber":2}}`)
		device.ask(t, "fw-42/update", `{"status":"IN_PROGRESS","statusDetails":{"pct":"50"},"expectedVersion":2,"clientToken":"2"}`)
		device.expect(t, "fw-42/update/accepted", `{"clientToken":"2","timestamp":"$seconds"}`)
		operator("iot describe-job --job-id fw-42 --query job.[status,jobProcessDetails.[numberOfQueuedThings,numberOfInProgressThings]]", `["IN_PROGRESS",[1,1]]`)

		// The server goes away in the middle of the job, and comes back.
		for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
			s.restart(t, signal)
			device.expectLost(t)
			device = s.connect(t, "pump-7", session{protocol: protocol})
			device.listen(t, "notify-next")
			device.ask(t, "$next/get", "")
			device.expect(t, "$next/get/accepted", `{"timestamp":"$seconds","execution":`+head+
				`"startedAt":"$seconds","status":"IN_PROGRESS","versionNumber":3,"statusDetails":{"pct":"50"}}}`)
		}

		device.ask(t, "fw-42/update", `{"status":"SUCCEEDED","expectedVersion":3}`)
		device.expect(t, "fw-42/update/accepted", `{"timestamp":"$seconds"}`)
		device.expect(t, "notify-next", `{"timestamp":"$seconds"}`)

		neighbour := s.connect(t, "pump-8", session{protocol: protocol})
		neighbour.ask(t, "fw-42/update", `{"status":"FAILED","statusDetails":{"why":"no power"}}`)
		neighbour.expect(t, "fw-42/update/accepted", `{"timestamp":"$seconds"}`)

		after := func() {
			t.Helper()
			eventually(t, func() error {
				return s.try(t, cli, command{
					run: "iot describe-job --job-id fw-42 --query job.[status,type(completedAt),jobProcessDetails]",
					want: `["COMPLETED","number",{"numberOfCanceledThings":0,"numberOfSucceededThings":1,"numberOfFailedThings":1,
					"numberOfRejectedThings":0,"numberOfQueuedThings":0,"numberOfInProgressThings":0,"numberOfRemovedThings":0,
					"numberOfTimedOutThings":0}]`,
				})
			})
			operator("iot list-job-executions-for-job --job-id fw-42 --query executionSummaries[].[thingArn,jobExecutionSummary.status]",
				`[["`+arn+`thing/pump-7","SUCCEEDED"],["`+arn+`thing/pump-8","FAILED"]]`)
			operator("iot describe-job-execution --job-id fw-42 --thing-name pump-8 --query execution.[status,versionNumber,statusDetails.detailsMap]",
				`["FAILED",2,{"why":"no power"}]`)
			operator("iot get-job-document --job-id fw-42", `{"document":"{\"op\":\"flash\",\"job\":\"fw-42\"}"}`)
			operator("iot list-things-in-thing-group --thing-group-name pumps", `{"things":["pump-7","pump-8"]}`)
		}
		after()
		s.restart(t, syscall.SIGTERM)
		after()
	})
}

package e2e

import (
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
)

// onBothProtocols runs f for paho 3.1.1 and paho 5, on dev and on serve.
func onBothProtocols(t *testing.T, f func(t *testing.T, s *server, protocol string)) {
	for _, protocol := range protocols {
		t.Run("paho "+protocol, func(t *testing.T) {
			onBoth(t, func(t *testing.T, s *server) { f(t, s, protocol) })
		})
	}
}

func TestPahoADeviceIsNotifiedStartsReportsAndFinishes(t *testing.T) {
	onBothProtocols(t, func(t *testing.T, s *server, protocol string) {
		s.newThing(t, "pump-7")
		d := s.connect(t, "pump-7", session{protocol: protocol})
		d.listen(t, "notify", "notify-next")

		s.createJob(t, "fw-1", "pump-7")
		d.expect(t, "notify", `{"timestamp":"$seconds","jobs":{"QUEUED":[
			{"jobId":"fw-1","queuedAt":"$seconds","lastUpdatedAt":"$seconds","executionNumber":1,"versionNumber":1}]}}`)
		d.expect(t, "notify-next", `{"timestamp":"$seconds","execution":{
			"jobId":"fw-1","thingName":"pump-7","status":"QUEUED","queuedAt":"$seconds","lastUpdatedAt":"$seconds",
			"versionNumber":1,"executionNumber":1,"jobDocument":{"op":"flash","job":"fw-1"}}}`)

		// Queued behind another: the set changed, the head did not (device-plane.md 4.3).
		s.createJob(t, "fw-2", "pump-7")
		d.expect(t, "notify", `{"timestamp":"$seconds","jobs":{"QUEUED":[
			{"jobId":"fw-1","queuedAt":"$seconds","lastUpdatedAt":"$seconds","executionNumber":1,"versionNumber":1},
			{"jobId":"fw-2","queuedAt":"$seconds","lastUpdatedAt":"$seconds","executionNumber":1,"versionNumber":1}]}}`)

		// Replies come without a subscription, at QoS 0 (1.4).
		d.ask(t, "start-next", `{"clientToken":"t1","statusDetails":{"step":"begin"}}`)
		reply := d.expect(t, "start-next/accepted", `{"clientToken":"t1","timestamp":"$seconds","execution":{
			"jobId":"fw-1","thingName":"pump-7","status":"IN_PROGRESS","statusDetails":{"step":"begin"},
			"queuedAt":"$seconds","startedAt":"$seconds","lastUpdatedAt":"$seconds",
			"versionNumber":2,"executionNumber":1,"jobDocument":{"op":"flash","job":"fw-1"}}}`)
		if reply.qos != 0 {
			t.Errorf("a reply nobody subscribed to came at QoS %d, want 0", reply.qos)
		}
		d.quiet(t) // a head that starts is no change of set or head

		d.ask(t, "fw-1/update", `{"status":"IN_PROGRESS","statusDetails":{"pct":"40"},"expectedVersion":"2",
			"includeJobExecutionState":true,"includeJobDocument":true,"clientToken":"t2"}`)
		d.expect(t, "fw-1/update/accepted", `{"clientToken":"t2","timestamp":"$seconds",
			"executionState":{"status":"IN_PROGRESS","statusDetails":{"pct":"40"},"versionNumber":3},
			"jobDocument":{"op":"flash","job":"fw-1"}}`)

		d.ask(t, "fw-1/update", `{"status":"SUCCEEDED","expectedVersion":2,"clientToken":"t3"}`)
		d.expect(t, "fw-1/update/rejected", `{"code":"VersionMismatch","message":"$string","clientToken":"t3","timestamp":"$seconds",
			"executionState":{"status":"IN_PROGRESS","statusDetails":{"pct":"40"},"versionNumber":3}}`)

		// accepted, then notify, then notify-next (1.4).
		d.ask(t, "fw-1/update", `{"status":"SUCCEEDED"}`)
		d.expect(t, "fw-1/update/accepted", `{"timestamp":"$seconds"}`)
		d.expect(t, "notify", `{"timestamp":"$seconds","jobs":{"QUEUED":[
			{"jobId":"fw-2","queuedAt":"$seconds","lastUpdatedAt":"$seconds","executionNumber":1,"versionNumber":1}]}}`)
		d.expect(t, "notify-next", `{"timestamp":"$seconds","execution":{
			"jobId":"fw-2","thingName":"pump-7","status":"QUEUED","queuedAt":"$seconds","lastUpdatedAt":"$seconds",
			"versionNumber":1,"executionNumber":1,"jobDocument":{"op":"flash","job":"fw-2"}}}`)

		d.ask(t, "fw-1/get", `{"clientToken":"t4"}`)
		d.expect(t, "fw-1/get/rejected", `{"code":"TerminalStateReached","message":"$string","clientToken":"t4","timestamp":"$seconds"}`)
		d.ask(t, "fw-1/update", `{"status":"IN_PROGRESS","clientToken":"t5"}`)
		d.expect(t, "fw-1/update/rejected", `{"code":"InvalidStateTransition","message":"$string","clientToken":"t5","timestamp":"$seconds",
			"executionState":{"status":"SUCCEEDED","statusDetails":{"pct":"40"},"versionNumber":4}}`)

		d.ask(t, "fw-2/update", `{"status":"REJECTED"}`)
		d.expect(t, "fw-2/update/accepted", `{"timestamp":"$seconds"}`)
		d.expect(t, "notify", `{"timestamp":"$seconds","jobs":{}}`)
		d.expect(t, "notify-next", `{"timestamp":"$seconds"}`)
		d.quiet(t)
	})
}

func TestPahoAnEmptyQueueAndEmptyBodiesAreSuccess(t *testing.T) {
	onBothProtocols(t, func(t *testing.T, s *server, protocol string) {
		s.newThing(t, "pump-7")
		d := s.connect(t, "pump-7", session{protocol: protocol})
		d.ask(t, "get", "")
		d.expect(t, "get/accepted", `{"timestamp":"$seconds","inProgressJobs":[],"queuedJobs":[]}`)
		d.ask(t, "start-next", "")
		d.expect(t, "start-next/accepted", `{"timestamp":"$seconds"}`)
		d.ask(t, "$next/get", `{"clientToken":"a"}`)
		d.expect(t, "$next/get/accepted", `{"clientToken":"a","timestamp":"$seconds"}`)
		d.ask(t, "fw-1/update", "")
		d.expect(t, "fw-1/update/rejected", `{"code":"InvalidRequest","message":"$string","timestamp":"$seconds"}`)
		d.ask(t, "get", `{"clientToken":`)
		d.expect(t, "get/rejected", `{"code":"InvalidJson","message":"$string","timestamp":"$seconds"}`)
		d.ask(t, "no/such/verb", `{"clientToken":"b"}`)
		d.expect(t, "no/such/verb/rejected", `{"code":"InvalidTopic","message":"$string","clientToken?":"b","timestamp":"$seconds"}`)
	})
}

func TestPahoASubscribedRequesterHearsEachReplyOnceAndNobodyElseDoes(t *testing.T) {
	onBothProtocols(t, func(t *testing.T, s *server, protocol string) {
		if s.mode == "serve" {
			t.Log("the second connection uses the same certificate under another client id")
		}
		s.newThing(t, "pump-7")
		d := s.connect(t, "pump-7", session{protocol: protocol})
		other := s.connect(t, "pump-7", session{protocol: protocol, clientID: "pump-7-shadow"})
		for _, dev := range []*device{d, other} {
			dev.listen(t, "get/+", "get/accepted", "#")
		}
		d.ask(t, "get", `{"clientToken":"mine"}`)
		reply := d.expect(t, "get/accepted", `{"clientToken":"mine","timestamp":"$seconds","inProgressJobs":[],"queuedJobs":[]}`)
		if reply.qos != 1 {
			t.Errorf("a reply to a QoS 1 subscriber came at QoS %d, want 1", reply.qos)
		}
		d.quiet(t)
		other.quiet(t)
	})
}

func TestPahoAPersistentSessionHearsWhatItMissedAcrossARestart(t *testing.T) {
	onBothProtocols(t, func(t *testing.T, s *server, protocol string) {
		s.newThing(t, "pump-7")
		d := s.connect(t, "pump-7", session{protocol: protocol, persistent: true})
		d.listen(t, "notify-next")
		d.close()

		s.createJob(t, "fw-1", "pump-7")
		eventually(t, func() error {
			return match(`["QUEUED"]`, s.statuses(t, "fw-1"))
		})
		s.restart(t, syscall.SIGTERM)

		again := s.connect(t, "pump-7", session{protocol: protocol, persistent: true})
		if !again.resumed {
			t.Error("the server lost the session")
		}
		again.expect(t, "notify-next", `{"timestamp":"$seconds","execution":{
			"jobId":"fw-1","thingName":"pump-7","status":"QUEUED","queuedAt":"$seconds","lastUpdatedAt":"$seconds",
			"versionNumber":1,"executionNumber":1,"jobDocument":{"op":"flash","job":"fw-1"}}}`)
	})
}

// statuses of a job's executions, as JSON.
func (s *server) statuses(t *testing.T, job string) []byte {
	t.Helper()
	out, err := s.control(t).ListJobExecutionsForJob(t.Context(), &iot.ListJobExecutionsForJobInput{JobId: &job})
	if err != nil {
		t.Fatal(err)
	}
	list := []string{}
	for _, e := range out.ExecutionSummaries {
		list = append(list, `"`+string(e.JobExecutionSummary.Status)+`"`)
	}
	return []byte("[" + strings.Join(list, ",") + "]")
}

func TestPahoANewConnectionWithTheSameClientIDTakesOver(t *testing.T) {
	onBothProtocols(t, func(t *testing.T, s *server, protocol string) {
		s.newThing(t, "pump-7")
		first := s.connect(t, "pump-7", session{protocol: protocol})
		second := s.connect(t, "pump-7", session{protocol: protocol})
		err := first.expectLost(t)
		if protocol == "5" && !strings.Contains(err.Error(), "0x8e") {
			t.Errorf("got %v, want DISCONNECT 0x8e", err)
		}
		second.quiet(t)
	})
}

func TestPahoACancelledJobLeavesTheQueueOfItsDevice(t *testing.T) {
	onBothProtocols(t, func(t *testing.T, s *server, protocol string) {
		s.newThing(t, "pump-7")
		d := s.connect(t, "pump-7", session{protocol: protocol})
		d.listen(t, "notify-next")
		s.createJob(t, "fw-1", "pump-7")
		d.expect(t, "notify-next", `{"timestamp":"$seconds","execution":{
			"jobId":"fw-1","thingName":"pump-7","status":"QUEUED","queuedAt":"$seconds","lastUpdatedAt":"$seconds",
			"versionNumber":1,"executionNumber":1,"jobDocument":{"op":"flash","job":"fw-1"}}}`)
		d.ask(t, "start-next", "{}")
		d.expect(t, "start-next/accepted", `{"timestamp":"$seconds","execution":{
			"jobId":"fw-1","thingName":"pump-7","status":"IN_PROGRESS","queuedAt":"$seconds","startedAt":"$seconds","lastUpdatedAt":"$seconds",
			"versionNumber":2,"executionNumber":1,"jobDocument":{"op":"flash","job":"fw-1"}}}`)
		if _, err := s.control(t).CancelJob(t.Context(), &iot.CancelJobInput{JobId: aws.String("fw-1"), Force: true}); err != nil {
			t.Fatal(err)
		}
		d.expect(t, "notify-next", `{"timestamp":"$seconds"}`)
		d.ask(t, "fw-1/update", `{"status":"SUCCEEDED"}`)
		d.expect(t, "fw-1/update/rejected", `{"code":"InvalidStateTransition","message":"$string","timestamp":"$seconds",
			"executionState":{"status":"CANCELED","versionNumber":3}}`)
	})
}

package jobsdata_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
)

func ptr[T any](v T) *T { return &v }

func at(seconds int64) time.Time {
	return time.Unix(seconds, 999_000_000) // truncated, not rounded (2.1)
}

var (
	started = jobsdata.JobExecution{
		JobID: "fw-7", ThingName: "pump:7", Status: job.InProgress, StatusDetails: job.Details{"z": "1", "step": "be\"gin\n"},
		QueuedAt: at(1760000000), StartedAt: at(1760000142), LastUpdatedAt: at(1760000142), VersionNumber: 2, ExecutionNumber: 1,
		ApproximateSecondsBeforeTimedOut: ptr(int64(599)), JobDocument: []byte(`{"op":"flash"}`),
	}
	queued = jobsdata.JobExecution{
		JobID: "cfg-3", ThingName: "pump:7", Status: job.Queued, StatusDetails: job.Details{},
		QueuedAt: at(1760000050), LastUpdatedAt: at(1760000050), VersionNumber: 1, ExecutionNumber: 1, JobDocument: []byte(`[1]`),
	}
	inProgress = []jobsdata.JobExecutionSummary{{JobID: "fw-7", QueuedAt: at(1760000000), LastUpdatedAt: at(1760000042), StartedAt: at(1760000042), ExecutionNumber: 1, VersionNumber: 2}}
	waiting    = []jobsdata.JobExecutionSummary{
		{JobID: "cfg-3", QueuedAt: at(1760000050), LastUpdatedAt: at(1760000050), ExecutionNumber: 1, VersionNumber: 1},
		{JobID: "cfg-4", QueuedAt: at(1760000051), LastUpdatedAt: at(1760000051), ExecutionNumber: 1, VersionNumber: 1},
	}
	state = jobsdata.JobExecutionState{Status: job.InProgress, StatusDetails: job.Details{"pct": "40"}, VersionNumber: 3}
)

const (
	inProgressJSON = `[{"jobId":"fw-7","queuedAt":1760000000,"lastUpdatedAt":1760000042,"startedAt":1760000042,"executionNumber":1,"versionNumber":2}]`
	waitingJSON    = `[{"jobId":"cfg-3","queuedAt":1760000050,"lastUpdatedAt":1760000050,"executionNumber":1,"versionNumber":1},` +
		`{"jobId":"cfg-4","queuedAt":1760000051,"lastUpdatedAt":1760000051,"executionNumber":1,"versionNumber":1}]`
)

func TestRepliesAreWrittenAsAWSWritesThem(t *testing.T) {
	mqtt := jobsdata.Form{ClientToken: ptr("a\"1"), Timestamp: at(1760000100)}
	bare := jobsdata.Form{Timestamp: at(1760000100)}
	https := jobsdata.Form{Protocol: jobsdata.HTTPS, ClientToken: ptr("ignored"), Timestamp: at(1)}
	captured := jobsdata.Form{Timestamp: at(1760000100), OmitThingName: true}

	rows := map[string]struct {
		write func([]byte, jobsdata.Form) []byte
		form  jobsdata.Form
		want  string
	}{
		"get/accepted: both lists, token before time (2.4, 3.1)": {
			(&jobsdata.GetPendingJobExecutionsOutput{InProgressJobs: inProgress, QueuedJobs: waiting}).Append, mqtt,
			`{"clientToken":"a\"1","timestamp":1760000100,"inProgressJobs":` + inProgressJSON + `,"queuedJobs":` + waitingJSON + `}`,
		},
		"get/accepted: empty lists are there (3.1)": {
			(&jobsdata.GetPendingJobExecutionsOutput{}).Append, bare, `{"timestamp":1760000100,"inProgressJobs":[],"queuedJobs":[]}`,
		},
		"GetPendingJobExecutions over HTTPS: the two keys only (3.1)": {
			(&jobsdata.GetPendingJobExecutionsOutput{}).Append, https, `{"inProgressJobs":[],"queuedJobs":[]}`,
		},
		"start-next/accepted: keys of 2.1, the document embedded": {
			(&jobsdata.StartNextPendingJobExecutionOutput{Execution: &started}).Append, mqtt,
			`{"clientToken":"a\"1","timestamp":1760000100,"execution":{"jobId":"fw-7","thingName":"pump:7","status":"IN_PROGRESS",` +
				`"statusDetails":{"step":"be\"gin\n","z":"1"},"queuedAt":1760000000,"startedAt":1760000142,"lastUpdatedAt":1760000142,` +
				`"versionNumber":2,"executionNumber":1,"approximateSecondsBeforeTimedOut":599,"jobDocument":{"op":"flash"}}}`,
		},
		"the captured form without thingName (11 row 16)": {
			(&jobsdata.DescribeJobExecutionOutput{Execution: &queued}).Append, captured,
			`{"timestamp":1760000100,"execution":{"jobId":"cfg-3","status":"QUEUED","queuedAt":1760000050,"lastUpdatedAt":1760000050,` +
				`"versionNumber":1,"executionNumber":1,"jobDocument":[1]}}`,
		},
		"DescribeJobExecution over HTTPS: thingName, the document a string (2.1)": {
			(&jobsdata.DescribeJobExecutionOutput{Execution: &started}).Append,
			jobsdata.Form{Protocol: jobsdata.HTTPS, OmitThingName: true},
			`{"execution":{"jobId":"fw-7","thingName":"pump:7","status":"IN_PROGRESS","statusDetails":{"step":"be\"gin\n","z":"1"},` +
				`"queuedAt":1760000000,"startedAt":1760000142,"lastUpdatedAt":1760000142,"versionNumber":2,"executionNumber":1,` +
				`"approximateSecondsBeforeTimedOut":599,"jobDocument":"{\"op\":\"flash\"}"}}`,
		},
		"an empty queue has no execution key (0.3)": {
			(&jobsdata.DescribeJobExecutionOutput{}).Append, bare, `{"timestamp":1760000100}`,
		},
		"an empty queue over HTTPS is {} (3.2)": {
			(&jobsdata.StartNextPendingJobExecutionOutput{}).Append, https, `{}`,
		},
		"update/accepted is the time alone (0.10)": {
			(&jobsdata.UpdateJobExecutionOutput{}).Append, bare, `{"timestamp":1760000100}`,
		},
		"update/accepted with both flags (3.4)": {
			(&jobsdata.UpdateJobExecutionOutput{ExecutionState: &state, JobDocument: []byte(`{"op":"flash"}`)}).Append, mqtt,
			`{"clientToken":"a\"1","timestamp":1760000100,"executionState":{"status":"IN_PROGRESS","statusDetails":{"pct":"40"},"versionNumber":3},"jobDocument":{"op":"flash"}}`,
		},
		"UpdateJobExecution over HTTPS (3.4)": {
			(&jobsdata.UpdateJobExecutionOutput{JobDocument: []byte(`{"op":"flash"}`)}).Append, https, `{"jobDocument":"{\"op\":\"flash\"}"}`,
		},
		"notify (4.1)": {
			(&jobsdata.JobExecutionsChanged{InProgress: inProgress, Queued: waiting}).Append, mqtt,
			`{"timestamp":1760000100,"jobs":{"IN_PROGRESS":` + inProgressJSON + `,"QUEUED":` + waitingJSON + `}}`,
		},
		"notify leaves out a status without entries (0.4)": {
			(&jobsdata.JobExecutionsChanged{Queued: waiting}).Append, bare, `{"timestamp":1760000100,"jobs":{"QUEUED":` + waitingJSON + `}}`,
		},
		"notify of an empty queue (4.1)": {
			(&jobsdata.JobExecutionsChanged{}).Append, bare, `{"timestamp":1760000100,"jobs":{}}`,
		},
		"notify-next (4.2)": {
			(&jobsdata.NextJobExecutionChanged{Execution: &queued}).Append, mqtt,
			`{"timestamp":1760000100,"execution":{"jobId":"cfg-3","thingName":"pump:7","status":"QUEUED","queuedAt":1760000050,` +
				`"lastUpdatedAt":1760000050,"versionNumber":1,"executionNumber":1,"jobDocument":[1]}}`,
		},
		"notify-next of an emptied queue (4.2)": {
			(&jobsdata.NextJobExecutionChanged{}).Append, mqtt, `{"timestamp":1760000100}`,
		},
	}
	for name, r := range rows {
		t.Run(name, func(t *testing.T) {
			got := string(r.write([]byte("kept "), r.form))
			if got != "kept "+r.want {
				t.Errorf("\n got %s\nwant kept %s", got, r.want)
			}
		})
	}
}

func TestRefusalsAreWrittenAsAWSWritesThem(t *testing.T) {
	mqtt := jobsdata.Form{ClientToken: ptr("c3"), Timestamp: at(1760000500)}
	https := jobsdata.Form{Protocol: jobsdata.HTTPS}
	mismatch := job.Errorf(job.VersionMismatch, "Expected version 9 but found version 3").
		With(job.ExecutionState{Status: job.InProgress, Details: job.Details{"pct": "40"}, Version: 3})
	const stateJSON = `{"status":"IN_PROGRESS","statusDetails":{"pct":"40"},"versionNumber":3}`

	rows := map[string]struct {
		err  *job.Error
		form jobsdata.Form
		want string
	}{
		"rejected with executionState (5.1)": {
			mismatch, mqtt,
			`{"code":"VersionMismatch","message":"Expected version 9 but found version 3","clientToken":"c3","timestamp":1760000500,"executionState":` + stateJSON + `}`,
		},
		"rejected without a token (5.1)": {
			job.Errorf(job.InvalidJSON, "no"),
			jobsdata.Form{Timestamp: at(1760000500)},
			`{"code":"InvalidJson","message":"no","timestamp":1760000500}`,
		},
		"executionState only with its two codes (5.1)": {
			job.Errorf(job.NotFound, "no").With(job.ExecutionState{Status: job.InProgress, Version: 3}), mqtt,
			`{"code":"ResourceNotFound","message":"no","clientToken":"c3","timestamp":1760000500}`,
		},
		"409 over HTTPS tells the two apart (11 row 18)": {
			mismatch, https,
			`{"code":"VersionMismatch","message":"Expected version 9 but found version 3","executionState":` + stateJSON + `}`,
		},
		"409 of a transition over HTTPS (11 row 18)": {
			job.Errorf(job.InvalidStateTransition, "no").With(job.ExecutionState{Status: job.Canceled, Version: 3}), https,
			`{"code":"InvalidStateTransition","message":"no","executionState":{"status":"CANCELED","versionNumber":3}}`,
		},
		"any other error over HTTPS is its message (5.4)": {job.Errorf(job.TerminalStateReached, "no"), https, `{"message":"no"}`},
	}
	for name, r := range rows {
		t.Run(name, func(t *testing.T) {
			if got := string(jobsdata.AppendError(nil, r.err, r.form)); got != r.want {
				t.Errorf("\n got %s\nwant %s", got, r.want)
			}
		})
	}
}

// FuzzAppend holds the codec against encoding/json: whatever the strings, a reply is
// valid JSON and says what it was given.
func FuzzAppend(f *testing.F) {
	f.Add("token", "key", "value", `{"a":[1,"b"]}`, int64(1760000000), true)
	f.Add("\x00\u2028</script>", "k\"", "\n\\", `"text"`, int64(-1), false)
	f.Fuzz(func(t *testing.T, token, name, value, document string, seconds int64, overMQTT bool) {
		for _, s := range []string{token, name, value, document} {
			if !utf8.ValidString(s) {
				t.Skip("the door lets no such text in")
			}
		}
		if !json.Valid([]byte(document)) || name == "other" {
			t.Skip("the door lets no such document in, nor a key twice")
		}
		seconds %= 1 << 40
		e := jobsdata.JobExecution{
			JobID: "j", ThingName: "t", Status: job.Failed, StatusDetails: job.Details{name: value, "other": "x"},
			QueuedAt: time.Unix(seconds, 0), LastUpdatedAt: time.Unix(seconds, 0), VersionNumber: 1, ExecutionNumber: 1, JobDocument: []byte(document),
		}
		form := jobsdata.Form{ClientToken: &token, Timestamp: time.Unix(seconds, 0)}
		if !overMQTT {
			form.Protocol = jobsdata.HTTPS
		}
		reply := (&jobsdata.DescribeJobExecutionOutput{Execution: &e}).Append(nil, form)
		var got struct {
			ClientToken *string
			Timestamp   *int64
			Execution   struct {
				StatusDetails map[string]string
				QueuedAt      int64
				JobDocument   json.RawMessage
			}
		}
		if err := json.Unmarshal(reply, &got); err != nil {
			t.Fatalf("%v: %s", err, reply)
		}
		if want := map[string]string(e.StatusDetails); !reflect.DeepEqual(got.Execution.StatusDetails, want) || got.Execution.QueuedAt != seconds {
			t.Errorf("%s says details %v and time %d", reply, got.Execution.StatusDetails, got.Execution.QueuedAt)
		}
		if overMQTT != (got.ClientToken != nil && *got.ClientToken == token) || overMQTT != (got.Timestamp != nil && *got.Timestamp == seconds) {
			t.Errorf("%s has the wrong envelope for MQTT %v", reply, overMQTT)
		}
		text := string(got.Execution.JobDocument)
		if !overMQTT {
			if err := json.Unmarshal(got.Execution.JobDocument, &text); err != nil {
				t.Fatal(err)
			}
		}
		if text != strings.TrimSpace(document) && text != document {
			t.Errorf("the document %q became %q", document, text)
		}
	})
}

func BenchmarkAppendUpdateAccepted(b *testing.B) {
	form := jobsdata.Form{ClientToken: ptr("9f1c0d3e"), Timestamp: at(1760000100)}
	out := &jobsdata.UpdateJobExecutionOutput{ExecutionState: &state}
	buf := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		buf = out.Append(buf[:0], form)
	}
}

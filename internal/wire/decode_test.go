package wire_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/wire"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
	"github.com/google/go-cmp/cmp"
)

func ptr[T any](v T) *T { return &v }

func codeOf(t *testing.T, err error) (job.Code, string) {
	t.Helper()
	e, ok := errors.AsType[*job.Error](err)
	if !ok {
		t.Fatalf("error %v (%T); expected a *job.Error", err, err)
	}
	return e.Code, e.Message
}

// update is a valid request but for its payload.
func update() *jobsdata.UpdateJobExecutionInput {
	return &jobsdata.UpdateJobExecutionInput{ThingName: "pump:7", JobID: "fw-42"}
}

func TestDecodeTakesWhatDevicesSend(t *testing.T) {
	want := func(change func(*jobsdata.UpdateJobExecutionInput)) *jobsdata.UpdateJobExecutionInput {
		in := update()
		in.Status = job.InProgress
		change(in)
		return in
	}
	rows := map[string]struct {
		payload string
		want    *jobsdata.UpdateJobExecutionInput
	}{
		"every member": {
			`{"status":"FAILED","statusDetails":{"step":"2","note":"a\nb\t"},"expectedVersion":3,"executionNumber":1,` +
				`"includeJobExecutionState":true,"includeJobDocument":false,"stepTimeoutInMinutes":10080,"clientToken":"t"}`,
			want(func(in *jobsdata.UpdateJobExecutionInput) {
				in.Status, in.StatusDetails = job.Failed, job.Details{"step": "2", "note": "a\nb\t"}
				in.ExpectedVersion, in.ExecutionNumber, in.StepTimeoutInMinutes = ptr(int64(3)), ptr(int64(1)), ptr(int64(10080))
				in.IncludeJobExecutionState, in.IncludeJobDocument, in.ClientToken = ptr(true), ptr(false), ptr("t")
			}),
		},
		"expectedVersion as digits in a string (3.4)": {
			`{"status":"IN_PROGRESS","expectedVersion":"2","executionNumber":"1"}`,
			want(func(in *jobsdata.UpdateJobExecutionInput) {
				in.ExpectedVersion, in.ExecutionNumber = ptr(int64(2)), ptr(int64(1))
			}),
		},
		"expectedVersion 0 is a value (11 row 26)": {
			`{"status":"IN_PROGRESS","expectedVersion":0}`,
			want(func(in *jobsdata.UpdateJobExecutionInput) { in.ExpectedVersion = ptr(int64(0)) }),
		},
		"stepTimeoutInMinutes -1 drops the timer (2.5)": {
			`{"status":"IN_PROGRESS","stepTimeoutInMinutes":-1}`,
			want(func(in *jobsdata.UpdateJobExecutionInput) { in.StepTimeoutInMinutes = ptr(int64(-1)) }),
		},
		"null is absent for every optional field (11 row 19)": {
			`{"status":"IN_PROGRESS","statusDetails":null,"expectedVersion":null,"executionNumber":null,"includeJobExecutionState":null,` +
				`"includeJobDocument":null,"stepTimeoutInMinutes":null,"clientToken":null}`,
			want(func(*jobsdata.UpdateJobExecutionInput) {}),
		},
		"empty details replace, they are not absent (2.5)": {
			`{"status":"IN_PROGRESS","statusDetails":{}}`,
			want(func(in *jobsdata.UpdateJobExecutionInput) { in.StatusDetails = job.Details{} }),
		},
		"unknown keys are ignored whatever they hold (2.5)": {
			`{"futureField":{"a":[1,{"b":null}]},"status":"IN_PROGRESS","Status":"FAILED"}`,
			want(func(in *jobsdata.UpdateJobExecutionInput) {
				in.Warning = "the key 'Status' is not known and was ignored; the member is spelled 'status'"
			}),
		},
		"the misspelling of the docs is ignored, with a warning (11 row 20)": {
			`{"status":"IN_PROGRESS","stepTimeOutInMinutes":5}`,
			want(func(in *jobsdata.UpdateJobExecutionInput) {
				in.Warning = "the key 'stepTimeOutInMinutes' is not known and was ignored; the member is spelled 'stepTimeoutInMinutes'"
			}),
		},
		"white space, escaped names, an empty token": {
			" {\n\t\"sta\\u0074us\" : \"IN_PROGRESS\", \"clientToken\":\"\" } \r\n",
			want(func(in *jobsdata.UpdateJobExecutionInput) { in.ClientToken = ptr("") }),
		},
		"ten pairs, the longest key and the longest value (2.5)": {
			`{"status":"IN_PROGRESS","statusDetails":{"` + strings.Repeat("k", 128) + `":"` + strings.Repeat("ü", 1024) +
				`","1":"a","2":"a","3":"a","4":"a","5":"a","6":"a","7":"a","8":"a","9":"a"}}`,
			want(func(in *jobsdata.UpdateJobExecutionInput) {
				in.StatusDetails = job.Details{
					strings.Repeat("k", 128): strings.Repeat("ü", 1024),
					"1":                      "a", "2": "a", "3": "a", "4": "a", "5": "a", "6": "a", "7": "a", "8": "a", "9": "a",
				}
			}),
		},
	}
	for name, r := range rows {
		t.Run(name, func(t *testing.T) {
			in := update()
			if err := wire.Decode([]byte(r.payload), in); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(r.want, in); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestDecodeRefusesWithTheMemberAndItsConstraint(t *testing.T) {
	rows := map[string]struct {
		payload string
		code    job.Code
		message string // a part of it
		token   bool   // the token can be echoed
	}{
		"a zero-length body of update is {} (11 row 27)": {
			"", job.InvalidRequest, "1 validation error detected: Value null at 'status' failed to satisfy constraint: Member must not be null", false,
		},
		"no status (3.4)": {
			`{"clientToken":"t"}`, job.InvalidRequest, "Value null at 'status' failed to satisfy constraint: Member must not be null", true,
		},
		"status null": {
			`{"status":null,"clientToken":"t"}`, job.InvalidRequest, "Value null at 'status'", true,
		},
		"unknown enum text (3.4)": {
			`{"status":"DONE","clientToken":"t"}`, job.InvalidRequest,
			"1 validation error detected: Value 'DONE' at 'status' failed to satisfy constraint: Member must satisfy enum value set: [QUEUED, IN_PROGRESS,", true,
		},
		"status is case-sensitive": {
			`{"status":"succeeded","clientToken":"t"}`, job.InvalidRequest, "enum value set", true,
		},
		"status a number": {
			`{"status":7,"clientToken":"t"}`, job.InvalidRequest, "Value '7' at 'status' failed to satisfy constraint: Member must be a string", true,
		},
		"a detail that is a number (2.5)": {
			`{"clientToken":"t","status":"FAILED","statusDetails":{"a":"x","pct":40}}`, job.InvalidRequest,
			"Value '40' at 'statusDetails.pct' failed to satisfy constraint: Member must be a string", true,
		},
		"a detail that is null (2.5)": {
			`{"status":"FAILED","statusDetails":{"a":null},"clientToken":"t"}`, job.InvalidRequest, "at 'statusDetails.a'", true,
		},
		"a detail that is an object (2.5)": {
			`{"status":"FAILED","statusDetails":{"a":{"b":"c"}},"clientToken":"t"}`, job.InvalidRequest, "Value of type object at 'statusDetails.a'", true,
		},
		"an empty detail (2.5)": {
			`{"status":"FAILED","statusDetails":{"a":""},"clientToken":"t"}`, job.InvalidRequest, "Member must have length greater than or equal to 1", true,
		},
		"a detail of 1025 characters (2.5)": {
			`{"status":"FAILED","statusDetails":{"a":"` + strings.Repeat("x", 1025) + `"},"clientToken":"t"}`, job.InvalidRequest,
			"Member must have length less than or equal to 1024", true,
		},
		"a control character in a detail (2.5)": {
			`{"status":"FAILED","statusDetails":{"a":"x\u0000"},"clientToken":"t"}`, job.InvalidRequest, "pattern: [^\\p{C}]+", true,
		},
		"a zero-width joiner in a detail is of category C (2.5)": {
			"{\"status\":\"FAILED\",\"statusDetails\":{\"a\":\"x\u200d\"},\"clientToken\":\"t\"}", job.InvalidRequest, "pattern: [^\\p{C}]+", true,
		},
		"eleven details (2.5)": {
			`{"status":"FAILED","clientToken":"t","statusDetails":{"0":"a","1":"a","2":"a","3":"a","4":"a","5":"a","6":"a","7":"a","8":"a","9":"a","10":"a"}}`,
			job.InvalidRequest, "Value at 'statusDetails' failed to satisfy constraint: Member must have length less than or equal to 10", true,
		},
		"a key with a space (2.5)": {
			`{"status":"FAILED","statusDetails":{"a b":"c"},"clientToken":"t"}`, job.InvalidRequest, "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z0-9:_-]+]", true,
		},
		"an empty key (2.5)": {
			`{"status":"FAILED","statusDetails":{"":"c"},"clientToken":"t"}`, job.InvalidRequest, "Map keys must satisfy", true,
		},
		"details that are a list": {
			`{"status":"FAILED","statusDetails":["a"],"clientToken":"t"}`, job.InvalidRequest, "at 'statusDetails' failed to satisfy constraint: Member must be a map of strings", true,
		},
		"details that are a string": {
			`{"status":"FAILED","statusDetails":"a","clientToken":"t"}`, job.InvalidRequest, "Member must be a map of strings", true,
		},
		"stepTimeoutInMinutes 0 (2.5)": {
			`{"status":"FAILED","stepTimeoutInMinutes":0,"clientToken":"t"}`, job.InvalidRequest,
			"Value '0' at 'stepTimeoutInMinutes' failed to satisfy constraint: Member must have value greater than or equal to 1, or be -1", true,
		},
		"stepTimeoutInMinutes 10081 (2.5)": {
			`{"status":"FAILED","stepTimeoutInMinutes":10081,"clientToken":"t"}`, job.InvalidRequest, "less than or equal to 10080", true,
		},
		"stepTimeoutInMinutes in a string": {
			`{"status":"FAILED","stepTimeoutInMinutes":"5","clientToken":"t"}`, job.InvalidRequest, "Member must be an integer", true,
		},
		"expectedVersion not digits (3.4)": {
			`{"status":"FAILED","expectedVersion":"two","clientToken":"t"}`, job.InvalidRequest, "Value 'two' at 'expectedVersion' failed to satisfy constraint: Member must be an integer", true,
		},
		"expectedVersion with a fraction": {
			`{"status":"FAILED","expectedVersion":1.5,"clientToken":"t"}`, job.InvalidRequest, "Member must be an integer", true,
		},
		"expectedVersion beyond 64 bits": {
			`{"status":"FAILED","expectedVersion":9223372036854775808,"clientToken":"t"}`, job.InvalidRequest, "Member must be an integer", true,
		},
		"a boolean in a string": {
			`{"status":"FAILED","includeJobDocument":"true","clientToken":"t"}`, job.InvalidRequest, "Member must be a boolean", true,
		},
		"clientToken a number (2.4)": {
			`{"status":"FAILED","clientToken":5}`, job.InvalidRequest, "Value '5' at 'clientToken' failed to satisfy constraint: Member must be a string", false,
		},
		"two violations are told together": {
			`{"expectedVersion":true,"clientToken":"t"}`, job.InvalidRequest, "2 validation errors detected: ", true,
		},
		"not JSON (5.2)":                            {`status=FAILED`, job.InvalidJSON, "not valid JSON", false},
		"an array (5.2)":                            {`[]`, job.InvalidJSON, "is a JSON array; expected an object", false},
		"null is not an object (5.2)":               {`null`, job.InvalidJSON, "is a JSON null; expected an object", false},
		"a string (5.2)":                            {`"x"`, job.InvalidJSON, "expected an object", false},
		"white space is no empty body":              {" ", job.InvalidJSON, "not valid JSON", false},
		"cut off (5.2)":                             {`{"clientToken":"t","status":"FAILED"`, job.InvalidJSON, "ends before it is complete", false},
		"cut off in a wrong type":                   {`{"clientToken":"t","status":7,"a":`, job.InvalidJSON, "ends before it is complete", false},
		"bytes after the object":                    {`{"clientToken":"t","status":"FAILED"}{}`, job.InvalidJSON, "goes on after", false},
		"a NUL after the object":                    {"{\"status\":\"FAILED\"}\x00", job.InvalidJSON, "not valid JSON", false},
		"bad UTF-8 (5.2)":                           {"{\"clientToken\":\"\xff\",\"status\":\"FAILED\"}", job.InvalidJSON, "not valid JSON", false},
		"half a surrogate pair":                     {`{"clientToken":"\ud800","status":"FAILED"}`, job.InvalidJSON, "not valid JSON", false},
		"bad UTF-8 in a key nobody knows":           {"{\"status\":\"FAILED\",\"x\":\"\xc0\x80\"}", job.InvalidJSON, "not valid JSON", false},
		"duplicate keys (11 row 21)":                {`{"clientToken":"t","status":"FAILED","status":"FAILED"}`, job.InvalidJSON, "duplicate", false},
		"duplicate keys under an escape":            {`{"status":"FAILED","stat\u0075s":"FAILED"}`, job.InvalidJSON, "duplicate", false},
		"duplicate keys in the details":             {`{"status":"FAILED","statusDetails":{"a":"1","a":"2"}}`, job.InvalidJSON, "duplicate", false},
		"duplicate keys deep in a key nobody knows": {`{"status":"FAILED","x":[{"a":1,"a":1}]}`, job.InvalidJSON, "duplicate", false},
		"a comment":                                 {`{"status":"FAILED"/**/}`, job.InvalidJSON, "not valid JSON", false},
		"a trailing comma":                          {`{"status":"FAILED",}`, job.InvalidJSON, "not valid JSON", false},
		"a byte order mark":                         {"\ufeff{\"status\":\"FAILED\"}", job.InvalidJSON, "not valid JSON", false},
		"100,000 brackets deep":                     {`{"x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`, job.InvalidJSON, "not valid JSON", false},
		"100,000 objects deep in the details":       {`{"statusDetails":` + strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000) + `}`, job.InvalidJSON, "not valid JSON", false},
	}
	for name, r := range rows {
		t.Run(name, func(t *testing.T) {
			in := update()
			code, message := codeOf(t, wire.Decode([]byte(r.payload), in))
			if code != r.code || !strings.Contains(message, r.message) {
				t.Errorf("code %d, message %q; expected %d and %q", code, message, r.code, r.message)
			}
			if (in.ClientToken != nil) != r.token || r.token && *in.ClientToken != "t" {
				t.Errorf("clientToken %v; expected it only when the body is a JSON object (5.1)", in.ClientToken)
			}
			if len(message) > 1200 {
				t.Errorf("a message of %d bytes repeats too much of the request", len(message))
			}
		})
	}
}

func TestDecodeTakesAZeroLengthBodyForEveryOtherOperation(t *testing.T) {
	for name, in := range map[string]any{
		"get":        &jobsdata.GetPendingJobExecutionsInput{ThingName: "t"},
		"start-next": &jobsdata.StartNextPendingJobExecutionInput{ThingName: "t"},
		"$next/get":  &jobsdata.DescribeJobExecutionInput{ThingName: "t", JobID: jobsdata.Next},
	} {
		for _, body := range []string{"", "{}"} {
			if err := wire.Decode([]byte(body), in); err != nil {
				t.Errorf("%s with %q: %v", name, body, err)
			}
		}
	}
}

func TestDecodeChecksThingAndJobOfTheTopicToo(t *testing.T) {
	rows := map[string]struct {
		in      any
		message string
	}{
		"a thing name with a space": {&jobsdata.GetPendingJobExecutionsInput{ThingName: "a b"}, "Value 'a b' at 'thingName'"},
		"a thing name of 129":       {&jobsdata.GetPendingJobExecutionsInput{ThingName: registryName(129)}, "less than or equal to 128"},
		"no thing name":             {&jobsdata.GetPendingJobExecutionsInput{}, "Value null at 'thingName'"},
		"a job id of 65": {
			&jobsdata.DescribeJobExecutionInput{ThingName: "t", JobID: job.ID(strings.Repeat("j", 65))},
			"less than or equal to 64",
		},
		"$next is not for update": {
			&jobsdata.UpdateJobExecutionInput{ThingName: "t", JobID: jobsdata.Next, Status: job.Failed},
			"Value '$next' at 'jobId' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+",
		},
		"$nextish": {&jobsdata.DescribeJobExecutionInput{ThingName: "t", JobID: "$nextish"}, "Value '$nextish' at 'jobId'"},
		"-1 is for update alone": {
			&jobsdata.StartNextPendingJobExecutionInput{ThingName: "t", StepTimeoutInMinutes: ptr(int64(-1))},
			"Value '-1' at 'stepTimeoutInMinutes' failed to satisfy constraint: Member must have value greater than or equal to 1",
		},
	}
	for name, r := range rows {
		t.Run(name, func(t *testing.T) {
			code, message := codeOf(t, wire.Decode(nil, r.in))
			if code != job.InvalidRequest || !strings.Contains(message, r.message) {
				t.Errorf("code %d, message %q; expected %q", code, message, r.message)
			}
		})
	}
}

func BenchmarkDecodeUpdate(b *testing.B) {
	body := []byte(`{"status":"IN_PROGRESS","statusDetails":{"progress":"40","step":"flash"},"expectedVersion":3,"clientToken":"9f1c0d3e"}`)
	b.ReportAllocs()
	for b.Loop() {
		if err := wire.Decode(body, update()); err != nil {
			b.Fatal(err)
		}
	}
}

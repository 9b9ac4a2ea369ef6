package wire_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/wire"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
)

var seeds = []string{
	"", "{}", " ", "null", "[]", `{"clientToken":"t"}`, `{"clientToken":5}`, `{"a":1,"a":2}`, "{\"a\":\"\xff\"}", `{"a":{"b":[null,true,1e9]}}`,
	`{"status":"IN_PROGRESS","statusDetails":{"a":"b"},"expectedVersion":"2","executionNumber":1,"includeJobExecutionState":true,"includeJobDocument":false,"stepTimeoutInMinutes":-1,"clientToken":"t"}`,
	`{"status":"FAILED","statusDetails":null,"stepTimeOutInMinutes":5}`, `{"statusDetails":{"a":{}},"status":7}`,
	`{"executionNumber":"9223372036854775808","includeJobDocument":null}`,
	`{"targets":["a"],"document":"{}","timeoutConfig":{"inProgressTimeoutInMinutes":5},"abortConfig":{"criteriaList":[{}]},"tags":[{"Key":"a"}]}`,
	`{"attributePayload":{"attributes":{"a":"b"},"merge":true},"expectedVersion":1}`,
	`{"thingGroupName":"g","thingName":"t","overrideDynamicGroups":true}`, strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100),
}

// fuzzDecode holds the reader of one operation against encoding/json: every error
// is for the caller, and what is not JSON is never taken for it.
func fuzzDecode(f *testing.F, decode func(body []byte) error) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		err := decode(body)
		code := job.Code(0)
		if err != nil {
			e, ok := errors.AsType[*job.Error](err)
			if !ok || !utf8.ValidString(e.Message) || len(e.Message) > 4096 {
				t.Fatalf("%T %q", err, err)
			}
			code = e.Code
			if code != job.InvalidJSON && code != job.InvalidRequest && code != job.NotImplemented {
				t.Fatalf("code %d for a body: %v", code, err)
			}
		}
		var object map[string]json.RawMessage
		isObject := len(body) == 0 || utf8.Valid(body) && json.Unmarshal(body, &object) == nil && object != nil
		if !isObject && code != job.InvalidJSON {
			t.Fatalf("%q is not a JSON object but was not refused as such: %v", body, err)
		}
	})
}

func FuzzDecodeGetPendingJobExecutions(f *testing.F) {
	fuzzDecode(f, func(b []byte) error {
		return wire.Decode(b, &jobsdata.GetPendingJobExecutionsInput{ThingName: "t"})
	})
}

func FuzzDecodeStartNextPendingJobExecution(f *testing.F) {
	fuzzDecode(f, func(b []byte) error {
		return wire.Decode(b, &jobsdata.StartNextPendingJobExecutionInput{ThingName: "t"})
	})
}

func FuzzDecodeDescribeJobExecution(f *testing.F) {
	fuzzDecode(f, func(b []byte) error {
		return wire.Decode(b, &jobsdata.DescribeJobExecutionInput{ThingName: "t", JobID: "j"})
	})
}

func FuzzDecodeUpdateJobExecution(f *testing.F) {
	fuzzDecode(f, func(b []byte) error {
		in := update()
		err := wire.Decode(b, in)
		if err == nil && (in.Status == 0 || len(in.StatusDetails) > 10) {
			return errors.New("an update that breaks its constraints was taken")
		}
		return err
	})
}

// FuzzDecodeControlPlane reads one body as that of every operation that has one.
func FuzzDecodeControlPlane(f *testing.F) {
	var inputs []reflect.Type
	for _, s := range shapes {
		typ := reflect.TypeOf(s)
		if !strings.HasSuffix(typ.Name(), "Input") || typ.PkgPath() == reflect.TypeFor[jobsdata.Form]().PkgPath() {
			continue
		}
		for i := range typ.NumField() {
			if _, ok := typ.Field(i).Tag.Lookup("json"); ok {
				inputs = append(inputs, typ)
				break
			}
		}
	}
	if len(inputs) < 6 {
		f.Fatalf("only %d operations with a body", len(inputs))
	}
	fuzzDecode(f, func(b []byte) (err error) {
		for _, typ := range inputs {
			err = wire.Bind(reflect.New(typ).Interface(), func(string, string) (string, bool) { return "1", true }, b)
			if e, ok := errors.AsType[*job.Error](err); ok && e.Code == job.InvalidJSON {
				continue
			} else if err != nil && !ok {
				return err
			}
		}
		return err
	})
}

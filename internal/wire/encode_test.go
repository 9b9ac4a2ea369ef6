package wire_test

import (
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/wire"
	"github.com/drover-iot/drover/internal/wire/iot"
)

func TestEncodeOfTheControlPlane(t *testing.T) {
	rows := map[string]struct {
		out  any
		want string
	}{
		"times are fractional epoch seconds, unset members are left out (G)": {
			&iot.DescribeJobOutput{Job: &iot.Job{
				JobID: "j", Status: job.JobInProgress, Targets: []string{"a"},
				CreatedAt: time.UnixMilli(1764000000123), LastUpdatedAt: time.UnixMilli(1764000004500),
				JobProcessDetails: &iot.JobProcessDetails{NumberOfSucceededThings: 3},
			}},
			`{"job":{"jobId":"j","status":"IN_PROGRESS","targets":["a"],"createdAt":1764000000.123,"lastUpdatedAt":1764000004.5,` +
				`"jobProcessDetails":{"numberOfCanceledThings":0,"numberOfSucceededThings":3,"numberOfFailedThings":0,"numberOfRejectedThings":0,` +
				`"numberOfQueuedThings":0,"numberOfInProgressThings":0,"numberOfRemovedThings":0,"numberOfTimedOutThings":0},"isConcurrent":false}}`,
		},
		"empty lists are there (G)":          {&iot.ListThingsOutput{}, `{"things":[]}`},
		"a whole second has no fraction":     {&iot.ThingGroupMetadata{CreationDate: time.Unix(1764000000, 0)}, `{"creationDate":1764000000}`},
		"a thing without attributes has {}":  {&iot.DescribeThingOutput{ThingName: "t", Version: 1}, `{"thingName":"t","attributes":{},"version":1}`},
		"keys of a map are in order":         {&iot.AttributePayload{Attributes: map[string]string{"b": "2", "a": "1", "c": "3"}}, `{"attributes":{"a":"1","b":"2","c":"3"}}`},
		"KeyPair has capitals (E.1)":         {&iot.KeyPair{PublicKey: "p", PrivateKey: "q"}, `{"PublicKey":"p","PrivateKey":"q"}`},
		"details are one level deeper (A.3)": {&iot.JobExecution{Status: job.TimedOut, StatusDetails: &iot.JobExecutionStatusDetails{DetailsMap: job.Details{"a": "b"}}}, `{"status":"TIMED_OUT","statusDetails":{"detailsMap":{"a":"b"}},"executionNumber":0,"versionNumber":0}`},
		"nothing":                            {&iot.DeleteThingOutput{}, `{}`},
	}
	for name, r := range rows {
		t.Run(name, func(t *testing.T) {
			got, err := wire.Encode(r.out)
			if err != nil || string(got) != r.want {
				t.Errorf("%v\n got %s\nwant %s", err, got, r.want)
			}
		})
	}
}

func TestFractionalSecondsHaveNoZeroAtTheEnd(t *testing.T) {
	for ms, want := range map[int64]string{0: "0", 1: "0.001", 10: "0.01", 120: "0.12", 999: "0.999", 1000: "1", -1500: "-1.5"} {
		if got := string(wire.AppendFractional(nil, time.UnixMilli(ms))); got != want {
			t.Errorf("%d ms: %s, expected %s", ms, got, want)
		}
	}
}

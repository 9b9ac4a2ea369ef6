package devapi_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drover-iot/drover/internal/devapi"
	"github.com/drover-iot/drover/internal/virtual"
)

func TestTheClockIsAskedForWhatTheBodySays(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"by":0}`:                                "by 0s",
		`{"by":90.5}`:                             "by 1m30.5s",
		`{"by":"1d"}`:                             "by 24h0m0s",
		`{"to":1760000000.25}`:                    "to 2025-10-09T08:53:20.25Z",
		`{"to":"2025-10-09T10:53:20+02:00"}`:      "to 2025-10-09T08:53:20Z",
		`{"until":"idle"}`:                        "until idle, at most 8784h0m0s",
		`{"until":"idle","atMost":"2w"}`:          "until idle, at most 336h0m0s",
		`{"until":"idle","atMost":null}`:          "until idle, at most 8784h0m0s",
		` {"until":"idle", "by":null, "to":null}`: "until idle, at most 8784h0m0s",
	} {
		r := dev()
		a := r.ask(t.Context(), "POST", "/drover/v1/clock/advance", body)
		if got := strings.Join(r.hand.asked, "; "); a.status != 200 || got != want {
			t.Errorf("%s: %q, want %q (%+v)", body, got, want, a)
		}
	}
}

func TestAnAdvanceTellsWhatHasHappened(t *testing.T) {
	t.Parallel()
	r := dev()
	r.hand.report = virtual.Report{
		From: epoch, Now: epoch.Add(1500 * time.Millisecond), Next: epoch.Add(time.Hour),
		Events: []virtual.Event{
			{At: epoch.Add(time.Second), Kind: virtual.OfExecution, Thing: "pump-7", Job: "fw", Number: 2, Was: "IN_PROGRESS", Is: "TIMED_OUT"},
			{At: epoch.Add(time.Second), Kind: virtual.OfExecution, Thing: "pump-7", Job: "fw", Number: 3, Is: "QUEUED"},
			{At: epoch.Add(1500 * time.Millisecond), Kind: virtual.OfSession, Client: "pump-7", Is: virtual.Expired},
		},
		Total:  2001,
		Counts: map[virtual.Kind]map[string]int{virtual.OfSession: {virtual.Expired: 1999}, virtual.OfExecution: {"TIMED_OUT": 1, "QUEUED": 1}},
	}
	const want = `{"from":1760000000,"now":1760000001.5,"time":"2025-10-09T08:53:21.5Z","nextDue":1760003600,"idle":false,"fired":[` +
		`{"at":1760000001,"kind":"execution","thingName":"pump-7","jobId":"fw","executionNumber":2,"was":"IN_PROGRESS","status":"TIMED_OUT"},` +
		`{"at":1760000001,"kind":"execution","thingName":"pump-7","jobId":"fw","executionNumber":3,"status":"QUEUED"},` +
		`{"at":1760000001.5,"kind":"session","clientId":"pump-7","status":"EXPIRED"}],` +
		`"total":2001,"counts":{"execution":{"QUEUED":1,"TIMED_OUT":1},"session":{"EXPIRED":1999}}}`
	if a := r.ask(t.Context(), "POST", "/drover/v1/clock/advance", `{"by":1.5}`); a.body != want {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}
	r.hand.report = virtual.Report{From: epoch, Now: epoch, Idle: true, Counts: map[virtual.Kind]map[string]int{}}
	const idle = `{"from":1760000000,"now":1760000000,"time":"2025-10-09T08:53:20Z","idle":true,"fired":[],"total":0,"counts":{}}`
	if a := r.ask(t.Context(), "POST", "/drover/v1/clock/advance", `{"by":0}`); a.body != idle {
		t.Errorf("got  %s\nwant %s", a.body, idle)
	}
}

func TestTheClockSaysWhatIsDueNext(t *testing.T) {
	t.Parallel()
	r := dev()
	for next, want := range map[time.Time]string{
		{}:                            `{"mode":"virtual","now":1760000000,"time":"2025-10-09T08:53:20Z"}`,
		epoch.Add(time.Minute):        `{"mode":"virtual","now":1760000000,"time":"2025-10-09T08:53:20Z","nextDue":1760000060}`,
		epoch.Add(time.Second / 1000): `{"mode":"virtual","now":1760000000,"time":"2025-10-09T08:53:20Z","nextDue":1760000000.001}`,
	} {
		r.hand.next = next
		if a := r.ask(t.Context(), "GET", "/drover/v1/clock", ""); a.body != want {
			t.Errorf("got  %s\nwant %s", a.body, want)
		}
	}
}

func TestADurationIsSecondsOrNumbersWithUnits(t *testing.T) {
	t.Parallel()
	const century = 100 * 366 * 24 * time.Hour
	for text, want := range map[string]time.Duration{
		`0`: 0, `90`: 90 * time.Second, `0.25`: 250 * time.Millisecond, `1e3`: 1000 * time.Second, `0.0000000004`: 0, `3162240000`: century,
		`"0s"`: 0, `"45m"`: 45 * time.Minute, `"1h30m"`: 90 * time.Minute, `"7d"`: 168 * time.Hour, `"1w2d"`: 216 * time.Hour,
		`"250ms"`: 250 * time.Millisecond, `"1m1ms"`: time.Minute + time.Millisecond, `"1.5h"`: 90 * time.Minute,
		`"30m1h"`: 90 * time.Minute, `"1d1d"`: 48 * time.Hour, `"36600d"`: century,
	} {
		var d devapi.Duration
		if err := json.Unmarshal([]byte(text), &d); err != nil || time.Duration(d) != want {
			t.Errorf("%s is %s (%v), want %s", text, time.Duration(d), err, want)
		}
	}
	for _, text := range []string{
		`-1`, `1e400`, `3162240000.5`, `true`, `[]`, `{}`,
		`""`, `"90"`, `"m"`, `"1 h"`, `" 1h"`, `"1h "`, `"-1h"`, `"+1h"`, `"1h-1m"`, `".5h"`, `"1.h"`, `"1,5h"`, `"1H"`, `"1us"`, `"1y"`, `"1e3s"`,
		`"１h"`, `"36600d1s"`, `"99999999999999999999w"`, `"` + strings.Repeat("1s", 33) + `"`,
	} {
		var d devapi.Duration
		if err := json.Unmarshal([]byte(text), &d); err == nil || !strings.Contains(err.Error(), "is no duration") || d != 0 {
			t.Errorf("%s is %s (%v), want it refused", text, time.Duration(d), err)
		}
	}
}

func TestATimeIsEpochSecondsOrRFC3339(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`0`: "1970-01-01T00:00:00Z", `1760000000`: "2025-10-09T08:53:20Z", `1.76e9`: "2025-10-09T08:53:20Z",
		`1760000000.001`: "2025-10-09T08:53:20.001Z", `1760000000.9996`: "2025-10-09T08:53:21Z", `99999999999`: "5138-11-16T09:46:39Z",
		`"2025-10-09T08:53:20Z"`: "2025-10-09T08:53:20Z", `"2025-10-09T08:53:20.5-01:30"`: "2025-10-09T10:23:20.5Z",
	} {
		var i devapi.Instant
		if err := json.Unmarshal([]byte(text), &i); err != nil || time.Time(i).UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%s is %s (%v), want %s", text, time.Time(i), err, want)
		}
	}
	for _, text := range []string{
		`-1`, `1e11`, `1e400`, `true`, `{}`, `""`, `"1760000000"`, `"now"`, `"2025-10-09"`, `"2025-10-09T08:53:20"`, `"2025-10-09 08:53:20Z"`, `"2025-02-30T00:00:00Z"`,
	} {
		var i devapi.Instant
		if err := json.Unmarshal([]byte(text), &i); err == nil || !strings.Contains(err.Error(), "is no time") {
			t.Errorf("%s is %s (%v), want it refused", text, time.Time(i), err)
		}
	}
}

func TestWhoKnowsTheLatestChangeWaitsAndNobodyElse(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, query string
		waits       bool
		status      int
		body        string // the answer; the next change is the eighth
	}{
		{"nobody said", "", false, 200, `{"seq":7}`},
		{"an empty number", "?after=", false, 200, `{"seq":7}`},
		{"an earlier one", "?after=6", false, 200, `{"seq":7}`},
		{"the latest", "?after=7", true, 200, `{"seq":8}`},
		{"one of a server before this", "?after=9000", false, 200, `{"seq":7}`},
		{"a negative one", "?after=-1", false, 200, `{"seq":7}`},
		{"half of one", "?after=7.5", false, 400, ``},
		{"more than there are", "?after=99999999999999999999", false, 400, ``},
		{"two", "?after=6&after=7", false, 200, `{"seq":7}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				seq, next := int64(7), make(chan struct{})
				r := new(room)
				r.open(devapi.Config{Dev: true, Now: time.Now, Changes: func() (int64, <-chan struct{}) { return seq, next }})
				answered := make(chan answer, 1)
				go func() { answered <- r.ask(t.Context(), "GET", "/drover/v1/changes"+row.query, "") }()
				synctest.Wait()
				if waits := len(answered) == 0; waits != row.waits {
					t.Errorf("it waits: %v, want %v", waits, row.waits)
				}
				seq = 8
				close(next)
				if a := <-answered; a.status != row.status || row.body != "" && a.body != row.body {
					t.Errorf("%+v, want %d %s", a, row.status, row.body)
				}
			})
		})
	}
}

func TestWhoLeavesDoesNotWaitForAChange(t *testing.T) {
	t.Parallel()
	r := new(room)
	r.open(devapi.Config{Dev: true, Now: time.Now, Changes: func() (int64, <-chan struct{}) { return 7, nil }})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if a := r.ask(gone, "GET", "/drover/v1/changes?after=7", ""); a.status != 200 || a.body != `{"seq":7}` {
		t.Errorf("%+v", a)
	}
}

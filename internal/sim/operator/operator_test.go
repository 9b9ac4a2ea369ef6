package operator

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=[A-Z0-9]+/\d{8}/us-east-1/iot/aws4_request, SignedHeaders=host;x-amz-date, Signature=[0-9a-f]{64}$`)

// serve answers every request by its "METHOD path" and keeps what it was sent.
func serve(t *testing.T, answers map[string]string) (*Client, func() []string) {
	var mu sync.Mutex
	var seen []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		call := r.Method + " " + r.URL.EscapedPath()
		mu.Lock()
		seen = append(seen, strings.TrimSpace(call+" "+string(body)))
		mu.Unlock()
		if !authorization.MatchString(r.Header.Get("Authorization")) {
			t.Errorf("%s: Authorization %q", call, r.Header.Get("Authorization"))
		}
		answer, ok := answers[call]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			answer = `{"message":"nobody of this name"}`
		}
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(s.Close)
	c := New(strings.TrimPrefix(s.URL, "http://"))
	t.Cleanup(c.Close)
	return c, func() []string { mu.Lock(); defer mu.Unlock(); return seen }
}

func TestCallsAreSpelledAsTheControlPlaneSpellsThem(t *testing.T) {
	c, seen := serve(t, map[string]string{
		"POST /things/pump:7":                    `{"thingArn":"arn:t"}`,
		"POST /thing-groups/pumps":               `{"thingGroupArn":"arn:g"}`,
		"PUT /thing-groups/addThingToThingGroup": `{}`,
		"PUT /jobs/fw-42":                        `{}`,
		"GET /jobs/fw-42":                        `{"job":{"status":"IN_PROGRESS","jobProcessDetails":{"numberOfQueuedThings":3,"numberOfInProgressThings":2,"numberOfSucceededThings":1}}}`,
		"GET /things/pump:7/jobs":                `{"executionSummaries":[{"jobId":"fw-42","jobExecutionSummary":{"status":"QUEUED","executionNumber":2}}]}`,
		"GET /things/pump:7/jobs/fw-42":          `{"execution":{"status":"IN_PROGRESS","versionNumber":4,"executionNumber":1,"statusDetails":{"detailsMap":{"pct":"40"}}}}`,
		"POST /things/a%20b":                     `{"thingArn":"arn:ab"}`,
	})
	ctx := t.Context()
	if arn, err := c.CreateThing(ctx, "pump:7"); arn != "arn:t" || err != nil {
		t.Errorf("CreateThing: %q %v", arn, err)
	}
	if arn, err := c.CreateThing(ctx, "a b"); arn != "arn:ab" || err != nil {
		t.Errorf("CreateThing of a name with a blank: %q %v", arn, err)
	}
	if arn, err := c.CreateFleet(ctx, "pumps", 1, func(int) string { return "pump:7" }); arn != "arn:g" || err != nil {
		t.Errorf("CreateFleet: %q %v", arn, err)
	}
	if err := c.CreateJob(ctx, Job{ID: "fw-42", Targets: []string{"arn:g"}, Document: "{}", Timeout: 5}); err != nil {
		t.Errorf("CreateJob: %v", err)
	}
	if err := c.WaitQueued(ctx, "fw-42", 3, time.Millisecond); err != nil {
		t.Errorf("WaitQueued: %v", err)
	}
	e, err := c.DescribeExecution(ctx, "pump:7", "fw-42")
	if err != nil || e.Status != "IN_PROGRESS" || e.Version != 4 || e.StatusDetails.Map["pct"] != "40" {
		t.Errorf("DescribeExecution: %+v %v", e, err)
	}
	list, err := c.Executions(ctx, "pump:7")
	if err != nil || len(list) != 1 || list[0] != (Summary{"fw-42", 2, "QUEUED"}) {
		t.Errorf("Executions: %+v %v", list, err)
	}
	all := strings.Join(seen(), "\n")
	for _, want := range []string{
		`PUT /thing-groups/addThingToThingGroup {"thingGroupName":"pumps","thingName":"pump:7"}`,
		`PUT /jobs/fw-42 {"document":"{}","targets":["arn:g"],"timeoutConfig":{"inProgressTimeoutInMinutes":5}}`,
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no request %s in\n%s", want, all)
		}
	}
}

func TestTheRestOfALifeIsSpelledAsTheControlPlaneSpellsIt(t *testing.T) {
	c, seen := serve(t, map[string]string{
		"GET /things/p":                               `{"thingId":"id","version":3,"attributes":{"n":"1"}}`,
		"PATCH /things/p":                             `{}`,
		"DELETE /things/p":                            `{}`,
		"GET /thing-groups/g":                         `{"thingGroupId":"gid"}`,
		"DELETE /thing-groups/g":                      `{}`,
		"PUT /thing-groups/removeThingFromThingGroup": `{}`,
		"GET /thing-groups/g/things":                  `{"things":["p","q"]}`,
		"POST /keys-and-certificate":                  `{"certificateArn":"arn:c"}`,
		"PUT /things/p/principals":                    `{}`,
		"GET /things/p/principals":                    `{"principals":["arn:c"]}`,
		"GET /jobs/j/job-document":                    `{"document":"{}"}`,
		"PUT /jobs/j/cancel":                          `{}`,
		"DELETE /jobs/j":                              `{}`,
		"PUT /things/p/jobs/j/cancel":                 `{}`,
		"DELETE /things/p/jobs/j/executionNumber/1":   `{}`,
		"PATCH /event-configurations":                 `{}`,
		"GET /jobs/j/things":                          `{"executionSummaries":[{"thingArn":"arn:aws:iot:r:a:thing/p","jobExecutionSummary":{"status":"FAILED","executionNumber":1}}]}`,
		"GET /jobs/j":                                 `{"job":{"status":"CANCELED","forceCanceled":true,"isConcurrent":true,"jobProcessDetails":{"numberOfCanceledThings":2,"numberOfTimedOutThings":1}}}`,
	})
	ctx := t.Context()
	for what, err := range map[string]error{
		"UpdateThing":     c.UpdateThing(ctx, "p", map[string]string{"n": "1"}),
		"DeleteThing":     c.DeleteThing(ctx, "p"),
		"DeleteGroup":     c.DeleteGroup(ctx, "g"),
		"RemoveFromGroup": c.RemoveFromGroup(ctx, "g", "p"),
		"Attach":          c.Attach(ctx, "p", "arn:c"),
		"CancelJob":       c.CancelJob(ctx, "j", true),
		"DeleteJob":       c.DeleteJob(ctx, "j", true),
		"CancelExecution": c.CancelExecution(ctx, "p", "j", false),
		"DeleteExecution": c.DeleteExecution(ctx, "p", "j", 1, true),
		"EnableEvents":    c.EnableEvents(ctx, "JOB"),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	same := func(what string, got any, err error, want string) {
		t.Helper()
		if fmt.Sprint(got) != want || err != nil {
			t.Errorf("%s: %v %v, want %s", what, got, err, want)
		}
	}
	thing, err := c.DescribeThing(ctx, "p")
	same("DescribeThing", thing, err, "{id map[n:1] 3}")
	id, err := c.DescribeGroup(ctx, "g")
	same("DescribeGroup", id, err, "gid")
	names, err := c.Members(ctx, "g")
	same("Members", names, err, "[p q]")
	arn, err := c.CreateCertificate(ctx)
	same("CreateCertificate", arn, err, "arn:c")
	arns, err := c.Principals(ctx, "p")
	same("Principals", arns, err, "[arn:c]")
	document, err := c.Document(ctx, "j")
	same("Document", document, err, "{}")
	list, err := c.JobExecutions(ctx, "j")
	same("JobExecutions", list, err, "[{p 1 FAILED}]")
	counts, err := c.DescribeJob(ctx, "j")
	if want := (JobCounts{Status: "CANCELED", ForceCanceled: true, IsConcurrent: true, Canceled: 2, TimedOut: 1}); err != nil || counts != want || counts.Total() != 3 {
		t.Errorf("DescribeJob: %+v %v", counts, err)
	}
	var again JobCounts
	for _, status := range []string{"QUEUED", "IN_PROGRESS", "SUCCEEDED", "FAILED", "TIMED_OUT", "REJECTED", "REMOVED", "CANCELED"} {
		again.Count(status, 1)
	}
	if again.Total() != 8 {
		t.Errorf("one of each status is counted as %+v", again)
	}
	all := strings.Join(seen(), "\n")
	for _, want := range []string{
		`PATCH /things/p {"attributePayload":{"attributes":{"n":"1"},"merge":true}}`,
		`PUT /thing-groups/removeThingFromThingGroup {"thingGroupName":"g","thingName":"p"}`,
		`PATCH /event-configurations {"eventConfigurations":{"JOB":{"Enabled":true}}}`,
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no request %s in\n%s", want, all)
		}
	}
}

func TestARefusalIsAnErrorWithItsStatusAndBody(t *testing.T) {
	c, _ := serve(t, nil)
	_, err := c.DescribeJob(t.Context(), "fw-42")
	var refused *Error
	if !errors.As(err, &refused) || refused.Status != 404 || !strings.Contains(refused.Body, "nobody of this name") {
		t.Fatalf("error %v", err)
	}
	if _, err := c.CreateFleet(t.Context(), "pumps", 3, func(int) string { return "x" }); !errors.As(err, &refused) {
		t.Fatalf("fleet: %v", err)
	}
}

package server

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// lost is a request whose connection ends without an answer.
const lost = "no answer"

// post is what a POST is answered: status, type and body, or lost.
func post(t *testing.T, s *Server, path, body string) string {
	t.Helper()
	resp, err := http.Post("http://"+s.addrs.HTTP+path, "application/json", strings.NewReader(body))
	http.DefaultClient.CloseIdleConnections()
	if err != nil {
		return lost
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s %s", resp.StatusCode, resp.Header.Get("X-Amzn-Errortype"), traceID.ReplaceAllString(string(b), "…"))
}

var traceID = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

func TestRequestsAndAnswersAreDisturbedOverHTTPS(t *testing.T) {
	for _, row := range []struct {
		name, fault, body string
		want              string // status, type and body of an update, or lost
		version           int    // of the execution then
	}{
		{"a dropped request", `{"kind":"drop"}`, `{"status":"IN_PROGRESS"}`, lost, 2},
		{"a lost connection", `{"kind":"disconnect"}`, `{"status":"IN_PROGRESS"}`, lost, 2},
		{"a dropped answer", `{"kind":"drop","direction":"response"}`, `{"status":"IN_PROGRESS"}`, lost, 3},
		{"a connection lost after the effect", `{"kind":"disconnect","direction":"response"}`, `{"status":"IN_PROGRESS"}`, lost, 3},
		{"a request carried out twice", `{"kind":"duplicate"}`, `{"status":"IN_PROGRESS"}`, `200  {}`, 4},
		{"throttling", `{"kind":"throttle"}`, `{"status":"IN_PROGRESS"}`, `429 ThrottlingException {"message":"Rate exceeded; this was injected by fault fault-1."}`, 2},
		{"a code", `{"kind":"answer","code":"ServiceUnavailableException","message":"later"}`, `{"status":"IN_PROGRESS"}`, `503 ServiceUnavailableException {"message":"later"}`, 2},
		{
			"a code with a state", `{"kind":"answer","code":"VersionMismatch","message":"stale"}`, `{"status":"IN_PROGRESS"}`,
			`409 InvalidStateTransitionException {"code":"VersionMismatch","message":"stale","executionState":{"status":"IN_PROGRESS","versionNumber":2}}`, 2,
		},
		{"a code after the effect", `{"kind":"answer","direction":"response","code":"InternalError","message":"oops"}`, `{"status":"IN_PROGRESS"}`, `500 InternalFailureException {"message":"oops"}`, 3},
		{
			"a stale version", `{"kind":"staleVersion","operation":"update"}`, `{"status":"IN_PROGRESS","expectedVersion":2,"includeJobExecutionState":true}`,
			`409 InvalidStateTransitionException {"code":"VersionMismatch","message":"$","executionState":{"status":"IN_PROGRESS","versionNumber":3}}`, 3,
		},
		{"a fault of the other protocol", `{"kind":"drop","over":"mqtt"}`, `{"status":"IN_PROGRESS"}`, `200  {}`, 3},
		{"a fault of another thing", `{"kind":"drop","thing":"pump-8"}`, `{"status":"IN_PROGRESS"}`, `200  {}`, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d := started(t)
			inject(t, d.s, row.fault)
			got := post(t, d.s, "/things/pump-7/jobs/fw", row.body)
			before, after, open := strings.Cut(row.want, "$")
			if got != row.want && !(open && strings.HasPrefix(got, before) && strings.HasSuffix(got, after)) {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
			d.hasVersion(row.version)
		})
	}
}

func TestADelayOverHTTPSEndsWithTheClock(t *testing.T) {
	for _, row := range [][2]string{
		{"request", "/things/pump-7/jobs/fw"},
		{"response", "/things/pump-7/jobs/fw"},
		{"request", "/topics/$aws/things/pump-7/jobs/fw/update"},
		{"response", "/topics/$aws/things/pump-7/jobs/fw/update"},
	} {
		t.Run(row[0]+row[1], func(t *testing.T) {
			d := started(t)
			inject(t, d.s, `{"kind":"delay","by":"1h","direction":"`+row[0]+`"}`)
			answered := make(chan answerOf, 1)
			go func() { answered <- ask(t, d.s, "POST", row[1], `{"status":"SUCCEEDED"}`) }()
			waitFor(t, func() bool { return len(did(t, d.s)) == 1 })
			m := advance(t, d.s, `{"until":"idle"}`)
			if m.Now != float64(epoch.Unix()+3600) || !m.Idle {
				t.Errorf("the clock came to %f, idle %v", m.Now, m.Idle)
			}
			if a := <-answered; a.status != http.StatusOK {
				t.Errorf("%+v", a)
			}
			if job := succeed(t, d.s, "GET", "/jobs/fw", ""); !strings.Contains(job, `"status":"COMPLETED"`) {
				t.Errorf("the job was not completed before the clock's answer: %s", job)
			}
		})
	}
}

// TestAJobsRequestThatIsPublishedOverHTTPSIsDisturbed as one of the data plane is, by
// the operation that its topic names.
func TestAJobsRequestThatIsPublishedOverHTTPSIsDisturbed(t *testing.T) {
	const jobs = "$aws/things/pump-7/jobs/"
	const published = `200  {"message":"OK","traceId":"…"}`
	const progress = `{"status":"IN_PROGRESS"}`
	for _, row := range []struct {
		name, fault, topic, body string
		want                     string
		version                  int // of the execution then
	}{
		{"a dropped request", `{"kind":"drop"}`, jobs + "fw/update", progress, lost, 2},
		{"a lost connection", `{"kind":"disconnect"}`, jobs + "fw/update", progress, lost, 2},
		{"a dropped answer", `{"kind":"drop","direction":"response"}`, jobs + "fw/update", progress, lost, 3},
		{"a connection lost after the effect", `{"kind":"disconnect","direction":"response"}`, jobs + "fw/update", progress, lost, 3},
		{"a request carried out twice", `{"kind":"duplicate"}`, jobs + "fw/update", progress, published, 4},
		{"throttling", `{"kind":"throttle"}`, jobs + "fw/update", progress, `429 ThrottlingException {"message":"Rate exceeded; this was injected by fault fault-1."}`, 2},
		{"a code", `{"kind":"answer","code":"ServiceUnavailableException","message":"later"}`, jobs + "fw/update", progress, `503 ServiceUnavailableException {"message":"later"}`, 2},
		{"a code after the effect", `{"kind":"answer","direction":"response","code":"InternalError","message":"oops"}`, jobs + "fw/update", progress, `500 InternalFailureException {"message":"oops"}`, 3},
		{"a stale version", `{"kind":"staleVersion","operation":"update"}`, jobs + "fw/update", `{"status":"IN_PROGRESS","expectedVersion":2}`, published, 3},
		{"a stale version of a request that names its execution", `{"kind":"staleVersion","operation":"update"}`, jobs + "fw/update", `{"status":"IN_PROGRESS","executionNumber":1}`, published, 4},
		{"a stale version of what nobody can read", `{"kind":"staleVersion","operation":"update"}`, jobs + "fw/update", `{`, published, 2},
		{"an operation", `{"kind":"drop","operation":"start-next"}`, jobs + "start-next", `{}`, lost, 2},
		{"another operation", `{"kind":"drop","operation":"get"}`, jobs + "start-next", `{}`, published, 2},
		{"a read", `{"kind":"drop","operation":"describe"}`, jobs + "fw/get", `{}`, lost, 2},
		{"the list", `{"kind":"drop","operation":"get"}`, jobs + "get", ``, lost, 2},
		{"over HTTPS alone", `{"kind":"drop","over":"https"}`, jobs + "fw/update", progress, lost, 2},
		{"over MQTT alone", `{"kind":"drop","over":"mqtt"}`, jobs + "fw/update", progress, published, 3},
		{"another thing", `{"kind":"drop","thing":"pump-8"}`, jobs + "fw/update", progress, published, 3},
		{"an ordinary topic", `{"kind":"drop"}`, "plant/pump-7", `{}`, published, 2},
		{"another service", `{"kind":"drop"}`, "$aws/things/pump-7/shadow/get", `{}`, published, 2},
		{"a topic under jobs/ that is no operation", `{"kind":"drop"}`, jobs + "fw/pause", `{}`, published, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d := started(t)
			inject(t, d.s, row.fault)
			if got := post(t, d.s, "/topics/"+row.topic, row.body); got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
			succeed(t, d.s, "DELETE", "/drover/v1/faults", "")
			d.hasVersion(row.version)
		})
	}
}

// TestAPublishedRequestIsInTheReport as what it asked for.
func TestAPublishedRequestIsInTheReport(t *testing.T) {
	d := started(t)
	inject(t, d.s, `{"kind":"staleVersion","operation":"update"}`)
	inject(t, d.s, `{"kind":"drop","operation":"update","direction":"response"}`)
	if got := post(t, d.s, "/topics/$aws/things/pump-7/jobs/fw/update", `{"status":"SUCCEEDED","expectedVersion":2}`); got != lost {
		t.Errorf("got %s", got)
	}
	wantLines(t, did(t, d.s),
		"fault-1 request of update over https: version 2 became 3 before the request was carried out",
		"fault-2 response of update over https: the request was carried out, the connection closed without an answer")
	d.hasVersion(3)
}

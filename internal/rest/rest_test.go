package rest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/auth"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/rest"
	"github.com/drover-iot/drover/internal/wire"
	"github.com/drover-iot/drover/internal/wire/iot"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
	"github.com/google/go-cmp/cmp"
)

func ptr[T any](v T) *T { return &v }

// door is a server whose operations are a fake.
type door struct {
	*fake
	url string
	log bytes.Buffer
}

// open starts a server as `dev` has it; change may make it another one.
func open(t *testing.T, change func(*rest.Config)) *door {
	t.Helper()
	d := &door{fake: &fake{}}
	c := rest.Config{
		Data: fakeData{d.fake}, Control: fakeControl{d.fake}, Authorizer: auth.Everything{}, AnyKey: true,
		Log: slog.New(slog.NewTextHandler(&d.log, nil)),
	}
	if change != nil {
		change(&c)
	}
	s := httptest.NewUnstartedServer(rest.New(c))
	s.Listener = rest.Listener(s.Listener)
	s.Config.DisableGeneralOptionsHandler = true
	s.Start()
	t.Cleanup(s.Close)
	d.url = s.URL
	return d
}

// forService is a signature that `dev` takes: nobody verifies it.
func forService(service string) http.Header {
	return http.Header{
		"X-Amz-Date": {"20260101T000000Z"},
		"Authorization": {"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/" + service +
			"/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + strings.Repeat("0", 64)},
	}
}

// answered is a reply that has been held against the form of every reply.
type answered struct {
	status    int
	errorType string
	body      string
	message   string
}

func (d *door) do(t *testing.T, method, target, body string, header http.Header) answered {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, d.url+target, r)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return inAWSForm(t, method, res.StatusCode, res.Header, string(b))
}

// inAWSForm fails on a reply that is not one of AWS's (control-plane.md G).
func inAWSForm(t *testing.T, method string, status int, h http.Header, body string) answered {
	t.Helper()
	a := answered{status: status, errorType: h.Get("X-Amzn-ErrorType"), body: body}
	if ct := h.Get("Content-Type"); ct != "application/json" {
		t.Errorf("Content-Type %q", ct)
	}
	if h.Get("X-Amzn-RequestId") == "" {
		t.Error("no x-amzn-RequestId")
	}
	if (status >= 400) != (a.errorType != "") || status >= 300 && status < 400 {
		t.Errorf("status %d with x-amzn-ErrorType %q", status, a.errorType)
	}
	if method == http.MethodHead || status == 200 && body == "" {
		return a
	}
	var doc struct {
		Message *string `json:"message"`
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil || !strings.HasPrefix(body, "{") {
		t.Errorf("the body is not a JSON object (%v): %q", err, body)
	}
	if status >= 400 {
		if doc.Message == nil || *doc.Message == "" {
			t.Errorf("no message in %q", body)
		} else {
			a.message = *doc.Message
		}
	}
	return a
}

func TestEachOperationIsReachedByItsRouteWithItsMembers(t *testing.T) {
	const control, data = iot.Service, jobsdata.Service
	cert := "arn:aws:iot:us-east-1:000000000000:cert/ab"
	hex64 := strings.Repeat("0f", 32)
	rows := []struct {
		service, method, target, body string
		want                          any
	}{
		{data, "GET", "/things/pump%3A7/jobs", "", &jobsdata.GetPendingJobExecutionsInput{ThingName: "pump:7"}},
		{data, "GET", "/things/pump:7/jobs", "", &jobsdata.GetPendingJobExecutionsInput{ThingName: "pump:7"}},
		{
			data, "PUT", "/things/T/jobs/$next", `{"statusDetails":{"a":"b"},"stepTimeoutInMinutes":5}`,
			&jobsdata.StartNextPendingJobExecutionInput{ThingName: "T", StatusDetails: job.Details{"a": "b"}, StepTimeoutInMinutes: ptr(int64(5))},
		},
		{data, "PUT", "/things/T/jobs/%24next", "", &jobsdata.StartNextPendingJobExecutionInput{ThingName: "T"}},
		{data, "GET", "/things/T/jobs/$next", "", &jobsdata.DescribeJobExecutionInput{ThingName: "T", JobID: "$next"}},
		{data, "GET", "/things/T/jobs/%24next", "", &jobsdata.DescribeJobExecutionInput{ThingName: "T", JobID: "$next"}},
		{
			data, "GET", "/things/T/jobs/J?executionNumber=2&includeJobDocument=false&future=1", "",
			&jobsdata.DescribeJobExecutionInput{ThingName: "T", JobID: "J", ExecutionNumber: ptr(int64(2)), IncludeJobDocument: ptr(false)},
		},
		{
			data, "POST", "/things/T/jobs/J", `{"status":"FAILED","expectedVersion":"2","includeJobExecutionState":true}`,
			&jobsdata.UpdateJobExecutionInput{ThingName: "T", JobID: "J", Status: job.Failed, ExpectedVersion: ptr(int64(2)), IncludeJobExecutionState: ptr(true)},
		},

		{control, "GET", "/endpoint?endpointType=iot%3AData-ATS", "", &iot.DescribeEndpointInput{EndpointType: "iot:Data-ATS"}},
		{
			control, "POST", "/things/pump%3A7", `{"attributePayload":{"attributes":{"a":"b"}}}`,
			&iot.CreateThingInput{ThingName: "pump:7", AttributePayload: &iot.AttributePayload{Attributes: map[string]string{"a": "b"}}},
		},
		{control, "GET", "/things/T", "", &iot.DescribeThingInput{ThingName: "T"}},
		{control, "PATCH", "/things/T", `{"expectedVersion":3}`, &iot.UpdateThingInput{ThingName: "T", ExpectedVersion: ptr(int64(3))}},
		{control, "DELETE", "/things/T?expectedVersion=4", "", &iot.DeleteThingInput{ThingName: "T", ExpectedVersion: ptr(int64(4))}},
		{
			control, "GET", "/things?maxResults=5&nextToken=a%2Bb%3D&attributeName=x&attributeValue=y%3Az&usePrefixAttributeValue=true", "",
			&iot.ListThingsInput{MaxResults: ptr(int64(5)), NextToken: "a+b=", AttributeName: "x", AttributeValue: "y:z", UsePrefixAttributeValue: true},
		},
		{control, "POST", "/thing-groups/G", `{}`, &iot.CreateThingGroupInput{ThingGroupName: "G"}},
		{control, "GET", "/thing-groups/G", "", &iot.DescribeThingGroupInput{ThingGroupName: "G"}},
		{control, "DELETE", "/thing-groups/G", "", &iot.DeleteThingGroupInput{ThingGroupName: "G"}},
		{control, "GET", "/thing-groups?namePrefixFilter=p&recursive=false", "", &iot.ListThingGroupsInput{NamePrefixFilter: "p", Recursive: ptr(false)}},
		{
			control, "PUT", "/thing-groups/addThingToThingGroup", `{"thingName":"T","thingGroupName":"G"}`,
			&iot.AddThingToThingGroupInput{ThingName: "T", ThingGroupName: "G"},
		},
		{
			control, "PUT", "/thing-groups/removeThingFromThingGroup", `{"thingArn":"a","thingGroupArn":"b"}`,
			&iot.RemoveThingFromThingGroupInput{ThingARN: "a", ThingGroupARN: "b"},
		},
		{control, "GET", "/thing-groups/G/things?recursive=true", "", &iot.ListThingsInThingGroupInput{ThingGroupName: "G", Recursive: true}},
		{control, "GET", "/things/T/thing-groups", "", &iot.ListThingGroupsForThingInput{ThingName: "T"}},
		{control, "PUT", "/jobs/J", `{"targets":["a"],"document":"{}"}`, &iot.CreateJobInput{JobID: "J", Targets: []string{"a"}, Document: "{}"}},
		{control, "GET", "/jobs/J?beforeSubstitution=true", "", &iot.DescribeJobInput{JobID: "J", BeforeSubstitution: true}},
		{control, "GET", "/jobs?status=COMPLETED&thingGroupName=G", "", &iot.ListJobsInput{Status: job.JobCompleted, ThingGroupName: "G"}},
		{control, "GET", "/jobs/J/job-document", "", &iot.GetJobDocumentInput{JobID: "J"}},
		{control, "PUT", "/jobs/J/cancel?force=true", `{"reasonCode":"R"}`, &iot.CancelJobInput{JobID: "J", Force: true, ReasonCode: "R"}},
		{control, "DELETE", "/jobs/J?force=false", "", &iot.DeleteJobInput{JobID: "J"}},
		{control, "GET", "/things/T/jobs/J?executionNumber=1", "", &iot.DescribeJobExecutionInput{ThingName: "T", JobID: "J", ExecutionNumber: ptr(int64(1))}},
		{
			control, "PUT", "/things/T/jobs/J/cancel", `{"statusDetails":{"a":"b"}}`,
			&iot.CancelJobExecutionInput{ThingName: "T", JobID: "J", StatusDetails: job.Details{"a": "b"}},
		},
		{control, "DELETE", "/things/T/jobs/J/executionNumber/7", "", &iot.DeleteJobExecutionInput{ThingName: "T", JobID: "J", ExecutionNumber: 7}},
		{control, "GET", "/jobs/J/things?status=TIMED_OUT", "", &iot.ListJobExecutionsForJobInput{JobID: "J", Status: job.TimedOut}},
		{control, "GET", "/things/T/jobs?jobId=J", "", &iot.ListJobExecutionsForThingInput{ThingName: "T", JobID: "J"}},
		{control, "POST", "/keys-and-certificate?setAsActive=true", "", &iot.CreateKeysAndCertificateInput{SetAsActive: true}},
		{control, "POST", "/certificates?setAsActive=true", `{"certificateSigningRequest":"c"}`, &iot.CreateCertificateFromCsrInput{CertificateSigningRequest: "c", SetAsActive: true}},
		{control, "POST", "/certificate/register-no-ca", `{"certificatePem":"c","status":"ACTIVE"}`, &iot.RegisterCertificateWithoutCAInput{CertificatePEM: "c", Status: "ACTIVE"}},
		{control, "GET", "/certificates/" + hex64, "", &iot.DescribeCertificateInput{CertificateID: hex64}},
		{
			control, "GET", "/certificates?pageSize=3&marker=a%2Bb%3D&isAscendingOrder=true", "",
			&iot.ListCertificatesInput{PageSize: ptr(int64(3)), Marker: "a+b=", AscendingOrder: true},
		},
		{control, "PUT", "/certificates/" + hex64 + "?newStatus=REVOKED", "", &iot.UpdateCertificateInput{CertificateID: hex64, NewStatus: "REVOKED"}},
		{control, "DELETE", "/certificates/" + hex64 + "?forceDelete=true", "", &iot.DeleteCertificateInput{CertificateID: hex64, ForceDelete: true}},
		{control, "DELETE", "/things/T/principals", "", &iot.DetachThingPrincipalInput{ThingName: "T", Principal: cert}},
		{control, "GET", "/things/T/principals-v2?thingPrincipalType=EXCLUSIVE_THING", "", &iot.ListThingPrincipalsV2Input{ThingName: "T", ThingPrincipalType: "EXCLUSIVE_THING"}},
		{control, "GET", "/principals/things?maxResults=7", "", &iot.ListPrincipalThingsInput{Principal: cert, MaxResults: ptr(int64(7))}},
		{control, "GET", "/principals/things-v2", "", &iot.ListPrincipalThingsV2Input{Principal: cert}},
		{control, "PUT", "/things/T/principals", "", &iot.AttachThingPrincipalInput{ThingName: "T", Principal: cert}},
		{control, "GET", "/things/T/principals", "", &iot.ListThingPrincipalsInput{ThingName: "T"}},
	}
	d := open(t, nil)
	for _, r := range rows {
		t.Run(r.service+" "+r.method+" "+r.target, func(t *testing.T) {
			header := forService(r.service)
			header.Set("X-Amzn-Principal", cert)
			a := d.do(t, r.method, r.target, r.body, header)
			in, caller := d.last()
			if diff := cmp.Diff(r.want, in); diff != "" || a.status != 200 {
				t.Errorf("status %d %s\n%s", a.status, a.message, diff)
			}
			if caller.Principal != "AKIDEXAMPLE" {
				t.Errorf("caller %q", caller.Principal)
			}
		})
	}
}

func TestEveryOperationOfTheModelsIsServedOrNamed(t *testing.T) {
	d := open(t, nil)
	here := 0
	for service, all := range map[string][]wire.Operation{iot.Service: iot.Operations(), jobsdata.Service: jobsdata.Operations()} {
		for _, o := range all {
			path := o.Path
			for strings.Contains(path, "{") {
				open, end := strings.Index(path, "{"), strings.Index(path, "}")
				path = path[:open] + "x" + path[end+1:]
			}
			a := d.do(t, o.Method, path, `{}`, forService(service))
			if a.status == 501 {
				if !strings.Contains(a.message, o.Name+" ") || a.errorType != "NotImplementedException" {
					t.Errorf("%s: %d %s %q does not name it", o.Name, a.status, a.errorType, a.message)
				}
				continue
			}
			here++
			if in, _ := d.last(); in != nil {
				if got := nameOf(in); got != o.Name+"Input" {
					t.Errorf("%s %s reached %s, expected %s", o.Method, path, got, o.Name)
				}
			} else if a.status != 400 {
				t.Errorf("%s %s: %d %s, and no operation was called", o.Method, path, a.status, a.message)
			}
		}
	}
	if here != 57 {
		t.Errorf("%d operations are here, expected 57", here)
	}
}

func TestWhatIsNoOperationAnswersInAWSForm(t *testing.T) {
	rows := map[string]struct{ method, target string }{
		"the root":                           {"GET", "/"},
		"an unknown path":                    {"GET", "/nope"},
		"a trailing slash":                   {"GET", "/things/"},
		"two slashes, which ServeMux moves":  {"GET", "/things//jobs"},
		"two slashes first":                  {"GET", "//things/T/jobs"},
		"dot segments":                       {"GET", "/things/../jobs"},
		"a path too deep":                    {"GET", "/things/a/b/c/d/e/f"},
		"another method":                     {"PURGE", "/things/T"},
		"a method of another path":           {"POST", "/jobs"},
		"HEAD, which ServeMux takes for GET": {"HEAD", "/things/T"},
		"OPTIONS":                            {"OPTIONS", "/things/T"},
		"TRACE":                              {"TRACE", "/things/T"},
		"upper case":                         {"GET", "/Things/T"},
		"a slash in a name is one segment":   {"GET", "/things%2FT"},
		"a very long path":                   {"GET", "/" + strings.Repeat("a", 8000)},
		"HTML in the path":                   {"GET", "/<script>alert(1)</script>"},
	}
	d := open(t, nil)
	for name, r := range rows {
		t.Run(name, func(t *testing.T) {
			for _, header := range []http.Header{nil, forService("iot"), forService("iot-jobs-data")} {
				a := d.do(t, r.method, r.target, "", header)
				if a.status != 404 || a.errorType != "UnknownOperationException" {
					t.Errorf("%d %s %s; expected 404 UnknownOperationException", a.status, a.errorType, a.message)
				}
				if strings.Contains(a.body, "<") && name != "HTML in the path" {
					t.Errorf("not plain JSON: %s", a.body)
				}
				if len(a.body) > 1000 {
					t.Errorf("the message repeats %d bytes", len(a.body))
				}
			}
		})
	}
	if in, _ := d.last(); in != nil {
		t.Errorf("an operation was called: %#v", in)
	}
}

func TestBadInputIsRefusedAndReachesNoOperation(t *testing.T) {
	rows := map[string]struct {
		service, method, target, body string
		status                        int
		errorType, message            string
	}{
		"a job id in an update that is $next":                {"iot-jobs-data", "POST", "/things/T/jobs/$next", `{"status":"FAILED"}`, 400, "InvalidRequestException", "Value '$next' at 'jobId'"},
		"no status (device-plane 3.4)":                       {"iot-jobs-data", "POST", "/things/T/jobs/J", `{}`, 400, "InvalidRequestException", "Value null at 'status'"},
		"a zero-length update (11 row 27)":                   {"iot-jobs-data", "POST", "/things/T/jobs/J", ``, 400, "InvalidRequestException", "Value null at 'status'"},
		"a query boolean (11 row 22)":                        {"iot-jobs-data", "GET", "/things/T/jobs/J?includeJobDocument=0", ``, 400, "InvalidRequestException", "Value '0' at 'includeJobDocument'"},
		"a body that is not JSON (5.2)":                      {"iot-jobs-data", "POST", "/things/T/jobs/J", `status`, 400, "InvalidRequestException", "not valid JSON"},
		"duplicate keys (11 row 21)":                         {"iot-jobs-data", "POST", "/things/T/jobs/J", `{"status":"FAILED","status":"FAILED"}`, 400, "InvalidRequestException", "duplicate"},
		"bad UTF-8":                                          {"iot", "PUT", "/jobs/J", "{\"targets\":[\"\xff\"]}", 400, "InvalidRequestException", "not valid JSON"},
		"deep JSON":                                          {"iot", "PUT", "/jobs/J", `{"x":` + strings.Repeat("[", 200_000), 400, "InvalidRequestException", "not valid JSON"},
		"a thing name with a slash":                          {"iot", "GET", "/things/a%2Fb", "", 400, "InvalidRequestException", "Value 'a/b' at 'thingName'"},
		"a thing name that is not UTF-8":                     {"iot", "GET", "/things/%FF", "", 400, "InvalidRequestException", "at 'thingName'"},
		"an execution number that is not one":                {"iot", "DELETE", "/things/T/jobs/J/executionNumber/one", "", 400, "InvalidRequestException", "Value 'one' at 'executionNumber'"},
		"a query that is not percent-encoded":                {"iot", "GET", "/things?nextToken=%zz", "", 400, "InvalidRequestException", "query string is malformed"},
		"a member whose feature is not here (501)":           {"iot", "PUT", "/jobs/J", `{"targets":["a"],"jobTemplateArn":"arn:x"}`, 501, "NotImplementedException", "'jobTemplateArn'"},
		"a body of more than 1 MiB":                          {"iot", "PUT", "/jobs/J", `{"targets":["` + strings.Repeat("a", rest.MaxBody) + `"]}`, 413, "RequestEntityTooLargeException", "longer than 1048576 bytes"},
		"a scope of another service":                         {"iotdata", "GET", "/things/T", "", 403, "InvalidSignatureException", "not to 'iotdata'"},
		"a path of the data plane alone, signed for control": {"iot", "POST", "/things/T/jobs/J", `{"status":"FAILED"}`, 404, "UnknownOperationException", "UpdateJobExecution of service iot-jobs-data, but the request is signed for service iot"},
		"a path of control alone, signed for data":           {"iot-jobs-data", "GET", "/things", "", 404, "UnknownOperationException", "ListThings of service iot, but the request is signed for service iot-jobs-data"},
	}
	d := open(t, nil)
	for name, r := range rows {
		t.Run(name, func(t *testing.T) {
			a := d.do(t, r.method, r.target, r.body, forService(r.service))
			if a.status != r.status || a.errorType != r.errorType || !strings.Contains(a.message, r.message) {
				t.Errorf("%d %s %q; expected %d %s %q", a.status, a.errorType, a.message, r.status, r.errorType, r.message)
			}
			if in, _ := d.last(); in != nil {
				t.Errorf("an operation was called: %#v", in)
			}
		})
	}
}

func TestWithoutASignatureDevMeansTheDataPlaneWhereBothHaveThePath(t *testing.T) {
	d := open(t, nil)
	for target, want := range map[string]any{
		"GET /things/T/jobs":          &jobsdata.GetPendingJobExecutionsInput{ThingName: "T"},
		"GET /things/T/jobs/J":        &jobsdata.DescribeJobExecutionInput{ThingName: "T", JobID: "J"},
		"PUT /things/T/jobs/$next":    &jobsdata.StartNextPendingJobExecutionInput{ThingName: "T"},
		"GET /things/T":               &iot.DescribeThingInput{ThingName: "T"},
		"PUT /things/T/jobs/J/cancel": &iot.CancelJobExecutionInput{ThingName: "T", JobID: "J"},
	} {
		method, path, _ := strings.Cut(target, " ")
		a := d.do(t, method, path, "", nil)
		in, caller := d.last()
		if diff := cmp.Diff(want, in); diff != "" || a.status != 200 {
			t.Errorf("%s: %d %s\n%s", target, a.status, a.message, diff)
		}
		if caller.Principal != "anonymous" {
			t.Errorf("%s: caller %q", target, caller.Principal)
		}
	}
}

func TestRepliesAreThoseOfTheirPlane(t *testing.T) {
	at := time.UnixMilli(1764000000123)
	rows := map[string]struct {
		service, method, target string
		out                     any
		want                    string
	}{
		"the device plane: whole seconds, the document a string, no envelope (2.1)": {
			"iot-jobs-data", "GET", "/things/T/jobs/J",
			&jobsdata.DescribeJobExecutionOutput{Execution: &jobsdata.JobExecution{
				JobID: "J", ThingName: "T", Status: job.Queued, QueuedAt: at, LastUpdatedAt: at,
				VersionNumber: 1, ExecutionNumber: 1, JobDocument: []byte(`{"a":1}`),
			}},
			`{"execution":{"jobId":"J","thingName":"T","status":"QUEUED","queuedAt":1764000000,"lastUpdatedAt":1764000000,"versionNumber":1,"executionNumber":1,"jobDocument":"{\"a\":1}"}}`,
		},
		"the control plane: fractions (G)": {
			"iot", "GET", "/things/T/jobs/J",
			&iot.DescribeJobExecutionOutput{Execution: &iot.JobExecution{JobID: "J", Status: job.Queued, QueuedAt: at, ExecutionNumber: 1, VersionNumber: 1}},
			`{"execution":{"jobId":"J","status":"QUEUED","queuedAt":1764000000.123,"executionNumber":1,"versionNumber":1}}`,
		},
		"an empty page has its list (G)":                 {"iot", "GET", "/things", &iot.ListThingsOutput{}, `{"things":[]}`},
		"a reply without members is {}":                  {"iot", "DELETE", "/things/T", &iot.DeleteThingOutput{}, `{}`},
		"an operation without a reply has no body (A.0)": {"iot", "DELETE", "/jobs/J", &iot.DeleteJobOutput{}, ``},
		"start-next on an empty queue is {} (3.2)":       {"iot-jobs-data", "PUT", "/things/T/jobs/$next", &jobsdata.StartNextPendingJobExecutionOutput{}, `{}`},
	}
	d := open(t, nil)
	for name, r := range rows {
		t.Run(name, func(t *testing.T) {
			d.out = r.out
			if a := d.do(t, r.method, r.target, "", forService(r.service)); a.status != 200 || a.body != r.want {
				t.Errorf("%d %s\nwant %s", a.status, a.body, r.want)
			}
		})
	}
}

func TestErrorsAreSpelledForTheirPlane(t *testing.T) {
	state := job.ExecutionState{Status: job.InProgress, Version: 3}
	rows := map[string]struct {
		service string
		err     error
		status  int
		typ     string
		body    string
	}{
		"a version mismatch of a device (11 row 18)": {
			"iot-jobs-data", job.Errorf(job.VersionMismatch, "m").With(state), 409, "InvalidStateTransitionException",
			`{"code":"VersionMismatch","message":"m","executionState":{"status":"IN_PROGRESS","versionNumber":3}}`,
		},
		"a version mismatch of an operator": {"iot", job.Errorf(job.VersionMismatch, "m").With(state), 409, "VersionConflictException", `{"message":"m"}`},
		"a terminal execution (5.2)":        {"iot-jobs-data", job.Errorf(job.TerminalStateReached, "m"), 410, "TerminalStateException", `{"message":"m"}`},
		"throttling of a device (5.2)":      {"iot-jobs-data", job.Errorf(job.Throttled, "m"), 429, "ThrottlingException", `{"message":"m"}`},
		"throttling of an operator (A.0)":   {"iot", job.Errorf(job.Throttled, "m"), 400, "ThrottlingException", `{"message":"m"}`},
		"what already exists (G)": {
			"iot", &job.Error{Code: job.AlreadyExists, Message: "m", Resource: &job.Resource{ID: "i", ARN: "a"}}, 409, "ResourceAlreadyExistsException",
			`{"message":"m","resourceId":"i","resourceArn":"a"}`,
		},
		"LimitExceeded is Gone (A.0)":    {"iot", job.Errorf(job.LimitExceeded, "m"), 410, "LimitExceededException", `{"message":"m"}`},
		"a fault of ours says no more":   {"iot", io.ErrUnexpectedEOF, 500, "InternalFailureException", `{"message":"Internal failure; try again."}`},
		"an Internal error says no more": {"iot-jobs-data", &job.Error{Code: job.Internal, Message: "secret", Cause: io.ErrNoProgress}, 500, "InternalFailureException", `{"message":"Internal failure; try again."}`},
	}
	d := open(t, nil)
	for name, r := range rows {
		t.Run(name, func(t *testing.T) {
			d.err = r.err
			d.log.Reset()
			a := d.do(t, "GET", "/things/T/jobs/J", "", forService(r.service))
			if a.status != r.status || a.errorType != r.typ || a.body != r.body {
				t.Errorf("%d %s %s\nwant %d %s %s", a.status, a.errorType, a.body, r.status, r.typ, r.body)
			}
			if logged := d.log.String(); (r.status == 500) != strings.Contains(logged, "operation failed") {
				t.Errorf("the log has %q", logged)
			}
		})
	}
	d.err, d.panics = nil, "boom"
	if a := d.do(t, "GET", "/things/T", "", nil); a.status != 500 || strings.Contains(a.body, "boom") || !strings.Contains(d.log.String(), "boom") {
		t.Errorf("after a panic: %d %s, log %q", a.status, a.body, d.log.String())
	}
}

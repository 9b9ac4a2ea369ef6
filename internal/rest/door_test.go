package rest_test

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/drover-iot/drover/internal/auth"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/rest"
	"github.com/drover-iot/drover/internal/wire/iot"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
	"github.com/google/go-cmp/cmp"
)

var signedAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// sign makes the header of registry-and-auth.md F.2 from its text, for a target whose
// path needs no second encoding.
func sign(secret, service, method, host, target, body string) http.Header {
	mac := func(key []byte, s string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(s))
		return h.Sum(nil)
	}
	sum := func(s string) string { b := sha256.Sum256([]byte(s)); return hex.EncodeToString(b[:]) }
	date, day := signedAt.Format("20060102T150405Z"), signedAt.Format("20060102")
	path, query, _ := strings.Cut(target, "?")
	path = strings.ReplaceAll((&url.URL{Path: path}).EscapedPath(), "$", "%24")
	scope := day + "/us-east-1/" + service + "/aws4_request"
	canonical := strings.Join([]string{method, path, query, "host:" + host, "x-amz-date:" + date, "", "host;x-amz-date", sum(body)}, "\n")
	key := mac(mac(mac(mac([]byte("AWS4"+secret), day), "us-east-1"), service), "aws4_request")
	signature := hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256\n"+date+"\n"+scope+"\n"+sum(canonical)))
	return http.Header{"X-Amz-Date": {date}, "Authorization": {"AWS4-HMAC-SHA256 Credential=AKID/" + scope + ", SignedHeaders=host;x-amz-date, Signature=" + signature}}
}

// serve is the door of `serve`.
func serve(c *rest.Config) {
	c.AnyKey = false
	c.Verifier = &auth.Verifier{Keys: func(id string) (auth.AccessKey, bool) {
		return auth.AccessKey{ID: "AKID", Secret: "secret"}, id == "AKID"
	}}
	c.Now = func() time.Time { return signedAt.Add(time.Minute) }
	c.Authorizer = auth.AttachedThings{}
}

func TestServeVerifiesTheSignatureAndTheScopeChoosesThePlane(t *testing.T) {
	d := open(t, serve)
	host := strings.TrimPrefix(d.url, "http://")
	rows := map[string]struct {
		target, body string
		header       http.Header
		status       int
		errorType    string
		want         any
	}{
		"signed for iot": {
			"/things/T/jobs/J", "", sign("secret", "iot", "GET", host, "/things/T/jobs/J", ""), 200, "",
			&iot.DescribeJobExecutionInput{ThingName: "T", JobID: "J"},
		},
		"signed for iot-jobs-data": {
			"/things/T/jobs/$next", "", sign("secret", "iot-jobs-data", "GET", host, "/things/T/jobs/$next", ""), 200, "",
			&jobsdata.DescribeJobExecutionInput{ThingName: "T", JobID: "$next"},
		},
		"unsigned":                    {"/things/T/jobs/J", "", nil, 403, "MissingAuthenticationTokenException", nil},
		"unsigned, an unknown path":   {"/nope", "", nil, 403, "MissingAuthenticationTokenException", nil},
		"a wrong secret":              {"/things/T", "", sign("other", "iot", "GET", host, "/things/T", ""), 403, "InvalidSignatureException", nil},
		"another path than signed":    {"/things/U", "", sign("secret", "iot", "GET", host, "/things/T", ""), 403, "InvalidSignatureException", nil},
		"another body than signed":    {"/things/T", "{}", sign("secret", "iot", "GET", host, "/things/T", ""), 403, "InvalidSignatureException", nil},
		"another service":             {"/things/T", "", sign("secret", "iotdata", "GET", host, "/things/T", ""), 403, "InvalidSignatureException", nil},
		"an Authorization of no kind": {"/things/T", "", http.Header{"Authorization": {"Basic eDp5"}}, 400, "IncompleteSignatureException", nil},
		"an unknown key":              {"/things/T", "", forService("iot"), 403, "UnrecognizedClientException", nil},
	}
	for name, r := range rows {
		t.Run(name, func(t *testing.T) {
			a := d.do(t, "GET", r.target, r.body, r.header)
			in, caller := d.last()
			if a.status != r.status || a.errorType != r.errorType {
				t.Errorf("%d %s %s; expected %d %s", a.status, a.errorType, a.message, r.status, r.errorType)
			}
			if r.want == nil {
				r.want = any(nil)
			} else if caller.Principal != "AKID" {
				t.Errorf("caller %q", caller.Principal)
			}
			if diff := cmp.Diff(r.want, in); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAConfigurationWithoutVerifierKnowsNoKey(t *testing.T) {
	d := open(t, func(c *rest.Config) { c.AnyKey = false })
	if a := d.do(t, "GET", "/things/T", "", forService("iot")); a.status != 403 || a.errorType != "UnrecognizedClientException" {
		t.Errorf("%d %s", a.status, a.errorType)
	}
}

func TestAClientCertificateIsTheDataPlaneAndActsForItsThingsAlone(t *testing.T) {
	f := &fake{}
	device := auth.Principal{Kind: auth.ByCertificate, ID: "c1"}
	var refused error
	h := rest.New(rest.Config{
		Data: fakeData{f}, Control: fakeControl{f}, Authorizer: attachedTo{"T"},
		Device: func(s *tls.ConnectionState, now time.Time) (auth.Principal, error) { return device, refused },
	})
	ask := func(method, target string) answered {
		r := httptest.NewRequest(method, target, nil)
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return inAWSForm(t, method, w.Code, w.Header(), w.Body.String())
	}
	if a := ask("GET", "/things/T/jobs/J"); a.status != 200 {
		t.Errorf("its own thing: %d %s", a.status, a.body)
	}
	if in, caller := f.last(); caller.Principal != "c1" || cmp.Diff(&jobsdata.DescribeJobExecutionInput{ThingName: "T", JobID: "J"}, in) != "" {
		t.Errorf("caller %q, input %#v; expected the data plane", caller.Principal, in)
	}
	if a := ask("GET", "/things/U/jobs/J"); a.status != 403 || a.errorType != "ForbiddenException" || a.message != "Forbidden" {
		t.Errorf("another thing: %d %s %s (registry-and-auth.md E.6)", a.status, a.errorType, a.body)
	}
	if a := ask("GET", "/things"); a.status != 404 || !strings.Contains(a.message, "a client certificate is for the data plane") {
		t.Errorf("an operator's path: %d %s", a.status, a.body)
	}
	refused = job.Errorf(job.CertificateValidation, "not ACTIVE")
	if a := ask("GET", "/things/T/jobs"); a.status != 400 || a.errorType != "CertificateValidationException" {
		t.Errorf("an inactive certificate: %d %s (device-plane.md 5.2)", a.status, a.body)
	}
	if in, _ := f.last(); in != nil {
		t.Errorf("an operation was called: %#v", in)
	}
}

// attachedTo lets certificates act for one thing, and operators do nothing.
type attachedTo struct{ thing string }

func (a attachedTo) Allow(p auth.Principal, action auth.Action, resource string) bool {
	return p.Kind == auth.ByCertificate && strings.HasPrefix(string(action), "iotjobsdata:") && resource == a.thing
}

func TestARefusedOperatorHearsAccessDenied(t *testing.T) {
	d := open(t, func(c *rest.Config) { c.Authorizer = attachedTo{"T"} })
	a := d.do(t, "PUT", "/jobs/J", `{}`, forService("iot"))
	const want = "User: AKIDEXAMPLE is not authorized to perform: iot:CreateJob on resource: *"
	if a.status != 403 || a.errorType != "AccessDeniedException" || a.message != want {
		t.Errorf("%d %s %q (registry-and-auth.md E.6)", a.status, a.errorType, a.message)
	}
}

func TestWhatHTTPServerRefusesOnItsOwnIsInAWSFormToo(t *testing.T) {
	d := open(t, nil)
	for name, request := range map[string]string{
		"a path that is not percent-encoded": "GET /things/%zz HTTP/1.1\r\nHost: x\r\n\r\n",
		"no host":                            "GET /things HTTP/1.1\r\n\r\n",
		"not HTTP":                           "hello\r\n\r\n",
		"an unknown transfer encoding":       "PUT /jobs/J HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: rot13\r\n\r\n",
		"too many headers":                   "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: "+strings.Repeat("b", 1000)+"\r\n", 2000) + "\r\n",
		"OPTIONS *":                          "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"CONNECT":                            "CONNECT x:1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			nc, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			go io.WriteString(nc, request) // the server may answer before it has read it all
			res, err := http.ReadResponse(bufio.NewReader(nc), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if a := inAWSForm(t, "GET", res.StatusCode, res.Header, string(b)); a.status < 400 {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
}

// FuzzRequest sends any request through binding to a fake: the answer is in AWS's
// form, and never a fault of ours.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/things/T/jobs/$next", "includeJobDocument=false", "", "iot-jobs-data")
	f.Add("POST", "/things/T/jobs/J", "", `{"status":"FAILED","expectedVersion":"1"}`, "iot-jobs-data")
	f.Add("PUT", "/jobs/J", "force=true&&=;%", `{"targets":["a"],"tags":[]}`, "iot")
	f.Add("PATCH", "/things/%2e%2e//", "expectedVersion=%00", "[", "")
	fk := &fake{}
	h := rest.New(rest.Config{Data: fakeData{fk}, Control: fakeControl{fk}, Authorizer: auth.Everything{}, AnyKey: true})
	f.Fuzz(func(t *testing.T, method, path, query, body, service string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || !strings.HasPrefix(path, "/") || !utf8.ValidString(method) || strings.ContainsAny(method, " \r\n") || method == "" {
			t.Skip("http.Server lets no such request in")
		}
		u.RawQuery = query
		r := &http.Request{Method: method, URL: u, Header: http.Header{}, Host: "x", RequestURI: path + "?" + query, Body: io.NopCloser(strings.NewReader(body))}
		if service != "" {
			r.Header = forService(service)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if a := inAWSForm(t, method, w.Code, w.Header(), w.Body.String()); a.status == 500 {
			t.Errorf("%s %s %q: %s", method, u, body, a.body)
		}
		fk.last()
	})
}

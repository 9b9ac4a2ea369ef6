package rest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/auth"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/rest"
	"github.com/google/go-cmp/cmp"
)

// published keeps what an HTTPS publish asked for.
type published struct {
	got    *rest.Message
	caller ops.Caller
	err    error
}

func (p *published) publish(_ context.Context, c ops.Caller, m rest.Message) error {
	p.got, p.caller = &m, c
	return p.err
}

func in64(s string) []string { return []string{base64.StdEncoding.EncodeToString([]byte(s))} }

// The members of Publish in AWS's model (device-plane.md 6.6).
func TestAPublishHasTheMembersOfTheModel(t *testing.T) {
	no, yes, zero, year := false, true, int64(0), int64(31536000)
	const user = "X-Amz-Mqtt5-User-Properties"
	for name, row := range map[string]struct {
		target, body string
		header       http.Header
		want         *rest.Message // nil: refused
		says         string
	}{
		"nothing but a topic":            {"/topics/a", "", nil, &rest.Message{Topic: "a"}, ""},
		"a payload of any bytes":         {"/topics/a", "\x00\xff{", nil, &rest.Message{Topic: "a", Payload: []byte("\x00\xff{")}, ""},
		"literal slashes":                {"/topics/a/b/c", "", nil, &rest.Message{Topic: "a/b/c"}, ""},
		"encoded slashes":                {"/topics/a%2Fb%2fc", "", nil, &rest.Message{Topic: "a/b/c"}, ""},
		"empty levels and dots":          {"/topics//a//../b/.", "", nil, &rest.Message{Topic: "/a//../b/."}, ""},
		"a topic of blanks and percents": {"/topics/a%20%25+b", "", nil, &rest.Message{Topic: "a %+b"}, ""},
		"qos and retain":                 {"/topics/a?qos=1&retain=true", "", nil, &rest.Message{Topic: "a", QoS: 1, Retain: true}, ""},
		"their defaults":                 {"/topics/a?qos=0&retain=false", "", nil, &rest.Message{Topic: "a"}, ""},
		"what the query has of MQTT 5": {
			"/topics/a?contentType=text%2Fplain%3B%20charset%3Dutf-8&responseTopic=b%2Fc&messageExpiry=31536000", "", nil,
			&rest.Message{Topic: "a", ContentType: "text/plain; charset=utf-8", ResponseTopic: "b/c", ExpirySeconds: &year}, "",
		},
		"an expiry of zero": {"/topics/a?messageExpiry=0", "", nil, &rest.Message{Topic: "a", ExpirySeconds: &zero}, ""},
		"what the headers have of MQTT 5": {
			"/topics/a", "",
			http.Header{
				user: in64(`[{"deviceName": "alpha"}, {"deviceCnt": "45"}, {"deviceName": "beta"}]`), "X-Amz-Mqtt5-Correlation-Data": in64("\x00\xff"),
				"X-Amz-Mqtt5-Payload-Format-Indicator": {"UTF8_DATA"},
			},
			&rest.Message{
				Topic: "a", UTF8: &yes, CorrelationData: ptr("\x00\xff"),
				UserProperties: []rest.UserProperty{{Name: "deviceName", Value: "alpha"}, {Name: "deviceCnt", Value: "45"}, {Name: "deviceName", Value: "beta"}},
			}, "",
		},
		"user properties that were a text": {
			"/topics/a", "",
			http.Header{user: in64(`"[{\"a\":\"b\"}]"`)},
			&rest.Message{Topic: "a", UserProperties: []rest.UserProperty{{Name: "a", Value: "b"}}}, "",
		},
		"a payload of bytes": {"/topics/a", "", http.Header{"X-Amz-Mqtt5-Payload-Format-Indicator": {"UNSPECIFIED_BYTES"}}, &rest.Message{Topic: "a", UTF8: &no}, ""},

		"qos 2":                                  {"/topics/a?qos=2", "", nil, nil, "qos"},
		"retain=1":                               {"/topics/a?retain=1", "", nil, nil, "retain"},
		"an expiry that is no number":            {"/topics/a?messageExpiry=1h", "", nil, nil, "messageExpiry"},
		"an expiry before now":                   {"/topics/a?messageExpiry=-1", "", nil, nil, "messageExpiry"},
		"a format that there is not":             {"/topics/a", "", http.Header{"X-Amz-Mqtt5-Payload-Format-Indicator": {"UTF-8"}}, nil, "UTF8_DATA"},
		"correlation data that is not base64":    {"/topics/a", "", http.Header{"X-Amz-Mqtt5-Correlation-Data": {"%"}}, nil, "base64"},
		"user properties that are not base64":    {"/topics/a", "", http.Header{user: {`[{"a":"b"}]`}}, nil, "base64"},
		"user properties that are no JSON":       {"/topics/a", "", http.Header{user: in64("[")}, nil, "JSON array"},
		"user properties that are an object":     {"/topics/a", "", http.Header{user: in64(`{"a":"b"}`)}, nil, "JSON array"},
		"a user property that is a number":       {"/topics/a", "", http.Header{user: in64(`[{"a":1}]`)}, nil, "JSON array"},
		"two user properties in one object":      {"/topics/a", "", http.Header{user: in64(`[{"a":"1","b":"2"}]`)}, nil, "2 names"},
		"a query that is not percent-encoded":    {"/topics/a?qos=%zz", "", nil, nil, "query"},
		"a payload that is longer than 128 KiB":  {"/topics/a", strings.Repeat("x", rest.MaxPayload+1), nil, nil, "131072"},
		"a Jobs topic is not longer either":      {"/topics/$aws/things/t/jobs/get", strings.Repeat("x", rest.MaxPayload+1), nil, nil, "131072"},
		"a payload of a form that is too long":   {"/topics/a?qos=1", strings.Repeat("x", 2*rest.MaxPayload), nil, nil, "131072"},
		"another method of a topic is not there": {"/topics/", "", nil, nil, "not an operation"},
	} {
		t.Run(name, func(t *testing.T) {
			var p published
			d := open(t, func(c *rest.Config) { c.Publish = p.publish })
			header := forService("iotdata")
			if row.says == "not an operation" {
				header = http.Header{}
			}
			for k, v := range row.header {
				header[k] = v
			}
			a := d.do(t, "POST", row.target, row.body, header)
			if diff := cmp.Diff(row.want, p.got); diff != "" {
				t.Error(diff)
			}
			switch {
			case row.want != nil && (a.status != 200 || !strings.HasPrefix(a.body, `{"message":"OK","traceId":"`)):
				t.Errorf("%d %s", a.status, a.body)
			case row.want != nil && p.caller.Principal != "AKIDEXAMPLE":
				t.Errorf("the caller is %q", p.caller.Principal)
			case row.want == nil && (a.status < 400 || a.status >= 500 || !strings.Contains(a.message, row.says)):
				t.Errorf("%d %s, want a refusal that says %q", a.status, a.body, row.says)
			}
		})
	}
}

// may lets certificates do some actions, on one topic.
type may struct {
	topic   string
	actions []auth.Action
}

func (m may) Allow(p auth.Principal, action auth.Action, resource string) bool {
	for _, a := range m.actions {
		if p.Kind == auth.ByCertificate && a == action && resource == m.topic {
			return true
		}
	}
	return false
}

// registry-and-auth.md E.4: iot:Publish, and iot:RetainPublish too where the message
// is to be retained.
func TestAPublishWithACertificateIsAuthorised(t *testing.T) {
	for name, row := range map[string]struct {
		actions []auth.Action
		target  string
		want    int
	}{
		"its topic":                            {[]auth.Action{auth.Publish}, "/topics/a%2Fb", 200},
		"another topic":                        {[]auth.Action{auth.Publish}, "/topics/a", 403},
		"nothing is allowed":                   {nil, "/topics/a/b", 403},
		"retained, which is not allowed":       {[]auth.Action{auth.Publish}, "/topics/a/b?retain=true", 403},
		"retained, which alone is not enough":  {[]auth.Action{auth.RetainPublish}, "/topics/a/b?retain=true", 403},
		"retained":                             {[]auth.Action{auth.Publish, auth.RetainPublish}, "/topics/a/b?retain=true", 200},
		"retain=false needs nothing else":      {[]auth.Action{auth.Publish}, "/topics/a/b?retain=false", 200},
		"a second retain does not slip in":     {[]auth.Action{auth.Publish}, "/topics/a/b?retain=true&retain=false", 403},
		"a first retain that is false decides": {[]auth.Action{auth.Publish}, "/topics/a/b?retain=false&retain=true", 200},
	} {
		t.Run(name, func(t *testing.T) {
			var p published
			h := rest.New(rest.Config{
				Data: fakeData{&fake{}}, Control: fakeControl{&fake{}}, Authorizer: may{"a/b", row.actions}, Publish: p.publish,
				Device: func(*tls.ConnectionState, time.Time) (auth.Principal, error) {
					return auth.Principal{Kind: auth.ByCertificate, ID: "c1"}, nil
				},
			})
			r := httptest.NewRequest("POST", row.target, strings.NewReader("x"))
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			a := inAWSForm(t, "POST", w.Code, w.Header(), w.Body.String())
			if a.status != row.want || (p.got != nil) != (row.want == 200) || row.want == 403 && a.errorType != "ForbiddenException" {
				t.Errorf("%d %s, published %v", a.status, a.body, p.got)
			}
			if p.got != nil && p.got.Retain != strings.Contains(row.target, "?retain=true") {
				t.Errorf("retained: %t", p.got.Retain)
			}
		})
	}
}

func TestAPublishThatFailsIsToldSo(t *testing.T) {
	p := published{err: job.Errorf(job.LimitExceeded, "full")}
	d := open(t, func(c *rest.Config) { c.Publish = p.publish })
	if a := d.do(t, "POST", "/topics/a", "x", nil); a.status != 410 || a.errorType != "LimitExceededException" || a.message != "full" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

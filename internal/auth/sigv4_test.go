package auth

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
)

var (
	exampleKey = AccessKey{ID: "AKIDEXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
	exampleNow = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
)

func keys(known ...AccessKey) func(string) (AccessKey, bool) {
	return func(id string) (AccessKey, bool) {
		i := slices.IndexFunc(known, func(k AccessKey) bool { return k.ID == id })
		if i < 0 {
			return AccessKey{}, false
		}
		return known[i], true
	}
}

// raw reads a request as it stands on the wire, also where net/http would not.
func raw(t *testing.T, text string) Request {
	t.Helper()
	head, body, ok := strings.Cut(text, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	first, last := strings.Index(lines[0], " "), strings.LastIndex(lines[0], " ")
	if !ok || first < 0 || first == last {
		t.Fatalf("not a request: %q", text)
	}
	r := Request{Method: lines[0][:first], Target: lines[0][first+1 : last], Header: http.Header{}, Payload: sha256.Sum256([]byte(body))}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		if strings.EqualFold(name, "host") {
			r.Host = strings.TrimSpace(value)
		} else {
			r.Header.Add(name, value)
		}
	}
	return r
}

func wantCode(t *testing.T, err error, want job.Code) *job.Error {
	t.Helper()
	var e *job.Error
	if !errors.As(err, &e) || e.Code != want {
		t.Fatalf("error %v, want code %d", err, want)
	}
	return e
}

// The requests and signatures that AWS published: the worked example of its
// documentation (IAM ListUsers) and cases of its signature test suite. The
// suite signs a path that is encoded once, which is our canonical path for
// whatever holds no percent sign.
func TestPublishedSignatures(t *testing.T) {
	for _, c := range []struct{ name, service, request, headers, signature string }{
		{
			"the worked example", "iam",
			"GET /?Action=ListUsers&Version=2010-05-08 HTTP/1.1|Host:iam.amazonaws.com|Content-Type:application/x-www-form-urlencoded; charset=utf-8",
			"content-type;host;x-amz-date", "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
		},
		{
			"get-vanilla", "service", "GET / HTTP/1.1|Host:example.amazonaws.com",
			"host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
		},
		{
			"get-relative", "service", "GET /example/.. HTTP/1.1|Host:example.amazonaws.com",
			"host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
		},
		{
			"get-slash", "service", "GET // HTTP/1.1|Host:example.amazonaws.com",
			"host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
		},
		{
			"post-vanilla", "service", "POST / HTTP/1.1|Host:example.amazonaws.com",
			"host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
		},
		{
			"get-unreserved", "service", "GET /-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz HTTP/1.1|Host:example.amazonaws.com",
			"host;x-amz-date", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
		},
		{
			"get-utf8", "service", "GET /ሴ HTTP/1.1|Host:example.amazonaws.com",
			"host;x-amz-date", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
		},
		{
			"get-space", "service", "GET /example space/ HTTP/1.1|Host:example.amazonaws.com",
			"host;x-amz-date", "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
		},
		{
			"get-vanilla-query-order-key-case", "service", "GET /?Param2=value2&Param1=value1 HTTP/1.1|Host:example.amazonaws.com",
			"host;x-amz-date", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
		},
		{
			"get-vanilla-utf8-query", "service", "GET /?ሴ=bar HTTP/1.1|Host:example.amazonaws.com",
			"host;x-amz-date", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
		},
		{
			"get-header-value-trim", "service", "GET / HTTP/1.1|Host:example.amazonaws.com|My-Header1: value1|My-Header2: \"a   b   c\"",
			"host;my-header1;my-header2;x-amz-date", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
		},
		{
			"get-header-value-order", "service", "GET / HTTP/1.1|Host:example.amazonaws.com|My-Header1:value4|My-Header1:value1|My-Header1:value3|My-Header1:value2",
			"host;my-header1;x-amz-date", "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
		},
		{
			"post-header-key-sort", "service", "POST / HTTP/1.1|Host:example.amazonaws.com|My-Header1:value1",
			"host;my-header1;x-amz-date", "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := raw(t, strings.ReplaceAll(c.request, "|", "\r\n")+"\r\nX-Amz-Date:20150830T123600Z"+
				"\r\nAuthorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/"+c.service+"/aws4_request, SignedHeaders="+c.headers+", Signature="+c.signature+"\r\n\r\n")
			// The worked example's header value begins with a space on the wire.
			r.Header.Set("Authorization", strings.TrimSpace(r.Header.Get("Authorization")))
			p, err := (&Verifier{Keys: keys(exampleKey)}).Verify(r, exampleNow, c.service)
			if err != nil || p != (Principal{ByAccessKey, "AKIDEXAMPLE"}) {
				t.Fatal(p, err)
			}
		})
	}
}

// TestBotocoreIsUnderstood replays what botocore put on the wire; see
// testdata/botocore/capture.py.
func TestBotocoreIsUnderstood(t *testing.T) {
	text, err := os.ReadFile("testdata/botocore/requests.json")
	if err != nil {
		t.Fatal(err)
	}
	var captured struct {
		Key, Secret, Token string
		Vectors            []struct{ Name, Service, Request string }
	}
	if err := json.Unmarshal(text, &captured); err != nil || len(captured.Vectors) == 0 {
		t.Fatal(len(captured.Vectors), err)
	}
	for _, c := range captured.Vectors {
		t.Run(c.Name, func(t *testing.T) {
			r := raw(t, c.Request)
			r.Header = trimmed(r.Header)
			key := AccessKey{ID: captured.Key, Secret: captured.Secret}
			if strings.Contains(c.Request, "X-Amz-Security-Token") {
				key.SessionToken = captured.Token
			}
			s, err := parse(r)
			if err != nil {
				t.Fatal(err)
			}
			v := &Verifier{Keys: keys(key), Region: "us-east-1"}
			if _, err := v.Verify(r, s.date, c.Service); err != nil {
				t.Fatal(err)
			}
			scope, err := Scope(r)
			if want := (Credential{captured.Key, s.date.Format("20060102"), "us-east-1", c.Service}); err != nil || scope != want {
				t.Fatalf("Scope: %v %v, want %v", scope, err, want)
			}
			r.Method += "X"
			_, err = v.Verify(r, s.date, c.Service)
			wantCode(t, err, job.InvalidSignature)
		})
	}
}

// trimmed does what net/http does with header values.
func trimmed(h http.Header) http.Header {
	for _, values := range h {
		for i := range values {
			values[i] = strings.TrimSpace(values[i])
		}
	}
	return h
}

var plain = draft{method: "GET", path: "/things/t/jobs", host: "localhost:8443"}

func exampleSigner() signer {
	return signer{key: exampleKey, region: "us-east-1", service: ServiceControl, at: exampleNow}
}

// The rows of registry-and-auth.md F.2 and F.4.
func TestWhatIsWrongWithASignatureIsNamed(t *testing.T) {
	s := exampleSigner()
	authorization := func(old, new string) Request {
		r := s.header(plain)
		r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
		return r
	}
	with := func(change func(*signer)) Request {
		other := s
		change(&other)
		return other.header(plain)
	}
	header := func(name string, values ...string) Request {
		r := s.header(plain)
		r.Header[http.CanonicalHeaderKey(name)] = values
		return r
	}
	temporary := AccessKey{ID: "ASIATEMPORARY", Secret: "s", SessionToken: "tok", Expires: exampleNow.Add(-time.Second)}
	for _, c := range []struct {
		name    string
		request Request
		want    job.Code
		says    string
	}{
		{"no credentials", plain.request(), job.MissingAuthentication, "Missing Authentication Token"},
		{"another scheme", header("Authorization", "Basic YTpi"), job.IncompleteSignature, "must begin with AWS4-HMAC-SHA256"},
		{"two Authorization headers", header("Authorization", "a", "b"), job.IncompleteSignature, "2 times"},
		{"an Authorization header without end", header("Authorization", "AWS4-HMAC-SHA256 "+strings.Repeat("a", 1<<20)), job.IncompleteSignature, "more than"},
		{"no Signature", authorization(", Signature=", ", Sig="), job.IncompleteSignature, "Signature must be"},
		{"a part twice", authorization(", Signature=", ", SignedHeaders=host, Signature="), job.IncompleteSignature, "once each"},
		{"a Signature in upper case", authorization("Signature=", "Signature=A"), job.IncompleteSignature, "64 lower-case"},
		{"a Credential with four parts", authorization("/aws4_request", ""), job.IncompleteSignature, "KEY/YYYYMMDD"},
		{"another terminator", authorization("/aws4_request", "/aws5_request"), job.IncompleteSignature, "aws4_request"},
		{"host not signed", authorization("host;x-amz-date", "x-amz-date"), job.IncompleteSignature, "must contain host"},
		{"x-amz-date not signed", authorization("host;x-amz-date", "host"), job.IncompleteSignature, "must contain x-amz-date"},
		{"SignedHeaders not sorted", authorization("host;x-amz-date", "x-amz-date;host"), job.IncompleteSignature, "sorted"},
		{"SignedHeaders in upper case", authorization("host;", "Host;"), job.IncompleteSignature, "lower-case"},
		{"no X-Amz-Date", header("X-Amz-Date"), job.IncompleteSignature, "it is there 0 times"},
		{"two X-Amz-Date", header("X-Amz-Date", "20150830T123600Z", "20150830T123600Z"), job.IncompleteSignature, "2 times"},
		{"a date in another form", header("X-Amz-Date", "Sun, 30 Aug 2015 12:36:00 GMT"), job.IncompleteSignature, "20060102T150405Z"},
		{"an unknown access key", with(func(s *signer) { s.key.ID = "AKIDNOBODY" }), job.UnrecognizedClient, "The security token included in the request is invalid."},
		{"a session token that nobody issued", with(func(s *signer) { s.key.SessionToken = "x" }), job.UnrecognizedClient, "is invalid"},
		{"a temporary key without its token", with(func(s *signer) { s.key = AccessKey{ID: temporary.ID, Secret: "s"} }), job.UnrecognizedClient, "is invalid"},
		{"a temporary key past its end", with(func(s *signer) { s.key = temporary }), job.ExpiredToken, "expired"},
		{"another secret", with(func(s *signer) { s.key.Secret = "guess" }), job.InvalidSignature, "does not match"},
		{"a service that is not this door's", with(func(s *signer) { s.service = "s3" }), job.InvalidSignature, "correct service"},
		{"another region", with(func(s *signer) { s.region = "mars-1" }), job.InvalidSignature, "valid region"},
		{"a scope of another day", authorization("/20150830/", "/20150831/"), job.InvalidSignature, "does not match YYYYMMDD"},
		{
			"five minutes and a second late", with(func(s *signer) { s.at = s.at.Add(-5*time.Minute - time.Second) }), job.InvalidSignature,
			"Signature expired: 20150830T123059Z is now earlier than 20150830T123100Z (20150830T123600Z - 5m0s)",
		},
		{
			"five minutes and a second early", with(func(s *signer) { s.at = s.at.Add(5*time.Minute + time.Second) }), job.InvalidSignature,
			"Signature not yet current: 20150830T124101Z is still later than 20150830T124100Z",
		},
		{"x-amz-content-sha256 of another body", header("X-Amz-Content-Sha256", hexSum("other")), job.InvalidSignature, "x-amz-content-sha256"},
		{"an unsigned payload", header("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), job.InvalidSignature, "not accepted"},
		{"a signed header that did not arrive", authorization("host;x-amz-date", "accept-encoding;host;x-amz-date"), job.InvalidSignature, `"accept-encoding" is in SignedHeaders but did not arrive`},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := &Verifier{Keys: keys(exampleKey, temporary), Region: "us-east-1"}
			_, err := v.Verify(c.request, exampleNow, ServiceControl, ServiceJobsData)
			if e := wantCode(t, err, c.want); !strings.Contains(e.Message, c.says) {
				t.Fatalf("message %q does not say %q", e.Message, c.says)
			}
		})
	}
}

func TestWhatIsStillAccepted(t *testing.T) {
	s := exampleSigner()
	late, early := s, s
	late.at, early.at = exampleNow.Add(-5*time.Minute), exampleNow.Add(5*time.Minute)
	hashed := plain
	hashed.body, hashed.header = "{}", [][2]string{{"X-Amz-Content-Sha256", hexSum("{}")}}
	absolute := s.header(plain)
	absolute.Target = "http://localhost:8443" + absolute.Target
	unsigned := s.header(plain)
	unsigned.Header.Set("User-Agent", "changed by a proxy")
	temporary := s
	temporary.key = AccessKey{ID: "ASIATEMPORARY", Secret: "s", SessionToken: "tok", Expires: exampleNow.Add(time.Second)}
	for name, r := range map[string]Request{
		"five minutes late":                late.header(plain),
		"five minutes early":               early.header(plain),
		"x-amz-content-sha256 of the body": s.header(hashed),
		"the absolute form of a target":    absolute,
		"a header that is not signed":      unsigned,
		"a temporary key with its token":   temporary.header(plain),
	} {
		t.Run(name, func(t *testing.T) {
			v := &Verifier{Keys: keys(exampleKey, temporary.key)}
			if _, err := v.Verify(r, exampleNow, ServiceControl); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// The quirks of registry-and-auth.md F.3.
func TestPresignedForm(t *testing.T) {
	s := exampleSigner()
	s.service = ServiceWebSocket
	withToken := s
	withToken.key.SessionToken = "a+b/c=="
	d := draft{method: "GET", path: "/mqtt", host: "iot.example.com"}
	port := d
	port.host += ":443"
	swapped := s.query(d, d.host, 60, false)
	path, query, _ := strings.Cut(swapped.Target, "?")
	pairs := strings.Split(query, "&")
	slices.Reverse(pairs)
	swapped.Target = path + "?" + strings.Join(pairs, "&")
	ours, six := d, d
	ours.host, six.host = "iot.example.com:8443", "[::1]:8443"
	extra := s.query(d, d.host, 60, false)
	extra.Header.Set("X-Amz-Date", "19700101T000000Z")
	extra.Header.Set("X-Amz-Security-Token", "sent by nobody who counts")
	misspelt := d
	misspelt.query = "X-Amz-Expire=86400"
	semicolon := s.query(d, d.host, 60, false)
	semicolon.Target += "&X-Amz-Date=20150830T123600Z"
	for _, c := range []struct {
		name string
		r    Request
		at   time.Duration
		want job.Code // 0: accepted
	}{
		{"in time", s.query(d, d.host, 60, false), 60 * time.Second, 0},
		{"too late", s.query(d, d.host, 60, false), 61 * time.Second, job.InvalidSignature},
		{"before its time", s.query(d, d.host, 60, false), -5*time.Minute - time.Second, job.InvalidSignature},
		{"no X-Amz-Expires is 15 minutes", s.query(d, d.host, -1, false), 15 * time.Minute, 0},
		{"no X-Amz-Expires, 16 minutes", s.query(d, d.host, -1, false), 16 * time.Minute, job.InvalidSignature},
		{"a week is cut to a day", s.query(d, d.host, 7*86400, false), 24*time.Hour + time.Second, job.InvalidSignature},
		{"the order of parameters does not matter", swapped, 0, 0},
		{"a token that was appended after signing", withToken.query(d, d.host, 60, false), 0, 0},
		{"a token that was signed", withToken.query(d, d.host, 60, true), 0, 0},
		{"a token that was changed", func() Request {
			r := withToken.query(d, d.host, 60, false)
			r.Target += "x"
			return r
		}(), 0, job.UnrecognizedClient},
		{"the host was signed with the port", s.query(d, "iot.example.com:443", 60, false), 0, 0},
		{"the host was sent with the port", s.query(port, "iot.example.com", 60, false), 0, 0},
		{"the host was signed with the port that it was sent with", s.query(ours, "iot.example.com:8443", 60, false), 0, 0},
		{"the host was signed without the port that is not AWS's", s.query(ours, "iot.example.com", 60, false), 0, 0},
		{"an IPv6 address was signed without the port", s.query(six, "[::1]", 60, false), 0, 0},
		{"extra headers that are not signed do not count", extra, 0, 0},
		{"a misspelt X-Amz-Expire is an absent one", s.query(misspelt, d.host, -1, false), 15 * time.Minute, 0},
		{"a misspelt X-Amz-Expire, 16 minutes", s.query(misspelt, d.host, -1, false), 16 * time.Minute, job.InvalidSignature},
		{"a day, to its end", s.query(d, d.host, 86400, false), 24 * time.Hour, 0},
		{"another host", s.query(d, "evil.example.com", 60, false), 0, job.InvalidSignature},
		{"another port", s.query(d, "iot.example.com:8443", 60, false), 0, job.InvalidSignature},
		{"a parameter twice", semicolon, 0, job.IncompleteSignature},
		{"no algorithm", func() Request {
			r := s.query(d, d.host, 60, false)
			r.Target = strings.Replace(r.Target, "X-Amz-Algorithm", "X-Amz-Algo", 1)
			return r
		}(), 0, job.IncompleteSignature},
		{"X-Amz-Expires that is no number", func() Request {
			r := s.query(d, d.host, 60, false)
			r.Target = strings.Replace(r.Target, "Expires=60", "Expires=-60", 1)
			return r
		}(), 0, job.IncompleteSignature},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := exampleKey
			if strings.Contains(c.r.Target, "Security-Token") {
				key = withToken.key
			}
			_, err := (&Verifier{Keys: keys(key)}).Verify(c.r, exampleNow.Add(c.at), ServiceWebSocket)
			if c.want != 0 {
				wantCode(t, err, c.want)
			} else if err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestSigningKeysAreCachedWithinBounds(t *testing.T) {
	s := exampleSigner()
	v := &Verifier{Keys: keys(exampleKey)}
	for i := range 3 * maxDerived {
		s.region = fmt.Sprint("region-", i)
		if _, err := v.Verify(s.header(plain), exampleNow, ServiceControl); err != nil {
			t.Fatal(err)
		}
		if n := len(v.derived.byID); n == 0 || n > maxDerived {
			t.Fatalf("%d signing keys are cached", n)
		}
	}
	before := len(v.derived.byID)
	s.key.Secret, s.region = "guess", "another"
	_, err := v.Verify(s.header(plain), exampleNow, ServiceControl)
	wantCode(t, err, job.InvalidSignature)
	if len(v.derived.byID) != before {
		t.Fatal("a signature that was refused left a signing key in the cache")
	}
}

func TestAReplacedSecretIsNotVerifiedByTheOldSigningKey(t *testing.T) {
	current := exampleKey
	v := &Verifier{Keys: func(string) (AccessKey, bool) { return current, true }}
	r := exampleSigner().header(plain)
	if _, err := v.Verify(r, exampleNow, ServiceControl); err != nil {
		t.Fatal(err)
	}
	current.Secret = "another"
	_, err := v.Verify(r, exampleNow, ServiceControl)
	wantCode(t, err, job.InvalidSignature)
}

func BenchmarkVerify(b *testing.B) {
	v := &Verifier{Keys: keys(exampleKey)}
	r := exampleSigner().header(plain)
	for b.Loop() {
		if _, err := v.Verify(r, exampleNow, ServiceControl); err != nil {
			b.Fatal(err)
		}
	}
}

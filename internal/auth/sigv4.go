package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/drover-iot/drover/internal/job"
)

// The services whose names stand in a credential scope
// (registry-and-auth.md F.1). The scope chooses the plane.
const (
	ServiceControl   = "iot"
	ServiceJobsData  = "iot-jobs-data"
	ServiceData      = "iotdata"
	ServiceWebSocket = "iotdevicegateway"
)

// MaxWebSocketSession is how long an MQTT session may last that a signature has
// opened (device-plane.md 6.1).
const MaxWebSocketSession = 24 * time.Hour

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"

	defaultSkew    = 5 * time.Minute  // F.4
	defaultExpires = 15 * time.Minute // F.3, X-Amz-Expires absent
	maxExpires     = 24 * time.Hour   // F.3

	// maxAuthorization bounds the Authorization header and the query that may
	// stand for it. SDKs send about 400 bytes; a signed session token adds 2 KB.
	maxAuthorization = 16 << 10
	maxSignedHeaders = 64
)

// Request is a request as it stood on the wire. A signature covers the bytes
// that were sent, so nothing here may have been decoded and encoded again.
type Request struct {
	Method  string
	Target  string // of the request line: http.Request.RequestURI, never URL.Path
	Host    string // net/http takes it out of the header
	Header  http.Header
	Payload [sha256.Size]byte // SHA-256 of the body
}

// NewRequest takes what a signature covers from r and its body, which the
// caller has read, within its bound.
func NewRequest(r *http.Request, body []byte) Request {
	return Request{Method: r.Method, Target: r.RequestURI, Host: r.Host, Header: r.Header, Payload: sha256.Sum256(body)}
}

// Credential is the credential scope of a signed request, as the caller wrote
// it: a claim until Verify has returned.
type Credential struct {
	AccessKeyID, Day, Region, Service string
}

func (c Credential) scope() string {
	return c.Day + "/" + c.Region + "/" + c.Service + "/" + terminator
}

// Scope reads the credential scope of a request without verifying it: `dev`
// accepts any key, and the service chooses the plane (control-plane.md A.2).
// Errors: MissingAuthentication for an unsigned request, IncompleteSignature.
func Scope(r Request) (Credential, error) {
	s, err := parse(r)
	return s.credential, err
}

// Verifier checks signatures. The zero value knows no key; it is safe for
// concurrent use once it is in use, and must not be copied then.
type Verifier struct {
	// Keys gives the access key with this id.
	Keys func(id string) (AccessKey, bool)
	// Region is the one region of a credential scope; empty takes any
	// (registry-and-auth.md F.1).
	Region string
	// Skew is how far the clocks may differ, five minutes if zero.
	Skew time.Duration

	derived derivedKeys
}

// Verify says whose signature r carries. The scope must name one of the
// services. Its errors are the table of registry-and-auth.md F.4:
// MissingAuthentication, IncompleteSignature, UnrecognizedClient,
// InvalidSignature, ExpiredToken.
func (v *Verifier) Verify(r Request, now time.Time, services ...string) (Principal, error) {
	s, err := parse(r)
	if err != nil {
		return Principal{}, err
	}
	if err := v.inScope(s, services); err != nil {
		return Principal{}, err
	}
	key, err := v.key(s, now)
	if err != nil {
		return Principal{}, err
	}
	if err := s.current(now, v.skew()); err != nil {
		return Principal{}, err
	}
	if err := s.checkPayload(r); err != nil {
		return Principal{}, err
	}
	id := derivedID{key.ID, key.Secret, s.credential.Day, s.credential.Region, s.credential.Service}
	signing, cached := v.derived.get(id)
	if !cached {
		signing = derive(id)
	}
	canonical, err := s.canonical(r)
	if err != nil {
		return Principal{}, err
	}
	for _, c := range canonical {
		if hmac.Equal(s.signature, sign(signing, s.stringToSign(c))) {
			if !cached { // only now: a stranger must not fill the cache
				v.derived.put(id, signing)
			}
			return Principal{Kind: ByAccessKey, ID: key.ID}, nil
		}
	}
	return Principal{}, job.Errorf(job.InvalidSignature, "The request signature we calculated does not match the signature you provided. "+
		"Check the secret access key, and that no proxy between changed the path, the query, Host or a signed header (%s).",
		strings.Join(s.signedHeaders, ";"))
}

func (v *Verifier) skew() time.Duration {
	if v.Skew == 0 {
		return defaultSkew
	}
	return v.Skew
}

func (v *Verifier) inScope(s signature, services []string) error {
	c := s.credential
	switch {
	case !slices.Contains(services, c.Service):
		return job.Errorf(job.InvalidSignature, "Credential should be scoped to correct service: %q is not one of %s.", c.Service, strings.Join(services, ", "))
	case v.Region != "" && c.Region != v.Region:
		return job.Errorf(job.InvalidSignature, "Credential should be scoped to a valid region: %q, this server is %q.", c.Region, v.Region)
	case c.Day != s.date.Format("20060102"):
		return job.Errorf(job.InvalidSignature, "Date in Credential scope does not match YYYYMMDD from X-Amz-Date: %q, %q.", c.Day, s.date.Format(timeFormat))
	}
	return nil
}

func (v *Verifier) key(s signature, now time.Time) (AccessKey, error) {
	var key AccessKey
	known := false
	if v.Keys != nil {
		key, known = v.Keys(s.credential.AccessKeyID)
	}
	if !known || !hmac.Equal([]byte(key.SessionToken), []byte(s.token)) {
		return AccessKey{}, job.Errorf(job.UnrecognizedClient, "The security token included in the request is invalid.")
	}
	if !key.Expires.IsZero() && !now.Before(key.Expires) {
		return AccessKey{}, job.Errorf(job.ExpiredToken, "The security token included in the request is expired.")
	}
	return key, nil
}

// signature is what a request says about how it was signed.
type signature struct {
	credential    Credential
	date          time.Time
	expires       time.Duration // query form only
	signedHeaders []string
	signature     []byte
	token         string
	presigned     bool
}

func parse(r Request) (signature, error) {
	if values := r.Header.Values("Authorization"); len(values) == 1 {
		return parseHeader(r, values[0])
	} else if len(values) > 1 {
		return signature{}, incomplete("the Authorization header is there %d times", len(values))
	}
	_, query := r.split()
	if strings.Contains(query, "X-Amz-Algorithm=") || strings.Contains(query, "X-Amz-Signature=") {
		return parseQuery(query)
	}
	return signature{}, job.Errorf(job.MissingAuthentication, "Missing Authentication Token")
}

func parseHeader(r Request, authorization string) (signature, error) {
	if len(authorization) > maxAuthorization {
		return signature{}, incomplete("the Authorization header has more than %d bytes", maxAuthorization)
	}
	name, rest, _ := strings.Cut(authorization, " ")
	if name != algorithm {
		return signature{}, incomplete("the Authorization header must begin with %s", algorithm)
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		key, value, found := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := fields[key]; !found || twice {
			return signature{}, incomplete("the Authorization header must hold Credential, SignedHeaders and Signature, once each")
		}
		fields[key] = value
	}
	dates := r.Header.Values("X-Amz-Date")
	if len(dates) != 1 {
		return signature{}, incomplete("the header X-Amz-Date must be there once, it is there %d times", len(dates))
	}
	tokens := r.Header.Values("X-Amz-Security-Token")
	if len(tokens) > 1 {
		return signature{}, incomplete("the header X-Amz-Security-Token is there %d times", len(tokens))
	}
	s := signature{token: strings.Join(tokens, "")}
	return s, s.fill(fields["Credential"], dates[0], fields["SignedHeaders"], fields["Signature"])
}

func parseQuery(query string) (signature, error) {
	if len(query) > maxAuthorization {
		return signature{}, incomplete("the query has more than %d bytes", maxAuthorization)
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(query, "&") {
		name, encoded, _ := strings.Cut(part, "=")
		if !strings.HasPrefix(name, "X-Amz-") {
			continue
		}
		value, err := url.PathUnescape(encoded) // not QueryUnescape: a '+' of a token is a '+'
		if _, twice := fields[name]; twice || err != nil {
			return signature{}, incomplete("the query parameter %s must be there once, percent-encoded", name)
		}
		fields[name] = value
	}
	if fields["X-Amz-Algorithm"] != algorithm {
		return signature{}, incomplete("X-Amz-Algorithm must be %s", algorithm)
	}
	s := signature{presigned: true, expires: defaultExpires, token: fields["X-Amz-Security-Token"]}
	if text, given := fields["X-Amz-Expires"]; given {
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return signature{}, incomplete("X-Amz-Expires must be a number of seconds")
		}
		s.expires = min(time.Duration(seconds)*time.Second, maxExpires)
	}
	return s, s.fill(fields["X-Amz-Credential"], fields["X-Amz-Date"], fields["X-Amz-SignedHeaders"], fields["X-Amz-Signature"])
}

// fill checks and takes the four parts that both forms have.
func (s *signature) fill(credential, date, headers, sum string) error {
	parts := strings.Split(credential, "/")
	if len(parts) != 5 || slices.Contains(parts, "") || parts[4] != terminator {
		return incomplete("Credential must be KEY/YYYYMMDD/REGION/SERVICE/%s", terminator)
	}
	s.credential = Credential{AccessKeyID: parts[0], Day: parts[1], Region: parts[2], Service: parts[3]}
	var err error
	if s.date, err = time.Parse(timeFormat, date); err != nil {
		return incomplete("X-Amz-Date must look like %s", timeFormat)
	}
	if s.signature, err = hex.DecodeString(sum); err != nil || len(s.signature) != sha256.Size || strings.ToLower(sum) != sum {
		return incomplete("Signature must be %d lower-case hexadecimal digits", 2*sha256.Size)
	}
	s.signedHeaders = strings.Split(headers, ";")
	if len(s.signedHeaders) > maxSignedHeaders {
		return incomplete("SignedHeaders names more than %d headers", maxSignedHeaders)
	}
	for i, name := range s.signedHeaders {
		if name == "" || strings.ToLower(name) != name || i > 0 && name <= s.signedHeaders[i-1] {
			return incomplete("SignedHeaders must be lower-case names, sorted, each once, joined by ';'")
		}
	}
	for _, name := range []string{"host", "x-amz-date"} {
		if !slices.Contains(s.signedHeaders, name) && (name == "host" || !s.presigned) {
			return incomplete("SignedHeaders must contain %s", name)
		}
	}
	return nil
}

// current holds the signature's time against now (registry-and-auth.md F.4).
func (s *signature) current(now time.Time, skew time.Duration) error {
	valid := skew
	if s.presigned {
		valid = s.expires
	}
	now = now.UTC()
	if earliest := now.Add(-valid); s.date.Before(earliest) {
		return job.Errorf(job.InvalidSignature, "Signature expired: %s is now earlier than %s (%s - %s). Check the clock of the caller.",
			s.date.Format(timeFormat), earliest.Format(timeFormat), now.Format(timeFormat), valid)
	}
	if latest := now.Add(skew); s.date.After(latest) {
		return job.Errorf(job.InvalidSignature, "Signature not yet current: %s is still later than %s (%s + %s). Check the clock of the caller.",
			s.date.Format(timeFormat), latest.Format(timeFormat), now.Format(timeFormat), skew)
	}
	return nil
}

// checkPayload holds x-amz-content-sha256, if it was sent, against the body.
// So the hash that was signed is always that of the body; UNSIGNED-PAYLOAD and
// the streaming forms, which leave the body unsigned, are not taken (F.2).
func (s *signature) checkPayload(r Request) error {
	values := r.Header.Values("X-Amz-Content-Sha256")
	if len(values) == 0 || len(values) == 1 && values[0] == hex.EncodeToString(r.Payload[:]) {
		return nil
	}
	return job.Errorf(job.InvalidSignature, "x-amz-content-sha256 must be the SHA-256 of the body that was sent, in lower-case hexadecimal digits; unsigned payloads are not accepted.")
}

func incomplete(format string, args ...any) error {
	e := job.Errorf(job.IncompleteSignature, format, args...)
	e.Message = "Incomplete signature: " + e.Message + "."
	return e
}

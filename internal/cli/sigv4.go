package cli

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Keys are an access key as a caller holds it.
type Keys struct{ ID, Secret, SessionToken string }

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
)

// sign adds X-Amz-Date and Authorization to a request with this body
// (registry-and-auth.md F.2, header form). It signs host, content-type and every
// x-amz header, as botocore does. The path is signed as it goes over the wire,
// encoded once more. It writes the query in its canonical form; a query must not
// repeat a name.
func sign(r *http.Request, body []byte, k Keys, region, service string, now time.Time) {
	stamp := now.UTC().Format("20060102T150405Z")
	r.Header.Set("X-Amz-Date", stamp)
	if k.SessionToken != "" {
		r.Header.Set("X-Amz-Security-Token", k.SessionToken)
	}
	// A space is %20 where it is signed, so it is sent like that too.
	r.URL.RawQuery = strings.ReplaceAll(r.URL.Query().Encode(), "+", "%20")
	signed, headers := canonicalHeaders(r)
	payload := sha256.Sum256(body)
	canonical := strings.Join([]string{
		r.Method,
		encodeAgain(r.URL.EscapedPath()),
		r.URL.RawQuery,
		headers,
		signed,
		hex.EncodeToString(payload[:]),
	}, "\n")
	sum := sha256.Sum256([]byte(canonical))
	scope := strings.Join([]string{stamp[:8], region, service, terminator}, "/")
	text := strings.Join([]string{algorithm, stamp, scope, hex.EncodeToString(sum[:])}, "\n")
	key := []byte("AWS4" + k.Secret)
	for _, part := range []string{stamp[:8], region, service, terminator, text} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	r.Header.Set("Authorization", algorithm+" Credential="+k.ID+"/"+scope+
		", SignedHeaders="+signed+", Signature="+hex.EncodeToString(key))
}

// canonicalHeaders lists the names that are signed, and their lines, each ended.
func canonicalHeaders(r *http.Request) (names, lines string) {
	signed := []string{"host"}
	for name := range r.Header {
		if lower := strings.ToLower(name); lower == "content-type" || strings.HasPrefix(lower, "x-amz") {
			signed = append(signed, lower)
		}
	}
	slices.Sort(signed)
	var b strings.Builder
	for _, name := range signed {
		value := strings.Join(r.Header.Values(name), ",")
		if name == "host" {
			value = r.URL.Host
		}
		b.WriteString(name + ":" + strings.Join(strings.Fields(value), " ") + "\n")
	}
	return strings.Join(signed, ";"), b.String()
}

// encodeAgain percent-encodes an encoded path once more, keeping its slashes.
func encodeAgain(path string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(path) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~/", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

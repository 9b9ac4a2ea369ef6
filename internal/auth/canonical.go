package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/drover-iot/drover/internal/job"
)

// canonical gives the canonical requests that this request may have been signed
// as: one for the header form, up to four for the query form, whose clients
// differ on the session token and on the port in Host (registry-and-auth.md F.3):
// one that knows AWS's port alone signs the bare name, and then connects to ours.
func (s *signature) canonical(r Request) ([]string, error) {
	path, query := r.split()
	if !s.presigned {
		c, err := s.build(r, r.Host, path, canonicalQuery(query, nil))
		return []string{c}, err
	}
	hosts := []string{r.Host}
	if bare, _, err := net.SplitHostPort(r.Host); err != nil {
		hosts = append(hosts, r.Host+":443")
	} else if strings.Contains(bare, ":") { // IPv6
		hosts = append(hosts, "["+bare+"]")
	} else {
		hosts = append(hosts, bare)
	}
	queries := []string{canonicalQuery(query, []string{"X-Amz-Signature", "X-Amz-Security-Token"})}
	if s.token != "" {
		queries = append(queries, canonicalQuery(query, []string{"X-Amz-Signature"}))
	}
	var all []string
	for _, q := range queries {
		for _, host := range hosts {
			c, err := s.build(r, host, path, q)
			if err != nil {
				return nil, err
			}
			all = append(all, c)
		}
	}
	return all, nil
}

func (s *signature) build(r Request, host, path, query string) (string, error) {
	var b strings.Builder
	for _, line := range []string{r.Method, canonicalPath(path), query} {
		b.WriteString(line)
		b.WriteByte('\n')
	}
	for _, name := range s.signedHeaders {
		values := r.Header.Values(name)
		if name == "host" {
			values = []string{host}
		}
		if len(values) == 0 {
			return "", job.Errorf(job.InvalidSignature, "The header %q is in SignedHeaders but did not arrive. Check that no proxy between removes it.", name)
		}
		b.WriteString(name)
		b.WriteByte(':')
		for i, v := range values {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strings.Join(strings.FieldsFunc(v, blank), " "))
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	b.WriteString(strings.Join(s.signedHeaders, ";"))
	b.WriteByte('\n')
	b.WriteString(hex.EncodeToString(r.Payload[:]))
	return b.String(), nil
}

// split cuts the target into path and query. The absolute form of a request
// line (`GET http://host/path`) is reduced to the path that was signed.
func (r Request) split() (path, query string) {
	path, query, _ = strings.Cut(r.Target, "?")
	if _, rest, absolute := strings.Cut(path, "://"); absolute && !strings.HasPrefix(path, "/") {
		_, path, _ = strings.Cut(rest, "/")
		path = "/" + path
	}
	return path, query
}

// canonicalPath normalises the path as it was sent, then encodes it once more:
// every service but S3 signs the encoding of the encoded path (F.2).
func canonicalPath(path string) string {
	var kept []string
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "", ".":
		case "..":
			kept = kept[:max(0, len(kept)-1)]
		default:
			kept = append(kept, segment)
		}
	}
	if len(kept) == 0 {
		return "/"
	}
	canonical := "/" + escape(strings.Join(kept, "/"), func(c byte) bool { return unreserved(c) || c == '/' })
	if strings.HasSuffix(path, "/") {
		canonical += "/"
	}
	return canonical
}

// canonicalQuery sorts the pairs as they were sent, by name and then by value,
// without the named parameters. What cannot stand in a query as it is (a space,
// bytes above ASCII) is encoded; the rest is not touched.
func canonicalQuery(query string, without []string) string {
	type pair struct{ name, value string }
	var pairs []pair
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		if part != "" && !slices.Contains(without, name) {
			pairs = append(pairs, pair{escape(name, graphic), escape(value, graphic)})
		}
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	var b strings.Builder
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.name)
		b.WriteByte('=')
		b.WriteString(p.value)
	}
	return b.String()
}

func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~", c) >= 0
}

func blank(r rune) bool { return r == ' ' || r == '\t' }

func graphic(c byte) bool { return c > ' ' && c < 0x7f }

// escape percent-encodes every byte that keep refuses.
func escape(s string, keep func(byte) bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; keep(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

func (s *signature) stringToSign(canonical string) string {
	sum := sha256.Sum256([]byte(canonical))
	return algorithm + "\n" + s.date.Format(timeFormat) + "\n" + s.credential.scope() + "\n" + hex.EncodeToString(sum[:])
}

func sign(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// derivedID names a signing key. The secret is part of it, so that a key that
// was replaced can never be verified by what was derived before.
type derivedID struct{ key, secret, day, region, service string }

// derive makes the signing key (registry-and-auth.md F.5).
func derive(id derivedID) []byte {
	key := []byte("AWS4" + id.secret)
	for _, part := range []string{id.day, id.region, id.service, terminator} {
		key = sign(key, part)
	}
	return key
}

// maxDerived is room for a day of every key that an installation has in use. A
// full cache is emptied: deriving again costs four hashes.
const maxDerived = 1024

type derivedKeys struct {
	mu   sync.RWMutex
	byID map[derivedID][]byte
}

func (d *derivedKeys) get(id derivedID) ([]byte, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	key, ok := d.byID[id]
	return key, ok
}

func (d *derivedKeys) put(id derivedID, key []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byID == nil || len(d.byID) >= maxDerived {
		d.byID = map[derivedID][]byte{}
	}
	d.byID[id] = key
}

package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"net/http"
	"path"
	"regexp"
	"sort"
	"strings"
	"time"
)

// signer is a second, independent reading of the AWS specification of Signature
// Version 4, for the tests to sign with: it shares no code with the verifier.
type signer struct {
	key             AccessKey
	region, service string
	at              time.Time
}

// draft is a request before it is signed.
type draft struct {
	method, path, query, host string
	header                    [][2]string // signed, in the order in which they are sent
	body                      string
}

func (s signer) day() string   { return s.at.UTC().Format("20060102") }
func (s signer) stamp() string { return s.at.UTC().Format("20060102T150405Z") }
func (s signer) scope() string { return s.day() + "/" + s.region + "/" + s.service + "/aws4_request" }

// header signs d in an Authorization header.
func (s signer) header(d draft) Request {
	d.header = append(d.header, [2]string{"X-Amz-Date", s.stamp()})
	if s.key.SessionToken != "" {
		d.header = append(d.header, [2]string{"X-Amz-Security-Token", s.key.SessionToken})
	}
	names, block := specHeaders(append(d.header, [2]string{"Host", d.host}))
	signature := s.sum(strings.Join([]string{d.method, specPath(d.path), specQuery(d.query), block, names, hexSum(d.body)}, "\n"))
	r := d.request()
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s", s.key.ID, s.scope(), names, signature))
	return r
}

// query signs d in its query, with the host as signedHost has it; the session
// token is part of what is signed or is appended after (registry-and-auth.md F.3).
func (s signer) query(d draft, signedHost string, expires int, signToken bool) Request {
	token := "X-Amz-Security-Token=" + specEscape(s.key.SessionToken, false)
	q := "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + specEscape(s.key.ID+"/"+s.scope(), false) + "&X-Amz-Date=" + s.stamp()
	if expires >= 0 {
		q += fmt.Sprintf("&X-Amz-Expires=%d", expires)
	}
	if d.query != "" {
		q = d.query + "&" + q
	}
	q += "&X-Amz-SignedHeaders=host"
	if s.key.SessionToken != "" && signToken {
		q += "&" + token
	}
	q += "&X-Amz-Signature=" + s.sum(strings.Join([]string{d.method, specPath(d.path), specQuery(q), "host:" + signedHost + "\n", "host", hexSum("")}, "\n"))
	if s.key.SessionToken != "" && !signToken {
		q += "&" + token
	}
	d.query = q
	return d.request()
}

func (d draft) request() Request {
	r := Request{Method: d.method, Target: d.path, Host: d.host, Header: http.Header{}, Payload: sha256.Sum256([]byte(d.body))}
	if d.query != "" {
		r.Target += "?" + d.query
	}
	for _, h := range d.header {
		r.Header.Add(h[0], h[1])
	}
	return r
}

func (s signer) sum(canonical string) string {
	mac := func(key, text string) string {
		h := hmac.New(sha256.New, []byte(key))
		fmt.Fprint(h, text)
		return string(h.Sum(nil))
	}
	key := mac(mac(mac(mac("AWS4"+s.key.Secret, s.day()), s.region), s.service), "aws4_request")
	return fmt.Sprintf("%x", mac(key, fmt.Sprintf("AWS4-HMAC-SHA256\n%s\n%s\n%s", s.stamp(), s.scope(), hexSum(canonical))))
}

func hexSum(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }

func specPath(sent string) string {
	clean := path.Clean("/" + sent)
	if strings.HasSuffix(sent, "/") && clean != "/" {
		clean += "/"
	}
	return specEscape(clean, true)
}

var notUnreserved = regexp.MustCompile(`[^A-Za-z0-9._~-]`)

func specEscape(s string, keepSlash bool) string {
	latin := make([]rune, len(s)) // a rune a byte, for a regexp that sees bytes
	for i := range len(s) {
		latin[i] = rune(s[i])
	}
	return notUnreserved.ReplaceAllStringFunc(string(latin), func(c string) string {
		if keepSlash && c == "/" {
			return c
		}
		return fmt.Sprintf("%%%02X", []rune(c)[0])
	})
}

func specQuery(sent string) string {
	var pairs [][]string
	for _, p := range strings.Split(sent, "&") {
		if p != "" {
			pairs = append(pairs, append(strings.SplitN(p, "=", 2), "")[:2])
		}
	}
	sort.SliceStable(pairs, func(i, j int) bool {
		return pairs[i][0] < pairs[j][0] || pairs[i][0] == pairs[j][0] && pairs[i][1] < pairs[j][1]
	})
	var out []string
	for _, p := range pairs {
		out = append(out, p[0]+"="+p[1])
	}
	return strings.Join(out, "&")
}

var inner = regexp.MustCompile(`[ \t]+`)

func specHeaders(sent [][2]string) (names, block string) {
	joined := map[string]string{}
	var order []string
	for _, h := range sent {
		name, value := strings.ToLower(h[0]), inner.ReplaceAllString(strings.Trim(h[1], " \t"), " ")
		if before, again := joined[name]; again {
			joined[name] = before + "," + value
			continue
		}
		joined[name] = value
		order = append(order, name)
	}
	sort.Strings(order)
	for _, name := range order {
		block += name + ":" + joined[name] + "\n"
	}
	return strings.Join(order, ";"), block
}

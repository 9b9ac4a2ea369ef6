package cli

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/drover-iot/drover/internal/auth"
)

// TestTheServerVerifiesWhatWeSign drives the signer against the verifier, which
// was written by others from the same specification.
func TestTheServerVerifiesWhatWeSign(t *testing.T) {
	key := auth.GenerateAccessKey()
	key.SessionToken = "a token/with=signs"
	verifier := &auth.Verifier{Region: "eu-west-1", Keys: func(id string) (auth.AccessKey, bool) { return key, id == key.ID }}
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	var verdict error
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			_, err = verifier.Verify(auth.NewRequest(r, body), now, auth.ServiceControl)
		}
		verdict = err
	}))
	defer server.Close()
	send := func(t interface{ Fatal(...any) }, method, path string, query url.Values, header http.Header, body []byte, secret string) {
		r, err := http.NewRequest(method, server.URL+path+"?"+query.Encode(), bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for name, values := range header {
			r.Header[http.CanonicalHeaderKey(name)] = values
		}
		sign(r, body, Keys{ID: key.ID, Secret: secret, SessionToken: key.SessionToken}, "eu-west-1", "iot", now)
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	rapid.Check(t, func(t *rapid.T) {
		path := "/things/" + url.PathEscape(rapid.StringMatching(`[a-zA-Z0-9:_-]{1,20}`).Draw(t, "name")) + "/principals"
		query := url.Values{}
		for _, name := range rapid.SliceOfDistinct(rapid.StringMatching(`[a-zA-Z-]{1,8}`), rapid.ID[string]).Draw(t, "parameters") {
			query.Set(name, rapid.String().Draw(t, "value"))
		}
		header := http.Header{
			"X-Amzn-Principal": {rapid.StringMatching(`[!-~]([ -~]{0,20}[!-~])?`).Draw(t, "principal")},
			"Content-Type":     {"application/json"},
		}
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		method := rapid.SampledFrom([]string{"GET", "PUT", "POST", "DELETE"}).Draw(t, "method")
		send(t, method, path, query, header, body, key.Secret)
		if verdict != nil {
			t.Fatalf("%s %s?%s: %v", method, path, query.Encode(), verdict)
		}
	})
	send(t, "GET", "/jobs", nil, nil, nil, "another secret")
	if verdict == nil {
		t.Error("a signature with another secret was accepted: this test would accept anything")
	}
}

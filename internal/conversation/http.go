package conversation

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// request is one HTTP request.
type request struct {
	method, path, body string
	service            string // of the credential scope; empty: unsigned
	host               string // instead of the server's address
}

func (q request) String() string { return q.method + " " + q.path }

// answer is what came back.
type answer struct {
	request   request
	status    int
	errorType string
	body      []byte
}

func (a answer) String() string {
	return strings.TrimSpace(fmt.Sprintf("%d %s %s", a.status, a.errorType, a.body))
}

// do sends the request and checks what every answer must have (device-plane.md
// 5.4): a request id, a JSON content type where there is a body, an error type
// where there is an error and none where there is not.
func (r *runner) do(q request) (*answer, error) {
	req, err := http.NewRequest(q.method, "http://"+r.target.HTTPAddr()+q.path, strings.NewReader(q.body))
	if err != nil {
		return nil, err
	}
	if q.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if q.host != "" {
		req.Host = q.host
	}
	if q.service != "" {
		// `dev` reads the scope to choose the plane and takes any key.
		now := r.target.Now().UTC()
		req.Header.Set("X-Amz-Date", now.Format("20060102T150405Z"))
		req.Header.Set("Authorization", fmt.Sprintf(
			"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/%s/us-east-1/%s/aws4_request, SignedHeaders=host;x-amz-date, Signature=%064x",
			now.Format("20060102"), q.service, 0))
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	a := &answer{request: q, status: resp.StatusCode, errorType: resp.Header.Get("X-Amzn-Errortype"), body: body}
	if resp.Header.Get("X-Amzn-Requestid") == "" {
		return nil, fmt.Errorf("%s: answer %s has no x-amzn-RequestId", q, a)
	}
	if ct := resp.Header.Get("Content-Type"); len(body) > 0 && ct != "application/json" {
		return nil, fmt.Errorf("%s: answer %s has Content-Type %q, want application/json", q, a, ct)
	}
	if (a.status >= 400) != (a.errorType != "") {
		return nil, fmt.Errorf("%s: answer %s: x-amzn-ErrorType must come with an error and with nothing else", q, a)
	}
	return a, nil
}

// ask sends the request and keeps the answer for an `answer` step.
func (r *runner) ask(q request) (err error) {
	r.answer, err = r.do(q)
	return err
}

// must sends a request that has to succeed and reads its body into out.
func (r *runner) must(q request, out any) error {
	a, err := r.do(q)
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return fmt.Errorf("%s was answered %s", q, a)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(a.body, out)
}

// answered is the step `answer STATUS [TYPE]`.
func (r *runner) answered(s Step) error {
	a := r.answer
	if a == nil {
		return fmt.Errorf("no operator or request step before it")
	}
	r.answer = nil
	status, err := strconv.Atoi(s.Args[0])
	if err != nil {
		return fmt.Errorf("%q: want a status", s.Args[0])
	}
	errorType := strings.Join(s.Args[1:], "")
	if a.status != status || a.errorType != errorType {
		return fmt.Errorf("%s was answered %s", a.request, a)
	}
	if s.Body == "" {
		if len(a.body) > 0 {
			return fmt.Errorf("%s was answered with a body: %s", a.request, a.body)
		}
		return nil
	}
	return r.matchBytes(s, a.body)
}

// matchBytes compares a body of the file with bytes from the wire.
func (r *runner) matchBytes(s Step, got []byte) error {
	want, err := decode([]byte(s.Body))
	if err != nil {
		return fmt.Errorf("the body of the step: %w", err)
	}
	g, err := decode(got)
	if err != nil {
		return fmt.Errorf("got %q: %w", got, err)
	}
	return r.matcher(s.InOrder).match("body", want, g)
}

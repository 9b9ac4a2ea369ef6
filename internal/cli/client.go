package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Client calls one plane of one server, signing like an SDK.
type Client struct {
	settings
	unsigned  bool // the caller is known by a certificate, or need not be known
	transport *http.Transport
	http      *http.Client
	now       func() time.Time // requests are signed for this time
}

// Dial decides where the server is and who calls it, and makes a client. It does
// not connect yet. Errors are Failures with ExitUsage.
func Dial(c Connection, env func(string) string) (*Client, error) {
	s, err := c.resolve(env)
	if err != nil {
		return nil, err
	}
	client := newClient(s)
	if s.ca != "" {
		roots, err := readRoots(s.ca)
		if err != nil {
			return nil, err
		}
		client.transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return client, nil
}

// readRoots reads the certificates that a server's is checked against.
func readRoots(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, &Failure{Exit: ExitUsage, Message: "The CA certificate cannot be read: " + err.Error(), Cause: err}
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, usage("There is no PEM certificate in "+path+".", "Use DIR/ca.pem, which drover serve wrote into its data folder.")
	}
	return roots, nil
}

// NewClient makes a client of this endpoint's control plane, whatever the environment says.
func NewClient(endpoint url.URL, region string, keys Keys) *Client {
	return newClient(settings{service: controlPlane, endpoint: &endpoint, region: region, keys: keys})
}

func newClient(s settings) *Client {
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     30 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
	}
	return &Client{settings: s, transport: t, http: &http.Client{Transport: t, Timeout: 30 * time.Second}, now: time.Now}
}

// Close lets go of the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// A Call is one operation of the API.
type Call struct {
	Operation string // AWS's name, for messages
	Method    string
	Path      string // with its labels encoded
	Query     url.Values
	Header    http.Header
	In        any // the body; nil: none
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 4 << 20

// Do makes a call and decodes its answer into out, which may be nil. Errors are
// Failures; one that the server spelled unwraps to *APIError.
func (c *Client) Do(ctx context.Context, call Call, out any) error {
	body, err := marshal(call.In)
	if err != nil {
		return err
	}
	r, err := c.request(ctx, call, body)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return c.unreachable(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return c.unreachable(err)
	}
	if resp.StatusCode != http.StatusOK {
		return refusal(call.Operation, resp, answer)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return &Failure{
			Exit: ExitFailed, Cause: err,
			Message: fmt.Sprintf("%s: %s did not answer in JSON (%v).", call.Operation, c.endpoint, err),
			Next:    "Check that the endpoint is a Drover server and not a proxy before it.",
		}
	}
	return nil
}

// request makes the HTTP request of a call, signed.
func (c *Client) request(ctx context.Context, call Call, body []byte) (*http.Request, error) {
	target := *c.endpoint
	target.RawPath = strings.TrimSuffix(c.endpoint.EscapedPath(), "/") + call.Path
	var err error
	if target.Path, err = url.PathUnescape(target.RawPath); err != nil {
		return nil, err
	}
	target.RawQuery = call.Query.Encode()
	r, err := http.NewRequestWithContext(ctx, call.Method, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range call.Header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if !c.unsigned {
		sign(r, body, c.keys, c.region, c.scope, c.now())
	}
	return r, nil
}

func marshal(in any) ([]byte, error) {
	if in == nil {
		return nil, nil
	}
	return json.Marshal(in)
}

func (c *Client) unreachable(err error) error {
	f := &Failure{Exit: ExitFailed, Cause: err, Message: fmt.Sprintf("No answer from %s: %v.", c.endpoint, errors.Unwrap(err))}
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.Is(err, context.Canceled):
		f.Message, f.Next = "Interrupted.", ""
	case errors.As(err, &unknown):
		f.Next = "The server's certificate is signed by its own CA: add --ca DIR/ca.pem."
	default:
		f.Next = "Check that the server runs (drover dev, drover serve) and that the endpoint is right."
	}
	return f
}

// APIError is an error as the server spelled it.
type APIError struct {
	Operation, Type, Message, RequestID string
	Status                              int
}

func (e *APIError) Error() string {
	return fmt.Sprintf("%s: %s: %s", e.Operation, e.Type, e.Message)
}

func refusal(operation string, resp *http.Response, answer []byte) error {
	e := &APIError{
		Operation: operation, Status: resp.StatusCode,
		Type: resp.Header.Get("X-Amzn-Errortype"), RequestID: resp.Header.Get("X-Amzn-Requestid"),
	}
	var body struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(answer, &body) == nil {
		e.Message = body.Message
	}
	if e.Type == "" {
		e.Type = resp.Status
	}
	f := &Failure{Exit: ExitFailed, Message: e.Error(), Cause: e}
	switch e.Status {
	case http.StatusNotFound:
		f.Exit = ExitNotFound
	case http.StatusUnauthorized, http.StatusForbidden:
		f.Exit = ExitRefused
		f.Next = "Check the access key and the region: AWS_SHARED_CREDENTIALS_FILE=DIR/credentials AWS_PROFILE=drover"
	}
	return f
}

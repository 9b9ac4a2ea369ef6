package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"

	"github.com/drover-iot/drover/internal/cli/awscli"
	"github.com/drover-iot/drover/internal/cli/awscli/py"
)

// caller is the way to the device plane of one server, as the AWS CLI finds it:
// options, then variables, then the profile.
type caller struct {
	globals awscli.Globals
	env     func(string) string
	files   profileFiles
	client  *Client
	missing error // there is no access key
}

// Profile implements awscli.Caller.
func (c *caller) Profile() (output string, err error) {
	profile, named := firstSet(c.env("AWS_DEFAULT_PROFILE"), c.env("AWS_PROFILE"))
	if c.globals.Profile != nil && *c.globals.Profile != "" {
		profile, named = *c.globals.Profile, true
	}
	if !named {
		profile = "default"
	}
	if c.files, err = readProfile(c.env, profile); err != nil {
		return "", err
	}
	if named && !c.files.known() {
		return "", &awscli.Failure{Message: "The config profile (" + profile + ") could not be found"}
	}
	return cmp.Or(c.env("AWS_DEFAULT_OUTPUT"), c.files.get("output"), "json"), nil
}

// Connect implements awscli.Caller.
func (c *caller) Connect() (attempts int, err error) {
	g := c.globals
	if g.Cert == "" != (g.Key == "") {
		return 0, &awscli.Failure{Message: "--cert and --key go together: the certificate of the device and its private key", Next: certFiles}
	}
	unsigned := g.Unsigned || g.Cert != ""
	s := settings{service: dataPlane, region: c.region()}
	if s.region == "" && g.Cert == "" {
		return 0, &awscli.Failure{
			Plain: true, Message: "You must specify a region.",
			Next: "AWS_DEFAULT_REGION or --region, the one of drover serve (us-east-1), or come in with --cert and --key.",
		}
	}
	if !unsigned {
		if s.keys, c.missing, err = c.keys(); err != nil {
			return 0, err
		}
	}
	if attempts, err = c.attempts(); err != nil {
		return 0, err
	}
	address := c.files.endpoint(c.env, dataPlane)
	if g.Endpoint != nil {
		address = *g.Endpoint
	}
	if s.endpoint, err = endpointOf(address); err != nil {
		return 0, err
	}
	t, err := c.transport()
	if err != nil {
		return 0, err
	}
	c.client = newClient(s)
	c.client.unsigned, c.client.transport = unsigned, t
	c.client.http = &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return attempts, nil
}

const certFiles = "drover thing create NAME --cert-out DIR writes NAME.cert.pem, NAME.private.key and ca.pem."

func (c *caller) region() string {
	if c.globals.Region != nil && *c.globals.Region != "" {
		return *c.globals.Region
	}
	return cmp.Or(c.env("AWS_DEFAULT_REGION"), c.files.get("region"), c.env("AWS_REGION"))
}

// keys finds the access key. That there is none is found out later, when a request
// is signed; half of one is a mistake at once.
func (c *caller) keys() (k Keys, missing, err error) {
	type source struct {
		name           string
		get            func(string) string
		id, secret     string
		token, tokenV1 string
	}
	sources := []source{{"env", c.env, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"}}
	if c.globals.Profile != nil { // asked for: it wins over the variables
		sources = nil
	}
	file := func(name string, values map[string]string) source {
		return source{name, func(n string) string { return values[n] }, "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_security_token"}
	}
	sources = append(sources, file("shared-credentials-file", c.files.credentials), file("config-file", c.files.config))
	for _, s := range sources {
		k = Keys{ID: s.get(s.id), Secret: s.get(s.secret), SessionToken: cmp.Or(s.get(s.tokenV1), s.get(s.token))}
		switch {
		case k.ID == "":
			continue
		case k.Secret == "":
			return k, nil, &awscli.Failure{Message: "Partial credentials found in " + s.name + ", missing: " + s.secret}
		}
		return k, nil, nil
	}
	return Keys{}, &awscli.Failure{
		Plain: true, Message: "Unable to locate credentials.",
		Next: "--cert FILE --key FILE --cacert FILE of drover thing create; or AWS_SHARED_CREDENTIALS_FILE=DIR/credentials AWS_PROFILE=drover; drover dev takes --no-sign-request.",
	}, nil
}

// attempts is how often to ask at most: five times, or three in the modes that are
// not legacy, unless it is set.
func (c *caller) attempts() (int, error) {
	attempts := 5
	switch mode := cmp.Or(c.env("AWS_RETRY_MODE"), c.files.get("retry_mode"), "legacy"); mode {
	case "legacy":
	case "standard", "adaptive":
		attempts = 3
	default:
		return 0, &awscli.Failure{Message: "Invalid value provided to \"mode\": \"" + mode + "\" must be one of: ('legacy', 'standard', 'adaptive')"}
	}
	text := cmp.Or(c.env("AWS_MAX_ATTEMPTS"), c.files.get("max_attempts"))
	if text == "" {
		return attempts, nil
	}
	n, ok := py.ParseInt(text)
	switch {
	case !ok:
		return 0, &awscli.Failure{Message: "invalid literal for int() with base 10: " + py.Repr(text)}
	case n.Sign() <= 0:
		return 0, &awscli.Failure{Message: "Value provided to \"max_attempts\": " + n.String() + " must be an integer greater than or equal to 1."}
	case n.IsInt64() && n.Int64() < 1000:
		return int(n.Int64()), nil
	}
	return 1000, nil
}

// endpointOf checks where the server is said to be.
func endpointOf(address string) (*url.URL, error) {
	if address == "" {
		return nil, &awscli.Failure{
			Message: "No endpoint: it is not known where the server is.",
			Next:    "--endpoint-url https://HOST:8443 (drover serve) or http://127.0.0.1:8080 (drover dev), AWS_ENDPOINT_URL or the profile's endpoint_url.",
		}
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return nil, &awscli.Failure{Message: "Invalid endpoint: " + address}
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, &awscli.Failure{Message: "An HTTP Client raised an unhandled exception: Not supported URL scheme " + u.Scheme}
	}
	return u, nil
}

// transport is the way through TLS.
func (c *caller) transport() (*http.Transport, error) {
	g := c.globals
	t := newTransport(g.ConnectTimeout, g.ReadTimeout)
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: g.NoVerify}
	if g.Cert != "" {
		pair, err := tls.LoadX509KeyPair(g.Cert, g.Key)
		if err != nil {
			return nil, &awscli.Failure{
				Message: fmt.Sprintf("The certificate %s and the key %s cannot be used together: %v", g.Cert, g.Key, err), Next: certFiles,
			}
		}
		t.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	if g.NoVerify {
		return t, nil
	}
	bundle := ""
	if g.CABundle != nil {
		bundle = *g.CABundle
	}
	bundle = cmp.Or(g.CACert, bundle, c.env("AWS_CA_BUNDLE"), c.files.get("ca_bundle"))
	if bundle == "" {
		return t, nil
	}
	roots, err := readRoots(bundle)
	if err != nil {
		// The AWS CLI finds it out when it asks, so it is told then.
		t.DialTLSContext = func(context.Context, string, string) (net.Conn, error) { return nil, err }
	}
	t.TLSClientConfig.RootCAs = roots
	return t, nil
}

// Send implements awscli.Caller.
func (c *caller) Send(ctx context.Context, q awscli.Request) (awscli.Reply, error) {
	if c.missing != nil {
		return awscli.Reply{}, c.missing
	}
	query := url.Values{}
	for _, pair := range q.Query {
		query.Set(pair[0], pair[1])
	}
	r, err := c.client.request(ctx, Call{Operation: q.Operation, Method: q.Method, Path: q.Path, Query: query}, q.Body)
	if err != nil {
		return awscli.Reply{}, &awscli.Failure{Message: "Invalid endpoint: " + c.client.endpoint.String()}
	}
	resp, err := c.client.http.Do(r)
	if err != nil {
		return awscli.Reply{}, silent(ctx, r.URL.String(), err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return awscli.Reply{}, silent(ctx, r.URL.String(), err)
	}
	return awscli.Reply{Status: resp.StatusCode, StatusText: http.StatusText(resp.StatusCode), Header: resp.Header.Get, Body: body}, nil
}

// maxParameter bounds the file of a parameter.
const maxParameter = 1 << 20

// readParameter reads the file of a parameter.
func readParameter(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxParameter+1))
	if err == nil && len(data) > maxParameter {
		err = errors.New("it is larger than 1 MiB")
	}
	return data, err
}

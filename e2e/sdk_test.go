package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iotjobsdataplane"
)

// config is how aws-sdk-go-v2 reaches the server. No retries: an error must be
// seen, not hidden by a second try.
func (s *server) config(t *testing.T) aws.Config {
	t.Helper()
	id, secret := s.credentials(t)
	return aws.Config{
		Region:           "us-east-1",
		BaseEndpoint:     aws.String(s.endpoint()),
		RetryMaxAttempts: 1,
		HTTPClient:       &http.Client{Transport: s.transport(t)},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}, nil
		}),
	}
}

// transport trusts the server's CA, and only that.
func (s *server) transport(t *testing.T, certs ...tls.Certificate) *http.Transport {
	t.Helper()
	transport := &http.Transport{}
	if s.mode == "serve" {
		transport.TLSClientConfig = &tls.Config{RootCAs: s.roots(t), Certificates: certs}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func (s *server) roots(t *testing.T) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(s.ca())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("%s has no certificate:\n%s", s.ca(), pem)
	}
	return roots
}

func (s *server) control(t *testing.T) *iot.Client { return iot.NewFromConfig(s.config(t)) }

func (s *server) jobs(t *testing.T) *iotjobsdataplane.Client {
	return iotjobsdataplane.NewFromConfig(s.config(t))
}

const arn = "arn:aws:iot:us-east-1:000000000000:"

// createJob makes a job for things, with the document {"op":"flash","job":id}.
func (s *server) createJob(t *testing.T, id string, things ...string) {
	t.Helper()
	s.createJobWith(t, id, `{"op":"flash","job":"`+id+`"}`, things...)
}

func (s *server) createJobWith(t *testing.T, id, document string, things ...string) {
	t.Helper()
	in := &iot.CreateJobInput{JobId: &id, Document: &document}
	for _, thing := range things {
		in.Targets = append(in.Targets, arn+"thing/"+thing)
	}
	if _, err := s.control(t).CreateJob(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

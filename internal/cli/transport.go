package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/drover-iot/drover/internal/cli/awscli"
)

// newTransport makes one whose waits are bounded: for a connection, and for each
// time that the server is silent. 0 is no bound.
func newTransport(connect, read time.Duration) *http.Transport {
	dialer := &net.Dialer{Timeout: connect}
	return &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, &dialError{err}
			}
			return &patientConn{conn, read}, nil
		},
	}
}

// dialError is one of making the connection, before anything was asked.
type dialError struct{ error }

func (e *dialError) Unwrap() error { return e.error }

// patientConn waits for each piece so long and no longer.
type patientConn struct {
	net.Conn
	read time.Duration
}

// Read implements net.Conn.
func (c *patientConn) Read(p []byte) (int, error) {
	if c.read > 0 {
		if err := c.SetReadDeadline(time.Now().Add(c.read)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Read(p)
}

// silent says in the AWS CLI's words why there is no answer.
func silent(ctx context.Context, target string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	var dial *dialError
	var timeout net.Error
	late := errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, os.ErrDeadlineExceeded)
	f := &awscli.Failure{Again: true}
	switch {
	case errors.As(err, &dial) && late:
		f.Message = `Connect timeout on endpoint URL: "` + target + `"`
	case errors.As(err, &dial):
		f.Message = `Could not connect to the endpoint URL: "` + target + `"`
	case isTLS(err):
		f.Message = "SSL validation failed for " + target + " " + err.Error()
	case late:
		f.Message = `Read timeout on endpoint URL: "` + target + `"`
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || isReset(err):
		f.Message = `Connection was closed before we received a valid response from endpoint URL: "` + target + `".`
	default:
		f.Message, f.Again = "An HTTP Client raised an unhandled exception: "+err.Error(), false
	}
	return f
}

// isReset: the connection was there and went.
func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "read" || op.Op == "write")
}

// isTLS: the two sides do not trust or understand each other.
func isTLS(err error) bool {
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var host x509.HostnameError
	var roots *Failure // the CA's file
	var op *net.OpError
	return errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, &verification) || errors.As(err, &record) || errors.As(err, &alert) || errors.As(err, &host) ||
		errors.As(err, &roots) || errors.As(err, &op) && op.Op == "remote error"
}

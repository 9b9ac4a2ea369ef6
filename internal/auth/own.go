package auth

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Files are those of a server certificate that the operator brings, in PEM: the
// chain with the server's own certificate first, its key, and, where clients do
// not trust the chain's root anyway, what they are to trust.
type Files struct{ Cert, Key, CA string }

// OwnCertificate is what Files held when they were read.
type OwnCertificate struct {
	chain tls.Certificate
	trust []byte
}

// maxChain bounds a file of certificates before it is read.
const maxChain = 1 << 20

// LoadOwn reads files and holds them against each other: the key is that of the
// first certificate, and who trusts the CA trusts it. Whether it is still, or
// already, valid at now is for the caller to ask (Valid).
func LoadOwn(f Files, now time.Time) (*OwnCertificate, error) {
	certs, err := readBounded(f.Cert, maxChain)
	if err != nil {
		return nil, err
	}
	key, err := readBounded(f.Key, maxPEM)
	if err != nil {
		return nil, err
	}
	if bytes.Contains(key, []byte("ENCRYPTED")) {
		return nil, fmt.Errorf("%s is encrypted, and nobody is there to type a passphrase: `openssl pkey -in %[1]s -out server.key` writes it without one", f.Key)
	}
	own := new(OwnCertificate)
	if own.chain, err = tls.X509KeyPair(certs, key); err != nil { // parses the leaf too
		return nil, fmt.Errorf("%s and %s: %s", f.Cert, f.Key, strings.TrimPrefix(err.Error(), "tls: "))
	}
	above, err := own.issuers()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Cert, err)
	}
	if f.CA == "" {
		own.trust = root(own.chain.Leaf, above)
		return own, nil
	}
	if own.trust, err = own.anchors(f, above, now); err != nil {
		return nil, err
	}
	return own, nil
}

// issuers are the certificates above the first.
func (o *OwnCertificate) issuers() (above []*x509.Certificate, err error) {
	for _, der := range o.chain.Certificate[1:] {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		above = append(above, c)
	}
	return above, nil
}

// anchors reads the CA's file, and makes sure that it is the right one.
func (o *OwnCertificate) anchors(f Files, above []*x509.Certificate, now time.Time) ([]byte, error) {
	text, err := readBounded(f.CA, maxChain)
	if err != nil {
		return nil, err
	}
	trust, roots, between := []byte(nil), x509.NewCertPool(), x509.NewCertPool()
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%s holds a %s; it is handed to everybody, so it may hold certificates alone", f.CA, block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.CA, err)
		}
		roots.AddCert(c)
		trust = append(trust, encodePEM("CERTIFICATE", c.Raw)...)
	}
	if len(trust) == 0 {
		return nil, fmt.Errorf("%s holds no certificate in PEM", f.CA)
	}
	for _, c := range above {
		between.AddCert(c)
	}
	leaf := o.chain.Leaf
	if now.After(leaf.NotAfter) { // which is another question
		now = leaf.NotAfter
	} else if now.Before(leaf.NotBefore) {
		now = leaf.NotBefore
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now})
	if err != nil {
		return nil, fmt.Errorf("who trusts %s does not trust %s: %w", f.CA, f.Cert, err)
	}
	return trust, nil
}

// root is the end of a chain, if the chain has it: nil means that clients have it
// of their own, as they have those of public CAs.
func root(leaf *x509.Certificate, above []*x509.Certificate) []byte {
	last := leaf
	if len(above) > 0 {
		last = above[len(above)-1]
	}
	if !bytes.Equal(last.RawIssuer, last.RawSubject) || last.CheckSignature(last.SignatureAlgorithm, last.RawTBSCertificate, last.Signature) != nil {
		return nil
	}
	return encodePEM("CERTIFICATE", last.Raw)
}

// Valid says what keeps clients from trusting the certificate at now, as a server
// of this name; nil if nothing does.
func (o *OwnCertificate) Valid(now time.Time, host string) error {
	leaf := o.chain.Leaf
	var errs []error
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		errs = append(errs, fmt.Errorf("it is valid from %s to %s only", leaf.NotBefore.Format(time.RFC3339), leaf.NotAfter.Format(time.RFC3339)))
	}
	if err := leaf.VerifyHostname(host); host != "" && err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Expired says whether the certificate has ended at now.
func (o *OwnCertificate) Expired(now time.Time) bool { return now.After(o.chain.Leaf.NotAfter) }

// Ends is when it does.
func (o *OwnCertificate) Ends() time.Time { return o.chain.Leaf.NotAfter }

// Trust is what clients must trust, in PEM; nil: what they trust already.
func (o *OwnCertificate) Trust() []byte { return o.trust }

// Use makes s show own from the next handshake on. Connections that are there
// stay as they are.
func (s *Server) Use(own *OwnCertificate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.own = own
}

// Trust is what clients must trust to trust s, in PEM; nil: what they trust
// already.
func (s *Server) Trust() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.own != nil {
		return s.own.trust
	}
	return s.ca.PEM()
}

package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"time"

	"github.com/drover-iot/drover/internal/job"
)

// The sizes of RSA keys. Shorter ones AWS refuses (registry-and-auth.md E.2);
// of longer ones TLS does not check a signature, so they would let nobody in.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// DeviceCertificate is a certificate of a device, ours or made elsewhere.
type DeviceCertificate struct {
	ID                  string
	PEM                 string
	NotBefore, NotAfter time.Time
}

func deviceCertificate(leaf *x509.Certificate, text string) DeviceCertificate {
	return DeviceCertificate{ID: CertificateID(leaf.Raw), PEM: text, NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter}
}

// IssueForCSR makes a certificate for the key of a certificate signing request,
// in PEM, with the subject that it names; nothing else of it counts. The same
// request again gives another certificate. Errors: InvalidRequest for what is no
// request, is not signed by its own key, or has a key that AWS would not take.
func (ca *CA) IssueForCSR(text string, now time.Time) (DeviceCertificate, error) {
	csr, err := readCSR(text)
	if err != nil {
		return DeviceCertificate{}, err
	}
	template := deviceTemplate()
	template.RawSubject = csr.RawSubject
	leaf, err := ca.issue(template, csr.PublicKey, now)
	if err != nil {
		return DeviceCertificate{}, err
	}
	return deviceCertificate(leaf, string(encodePEM("CERTIFICATE", leaf.Raw))), nil
}

func readCSR(text string) (*x509.CertificateRequest, error) {
	der, why := onlyBlock(text, "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
	if why != "" {
		return nil, job.Errorf(job.InvalidRequest, "The certificate signing request %s; expected a PKCS #10 request in PEM", why)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, job.Errorf(job.InvalidRequest, "The certificate signing request cannot be read: %v", err)
	}
	if why := unfit(csr.PublicKey); why != "" {
		return nil, job.Errorf(job.InvalidRequest, "The key of the certificate signing request %s; expected an RSA key of %d to %d bits, or an EC key on P-256, P-384 or P-521",
			why, minRSABits, maxRSABits)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, job.Errorf(job.InvalidRequest, "The certificate signing request is not signed by the key that it is for: %v", err)
	}
	return csr, nil
}

// unfit says why a public key must not be certified, "" if it may be.
func unfit(public crypto.PublicKey) string {
	switch key := public.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSABits {
			return "is an RSA key of too few bits"
		} else if bits > maxRSABits {
			return "is an RSA key of too many bits"
		}
		return ""
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() || key.Curve == elliptic.P384() || key.Curve == elliptic.P521() {
			return ""
		}
		return "is an EC key on another curve"
	}
	return "is neither RSA nor EC"
}

// ReadDevice reads the certificate of a device that somebody else made, any
// X.509 in PEM; who signed it and whether it is valid now is of no matter here
// (design.md decision 6). Its text is kept as it is. Errors: CertificateValidation.
func ReadDevice(text string) (DeviceCertificate, error) {
	der, why := onlyBlock(text, "CERTIFICATE", "X509 CERTIFICATE")
	if why != "" {
		return DeviceCertificate{}, job.Errorf(job.CertificateValidation, "The certificate %s; expected one X.509 certificate in PEM", why)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return DeviceCertificate{}, job.Errorf(job.CertificateValidation, "The certificate cannot be read: %v", err)
	}
	if key, ok := leaf.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSABits {
		return DeviceCertificate{}, job.Errorf(job.CertificateValidation, "The certificate is for an RSA key of more than %d bits, whose holder no TLS door lets in", maxRSABits)
	}
	if leaf.PublicKey == nil {
		return DeviceCertificate{}, job.Errorf(job.CertificateValidation, "The certificate is for a kind of key that no TLS door lets in; expected RSA, EC or Ed25519")
	}
	return deviceCertificate(leaf, text), nil
}

// onlyBlock is the one PEM block of a text, or why there is none. What openssl
// prints above it may be there.
func onlyBlock(text string, kinds ...string) (der []byte, why string) {
	block, rest := pem.Decode([]byte(text))
	if block == nil {
		return nil, "has no PEM block"
	}
	for _, kind := range kinds {
		if block.Type != kind {
			continue
		}
		if bytes.Contains(rest, []byte("-----BEGIN ")) {
			return nil, "is followed by another PEM block"
		}
		return block.Bytes, ""
	}
	return nil, "is a PEM block of another kind"
}

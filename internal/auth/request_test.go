package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
)

func key[K any](t *testing.T) func(K, error) K {
	return func(k K, err error) K {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
}

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	return key[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(curve, rand.Reader))
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	return key[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, bits))
}

var subject = pkix.Name{CommonName: "pump-7", Organization: []string{"Waterworks"}, SerialNumber: "0815"}

func csr(t *testing.T, signer crypto.Signer) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: subject, DNSNames: []string{"somebody.example.com"},
	}, signer)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func requestPEM(der []byte) string {
	return string(encodePEM("CERTIFICATE REQUEST", der))
}

// registry-and-auth.md E.2: RSA of 2048 bits at least, or P-256, P-384, P-521.
func TestACSRBecomesACertificateForItsKeyAndSubject(t *testing.T) {
	ca := openCA(t, t.TempDir())
	for name, signer := range map[string]crypto.Signer{
		"RSA 2048": rsaKey(t, 2048), "RSA 3072": rsaKey(t, 3072),
		"P-256": ecKey(t, elliptic.P256()), "P-384": ecKey(t, elliptic.P384()), "P-521": ecKey(t, elliptic.P521()),
	} {
		t.Run(name, func(t *testing.T) {
			text := requestPEM(csr(t, signer))
			one, err := ca.IssueForCSR(text, today)
			if err != nil {
				t.Fatal(err)
			}
			block, _ := pem.Decode([]byte(one.PEM))
			leaf, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			if one.ID != CertificateID(leaf.Raw) || !one.NotAfter.Equal(lastDay) || !one.NotBefore.Equal(leaf.NotBefore) {
				t.Errorf("%+v", one)
			}
			if _, err := leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), CurrentTime: today, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
				t.Error(err)
			}
			if !signer.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(leaf.PublicKey) {
				t.Error("it is for another key")
			}
			if leaf.Subject.String() != subject.String() || leaf.Subject.SerialNumber != "0815" || len(leaf.DNSNames) > 0 || leaf.IsCA {
				t.Errorf("subject %s, names %v", leaf.Subject, leaf.DNSNames)
			}
			two, err := ca.IssueForCSR(text, today)
			if err != nil || two.ID == one.ID {
				t.Errorf("the same request again: %s and %s (%v), want two certificates", one.ID, two.ID, err)
			}
		})
	}
}

func TestTheSubjectOfACSRIsKeptByteByByte(t *testing.T) {
	ca := openCA(t, t.TempDir())
	for name, raw := range map[string][]byte{
		"none": {0x30, 0x00},
		"a printable string and two values in one name": {
			0x30, 0x1d, 0x31, 0x1b,
			0x30, 0x0c, 0x06, 0x03, 0x55, 0x04, 0x03, 0x13, 0x05, 'p', 'u', 'm', 'p', '7',
			0x30, 0x0b, 0x06, 0x03, 0x55, 0x04, 0x05, 0x13, 0x04, '0', '8', '1', '5',
		},
	} {
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{RawSubject: raw}, ecKey(t, elliptic.P256()))
		if err != nil {
			t.Fatal(err)
		}
		issued, err := ca.IssueForCSR(requestPEM(der), today)
		if err != nil {
			t.Fatal(name, err)
		}
		block, _ := pem.Decode([]byte(issued.PEM))
		if leaf, err := x509.ParseCertificate(block.Bytes); err != nil || !bytes.Equal(leaf.RawSubject, raw) {
			t.Errorf("%s: % x (%v), want % x", name, leaf.RawSubject, err, raw)
		}
	}
}

func TestABadCSRIsRefused(t *testing.T) {
	ca := openCA(t, t.TempDir())
	good := csr(t, ecKey(t, elliptic.P256()))
	forged := bytes.Clone(good)
	forged[len(forged)-1] ^= 1
	other := bytes.Replace(good, []byte("pump-7"), []byte("pump-8"), 1)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GODEBUG", "rsa1024min=0")
	for name, row := range map[string]struct{ text, want string }{
		"nothing":                  {"", "no PEM block"},
		"no PEM":                   {"pump-7", "no PEM block"},
		"a certificate":            {string(ca.PEM()), "another kind"},
		"a private key":            {string(encodePEM("PRIVATE KEY", good)), "another kind"},
		"two requests":             {requestPEM(good) + requestPEM(good), "another PEM block"},
		"bytes that are none":      {requestPEM([]byte("pump-7")), "cannot be read"},
		"an end that is cut off":   {requestPEM(good[:len(good)-9]), "cannot be read"},
		"a signature with an edit": {requestPEM(forged), "not signed by the key"},
		"a subject with an edit":   {requestPEM(other), "not signed by the key"},
		"RSA of 1024 bits":         {requestPEM(csr(t, rsaKey(t, 1024))), "too few bits"},
		"P-224":                    {requestPEM(csr(t, ecKey(t, elliptic.P224()))), "another curve"},
		"Ed25519":                  {requestPEM(csr(t, ed)), "neither RSA nor EC"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ca.IssueForCSR(row.text, today)
			if e := wantCode(t, err, job.InvalidRequest); !strings.Contains(e.Message, row.want) {
				t.Errorf("%q, want that it says %q", e.Message, row.want)
			}
		})
	}
}

// selfSigned is a certificate that a device made for itself.
func selfSigned(t *testing.T, signer crypto.Signer, from, to time.Time) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: subject, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestACertificateMadeElsewhereIsRead(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	from, to := today.Add(-time.Hour), today.Add(time.Hour)
	for name, row := range map[string]struct {
		der    []byte
		before string
	}{
		"EC":                                {selfSigned(t, ecKey(t, elliptic.P256()), from, to), ""},
		"RSA":                               {selfSigned(t, rsaKey(t, 2048), from, to), ""},
		"Ed25519":                           {selfSigned(t, ed, from, to), ""},
		"expired":                           {selfSigned(t, ed, from.AddDate(-9, 0, 0), to.AddDate(-8, 0, 0)), ""},
		"with what openssl prints above it": {selfSigned(t, ed, from, to), "Certificate:\n    Data:\n        Version: 3 (0x2)\n"},
	} {
		t.Run(name, func(t *testing.T) {
			text := row.before + string(encodePEM("CERTIFICATE", row.der))
			got, err := ReadDevice(text)
			if err != nil {
				t.Fatal(err)
			}
			leaf, err := x509.ParseCertificate(row.der)
			if err != nil {
				t.Fatal(err)
			}
			if got.ID != CertificateID(row.der) || got.PEM != text || !got.NotBefore.Equal(leaf.NotBefore) || !got.NotAfter.Equal(leaf.NotAfter) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestWhatIsNoCertificateIsRefused(t *testing.T) {
	long := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), maxRSABits, 1), E: 65537}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: today, NotAfter: today.Add(time.Hour)}
	tooLong, err := x509.CreateCertificate(rand.Reader, template, template, long, ecKey(t, elliptic.P256()))
	if err != nil {
		t.Fatal(err)
	}
	good := string(encodePEM("CERTIFICATE", selfSigned(t, ecKey(t, elliptic.P256()), today, today.Add(time.Hour))))
	for name, row := range map[string]struct{ text, want string }{
		"nothing":             {"", "no PEM block"},
		"no PEM":              {"pump-7", "no PEM block"},
		"a request":           {requestPEM(csr(t, ecKey(t, elliptic.P256()))), "another kind"},
		"a chain":             {good + good, "another PEM block"},
		"bytes that are none": {string(encodePEM("CERTIFICATE", []byte("pump-7"))), "cannot be read"},
		"RSA of 8193 bits":    {string(encodePEM("CERTIFICATE", tooLong)), "more than 8192 bits"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadDevice(row.text)
			if e := wantCode(t, err, job.CertificateValidation); !strings.Contains(e.Message, row.want) {
				t.Errorf("%q, want that it says %q", e.Message, row.want)
			}
		})
	}
}

func FuzzReadCSR(f *testing.F) {
	f.Add("-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n")
	f.Fuzz(func(t *testing.T, text string) {
		if r, err := readCSR(text); err == nil && unfit(r.PublicKey) != "" {
			t.Errorf("a key that is unfit: %T", r.PublicKey)
		} else if err != nil {
			wantCode(t, err, job.InvalidRequest)
		}
		if _, err := ReadDevice(text); err != nil {
			wantCode(t, err, job.CertificateValidation)
		}
	})
}

package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"path/filepath"
	"time"
)

// The files of a CA in the data folder. Devices and SDKs are given the first.
const (
	CAFile    = "ca.pem"
	CAKeyFile = "ca-key.pem"
)

const (
	serverValidity = 365 * 24 * time.Hour
	serverRenewal  = 30 * 24 * time.Hour // before the end
	backdate       = 24 * time.Hour      // for devices whose clock is behind
	maxPEM         = 64 << 10
)

// lastDay is when the CA and the certificates of devices end, as at AWS: the
// last moment that X.509 writes with two digits of a year, which is all that
// some devices read.
var lastDay = time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC)

// CA is the private certificate authority of one installation.
type CA struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// OpenCA loads the CA of a data folder, or makes one if there is none. It never
// replaces a key: a certificate without its key is an error, and a key without
// its certificate (a crash between the two writes) gets a new certificate.
func OpenCA(dir string, now time.Time) (ca *CA, created bool, err error) {
	keyPath, certPath := filepath.Join(dir, CAKeyFile), filepath.Join(dir, CAFile)
	_, certErr := readBounded(certPath, maxPEM)
	key, err := readKey(keyPath)
	switch {
	case errors.Is(err, fs.ErrNotExist) && errors.Is(certErr, fs.ErrNotExist):
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, false, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, false, err
		}
		if err := writeDurably(keyPath, encodePEM("PRIVATE KEY", der), 0o600); err != nil {
			return nil, false, err
		}
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, fmt.Errorf("%s is there but its key %s is not: restore the key from a backup, or remove %[1]s and every device must be given a new CA", certPath, keyPath)
	case err != nil:
		return nil, false, err
	}
	if errors.Is(certErr, fs.ErrNotExist) {
		ca, err := newCA(key, now)
		if err != nil {
			return nil, false, err
		}
		return ca, true, writeDurably(certPath, ca.PEM(), 0o644)
	}
	ca, err = loadCA(certPath, key, now)
	return ca, false, err
}

func newCA(key crypto.Signer, now time.Time) (*CA, error) {
	serial := newSerial()
	template := &x509.Certificate{
		SerialNumber: serial,
		// Two CAs must not have one name: a client that trusts both would pick by it.
		Subject:               pkix.Name{Organization: []string{"Drover"}, CommonName: "Drover CA " + hex.EncodeToString(serial.Bytes()[:4])},
		NotBefore:             now.Add(-backdate),
		NotAfter:              lastDay,
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &CA{cert: cert, key: key}, err
}

func loadCA(path string, key crypto.Signer, now time.Time) (*CA, error) {
	block, err := readPEM(path, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(block)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	switch {
	case !cert.IsCA:
		return nil, fmt.Errorf("%s is not the certificate of a CA", path)
	case !ok || !public.Equal(cert.PublicKey):
		return nil, fmt.Errorf("%s does not belong to the key %s beside it: restore both from one backup", path, CAKeyFile)
	case now.After(cert.NotAfter):
		return nil, fmt.Errorf("%s ended at %s: move it away and a new one is made with the same key; devices must be given it", path, cert.NotAfter.Format(time.RFC3339))
	}
	return &CA{cert: cert, key: key}, nil
}

// PEM is the CA's certificate, which clients must trust.
func (ca *CA) PEM() []byte { return encodePEM("CERTIFICATE", ca.cert.Raw) }

// Pool is a pool of this CA alone.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// issueServer makes a certificate for these DNS names and IP addresses, with a
// new key that only this process will ever know.
func (ca *CA) issueServer(hosts []string, now time.Time) (*tls.Certificate, error) {
	if len(hosts) == 0 {
		return nil, errors.New("a server certificate needs a host name or an IP address")
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{Organization: []string{"Drover"}, CommonName: commonName(hosts[0])},
		NotAfter:    now.Add(serverValidity),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf, err := ca.issue(template, key.Public(), now)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw, ca.cert.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// commonName cuts a host to the 64 characters of X.520; clients read the
// alternative names.
func commonName(host string) string { return host[:min(len(host), 64)] }

// DeviceKeys is a device's certificate with its keys. The private key is here and
// nowhere else.
type DeviceKeys struct {
	DeviceCertificate
	PublicKeyPEM  string
	PrivateKeyPEM string
}

// IssueDevice makes an RSA key of 2048 bits (registry-and-auth.md E.2) and a
// certificate for it. That takes a tenth of a second of a core, so it must not
// run inside a transaction.
func (ca *CA) IssueDevice(now time.Time) (DeviceKeys, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return DeviceKeys{}, err
	}
	template := deviceTemplate()
	template.Subject = pkix.Name{Organization: []string{"Drover"}, CommonName: "Drover device certificate"}
	leaf, err := ca.issue(template, key.Public(), now)
	if err != nil {
		return DeviceKeys{}, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return DeviceKeys{}, err
	}
	return DeviceKeys{
		DeviceCertificate: deviceCertificate(leaf, string(encodePEM("CERTIFICATE", leaf.Raw))),
		PublicKeyPEM:      string(encodePEM("PUBLIC KEY", public)),
		PrivateKeyPEM:     string(encodePEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))),
	}, nil
}

// deviceTemplate is what all certificates of devices have in common.
func deviceTemplate() *x509.Certificate {
	return &x509.Certificate{
		NotAfter:    lastDay,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

// issue signs a leaf; it ends no later than the CA.
func (ca *CA) issue(template *x509.Certificate, public crypto.PublicKey, now time.Time) (*x509.Certificate, error) {
	template.SerialNumber = newSerial()
	template.NotBefore = now.Add(-backdate)
	template.BasicConstraintsValid = true
	if template.NotAfter.After(ca.cert.NotAfter) {
		template.NotAfter = ca.cert.NotAfter
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, public, ca.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// newSerial is 127 random bits, the top one set: positive, and always 16 bytes.
func newSerial() *big.Int {
	var b [16]byte
	rand.Read(b[:]) // never fails, by its contract
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b[:])
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func readPEM(path, kind string) ([]byte, error) {
	text, err := readBounded(path, maxPEM)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s does not begin with a PEM block %q", path, kind)
	}
	return block.Bytes, nil
}

func readKey(path string) (crypto.Signer, error) {
	der, err := readPEM(path, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s holds a %T, which cannot sign", path, key)
	}
	return signer, nil
}

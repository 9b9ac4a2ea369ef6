package auth

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var today = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func openCA(t *testing.T, dir string) *CA {
	t.Helper()
	ca, _, err := OpenCA(dir, today)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestTheCAIsMadeOnceAndItsKeyIsNeverReplaced(t *testing.T) {
	dir := t.TempDir()
	certPath, keyPath := filepath.Join(dir, CAFile), filepath.Join(dir, CAKeyFile)
	first, created, err := OpenCA(dir, today)
	if err != nil || !created {
		t.Fatal(created, err)
	}
	if again, created, err := OpenCA(dir, today); err != nil || created || !again.cert.Equal(first.cert) {
		t.Fatal(created, err)
	}
	if info, err := os.Stat(keyPath); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info.Mode(), err)
	}
	if text, err := os.ReadFile(certPath); err != nil || string(text) != string(first.PEM()) {
		t.Fatal(err)
	}

	// A crash between the two writes leaves the key alone.
	if err := os.Remove(certPath); err != nil {
		t.Fatal(err)
	}
	second, created, err := OpenCA(dir, today)
	if err != nil || !created || second.cert.Equal(first.cert) || !second.cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool }).Equal(first.cert.PublicKey) {
		t.Fatal(created, err)
	}

	other := t.TempDir()
	openCA(t, other)
	refused := func(name, says string, now time.Time) {
		t.Helper()
		if _, _, err := OpenCA(dir, now); err == nil || !strings.Contains(err.Error(), says) {
			t.Fatalf("%s: %v does not say %q", name, err, says)
		}
	}
	refused("past its end", "ended at", lastDay.Add(time.Second))
	swap(t, keyPath, filepath.Join(other, CAKeyFile))
	refused("the key of another CA", "does not belong to the key", today)
	if err := os.WriteFile(keyPath, []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused("a torn key", "PEM block", today)
	if err := os.Remove(keyPath); err != nil {
		t.Fatal(err)
	}
	refused("no key", "restore the key", today)
}

func swap(t *testing.T, to, from string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// registry-and-auth.md E.1 and E.2, CreateKeysAndCertificate.
func TestADeviceGetsAnRSAKeyAndACertificateNamedByItsDER(t *testing.T) {
	ca := openCA(t, t.TempDir())
	device, err := ca.IssueDevice(today)
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode([]byte(device.PEM))
	sum := sha256.Sum256(block.Bytes)
	if block.Type != "CERTIFICATE" || len(rest) > 0 || device.ID != hex.EncodeToString(sum[:]) || len(device.ID) != 64 {
		t.Fatal(block.Type, device.ID)
	}
	pair, err := tls.X509KeyPair([]byte(device.PEM), []byte(device.PrivateKeyPEM))
	if err != nil {
		t.Fatal(err)
	}
	if key, ok := pair.PrivateKey.(*rsa.PrivateKey); !ok || key.N.BitLen() != 2048 || !strings.HasPrefix(device.PrivateKeyPEM, "-----BEGIN RSA PRIVATE KEY-----") {
		t.Fatalf("%T", pair.PrivateKey)
	}
	public, _ := pem.Decode([]byte(device.PublicKeyPEM))
	parsed, err := x509.ParsePKIXPublicKey(public.Bytes)
	if err != nil || !pair.PrivateKey.(*rsa.PrivateKey).PublicKey.Equal(parsed) {
		t.Fatal(err)
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), CurrentTime: today, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Fatal(err)
	}
	if !device.NotAfter.Equal(lastDay) || !device.NotBefore.Equal(pair.Leaf.NotBefore) {
		t.Fatal(device.NotBefore, device.NotAfter)
	}
	if other, err := ca.IssueDevice(today); err != nil || other.ID == device.ID {
		t.Fatal(other.ID, err)
	}
}

func TestTheServerIsKnownByItsHostsUnderItsCA(t *testing.T) {
	ca := openCA(t, t.TempDir())
	leaf, err := ca.issueServer([]string{"iot.example.com", "127.0.0.1", "::1"}, today)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{"iot.example.com": true, "127.0.0.1": true, "::1": true, "other.example.com": false, "127.0.0.2": false} {
		_, err := leaf.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: ca.Pool(), CurrentTime: today})
		if (err == nil) != want {
			t.Errorf("%s: %v", host, err)
		}
	}
	if _, err := ca.issueServer(nil, today); err == nil {
		t.Error("a certificate for no host was made")
	}
	late, err := ca.issueServer([]string{strings.Repeat("a", 63) + ".example.com"}, lastDay.Add(-time.Hour))
	if err != nil || late.Leaf.NotAfter.After(lastDay) {
		t.Error("a certificate outlives its CA", err)
	}
}

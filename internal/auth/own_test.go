package auth

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/auth/authtest"
)

func TestACertificateOfTheOperatorsOwnIsHeldAgainstItsFiles(t *testing.T) {
	a, b := authtest.New(t, "a"), authtest.New(t, "b")
	chain, key := a.Server(time.Now().Add(time.Hour), "iot.example.com")
	_, otherKey := a.Server(time.Now().Add(time.Hour), "iot.example.com")
	rootA, rootB := authtest.PEM(a.Root), authtest.PEM(b.Root)
	dir := t.TempDir()
	write := func(name string, parts ...[]byte) string { return authtest.Write(t, dir, name, bytes.Join(parts, nil)) }
	good := Files{Cert: write("chain", chain), Key: write("key", key)}
	with := func(change func(*Files)) Files { f := good; change(&f); return f }
	for _, row := range []struct {
		name  string
		files Files
		says  string // of the error; empty: good
		trust []byte
	}{
		{"a chain without its root", good, "", nil},
		{"a chain with its root", with(func(f *Files) { f.Cert = write("full", chain, rootA) }), "", rootA},
		{"a root beside it", with(func(f *Files) { f.CA = write("a.pem", rootA) }), "", rootA},
		{"several to trust, during a change of roots", with(func(f *Files) { f.CA = write("ab.pem", rootB, rootA) }), "", append(bytes.Clone(rootB), rootA...)},
		{"a leaf alone, with its issuer as what to trust", with(func(f *Files) {
			f.Cert, f.CA = write("leaf", chain[:bytes.LastIndex(chain, []byte("-----BEGIN"))]), write("i.pem", authtest.PEM(a.Intermediate))
		}), "", authtest.PEM(a.Intermediate)},

		{"no such file", with(func(f *Files) { f.Cert = filepath.Join(dir, "none") }), "no such file", nil},
		{"no such key", with(func(f *Files) { f.Key = filepath.Join(dir, "none") }), "no such file", nil},
		{"a folder", with(func(f *Files) { f.Cert = dir }), "not a regular file", nil},
		{"a file without end", with(func(f *Files) { f.Cert = write("long", make([]byte, maxChain+1)) }), "of at most", nil},
		{"no PEM", with(func(f *Files) { f.Cert = write("nonsense", []byte("hello")) }), "failed to find any PEM data", nil},
		{"the two the other way round", Files{Cert: good.Key, Key: good.Cert}, "switched", nil},
		{"the key of another", with(func(f *Files) { f.Key = write("other", otherKey) }), "does not match", nil},
		{"an encrypted key", with(func(f *Files) {
			f.Key = write("enc", []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"))
		}), "openssl pkey", nil},
		{"a damaged issuer", with(func(f *Files) {
			f.Cert = write("bad", chain[:bytes.LastIndex(chain, []byte("-----BEGIN"))], encodePEM("CERTIFICATE", []byte("x")))
		}), "malformed", nil},
		{"the root of another", with(func(f *Files) { f.CA = write("b.pem", rootB) }), "who trusts", nil},
		{"a root that is missing", with(func(f *Files) { f.CA = filepath.Join(dir, "none") }), "no such file", nil},
		{"a root file without a certificate", with(func(f *Files) { f.CA = write("empty", nil) }), "holds no certificate", nil},
		{"a root file with the root's key in it", with(func(f *Files) { f.CA = write("leak", rootA, key) }), "handed to everybody", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			own, err := LoadOwn(row.files, time.Now())
			if row.says != "" {
				if err == nil || !strings.Contains(err.Error(), row.says) {
					t.Fatalf("got %v, want an error that says %q", err, row.says)
				}
				if text, _ := os.ReadFile(row.files.Key); len(text) > 40 && strings.Contains(err.Error(), string(text[30:40])) {
					t.Errorf("the error repeats the key: %v", err)
				}
				return
			}
			if err != nil || !bytes.Equal(own.Trust(), row.trust) {
				t.Fatalf("%v, to trust:\n%s\nwant:\n%s", err, own.Trust(), row.trust)
			}
			if err := own.Valid(time.Now(), "iot.example.com"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWhatKeepsClientsFromTrustingAnOwnCertificateIsNamed(t *testing.T) {
	chain, key := authtest.New(t, "a").Server(time.Now().Add(-time.Hour), "iot.example.com")
	dir := t.TempDir()
	own, err := LoadOwn(Files{Cert: authtest.Write(t, dir, "chain", chain), Key: authtest.Write(t, dir, "key", key)}, time.Now())
	if err != nil || !own.Expired(time.Now()) || own.Expired(time.Now().Add(-2*time.Hour)) {
		t.Fatal(err, "want a certificate that has ended")
	}
	err = own.Valid(time.Now(), "elsewhere.example.com")
	if err == nil || !strings.Contains(err.Error(), "valid from") || !strings.Contains(err.Error(), "elsewhere.example.com") {
		t.Error(err)
	}
}

package app

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/auth/authtest"
	"github.com/drover-iot/drover/internal/cli"
)

// TestSIGHUPReloadsTheServersCertificate with the process as it is run: a
// connection that is open lives on, the next one sees the new certificate, and
// files that cannot be used change nothing.
func TestSIGHUPReloadsTheServersCertificate(t *testing.T) {
	t.Parallel()
	authority, dir := authtest.New(t, "corp"), t.TempDir()
	cert, key := dir+"/chain.pem", dir+"/key.pem"
	renew := func(name string) {
		c, k := authority.Server(time.Now().Add(time.Hour), "localhost", name)
		authtest.Write(t, dir, "chain.pem", c)
		authtest.Write(t, dir, "key.pem", k)
	}
	renew("first.example.com")
	p := drover(t, "serve", "--data", "data", "--advertise-host", "localhost", "--mqtts-addr", "127.0.0.1:0", "--https-addr", "127.0.0.1:0", "--admin-addr", "",
		"--tls-cert", cert, "--tls-key", key)
	addr := p.ready(t)["https"].(string)
	roots := x509.NewCertPool()
	roots.AddCert(authority.Root)
	dial := func() *tls.Conn {
		t.Helper()
		nc, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots, ServerName: "localhost"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		return nc
	}
	shown := func() string {
		nc := dial()
		defer nc.Close()
		return nc.ConnectionState().PeerCertificates[0].DNSNames[1]
	}
	// hup sends the signal and waits for the log to say that it was heard.
	hup := func(says string) {
		t.Helper()
		before := strings.Count(p.stderr.String(), says)
		if err := p.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(patience); strings.Count(p.stderr.String(), says) == before; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the log never says %q", says)
			}
		}
	}
	old := dial()
	renew("second.example.com")
	hup("was reloaded")
	if got := shown(); got != "second.example.com" {
		t.Errorf("after SIGHUP the door shows %s", got)
	}
	if err := os.WriteFile(key, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	hup("was not reloaded")
	if got := shown(); got != "second.example.com" {
		t.Errorf("after a reload that failed the door shows %s", got)
	}
	old.SetDeadline(time.Now().Add(patience))
	if _, err := old.Write([]byte("GET /ca.pem HTTP/1.1\r\nHost: localhost\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, len("HTTP/1.1 404"))
	if _, err := old.Read(answer); err != nil || string(answer) != "HTTP/1.1 404" { // the chain has no root
		t.Errorf("the connection from before is answered %q (%v)", answer, err)
	}
	if code, _ := p.signal(t, syscall.SIGTERM); code != cli.ExitOK {
		t.Errorf("exit code %d", code)
	}
}

func TestSIGHUPWithoutACertificateOfItsOwn(t *testing.T) {
	t.Parallel()
	serve := drover(t, "serve", "--data", "data", "--mqtts-addr", "127.0.0.1:0", "--https-addr", "127.0.0.1:0", "--admin-addr", "")
	serve.ready(t)
	if err := serve.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); !strings.Contains(serve.stderr.String(), "nothing to reload"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("serve does not say that it has nothing to reload")
		}
	}
	if code, _ := serve.signal(t, syscall.SIGTERM); code != cli.ExitOK {
		t.Errorf("serve, after a SIGHUP: exit code %d", code)
	}
	// dev ends with its terminal, and takes its folder away.
	dev := drover(t, "dev", "--mqtt-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0")
	dev.ready(t)
	if code, _ := dev.signal(t, syscall.SIGHUP); code != cli.ExitOK {
		t.Errorf("dev, ended by SIGHUP: exit code %d", code)
	}
	if left, err := os.ReadDir(dev.temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestACertificateThatCannotBeUsedEndsTheStartWithWhatToDo(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"a file that is not there": {"--tls-cert", "none.pem", "--tls-key", "none.key"},
		"a certificate alone":      {"--tls-cert", "none.pem"},
	} {
		p := drover(t, append([]string{"serve", "--data", "data", "--mqtts-addr", "127.0.0.1:0", "--https-addr", "127.0.0.1:0"}, args...)...)
		code, out := p.wait(t)
		if said := p.stderr.String(); code != cli.ExitUsage || out != "" || !strings.Contains(said, "Next: ") || !strings.Contains(said, "--tls-") {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", name, code, out, said)
		}
	}
}

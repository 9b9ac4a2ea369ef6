package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/cli"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// patience is how long a test waits for what must come; nothing asserts that it
// comes sooner.
const patience = 30 * time.Second

// devConfig is a dev on free ports, serveConfig a serve on a new folder.
func devConfig() Config {
	return Config{
		Dev: true, MQTTAddr: "127.0.0.1:0", HTTPAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0",
		AdvertiseHost: "localhost", Region: "us-east-1", Account: "000000000000", PendingLimit: 10,
	}
}

func serveConfig(t *testing.T) Config {
	return Config{
		Data: filepath.Join(t.TempDir(), "data"), MQTTSAddr: "127.0.0.1:0", HTTPSAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0",
		AdvertiseHost: "localhost", Hosts: []string{"localhost", "127.0.0.1"}, Region: "us-east-1", Account: "000000000000",
	}
}

// begin starts a server and ends it with the test.
func begin(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, s) })
	return s
}

func end(t *testing.T, s *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
}

// operator is a client of a server's control plane.
func operator(t *testing.T, s *Server) *cli.Client {
	t.Helper()
	return operatorTrusting(t, s, filepath.Join(s.cfg.Data, CAFile))
}

func operatorTrusting(t *testing.T, s *Server, ca string) *cli.Client {
	t.Helper()
	var c *cli.Client
	var err error
	if s.cfg.Dev {
		c = cli.NewClient(url.URL{Scheme: "http", Host: s.addrs.HTTP}, "us-east-1", cli.Keys{ID: "any", Secret: "key"})
	} else {
		env := map[string]string{"AWS_SHARED_CREDENTIALS_FILE": filepath.Join(s.cfg.Data, CredentialsFile), "AWS_CONFIG_FILE": os.DevNull}
		c, err = cli.Dial(cli.Connection{Endpoint: "https://" + s.addrs.HTTPS, Profile: "drover", CA: ca},
			func(name string) string { return env[name] })
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func createThing(t *testing.T, c *cli.Client, name string) iot.CreateThingOutput {
	t.Helper()
	var out iot.CreateThingOutput
	if err := c.Do(t.Context(), cli.Call{Operation: "CreateThing", Method: "POST", Path: "/things/" + name}, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func get(t *testing.T, target string) (status int, body string) {
	t.Helper()
	resp, err := http.Get(target)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestTheAdminDoorTellsHealthReadinessAndDurability(t *testing.T) {
	for name, row := range map[string]struct {
		cfg  Config
		want string
	}{
		"serve": {serveConfig(t), "wal/full"}, "dev without data": {devConfig(), "wal/off"},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, row.cfg)
			base := "http://" + s.Addrs().Admin
			for _, path := range []string{"/healthz", "/readyz", "/debug/pprof/cmdline"} {
				if status, body := get(t, base+path); status != http.StatusOK {
					t.Errorf("%s: %d %s", path, status, body)
				}
			}
			_, body := get(t, base+"/version")
			var v struct{ Durability string }
			if err := json.Unmarshal([]byte(body), &v); err != nil || v.Durability != row.want {
				t.Errorf("/version: %s, want durability %s", body, row.want)
			}
			s.draining.Store(true)
			if status, body := get(t, base+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "draining") {
				t.Errorf("/readyz while draining: %d %s", status, body)
			}
		})
	}
}

func TestOnlyTheDoorsThatWereAskedForAreOpen(t *testing.T) {
	cfg := devConfig()
	cfg.MQTTAddr, cfg.AdminAddr = "", ""
	a := begin(t, cfg).Addrs()
	if a.HTTP == "" || a != (Addrs{HTTP: a.HTTP}) {
		t.Errorf("%+v, want HTTP alone", a)
	}
	said, err := json.Marshal(a)
	if err != nil || string(said) != `{"http":"`+a.HTTP+`"}` {
		t.Errorf("%s (%v), want the open door alone", said, err)
	}
}

func TestWhatCannotBeMeantIsRefusedWithANextStep(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, row := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"MQTT in plaintext for everybody":     {func(c *Config) { c.MQTTAddr = "0.0.0.0:0" }, "--mqtt-addr 0.0.0.0:0: plaintext MQTT is for loopback only"},
		"MQTT in plaintext on every address":  {func(c *Config) { c.MQTTAddr = ":1883" }, "loopback only"},
		"HTTP in plaintext on a real address": {func(c *Config) { c.HTTPAddr = "192.0.2.1:80" }, "plaintext HTTP is for loopback only"},
		"HTTP in plaintext on a name":         {func(c *Config) { c.HTTPAddr = "example.com:80" }, "loopback only"},
		"HTTP in plaintext on IPv6":           {func(c *Config) { c.HTTPAddr = "[::]:80" }, "loopback only"},
		"an address without a port":           {func(c *Config) { c.HTTPAddr = "127.0.0.1" }, "expected HOST:PORT"},
		"plaintext on serve":                  {func(c *Config) { c.Dev, c.Data = false, t.TempDir() }, "plaintext MQTT exists only in drover dev"},
		"serve without a folder":              {func(c *Config) { c.Dev = false }, "needs a data folder"},
		"no door at all":                      {func(c *Config) { c.MQTTAddr, c.HTTPAddr = "", "" }, "all doors are closed"},
		"a port that is taken":                {func(c *Config) { c.HTTPAddr = taken.Addr().String() }, "address already in use"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := devConfig()
			row.change(&cfg)
			s, err := Start(t.Context(), cfg)
			if err == nil {
				end(t, s)
			}
			var wrong *ConfigError
			if !errors.As(err, &wrong) || !strings.Contains(wrong.Message, row.want) || wrong.Next == "" {
				t.Errorf("got %v, want a ConfigError with %q and a next step", err, row.want)
			}
		})
	}
}

func TestTwoServersNeverShareAFolder(t *testing.T) {
	cfg := serveConfig(t)
	first := begin(t, cfg)
	_, err := Start(t.Context(), cfg)
	var wrong *ConfigError
	if !errors.As(err, &wrong) || !strings.Contains(wrong.Message, "is in use by another drover, process ") {
		t.Fatalf("the second server: %v", err)
	}
	createThing(t, operator(t, first), "untouched") // the first is not harmed
	end(t, first)
	begin(t, cfg) // and lets go
}

func TestAStartThatFailsLeavesNothingBehind(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg := serveConfig(t)
	cfg.AdminAddr = taken.Addr().String() // fails after the store is open and other doors are bound
	if s, err := Start(t.Context(), cfg); err == nil {
		end(t, s)
		t.Fatal("a taken port was opened")
	}
	cfg.AdminAddr = "127.0.0.1:0"
	begin(t, cfg)
}

func TestARestartKeepsIdentityAndThings(t *testing.T) {
	cfg := serveConfig(t)
	s := begin(t, cfg)
	if !s.FirstStart() {
		t.Error("the first start does not say so")
	}
	ca, err := os.ReadFile(filepath.Join(cfg.Data, CAFile))
	if err != nil {
		t.Fatal(err)
	}
	before := createThing(t, operator(t, s), "pump-7")
	end(t, s)
	s = begin(t, cfg)
	if s.FirstStart() {
		t.Error("the second start says that it is the first")
	}
	if again, err := os.ReadFile(filepath.Join(cfg.Data, CAFile)); err != nil || string(again) != string(ca) {
		t.Errorf("the CA has changed (%v)", err)
	}
	// The same CA and key let the operator in, and the thing is the one it was.
	if after := createThing(t, operator(t, s), "pump-7"); after != before {
		t.Errorf("after the restart %+v, before %+v", after, before)
	}
}

func TestDevTakesItsTemporaryFolderAway(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s := begin(t, devConfig())
	if _, err := os.Stat(filepath.Join(s.folder.path, "drover.db")); err != nil {
		t.Error(err)
	}
	end(t, s)
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

// TestStartAndCloseUnderStress hammers the lifecycle: many servers at once, each
// closed by several at once, some while clients are connected, some whose start
// is given up. goleak sees what is left.
func TestStartAndCloseUnderStress(t *testing.T) {
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	var all sync.WaitGroup
	for i := range 3 {
		all.Go(func() {
			for round := range rounds {
				cfg := devConfig()
				s, err := Start(context.Background(), cfg)
				if err != nil {
					t.Error(err)
					return
				}
				if (i+round)%2 == 0 { // clients that say nothing, on every door
					for _, addr := range []string{s.addrs.MQTT, s.addrs.HTTP, s.addrs.Admin} {
						nc, err := net.Dial("tcp", addr)
						if err != nil {
							t.Error(err)
							continue
						}
						defer nc.Close()
					}
				}
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				var closing sync.WaitGroup
				for range 3 {
					closing.Go(func() {
						if err := s.Close(ctx); err != nil {
							t.Error(err)
						}
					})
				}
				closing.Wait()
				cancel()
			}
		})
	}
	all.Wait()
}

func TestARequestUnderWayIsAnsweredDuringTheDrain(t *testing.T) {
	s := begin(t, devConfig())
	nc, err := net.Dial("tcp", s.addrs.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	// The head of a request is read, its body is not there yet.
	_, err = io.WriteString(nc, "POST /things/late HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	_ = nc.SetDeadline(time.Now().Add(patience))
	first := make([]byte, len("HTTP/1.1 100"))
	if _, err := io.ReadFull(nc, first); err != nil || string(first) != "HTTP/1.1 100" {
		t.Fatalf("%q (%v), want the server to wait for the body", first, err)
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close(context.Background()) }()
	for !s.draining.Load() {
		time.Sleep(time.Millisecond)
	}
	if _, err := io.WriteString(nc, "{}"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(nc)
	if err != nil || !strings.Contains(string(answer), `"thingName":"late"`) {
		t.Errorf("the request under way: %q (%v)", answer, err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func TestADrainThatTakesTooLongCutsConnections(t *testing.T) {
	s := begin(t, devConfig())
	nc, err := net.Dial("tcp", s.addrs.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := io.WriteString(nc, "POST /things/never HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(nc, make([]byte, len("HTTP/1.1 100"))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Close(ctx); err == nil || !strings.Contains(err.Error(), "the http door was cut") {
		t.Errorf("Close says %v, want that a request was cut", err)
	}
	s.closeErr = nil // the test's own cleanup has nothing to complain of
}

func TestTheLogNeverHoldsTheSecret(t *testing.T) {
	var log strings.Builder
	var mu sync.Mutex
	cfg := serveConfig(t)
	cfg.Log = slog.New(slog.NewJSONHandler(lockedWriter{&mu, &log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := begin(t, cfg)
	createThing(t, operator(t, s), "pump-7")
	mu.Lock()
	defer mu.Unlock()
	if strings.Contains(log.String(), s.identity.key.Secret) || !strings.Contains(log.String(), "ready") {
		t.Errorf("the log: %s", log.String())
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// trust is a client's TLS that trusts a server's CA.
func trust(t *testing.T, s *Server) *tls.Config {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(s.identity.ca.PEM()) {
		t.Fatal("the CA is no PEM")
	}
	return &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}
}

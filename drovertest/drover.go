package drovertest

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/drover-iot/drover/internal/clock"
	"github.com/drover-iot/drover/internal/server"
)

// TB is what a Drover needs of a test: *testing.T, *testing.B, or what another
// framework has in their place.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

// Drover is a running service. Its addresses are on loopback, and nobody is asked
// for credentials.
type Drover struct {
	MQTT    string // host:port of MQTT 3.1.1 and 5; the client id is the thing's name
	HTTP    string // URL of the HTTP operations of both planes
	Region  string
	Account string

	t        TB
	server   *server.Server
	http     *http.Client
	patience time.Duration
}

// Option changes how a Drover starts.
type Option func(*options)

type options struct {
	server.Config
	at       time.Time
	real     bool
	patience time.Duration
	log      bool
}

// At has the clock stand at t at first, in place of the second in which the test
// began: for tests whose output has times in it.
func At(t time.Time) Option { return func(o *options) { o.at = t } }

// RealTime has the clock go by itself; then Advance fails the test.
func RealTime() Option { return func(o *options) { o.real = true } }

// AutoThings registers a thing at its first request.
func AutoThings() Option { return func(o *options) { o.AutoThings = true } }

// RolloutPerMinute is how many executions of a job that does not say are handed
// out in a minute; 0 is without limit. AWS's, and the default, is 1000.
func RolloutPerMinute(n int64) Option {
	return func(o *options) { o.RolloutDefault, o.RolloutMax = n, n }
}

// PendingLimit is how many pending executions a device sees; 0 is all. The
// default, as AWS's, is 10.
func PendingLimit(n int) Option { return func(o *options) { o.PendingLimit = n } }

// Patience is how long the test waits, in real time, for a state that must come.
// The default is a minute; the end of the test's own time ends it sooner.
func Patience(d time.Duration) Option { return func(o *options) { o.patience = d } }

// Log writes what the service logs into the test's output.
func Log() Option { return func(o *options) { o.log = true } }

// How long a service may take to start and to end, in real time.
const (
	startTime = 30 * time.Second
	endTime   = 30 * time.Second
)

// Start runs a Drover until the test ends.
func Start(t TB, opts ...Option) *Drover {
	t.Helper()
	o := options{
		Config: server.Config{
			Dev: true, MQTTAddr: "127.0.0.1:0", HTTPAddr: "127.0.0.1:0", AdvertiseHost: "localhost",
			Region: "us-east-1", Account: "000000000000",
			PendingLimit: 10, RolloutDefault: 1000, RolloutMax: 1000,
		},
		at: time.Now().UTC().Truncate(time.Second), patience: time.Minute,
	}
	for _, change := range opts {
		change(&o)
	}
	if !o.real {
		o.Clock = clock.NewVirtual(o.at)
	}
	if o.log {
		o.Config.Log = slog.New(slog.NewTextHandler(logWriter{t}, nil))
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	srv, err := server.Start(ctx, o.Config)
	if err != nil {
		t.Fatalf("drovertest: the service does not start: %v", err)
	}
	d := &Drover{
		MQTT: srv.Addrs().MQTT, HTTP: "http://" + srv.Addrs().HTTP, Region: o.Region, Account: o.Account,
		t: t, server: srv, http: &http.Client{Transport: &http.Transport{}}, patience: o.patience,
	}
	t.Cleanup(d.close)
	return d
}

func (d *Drover) close() {
	d.http.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	if err := d.server.Close(ctx); err != nil {
		d.t.Errorf("drovertest: the end of the service: %v", err)
	}
}

// logWriter puts lines of a log into a test's output.
type logWriter struct{ t TB }

func (w logWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}

// AWS is what a client of AWS needs to know: with aws-sdk-go-v2,
//
//	aws.Config{
//		Region:       a.Region,
//		BaseEndpoint: aws.String(a.Endpoint),
//		Credentials:  credentials.NewStaticCredentialsProvider(a.AccessKeyID, a.SecretAccessKey, ""),
//		HTTPClient:   a.HTTPClient,
//	}
//
// serves for iot and iotjobsdataplane alike.
type AWS struct {
	Endpoint                     string
	Region                       string
	AccessKeyID, SecretAccessKey string // any will do
	HTTPClient                   *http.Client
}

// AWS tells a client of AWS where and who it is.
func (d *Drover) AWS() AWS {
	return AWS{Endpoint: d.HTTP, Region: d.Region, AccessKeyID: "drovertest", SecretAccessKey: "drovertest", HTTPClient: d.http}
}

package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/drover-iot/drover/internal/cli"
	"github.com/drover-iot/drover/internal/clock"
	"github.com/drover-iot/drover/internal/server"
)

// dev runs a server for one developer's machine.
type dev struct {
	Data          string `help:"Folder to keep everything in, on disk before it is acknowledged, as serve does. Without it all is gone at the end." placeholder:"DIR"`
	MQTTAddr      string `name:"mqtt-addr" help:"MQTT, plaintext, loopback only; empty closes it." default:"127.0.0.1:1883" group:"doors"`
	HTTPAddr      string `name:"http-addr" help:"HTTP and MQTT over WebSocket (/mqtt), plaintext, loopback only; empty closes it." default:"127.0.0.1:8080" group:"doors"`
	MQTTSAddr     string `name:"mqtts-addr" help:"MQTT over TLS, with certificates as on serve; closed if not set." placeholder:"HOST:PORT" group:"doors"`
	HTTPSAddr     string `name:"https-addr" help:"HTTPS; closed if not set." placeholder:"HOST:PORT" group:"doors"`
	AdminAddr     string `help:"Health, version and profiles; closed if not set." placeholder:"HOST:PORT" group:"doors"`
	AdvertiseHost string `help:"Host that DescribeEndpoint tells." default:"localhost" group:"doors"`
	AutoThings    bool   `help:"Register a thing at its first request." group:"jobs"`
	tlsFlags
	Clock   string `help:"real; or virtual: time stands still until POST /drover/v1/clock/advance moves it." enum:"real,virtual" default:"real" group:"time"`
	ClockAt string `help:"Where the virtual clock stands at first, RFC 3339; now if not set." placeholder:"TIME" group:"time"`
	jobFlags
}

// Help is what `drover dev --help` teaches.
func (dev) Help() string {
	return `Point firmware at it: the client id is the thing's name and no certificate is
needed. Any access key is taken and nobody is refused anything. Examples:

	drover dev                                                  all the defaults
	drover dev --auto-things                                    no thing needs registering
	drover dev --data ./state                                   keep it, and be durable
	drover dev --mqtt-addr 127.0.0.1:0 --http-addr 127.0.0.1:0  free ports, for tests
	drover dev --clock virtual                                  make seven days pass in a second

On a virtual clock:

	curl -d '{"by":"45m"}' http://127.0.0.1:8080/drover/v1/clock/advance

MQTT over WebSocket is at ws://127.0.0.1:8080/mqtt; a web page may use it, and the
API, if it comes from localhost.

When its doors are open it prints one line of JSON on stdout, with the address of
each, and lines to try on stderr. Ctrl-C ends it.`
}

// Run serves until the context ends.
func (c *dev) Run(ctx context.Context, s cli.Streams) error {
	cfg := server.Config{
		Dev: true, Data: c.Data,
		MQTTAddr: c.MQTTAddr, HTTPAddr: c.HTTPAddr, MQTTSAddr: c.MQTTSAddr, HTTPSAddr: c.HTTPSAddr, AdminAddr: c.AdminAddr,
		AdvertiseHost: c.AdvertiseHost, Hosts: hosts(c.AdvertiseHost, c.MQTTSAddr, c.HTTPSAddr),
		AutoThings: c.AutoThings,
	}
	c.tlsFlags.apply(&cfg)
	c.jobFlags.apply(&cfg, s)
	if c.Clock == "virtual" {
		at, err := c.clockAt()
		if err != nil {
			return err
		}
		cfg.Clock = clock.NewVirtual(at)
	}
	return runServer(ctx, cfg, s, func(srv *server.Server) { c.tryIt(s, srv.Addrs()) })
}

// Validate is called by kong when the flags are read.
func (c *dev) Validate() error {
	if c.ClockAt != "" && c.Clock != "virtual" {
		return errors.New("--clock-at is for --clock virtual: the real clock stands where it stands")
	}
	_, err := c.clockAt()
	return errors.Join(err, c.jobFlags.Validate())
}

func (c *dev) clockAt() (time.Time, error) {
	if c.ClockAt == "" {
		return time.Now().UTC().Truncate(time.Second), nil
	}
	at, err := time.Parse(time.RFC3339Nano, c.ClockAt)
	if err != nil || at.Unix() < 1 {
		return at, fmt.Errorf("--clock-at %q: expected RFC 3339, such as 2026-01-31T09:00:00Z", c.ClockAt)
	}
	return at.UTC(), nil
}

// tryIt prints lines to copy, with the ports that were really opened.
func (c *dev) tryIt(s cli.Streams, a server.Addrs) {
	if a.HTTP == "" || a.MQTT == "" {
		return
	}
	host, port, _ := net.SplitHostPort(a.MQTT)
	fmt.Fprintf(s.Err, `
drover dev is ready. Try it:

  # hear of jobs, as the device pump-7
  mosquitto_sub -h %[1]s -p %[2]s -i pump-7 -q 1 -v -t '$aws/things/pump-7/jobs/notify-next'

  # register pump-7 and give it a job, as an operator
  export AWS_ACCESS_KEY_ID=dev AWS_SECRET_ACCESS_KEY=dev AWS_DEFAULT_REGION=%[3]s AWS_ENDPOINT_URL=http://%[4]s
  aws iot create-thing --thing-name pump-7
  aws iot create-job --job-id fw-42 --document '{"operation":"ota"}' \
      --targets arn:aws:iot:%[3]s:%[5]s:thing/pump-7

  # watch it
  aws iot describe-job --job-id fw-42

`, host, port, c.Region, a.HTTP, c.Account)
}

package app

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/drover-iot/drover/internal/cli"
	"github.com/drover-iot/drover/internal/server"
)

// serve runs the server of a fleet.
type serve struct {
	Data          string `help:"Folder of everything that is kept; made at the first start." default:"./drover-data"`
	MQTTSAddr     string `name:"mqtts-addr" help:"MQTT over TLS, for devices with a certificate." default:":8883" group:"doors"`
	HTTPSAddr     string `name:"https-addr" help:"HTTPS: the control plane and the jobs data plane." default:":8443" group:"doors"`
	AdminAddr     string `help:"Health, version and profiles, for this machine alone; empty closes it." default:"127.0.0.1:9091" group:"doors"`
	AdvertiseHost string `help:"Host that DescribeEndpoint tells and that the server's certificate is for; this machine's name if not set." placeholder:"HOST" group:"doors"`
	jobFlags
}

// Help is what `drover serve --help` teaches.
func (serve) Help() string {
	return `The first start makes the folder, a certificate authority and an access key, and
says where they are:

	DIR/ca.pem        what devices and clients check the server against: hand it out
	DIR/credentials   an AWS credentials file, profile drover: keep it to yourself

Then any AWS client works, for instance:

	export AWS_SHARED_CREDENTIALS_FILE=drover-data/credentials AWS_PROFILE=drover AWS_DEFAULT_REGION=us-east-1
	export AWS_CA_BUNDLE=drover-data/ca.pem AWS_ENDPOINT_URL=https://localhost:8443
	drover thing create pump-7 --cert-out ./pump-7
	aws iot create-job --job-id fw-42 --document '{"operation":"ota"}' \
	    --targets arn:aws:iot:us-east-1:000000000000:thing/pump-7

When its doors are open the server prints one line of JSON on stdout, with the
address of each. Port 0 picks a free port. SIGTERM and SIGINT drain and end it.
Each flag can also come from its variable, or from a file (--config):

	mqtts-addr: 0.0.0.0:8883
	pending-limit: 15`
}

// Run serves until the context ends.
func (c *serve) Run(ctx context.Context, s cli.Streams) error {
	host := c.AdvertiseHost
	if host == "" {
		host = hostName()
	}
	cfg := server.Config{
		Data: c.Data, MQTTSAddr: c.MQTTSAddr, HTTPSAddr: c.HTTPSAddr, AdminAddr: c.AdminAddr,
		AdvertiseHost: host, Hosts: hosts(host, c.MQTTSAddr, c.HTTPSAddr),
	}
	c.apply(&cfg, s)
	return runServer(ctx, cfg, s, func(srv *server.Server) {
		if !srv.FirstStart() {
			return
		}
		ca, credentials := filepath.Join(c.Data, server.CAFile), filepath.Join(c.Data, server.CredentialsFile)
		fmt.Fprintf(s.Err, `
This is the first start. Drover has made
  %s         the CA certificate: give it to devices and clients
  %s    an access key, profile drover: keep it to yourself

Try it:
  export AWS_SHARED_CREDENTIALS_FILE=%s AWS_PROFILE=drover AWS_DEFAULT_REGION=%s
  export AWS_CA_BUNDLE=%s AWS_ENDPOINT_URL=https://%s
  drover thing create pump-7 --cert-out ./pump-7

`, ca, credentials, credentials, c.Region, ca, reachable(srv.Addrs().HTTPS))
	})
}

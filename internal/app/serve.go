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
	HTTPSAddr     string `name:"https-addr" help:"HTTPS: the control plane, the jobs data plane, publish, and MQTT: over WebSocket at /mqtt, or by ALPN x-amzn-mqtt-ca." default:":8443" group:"doors"`
	AdminAddr     string `help:"Health, version and profiles, for this machine alone; empty closes it." default:"127.0.0.1:9091" group:"doors"`
	AdvertiseHost string `help:"Host that DescribeEndpoint tells and that the server's certificate is for; this machine's name if not set." placeholder:"HOST" group:"doors"`
	tlsFlags
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
	pending-limit: 15

With a certificate of your own (certbot, cert-manager, your company's CA), after
each renewal:

	drover serve --advertise-host iot.example.com --tls-cert fullchain.pem --tls-key privkey.pem
	kill -HUP PID                 or ExecReload=kill -HUP $MAINPID

New connections see the new certificate and nobody is dropped; files that cannot be
used are logged, and the old certificate stays. Name the root with --tls-ca if your
devices do not know it: GET /ca.pem then hands it out. Certificates of devices are
still made by, or registered with, Drover.`
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
	c.tlsFlags.apply(&cfg)
	c.jobFlags.apply(&cfg, s)
	return runServer(ctx, cfg, s, func(srv *server.Server) {
		if !srv.FirstStart() {
			return
		}
		ca, credentials := filepath.Join(c.Data, server.CAFile), filepath.Join(c.Data, server.CredentialsFile)
		bundle, hand := "AWS_CA_BUNDLE="+ca+" ", "give it to devices and clients"
		if c.TLSCert != "" {
			hand = "it signs the certificates of devices"
			if bundle = ""; c.TLSCA != "" {
				bundle = "AWS_CA_BUNDLE=" + c.TLSCA + " "
			}
		}
		fmt.Fprintf(s.Err, `
This is the first start. Drover has made
  %s         the CA certificate: %s
  %s    an access key, profile drover: keep it to yourself

Try it:
  export AWS_SHARED_CREDENTIALS_FILE=%s AWS_PROFILE=drover AWS_DEFAULT_REGION=%s
  export %sAWS_ENDPOINT_URL=https://%s
  drover thing create pump-7 --cert-out ./pump-7

`, ca, hand, credentials, credentials, c.Region, bundle, reachable(srv.Addrs().HTTPS))
	})
}

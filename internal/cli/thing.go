package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"

	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/wire/iot"
)

type thingCommands struct {
	Create createThing `cmd:"" help:"Register a thing and, with --cert-out, give it a certificate."`
}

type createThing struct {
	Name    string `arg:"" help:"Name of the thing: 1 to 128 of a-z A-Z 0-9 : _ -"`
	CertOut string `help:"Folder for the thing's certificate, keys and the server's CA; made if it is not there." placeholder:"DIR"`
	Force   bool   `help:"Overwrite files that are there."`
	Connection
	Output
}

// Help is what `drover thing create --help` teaches.
func (createThing) Help() string {
	return `Without --cert-out it only registers the name, which is all that a device of
drover dev needs. With it the thing gets an ACTIVE certificate of the server's own
CA (CreateThing, CreateKeysAndCertificate, AttachThingPrincipal) and the folder gets

	NAME.cert.pem      the certificate
	NAME.private.key   its private key, readable by you alone; the server keeps no copy
	NAME.public.key    its public key
	ca.pem             the CA that the device checks the server against

Examples:

	export AWS_SHARED_CREDENTIALS_FILE=drover-data/credentials AWS_PROFILE=drover
	drover thing create pump-7 --cert-out ./pump-7 --endpoint https://localhost:8443 --ca drover-data/ca.pem

	drover thing create pump-7 --endpoint http://127.0.0.1:8080      # drover dev`
}

// created is what thing create prints with --output json.
type created struct {
	ThingName      registry.Name `json:"thingName"`
	ThingARN       string        `json:"thingArn"`
	ThingID        string        `json:"thingId"`
	CertificateARN string        `json:"certificateArn,omitempty"`
	CertificateID  string        `json:"certificateId,omitempty"`
	Files          *deviceFiles  `json:"files,omitempty"`
}

// Run registers the thing.
func (c *createThing) Run(ctx context.Context, s Streams) error {
	name := registry.Name(c.Name)
	if !name.Valid() {
		return usage(fmt.Sprintf("%q cannot name a thing: expected 1 to 128 of a-z A-Z 0-9 : _ -", c.Name), "Choose another name.")
	}
	client, err := Dial(c.Connection, s.Env)
	if err != nil {
		return err
	}
	defer client.Close()
	var files *deviceFiles
	if c.CertOut != "" {
		if files, err = reserve(c.CertOut, c.Name, c.Force); err != nil {
			return err
		}
		defer files.release()
	}
	var thing iot.CreateThingOutput
	if err := client.Do(ctx, Call{Operation: "CreateThing", Method: http.MethodPost, Path: "/things/" + url.PathEscape(c.Name)}, &thing); err != nil {
		return existing(err, c.Name)
	}
	done := created{ThingName: name, ThingARN: thing.ThingARN, ThingID: thing.ThingID}
	if files != nil {
		if err := client.certify(ctx, c.Name, files, &done); err != nil {
			return err
		}
	}
	return c.report(ctx, client, s, done)
}

// existing adds the way out to a name that is taken by a thing with other attributes.
func existing(err error, name string) error {
	var f *Failure
	var api *APIError
	if errors.As(err, &f) && errors.As(err, &api) && api.Status == http.StatusConflict {
		f.Next = "Choose another name, or look at the thing: aws iot describe-thing --thing-name " + name
	}
	return err
}

// certify makes a certificate, keeps it in files and attaches it. The key is
// written before the certificate is attached, since it is sent only once.
func (c *Client) certify(ctx context.Context, thing string, files *deviceFiles, done *created) error {
	var cert iot.CreateKeysAndCertificateOutput
	call := Call{Operation: "CreateKeysAndCertificate", Method: http.MethodPost, Path: "/keys-and-certificate", Query: url.Values{"setAsActive": {"true"}}}
	if err := c.Do(ctx, call, &cert); err != nil {
		return err
	}
	if cert.KeyPair == nil {
		return &Failure{Exit: ExitFailed, Message: "CreateKeysAndCertificate answered without a key pair.", Next: "Check that the endpoint is a Drover server."}
	}
	ca, err := c.ca(ctx)
	if err != nil {
		return err
	}
	if err := files.write(cert.CertificatePEM, cert.KeyPair.PrivateKey, cert.KeyPair.PublicKey, ca); err != nil {
		return err
	}
	done.CertificateARN, done.CertificateID, done.Files = cert.CertificateARN, cert.CertificateID, files
	attach := Call{
		Operation: "AttachThingPrincipal", Method: http.MethodPut, Path: "/things/" + url.PathEscape(thing) + "/principals",
		Header: http.Header{"X-Amzn-Principal": {cert.CertificateARN}},
	}
	if err := c.Do(ctx, attach, nil); err != nil {
		return &Failure{
			Exit: ExitCode(err), Cause: err,
			Message: "The certificate was made and written, but not attached: " + err.Error(),
			Next:    "aws iot attach-thing-principal --thing-name " + thing + " --principal " + cert.CertificateARN,
		}
	}
	return nil
}

// report prints what was made: the data on stdout, a line to try on stderr.
func (c *createThing) report(ctx context.Context, client *Client, s Streams, done created) error {
	if c.Form == "json" {
		return writeJSON(s.Out, done)
	}
	fmt.Fprintf(s.Out, "thing        %s\n             %s\n", done.ThingName, done.ThingARN)
	if done.Files == nil {
		return nil
	}
	f := done.Files
	fmt.Fprintf(s.Out, "certificate  %s\n", done.CertificateID)
	fmt.Fprintf(s.Out, "files        %s\n             %s  (private key, yours alone)\n             %s\n             %s\n", f.Certificate, f.PrivateKey, f.PublicKey, f.CA)
	if client.endpoint.Scheme == "http" {
		return nil // drover dev has no TLS door to try it on
	}
	fmt.Fprintf(s.Err, "\nTry it (8883 unless the server has another --mqtts-addr):\n\n"+
		"  mosquitto_sub --cafile %s --cert %s --key %s \\\n    -h %s -p 8883 -i %s -q 1 -v -t '$aws/things/%s/jobs/notify-next'\n",
		shellQuote(f.CA), shellQuote(f.Certificate), shellQuote(f.PrivateKey), client.host(ctx), done.ThingName, done.ThingName)
	return nil
}

// host is the host that devices connect to: DescribeEndpoint's, else the
// endpoint's own.
func (c *Client) host(ctx context.Context) string {
	var out iot.DescribeEndpointOutput
	call := Call{Operation: "DescribeEndpoint", Method: http.MethodGet, Path: "/endpoint", Query: url.Values{"endpointType": {"iot:Data-ATS"}}}
	if err := c.Do(ctx, call, &out); err != nil || out.EndpointAddress == "" {
		return c.endpoint.Hostname()
	}
	if host, _, err := net.SplitHostPort(out.EndpointAddress); err == nil {
		return host
	}
	return out.EndpointAddress
}

// paths of what thing create writes.
func pathsIn(dir, thing string) *deviceFiles {
	return &deviceFiles{
		Certificate: filepath.Join(dir, thing+".cert.pem"),
		PrivateKey:  filepath.Join(dir, thing+".private.key"),
		PublicKey:   filepath.Join(dir, thing+".public.key"),
		CA:          filepath.Join(dir, "ca.pem"),
	}
}

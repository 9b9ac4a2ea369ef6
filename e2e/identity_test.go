package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	iottypes "github.com/aws/aws-sdk-go-v2/service/iot/types"
)

// papers are what a device maker brings along: a request for a certificate and
// certificates of its own, as files.
type papers struct {
	dir          string
	key          *ecdsa.PrivateKey
	der          []byte // of own.pem
	registeredID string // what Drover will call it
}

func newPapers(t *testing.T) papers {
	t.Helper()
	p := papers{dir: t.TempDir()}
	var err error
	if p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	weak, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	strong, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	subject := pkix.Name{CommonName: "pump-7", Organization: []string{"Waterworks"}}
	for name, key := range map[string]any{"request.pem": p.key, "rsa-request.pem": strong, "weak.pem": weak} {
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: subject}, key)
		if err != nil {
			t.Fatal(err)
		}
		p.write(t, name, "CERTIFICATE REQUEST", der)
		if name == "request.pem" {
			der[len(der)-1] ^= 1
			p.write(t, "forged.pem", "CERTIFICATE REQUEST", der)
		}
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: subject, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(9, 0, 0)}
	if p.der, err = x509.CreateCertificate(rand.Reader, template, template, p.key.Public(), p.key); err != nil {
		t.Fatal(err)
	}
	p.write(t, "own.pem", "CERTIFICATE", p.der)
	p.write(t, "none.pem", "CERTIFICATE", []byte("none"))
	sum := sha256.Sum256(p.der)
	p.registeredID = hex.EncodeToString(sum[:])
	return p
}

func (p papers) write(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(filepath.Join(p.dir, name), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (p papers) text(t *testing.T, name string) *string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return aws.String(string(text))
}

// TestAWSCLIIdentity runs the chapters of identity_table_test.go, one after the
// other, on `serve`, where a certificate is worth something; TestBoto3Identity
// has both.
func TestAWSCLIIdentity(t *testing.T) {
	cli := need(t, "aws")
	t.Parallel()
	s, p := start(t, "serve"), newPapers(t)
	known := []string{"{files}", "file://" + p.dir, "{own}", p.registeredID}
	for _, part := range identityChapters {
		t.Run(part.name, func(t *testing.T) {
			for i, c := range part.commands {
				fill := strings.NewReplacer(known...)
				c.run, c.want = fill.Replace(c.run), fill.Replace(c.want)
				id, err := s.tryAndSave(t, cli, c)
				if err != nil {
					t.Fatalf("%d: aws %s\n%v", i+1, c.run, err)
				}
				if c.save != "" {
					known = append(known, "{"+c.save+"}", id)
				}
			}
		})
	}
}

// tryAndSave is try for a command whose certificateId others need.
func (s *server) tryAndSave(t *testing.T, cli string, c command) (id string, err error) {
	t.Helper()
	if c.save == "" {
		return "", s.try(t, cli, c)
	}
	out, err := s.aws(t, cli, words(c.run)...)
	if err != nil {
		return "", err
	}
	var made struct {
		CertificateID string `json:"certificateId"`
	}
	return made.CertificateID, errors.Join(match(c.want, out), json.Unmarshal(out, &made))
}

// A connection lives as long as its certificate may do what it did
// (registry-and-auth.md E.2, Deactivation).
func TestPahoALiveConnectionEndsWithItsCertificate(t *testing.T) {
	s := start(t, "serve")
	control := s.control(t)
	s.newThing(t, "bystander")
	for _, protocol := range protocols {
		for _, row := range []struct {
			cause  string
			change func(t *testing.T, thing, id, arn *string) error
			back   bool // it may connect again
		}{
			{"deactivation", func(t *testing.T, _, id, _ *string) error {
				_, err := control.UpdateCertificate(t.Context(), &iot.UpdateCertificateInput{CertificateId: id, NewStatus: iottypes.CertificateStatusInactive})
				return err
			}, false},
			{"revocation", func(t *testing.T, _, id, _ *string) error {
				_, err := control.UpdateCertificate(t.Context(), &iot.UpdateCertificateInput{CertificateId: id, NewStatus: iottypes.CertificateStatusRevoked})
				return err
			}, false},
			{"detachment", func(t *testing.T, thing, _, arn *string) error {
				_, err := control.DetachThingPrincipal(t.Context(), &iot.DetachThingPrincipalInput{ThingName: thing, Principal: arn})
				return err
			}, true},
		} {
			t.Run("paho "+protocol+" "+row.cause, func(t *testing.T) {
				thing := "pump-" + protocol + "-" + row.cause
				thing = strings.ReplaceAll(thing, ".", "-")
				s.newThing(t, thing)
				principals, err := control.ListThingPrincipals(t.Context(), &iot.ListThingPrincipalsInput{ThingName: &thing})
				if err != nil || len(principals.Principals) != 1 {
					t.Fatalf("%+v, %v", principals, err)
				}
				principal := principals.Principals[0]
				id := principal[strings.LastIndex(principal, "/")+1:]
				other := s.connect(t, "bystander", session{protocol: protocol})
				d := s.connect(t, thing, session{protocol: protocol})
				d.listen(t, "notify-next")
				d.quiet(t)

				if err := row.change(t, &thing, &id, &principal); err != nil {
					t.Fatal(err)
				}
				lost := d.expectLost(t)
				if protocol == "5" && !strings.Contains(lost.Error(), "0x87") {
					t.Errorf("got %v, want DISCONNECT 0x87", lost)
				}
				other.quiet(t)

				again := &device{thing: thing, inbox: make(chan message, 8), lost: make(chan error, 8)}
				connect := again.connect3
				if protocol == "5" {
					connect = again.connect5
				}
				err = connect(t, s, session{protocol: protocol, clientID: thing})
				if (err == nil) != row.back {
					t.Errorf("it connects again: %v, want %v (%v)", err == nil, row.back, err)
				}
				if err == nil {
					defer again.close()
					if err := again.subscribe(again.topic("notify-next")); err == nil {
						t.Error("it is granted the topics of a thing that it was detached from")
					}
				}
			})
		}
	}
}

// A device with a key of its own does a job, with a certificate that was made
// for its request and with one that it brought along.
func TestADeviceBringsItsOwnKey(t *testing.T) {
	s := start(t, "serve")
	ctx, control, p := t.Context(), s.control(t), newPapers(t)
	made, err := control.CreateCertificateFromCsr(ctx, &iot.CreateCertificateFromCsrInput{CertificateSigningRequest: p.text(t, "request.pem"), SetAsActive: true})
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(*made.CertificatePem))
	registered, err := control.RegisterCertificateWithoutCA(ctx, &iot.RegisterCertificateWithoutCAInput{
		CertificatePem: p.text(t, "own.pem"), Status: iottypes.CertificateStatusActive,
	})
	if err != nil {
		t.Fatal(err)
	}
	if leaf, err := x509.ParseCertificate(block.Bytes); err != nil || leaf.Subject.String() != "CN=pump-7,O=Waterworks" {
		t.Errorf("the subject is %v (%v), want that of the request", leaf.Subject, err)
	}
	for _, row := range []struct {
		name, thing string
		der         []byte
		arn         *string
	}{
		{"made for its request", "by-request", block.Bytes, made.CertificateArn},
		{"brought along", "by-register", p.der, registered.CertificateArn},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, err := control.CreateThing(ctx, &iot.CreateThingInput{ThingName: &row.thing}); err != nil {
				t.Fatal(err)
			}
			if _, err := control.AttachThingPrincipal(ctx, &iot.AttachThingPrincipalInput{
				ThingName: &row.thing, Principal: row.arn, ThingPrincipalType: iottypes.ThingPrincipalTypeExclusiveThing,
			}); err != nil {
				t.Fatal(err)
			}
			s.writePapers(t, row.thing, row.der, p.key)
			s.createJob(t, "for-"+row.thing, row.thing)
			d := s.connect(t, row.thing, session{protocol: "3.1.1"})
			eventually(t, func() error { return match(`["QUEUED"]`, s.statuses(t, "for-"+row.thing)) })
			d.ask(t, "for-"+row.thing+"/update", `{"status":"SUCCEEDED"}`)
			d.expect(t, "for-"+row.thing+"/update/accepted", `{"timestamp":"$seconds"}`)
		})
	}
}

// writePapers puts a certificate and its key where connect looks for them.
func (s *server) writePapers(t *testing.T, thing string, der []byte, key *ecdsa.PrivateKey) {
	t.Helper()
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(s.certs(), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{
		s.certFile(thing): {Type: "CERTIFICATE", Bytes: der}, s.keyFile(thing): {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// device-plane.md 5.2: a bad client certificate is an answer over HTTPS, also on
// a connection that was good before.
func TestABadClientCertificateIsAnsweredOverHTTPS(t *testing.T) {
	s := start(t, "serve")
	ctx, control, p := t.Context(), s.control(t), newPapers(t)
	s.newThing(t, "pump-7")
	client := &http.Client{Transport: s.transport(t, tls.Certificate{Certificate: [][]byte{p.der}, PrivateKey: p.key})}
	ask := func(when string, status int, kind string) {
		t.Helper()
		response, err := client.Get(s.endpoint() + "/things/pump-7/jobs")
		if err != nil {
			t.Fatal(when, err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != status || response.Header.Get("X-Amzn-Errortype") != kind {
			t.Errorf("%s: got %d %s %s (%v), want %d %s", when, response.StatusCode, response.Header.Get("X-Amzn-Errortype"), body, err, status, kind)
		}
	}
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	status := func(status iottypes.CertificateStatus) {
		t.Helper()
		must(control.UpdateCertificate(ctx, &iot.UpdateCertificateInput{CertificateId: &p.registeredID, NewStatus: status}))
	}
	const bad = "CertificateValidationException"
	ask("not registered", 400, bad)
	registered, err := control.RegisterCertificateWithoutCA(ctx, &iot.RegisterCertificateWithoutCAInput{CertificatePem: p.text(t, "own.pem")})
	must(registered, err)
	ask("INACTIVE", 400, bad)
	status(iottypes.CertificateStatusActive)
	ask("attached to nothing", 403, "ForbiddenException")
	must(control.AttachThingPrincipal(ctx, &iot.AttachThingPrincipalInput{ThingName: aws.String("pump-7"), Principal: registered.CertificateArn}))
	ask("attached", 200, "")
	status(iottypes.CertificateStatusInactive)
	ask("deactivated", 400, bad)
	status(iottypes.CertificateStatusActive)
	ask("activated again", 200, "")
	must(control.DetachThingPrincipal(ctx, &iot.DetachThingPrincipalInput{ThingName: aws.String("pump-7"), Principal: registered.CertificateArn}))
	ask("detached", 403, "ForbiddenException")
	status(iottypes.CertificateStatusRevoked)
	must(control.DeleteCertificate(ctx, &iot.DeleteCertificateInput{CertificateId: &p.registeredID}))
	ask("deleted", 400, bad)
}

func TestGoSDKCertificatesAreListedAndTheirExceptionsAreTyped(t *testing.T) {
	onBoth(t, func(t *testing.T, s *server) {
		ctx, control, p := t.Context(), s.control(t), newPapers(t)
		for range 5 {
			if _, err := control.CreateCertificateFromCsr(ctx, &iot.CreateCertificateFromCsrInput{CertificateSigningRequest: p.text(t, "rsa-request.pem")}); err != nil {
				t.Fatal(err)
			}
		}
		seen := map[string]bool{}
		var last time.Time
		walk := iot.NewListCertificatesPaginator(control, &iot.ListCertificatesInput{PageSize: aws.Int32(2), AscendingOrder: true})
		for walk.HasMorePages() {
			page, err := walk.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range page.Certificates {
				if seen[*c.CertificateId] || c.CreationDate.Before(last) || c.Status != iottypes.CertificateStatusInactive {
					t.Errorf("%s, %s of %v after %v", *c.CertificateId, c.Status, c.CreationDate, last)
				}
				seen[*c.CertificateId], last = true, *c.CreationDate
			}
		}
		if len(seen) != 5 {
			t.Errorf("%d certificates, want 5 of one request", len(seen))
		}
		own := &iot.RegisterCertificateWithoutCAInput{CertificatePem: p.text(t, "own.pem"), Status: iottypes.CertificateStatusActive}
		if _, err := control.RegisterCertificateWithoutCA(ctx, own); err != nil {
			t.Fatal(err)
		}
		_, err := control.RegisterCertificateWithoutCA(ctx, own)
		refused[*iottypes.ResourceAlreadyExistsException](t, err, http.StatusConflict)
		if exists := new(iottypes.ResourceAlreadyExistsException); errors.As(err, &exists) &&
			(aws.ToString(exists.ResourceId) != p.registeredID || aws.ToString(exists.ResourceArn) != arn+"cert/"+p.registeredID) {
			t.Errorf("the exception names %s, %s", aws.ToString(exists.ResourceId), aws.ToString(exists.ResourceArn))
		}
		_, err = control.RegisterCertificateWithoutCA(ctx, &iot.RegisterCertificateWithoutCAInput{CertificatePem: p.text(t, "none.pem")})
		refused[*iottypes.CertificateValidationException](t, err, http.StatusBadRequest)
		_, err = control.DeleteCertificate(ctx, &iot.DeleteCertificateInput{CertificateId: &p.registeredID, ForceDelete: true})
		refused[*iottypes.CertificateStateException](t, err, http.StatusNotAcceptable)
		if _, err := control.CreateThing(ctx, &iot.CreateThingInput{ThingName: aws.String("pump-7")}); err != nil {
			t.Fatal(err)
		}
		if _, err := control.AttachThingPrincipal(ctx, &iot.AttachThingPrincipalInput{ThingName: aws.String("pump-7"), Principal: aws.String(arn + "cert/" + p.registeredID)}); err != nil {
			t.Fatal(err)
		}
		if _, err := control.UpdateCertificate(ctx, &iot.UpdateCertificateInput{CertificateId: &p.registeredID, NewStatus: iottypes.CertificateStatusInactive}); err != nil {
			t.Fatal(err)
		}
		_, err = control.DeleteCertificate(ctx, &iot.DeleteCertificateInput{CertificateId: &p.registeredID, ForceDelete: true})
		refused[*iottypes.DeleteConflictException](t, err, http.StatusConflict)
		_, err = control.DescribeCertificate(ctx, &iot.DescribeCertificateInput{CertificateId: aws.String(fmt.Sprintf("%064d", 0))})
		refused[*iottypes.ResourceNotFoundException](t, err, http.StatusNotFound)
	})
}

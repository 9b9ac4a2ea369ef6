package server

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/drover-iot/drover/internal/auth"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

// identity is who this server is, and who may come in.
type identity struct {
	ca           *auth.CA
	key          auth.AccessKey // of serve
	fresh        bool           // the CA and the key were made just now
	certificates *auth.Certificates
	tls          *auth.Server
}

// openIdentity loads or makes the CA and, on serve, the access key. Certificates
// live in transport time: a certificate's holder is on the real clock too.
func openIdentity(dir string, cfg *Config, st store.Store) (*identity, error) {
	ca, made, err := auth.OpenCA(dir, time.Now())
	if err != nil {
		return nil, err
	}
	id := &identity{ca: ca, fresh: made, certificates: auth.NewCertificates(certificateIn(st))}
	if !cfg.Dev {
		var keyMade bool
		if id.key, keyMade, err = auth.OpenCredentials(filepath.Join(dir, CredentialsFile)); err != nil {
			return nil, err
		}
		id.fresh = id.fresh || keyMade
	}
	if cfg.MQTTSAddr+cfg.HTTPSAddr == "" {
		return id, nil
	}
	if id.tls, err = auth.NewServer(ca, cfg.Hosts, id.certificates, time.Now); err == nil && cfg.TLSCert != "" {
		err = id.bring(cfg)
	}
	return id, err
}

// trust is what clients must trust to trust this server, in PEM; nil: what they
// trust already.
func (id *identity) trust() []byte {
	if id.tls == nil {
		return id.ca.PEM()
	}
	return id.tls.Trust()
}

// bring shows the operator's own certificate. At a start one that has ended is
// shown all the same: some devices have no clock, and no server is worse for them.
func (id *identity) bring(cfg *Config) error {
	own, err := auth.LoadOwn(auth.Files{Cert: cfg.TLSCert, Key: cfg.TLSKey, CA: cfg.TLSCA}, time.Now())
	if err != nil {
		return &ConfigError{
			"the server's own certificate cannot be used: " + err.Error(),
			"--tls-cert is a PEM file with the server's certificate first and those of its issuers behind it, --tls-key its key, --tls-ca the root that clients are to trust.",
		}
	}
	if err := own.Valid(time.Now(), cfg.AdvertiseHost); err != nil {
		cfg.Log.Error("clients will not trust the server's own certificate", "file", cfg.TLSCert, "err", err)
	}
	id.tls.Use(own)
	return nil
}

// Reload reads the files of the server's own certificate again. New connections
// see what they hold now; those that are there are not touched. If they cannot be
// used, or hold a certificate that has ended, the one in use stays, and the error
// is logged and returned.
func (s *Server) Reload() error {
	if s.cfg.TLSCert == "" {
		s.log.Info("nothing to reload: the server's certificate is of its own CA (--tls-cert is not set)")
		return nil
	}
	own, err := auth.LoadOwn(auth.Files{Cert: s.cfg.TLSCert, Key: s.cfg.TLSKey, CA: s.cfg.TLSCA}, time.Now())
	if err == nil && own.Expired(time.Now()) {
		err = fmt.Errorf("%s: %w", s.cfg.TLSCert, own.Valid(time.Now(), ""))
	}
	if err != nil {
		s.log.Error("the server's own certificate was not reloaded, the one in use stays", "err", err)
		return err
	}
	if err := own.Valid(time.Now(), s.cfg.AdvertiseHost); err != nil {
		s.log.Error("clients will not trust the server's own certificate", "file", s.cfg.TLSCert, "err", err)
	}
	s.identity.tls.Use(own)
	s.log.Info("the server's own certificate was reloaded", "file", s.cfg.TLSCert, "until", own.Ends())
	return nil
}

// accessKey finds a key by its id, for the verification of signatures.
func (id *identity) accessKey(name string) (auth.AccessKey, bool) {
	return id.key, name != "" && name == id.key.ID
}

// authorizer is what callers may do until policies land (design.md decision 13).
func (id *identity) authorizer(dev bool) auth.Authorizer {
	if dev {
		return auth.Everything{}
	}
	return auth.AttachedThings{Of: id.certificates.Attached}
}

var _ ops.Issuer = (*identity)(nil)

// IssueDevice makes a device's keys and certificate (ops.Issuer). It is valid in
// transport time, in which handshakes are judged.
func (id *identity) IssueDevice() (ops.Issued, error) {
	c, err := id.ca.IssueDevice(time.Now())
	return ops.Issued{Certificate: issued(c.DeviceCertificate), PublicKey: c.PublicKeyPEM, PrivateKey: c.PrivateKeyPEM}, err
}

// IssueForCSR makes a certificate for a key that stays with the device.
func (id *identity) IssueForCSR(csr string) (registry.Certificate, error) {
	c, err := id.ca.IssueForCSR(csr, time.Now())
	return issued(c), err
}

// ReadDevice reads a certificate that somebody else has made.
func (*identity) ReadDevice(pem string) (registry.Certificate, error) {
	c, err := auth.ReadDevice(pem)
	return issued(c), err
}

func issued(c auth.DeviceCertificate) registry.Certificate {
	return registry.Certificate{ID: c.ID, PEM: c.PEM, NotBefore: c.NotBefore, NotAfter: c.NotAfter}
}

// attachmentsPage is how many things of a certificate are read at a time. All
// but gateways have one.
const attachmentsPage = 1000

// certificateIn is auth's question for one certificate: it reads that one and
// what it is attached to, however large the fleet is. Errors: NotFound.
func certificateIn(st store.Store) func(id string) (auth.Certificate, error) {
	return func(id string) (known auth.Certificate, err error) {
		err = st.View(context.Background(), func(tx store.Tx) error {
			c, err := tx.Certificate(id)
			if err != nil || c.Status != registry.Active {
				return err
			}
			known.Active = true
			for p := (store.Page{Limit: attachmentsPage}); ; {
				attached, next, err := tx.ThingsOfCertificate(id, store.AttachmentFilter{}, p)
				for _, a := range attached {
					known.Things = append(known.Things, a.Thing)
				}
				if p.After = next; err != nil || next == "" {
					return err
				}
			}
		})
		if errors.Is(err, store.ErrNotFound) {
			err = job.Errorf(job.NotFound, "There is no certificate %s.", id)
		}
		return known, err
	}
}

// principalChanged makes a change of a certificate, or of what it is attached
// to, count from now on: what is remembered of it is forgotten, and sessions of
// a holder who may do less than before end (registry-and-auth.md E.2,
// Deactivation). One that is just connecting is looked at again when it is in
// (mqtt.Gateway.Connected); HTTPS asks for each request.
func (s *Server) principalChanged(certificate string, less bool) {
	s.identity.certificates.Forget(certificate)
	if less {
		s.gateway.EndSessions(auth.Principal{Kind: auth.ByCertificate, ID: certificate})
	}
}

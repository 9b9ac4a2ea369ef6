package server

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
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
	attachments  *attachments
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
	id := &identity{ca: ca, fresh: made, attachments: &attachments{store: st}}
	id.certificates = auth.NewCertificates(id.attachments.load)
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

// changed is called after certificates or attachments were changed.
func (id *identity) changed() {
	id.attachments.forget()
	id.certificates.Forget()
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

// IssueDevice makes a device's certificate (ops.Issuer). It is created in domain
// time and valid in transport time, in which handshakes are judged.
func (id *identity) IssueDevice(now time.Time) (ops.Issued, error) {
	c, err := id.ca.IssueDevice(time.Now())
	return ops.Issued{
		Certificate: registry.Certificate{ID: c.ID, PEM: c.PEM, CreatedAt: now, NotBefore: c.NotBefore, NotAfter: c.NotAfter},
		PublicKey:   c.PublicKeyPEM, PrivateKey: c.PrivateKeyPEM,
	}, err
}

// attachments is a snapshot of the things of every ACTIVE certificate, read as a
// whole at the first question after a change.
type attachments struct {
	store store.Store

	mu   sync.Mutex
	byID map[string][]registry.Name // nil: to be read
}

func (a *attachments) forget() {
	a.mu.Lock()
	a.byID = nil
	a.mu.Unlock()
}

// load is auth's question for one certificate. Errors: NotFound.
func (a *attachments) load(id string) (auth.Certificate, error) {
	var found registry.Certificate
	err := a.store.View(context.Background(), func(tx store.Tx) (err error) {
		found, err = tx.Certificate(id)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return auth.Certificate{}, job.Errorf(job.NotFound, "There is no certificate %s.", id)
	}
	if err != nil || found.Status != registry.Active {
		return auth.Certificate{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byID == nil {
		if a.byID, err = a.read(); err != nil {
			return auth.Certificate{}, err
		}
	}
	return auth.Certificate{Active: true, Things: a.byID[id]}, nil
}

func (a *attachments) read() (map[string][]registry.Name, error) {
	all := map[string][]registry.Name{}
	err := a.store.View(context.Background(), func(tx store.Tx) error {
		return tx.Certificates(func(c registry.Certificate, things []registry.Name) error {
			if c.Status == registry.Active && len(things) > 0 {
				all[c.ID] = things
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

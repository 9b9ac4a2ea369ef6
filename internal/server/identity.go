package server

import (
	"context"
	"errors"
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
	if cfg.MQTTSAddr+cfg.HTTPSAddr != "" {
		id.tls, err = auth.NewServer(ca, cfg.Hosts, id.certificates, time.Now)
	}
	return id, err
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

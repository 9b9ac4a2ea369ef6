package auth

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
)

// CertificateID is the SHA-256 of a certificate's DER, 64 lower-case hexadecimal
// digits (registry-and-auth.md E.2).
func CertificateID(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// Certificate is what auth needs to know of a registered certificate.
type Certificate struct {
	Active bool
	Things []registry.Name // attached to it
}

// maxCertificates bounds what Certificates keeps: about 200 bytes each. Beyond
// it a certificate that was not used for a while may have to be loaded again.
const maxCertificates = 1 << 20

// Certificates keeps what was loaded of the certificates in use, because every
// handshake and every message of a device asks. Whoever changes a certificate
// or its things calls Forget after the commit, and Principal and Attached
// answer by the new state from then on. Safe for concurrent use.
type Certificates struct {
	load func(id string) (Certificate, error)

	mu      sync.RWMutex
	byID    map[string]Certificate
	loading map[string]*loading
}

// loading is a certificate that somebody is reading right now.
type loading struct {
	readers int
	stale   bool // it was changed meanwhile: what was read is not kept
}

// NewCertificates asks load for what it does not hold. load returns
// job.NotFound for a certificate that nobody registered.
func NewCertificates(load func(id string) (Certificate, error)) *Certificates {
	return &Certificates{load: load, byID: map[string]Certificate{}, loading: map[string]*loading{}}
}

// Forget drops what is held of these certificates, and of no other.
func (c *Certificates) Forget(ids ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		delete(c.byID, id)
		if l := c.loading[id]; l != nil {
			l.stale = true
		}
	}
}

// Attached gives the things of a certificate, in ascending order, and whether it
// is ACTIVE. One that is unknown or cannot be loaded is not: who cannot be judged
// is refused. The caller must not change the slice.
func (c *Certificates) Attached(id string) (things []registry.Name, active bool) {
	known, err := c.get(id)
	if err != nil || !known.Active {
		return nil, false
	}
	return known.Things, true
}

// Principal says who stands behind a TLS connection: the holder of the client
// certificate that was shown, or nobody when none was. The handshake has proved
// that the peer has the private key; the rule here is ours: the certificate,
// whoever signed it, is registered, ACTIVE and within its validity. It holds on
// resumed connections too, for they carry the certificate of the first.
// Errors: CertificateValidation (device-plane.md 5.2), and what load returns but
// NotFound.
func (c *Certificates) Principal(state *tls.ConnectionState, now time.Time) (Principal, error) {
	if len(state.PeerCertificates) == 0 {
		return Principal{}, nil
	}
	leaf := state.PeerCertificates[0]
	id := CertificateID(leaf.Raw)
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return Principal{}, job.Errorf(job.CertificateValidation, "The client certificate %s is valid from %s to %s only, and it is %s.",
			id, leaf.NotBefore.Format(time.RFC3339), leaf.NotAfter.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	switch known, err := c.get(id); {
	case err != nil:
		return Principal{}, err
	case !known.Active:
		return Principal{}, job.Errorf(job.CertificateValidation, "The client certificate %s is not registered and ACTIVE. Register it, or activate it with UpdateCertificate.", id)
	}
	return Principal{Kind: ByCertificate, ID: id}, nil
}

// get gives what is held of a certificate, loading it at need. A certificate
// that nobody registered is the zero Certificate, and is not kept: strangers
// must not fill the memory.
func (c *Certificates) get(id string) (Certificate, error) {
	c.mu.RLock()
	known, held := c.byID[id]
	c.mu.RUnlock()
	if held {
		return known, nil
	}
	l := c.begin(id)
	known, err := c.load(id)
	known.Things = slices.Sorted(slices.Values(known.Things))
	c.end(id, l, known, err == nil)
	if notFound(err) {
		return Certificate{}, nil
	}
	return known, err
}

// begin notes a load, so that Forget can say that it came too early.
func (c *Certificates) begin(id string) *loading {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.loading[id]
	if l == nil {
		l = new(loading)
		c.loading[id] = l
	}
	l.readers++
	return l
}

// end keeps what was loaded, unless it is old already.
func (c *Certificates) end(id string, l *loading, known Certificate, loaded bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.readers--; l.readers == 0 {
		delete(c.loading, id)
	}
	if !loaded || l.stale {
		return
	}
	if len(c.byID) >= maxCertificates {
		for other := range c.byID {
			delete(c.byID, other)
			break
		}
	}
	c.byID[id] = known
}

func notFound(err error) bool {
	var e *job.Error
	return errors.As(err, &e) && e.Code == job.NotFound
}

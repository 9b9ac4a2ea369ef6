package registry

import (
	"time"

	"github.com/drover-iot/drover/internal/job"
)

// CertificateStatus is whether a certificate lets its holder in
// (registry-and-auth.md E.2).
type CertificateStatus string

// The statuses of a certificate. AWS has others, which only it sets.
const (
	Active   CertificateStatus = "ACTIVE"
	Inactive CertificateStatus = "INACTIVE"
	Revoked  CertificateStatus = "REVOKED"
)

// Settable says whether a caller may give a certificate this status.
func (s CertificateStatus) Settable() bool { return s == Active || s == Inactive || s == Revoked }

// CertificateMode is how a certificate came here.
type CertificateMode string

// The modes of a certificate.
const (
	ModeDefault CertificateMode = "DEFAULT"  // issued by us, or by a CA that was registered
	ModeSNIOnly CertificateMode = "SNI_ONLY" // registered without its CA
)

// Certificate is a device's identity.
type Certificate struct {
	ID         string // SHA-256 of its DER, 64 lower-case hex
	PEM        string
	Status     CertificateStatus
	Mode       CertificateMode
	Version    int64  // customerVersion: 1 at first, +1 for each change of the status
	Generation string // generationId, a UUID
	CreatedAt  time.Time
	UpdatedAt  time.Time
	NotBefore  time.Time
	NotAfter   time.Time
}

// Recorded is a certificate as it is first registered.
func (c Certificate) Recorded(s CertificateStatus, m CertificateMode, generation string, now time.Time) Certificate {
	c.Status, c.Mode, c.Generation, c.Version = s, m, generation, 1
	c.CreatedAt, c.UpdatedAt = now, now
	return c
}

// SetStatus gives the certificate with another status; the one that it has is no
// change. Errors: InvalidRequest for a status that only AWS sets;
// CertificateState for one that was REVOKED, which is final.
func (c Certificate) SetStatus(to CertificateStatus, now time.Time) (Certificate, error) {
	switch {
	case !to.Settable():
		return c, job.Errorf(job.InvalidRequest, "The status %s is set by the service alone: expected ACTIVE, INACTIVE or REVOKED", to)
	case to == c.Status:
		return c, nil
	case c.Status == Revoked:
		return c, job.Errorf(job.CertificateState, "Certificate %s is REVOKED, which cannot be changed: give the device a new certificate", c.ID)
	}
	c.Status, c.UpdatedAt = to, now
	c.Version++
	return c, nil
}

// CheckDelete refuses the deletion of a certificate that is in use, with force
// too (E.2). attached is one of the things it is attached to, if any. Errors:
// CertificateState while ACTIVE, DeleteConflict while attached.
func (c Certificate) CheckDelete(attached []Attachment) error {
	switch {
	case c.Status == Active:
		return job.Errorf(job.CertificateState, "Certificate must be deactivated (not ACTIVE) before deletion. Use UpdateCertificate for %s first.", c.ID)
	case len(attached) > 0:
		return job.Errorf(job.DeleteConflict, "Things must be detached before deletion: certificate %s is attached to thing %s", c.ID, attached[0].Thing)
	}
	return nil
}

// Attachment is a certificate whose holder acts for a thing.
type Attachment struct {
	Certificate string
	Thing       Name
	Exclusive   bool // EXCLUSIVE_THING: the certificate is attached to no other thing
}

// CheckAttach refuses an attachment that would break one which is exclusive
// (E.2). others are the certificate's first two attachments or more. Errors:
// InvalidRequest.
func CheckAttach(wanted Attachment, others []Attachment) error {
	for _, a := range others {
		switch {
		case a.Thing == wanted.Thing:
		case a.Exclusive:
			return job.Errorf(job.InvalidRequest, "Certificate %s is attached exclusively to thing %s: detach it there first", a.Certificate, a.Thing)
		case wanted.Exclusive:
			return job.Errorf(job.InvalidRequest, "Certificate %s is attached to thing %s, so it cannot be attached exclusively to %s: detach it there first", a.Certificate, a.Thing, wanted.Thing)
		}
	}
	return nil
}

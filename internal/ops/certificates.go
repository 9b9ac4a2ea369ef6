package ops

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/iot"
)

func (k *core) principalChanged(certificate string, less bool) {
	if k.PrincipalChanged != nil {
		k.PrincipalChanged(certificate, less)
	}
}

func noIssuer() error {
	return job.Errorf(job.Unavailable, "This server has no certificate authority: certificates are made and registered by `drover serve`")
}

func statusOf(active bool) registry.CertificateStatus {
	if active {
		return registry.Active
	}
	return registry.Inactive
}

// certificate reads a certificate by its id, in upper case too. Errors: NotFound.
func certificate(tx store.Tx, id string) (registry.Certificate, error) {
	cert, err := tx.Certificate(strings.ToLower(id))
	return cert, refused(err, func() error { return job.Errorf(job.NotFound, "Certificate %s not found", id) })
}

// record enters a new certificate. Errors: AlreadyExists.
func (c *Control) record(ctx context.Context, cert registry.Certificate) error {
	return c.Store.Update(ctx, func(tx store.Tx) error {
		switch _, err := tx.Certificate(cert.ID); {
		case err == nil:
			e := job.Errorf(job.AlreadyExists, "Certificate %s is registered already", cert.ID)
			e.Resource = &job.Resource{ID: cert.ID, ARN: c.arn(kindCertificate, cert.ID)}
			return e
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
		return tx.PutCertificate(cert)
	})
}

// CreateKeysAndCertificate makes a device's identity; the private key is given
// once and kept nowhere. Without setAsActive it is INACTIVE
// (registry-and-auth.md E.2). Errors: Unavailable without a CA.
func (c *Control) CreateKeysAndCertificate(ctx context.Context, _ Caller, in *iot.CreateKeysAndCertificateInput) (*iot.CreateKeysAndCertificateOutput, error) {
	if c.Issuer == nil {
		return nil, noIssuer()
	}
	issued, err := c.Issuer.IssueDevice()
	if err != nil {
		return nil, err
	}
	cert := issued.Recorded(statusOf(in.SetAsActive), registry.ModeDefault, uuid.NewString(), c.Now())
	if err := c.record(ctx, cert); err != nil {
		return nil, err
	}
	return &iot.CreateKeysAndCertificateOutput{
		CertificateARN: c.arn(kindCertificate, cert.ID), CertificateID: cert.ID, CertificatePEM: cert.PEM,
		KeyPair: &iot.KeyPair{PublicKey: issued.PublicKey, PrivateKey: issued.PrivateKey},
	}, nil
}

// CreateCertificateFromCsr makes a certificate for a key that stays with the
// device; the same request again makes another one (E.2). Errors:
// InvalidRequest; Unavailable without a CA.
func (c *Control) CreateCertificateFromCsr(ctx context.Context, _ Caller, in *iot.CreateCertificateFromCsrInput) (*iot.CreateCertificateFromCsrOutput, error) {
	if c.Issuer == nil {
		return nil, noIssuer()
	}
	cert, err := c.Issuer.IssueForCSR(in.CertificateSigningRequest)
	if err != nil {
		return nil, err
	}
	cert = cert.Recorded(statusOf(in.SetAsActive), registry.ModeDefault, uuid.NewString(), c.Now())
	if err := c.record(ctx, cert); err != nil {
		return nil, err
	}
	return &iot.CreateCertificateFromCsrOutput{
		CertificateARN: c.arn(kindCertificate, cert.ID), CertificateID: cert.ID, CertificatePEM: cert.PEM,
	}, nil
}

// RegisterCertificateWithoutCA enters a certificate that somebody else made, as
// INACTIVE unless a status is given. Errors: CertificateValidation,
// AlreadyExists; InvalidRequest for a status that only AWS sets.
func (c *Control) RegisterCertificateWithoutCA(ctx context.Context, _ Caller, in *iot.RegisterCertificateWithoutCAInput) (*iot.RegisterCertificateWithoutCAOutput, error) {
	if c.Issuer == nil {
		return nil, noIssuer()
	}
	status := in.Status
	if status == "" {
		status = registry.Inactive
	}
	if !status.Settable() {
		return nil, job.Errorf(job.InvalidRequest, "A certificate cannot be registered as %s: expected ACTIVE, INACTIVE or REVOKED", status)
	}
	cert, err := c.Issuer.ReadDevice(in.CertificatePEM)
	if err != nil {
		return nil, err
	}
	cert = cert.Recorded(status, registry.ModeSNIOnly, uuid.NewString(), c.Now())
	if err := c.record(ctx, cert); err != nil {
		return nil, err
	}
	return &iot.RegisterCertificateWithoutCAOutput{CertificateARN: c.arn(kindCertificate, cert.ID), CertificateID: cert.ID}, nil
}

// DescribeCertificate errors: NotFound.
func (c *Control) DescribeCertificate(ctx context.Context, _ Caller, in *iot.DescribeCertificateInput) (*iot.DescribeCertificateOutput, error) {
	var cert registry.Certificate
	err := c.Store.View(ctx, func(tx store.Tx) (err error) {
		cert, err = certificate(tx, in.CertificateID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &iot.DescribeCertificateOutput{CertificateDescription: &iot.CertificateDescription{
		CertificateARN: c.arn(kindCertificate, cert.ID), CertificateID: cert.ID, Status: cert.Status, CertificatePEM: cert.PEM,
		OwnedBy: c.Account, CreationDate: cert.CreatedAt, LastModifiedDate: cert.UpdatedAt, CustomerVersion: cert.Version,
		TransferData: &iot.TransferData{}, GenerationID: cert.Generation,
		Validity:        &iot.CertificateValidity{NotBefore: cert.NotBefore, NotAfter: cert.NotAfter},
		CertificateMode: cert.Mode,
	}}, nil
}

// ListCertificates lists by creation, the newest first unless the order is
// ascending. Errors: InvalidRequest.
func (c *Control) ListCertificates(ctx context.Context, _ Caller, in *iot.ListCertificatesInput) (*iot.ListCertificatesOutput, error) {
	l := newMarkedList("ListCertificates", in.AscendingOrder)
	page, err := l.page(in.Marker, in.PageSize)
	if err != nil {
		return nil, err
	}
	out := &iot.ListCertificatesOutput{Certificates: []iot.Certificate{}}
	err = c.Store.View(ctx, func(tx store.Tx) error {
		certificates, next, err := tx.Certificates(in.AscendingOrder, page)
		for _, cert := range certificates {
			out.Certificates = append(out.Certificates, iot.Certificate{
				CertificateARN: c.arn(kindCertificate, cert.ID), CertificateID: cert.ID, Status: cert.Status,
				CertificateMode: cert.Mode, CreationDate: cert.CreatedAt,
			})
		}
		out.NextMarker = l.token(next)
		return l.refused(err)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// UpdateCertificate changes the status; the sessions of one that is not ACTIVE
// any more have ended when it returns. Errors: NotFound; InvalidRequest for a
// status that only AWS sets; CertificateState for one that was REVOKED.
func (c *Control) UpdateCertificate(ctx context.Context, _ Caller, in *iot.UpdateCertificateInput) (*iot.UpdateCertificateOutput, error) {
	var cert registry.Certificate
	err := c.Store.Update(ctx, func(tx store.Tx) error {
		before, err := certificate(tx, in.CertificateID)
		if err != nil {
			return err
		}
		cert, err = before.SetStatus(in.NewStatus, c.Now())
		if err != nil || cert == before {
			return err
		}
		return tx.PutCertificate(cert)
	})
	if err != nil {
		return nil, err
	}
	c.principalChanged(cert.ID, cert.Status != registry.Active)
	return &iot.UpdateCertificateOutput{}, nil
}

// DeleteCertificate takes away a certificate that is not ACTIVE and attached to
// nothing. forceDelete lets it be attached to policies (E.2). Errors: NotFound,
// CertificateState, DeleteConflict.
func (c *Control) DeleteCertificate(ctx context.Context, _ Caller, in *iot.DeleteCertificateInput) (*iot.DeleteCertificateOutput, error) {
	var cert registry.Certificate
	err := c.Store.Update(ctx, func(tx store.Tx) (err error) {
		if cert, err = certificate(tx, in.CertificateID); err != nil {
			return err
		}
		attached, _, err := tx.ThingsOfCertificate(cert.ID, store.AttachmentFilter{}, store.Page{Limit: 1})
		if err != nil {
			return err
		}
		if err := cert.CheckDelete(attached); err != nil {
			return err
		}
		return tx.DeleteCertificate(cert.ID)
	})
	if err != nil {
		return nil, err
	}
	c.principalChanged(cert.ID, true)
	return &iot.DeleteCertificateOutput{}, nil
}

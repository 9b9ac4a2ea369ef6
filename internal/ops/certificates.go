package ops

import (
	"context"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// CreateKeysAndCertificate makes a device's identity; the private key is given
// once and kept nowhere. Without setAsActive it is INACTIVE
// (registry-and-auth.md E.2). Errors: Unavailable without a CA.
func (c *Control) CreateKeysAndCertificate(ctx context.Context, _ Caller, in *iot.CreateKeysAndCertificateInput) (*iot.CreateKeysAndCertificateOutput, error) {
	if c.Issuer == nil {
		return nil, job.Errorf(job.Unavailable, "This server has no certificate authority: certificates are made by `drover serve`")
	}
	issued, err := c.Issuer.IssueDevice(c.Now())
	if err != nil {
		return nil, err
	}
	issued.Status = registry.Inactive
	if in.SetAsActive {
		issued.Status = registry.Active
	}
	err = c.Store.Update(ctx, func(tx store.Tx) error { return tx.PutCertificate(issued.Certificate) })
	if err != nil {
		return nil, err
	}
	c.principalsChanged()
	return &iot.CreateKeysAndCertificateOutput{
		CertificateARN: c.arn(kindCertificate, issued.ID), CertificateID: issued.ID, CertificatePEM: issued.PEM,
		KeyPair: &iot.KeyPair{PublicKey: issued.PublicKey, PrivateKey: issued.PrivateKey},
	}, nil
}

func (k *core) principalsChanged() {
	if k.PrincipalsChanged != nil {
		k.PrincipalsChanged()
	}
}

// AttachThingPrincipal lets the holder of a certificate act for a thing; it is
// idempotent. Errors: NotFound; InvalidRequest for a principal that is not the
// ARN of a certificate.
func (c *Control) AttachThingPrincipal(ctx context.Context, _ Caller, in *iot.AttachThingPrincipalInput) (*iot.AttachThingPrincipalOutput, error) {
	kind, id, err := c.parseARN(in.Principal)
	if err == nil && kind != kindCertificate {
		err = job.Errorf(job.InvalidRequest, "Principal %q is not the ARN of a certificate: expected the form %s", in.Principal, c.arn(kindCertificate, "ID"))
	}
	if err != nil {
		return nil, err
	}
	err = c.Store.Update(ctx, func(tx store.Tx) error {
		t, err := thing(tx, in.ThingName)
		if err != nil {
			return err
		}
		if _, err := tx.Certificate(id); err != nil {
			return refused(err, func() error { return job.Errorf(job.NotFound, "Certificate %s not found", id) })
		}
		return tx.Attach(id, t.Key, false)
	})
	if err != nil {
		return nil, err
	}
	c.principalsChanged()
	return &iot.AttachThingPrincipalOutput{}, nil
}

// ListThingPrincipals lists a thing's principals in the order of their
// attachment. Errors: NotFound, InvalidRequest.
func (c *Control) ListThingPrincipals(ctx context.Context, _ Caller, in *iot.ListThingPrincipalsInput) (*iot.ListThingPrincipalsOutput, error) {
	l := newList("ListThingPrincipals", in.ThingName)
	page, err := l.page(in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	out := &iot.ListThingPrincipalsOutput{Principals: []string{}}
	err = c.Store.View(ctx, func(tx store.Tx) error {
		t, err := thing(tx, in.ThingName)
		if err != nil {
			return err
		}
		ids, next, err := tx.PrincipalsOfThing(t.Key, page)
		for _, id := range ids {
			out.Principals = append(out.Principals, c.arn(kindCertificate, id))
		}
		out.NextToken = l.token(next)
		return refused(err, nil)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

package ops

import (
	"context"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// principal reads the certificate that an ARN names. Errors: InvalidRequest for
// what is not the ARN of a certificate, NotFound.
func (c *Control) principal(tx store.Tx, arn string) (registry.Certificate, error) {
	kind, id, err := c.parseARN(arn)
	if err == nil && kind != kindCertificate {
		err = job.Errorf(job.InvalidRequest, "Principal %q is not the ARN of a certificate: expected the form %s", arn, c.arn(kindCertificate, "ID"))
	}
	if err != nil {
		return registry.Certificate{}, err
	}
	return certificate(tx, id)
}

// AttachThingPrincipal lets the holder of a certificate act for a thing; it is
// idempotent, and the type of the last call counts. Errors: NotFound;
// InvalidRequest for a principal that is not the ARN of a certificate, and where
// an exclusive attachment would not be alone (registry-and-auth.md E.2).
func (c *Control) AttachThingPrincipal(ctx context.Context, _ Caller, in *iot.AttachThingPrincipalInput) (*iot.AttachThingPrincipalOutput, error) {
	exclusive := in.ThingPrincipalType == iot.ExclusiveThing
	var cert registry.Certificate
	err := c.Store.Update(ctx, func(tx store.Tx) error {
		t, err := thing(tx, in.ThingName)
		if err != nil {
			return err
		}
		if cert, err = c.principal(tx, in.Principal); err != nil {
			return err
		}
		others, _, err := tx.ThingsOfCertificate(cert.ID, store.AttachmentFilter{}, store.Page{Limit: 2})
		if err != nil {
			return err
		}
		wanted := registry.Attachment{Certificate: cert.ID, Thing: t.Name, Exclusive: exclusive}
		if err := registry.CheckAttach(wanted, others); err != nil {
			return err
		}
		return tx.Attach(cert.ID, t.Key, exclusive)
	})
	if err != nil {
		return nil, err
	}
	c.principalChanged(cert.ID, false)
	return &iot.AttachThingPrincipalOutput{}, nil
}

// DetachThingPrincipal ends what AttachThingPrincipal began, and the sessions of
// the certificate with it; what was not attached is a success. Errors: NotFound
// for the thing or the certificate, InvalidRequest.
func (c *Control) DetachThingPrincipal(ctx context.Context, _ Caller, in *iot.DetachThingPrincipalInput) (*iot.DetachThingPrincipalOutput, error) {
	var cert registry.Certificate
	var was bool
	err := c.Store.Update(ctx, func(tx store.Tx) error {
		t, err := thing(tx, in.ThingName)
		if err != nil {
			return err
		}
		if cert, err = c.principal(tx, in.Principal); err != nil {
			return err
		}
		was, err = tx.Detach(cert.ID, t.Key)
		return err
	})
	if err != nil {
		return nil, err
	}
	if was {
		c.principalChanged(cert.ID, true)
	}
	return &iot.DetachThingPrincipalOutput{}, nil
}

// only is the filter of a type; none is all.
func only(t iot.ThingPrincipalType) (f store.AttachmentFilter) {
	if t != "" {
		exclusive := t == iot.ExclusiveThing
		f.Exclusive = &exclusive
	}
	return f
}

func typeOf(a registry.Attachment) iot.ThingPrincipalType {
	if a.Exclusive {
		return iot.ExclusiveThing
	}
	return iot.NonExclusiveThing
}

// principalsOf is a page of a thing's attachments, in their order.
func (c *Control) principalsOf(ctx context.Context, l list, name registry.Name, f store.AttachmentFilter, token string, maxResults *int64) (attached []registry.Attachment, next string, err error) {
	page, err := l.page(token, maxResults)
	if err != nil {
		return nil, "", err
	}
	err = c.Store.View(ctx, func(tx store.Tx) error {
		t, err := thing(tx, name)
		if err != nil {
			return err
		}
		attached, next, err = tx.CertificatesOfThing(t.Key, f, page)
		return l.refused(err)
	})
	return attached, l.token(next), err
}

// ListThingPrincipals lists a thing's principals in the order of their
// attachment. Errors: NotFound, InvalidRequest.
func (c *Control) ListThingPrincipals(ctx context.Context, _ Caller, in *iot.ListThingPrincipalsInput) (*iot.ListThingPrincipalsOutput, error) {
	l := newList("ListThingPrincipals", in.ThingName)
	attached, next, err := c.principalsOf(ctx, l, in.ThingName, store.AttachmentFilter{}, in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	out := &iot.ListThingPrincipalsOutput{Principals: []string{}, NextToken: next}
	for _, a := range attached {
		out.Principals = append(out.Principals, c.arn(kindCertificate, a.Certificate))
	}
	return out, nil
}

// ListThingPrincipalsV2 says how each principal is attached too. Errors:
// NotFound, InvalidRequest.
func (c *Control) ListThingPrincipalsV2(ctx context.Context, _ Caller, in *iot.ListThingPrincipalsV2Input) (*iot.ListThingPrincipalsV2Output, error) {
	l := newList("ListThingPrincipalsV2", in.ThingName, in.ThingPrincipalType)
	attached, next, err := c.principalsOf(ctx, l, in.ThingName, only(in.ThingPrincipalType), in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	out := &iot.ListThingPrincipalsV2Output{ThingPrincipalObjects: []iot.ThingPrincipalObject{}, NextToken: next}
	for _, a := range attached {
		out.ThingPrincipalObjects = append(out.ThingPrincipalObjects, iot.ThingPrincipalObject{
			Principal: c.arn(kindCertificate, a.Certificate), ThingPrincipalType: typeOf(a),
		})
	}
	return out, nil
}

// thingsOf is a page of a principal's attachments, in the order in which the
// things were registered.
func (c *Control) thingsOf(ctx context.Context, l list, arn string, f store.AttachmentFilter, token string, maxResults *int64) (attached []registry.Attachment, next string, err error) {
	page, err := l.page(token, maxResults)
	if err != nil {
		return nil, "", err
	}
	err = c.Store.View(ctx, func(tx store.Tx) error {
		cert, err := c.principal(tx, arn)
		if err != nil {
			return err
		}
		attached, next, err = tx.ThingsOfCertificate(cert.ID, f, page)
		return l.refused(err)
	})
	return attached, l.token(next), err
}

// ListPrincipalThings lists the things that a certificate is attached to.
// Errors: NotFound, InvalidRequest.
func (c *Control) ListPrincipalThings(ctx context.Context, _ Caller, in *iot.ListPrincipalThingsInput) (*iot.ListPrincipalThingsOutput, error) {
	l := newList("ListPrincipalThings", in.Principal)
	attached, next, err := c.thingsOf(ctx, l, in.Principal, store.AttachmentFilter{}, in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	out := &iot.ListPrincipalThingsOutput{Things: []registry.Name{}, NextToken: next}
	for _, a := range attached {
		out.Things = append(out.Things, a.Thing)
	}
	return out, nil
}

// ListPrincipalThingsV2 says how each thing is attached too. Errors: NotFound,
// InvalidRequest.
func (c *Control) ListPrincipalThingsV2(ctx context.Context, _ Caller, in *iot.ListPrincipalThingsV2Input) (*iot.ListPrincipalThingsV2Output, error) {
	l := newList("ListPrincipalThingsV2", in.Principal, in.ThingPrincipalType)
	attached, next, err := c.thingsOf(ctx, l, in.Principal, only(in.ThingPrincipalType), in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	out := &iot.ListPrincipalThingsV2Output{PrincipalThingObjects: []iot.PrincipalThingObject{}, NextToken: next}
	for _, a := range attached {
		out.PrincipalThingObjects = append(out.PrincipalThingObjects, iot.PrincipalThingObject{ThingName: a.Thing, ThingPrincipalType: typeOf(a)})
	}
	return out, nil
}

package iot

import "github.com/drover-iot/drover/internal/registry"

// CreateKeysAndCertificateInput is the request of CreateKeysAndCertificate.
type CreateKeysAndCertificateInput struct {
	SetAsActive bool `query:"setAsActive"`
}

// CreateKeysAndCertificateOutput is the reply of CreateKeysAndCertificate.
type CreateKeysAndCertificateOutput struct {
	CertificateARN string   `json:"certificateArn,omitzero"`
	CertificateID  string   `json:"certificateId,omitzero"`
	CertificatePEM string   `json:"certificatePem,omitzero"`
	KeyPair        *KeyPair `json:"keyPair,omitzero"`
}

// KeyPair is a new key; its members are capitalised on the wire
// (registry-and-auth.md E.1).
type KeyPair struct {
	PublicKey  string `json:"PublicKey,omitzero"`
	PrivateKey string `json:"PrivateKey,omitzero"`
}

// AttachThingPrincipalInput is the request of AttachThingPrincipal. Principal is
// the ARN of a certificate.
type AttachThingPrincipalInput struct {
	ThingName          registry.Name `uri:"thingName"`
	Principal          string        `header:"x-amzn-principal"`
	ThingPrincipalType string        `query:"thingPrincipalType" later:"EXCLUSIVE_THING=exclusive principals"`
}

// AttachThingPrincipalOutput is the reply of AttachThingPrincipal.
type AttachThingPrincipalOutput struct{}

// ListThingPrincipalsInput is the request of ListThingPrincipals.
type ListThingPrincipalsInput struct {
	NextToken  string        `query:"nextToken"`
	MaxResults *int64        `query:"maxResults"`
	ThingName  registry.Name `uri:"thingName"`
}

// ListThingPrincipalsOutput is the reply of ListThingPrincipals.
type ListThingPrincipalsOutput struct {
	Principals []string `json:"principals"`
	NextToken  string   `json:"nextToken,omitzero"`
}

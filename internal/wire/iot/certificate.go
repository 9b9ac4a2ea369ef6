package iot

import (
	"time"

	"github.com/drover-iot/drover/internal/registry"
)

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

// CreateCertificateFromCsrInput is the request of CreateCertificateFromCsr.
type CreateCertificateFromCsrInput struct {
	CertificateSigningRequest string `json:"certificateSigningRequest"`
	SetAsActive               bool   `query:"setAsActive"`
}

// CreateCertificateFromCsrOutput is the reply of CreateCertificateFromCsr.
type CreateCertificateFromCsrOutput struct {
	CertificateARN string `json:"certificateArn,omitzero"`
	CertificateID  string `json:"certificateId,omitzero"`
	CertificatePEM string `json:"certificatePem,omitzero"`
}

// RegisterCertificateWithoutCAInput is the request of RegisterCertificateWithoutCA.
type RegisterCertificateWithoutCAInput struct {
	CertificatePEM string                     `json:"certificatePem"`
	Status         registry.CertificateStatus `json:"status,omitzero"`
}

// RegisterCertificateWithoutCAOutput is the reply of RegisterCertificateWithoutCA.
type RegisterCertificateWithoutCAOutput struct {
	CertificateARN string `json:"certificateArn,omitzero"`
	CertificateID  string `json:"certificateId,omitzero"`
}

// DescribeCertificateInput is the request of DescribeCertificate.
type DescribeCertificateInput struct {
	CertificateID string `uri:"certificateId"`
}

// DescribeCertificateOutput is the reply of DescribeCertificate.
type DescribeCertificateOutput struct {
	CertificateDescription *CertificateDescription `json:"certificateDescription,omitzero"`
}

// CertificateDescription is a certificate as DescribeCertificate shows it.
type CertificateDescription struct {
	CertificateARN   string                     `json:"certificateArn,omitzero"`
	CertificateID    string                     `json:"certificateId,omitzero"`
	CACertificateID  string                     `json:"caCertificateId,omitzero"`
	Status           registry.CertificateStatus `json:"status,omitzero"`
	CertificatePEM   string                     `json:"certificatePem,omitzero"`
	OwnedBy          string                     `json:"ownedBy,omitzero"`
	PreviousOwnedBy  string                     `json:"previousOwnedBy,omitzero"`
	CreationDate     time.Time                  `json:"creationDate,omitzero"`
	LastModifiedDate time.Time                  `json:"lastModifiedDate,omitzero"`
	CustomerVersion  int64                      `json:"customerVersion,omitzero"`
	TransferData     *TransferData              `json:"transferData,omitzero"`
	GenerationID     string                     `json:"generationId,omitzero"`
	Validity         *CertificateValidity       `json:"validity,omitzero"`
	CertificateMode  registry.CertificateMode   `json:"certificateMode,omitzero"`
}

// TransferData tells of a transfer between accounts; there is one account here,
// so it is empty.
type TransferData struct {
	TransferMessage string    `json:"transferMessage,omitzero"`
	RejectReason    string    `json:"rejectReason,omitzero"`
	TransferDate    time.Time `json:"transferDate,omitzero"`
	AcceptDate      time.Time `json:"acceptDate,omitzero"`
	RejectDate      time.Time `json:"rejectDate,omitzero"`
}

// CertificateValidity is when a certificate may be used.
type CertificateValidity struct {
	NotBefore time.Time `json:"notBefore,omitzero"`
	NotAfter  time.Time `json:"notAfter,omitzero"`
}

// ListCertificatesInput is the request of ListCertificates.
type ListCertificatesInput struct {
	PageSize       *int64 `query:"pageSize"`
	Marker         string `query:"marker"`
	AscendingOrder bool   `query:"isAscendingOrder"`
}

// ListCertificatesOutput is the reply of ListCertificates.
type ListCertificatesOutput struct {
	Certificates []Certificate `json:"certificates"`
	NextMarker   string        `json:"nextMarker,omitzero"`
}

// Certificate is one certificate of ListCertificates.
type Certificate struct {
	CertificateARN  string                     `json:"certificateArn,omitzero"`
	CertificateID   string                     `json:"certificateId,omitzero"`
	Status          registry.CertificateStatus `json:"status,omitzero"`
	CertificateMode registry.CertificateMode   `json:"certificateMode,omitzero"`
	CreationDate    time.Time                  `json:"creationDate,omitzero"`
}

// UpdateCertificateInput is the request of UpdateCertificate.
type UpdateCertificateInput struct {
	CertificateID string                     `uri:"certificateId"`
	NewStatus     registry.CertificateStatus `query:"newStatus"`
}

// UpdateCertificateOutput is the reply of UpdateCertificate, which has no body.
type UpdateCertificateOutput struct{}

// DeleteCertificateInput is the request of DeleteCertificate.
type DeleteCertificateInput struct {
	CertificateID string `uri:"certificateId"`
	ForceDelete   bool   `query:"forceDelete"`
}

// DeleteCertificateOutput is the reply of DeleteCertificate, which has no body.
type DeleteCertificateOutput struct{}

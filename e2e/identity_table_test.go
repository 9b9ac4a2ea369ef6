package e2e

// identityChapters are what an operator does with certificates, in order.
// {files} is a folder of requests and certificates, {own} the id of own.pem
// there; {NAME} is the certificateId that an earlier command has saved.
var identityChapters = []struct {
	name     string
	commands []command
}{
	{"certificates are made", []command{
		{run: "iot list-certificates", want: `{"certificates":[]}`},
		{
			run: "iot create-keys-and-certificate --set-as-active", save: "keys",
			want: `{"certificateArn":"$arn","certificateId":"$hex64","certificatePem":"$pem","keyPair":{"PublicKey":"$pem","PrivateKey":"$pem"}}`,
		},
		{run: "iot create-certificate-from-csr --certificate-signing-request {files}/request.pem --set-as-active", save: "csr", want: made},
		{run: "iot create-certificate-from-csr --certificate-signing-request {files}/request.pem", save: "again", want: made},
		{run: "iot create-certificate-from-csr --certificate-signing-request {files}/rsa-request.pem --no-set-as-active", save: "rsa", want: made},
		{run: "iot create-certificate-from-csr --certificate-signing-request {files}/forged.pem", error: "InvalidRequestException"},
		{run: "iot create-certificate-from-csr --certificate-signing-request {files}/weak.pem", error: "InvalidRequestException"},
		{run: "iot create-certificate-from-csr --certificate-signing-request {files}/own.pem", error: "InvalidRequestException"},
		{run: "iot create-certificate-from-csr --certificate-signing-request nonsense", error: "InvalidRequestException"},
		{run: "iot describe-certificate --certificate-id {csr} --query certificateDescription.[status,certificateMode]", want: `["ACTIVE","DEFAULT"]`},
		{run: "iot describe-certificate --certificate-id {again} --query certificateDescription.[status,certificateMode]", want: `["INACTIVE","DEFAULT"]`},
	}},

	{"certificates are registered", []command{
		{run: "iot register-certificate-without-ca --certificate-pem {files}/none.pem", error: "CertificateValidationException"},
		{run: "iot register-certificate-without-ca --certificate-pem {files}/request.pem", error: "CertificateValidationException"},
		{run: "iot register-certificate-without-ca --certificate-pem {files}/own.pem --status PENDING_ACTIVATION", error: "InvalidRequestException"},
		{
			run:  "iot register-certificate-without-ca --certificate-pem {files}/own.pem",
			want: `{"certificateArn":"` + arn + `cert/{own}","certificateId":"{own}"}`,
		},
		{run: "iot register-certificate-without-ca --certificate-pem {files}/own.pem --status ACTIVE", error: "ResourceAlreadyExistsException"},
		{
			run: "iot describe-certificate --certificate-id {own}",
			want: `{"certificateDescription":{"certificateArn":"` + arn + `cert/{own}","certificateId":"{own}","status":"INACTIVE",
				"certificatePem":"$pem","ownedBy":"000000000000","creationDate":"$time","lastModifiedDate":"$time","customerVersion":1,
				"transferData":{},"generationId":"$uuid","validity":{"notBefore":"$int","notAfter":"$int"},"certificateMode":"SNI_ONLY"}}`,
		},
		{run: "iot describe-certificate --certificate-id " + unknownID, error: "ResourceNotFoundException"},
		{run: "iot describe-certificate --certificate-id 0x" + unknownID, error: "InvalidRequestException"},
	}},

	{"certificates are listed", []command{
		{run: "iot list-certificates --query certificates[].certificateId", want: `["{own}","{rsa}","{again}","{csr}","{keys}"]`},
		{run: "iot list-certificates --ascending-order --query certificates[].certificateId", want: `["{keys}","{csr}","{again}","{rsa}","{own}"]`},
		// The CLI takes --page-size of this operation for the model's pageSize, and does not walk the pages then.
		{run: "iot list-certificates --ascending-order --page-size 2 --query certificates[].certificateId", want: `["{keys}","{csr}"]`},
		{run: "iot list-certificates --max-items 3 --query [length(certificates),type(NextToken)]", want: `[3,"string"]`},
		{
			run: "iot list-certificates --no-paginate --page-size 1",
			want: `{"certificates":[{"certificateArn":"` + arn + `cert/{own}","certificateId":"{own}","status":"INACTIVE","certificateMode":"SNI_ONLY",
				"creationDate":"$time"}],"nextMarker":"$string"}`,
		},
		{run: "iot list-certificates --no-paginate --marker nonsense", error: "InvalidRequestException"},
		{run: "iot list-certificates --no-paginate --marker no/marker-of-ours", error: "InvalidRequestException"},
		{run: "iot list-certificates --no-paginate --page-size 251", error: "InvalidRequestException"},
	}},

	{"certificates are attached to things", []command{
		{run: "iot create-thing --thing-name pump-7", want: thing("pump-7")},
		{run: "iot create-thing --thing-name pump-8", want: thing("pump-8")},
		{run: "iot list-thing-principals --thing-name pump-7", want: `{"principals":[]}`},
		{run: "iot list-thing-principals-v2 --thing-name pump-7", want: `{"thingPrincipalObjects":[]}`},
		{run: "iot list-principal-things --principal " + arn + "cert/{own}", want: `{"things":[]}`},
		{run: "iot list-principal-things-v2 --principal " + arn + "cert/{own}", want: `{"principalThingObjects":[]}`},
		{run: "iot attach-thing-principal --thing-name pump-7 --principal " + arn + "cert/{own} --thing-principal-type EXCLUSIVE_THING"},
		{run: "iot attach-thing-principal --thing-name pump-7 --principal " + arn + "cert/{own} --thing-principal-type EXCLUSIVE_THING"},
		{run: "iot attach-thing-principal --thing-name pump-8 --principal " + arn + "cert/{own}", error: "InvalidRequestException"},
		{run: "iot attach-thing-principal --thing-name pump-7 --principal " + arn + "cert/{csr}"},
		{run: "iot attach-thing-principal --thing-name pump-8 --principal " + arn + "cert/{csr} --thing-principal-type NON_EXCLUSIVE_THING"},
		{run: "iot attach-thing-principal --thing-name pump-7 --principal " + arn + "cert/{csr} --thing-principal-type EXCLUSIVE_THING", error: "InvalidRequestException"},
		{run: "iot attach-thing-principal --thing-name pump-7 --principal " + arn + "cert/{csr} --thing-principal-type NONSENSE", error: "InvalidRequestException"},
		{run: "iot attach-thing-principal --thing-name nobody --principal " + arn + "cert/{csr}", error: "ResourceNotFoundException"},
		{run: "iot attach-thing-principal --thing-name pump-7 --principal " + arn + "cert/" + unknownID, error: "ResourceNotFoundException"},
		{run: "iot attach-thing-principal --thing-name pump-7 --principal " + arn + "thing/pump-7", error: "InvalidRequestException"},
		{run: "iot list-thing-principals --thing-name pump-7 --page-size 1", want: `{"principals":["` + arn + `cert/{own}","` + arn + `cert/{csr}"]}`},
		{
			run: "iot list-thing-principals-v2 --thing-name pump-7 --page-size 1",
			want: `{"thingPrincipalObjects":[{"principal":"` + arn + `cert/{own}","thingPrincipalType":"EXCLUSIVE_THING"},
				{"principal":"` + arn + `cert/{csr}","thingPrincipalType":"NON_EXCLUSIVE_THING"}]}`,
		},
		{run: "iot list-thing-principals-v2 --thing-name pump-7 --thing-principal-type NON_EXCLUSIVE_THING --query thingPrincipalObjects[].principal", want: `["` + arn + `cert/{csr}"]`},
		{run: "iot list-principal-things --principal " + arn + "cert/{csr} --page-size 1", want: `{"things":["pump-7","pump-8"]}`},
		{
			run:  "iot list-principal-things-v2 --principal " + arn + "cert/{own}",
			want: `{"principalThingObjects":[{"thingName":"pump-7","thingPrincipalType":"EXCLUSIVE_THING"}]}`,
		},
		{run: "iot list-principal-things --principal " + arn + "cert/" + unknownID, error: "ResourceNotFoundException"},
		{run: "iot list-principal-things --principal nonsense", error: "InvalidRequestException"},
		{run: "iot list-thing-principals-v2 --thing-name nobody", error: "ResourceNotFoundException"},
		{run: "iot delete-thing --thing-name pump-7", error: "InvalidRequestException"}, // attached
		{run: "iot detach-thing-principal --thing-name pump-7 --principal " + arn + "cert/{csr}"},
		{run: "iot detach-thing-principal --thing-name pump-7 --principal " + arn + "cert/{csr}"},
		{run: "iot detach-thing-principal --thing-name nobody --principal " + arn + "cert/{csr}", error: "ResourceNotFoundException"},
		{run: "iot detach-thing-principal --thing-name pump-7 --principal " + arn + "cert/" + unknownID, error: "ResourceNotFoundException"},
		{run: "iot list-principal-things --principal " + arn + "cert/{csr}", want: `{"things":["pump-8"]}`},
	}},

	{"the status of a certificate", []command{
		{run: "iot update-certificate --certificate-id {own} --new-status ACTIVE"},
		{run: "iot update-certificate --certificate-id {own} --new-status ACTIVE"},
		{run: "iot describe-certificate --certificate-id {own} --query certificateDescription.[status,customerVersion]", want: `["ACTIVE",2]`},
		{run: "iot update-certificate --certificate-id {own} --new-status PENDING_TRANSFER", error: "InvalidRequestException"},
		{run: "iot update-certificate --certificate-id {own} --new-status NONSENSE", error: "InvalidRequestException"},
		{run: "iot update-certificate --certificate-id " + unknownID + " --new-status ACTIVE", error: "ResourceNotFoundException"},
		{run: "iot update-certificate --certificate-id {keys} --new-status REVOKED"},
		{run: "iot update-certificate --certificate-id {keys} --new-status ACTIVE", error: "CertificateStateException"},
		{run: "iot describe-certificate --certificate-id {keys} --query certificateDescription.status", want: `"REVOKED"`},
	}},

	{"certificates are deleted", []command{
		{run: "iot delete-certificate --certificate-id {own}", error: "CertificateStateException"},
		{run: "iot delete-certificate --certificate-id {own} --force-delete", error: "CertificateStateException"},
		{run: "iot update-certificate --certificate-id {own} --new-status INACTIVE"},
		{run: "iot delete-certificate --certificate-id {own} --force-delete", error: "DeleteConflictException"},
		{run: "iot detach-thing-principal --thing-name pump-7 --principal " + arn + "cert/{own}"},
		{run: "iot delete-certificate --certificate-id {own}"},
		{run: "iot delete-certificate --certificate-id {own}", error: "ResourceNotFoundException"},
		{run: "iot delete-certificate --certificate-id {keys} --force-delete"},
		{run: "iot list-certificates --query certificates[].certificateId", want: `["{rsa}","{again}","{csr}"]`},
		{run: "iot delete-thing --thing-name pump-7"},
		{
			run:  "iot register-certificate-without-ca --certificate-pem {files}/own.pem --status ACTIVE", // its id is free again
			want: `{"certificateArn":"` + arn + `cert/{own}","certificateId":"{own}"}`,
		},
	}},
}

const (
	made      = `{"certificateArn":"$arn","certificateId":"$hex64","certificatePem":"$pem"}`
	unknownID = "0000000000000000000000000000000000000000000000000000000000000000"
)

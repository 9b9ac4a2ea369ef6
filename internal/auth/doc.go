// Package auth says who is calling, and what a caller may do until policies
// land (design.md decisions 11 and 13).
//
//	sigv4.go, canonical.go     Signature Version 4: header and query form, verified over the raw request
//	accesskey.go               access keys and the credentials file
//	ca.go                      the private CA; server and device certificates
//	request.go                 certificate signing requests; certificates that others made
//	certificates.go, tls.go    client certificate -> Principal, also on TLS resumption
//	principal.go, attached.go  Principal, Action, Authorizer and the two built-in answers
//
// It works on what it is given: keys by a function, certificates by a loader
// whose answers it keeps until told to forget them. It never opens the store.
package auth

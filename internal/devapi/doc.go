// Package devapi is what `drover dev` has under /drover/v1/ for the tests of
// devices: the clock, moved by hand, and faults. The contract for its users is
// docs/dev-api.md; package rest carries it, with the authentication and the
// errors of the AWS operations.
//
//	devapi.go    the operations, and how bodies are read
//	clock.go     GET clock, POST clock/advance
//	changes.go   GET changes
//	faults.go    POST, GET, DELETE faults, GET faults/report
//	duration.go  "45m", "7d"; epoch seconds, RFC 3339
package devapi

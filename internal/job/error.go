package job

import "fmt"

// Code is the closed set of things that can go wrong, whatever the protocol.
// Package wire spells each of them for MQTT, the data plane and the control
// plane in one table; a test there fails on a code without a spelling.
type Code uint8

// The codes. Their order is not a contract; their names are.
const (
	Internal Code = iota // a fault of ours; the cause is logged, never sent
	InvalidTopic
	InvalidJSON
	InvalidRequest
	InvalidStateTransition // carries State on the device plane
	VersionMismatch        // carries State on the device plane
	TerminalStateReached
	NotFound
	Throttled
	Unavailable
	AlreadyExists // carries Resource
	Conflict
	LimitExceeded
	CertificateState
	CertificateValidation // a certificate that is no good, or whose holder is not let in
	DeleteConflict
	NotImplemented   // known to AWS, not here yet; the message names it
	UnknownOperation // no such path
	PayloadTooLarge
	Forbidden // the data plane's refusal by policy
	AccessDenied
	MissingAuthentication
	IncompleteSignature
	UnrecognizedClient
	InvalidSignature
	ExpiredToken
	codes
)

// Codes lists every code, for tests that must cover them all.
func Codes() []Code {
	all := make([]Code, 0, codes)
	for c := Code(0); c < codes; c++ {
		all = append(all, c)
	}
	return all
}

// Error is the one error type that crosses rooms. Message is for the caller and
// says what was wrong, what was expected and what to do next; Cause is for the
// log alone.
type Error struct {
	Code     Code
	Message  string
	State    *ExecutionState // with InvalidStateTransition and VersionMismatch of an execution
	Resource *Resource       // with AlreadyExists
	Cause    error
}

// Resource names what already exists (control-plane.md G, extra error fields).
type Resource struct{ ID, ARN string }

// ExecutionState is what a refused device needs to know to go on
// (device-plane.md 2.3).
type ExecutionState struct {
	Status  Status
	Details Details
	Version int64
}

func (e *Error) Error() string { return e.Message }

// Unwrap gives the private cause.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf makes an Error with a message for the caller.
func Errorf(c Code, format string, args ...any) *Error {
	return &Error{Code: c, Message: fmt.Sprintf(format, args...)}
}

// With adds the state of the execution that refused the request.
func (e *Error) With(s ExecutionState) *Error { e.State = &s; return e }

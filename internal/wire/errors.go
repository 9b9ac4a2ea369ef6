package wire

import (
	"errors"

	"github.com/drover-iot/drover/internal/job"
)

// Exception is an error as an HTTP client sees it: the type of x-amzn-ErrorType and
// the status.
type Exception struct {
	Type   string
	Status int
}

// Spelling is one job.Code on the three protocols (device-plane.md 5.2 and 5.4,
// control-plane.md A.0 and G, registry-and-auth.md F.4).
type Spelling struct {
	MQTT    string
	Data    Exception
	Control Exception
}

// The codes that a device may hear over MQTT are a closed enum, without an
// `Exception` suffix, and a silent drop is worse than a wrong code (device-plane.md
// 5.3): what cannot happen there is spelled all the same.
const (
	mqttInvalidRequest = "InvalidRequest"
	mqttInternal       = "InternalError"
)

var spellings = [...]Spelling{
	job.Internal:               {mqttInternal, exc("InternalFailureException", 500), exc("InternalFailureException", 500)},
	job.InvalidTopic:           {"InvalidTopic", exc("UnknownOperationException", 404), exc("UnknownOperationException", 404)},
	job.InvalidJSON:            {"InvalidJson", exc("InvalidRequestException", 400), exc("InvalidRequestException", 400)},
	job.InvalidRequest:         {mqttInvalidRequest, exc("InvalidRequestException", 400), exc("InvalidRequestException", 400)},
	job.InvalidStateTransition: {"InvalidStateTransition", exc("InvalidStateTransitionException", 409), exc("InvalidStateTransitionException", 409)},
	// The data plane's model has no version exception (5.2 note 1).
	job.VersionMismatch:       {"VersionMismatch", exc("InvalidStateTransitionException", 409), exc("VersionConflictException", 409)},
	job.TerminalStateReached:  {"TerminalStateReached", exc("TerminalStateException", 410), exc("InvalidStateTransitionException", 409)},
	job.NotFound:              {"ResourceNotFound", exc("ResourceNotFoundException", 404), exc("ResourceNotFoundException", 404)},
	job.Throttled:             {"RequestThrottled", exc("ThrottlingException", 429), exc("ThrottlingException", 400)},
	job.Unavailable:           {mqttInternal, exc("ServiceUnavailableException", 503), exc("ServiceUnavailableException", 503)},
	job.AlreadyExists:         {mqttInvalidRequest, exc("ResourceAlreadyExistsException", 409), exc("ResourceAlreadyExistsException", 409)},
	job.Conflict:              {mqttInvalidRequest, exc("ConflictException", 409), exc("ConflictException", 409)},
	job.LimitExceeded:         {mqttInvalidRequest, exc("LimitExceededException", 410), exc("LimitExceededException", 410)},
	job.CertificateState:      {mqttInvalidRequest, exc("CertificateStateException", 406), exc("CertificateStateException", 406)},
	job.CertificateValidation: {mqttInvalidRequest, exc("CertificateValidationException", 400), exc("CertificateValidationException", 400)},
	job.DeleteConflict:        {mqttInvalidRequest, exc("DeleteConflictException", 409), exc("DeleteConflictException", 409)},
	job.NotImplemented:        {mqttInvalidRequest, exc("NotImplementedException", 501), exc("NotImplementedException", 501)},
	job.UnknownOperation:      {"InvalidTopic", exc("UnknownOperationException", 404), exc("UnknownOperationException", 404)},
	job.PayloadTooLarge:       {mqttInvalidRequest, exc("RequestEntityTooLargeException", 413), exc("RequestEntityTooLargeException", 413)},
	job.Forbidden:             {mqttInvalidRequest, exc("ForbiddenException", 403), exc("ForbiddenException", 403)},
	job.AccessDenied:          {mqttInvalidRequest, exc("AccessDeniedException", 403), exc("AccessDeniedException", 403)},
	job.MissingAuthentication: {mqttInvalidRequest, exc("MissingAuthenticationTokenException", 403), exc("MissingAuthenticationTokenException", 403)},
	job.IncompleteSignature:   {mqttInvalidRequest, exc("IncompleteSignatureException", 400), exc("IncompleteSignatureException", 400)},
	job.UnrecognizedClient:    {mqttInvalidRequest, exc("UnrecognizedClientException", 403), exc("UnrecognizedClientException", 403)},
	job.InvalidSignature:      {mqttInvalidRequest, exc("InvalidSignatureException", 403), exc("InvalidSignatureException", 403)},
	job.ExpiredToken:          {mqttInvalidRequest, exc("ExpiredTokenException", 403), exc("ExpiredTokenException", 403)},
}

func exc(name string, status int) Exception { return Exception{Type: name, Status: status} }

// Spell says how each protocol spells a code; a code it does not know is Internal.
func Spell(c job.Code) Spelling {
	if int(c) < len(spellings) {
		return spellings[c]
	}
	return spellings[job.Internal]
}

// ErrorOf is the job.Error in err. Any other error is a fault of ours: its text is
// the cause, for the log, and the caller hears that it was internal.
func ErrorOf(err error) *job.Error {
	var e *job.Error
	if !errors.As(err, &e) {
		e = &job.Error{Code: job.Internal, Cause: err}
	}
	if e.Code == job.Internal {
		e = &job.Error{Code: job.Internal, Message: "Internal failure; try again.", Cause: e}
	}
	return e
}

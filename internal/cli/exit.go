package cli

import "errors"

// The exit codes of every command. They are a contract for scripts.
const (
	ExitOK       = 0
	ExitFailed   = 1 // it was tried and did not work
	ExitUsage    = 2 // the command line, a variable or a file cannot be meant
	ExitNotFound = 3 // what was named is not there
	ExitRefused  = 4 // the server knows the caller and does not let it, or does not know it
	ExitJobEnded = 5 // the job ended FAILED or CANCELED
	ExitTimeout  = 6 // it did not come to its end in time
)

// Failure is an error that a person will read: what was wrong, and a next step.
type Failure struct {
	Exit    int
	Message string
	Next    string // a command or a sentence; may be empty
	Cause   error
	Told    bool // the command said it in its own words; only Exit counts
}

func (f *Failure) Error() string { return f.Message }

// Unwrap gives what caused it.
func (f *Failure) Unwrap() error { return f.Cause }

// ExitCode is the exit code for err: a Failure's own, ExitFailed for any other.
func ExitCode(err error) int {
	if err == nil {
		return ExitOK
	}
	var f *Failure
	if errors.As(err, &f) {
		return f.Exit
	}
	return ExitFailed
}

// usage is a Failure of the command line.
func usage(message, next string) *Failure {
	return &Failure{Exit: ExitUsage, Message: message, Next: next}
}

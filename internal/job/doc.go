// Package job is the domain: jobs, executions, the queue of a thing, the rules
// that move them and the effects that a move causes.
//
// Everything here is a pure function of values. No clock, no I/O, no logging,
// no JSON, no SQL: callers pass `now` and persist what comes back.
package job

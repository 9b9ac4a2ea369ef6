// Package events is the messages that the service publishes on `$aws/events/…`:
// their topics, their shapes and how they are written (control-plane.md C).
//
// Their members follow AWS's published samples, in that order. Units differ within
// one message: the timestamp of job events is in seconds, everything else is in
// milliseconds.
package events

// Package clock is domain time: what waits asks a Clock, so that `dev --clock
// virtual` and the tests can move it. Rules take `now` as a value and never see
// this package.
package clock

import "time"

// Clock tells domain time and calls back when it has come.
type Clock interface {
	// Now is the current domain time.
	Now() time.Time
	// AfterFunc calls f once, d from now, in a goroutine of the clock's choice.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is a pending AfterFunc.
type Timer interface {
	// Stop prevents the call; it reports whether it did so in time.
	Stop() bool
}

// Real is the clock on the wall.
type Real struct{}

// Now is time.Now.
func (Real) Now() time.Time { return time.Now() }

// AfterFunc is time.AfterFunc.
func (Real) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }

var _ Clock = Real{}

// Package jobtest is a second, deliberately plain telling of the device plane's
// rules (device-plane.md 3 and 4.3, control-plane.md B.7), for tests: a model
// that says what each request must answer. It imports nothing of the domain, so
// that the domain and the running server can both be held against it.
package jobtest

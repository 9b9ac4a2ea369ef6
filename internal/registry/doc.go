// Package registry is the domain of things: their names, attributes, groups and
// certificates, and the rules of AWS IoT's registry (registry-and-auth.md D).
//
// Pure, like package job: no clock, no I/O, no JSON, no SQL.
package registry

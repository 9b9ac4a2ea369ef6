// Package process runs a built drover (or another broker) as a child and reads
// what the kernel knows of it.
//
// The benchmark and the crash tests hold the server at arm's length: they start
// the binary an operator would start, learn its addresses from the ready line,
// and end it by its own process id, gently or not. Linux only, for /proc.
package process

// Package packet is the MQTT 3.1.1 wire format as a device needs it.
//
// It is the client's half only, QoS 0 and 1, and it allocates nothing: packets
// are appended to the caller's buffer and read in place from the caller's
// bytes. The simulated devices, the benchmark's generator and responder, and
// the crash tests all speak through it, so that what they measure and prove
// does not depend on the server's own codec.
package packet

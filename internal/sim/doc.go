// Package sim is a fleet of simulated devices: what a real device does, over a
// real MQTT connection, thousands of times.
//
//	Conn   an MQTT 3.1.1 connection that its one goroutine reads and writes
//	agent  what a device does with its jobs: rules, no I/O, no clock
//	device one connection and one agent, in one goroutine
//	Fleet  all devices, their statistics, their events
//
// Below it: packet (the wire format), operator (the control plane as a client
// sees it), process (a drover as a child process). The fleet knows Drover by its
// public protocol only, and works against AWS IoT Core as well.
package sim

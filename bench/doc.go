// Command bench measures a durable Drover against mosquitto and holds it to the
// floors it was built on (docs/benchmarks.md says what they are and how to read
// the figures).
//
// It starts every server itself, on loopback and free ports, and ends by
// itself. The program plays three more parts, each in a process of its own:
//
//	bench gen      the load generator: one thread, one epoll, the same for both brokers
//	bench respond  the responder of the echo: one connection, batched reads and writes
//
// and, inside the main process, the direct pump that shows what the responder
// can do without a broker.
package main

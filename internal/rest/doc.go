// Package rest is the HTTP adapter: REST-JSON requests to ops, and back
// (control-plane.md G, device-plane.md 5.4).
//
//	rest.go     Config, New, and the way of one request
//	door.go     who is calling, and which of the two planes is meant
//	route.go    the operations of AWS's models as routes; what is here and what is not yet
//	publish.go  HTTPS publish, which is service iotdata
//	upgrade.go  MQTT over WebSocket, and who may not use the door of dev
//	table.go    the operations that are here, and the interfaces that ops satisfies
//	extension.go  what AWS does not have, under /drover/v1/
//	fault.go    requests that are disturbed on purpose, in dev
//	reply.go    replies and errors; nothing else writes to a client
//
// It holds no rule of the domain, and nothing it answers is in text or HTML.
package rest

// Package server is the composition root: it opens the data folder, puts the
// rooms together, opens the doors, and takes everything down in reverse order.
// It holds no rule of the domain and no protocol.
//
//	config.go      Config, what is refused, ConfigError
//	server.go      Start, Close: the order in which things come up and go down
//	folder.go      the data folder, its lock
//	doors.go       listeners and http.Servers, plaintext and TLS
//	identity.go    the CA, access keys and certificates, over the store
//	sessions.go    the broker's persistent state, over the store, with group commit
//	admin.go       health, readiness, version, profiles
package server

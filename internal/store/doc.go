// Package store is the storage interface and its vocabulary; the suite that
// every engine must pass is in storetest, the engines in sqlite and postgres.
//
// A store keeps and finds; it decides nothing about a state machine and leaks
// no SQL types.
package store

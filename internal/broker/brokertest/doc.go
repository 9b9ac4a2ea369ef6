// Package brokertest holds the contract of broker.SessionStore as a test that
// every implementation runs, and Memory, the one that tests of the broker use.
package brokertest

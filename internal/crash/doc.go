// Package crash holds the tests that end a running server in the middle of its
// work, gently and not, and look at what is left.
//
// They start the binary an operator would start and know it by its public
// doors only. DROVER_CRASH_ROUNDS says how often the server is ended; go test
// -short leaves all of them out.
package crash

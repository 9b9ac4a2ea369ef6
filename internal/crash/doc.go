// Package crash holds the tests that end a running server in the middle of its
// work, gently and not, and look at what is left.
//
// They start the binary an operator would start and know it by its public
// doors; only what has no door yet, histories and what a job keeps of its rollout,
// is read from a copy of the data folder, taken while no server is there. A ledger
// holds what was acknowledged and what was not answered.
// docs/crash.md says what is ended when, what is held against the server that
// comes after, and how to repeat a round. DROVER_CRASH_ROUNDS says how often a
// server is ended; go test -short leaves all of it out but the ledger's own tests.
package crash

// Package sqlite is the embedded engine: one file, one writer goroutine that
// commits whatever waits, checkpoints off the commit path.
//
// The database is reached through the low-level connection of
// zombiezen.com/go/sqlite over modernc.org/sqlite, not through database/sql:
// the device path runs a handful of prepared statements for each request, and
// what database/sql adds to each of them is as much as the statement costs.
package sqlite

// Package year is a year in the life of a fleet: an operator who creates, changes
// and cancels jobs of every kind, groups within groups that things join and leave,
// things that come and go, and devices that are quick, slow, away for weeks, failing,
// refusing and silent, all drawn from one seed, on the operations and the scheduler
// of the product with a clock that is moved by hand.
//
// Every action is told to package reference too, which says by the specification
// alone what must come of it; after each one, and in full every day, the two are
// held against each other. A year that the rules do not explain fails.
//
//	server_test.go    the product without its doors, and how its time passes
//	draw_test.go      what is drawn: names, configurations, characters
//	operator_test.go  what the operator does with jobs
//	fleet_test.go     things and groups: founded, joined, left, deleted
//	device_test.go    what the devices do
//	check_test.go     the product against the reference, and its counters against a recount
//	year_test.go      the run: days, the drain at the end, the trace
//	planted_test.go   the bugs that must be found, one in each rule
package year

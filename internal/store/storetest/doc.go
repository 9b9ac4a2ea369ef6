// Package storetest is the suite that every engine must pass: what package
// store promises, as tests. An engine's own tests call Run, and Crash if its
// data are files that can be cut off.
//
//	suite.go     Run; the world that the tests share
//	batches.go   decisions, their neighbours and their answers
//	registry.go  things, groups, memberships, certificates
//	lists.go     jobs, executions and pages
//	rollouts.go  what the scheduler walks
//	sessions.go  sessions, messages, durable effects
//	random.go    random changes against the job rules, and what must hold after
//	durable.go   closing, opening, crashing
package storetest

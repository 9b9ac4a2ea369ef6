// Package sched is everything that happens with time: jobs are handed out at
// their rate, cancelled and deleted ones are swept, timers run out, finished
// jobs complete, and memberships that nobody can walk any more are forgotten.
//
// It keeps nothing that matters: what is due stands in the store, written in
// the transaction that made it due, so a restart forgets nothing. Work is done
// in slices of one small transaction each, so that devices never wait long.
//
//	sched.go    the loop: Start, Stop, Wake, one round, and Settle
//	expand.go   targets become executions
//	follow.go   what a continuous job does about things that join and leave
//	sweep.go    what a cancelled or deleted job leaves behind, and a deleted thing
//	timers.go   executions whose time has run out
//	tell.go     which effects are worth rendering
//	did.go      what was done, for whoever moves the clock by hand
package sched

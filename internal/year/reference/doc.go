// Package reference is what jobs and executions come to by the letter of the
// specification: plain and slow, made of maps that are walked and recounted. It is
// written from control-plane.md A.3, B.1 to B.8, B.11, registry-and-auth.md D.3 and
// device-plane.md 3.4 and imports nothing of ours, so that a mistake in the
// product's rules is not its own judge.
//
// It is told what the operator and the devices do, and predicts all of it but one
// thing: at which second of a minute a rollout reaches which thing is the
// product's to choose, so that is told to it (Release, RolledOut), and it says
// whether it may be.
//
//	world.go    the whole, time
//	fleet.go    things, hierarchies of groups, who is in which
//	job.go      creation, change, cancellation, deletion, completion
//	targets.go  which things are a job's: SNAPSHOT, CONTINUOUS, joining, leaving
//	rollout.go  the rate, and what was released at it
//	abort.go    the abort criteria
//	attempt.go  executions: the states, timers, retries
//	device.go   what a device may ask
package reference

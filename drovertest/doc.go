// Package drovertest gives a Go test a whole Drover in its own process: an AWS IoT
// Jobs service on loopback ports, with a clock that the test moves and faults that
// it injects. Firmware and services under test use it as they use AWS, with another
// endpoint; seven days of timeouts pass in milliseconds.
//
//	d := drovertest.Start(t)
//	d.Thing("pump-7")
//	d.Job("fw-42", drovertest.Job{Things: []string{"pump-7"}, InProgressTimeout: 10 * time.Minute})
//	// ... the device connects to d.MQTT and starts the job ...
//	d.WaitExecution("pump-7", "fw-42", drovertest.InProgress)
//	d.Advance(10 * time.Minute)
//	d.WaitExecution("pump-7", "fw-42", drovertest.TimedOut)
//
// Domain time (timeouts, rollouts, expiry of sessions, timestamps) stands still
// until the test moves it; the network's time is real, so a connected device stays
// connected. Everything that is due happens before Advance returns. Waiting is for
// a state, never for a while: it wakes when Drover has done something.
//
// Every Drover is its own: tests may run in parallel. It ends with its test, and
// leaves no goroutine and no file. A method that cannot do what it is asked fails
// the test, with what the service answered; call it from the test's goroutine.
//
// The package does not depend on the AWS SDK: AWS gives what an aws.Config needs.
// What happens under a fault, and what a move of the clock reports, is in
// docs/dev-api.md.
//
//	drover.go   Start, its options, the endpoints
//	time.go     the clock
//	faults.go   faults
//	fleet.go    things, groups, jobs, executions; waiting for a state
//	call.go     any operation of the control plane
package drovertest

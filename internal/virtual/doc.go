// Package virtual is domain time in a developer's hand (design.md decision 6):
// it moves a clock.Virtual, and the whole server follows. Whatever becomes due on
// the way has happened when a move returns, in the order of its time: timers,
// rollouts and retries of the scheduler, sessions that expire, delayed faults;
// what they cause has been told and written to the connections.
//
//	time.go     Time: Advance and AdvanceUntilIdle
//	report.go   what has happened, for whoever asked
package virtual

package job

import "time"

// MaxRetries is how many retries a job may allow each thing at AWS (control-plane.md H).
const MaxRetries = 10

// Retries is one criterion of a job's jobExecutionsRetryConfig.
type Retries struct {
	Failure Failure // Failed, TimedOut or AnyFailure
	Number  int64
}

// RetryPolicy is a job's jobExecutionsRetryConfig, in the order of its list.
type RetryPolicy []Retries

// Check errors: InvalidRequest for ALL beside another criterion, for one that is
// there twice, and for more than so many in all; 0: any number (control-plane.md B.8).
func (p RetryPolicy) Check(most int64) error {
	seen, sum := map[Failure]bool{}, int64(0)
	for _, c := range p {
		switch {
		case seen[c.Failure]:
			return Errorf(InvalidRequest, "jobExecutionsRetryConfig has two criteria for %s: give one", c.Failure)
		case c.Failure == AnyFailure && len(p) > 1:
			return Errorf(InvalidRequest, "jobExecutionsRetryConfig has ALL beside another criterion: ALL is one budget for both, give it alone")
		}
		seen[c.Failure] = true
		sum += c.Number
	}
	if most > 0 && sum > most {
		return Errorf(InvalidRequest, "jobExecutionsRetryConfig allows %d retries: at most %d in all are possible", sum, most)
	}
	return nil
}

// Budget is the retry policy as it is kept with every execution: how often each
// thing may try again. Separate budgets for FAILED and TIMED_OUT, or one for both.
type Budget struct {
	Failed, TimedOut, Both int64
}

// Budget is what the policy allows.
func (p RetryPolicy) Budget() (b Budget) {
	for _, c := range p {
		switch c.Failure {
		case AnyFailure:
			b.Both = c.Number
		case Failure(Failed):
			b.Failed = c.Number
		case Failure(TimedOut):
			b.TimedOut = c.Number
		}
	}
	return b
}

// Stopped is the policy with the budgets of the given one set to 0, which is all
// that UpdateJob may do. Errors: InvalidRequest for another number, and for a
// budget that the job does not have (control-plane.md A.3 UpdateJob).
func (p RetryPolicy) Stopped(by RetryPolicy) (RetryPolicy, error) {
	left := append(RetryPolicy(nil), p...)
	for _, c := range by {
		found := c.Failure == AnyFailure
		for i := range left {
			if c.Failure == AnyFailure || c.Failure == left[i].Failure {
				left[i].Number = 0
				found = true
			}
		}
		switch {
		case c.Number != 0:
			return p, Errorf(InvalidRequest, "numberOfRetries can only be set to 0 once a job is created, not to %d", c.Number)
		case !found && p.Budget().Both > 0:
			return p, Errorf(InvalidRequest, "The job has one budget of retries for ALL failures: set that to 0, not %s alone", c.Failure)
		}
	}
	return left, nil
}

// Retry is the attempt that follows the end of e, if its job still allows one:
// QUEUED, with the next number. Only FAILED and TIMED_OUT are tried again, and
// not once the job is over or the thing is no target any more (control-plane.md
// B.3, B.8).
func (s State) Retry(e Execution, now time.Time) (_ Execution, ok bool) {
	if s.Status != JobInProgress && s.Status != JobScheduled || e.Left {
		return Execution{}, false
	}
	var allowed bool
	switch e.Status {
	case Failed:
		allowed = e.RetryAttempt < s.Retries.Both || e.RetriesFailed < s.Retries.Failed
	case TimedOut:
		allowed = e.RetryAttempt < s.Retries.Both || e.RetryAttempt-e.RetriesFailed < s.Retries.TimedOut
	}
	if !allowed {
		return Execution{}, false
	}
	next := New(e.ThingKey, e.JobKey, e.JobID, e.Number+1, now)
	next.RetryAttempt, next.RetriesFailed = e.RetryAttempt+1, e.RetriesFailed
	if e.Status == Failed {
		next.RetriesFailed++
	}
	return next, true
}

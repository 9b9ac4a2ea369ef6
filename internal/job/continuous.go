package job

// Verdict is what becomes of a thing's executions of a CONTINUOUS job when the
// thing becomes a target, or ceases to be one (control-plane.md B.3).
type Verdict uint8

// The verdicts.
const (
	Stay   Verdict = iota // all stays as it is
	Create                // a first attempt, or the next with its retries counted anew
	Take                  // the QUEUED attempt becomes REMOVED
	Mark                  // the running attempt goes on, and is not tried again
	Unmark                // the running attempt is the thing's again
)

// Joins says what to do for a thing that becomes a target. newest is its newest
// attempt, as it is to be seen now; Number 0: it has none. again says whether a
// thing that has succeeded gets the job once more.
func Joins(newest Execution, again bool) Verdict {
	switch {
	case newest.Number == 0:
		return Create
	case newest.Status == InProgress && newest.Left:
		return Unmark
	case newest.Status.Pending():
		return Stay
	case newest.Status == Succeeded && !again:
		return Stay
	}
	return Create
}

// Leaves says what to do for a thing that is no target any more.
func Leaves(newest Execution) Verdict {
	switch {
	case newest.Number == 0:
		return Stay
	case newest.Status == Queued:
		return Take
	case newest.Status == InProgress && !newest.Left:
		return Mark
	}
	return Stay
}

// Held says what to do at once for a thing that a target holds which was
// associated: the rest is for the rollout.
func Held(newest Execution) Verdict {
	if newest.Status == InProgress && newest.Left {
		return Unmark
	}
	return Stay
}

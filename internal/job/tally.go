package job

// Tally is the two sets of a job's counters, by status (control-plane.md B.5,
// B.8, B.11). As a difference its numbers may be negative.
type Tally struct {
	// Things counts things by their latest execution: jobProcessDetails.
	Things [statuses]int64
	// Finished counts things by their latest finished attempt, for the abort
	// rule: a retry's end first takes its predecessor's count back.
	Finished [statuses]int64
}

// Plus adds d.
func (t Tally) Plus(d Tally) Tally {
	for s := range t.Things {
		t.Things[s] += d.Things[s]
		t.Finished[s] += d.Finished[s]
	}
	return t
}

// Zero says whether the tally counts nothing.
func (t Tally) Zero() bool { return t == Tally{} }

// Pending is how many things still have it queued or in progress.
func (t Tally) Pending() int64 { return t.Things[Queued] + t.Things[InProgress] }

// Delta is what one attempt's step from before to after adds to its job's
// counters; a Number of 0 means that there was, or is, none. newer is the
// thing's newest attempt if that is another one, previous the attempt before.
func Delta(newer, before, after, previous Execution) Tally {
	var t Tally
	was, is := [...]Execution{newer, before, previous}, [...]Execution{newer, after, previous}
	count(&t.Things, latest(was[:], anyStatus), latest(is[:], anyStatus))
	count(&t.Finished, latest(was[:], Status.Finished), latest(is[:], Status.Finished))
	return t
}

func count(by *[statuses]int64, was, is Status) {
	if was == is {
		return
	}
	if was != 0 {
		by[was]--
	}
	if is != 0 {
		by[is]++
	}
}

func anyStatus(Status) bool { return true }

// latest is the status of the first attempt, newest first, that counts; 0 if
// none does.
func latest(attempts []Execution, counts func(Status) bool) Status {
	for _, e := range attempts {
		if e.Number != 0 && counts(e.Status) {
			return e.Status
		}
	}
	return 0
}

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
// thing's newest attempt if that is another one, previous the attempt before;
// superseded says that a newer attempt is finished, so that this one does not
// count as the latest that is.
func Delta(newer, before, after, previous Execution, superseded bool) Tally {
	var t Tally
	was, is := [...]Execution{newer, before, previous}, [...]Execution{newer, after, previous}
	count(&t.Things, latest(was[:]), latest(is[:]))
	if !superseded {
		behind := before.FinishedBefore
		if before.Number == 0 {
			behind = after.FinishedBefore
		}
		count(&t.Finished, finished(before, behind), finished(after, behind))
	}
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

// latest is the status of the first attempt, newest first, that is there; 0 if
// none is.
func latest(attempts []Execution) Status {
	for _, e := range attempts {
		if e.Number != 0 {
			return e.Status
		}
	}
	return 0
}

// finished is the status of this attempt if it is finished, else of the latest
// before it that was.
func finished(e Execution, behind Status) Status {
	if e.Number != 0 && e.Status.Finished() {
		return e.Status
	}
	return behind
}

// Latest is the status of the latest finished attempt up to e; 0: there is none.
func (e Execution) Latest() Status { return finished(e, e.FinishedBefore) }

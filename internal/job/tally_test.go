package job

import "testing"

// TestCountersFollowTheLatestAttemptAndTheLatestFinishedOne are the two named
// sets of control-plane.md B.5 and B.8, step by step.
func TestCountersFollowTheLatestAttemptAndTheLatestFinishedOne(t *testing.T) {
	at := func(number int64, s Status) Execution { return Execution{Number: number, Status: s} }
	after := func(e Execution, finished Status) Execution { e.FinishedBefore = finished; return e }
	var none Execution
	rows := []struct {
		name                           string
		newer, before, after, previous Execution
		things, finished               map[Status]int64
	}{
		{"queued", none, none, at(1, Queued), none, map[Status]int64{Queued: 1}, nil},
		{"ends", none, at(1, InProgress), at(1, Failed), none, map[Status]int64{InProgress: -1, Failed: 1}, map[Status]int64{Failed: 1}},
		{"a retry is queued", none, none, after(at(2, Queued), Failed), at(1, Failed), map[Status]int64{Failed: -1, Queued: 1}, nil},
		{
			"a retry's end takes its predecessor's count back", none, after(at(2, InProgress), Failed), after(at(2, Succeeded), Failed), at(1, Failed),
			map[Status]int64{InProgress: -1, Succeeded: 1},
			map[Status]int64{Failed: -1, Succeeded: 1},
		},
		{"a cancelled attempt is not finished", none, at(1, Queued), at(1, Canceled), none, map[Status]int64{Queued: -1, Canceled: 1}, nil},
		{
			"deleting the latest brings its predecessor back", none, after(at(2, Succeeded), Failed), none, at(1, Failed),
			map[Status]int64{Succeeded: -1, Failed: 1},
			map[Status]int64{Succeeded: -1, Failed: 1},
		},
		{
			"the end after a removed attempt takes back the count of the one before it", none,
			after(at(3, InProgress), Failed), after(at(3, Succeeded), Failed), after(at(2, Removed), Failed),
			map[Status]int64{InProgress: -1, Succeeded: 1},
			map[Status]int64{Failed: -1, Succeeded: 1},
		},
		{"deleting an older one behind a finished one changes nothing", at(2, Succeeded), at(1, Failed), none, none, nil, nil},
		{
			"deleting an older one behind a pending one takes its finish back", at(2, Queued), at(1, Failed), none, none,
			nil,
			map[Status]int64{Failed: -1},
		},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			var want Tally
			for s, n := range r.things {
				want.Things[s] = n
			}
			for s, n := range r.finished {
				want.Finished[s] = n
			}
			if got := Delta(r.newer, r.before, r.after, r.previous, r.newer.Status.Finished()); got != want {
				t.Fatalf("got %+v, expected %+v", got, want)
			}
		})
	}
}

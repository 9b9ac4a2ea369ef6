package job

import (
	"testing"
	"time"
)

// play lets one thing end its attempts one after another, and tells which
// attempts there were: its ends, and whether another was queued in the end.
func play(s State, ends ...Status) (attempts []Execution) {
	e := New(7, s.Key, s.ID, 1, epoch)
	for _, end := range ends {
		e.Status = end
		attempts = append(attempts, e)
		next, ok := s.Retry(e, epoch.Add(time.Minute))
		if !ok {
			return attempts
		}
		e = next
	}
	return append(attempts, e)
}

func TestRetriesHaveTheirBudgets(t *testing.T) {
	separate := RetryPolicy{{Failure(Failed), 2}, {Failure(TimedOut), 1}}.Budget()
	shared := RetryPolicy{{AnyFailure, 2}}.Budget()
	f, o := Failed, TimedOut
	for _, row := range []struct {
		name   string
		budget Budget
		ends   []Status
		want   int  // attempts in all
		queued bool // the last is a retry that waits
	}{
		{"no policy", Budget{}, []Status{f}, 1, false},
		{"a failure is tried again", separate, []Status{f}, 2, true},
		{"as often as the budget says", separate, []Status{f, f}, 3, true},
		{"and not once more", separate, []Status{f, f, f}, 3, false},
		{"a time-out has its own budget", separate, []Status{f, f, o}, 4, true},
		{"which ends too", separate, []Status{o, o}, 2, false},
		{"in any order", separate, []Status{o, f, f}, 4, true},
		{"and does not help the other", separate, []Status{f, o, f, f}, 4, false},
		{"ALL is shared", shared, []Status{f, o}, 3, true},
		{"and used up by both", shared, []Status{f, o, o}, 3, false},
		{"whichever comes", shared, []Status{o, o, f}, 3, false},
		{"REJECTED is never tried again", shared, []Status{Rejected}, 1, false},
		{"nor is SUCCEEDED", shared, []Status{Succeeded}, 1, false},
		{"nor what was canceled", shared, []Status{Canceled}, 1, false},
		{"nor what was removed", shared, []Status{Removed}, 1, false},
		{"only FAILED has a budget", Budget{Failed: 3}, []Status{o}, 1, false},
		{"only TIMED_OUT has a budget", Budget{TimedOut: 3}, []Status{f}, 1, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := play(State{Key: 1, ID: "fw", Status: JobInProgress, Retries: row.budget}, row.ends...)
			last := got[len(got)-1]
			if len(got) != row.want || (last.Status == Queued) != row.queued {
				t.Fatalf("%d attempts, the last %s; want %d", len(got), last.Status, row.want)
			}
			if last.Number != int64(row.want) || last.RetryAttempt != int64(row.want-1) {
				t.Errorf("the last is number %d, retry %d", last.Number, last.RetryAttempt)
			}
			if row.queued && (last.Version != 1 || !last.QueuedAt.Equal(epoch.Add(time.Minute))) {
				t.Errorf("the retry is %+v", last)
			}
		})
	}
}

func TestNothingIsTriedAgainOnceTheJobIsOverOrTheThingHasLeft(t *testing.T) {
	e := New(7, 1, "fw", 1, epoch)
	e.Status = Failed
	s := State{Key: 1, ID: "fw", Retries: Budget{Both: 5}}
	for status, want := range map[JobStatus]bool{
		JobInProgress: true, JobScheduled: true, JobCanceled: false, JobCompleted: false, JobDeletionInProgress: false,
	} {
		s.Status = status
		if _, ok := s.Retry(e, epoch); ok != want {
			t.Errorf("of a job that is %s: %v", status, ok)
		}
	}
	s.Status, e.Left = JobInProgress, true
	if _, ok := s.Retry(e, epoch); ok {
		t.Error("of a thing that is no target any more")
	}
}

func TestRetryPoliciesThatCannotBe(t *testing.T) {
	all, failed, timedOut := AnyFailure, Failure(Failed), Failure(TimedOut)
	for _, row := range []struct {
		name  string
		p     RetryPolicy
		fails bool
	}{
		{"ten in all", RetryPolicy{{failed, 4}, {timedOut, 6}}, false},
		{"eleven in all", RetryPolicy{{failed, 5}, {timedOut, 6}}, true},
		{"ALL alone", RetryPolicy{{all, 10}}, false},
		{"ALL and another", RetryPolicy{{all, 1}, {failed, 1}}, true},
		{"another and ALL", RetryPolicy{{timedOut, 1}, {all, 1}}, true},
		{"one twice", RetryPolicy{{failed, 1}, {failed, 1}}, true},
		{"none", RetryPolicy{{failed, 0}}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := row.p.Check(MaxRetries); (err != nil) != row.fails {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestUpdateJobSetsRetriesToNothingElseThanZero(t *testing.T) {
	all, failed, timedOut := AnyFailure, Failure(Failed), Failure(TimedOut)
	both := RetryPolicy{{failed, 3}, {timedOut, 2}}
	for _, row := range []struct {
		name   string
		before RetryPolicy
		by     RetryPolicy
		want   Budget
		fails  bool
	}{
		{"one of two", both, RetryPolicy{{failed, 0}}, Budget{TimedOut: 2}, false},
		{"both by ALL", both, RetryPolicy{{all, 0}}, Budget{}, false},
		{"both by name", both, RetryPolicy{{timedOut, 0}, {failed, 0}}, Budget{}, false},
		{"the shared one", RetryPolicy{{all, 5}}, RetryPolicy{{all, 0}}, Budget{}, false},
		{"half of the shared one", RetryPolicy{{all, 5}}, RetryPolicy{{failed, 0}}, Budget{Both: 5}, true},
		{"another number", both, RetryPolicy{{failed, 2}}, Budget{Failed: 3, TimedOut: 2}, true},
		{"what it does not have", RetryPolicy{{failed, 1}}, RetryPolicy{{timedOut, 0}}, Budget{Failed: 1}, false},
		{"of a job without", nil, RetryPolicy{{all, 0}}, Budget{}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := row.before.Stopped(row.by)
			if (err != nil) != row.fails || got.Budget() != row.want {
				t.Errorf("got %+v %v, want %+v", got.Budget(), err, row.want)
			}
		})
	}
}

// TestARetryIsQueuedInTheSameChangeAsTheEnd: the old attempt keeps its status,
// the next one waits behind what waits already, and devices are told once.
func TestARetryIsQueuedInTheSameChangeAsTheEnd(t *testing.T) {
	s := State{Key: 1, ID: "fw", Status: JobInProgress, Retries: Budget{Failed: 1}}
	other := Entry{New(7, 2, "cfg", 1, epoch.Add(time.Second)), State{Key: 2, ID: "cfg", Status: JobInProgress}}
	running := New(7, 1, "fw", 1, epoch)
	running.Status, running.StartedAt, running.Version = InProgress, epoch, 2
	now := epoch.Add(time.Minute)
	for name, pending := range map[string][]Entry{
		"alone":                {{running, s}},
		"with another waiting": {{running, s}, other},
	} {
		t.Run(name, func(t *testing.T) {
			q := Queue{Pending: pending, Named: Entry{running, s}}
			out, err := q.Apply(Ref{Job: "fw"}, Change{Kind: Report, Status: Failed}, now)
			if err != nil || len(out.Moves) != 2 || len(out.Effects) != 1 {
				t.Fatalf("got %+v %v", out, err)
			}
			if a := out.Moves[0].After; a.Status != Failed || a.Version != 3 || a.Number != 1 {
				t.Errorf("the end is %+v", a)
			}
			retry := out.Moves[1].After
			if out.Moves[1].Kind != Enqueue || retry.Number != 2 || retry.Status != Queued || retry.FinishedBefore != Failed {
				t.Errorf("the retry is %+v", out.Moves[1])
			}
			e := out.Effects[0]
			visible := e.After.Visible(now)
			if !e.Notify || !e.Next || len(visible) != len(pending) || visible[len(visible)-1].Ref() != (Ref{"fw", 2}) {
				t.Errorf("devices are told %+v", e)
			}
			if out.Queue.Named.Number != 1 || out.Queue.Named.Status != Failed {
				t.Errorf("the answer would speak of %+v", out.Queue.Named.Execution)
			}
			var sum Tally
			for _, m := range out.Moves {
				sum = sum.Plus(m.Tally)
			}
			want := Tally{}
			want.Things[InProgress], want.Things[Queued], want.Finished[Failed] = -1, 1, 1
			if sum != want {
				t.Errorf("counted %+v, want %+v", sum, want)
			}
		})
	}
}

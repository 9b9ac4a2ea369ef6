package job

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func finishedTally(succeeded, failed, timedOut, rejected int64) (t Tally) {
	t.Finished[Succeeded], t.Finished[Failed], t.Finished[TimedOut], t.Finished[Rejected] = succeeded, failed, timedOut, rejected
	return t
}

func TestAJobAbortsAtItsThresholdAndNotOneBefore(t *testing.T) {
	any20 := AbortPolicy{{AnyFailure, 2000, 10}}
	failed := AbortPolicy{{Failure(Failed), 2050, 1}}
	for _, row := range []struct {
		name   string
		policy AbortPolicy
		tally  Tally
		place  int // 0: no trip
	}{
		{"no policy", nil, finishedTally(0, 100, 0, 0), 0},
		{"nothing executed", AbortPolicy{{AnyFailure, 0, 1}}, Tally{}, 0},
		{"all fail, but one too few executed", any20, finishedTally(0, 9, 0, 0), 0},
		{"enough executed", any20, finishedTally(8, 2, 0, 0), 1},
		{"enough executed, one failure too few", any20, finishedTally(9, 1, 0, 0), 0},
		{"a failure too few among more", any20, finishedTally(13, 3, 0, 0), 0},
		{"exactly the threshold among more", any20, finishedTally(12, 3, 0, 0), 1},
		{"ALL counts the three kinds together", any20, finishedTally(12, 1, 1, 1), 1},
		{"FAILED counts FAILED alone", AbortPolicy{{Failure(Failed), 2000, 10}}, finishedTally(8, 1, 1, 1), 0},
		{"TIMED_OUT", AbortPolicy{{Failure(TimedOut), 1000, 10}}, finishedTally(9, 0, 1, 0), 1},
		{"REJECTED", AbortPolicy{{Failure(Rejected), 1000, 10}}, finishedTally(9, 0, 0, 1), 1},
		{"20.5 percent is not 20.49", failed, finishedTally(7951, 2049, 0, 0), 0},
		{"20.5 percent is 20.50", failed, finishedTally(7950, 2050, 0, 0), 1},
		{"100 percent", AbortPolicy{{AnyFailure, 10000, 1}}, finishedTally(0, 3, 0, 0), 1},
		{"not quite 100 percent", AbortPolicy{{AnyFailure, 10000, 1}}, finishedTally(1, 999_999, 0, 0), 0},
		{"0 percent trips with the first end, whatever it is", AbortPolicy{{AnyFailure, 0, 1}}, finishedTally(1, 0, 0, 0), 1},
		{"the first in the order of the list", AbortPolicy{{Failure(TimedOut), 1000, 1}, {AnyFailure, 100, 1}, {Failure(Failed), 100, 1}}, finishedTally(0, 1, 0, 0), 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			trip, ok := row.policy.Trips(row.tally)
			if ok != (row.place > 0) || trip.Place != row.place {
				t.Errorf("got %+v %v, want criterion %d", trip, ok, row.place)
			}
		})
	}
}

// TestATripIsExact holds the rule against exact fractions.
func TestATripIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hundredths := rapid.Int64Range(0, 10_000).Draw(t, "threshold")
		ok, failed := rapid.Int64Range(0, 1_000_000).Draw(t, "succeeded"), rapid.Int64Range(0, 1_000_000).Draw(t, "failed")
		least := rapid.Int64Range(1, 100).Draw(t, "min")
		_, trips := AbortPolicy{{Failure(Failed), hundredths, least}}.Trips(finishedTally(ok, failed, 0, 0))
		want := ok+failed >= least && big.NewRat(failed, ok+failed).Cmp(big.NewRat(hundredths, 10_000)) >= 0
		if trips != want {
			t.Fatalf("%d of %d at %d hundredths: %v", failed, ok+failed, hundredths, trips)
		}
	})
}

func TestAnAbortCancelsWithoutForceAndSaysWhy(t *testing.T) {
	j := Job{State: State{ID: "fw", Status: JobInProgress}}
	trip, _ := AbortPolicy{{Failure(Failed), 2050, 4}}.Trips(finishedTally(3, 1, 0, 0))
	now := epoch.Add(time.Hour)
	got, err := j.Aborted(trip, now)
	if err != nil || got.Status != JobCanceled || got.ForceCanceled || got.ReasonCode != "ABORT_CRITERIA_MET" || !got.ChangedAt.Equal(now) {
		t.Fatalf("got %+v %v", got, err)
	}
	for _, part := range []string{"criterion 1", "FAILED", "1 of 4", "20.5%", "4 executed"} {
		if !strings.Contains(got.Comment, part) {
			t.Errorf("the comment %q does not say %q", got.Comment, part)
		}
	}
}

func TestDecimalsAreTakenAsTheyWereWritten(t *testing.T) {
	tenth := 0.1
	for _, row := range []struct {
		f        float64
		decimals int
		want     int64
		ok       bool
	}{
		{20.5, 2, 2050, true},
		{0.29, 2, 29, true},
		{1.1, 1, 11, true},
		{2, 1, 20, true},
		{100, 2, 10000, true},
		{1.15, 1, 0, false},
		{33.333, 2, 0, false},
		{tenth + 0.2, 2, 0, false},
		{-1.5, 1, -15, true},
		{0, 2, 0, true},
	} {
		if got, ok := Fixed(row.f, row.decimals); got != row.want || ok != row.ok {
			t.Errorf("Fixed(%v, %d) is %d %v, want %d %v", row.f, row.decimals, got, ok, row.want, row.ok)
		}
	}
}

package job

import (
	"testing"
	"time"
)

// TestJoiningAndLeavingInEachState is the table of control-plane.md B.3.
func TestJoiningAndLeavingInEachState(t *testing.T) {
	at := func(s Status) Execution { return Execution{Number: 3, Status: s} }
	left := at(InProgress)
	left.Left = true
	for _, row := range []struct {
		name                          string
		newest                        Execution
		joins, noSecond, leaves, held Verdict
	}{
		{"no execution", Execution{}, Create, Create, Stay, Stay},
		{"QUEUED", at(Queued), Stay, Stay, Take, Stay},
		{"IN_PROGRESS", at(InProgress), Stay, Stay, Mark, Stay},
		{"IN_PROGRESS, has left", left, Unmark, Unmark, Stay, Unmark},
		{"SUCCEEDED", at(Succeeded), Create, Stay, Stay, Stay},
		{"FAILED", at(Failed), Create, Create, Stay, Stay},
		{"TIMED_OUT", at(TimedOut), Create, Create, Stay, Stay},
		{"REJECTED", at(Rejected), Create, Create, Stay, Stay},
		{"REMOVED", at(Removed), Create, Create, Stay, Stay},
		{"CANCELED", at(Canceled), Create, Create, Stay, Stay},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := Joins(row.newest, true); got != row.joins {
				t.Errorf("joins: %d, want %d", got, row.joins)
			}
			if got := Joins(row.newest, false); got != row.noSecond {
				t.Errorf("joins, and is not to succeed twice: %d, want %d", got, row.noSecond)
			}
			if got := Leaves(row.newest); got != row.leaves {
				t.Errorf("leaves: %d, want %d", got, row.leaves)
			}
			if got := Held(row.newest); got != row.held {
				t.Errorf("is held by an associated target: %d, want %d", got, row.held)
			}
		})
	}
}

func TestAContinuousJobIsNeverCompleted(t *testing.T) {
	j := NewJob("fw", nil, nil, 0, epoch)
	j.Expansion.Done = true
	if !j.Complete(Tally{}) {
		t.Error("a SNAPSHOT job of which all is done is not complete")
	}
	j.Selection = Continuous
	if j.Complete(Tally{}) {
		t.Error("a CONTINUOUS job is complete")
	}
}

func TestTargetsAreAssociatedWithAJobThatGoesOn(t *testing.T) {
	thing := func(key int64) []Target { return []Target{{Key: key, Name: "t"}} }
	for _, row := range []struct {
		name   string
		edit   func(*Job)
		target []Target
		code   Code // 0: it succeeds
		want   int  // targets
		walks  int  // the target that is walked; -1: none
	}{
		{"a new one is walked", func(*Job) {}, thing(9), 0, 2, 1},
		{"one that it has makes no difference", func(*Job) {}, thing(1), 0, 1, -1},
		{"a rollout under way goes on first", func(j *Job) { j.Expansion.Done = false }, thing(9), 0, 2, 0},
		{"SNAPSHOT", func(j *Job) { j.Selection = Snapshot }, thing(9), InvalidRequest, 1, -1},
		{"SCHEDULED", func(j *Job) { j.Status = JobScheduled }, thing(9), InvalidRequest, 1, -1},
		{"CANCELED", func(j *Job) { j.Status = JobCanceled }, thing(9), InvalidRequest, 1, -1},
		{"DELETION_IN_PROGRESS", func(j *Job) { j.Status = JobDeletionInProgress }, thing(9), InvalidRequest, 1, -1},
	} {
		t.Run(row.name, func(t *testing.T) {
			j := NewJob("fw", []string{"arn:1"}, thing(1), 5, epoch)
			j.Selection, j.Expansion.Done = Continuous, true
			row.edit(&j)
			got, err := j.Associate([]string{"arn:2"}, row.target, 77, 88, "more", epoch.Add(time.Hour))
			if row.code != 0 {
				if code(err) != row.code {
					t.Errorf("got %v", err)
				}
				return
			}
			walks := -1
			if !got.Expansion.Done {
				walks = got.Expansion.Target
				first, added := got.Resolved[0], got.Resolved[len(got.Resolved)-1]
				if got.Expansion.PinOf(first) != 5 || got.Expansion.PinOf(added) != 77 || first.Since != 0 || added.Since != 88 {
					t.Errorf("pinned: %+v, the walk to %d", got.Resolved, got.Expansion.Pin)
				}
			}
			if err != nil || len(got.Targets) != row.want || len(got.Resolved) != row.want || walks != row.walks || got.Comment != "more" {
				t.Errorf("got %+v %v", got, err)
			}
			if len(j.Targets) != 1 {
				t.Error("the job before was changed")
			}
		})
	}
}

// TestWhatAThingHadBeforeATargetWasAssociatedDoesNotCountForIt once it is over.
func TestWhatAThingHadBeforeATargetWasAssociatedDoesNotCountForIt(t *testing.T) {
	at := func(s Status, seq int64) Execution { return Execution{Number: 1, Status: s, Seq: seq} }
	first, late := Target{Key: 1}, Target{Key: 2, Since: 50}
	for _, row := range []struct {
		name   string
		of     Target
		newest Execution
		want   bool
	}{
		{"nothing", first, Execution{}, false},
		{"a target of the creation", first, at(Removed, 7), true},
		{"an associated one, nothing", late, Execution{}, false},
		{"an associated one, removed before", late, at(Removed, 7), false},
		{"an associated one, removed, the last that was queued before", late, at(Removed, 50), false},
		{"an associated one, still running", late, at(InProgress, 7), true},
		{"an associated one, had since", late, at(Removed, 51), true},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := row.of.Taken(row.newest); got != row.want {
				t.Errorf("taken: %v", got)
			}
		})
	}
}

func TestUpdateJobChangesWhatItIsGiven(t *testing.T) {
	before := NewJob("fw", nil, nil, 0, epoch)
	before.Description, before.InProgressMinutes = "old", 10
	before.Rollout, before.Abort = Rollout{PerMinute: 5}, AbortPolicy{{AnyFailure, 1, 1}}
	before.Expansion.Stats.Steps = 3
	now := epoch.Add(time.Hour)
	got, err := before.Update(Update{}, now)
	if err != nil || got.Description != "old" || got.InProgressMinutes != 10 || got.Rollout.PerMinute != 5 || len(got.Abort) != 1 ||
		got.Expansion.Stats.Steps != 3 || !got.LastUpdatedAt.Equal(now) {
		t.Errorf("nothing given: %+v %v", got, err)
	}
	got, err = before.Update(Update{Description: "new", InProgressMinutes: 20, Rollout: &Rollout{PerMinute: 9}, Abort: AbortPolicy{}}, now)
	if err != nil || got.Description != "new" || got.InProgressMinutes != 20 || got.Rollout.PerMinute != 9 || len(got.Abort) != 0 || got.Expansion.Stats.Steps != 0 {
		t.Errorf("all given: %+v %v", got, err)
	}
	for _, s := range []JobStatus{JobCompleted, JobCanceled, JobDeletionInProgress} {
		before.Status = s
		if _, err := before.Update(Update{Description: "new"}, now); code(err) != InvalidRequest {
			t.Errorf("%s: %v", s, err)
		}
	}
}

package job

import (
	"errors"
	"testing"
	"time"
)

var epoch = time.UnixMilli(1_760_000_000_000).UTC()

func code(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return codes
}

// TestTheTransitionTable is device-plane.md 3.4, row by row: stored status,
// requested status, and what happens.
func TestTheTransitionTable(t *testing.T) {
	const ok = codes
	asked := []Status{InProgress, Succeeded, Failed, Rejected, Queued, Canceled, TimedOut, Removed}
	rows := map[Status][]Code{
		Queued:     {ok, ok, ok, ok, InvalidStateTransition, InvalidRequest, InvalidRequest, InvalidRequest},
		InProgress: {ok, ok, ok, ok, InvalidStateTransition, InvalidRequest, InvalidRequest, InvalidRequest},
	}
	for _, s := range Statuses() {
		if s.Terminal() {
			ist := InvalidStateTransition
			rows[s] = []Code{ist, ist, ist, ist, ist, InvalidRequest, InvalidRequest, InvalidRequest}
		}
	}
	for stored, want := range rows {
		for i, status := range asked {
			t.Run(stored.String()+" to "+status.String(), func(t *testing.T) {
				e := New(1, 1, "j", 1, epoch)
				e.Status = stored
				got, err := e.Apply(Change{Kind: Report, Status: status}, 0, epoch.Add(time.Minute))
				if code(err) != want[i] {
					t.Fatalf("got %v, expected code %d", err, want[i])
				}
				if want[i] != ok {
					if got.Version != e.Version || got.Status != stored {
						t.Fatal("a refused report changed the execution")
					}
					var refused *Error
					if errors.As(err, &refused) && (refused.State != nil) != (want[i] == InvalidStateTransition) {
						t.Fatalf("the state goes with InvalidStateTransition, and only with it: %+v", refused)
					}
					return
				}
				if got.Version != e.Version+1 || got.Status != status || got.StartedAt.IsZero() || got.LastUpdatedAt != epoch.Add(time.Minute) {
					t.Fatalf("got %+v", got)
				}
			})
		}
	}
}

func TestVersionIsAskedBeforeTheTransition(t *testing.T) {
	e := New(1, 1, "j", 1, epoch)
	e.Status = Succeeded
	wrong := int64(9)
	_, err := e.Apply(Change{Kind: Report, Status: InProgress, ExpectedVersion: &wrong}, 0, epoch)
	if code(err) != VersionMismatch || err.Error() != "Expected version 9 but found version 1" {
		t.Fatalf("got %v", err)
	}
	zero := int64(0)
	if _, err := New(1, 1, "j", 1, epoch).Apply(Change{Kind: Report, Status: InProgress, ExpectedVersion: &zero}, 0, epoch); code(err) != VersionMismatch {
		t.Fatalf("expectedVersion 0 is a real value: got %v", err)
	}
}

func TestDetailsAreReplacedKeptOrCleared(t *testing.T) {
	e := New(1, 1, "j", 1, epoch)
	e.Details = Details{"a": "1", "b": "2"}
	rows := []struct {
		name  string
		given Details
		want  Details
	}{
		{"given replaces the whole map", Details{"c": "3"}, Details{"c": "3"}},
		{"omitted keeps it", nil, e.Details},
		{"an empty map clears it", Details{}, Details{}},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			got, err := e.Apply(Change{Kind: Report, Status: InProgress, Details: r.given}, 0, epoch)
			if err != nil || !got.Details.Equal(r.want) {
				t.Fatalf("got %v %v, expected %v", got.Details, err, r.want)
			}
		})
	}
}

// TestTheTimerExample is the guide's example of control-plane.md B.6: 20
// minutes in all, and step timers that replace one another but never reach
// beyond it.
func TestTheTimerExample(t *testing.T) {
	at := func(minute int) time.Time { return epoch.Add(time.Duration(minute) * time.Minute) }
	e, err := New(1, 1, "j", 1, at(0)).Apply(Change{Kind: Start}, 20, at(0))
	if err != nil || e.Due() != at(20) {
		t.Fatalf("due %v %v, expected 12:20", e.Due(), err)
	}
	for _, r := range []struct{ minute, step, due int }{{5, 7, 12}, {10, 5, 15}, {13, 9, 20}} {
		e, err = e.Apply(Change{Kind: Report, Status: InProgress, Step: StepTimeout{Minutes: int64(r.step)}}, 20, at(r.minute))
		if err != nil || e.Due() != at(r.due) {
			t.Fatalf("at 12:%02d with a step of %d: due %v %v, expected 12:%02d", r.minute, r.step, e.Due(), err, r.due)
		}
	}
	e, _ = e.Apply(Change{Kind: Report, Status: InProgress, Step: StepTimeout{Drop: true}}, 20, at(14))
	if e.Due() != at(20) || !e.StepDeadline.IsZero() {
		t.Fatalf("dropping the step timer leaves the in-progress timer: due %v", e.Due())
	}
	if left, ok := e.SecondsBeforeTimedOut(at(19).Add(500 * time.Millisecond)); !ok || left != 59 {
		t.Fatalf("59.5 s left are told as %d", left)
	}
	seen, ok := Effective(e, State{Status: JobInProgress}, at(20))
	if !ok || seen.Status != TimedOut || seen.Version != e.Version+1 || seen.LastUpdatedAt != at(20) || !seen.Due().IsZero() {
		t.Fatalf("at its deadline it is timed out: %+v", seen)
	}
}

func TestAnAlreadyStartedHeadIsHandedOutUnchanged(t *testing.T) {
	e, _ := New(1, 1, "j", 1, epoch).Apply(Change{Kind: Start, Details: Details{"s": "1"}}, 0, epoch)
	got, err := e.Apply(Change{Kind: Start, Details: Details{"s": "2"}, Step: StepTimeout{Minutes: 5}}, 0, epoch.Add(time.Hour))
	if err != nil || got.Version != 2 || got.Details["s"] != "1" || !got.Due().IsZero() || got.LastUpdatedAt != epoch {
		t.Fatalf("got %+v %v", got, err)
	}
}

func TestCancelAndDeleteAskForForceWhenInProgress(t *testing.T) {
	started, _ := New(1, 1, "j", 1, epoch).Apply(Change{Kind: Start}, 0, epoch)
	if _, err := started.Apply(Change{Kind: Cancel}, 0, epoch); code(err) != InvalidStateTransition {
		t.Fatalf("cancel without force: %v", err)
	}
	got, err := started.Apply(Change{Kind: Cancel, Force: true}, 0, epoch)
	if err != nil || got.Status != Canceled || !got.ForceCanceled {
		t.Fatalf("cancel with force: %+v %v", got, err)
	}
	queued, err := New(1, 1, "j", 1, epoch).Apply(Change{Kind: Cancel, Force: true}, 0, epoch)
	if err != nil || queued.Status != Canceled || queued.ForceCanceled {
		t.Fatalf("forceCanceled is for what ran: %+v %v", queued, err)
	}
	q := Queue{Named: Entry{started, State{Status: JobInProgress}}}
	if _, err := q.Apply(started.Ref(), Change{Kind: Delete}, epoch); code(err) != InvalidStateTransition {
		t.Fatalf("delete without force: %v", err)
	}
}

func TestTheJobsFlagWinsOverTheRow(t *testing.T) {
	queued := New(1, 1, "j", 1, epoch)
	started, _ := queued.Apply(Change{Kind: Start}, 10, epoch)
	at := epoch.Add(time.Minute)
	rows := []struct {
		name  string
		e     Execution
		s     State
		want  Status
		shown bool
	}{
		{"cancelled hides QUEUED", queued, State{Status: JobCanceled, ChangedAt: at}, Canceled, true},
		{"cancelled leaves IN_PROGRESS alone", started, State{Status: JobCanceled, ChangedAt: at}, InProgress, true},
		{"force takes IN_PROGRESS too", started, State{Status: JobCanceled, ForceCanceled: true, ChangedAt: at}, Canceled, true},
		{"deletion hides everything", started, State{Status: JobDeletionInProgress, ChangedAt: at}, 0, false},
		{"in progress changes nothing", queued, State{Status: JobInProgress}, Queued, true},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			got, ok := Effective(r.e, r.s, at.Add(time.Second))
			if ok != r.shown || ok && got.Status != r.want {
				t.Fatalf("got %s %v", got.Status, ok)
			}
			if ok && got.Status != r.e.Status && (got.Version != r.e.Version+1 || got.LastUpdatedAt != at) {
				t.Fatalf("swept as %+v", got)
			}
		})
	}
	late, _ := Effective(started, State{Status: JobCanceled, ForceCanceled: true, ChangedAt: epoch.Add(time.Hour)}, epoch.Add(2*time.Hour))
	if late.Status != TimedOut {
		t.Fatalf("what timed out before the cancellation stays timed out: %s", late.Status)
	}
}

func TestAProgressReportIsJudgedWithoutTheQueue(t *testing.T) {
	at := time.Unix(1_760_000_000, 0)
	e := New(1, 2, "fw", 1, at)
	e.Status, e.Version = InProgress, 2
	for name, pending := range map[string][]Entry{"not read": nil, "read": {{Execution: e}}} {
		q := Queue{Named: Entry{Execution: e}, Pending: pending}
		out, err := q.Apply(e.Ref(), Change{Kind: Report, Status: InProgress, Details: Details{"pct": "40"}}, at)
		if err != nil || len(out.Moves) != 1 || len(out.Effects) != 0 {
			t.Errorf("with the queue %s: %d moves, effects %+v (%v), want a move and nobody to tell", name, len(out.Moves), out.Effects, err)
		}
	}
}

// TestAQueueThatGoesAtOnceIsToldOnce, with what a flag or the clock has overtaken.
func TestAQueueThatGoesAtOnceIsToldOnce(t *testing.T) {
	entry := func(s JobStatus) Entry { return Entry{Execution{Number: 1, Status: Queued}, State{Status: s}} }
	for _, row := range []struct {
		name    string
		pending []Entry
		in      Namespace
		told    bool
	}{
		{"an empty one", nil, "", false},
		{"one that waits", []Entry{entry(JobInProgress)}, "", true},
		{"of a namespace, which has no notify-next", []Entry{entry(JobInProgress)}, "gg", true},
		{"of a job whose cancellation nobody has swept", []Entry{entry(JobCanceled)}, "", true},
		{"of a job that is not to be seen yet", []Entry{entry(JobScheduled)}, "", false},
		{"and one that is", []Entry{entry(JobScheduled), entry(JobInProgress)}, "", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := Queue{Pending: row.pending}.Emptied(7, row.in, epoch)
			if !row.told {
				if len(got) > 0 {
					t.Errorf("told: %+v", got)
				}
				return
			}
			if len(got) != 1 || got[0].ThingKey != 7 || got[0].Namespace != row.in || !got[0].Notify || got[0].Next != (row.in == "") || got[0].After.Pending != nil {
				t.Errorf("told: %+v", got)
			}
		})
	}
}

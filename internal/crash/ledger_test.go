package crash

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"testing"

	"github.com/drover-iot/drover/internal/sim/operator"
)

// A request ends in one of three ways. What was refused has changed nothing;
// what was not answered went either way, wholly, and the server that comes after
// says which.
type outcome int

const (
	accepted outcome = iota
	refused
	unanswered
)

func outcomeOf(err error) outcome {
	var e *operator.Error
	switch {
	case err == nil:
		return accepted
	case errors.As(err, &e) && e.Status < 500, errors.Is(err, errRejected):
		return refused
	}
	return unanswered
}

// missing says whether the answer was that nothing of this name is there.
func missing(err error) bool {
	var e *operator.Error
	return errors.As(err, &e) && e.Status == 404
}

// value is what a register holds. The empty text is nothing; the version grows
// with each change that was applied, where the server counts them.
type value struct {
	text    string
	version int64
}

func (v value) String() string {
	switch {
	case v == value{}:
		return "nothing"
	case v.version == 0:
		return fmt.Sprintf("%q", v.text)
	}
	return fmt.Sprintf("%q at version %d", v.text, v.version)
}

// register is one fact of the ledger, changed by one actor at a time.
type register struct {
	key  string
	is   value
	open []value // asked for, and not answered
	read func(context.Context) (value, error)
}

// judge holds what was read against the register, which then knows it.
func (g *register) judge(got value) (applied bool, v verdict, why string) {
	is, open := g.is, g.open
	g.is, g.open = got, nil
	switch {
	case got == is:
		return false, "", ""
	case slices.Contains(open, got):
		return true, "", ""
	}
	highest := is.version
	for _, o := range open {
		highest = max(highest, o.version)
	}
	v = lost
	if got.version > highest && highest > 0 {
		v = doubled
	}
	return false, v, fmt.Sprintf("%s is %v; acknowledged was %v, unanswered %v", g.key, got, is, open)
}

// state is an execution as its device knows it; no status: it is not there.
type state struct {
	status  string
	version int64
	mark    int // the number in the last report's details; 0 = none
}

func (s state) pending() bool { return s.status == "QUEUED" || s.status == "IN_PROGRESS" }

var gone = state{}

// change is what a request makes of an execution; false where it does not apply.
type change struct {
	name string
	do   func(state) (state, bool)
	// start is set for a start-next: what it will hand out is not known before
	// its answer, so it is noted with every execution that waits, and one only
	// may have been started.
	start *start
}

type start struct{ _ byte } // not empty: each has an address of its own

func startNext(s *start) change {
	return change{"start-next", func(b state) (state, bool) {
		return state{"IN_PROGRESS", b.version + 1, b.mark}, b.status == "QUEUED"
	}, s}
}

func reported(expected int64, status string, mark int) change {
	return change{fmt.Sprintf("%s at version %d with n=%d", status, expected, mark), func(b state) (state, bool) {
		return state{status, b.version + 1, mark}, b.pending() && b.version == expected
	}, nil}
}

func cancelled(force bool) change {
	return change{fmt.Sprintf("cancel, force %v", force), func(b state) (state, bool) {
		return state{"CANCELED", b.version + 1, b.mark}, b.status == "QUEUED" || force && b.status == "IN_PROGRESS"
	}, nil}
}

func deleted(force bool) change {
	return change{fmt.Sprintf("delete, force %v", force), func(b state) (state, bool) {
		return gone, b != gone && (force || b.status != "IN_PROGRESS")
	}, nil}
}

// execution is the ledger's knowledge of one: its state when its device heard of
// it last, what is open, and what was acknowledged to somebody else and has, in
// whatever order, the last word.
type execution struct {
	is         state
	open, sure []change
}

// reached is a state that the server may be in, and the open changes (a bit
// each) that led to it.
type reached struct {
	state
	by uint
}

// possible are all states that the open changes can have led to, each applied
// once or not at all, in any order.
func (e *execution) possible() (all []reached) {
	var walk func(s state, by uint)
	walk = func(s state, by uint) {
		end := s
		for _, c := range e.sure {
			if next, ok := c.do(end); ok {
				end = next
			}
		}
		all = append(all, reached{end, by})
		for i, c := range e.open {
			if next, ok := c.do(s); ok && by&(1<<i) == 0 {
				walk(next, by|1<<i)
			}
		}
	}
	walk(e.is, 0)
	return all
}

// judge holds what was read against the ledger, which then knows it. applied are
// the open changes that explain it, the fewest that do: one that was deleted need not
// have been started before.
func (e *execution) judge(got state) (applied []change, v verdict, why string) {
	is, open, sure := e.is, e.open, e.sure
	all := e.possible()
	e.is, e.open, e.sure = got, nil, nil
	if got.pending() {
		e.sure = sure // a cancellation that left it alone may find it QUEUED never, but stays in force
	}
	highest, explained, by := is.version, false, uint(0)
	for _, r := range all {
		if r.state == got && (!explained || bits.OnesCount(r.by) < bits.OnesCount(by)) {
			explained, by = true, r.by
		}
		highest = max(highest, r.version)
	}
	if explained {
		for i, c := range open {
			if by&(1<<i) != 0 {
				applied = append(applied, c)
			}
		}
		return applied, "", ""
	}
	v = lost
	again := got == state{is.status, got.version, is.mark} && got.version > is.version
	if again || got.version > highest {
		v = doubled
	}
	return nil, v, fmt.Sprintf("%+v; acknowledged was %+v, then %v; unanswered %v", got, is, names(sure), names(open))
}

func names(changes []change) (out []string) {
	for _, c := range changes {
		out = append(out, c.name)
	}
	return out
}

// without is a list of changes without one.
func (e *execution) settle(name string) {
	e.open = slices.DeleteFunc(e.open, func(c change) bool { return c.name == name })
}

// The harness must be able to fail: each row is a server that lost something or
// did it twice.
func TestCrashLedgerTellsLossAndDoublingFromWhatMayHaveHappened(t *testing.T) {
	begun := state{"IN_PROGRESS", 3, 7}
	for _, row := range []struct {
		name string
		e    execution
		got  state
		want verdict
	}{
		{"nothing happened", execution{is: begun}, begun, ""},
		{"an acknowledged report is lost", execution{is: begun}, state{"IN_PROGRESS", 2, 6}, lost},
		{"its details are lost", execution{is: begun}, state{"IN_PROGRESS", 3, 6}, lost},
		{"the execution is lost", execution{is: begun}, gone, lost},
		{"a report was applied twice", execution{is: begun}, state{"IN_PROGRESS", 4, 7}, doubled},
		{"an open report was applied", execution{is: begun, open: []change{reported(3, "SUCCEEDED", 8)}}, state{"SUCCEEDED", 4, 8}, ""},
		{"an open report was not", execution{is: begun, open: []change{reported(3, "SUCCEEDED", 8)}}, begun, ""},
		{"half of an open report was", execution{is: begun, open: []change{reported(3, "SUCCEEDED", 8)}}, state{"SUCCEEDED", 4, 7}, lost},
		{"an acknowledged one was applied twice, an open one not", execution{is: begun, open: []change{reported(3, "FAILED", 8)}}, state{"IN_PROGRESS", 4, 7}, doubled},
		{"an open report was applied twice", execution{is: begun, open: []change{reported(3, "IN_PROGRESS", 8)}}, state{"IN_PROGRESS", 5, 8}, doubled},
		{"a cancellation is lost", execution{is: begun, sure: []change{cancelled(true)}}, begun, lost},
		{"it holds", execution{is: begun, sure: []change{cancelled(true)}}, state{"CANCELED", 4, 7}, ""},
		{"it leaves the running one alone", execution{is: begun, sure: []change{cancelled(false)}}, begun, ""},
		{
			"an open report came before it",
			execution{is: begun, open: []change{reported(3, "IN_PROGRESS", 8)}, sure: []change{cancelled(true)}},
			state{"CANCELED", 5, 8},
			"",
		},
		{"it was applied twice", execution{is: begun, sure: []change{cancelled(true)}}, state{"CANCELED", 5, 7}, doubled},
		{"a deletion is lost", execution{is: state{"SUCCEEDED", 4, 7}, sure: []change{deleted(false)}}, state{"SUCCEEDED", 4, 7}, lost},
	} {
		if _, got, why := row.e.judge(row.got); got != row.want {
			t.Errorf("%s: verdict %q, want %q (%s)", row.name, got, row.want, why)
		}
	}
	for _, row := range []struct {
		name string
		g    register
		got  value
		want verdict
	}{
		{"a thing is lost", register{is: value{"n=3", 3}}, value{}, lost},
		{"its update is lost", register{is: value{"n=3", 3}}, value{"n=2", 2}, lost},
		{"its update was applied twice", register{is: value{"n=3", 3}}, value{"n=3", 4}, doubled},
		{"an open update was applied", register{is: value{"n=3", 3}, open: []value{{"n=4", 4}}}, value{"n=4", 4}, ""},
		{"an open deletion was not", register{is: value{"n=3", 3}, open: []value{{}}}, value{"n=3", 3}, ""},
		{"what was deleted is back", register{}, value{"n=3", 3}, lost},
	} {
		if _, got, why := row.g.judge(row.got); got != row.want {
			t.Errorf("%s: verdict %q, want %q (%s)", row.name, got, row.want, why)
		}
	}
}

// What was deleted unanswered may have been started before, and need not: that it
// was is no proof that a start was applied twice.
func TestCrashLedgerExplainsWithTheFewestChanges(t *testing.T) {
	e := execution{is: state{"QUEUED", 1, 0}, open: []change{startNext(&start{}), deleted(true)}}
	applied, v, why := e.judge(gone)
	if v != "" || len(applied) != 1 || applied[0].start != nil {
		t.Errorf("explained by %v, %s %s: want the deletion alone", names(applied), v, why)
	}
}

package crash

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/sim/operator"
)

// settling is how long the service may take for what it has left to do.
const settling = 20 * time.Second

// judged is what is wrong with a campaign.
type judged struct {
	verdict
	why string
}

// attempts are the executions of each thing, by number.
func attempts(list []operator.JobExecution) map[string][]operator.JobExecution {
	of := map[string][]operator.JobExecution{}
	for _, e := range list {
		of[e.Thing] = append(of[e.Thing], e)
	}
	for _, all := range of {
		slices.SortFunc(all, func(a, b operator.JobExecution) int { return int(a.Number - b.Number) })
	}
	return of
}

// judge holds a job's counters and executions, which belong together, against the
// ledger and against the rules of the service.
func (c *campaign) judge(got operator.JobCounts, list []operator.JobExecution) (all []judged) {
	say := func(v verdict, format string, args ...any) {
		all = append(all, judged{v, fmt.Sprintf(format, args...)})
	}
	of := attempts(list)
	var counted operator.JobCounts
	for thing, mine := range of {
		counted.Count(mine[len(mine)-1].Status, 1)
		if !slices.Contains(c.things, thing) {
			say(wrong, "%s has it, and is none of its things", thing)
		}
	}
	sums := got
	sums.Status, sums.ForceCanceled, sums.IsConcurrent = "", false, false
	if sums != counted {
		say(wrong, "it counts %+v, its things are %+v", sums, counted)
	}
	over := got.Status == "CANCELED"
	switch {
	case over && c.canceled == no && !c.abort:
		say(wrong, "it is CANCELED, and nobody cancelled it")
	case over && c.canceled == no && counted.Failed*100 < abortPercentage*abortMin:
		say(wrong, "it has aborted with %+v", counted)
	case !over && c.canceled == yes:
		say(lost, "it was cancelled, and is %s", got.Status)
	case !over && c.abort && trips(counted):
		say(lost, "its criteria to abort are met by %+v, and it is %s", counted, got.Status)
	case got.Status == "COMPLETED" && counted.Queued+counted.InProgress > 0:
		say(wrong, "it is COMPLETED with %+v", counted)
	case got.Status == "IN_PROGRESS" && !c.continuous && !got.IsConcurrent && counted.Queued+counted.InProgress == 0:
		say(wrong, "nothing of it is left, and it is IN_PROGRESS")
	}
	if over && (counted.Queued > 0 || got.IsConcurrent) {
		say(wrong, "it is over, and things still wait for it: %+v", counted)
	}
	if over && c.frozen >= 0 && len(list) > c.frozen {
		say(doubled, "it had %d executions when it was over, and has %d", c.frozen, len(list))
	}
	for _, thing := range c.things {
		all = append(all, c.judgeThing(thing, of[thing], got)...)
	}
	return all
}

func trips(n operator.JobCounts) bool {
	executed := n.Succeeded + n.Failed + n.TimedOut + n.Rejected
	return executed >= abortMin && n.Failed*100 >= abortPercentage*executed
}

func (c *campaign) judgeThing(thing string, mine []operator.JobExecution, got operator.JobCounts) (all []judged) {
	say := func(v verdict, format string, args ...any) {
		all = append(all, judged{v, thing + ": " + fmt.Sprintf(format, args...) + fmt.Sprintf("; its attempts are %v", mine)})
	}
	failed, succeeded := 0, 0
	for i, e := range mine {
		switch {
		case e.Number < int64(i+1):
			say(doubled, "attempt %d is there twice", e.Number)
		case e.Number > int64(i+1):
			say(lost, "there is no attempt %d", i+1)
		}
		if last := i == len(mine)-1; !last && !c.continuous && e.Status != "FAILED" {
			say(doubled, "attempt %d is %s, and there is one after it, which only FAILED has", e.Number, e.Status)
		}
		failed, succeeded = failed+boolInt(e.Status == "FAILED"), succeeded+boolInt(e.Status == "SUCCEEDED")
	}
	for _, x := range []struct {
		status           string
		got, acked, open int
	}{
		{"FAILED", failed, c.ends[thing].failed, c.ends[thing].openFailed},
		{"SUCCEEDED", succeeded, c.ends[thing].succeeded, c.ends[thing].openSucceeded},
	} {
		if x.got < x.acked {
			say(lost, "%d attempts are %s, acknowledged were %d", x.got, x.status, x.acked)
		} else if x.got > x.acked+x.open {
			say(doubled, "%d attempts are %s, acknowledged were %d and asked for %d", x.got, x.status, x.acked, x.open)
		}
	}
	over := got.Status == "CANCELED"
	switch n := int64(len(mine)); {
	case c.continuous:
		if v, why := c.followed[thing].judge(mine, over); v != "" {
			say(v, "%s", why)
		}
	case n > c.retries+1:
		say(doubled, "there are more attempts than %d retries allow", c.retries)
	case n == 0 && !over && !got.IsConcurrent:
		say(lost, "it never got the job")
	case n > 0 && n <= c.retries && mine[n-1].Status == "FAILED" && !over:
		say(lost, "its end is there, and the attempt that follows is not")
	}
	return all
}

// learn takes what was read as what is known.
func (c *campaign) learn(got operator.JobCounts, list []operator.JobExecution) {
	c.canceled = no
	if got.Status == "CANCELED" {
		c.canceled = yes
		c.frozen = len(list)
	}
	of := attempts(list)
	for thing, f := range c.followed {
		f.learn(of[thing])
	}
	for thing, mine := range of {
		known := &ends{}
		for _, e := range mine {
			known.failed += boolInt(e.Status == "FAILED")
			known.succeeded += boolInt(e.Status == "SUCCEEDED")
		}
		*c.ends[thing] = *known
	}
}

// A campaign's ledger must be able to fail too.
func TestCrashCampaignTellsWhatBreaksTheRules(t *testing.T) {
	row := func(status string, numbers ...int64) (list []operator.JobExecution) {
		for i, n := range numbers {
			e := operator.JobExecution{Thing: "t", Number: n, Status: "FAILED"}
			if i == len(numbers)-1 {
				e.Status = status
			}
			list = append(list, e)
		}
		return list
	}
	for _, x := range []struct {
		name  string
		c     campaign
		ends  ends
		list  []operator.JobExecution
		count operator.JobCounts
		want  verdict
	}{
		{"all is as it should be", campaign{retries: 2}, ends{failed: 1}, row("QUEUED", 1, 2), operator.JobCounts{Queued: 1}, ""},
		{"an end without its successor", campaign{retries: 2}, ends{failed: 1}, row("FAILED", 1), operator.JobCounts{Failed: 1}, lost},
		{"an acknowledged end is lost", campaign{retries: 2}, ends{failed: 1}, row("QUEUED", 1), operator.JobCounts{Queued: 1}, lost},
		{"a successor without its end", campaign{retries: 2}, ends{}, row("QUEUED", 1, 2), operator.JobCounts{Queued: 1}, doubled},
		{"a number is left out", campaign{retries: 2}, ends{failed: 1}, row("QUEUED", 1, 3), operator.JobCounts{Queued: 1}, lost},
		{"a number is there twice", campaign{retries: 2}, ends{failed: 2}, row("QUEUED", 1, 1, 2), operator.JobCounts{Queued: 1}, doubled},
		{"one retry too many", campaign{retries: 1}, ends{failed: 2}, row("QUEUED", 1, 2, 3), operator.JobCounts{Queued: 1}, doubled},
		{"the counters are wrong", campaign{retries: 2}, ends{failed: 1}, row("QUEUED", 1, 2), operator.JobCounts{Queued: 1, Failed: 1}, wrong},
		{"a thing never got the job", campaign{}, ends{}, nil, operator.JobCounts{}, lost},
		{"it went on after its abort", campaign{abort: true, frozen: 0, canceled: yes}, ends{}, row("CANCELED", 1), operator.JobCounts{Status: "CANCELED", Canceled: 1}, doubled},
		{"it aborted without a reason", campaign{abort: true}, ends{}, row("CANCELED", 1), operator.JobCounts{Status: "CANCELED", Canceled: 1}, wrong},
		{"a cancellation is lost", campaign{canceled: yes}, ends{}, row("QUEUED", 1), operator.JobCounts{Status: "IN_PROGRESS", Queued: 1}, lost},
	} {
		if x.c.frozen == 0 && x.name != "it went on after its abort" {
			x.c.frozen = -1
		}
		x.c.things, x.c.ends = []string{"t"}, map[string]*ends{"t": &x.ends}
		all := x.c.judge(x.count, x.list)
		found := x.want == "" && len(all) == 0 || slices.ContainsFunc(all, func(j judged) bool { return j.verdict == x.want })
		if !found {
			t.Errorf("%s: found %v, want %q", x.name, all, x.want)
		}
	}
}

package year

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// planted are bugs, one or more in each rule of control-plane.md B.3 to B.8: each
// changes a line or two of the product where job.Planted names it. All are in one
// build, made with go build's -overlay; the product has no such switch.
var planted = []struct {
	rule, name string
	edits      []edit
}{
	{"B.3", "a thing of two targets gets it twice", []edit{
		{"sched/expand.go", "if target.Taken(newest) {", "if !job.Planted(NAME) && target.Taken(newest) {"},
		{"sched/expand.go", "for _, earlier := range j.Resolved[:j.Expansion.Target] {\n", "for _, earlier := range j.Resolved[:j.Expansion.Target] {\n\t\tif job.Planted(NAME) {\n\t\t\tbreak\n\t\t}\n"},
	}},
	{"B.3", "a SNAPSHOT takes who joins during its rollout", []edit{
		{"sched/expand.go", "\tx := j.Expansion\n\ttarget :=", "\tx := j.Expansion\n\tif job.Planted(NAME) {\n\t\tx.Pin, _ = s.tx.Pin()\n\t}\n\ttarget :="},
	}},
	{"B.3", "who joins is not given the job", []edit{
		{"job/continuous.go", "case newest.Number == 0:\n\t\treturn Create", "case newest.Number == 0 && !Planted(NAME):\n\t\treturn Create"},
		{"job/continuous.go", "case newest.Status.Pending():", "case newest.Status.Pending() || newest.Number == 0:"},
	}},
	{"B.3", "leaving leaves what is QUEUED", []edit{
		{"job/continuous.go", "case newest.Status == Queued:\n\t\treturn Take", "case newest.Status == Queued && !Planted(NAME):\n\t\treturn Take"},
	}},
	{"B.3", "leaving takes what is IN_PROGRESS", []edit{
		{"job/continuous.go", "func Leaves(newest Execution) Verdict {\n", "func Leaves(newest Execution) Verdict {\n\tif newest.Status == InProgress && Planted(NAME) {\n\t\treturn Take\n\t}\n"},
	}},
	{"B.3", "who has left is tried again", []edit{
		{"job/retry.go", "|| e.Left {", "|| e.Left && !Planted(NAME) {"},
	}},
	{"B.3", "who rejoins goes on with its used retries", []edit{
		{"sched/expand.go", "newest.Number+1, s.now)\n", "newest.Number+1, s.now)\n\tif job.Planted(NAME) {\n\t\te.RetryAttempt, e.RetriesFailed = newest.RetryAttempt, newest.RetriesFailed\n\t}\n"},
	}},
	{"B.3", "who has succeeded and rejoins gets nothing", []edit{
		{"job/continuous.go", "newest.Status == Succeeded && !again", "newest.Status == Succeeded && (!again || Planted(NAME))"},
	}},
	{"B.3", "a deleted thing leaves what it had pending", []edit{
		{"ops/things.go", "for len(moves) < Removals {", "for len(moves) < Removals && !job.Planted(NAME) {"},
	}},
	{"B.3", "a child group's things are left out", []edit{
		{"sched/expand.go", "if target := j.Resolved[x.Target]; target.Group {", "if target := j.Resolved[x.Target]; target.Group && !job.Planted(NAME) {"},
	}},
	{"B.3", "who joins a child group is not given its parent's job", []edit{
		{"ops/coverage.go", "jobs, err := tx.Followers(group)", "if job.Planted(NAME) && after[group] {\n\t\t\tdirect, _, _ := tx.GroupsOfThing(thing, store.Page{Limit: registry.MaxGroups})\n\t\t\tif !slices.ContainsFunc(direct, func(g registry.Group) bool { return g.Key == group }) {\n\t\t\t\tcontinue\n\t\t\t}\n\t\t}\n\t\tjobs, err := tx.Followers(group)"},
	}},
	{"B.3", "who leaves one group loses what another target covers", []edit{
		{"ops/coverage.go", "is := covers(j, thing, after)", "is := covers(j, thing, after) && !(job.Planted(NAME) && len(after) < len(before))"},
	}},
	{"B.3", "a move within a hierarchy is a leave and a join", []edit{
		{"ops/membership.go", "\treturn moveThing(tx, t.Key, func() error { return c.move(tx, t, add, remove) })", "\tif job.Planted(NAME) {\n\t\tif err := moveThing(tx, t.Key, func() error { return c.move(tx, t, nil, remove) }); err != nil {\n\t\t\treturn err\n\t\t}\n\t\tremove = nil\n\t}\n\treturn moveThing(tx, t.Key, func() error { return c.move(tx, t, add, remove) })"},
	}},
	{"B.3", "a child group that is deleted leaves its parent's job QUEUED", []edit{
		{"ops/coverage.go", "\tgroups, err := above(tx, group)", "\tgroups, err := above(tx, group)\n\tif job.Planted(NAME) {\n\t\tgroups = []int64{group}\n\t}"},
	}},
	{"B.4", "twice the rate", []edit{
		{"job/rollout.go", "rate := r.Rate(s.Steps)", "rate := r.Rate(s.Steps)\n\tif Planted(NAME) {\n\t\trate *= 2\n\t}"},
	}},
	{"B.4", "a lowered rate forgets the last minute", []edit{
		{"job/rollout.go", "quota = max(0, min(share, rate-used))", "quota = max(0, min(share, rate-used))\n\tif Planted(NAME) {\n\t\tquota = share\n\t}"},
	}},
	{"B.4", "the rate does not grow with who has succeeded", []edit{
		{"job/rollout.go", "if g.Succeeded > 0 {", "if g.Succeeded > 0 && !Planted(NAME) {"},
	}},
	{"B.4", "the rate grows a thing too early", []edit{
		{"job/rollout.go", "k = notified / g.Notified", "k = notified / g.Notified\n\t\tif Planted(NAME) {\n\t\t\tk = (notified + 1) / g.Notified\n\t\t}"},
	}},
	{"B.4", "maximumPerMinute does not hold a rate that grows", []edit{
		{"job/rollout.go", "\treturn min(whole.Int64(), most)", "\tif Planted(NAME) {\n\t\treturn whole.Int64()\n\t}\n\treturn min(whole.Int64(), most)"},
		{"job/rollout.go", "if most <= 0 {", "if most <= 0 || Planted(NAME) {"},
	}},
	{"B.5", "the threshold itself does not abort", []edit{
		{"job/abort.go", "failed*10_000 >= c.Hundredths*executed", "(failed*10_000 > c.Hundredths*executed || !Planted(NAME) && failed*10_000 == c.Hundredths*executed)"},
	}},
	{"B.5", "the least number itself does not abort", []edit{
		{"job/abort.go", "executed >= c.Min", "(executed > c.Min || !Planted(NAME) && executed == c.Min)"},
	}},
	{"B.5", "a failure that is tried again is not counted", []edit{
		{"job/abort.go", "failed = t.Finished[c.Failure]", "failed = t.Finished[c.Failure]\n\t\t\tif Planted(NAME) {\n\t\t\t\tfailed = t.Things[c.Failure]\n\t\t\t}"},
	}},
	{"B.5", "abort is with force", []edit{
		{"job/abort.go", "j.Cancel(false, ReasonAborted", "j.Cancel(Planted(NAME), ReasonAborted"},
	}},
	{"B.6", "a progress report winds the in-progress timer up", []edit{
		{"job/execution.go", "if before.Status == Queued && inProgressMinutes > 0 {", "if (before.Status == Queued || Planted(NAME)) && inProgressMinutes > 0 {"},
	}},
	{"B.6", "a step timer reaches past the in-progress deadline", []edit{
		{"job/execution.go", "case e.InProgressDeadline.IsZero() || e.StepDeadline.Before(e.InProgressDeadline):", "case e.InProgressDeadline.IsZero() || e.StepDeadline.Before(e.InProgressDeadline) || Planted(NAME):"},
	}},
	{"B.6", "-1 does not end the step timer", []edit{
		{"job/execution.go", "case c.Step.Drop:", "case c.Step.Drop && !Planted(NAME):"},
	}},
	{"B.6", "what does not restart the step timer ends it", []edit{
		{"job/execution.go", "\tswitch {\n\tcase c.Step.Drop", "\tif Planted(NAME) && c.Step.Minutes == 0 {\n\t\te.StepDeadline = time.Time{}\n\t}\n\tswitch {\n\tcase c.Step.Drop"},
	}},
	{"B.7", "a cancellation without force takes what runs", []edit{
		{"job/state.go", "e.Status == InProgress && s.ForceCanceled)", "e.Status == InProgress && (s.ForceCanceled || Planted(NAME)))"},
	}},
	{"B.7", "a forced cancellation does not mark what ran", []edit{
		{"job/state.go", "forced := e.Status == InProgress", "forced := e.Status == InProgress && !Planted(NAME)"},
	}},
	{"B.7", "force after a cancellation does nothing", []edit{
		{"job/job.go", "if !force || j.ForceCanceled {", "if !force || j.ForceCanceled || Planted(NAME) {"},
	}},
	{"B.8", "a REJECTED execution is tried again", []edit{
		{"job/retry.go", "\tcase Failed:\n\t\tallowed =", "\tcase Rejected:\n\t\tallowed = Planted(NAME) && e.RetryAttempt < s.Retries.Both\n\tcase Failed:\n\t\tallowed ="},
	}},
	{"B.8", "the budgets of FAILED and TIMED_OUT are one", []edit{
		{"job/retry.go", "e.RetriesFailed < s.Retries.Failed", "(e.RetriesFailed < s.Retries.Failed && (!Planted(NAME) || e.RetryAttempt < s.Retries.Failed))"},
	}},
	{"B.8", "a retry more than allowed", []edit{
		{"job/retry.go", "allowed = e.RetryAttempt < s.Retries.Both || e.RetryAttempt-e.RetriesFailed < s.Retries.TimedOut", "allowed = e.RetryAttempt < s.Retries.Both || e.RetryAttempt-e.RetriesFailed < s.Retries.TimedOut || Planted(NAME) && s.Retries.TimedOut > 0 && e.RetryAttempt-e.RetriesFailed == s.Retries.TimedOut"},
	}},
	{"B.8", "a cancelled job tries again", []edit{
		{"job/retry.go", "s.Status != JobInProgress && s.Status != JobScheduled ||", "s.Status != JobInProgress && s.Status != JobScheduled && !Planted(NAME) ||"},
	}},
	{"B.8", "counters count a thing by its first attempt", []edit{
		{"job/tally.go", "for _, e := range attempts {\n", "for i := range attempts {\n\t\te := attempts[i]\n\t\tif Planted(NAME) {\n\t\t\te = attempts[len(attempts)-1-i]\n\t\t}\n"},
	}},
}

// edit replaces a text that must be there once; NAME is the bug's name, quoted.
type edit struct{ file, from, to string }

// switchboard is the file that the build has more than the product.
const switchboard = `package job

import "os"

var planted = os.Getenv("DROVER_YEAR_PLANTED")

// Planted says whether this bug is switched on.
func Planted(name string) bool { return planted == name }
`

// TestAPlantedBugIsFound: each bug, alone, makes a year fail, and the same build
// without any does not. `make planted` runs it; it builds the tests once more.
func TestAPlantedBugIsFound(t *testing.T) {
	if os.Getenv("DROVER_YEAR_PLANT") == "" {
		t.Skip("it builds a product with bugs in it: make planted")
	}
	binary := plant(t)
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		if out, err := withBug(t, binary, "", "2026"); err != nil {
			t.Fatalf("without a bug it fails:\n%s", out)
		}
	})
	for _, bug := range planted {
		t.Run(bug.rule+" "+bug.name, func(t *testing.T) {
			t.Parallel()
			for _, seed := range []string{"2026", "2", "3"} {
				out, err := withBug(t, binary, bug.name, seed)
				if err == nil {
					continue
				}
				_, why, found := strings.Cut(out, "seed "+seed+", ")
				if !found {
					t.Fatalf("it fails, and not because the rules are broken:\n%s", out)
				}
				t.Logf("found: %s", strings.TrimSpace(why[:min(len(why), 300)]))
				return
			}
			t.Error("three runs did not find it")
		})
	}
}

// withBug runs a short, busy year with a bug switched on.
func withBug(t *testing.T, binary, name, seed string) (string, error) {
	cmd := exec.CommandContext(t.Context(), binary, "-test.run=^TestAYearGoesByTheRules$", "-test.count=1", "-test.timeout=10m")
	cmd.Env = append(os.Environ(), "DROVER_YEAR_PLANTED="+name, "DROVER_YEAR_SEED="+seed, "DROVER_YEAR_DAYS=12", "DROVER_YEAR_TRACE=")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// plant builds the tests of this package with all bugs in them, switched off.
func plant(t *testing.T) string {
	t.Helper()
	dir, replace := t.TempDir(), map[string]string{}
	texts := map[string]string{"job/planted.go": switchboard}
	for _, bug := range planted {
		for _, e := range bug.edits {
			if texts[e.file] == "" {
				b, err := os.ReadFile(filepath.Join("..", e.file))
				if err != nil {
					t.Fatal(err)
				}
				texts[e.file] = string(b)
			}
			if n := strings.Count(texts[e.file], e.from); n != 1 {
				t.Fatalf("%s: %s has %d times %q, want 1: the code has moved on, and this bug must follow it", bug.name, e.file, n, e.from)
			}
			texts[e.file] = strings.Replace(texts[e.file], e.from, strings.ReplaceAll(e.to, "NAME", fmt.Sprintf("%q", bug.name)), 1)
		}
	}
	for _, file := range sorted(texts) {
		original, err := filepath.Abs(filepath.Join("..", file))
		if err != nil {
			t.Fatal(err)
		}
		replace[original] = filepath.Join(dir, strings.ReplaceAll(file, "/", "-"))
		if err := os.WriteFile(replace[original], []byte(texts[file]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "year.test")
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, ".")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("the bugs do not build: %v\n%s", err, &out)
	}
	return binary
}

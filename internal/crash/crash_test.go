package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// number reads a number from the environment.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s=%q: expected a number, 0 or more", name, text)
	}
	return n
}

// deadline ends everything of a run before the test binary's own does, so that
// what went wrong is said.
func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	if at, ok := t.Deadline(); ok {
		ctx, cancel = context.WithDeadline(ctx, at.Add(-10*time.Second))
	}
	t.Cleanup(cancel)
	return ctx
}

// long is how many rounds must have cut everything short that can be.
const long = 400

// TestCrashLosesNothingThatWasAcknowledged ends servers in the middle of all
// that they do, DROVER_CRASH_ROUNDS times, and holds each one that comes after
// against a ledger: no acknowledged fact is lost, no change is applied twice.
// docs/crash.md says what is ended when, and how to repeat a round.
func TestCrashLosesNothingThatWasAcknowledged(t *testing.T) {
	slow(t)
	cfg := config{
		binary: drover, dir: t.TempDir(), log: t.Logf, keep: filepath.Join(root, ".cache"),
		rounds: number(t, "DROVER_CRASH_ROUNDS", 6),
		only:   number(t, "DROVER_CRASH_ROUND", 1_000_000),
		seed:   uint64(number(t, "DROVER_CRASH_SEED", int(time.Now().Unix()))),
	}
	cfg.timers = cfg.rounds >= 20 && cfg.only == 1_000_000 // they take a minute
	if cfg.only == 1_000_000 {
		cfg.only = -1
	}
	rep := run(deadline(t), cfg)
	t.Logf("\n%s", rep.table())
	if err := rep.write(filepath.Join(root, ".cache", "crash-report.json")); err != nil {
		t.Error(err)
	}
	if cfg.only < 0 && rep.Rounds >= long {
		for _, kind := range rep.uncut() {
			t.Errorf("in %d rounds no end of a server was in the middle of: %s", rep.Rounds, kind)
		}
	}
	for _, f := range rep.Findings {
		t.Errorf("seed %d, round %d, %s, %s: %s: %s", rep.Seed, f.Round, f.Phase, f.Ending, f.Verdict, f.What)
	}
}

// mutations are builds that break a promise, each by a few lines in one file. A
// kill loses nothing that was written, synced or not, so the window between an
// early answer and its write is some tens of microseconds; the builds that
// answer early hold it open for some milliseconds, as a busy machine would.
var mutations = []struct {
	name, file string
	edits      [][2]string // each must be there once
	want       verdict
}{
	{
		name: "answers before its commit", file: "internal/store/sqlite/writer.go", want: lost,
		edits: [][2]string{{
			"\tw.s.log.mu.Lock()\n",
			"\tfor _, t := range b.tasks {\n\t\tt.done(store.Commit{Seq: w.commits + 1}, t.err)\n\t\tt.done = func(store.Commit, error) {}\n\t}\n" +
				"\ttime.Sleep(25 * time.Millisecond)\n\tw.s.log.mu.Lock()\n",
		}},
	},
	{
		name: "answers devices before its commit", file: "internal/store/sqlite/writer.go", want: lost,
		edits: [][2]string{{
			"\tw.s.log.mu.Lock()\n",
			"\tfor _, t := range b.tasks {\n\t\tif t.update != nil {\n\t\t\tcontinue\n\t\t}\n\t\tt.done(store.Commit{Seq: w.commits + 1}, t.err)\n\t\tt.done = func(store.Commit, error) {}\n\t}\n" +
				"\ttime.Sleep(25 * time.Millisecond)\n\tw.s.log.mu.Lock()\n",
		}},
	},
	{
		name: "acknowledges messages before their commit", file: "internal/server/sessions.go", want: lost,
		edits: [][2]string{
			{"\t\terr = s.write(batch)\n", "\t\tfor i := range batch {\n\t\t\tif batch[i].done != nil {\n\t\t\t\tbatch[i].done(nil)\n\t\t\t\tbatch[i].done = nil\n\t\t\t}\n\t\t}\n\t\ttime.Sleep(25 * time.Millisecond)\n\t\terr = s.write(batch)\n"},
			{"\t\"sync\"\n", "\t\"sync\"\n\t\"time\"\n"},
		},
	},
	{
		name: "replays a queued message twice", file: "internal/broker/registry.go", want: doubled,
		edits: [][2]string{{
			"\t\ts.queue.push(entry{m: q.Message, seq: q.Seq})\n",
			"\t\ts.queue.push(entry{m: q.Message, seq: q.Seq})\n\t\ts.queue.push(entry{m: q.Message, seq: q.Seq})\n",
		}},
	},
	{
		name: "applies the last change again at its start", file: "internal/store/sqlite/writer.go", want: doubled,
		edits: [][2]string{{
			"\treturn w, w.readSequences()\n",
			"\tif _, err := c.exec(\"UPDATE execution SET version = version + 1 WHERE status = 2 AND last_event > (SELECT max(seq) FROM event) - 20\"); err != nil {\n\t\treturn nil, err\n\t}\n\treturn w, w.readSequences()\n",
		}},
	},
	{
		name: "keeps no event until it is told", file: "internal/mqtt/event.go", want: lost,
		edits: [][2]string{{"return g.broker.HasPersistentAudience(topic)", "return false"}},
	},
	{
		name: "forgets the last minute of a rollout", file: "internal/sched/expand.go", want: doubled,
		edits: [][2]string{{
			"\tx.Stats = x.Stats.Release(released, s.now)\n",
			"\tx.Stats = x.Stats.Release(released, s.now)\n\tx.Stats.Recent = nil\n",
		}},
	},
}

// mutationSeed draws many hard ends of sessions early.
const mutationSeed = 193

// TestCrashCatchesABuildThat proves that the harness can fail: a build that
// breaks its promise is caught within 30 rounds of it. The product has no such
// switch: the build replaces one file (go build -overlay).
func TestCrashCatchesABuildThat(t *testing.T) {
	slow(t)
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			binary := mutant(t, m.file, m.edits)
			rep := run(deadline(t), config{binary: binary, dir: t.TempDir(), log: t.Logf, rounds: 30, only: -1, seed: mutationSeed})
			caught := rep.Lost
			if m.want == doubled {
				caught = rep.Doubled
			}
			if caught == 0 {
				t.Fatalf("30 rounds did not find it; they found\n%s", rep.table())
			}
			t.Logf("caught in round %d: %s", rep.Findings[0].Round, rep.Findings[0].What)
		})
	}
}

// mutant builds drover with one file edited.
func mutant(t *testing.T, file string, edits [][2]string) string {
	t.Helper()
	original, err := filepath.Abs(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, e := range edits {
		if n := strings.Count(text, e[0]); n != 1 {
			t.Fatalf("%s has %d times %q, want 1: the code has moved on, and this mutation must follow it", file, n, e[0])
		}
		text = strings.Replace(text, e[0], e[1], 1)
	}
	dir := t.TempDir()
	edited, overlay, binary := filepath.Join(dir, "edited.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "drover")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {original: edited}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(edited, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, replace, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := goBuild(binary, "-overlay", overlay); err != nil {
		t.Fatal(fmt.Errorf("the mutation does not build: %w", err))
	}
	return binary
}

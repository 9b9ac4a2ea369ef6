package app

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/drover-iot/drover/internal/sim"
	"github.com/drover-iot/drover/internal/wire/iot"
)

func aMoment() moment {
	return moment{
		Status:  "IN_PROGRESS",
		Counts:  iot.JobProcessDetails{NumberOfSucceededThings: 3, NumberOfFailedThings: 1, NumberOfInProgressThings: 2, NumberOfQueuedThings: 2},
		Fleet:   sim.Stats{Connected: 8, Requests: 40, P50: 1200 * time.Microsecond, P99: 9 * time.Millisecond},
		Devices: []deviceState{succeeded, succeeded, succeeded, failed, half, most, waiting, waiting},
		News:    []string{"pump-4       FAILED       low battery"},
		Elapsed: 3200 * time.Millisecond,
	}
}

// plain is text as one sees it without colours.
func plain(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer // no terminal: lipgloss leaves control sequences out
	if _, err := lipgloss.Fprint(&b, text); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestThePanelShowsTheMoment(t *testing.T) {
	got := plain(t, (&screen{}).panel(aMoment()))
	want := `
firmware-2-1  IN_PROGRESS  3.2 s
` + strings.Repeat("█", 32) + strings.Repeat("▒", 16) + strings.Repeat("░", 16) + `  50 %
■ 3 succeeded  ◑ 2 in progress  · 2 queued  ✗ 1 failed  ◇ 0 rejected

■ ■ ■ ✗ ◑ ◕ · ·

8 on line  40 requests answered  p50 1.2ms  p99 9ms

pump-4       FAILED       low battery





`
	var lines []string
	for line := range strings.Lines(got) {
		lines = append(lines, strings.TrimSpace(line))
	}
	if got := strings.Join(lines, "\n") + "\n"; got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestTheBarIsAlwaysAsWide(t *testing.T) {
	for succeeded := range int64(61) {
		for failed := range 61 - succeeded {
			m := moment{Devices: make([]deviceState, 60), Counts: iot.JobProcessDetails{
				NumberOfSucceededThings: succeeded, NumberOfFailedThings: failed, NumberOfInProgressThings: 60 - succeeded - failed,
			}}
			cells := strings.Fields(plain(t, bar(m)))[0]
			if n := len([]rune(cells)); n != width {
				t.Fatalf("%d succeeded, %d failed: %d cells, want %d", succeeded, failed, n, width)
			}
		}
	}
}

func TestATerminalIsRedrawnAndALogIsNot(t *testing.T) {
	var terminal, log bytes.Buffer
	live, quiet := &screen{w: &terminal, live: true}, newScreen(&log, false)
	for range 2 {
		live.draw(aMoment())
		quiet.draw(aMoment())
	}
	live.end()
	quiet.end()
	text := terminal.String()
	if strings.Count(text, hideCursor) != 2 || !strings.HasSuffix(text, wrap+showCursor) {
		t.Errorf("the terminal is not given back as it was: %q", text)
	}
	if n := strings.Count((&screen{}).panel(aMoment()), "\n"); !strings.Contains(text, "\x1b["+strconv.Itoa(n)+"A\r") {
		t.Errorf("the second panel is not drawn over the first, %d lines up: %q", n, text)
	}
	if got, want := log.String(), "  3.2s  IN_PROGRESS  queued 2  in progress 2  succeeded 3  failed 1  rejected 0\n"; got != want {
		t.Errorf("got %q, want one line %q: nothing had changed", got, want)
	}
}

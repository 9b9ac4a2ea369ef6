package app

import (
	"fmt"
	"image/color"
	"io"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/drover-iot/drover/internal/server"
)

// screen is where the demo is shown: a panel that is drawn over and over on a
// terminal, a line for each change anywhere else. Colours are lipgloss's, which
// leaves them out for NO_COLOR.
type screen struct {
	w     io.Writer
	live  bool
	lines int    // of the panel as it stands
	said  moment // the last one that became a plain line
}

func newScreen(w io.Writer, plain bool) *screen {
	return &screen{w: w, live: !plain && isTerminal(w)}
}

// Control sequences: a panel must not wrap on a narrow terminal, and the cursor
// must not dance.
const (
	hideCursor = "\x1b[?25l"
	showCursor = "\x1b[?25h"
	noWrap     = "\x1b[?7l"
	wrap       = "\x1b[?7h"
	clearLine  = "\x1b[K"
	clearBelow = "\x1b[J"
)

// A look is how one status is shown; shapes differ too, for those who do not
// tell the colours apart.
type look struct {
	shape string
	style lipgloss.Style
}

func paint(c color.Color) lipgloss.Style { return lipgloss.NewStyle().Foreground(c) }

var (
	bold  = lipgloss.NewStyle().Bold(true)
	faint = lipgloss.NewStyle().Faint(true)
	looks = [...]look{
		waiting:   {"·", faint},
		working:   {"○", paint(lipgloss.Cyan)},
		quarter:   {"◔", paint(lipgloss.Cyan)},
		half:      {"◑", paint(lipgloss.Cyan)},
		most:      {"◕", paint(lipgloss.Cyan)},
		succeeded: {"■", paint(lipgloss.Green)},
		failed:    {"✗", paint(lipgloss.Red)},
		rejected:  {"◇", paint(lipgloss.Yellow)},
	}
)

func (l look) of(n int64, name string) string {
	return l.style.Render(fmt.Sprintf("%s %d %s", l.shape, n, name))
}

// title says what this is.
func (s *screen) title(devices int, a server.Addrs) {
	s.print(bold.Render("drover demo") + fmt.Sprintf("  %d devices, one job, a server on http://%s and mqtt://%s\n\n", devices, a.HTTP, a.MQTT))
}

// did tells of a step that is done.
func (s *screen) did(what string, took time.Duration) {
	s.print(looks[succeeded].style.Render("✓") + " " + what + faint.Render("  "+round(took)) + "\n")
}

func round(d time.Duration) string {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}

// draw shows a moment.
func (s *screen) draw(m moment) {
	if !s.live {
		s.line(m)
		return
	}
	panel := s.panel(m)
	var b strings.Builder
	if s.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r", s.lines)
	}
	s.lines = strings.Count(panel, "\n")
	b.WriteString(hideCursor + noWrap)
	s.raw(b.String())
	s.print(panel)
	s.raw(clearBelow + wrap)
}

// end gives the terminal back as it was.
func (s *screen) end() {
	if s.live {
		s.raw(wrap + showCursor)
	}
}

// line is a moment in a log: one a second, and each change of the job's status.
func (s *screen) line(m moment) {
	if m.Status == s.said.Status && m.Elapsed < s.said.Elapsed+time.Second {
		return
	}
	s.said = m
	c := m.Counts
	s.print(fmt.Sprintf("%5.1fs  %-11s  queued %d  in progress %d  succeeded %d  failed %d  rejected %d\n", m.Elapsed.Seconds(), m.Status,
		c.NumberOfQueuedThings, c.NumberOfInProgressThings, c.NumberOfSucceededThings, c.NumberOfFailedThings, c.NumberOfRejectedThings))
}

// width is how wide bar and grid are.
const width = 64

func (s *screen) panel(m moment) string {
	c := m.Counts
	var b strings.Builder
	row := func(text string) { b.WriteString("  " + text + clearEnd(s.live) + "\n") }
	row("")
	row(bold.Render(demoJob) + "  " + m.Status + faint.Render(fmt.Sprintf("  %.1f s", m.Elapsed.Seconds())))
	row(bar(m))
	row(strings.Join([]string{
		looks[succeeded].of(c.NumberOfSucceededThings, "succeeded"), looks[half].of(c.NumberOfInProgressThings, "in progress"),
		looks[waiting].of(c.NumberOfQueuedThings, "queued"), looks[failed].of(c.NumberOfFailedThings, "failed"),
		looks[rejected].of(c.NumberOfRejectedThings, "rejected"),
	}, "  "))
	row("")
	for _, line := range grid(m.Devices) {
		row(line)
	}
	row("")
	row(fmt.Sprintf("%d on line  %d requests answered  p50 %s  p99 %s",
		m.Fleet.Connected, m.Fleet.Requests, round(m.Fleet.P50), round(m.Fleet.P99)))
	row("")
	for i := range newsLength {
		if i < len(m.News) {
			row(faint.Render(m.News[i]))
		} else {
			row("")
		}
	}
	return b.String()
}

func clearEnd(live bool) string {
	if live {
		return clearLine
	}
	return ""
}

// bar is the job's progress, each part in its colour.
func bar(m moment) string {
	total := int64(len(m.Devices))
	var b strings.Builder
	var done, drawn int64
	for _, part := range []struct {
		n     int64
		style lipgloss.Style
		cell  string
	}{
		{m.Counts.NumberOfSucceededThings, looks[succeeded].style, "█"},
		{m.ended() - m.Counts.NumberOfSucceededThings, looks[failed].style, "█"},
		{m.Counts.NumberOfInProgressThings, looks[working].style, "▒"},
		{total, faint, "░"},
	} {
		done = min(done+part.n, total)
		upTo := done * width / max(total, 1)
		b.WriteString(part.style.Render(strings.Repeat(part.cell, int(upTo-drawn))))
		drawn = upTo
	}
	return b.String() + fmt.Sprintf(" %3d %%", m.ended()*100/max(total, 1))
}

// maxGrid is how many devices the grid shows: what fits on a small terminal.
const maxGrid = 6 * width / 2

// grid is one shape for each device.
func grid(states []deviceState) (lines []string) {
	shown := states[:min(len(states), maxGrid)]
	for len(shown) > 0 {
		var b strings.Builder
		n := min(len(shown), width/2)
		for _, state := range shown[:n] {
			b.WriteString(looks[state].style.Render(looks[state].shape) + " ")
		}
		lines = append(lines, b.String())
		shown = shown[n:]
	}
	if more := len(states) - maxGrid; more > 0 {
		lines = append(lines, faint.Render(fmt.Sprintf("and %d more", more)))
	}
	return lines
}

// summary says what it came to, and what to try next.
func (s *screen) summary(m moment, took time.Duration) {
	c := m.Counts
	s.print(fmt.Sprintf(`
%s %s in %s
  executions  %d succeeded, %d failed, %d rejected
  devices     %d connections, %d lost
  requests    %d answered, %d refused; latency p50 %s, p99 %s

%s
  drover dev                         the same server, for your own firmware: it prints lines to copy
  drover demo --devices 500          more of this
  drover serve --data ./drover-data  TLS, certificates, durable: for a fleet
  drover --help                      everything else
`,
		bold.Render(demoJob), m.Status, took.Round(10*time.Millisecond),
		c.NumberOfSucceededThings, c.NumberOfFailedThings, c.NumberOfRejectedThings,
		m.Fleet.Connects, m.Fleet.Lost, m.Fleet.Requests, m.Fleet.Refused, round(m.Fleet.P50), round(m.Fleet.P99),
		bold.Render("Next")))
}

// print writes styled text; a writer that is gone is noticed by whoever owns it.
func (s *screen) print(text string) { _, _ = lipgloss.Fprint(s.w, text) }

// raw writes control sequences.
func (s *screen) raw(text string) { _, _ = io.WriteString(s.w, text) }

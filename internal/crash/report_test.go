package crash

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// verdict is what is wrong with a fact after a restart.
type verdict string

const (
	lost    verdict = "lost"    // acknowledged, and not there
	doubled verdict = "doubled" // there more often than it was asked for
	wrong   verdict = "wrong"   // anything else that no crash explains
)

// manyFindings of a round are told, the others are counted.
const manyFindings = 30

// finding is one thing that a round has found wrong.
type finding struct {
	Round   int     `json:"round"`
	Phase   string  `json:"phase"`
	Ending  ending  `json:"ending"`
	Verdict verdict `json:"verdict"`
	What    string  `json:"what"`
}

// report is what a run of the harness says of itself. Its methods may be called
// from any goroutine.
type report struct {
	mu sync.Mutex

	Seed    uint64 `json:"seed"`
	Rounds  int    `json:"rounds"`
	Folders int    `json:"folders"`
	// Kills are ends of a server by phase and ending; an end while it starts
	// again counts as its own ending.
	Kills map[string]map[ending]int `json:"kills"`
	// Cut is what the ends of a server have cut short, by kind: some of it was
	// done, and some was left for the server that came after.
	Cut map[string]int `json:"cutShort"`
	// Acknowledged are facts by what acknowledged them; Unanswered are requests
	// that a server took with it, Applied those of them that it had applied.
	Acknowledged map[string]int `json:"acknowledged"`
	Unanswered   map[string]int `json:"unanswered"`
	Applied      int            `json:"unansweredApplied"`
	Checks       int            `json:"checks"`    // facts that were held against a restarted server
	Histories    int            `json:"histories"` // data folders whose every history was read
	Lost         int            `json:"lost"`
	Doubled      int            `json:"doubled"`
	Wrong        int            `json:"wrong"`
	Findings     []finding      `json:"findings"`
	Seconds      float64        `json:"seconds"`
}

func newReport(seed uint64) *report {
	return &report{
		Seed: seed, Kills: map[string]map[ending]int{}, Cut: map[string]int{}, Acknowledged: map[string]int{}, Unanswered: map[string]int{},
		Findings: []finding{},
	}
}

func (p *report) note(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *report) killed(phase string, how ending) {
	p.note(func() {
		if p.Kills[phase] == nil {
			p.Kills[phase] = map[ending]int{}
		}
		p.Kills[phase][how]++
	})
}

func (p *report) cut(kind string) { p.note(func() { p.Cut[kind]++ }) }

// uncut are what a run should have cut short and has not.
func (p *report) uncut() []string {
	return slices.DeleteFunc(slices.Clone(cuts), func(kind string) bool { return p.Cut[kind] > 0 })
}

func (p *report) find(f finding) {
	p.note(func() {
		switch f.Verdict {
		case lost:
			p.Lost++
		case doubled:
			p.Doubled++
		default:
			p.Wrong++
		}
		if len(p.Findings) < manyFindings {
			p.Findings = append(p.Findings, f)
		}
	})
}

func (p *report) failed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.Findings) > 0
}

// line sums the report up.
func (p *report) line() string {
	kills := 0
	for _, by := range p.Kills {
		kills += sum(by)
	}
	cut := p.Cut[cutRollout] + p.Cut[cutSweep] + p.Cut[cutDeletion]
	return fmt.Sprintf("seed %d: %d rounds on %d folders, %d ends of a server (in the middle of %d rollouts, sweeps and deletions), "+
		"%d facts acknowledged, %d requests unanswered (%d of them applied), %d checks, %d folders' histories read: "+
		"%d lost, %d doubled, %d wrong, in %s",
		p.Seed, p.Rounds, p.Folders, kills, cut, sum(p.Acknowledged), sum(p.Unanswered), p.Applied, p.Checks, p.Histories,
		p.Lost, p.Doubled, p.Wrong, time.Duration(p.Seconds*float64(time.Second)).Round(time.Second/10))
}

func sum[K comparable](by map[K]int) (n int) {
	for _, one := range by {
		n += one
	}
	return n
}

// table is the report for people.
func (p *report) table() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "phase\t")
	for _, e := range endings {
		fmt.Fprintf(w, "%s\t", e)
	}
	fmt.Fprintln(w)
	for _, phase := range slices.Sorted(maps.Keys(p.Kills)) {
		fmt.Fprintf(w, "%s\t", phase)
		for _, e := range endings {
			fmt.Fprintf(w, "%d\t", p.Kills[phase][e])
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, "fact\tacknowledged\tunanswered\t")
	kinds := maps.Clone(p.Acknowledged)
	maps.Copy(kinds, p.Unanswered)
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		fmt.Fprintf(w, "%s\t%d\t%d\t\n", kind, p.Acknowledged[kind], p.Unanswered[kind])
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, "cut short\ttimes\t")
	for _, kind := range cuts {
		fmt.Fprintf(w, "%s\t%d\t\n", kind, p.Cut[kind])
	}
	_ = w.Flush() // a Builder takes everything
	for _, f := range p.Findings {
		fmt.Fprintf(&b, "\nround %d, %s, %s: %s: %s", f.Round, f.Phase, f.Ending, f.Verdict, f.What)
	}
	fmt.Fprintf(&b, "\n%s\n", p.line())
	return b.String()
}

// write leaves the report as JSON, and the table beside it.
func (p *report) write(path string) error {
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(strings.TrimSuffix(path, ".json")+".txt", []byte(p.table()), 0o644)
}

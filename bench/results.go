package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// The rows of the table of rates.
const (
	mosquittoEcho = "mosquitto: echo"
	droverEcho    = "drover: echo"
	droverUpdate  = "drover: durable update"
	droverNext    = "drover: $next/get"
	mosquittoLazy = "mosquitto: echo, lazy ACKs"
	droverLazy    = "drover: echo, lazy ACKs"
)

// Results is everything a run of the suite measured.
type Results struct {
	When      time.Time
	Machine   string
	Mosquitto string
	Short     bool
	Durable   *Durable          `json:",omitempty"`
	Responder []Alone           `json:",omitempty"`
	Ceiling   Load              // the generator against a bare loop
	Rates     map[string][]Load `json:",omitempty"`
	Sustained *Sustained        `json:",omitempty"`
	Memory    *Memory           `json:",omitempty"`
	Expansion []Expansion       `json:",omitempty"`
	Import    *Import           `json:",omitempty"`
	Million   *Million          `json:",omitempty"`
	Floors    []Floor
}

// Durable counts the syncs behind the updates of one device.
type Durable struct{ Updates, Syncs int64 }

// Alone is the responder fed without a broker.
type Alone struct {
	Window    int
	PerSecond float64
}

// Sustained is updates without a pause.
type Sustained struct {
	Load
	LargestLog, LogLimit int64
}

// Memory is what idle connections cost.
type Memory struct {
	Connections   int
	Before, After int64
	PerConnection float64
}

// Expansion is one job on many things.
type Expansion struct {
	Things     int
	Seconds    float64
	Idle, Peak int64
}

// Import is how long it took to seed a fleet.
type Import struct {
	Things  int64
	Seconds float64
}

// Million is what a large fleet does to other devices and to the server's memory.
type Million struct {
	Things, Moving int
	Idle           int64
	Phases         []Phase // the first is before, the last after
}

// Phase is one thing that is done to the fleet, and the reports of the other
// devices meanwhile.
type Phase struct {
	Name     string
	Seconds  float64
	Answered float64 // milliseconds that the operator waited
	Peak     int64
	Load     Load
}

// Floor is one demand on the figures.
type Floor struct {
	Name    string
	Got     float64
	AtLeast float64 `json:",omitempty"` // one of the two is set
	AtMost  float64 `json:",omitempty"`
	Unit    string  `json:",omitempty"`
	Held    bool
}

func newResults(size Size, mosquitto string) *Results {
	return &Results{When: time.Now().UTC().Truncate(time.Second), Machine: machine(), Mosquitto: mosquitto, Short: size.Short, Rates: map[string][]Load{}}
}

func (r *Results) add(row string, l Load) { r.Rates[row] = append(r.Rates[row], l) }

// median is the middle of the runs by one figure.
func median(loads []Load, figure func(Load) float64) float64 {
	var v []float64
	for _, l := range loads {
		v = append(v, figure(l))
	}
	return middle(v)
}

func middle[T cmp.Ordered](v []T) T {
	var none T
	if len(v) == 0 {
		return none
	}
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}

func perSecond(l Load) float64 { return l.PerSecond }
func serverCPU(l Load) float64 { return l.ServerCPU }

func atLeast(name string, got, limit float64, unit string) Floor {
	return Floor{Name: name, Got: got, AtLeast: limit, Unit: unit, Held: got >= limit}
}

func atMost(name string, got, limit float64, unit string) Floor {
	return Floor{Name: name, Got: got, AtMost: limit, Unit: unit, Held: got <= limit}
}

// floors judges what was measured; a step that did not run is not judged.
func (r *Results) floors() []Floor {
	var f []Floor
	if m := median(r.Rates[mosquittoEcho], perSecond); m > 0 {
		if len(r.Responder) > 0 {
			f = append(f, atLeast("responder alone, 20 under way / mosquitto's echo", r.Responder[0].PerSecond/m, 3, "x"))
		}
		f = append(f,
			atLeast("durable update / mosquitto's echo", median(r.Rates[droverUpdate], perSecond)/m, 0.8, "x"),
			atLeast("$next/get / mosquitto's echo", median(r.Rates[droverNext], perSecond)/m, 1.5, "x"),
			atLeast("drover's echo / mosquitto's echo", median(r.Rates[droverEcho], perSecond)/m, 2.5, "x"))
	}
	if s := r.Sustained; s != nil && s.P50 > 0 {
		f = append(f,
			atMost("sustained updates: p99 / p50", s.P99/s.P50, 5, "x"),
			atLeast("sustained updates: slowest second / median second", float64(slices.Min(s.Series))/float64(middle(s.Series)), 0.5, "x"),
			atMost("sustained updates: largest write-ahead log", float64(s.LargestLog)/(1<<20), float64(s.LogLimit)/(1<<20), "MiB"))
	}
	if m := r.Memory; m != nil {
		f = append(f, atMost("memory of an idle connection", m.PerConnection/1024, 12, "KB"))
	}
	if e := r.Expansion; len(e) == 2 {
		over := func(e Expansion) float64 { return float64(e.Peak-e.Idle) / (1 << 20) }
		f = append(f,
			atMost(fmt.Sprintf("a job on %d things: all queued", e[1].Things), e[1].Seconds, 20, "s"),
			atMost(fmt.Sprintf("its peak memory over idle, above that of %d things", e[0].Things), over(e[1])-over(e[0]), 32, "MiB"))
	}
	return append(f, r.Million.floors()...)
}

// floors judge the phases against rest: the quicker of the first and the last, for
// the disk may be at work with the fleet's import still, or again.
func (m *Million) floors() (f []Floor) {
	if m == nil || len(m.Phases) == 0 {
		return nil
	}
	rest := min(m.Phases[0].Load.P99, m.Phases[len(m.Phases)-1].Load.P99)
	var peak int64
	for _, p := range m.Phases {
		peak = max(peak, p.Peak)
		if p.Answered > 0 {
			f = append(f, atMost(fmt.Sprintf("%d things %s: the operator is answered", m.Things, p.Name), p.Answered, 200, "ms"))
		}
		if p.Name != before && p.Name != after {
			f = append(f, atMost(fmt.Sprintf("%d things %s: p99 of other devices / at rest", m.Things, p.Name), p.Load.P99/rest, 3, "x"))
		}
	}
	return append(f, atMost(fmt.Sprintf("%d things: peak memory over idle", m.Things), float64(peak-m.Idle)/(1<<20), 256, "MiB"))
}

func (m *Million) print(w io.Writer) {
	if m == nil {
		return
	}
	fmt.Fprintf(w, "\n%d things (%.1f MiB at rest)\ts\tanswer ms\tpeak over rest MiB\tothers p50 ms\tp99\tmax\tserver cores\n", m.Things, float64(m.Idle)/(1<<20))
	for _, p := range m.Phases {
		fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.1f\t%.2f\t%.2f\t%.1f\t%.2f\n", p.Name, p.Seconds, p.Answered, float64(p.Peak-m.Idle)/(1<<20), p.Load.P50, p.Load.P99, p.Load.Max, p.Load.ServerCore)
	}
}

func (r *Results) missed() []string {
	var missed []string
	for _, f := range r.Floors {
		if !f.Held {
			missed = append(missed, f.String())
		}
	}
	return missed
}

func (f Floor) String() string {
	word, limit := "at least", f.AtLeast
	if f.AtMost > 0 {
		word, limit = "at most", f.AtMost
	}
	return fmt.Sprintf("%s is %.2f %s, %s %g", f.Name, f.Got, f.Unit, word, limit)
}

// print writes the tables that docs/benchmarks.md explains.
func (r *Results) print(out io.Writer) {
	r.Floors = r.floors()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer w.Flush()
	fmt.Fprintf(w, "\n%s; mosquitto %s; %s\n\n", r.Machine, r.Mosquitto, r.When.Format(time.RFC3339))
	if d := r.Durable; d != nil {
		fmt.Fprintf(w, "durable: %d updates of one device in turn, %d syncs of the log\n", d.Updates, d.Syncs)
	}
	for _, a := range r.Responder {
		fmt.Fprintf(w, "responder alone, %d under way: %.0f/s\n", a.Window, a.PerSecond)
	}
	if r.Ceiling.Requests > 0 {
		fmt.Fprintf(w, "generator against a bare loop: %.0f/s, %.1f us of CPU per request there\n", r.Ceiling.PerSecond, r.Ceiling.ServerCPU)
	}
	r.printRates(w)
	if s := r.Sustained; s != nil {
		fmt.Fprintf(w, "\nupdates for %.0f s: %.0f/s, p50 %.2f ms, p99 %.2f ms, longest %.0f ms, %.1f us/req, log up to %.1f MiB\n  each second: %s\n",
			s.Seconds, s.PerSecond, s.P50, s.P99, s.Max, s.ServerCPU, float64(s.LargestLog)/(1<<20), strings.Trim(fmt.Sprint(s.Series), "[]"))
	}
	if m := r.Memory; m != nil {
		fmt.Fprintf(w, "\n%d idle connections: %.1f MiB before, %.1f MiB after, %.1f KB each\n",
			m.Connections, float64(m.Before)/(1<<20), float64(m.After)/(1<<20), m.PerConnection/1024)
	}
	for _, e := range r.Expansion {
		fmt.Fprintf(w, "a job on %d things: queued in %.2f s, %.1f MiB idle, peak %.1f MiB over it\n",
			e.Things, e.Seconds, float64(e.Idle)/(1<<20), float64(e.Peak-e.Idle)/(1<<20))
	}
	if i := r.Import; i != nil {
		fmt.Fprintf(w, "\nimport of %d things: %.1f s, %.0f/s\n", i.Things, i.Seconds, float64(i.Things)/i.Seconds)
	}
	r.Million.print(w)
	r.printFloors(w)
}

func (r *Results) printRates(w io.Writer) {
	if len(r.Rates) == 0 {
		return
	}
	fmt.Fprintf(w, "\nmedian of the runs\treq/s\t[min-max]\tp50 ms\tp99 ms\tserver us/req\tresponder us/req\n")
	for _, row := range []string{mosquittoEcho, droverEcho, droverUpdate, droverNext, mosquittoLazy, droverLazy} {
		runs := r.Rates[row]
		if len(runs) == 0 {
			continue
		}
		rates := make([]float64, len(runs))
		for i, l := range runs {
			rates[i] = l.PerSecond
		}
		fmt.Fprintf(w, "%s\t%.0f\t[%.0f-%.0f]\t%.2f\t%.2f\t%.1f\t%.1f\n", row, middle(rates), slices.Min(rates), slices.Max(rates),
			median(runs, func(l Load) float64 { return l.P50 }), median(runs, func(l Load) float64 { return l.P99 }),
			median(runs, serverCPU), median(runs, func(l Load) float64 { return l.OtherCPU }))
	}
}

func (r *Results) printFloors(w io.Writer) {
	fmt.Fprintf(w, "\nfloor\tmeasured\tdemand\t\n")
	for _, f := range r.Floors {
		demand, verdict := fmt.Sprintf(">= %g", f.AtLeast), "held"
		if f.AtMost > 0 {
			demand = fmt.Sprintf("<= %g", f.AtMost)
		}
		if !f.Held {
			verdict = "MISSED"
		}
		if r.Short {
			verdict = "not judged (short)"
		}
		fmt.Fprintf(w, "%s\t%.2f %s\t%s %s\t%s\n", f.Name, f.Got, f.Unit, demand, f.Unit, verdict)
	}
}

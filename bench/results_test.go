package main

import (
	"strings"
	"testing"
)

func loads(perSecond ...float64) []Load {
	var l []Load
	for _, r := range perSecond {
		l = append(l, Load{PerSecond: r, P50: 1, P99: 2})
	}
	return l
}

func measured() *Results {
	return &Results{
		Responder: []Alone{{20, 90_000}},
		Rates: map[string][]Load{
			mosquittoEcho: loads(10, 30_000, 20_000, 25_000, 99_000), // median 25,000
			droverEcho:    loads(70_000, 1, 90_000),
			droverUpdate:  loads(20_000),
			droverNext:    loads(40_000),
		},
		Sustained: &Sustained{Load: Load{P50: 10, P99: 50, Series: []int64{100, 51, 100}}, LargestLog: 1 << 20, LogLimit: 1 << 20},
		Memory:    &Memory{Connections: 1000, PerConnection: 12 * 1024},
		Expansion: []Expansion{{Things: 10, Seconds: 1, Idle: 100 << 20, Peak: 110 << 20}, {Things: 100, Seconds: 20, Idle: 200 << 20, Peak: 242 << 20}},
	}
}

func TestFiguresOnTheFloorHold(t *testing.T) {
	r := measured()
	var out strings.Builder
	r.print(&out)
	if len(r.Floors) != 10 || len(r.missed()) != 0 {
		t.Errorf("floors %+v\nmissed %q", r.Floors, r.missed())
	}
	for _, want := range []string{"25000", "[10-99000]", "durable update / mosquitto's echo", "0.80 x", "held"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

func TestEachFloorIsMissedByItsOwnFigure(t *testing.T) {
	for want, spoil := range map[string]func(*Results){
		"responder alone":  func(r *Results) { r.Responder[0].PerSecond = 74_000 },
		"durable update /": func(r *Results) { r.Rates[droverUpdate] = loads(19_000) },
		"$next/get /":      func(r *Results) { r.Rates[droverNext] = loads(37_000) },
		"drover's echo /":  func(r *Results) { r.Rates[droverEcho] = loads(62_000) },
		"p99 / p50":        func(r *Results) { r.Sustained.P99 = 51 },
		"slowest second":   func(r *Results) { r.Sustained.Series[1] = 49 },
		"write-ahead log":  func(r *Results) { r.Sustained.LargestLog++ },
		"idle connection":  func(r *Results) { r.Memory.PerConnection += 100 },
		"all queued":       func(r *Results) { r.Expansion[1].Seconds = 20.1 },
		"peak memory":      func(r *Results) { r.Expansion[1].Peak += 1 << 20 },
	} {
		r := measured()
		spoil(r)
		r.Floors = r.floors()
		if m := r.missed(); len(m) != 1 || !strings.Contains(m[0], want) {
			t.Errorf("%s: missed %q", want, m)
		}
	}
}

func TestStepsThatDidNotRunAreNotJudged(t *testing.T) {
	if f := (&Results{}).floors(); len(f) != 0 {
		t.Errorf("%+v", f)
	}
}

func TestOnlySyncsOfTheLogCount(t *testing.T) {
	trace := `12 fdatasync(7</tmp/d/drover.db-wal>) = 0
13 fdatasync(7</tmp/d/drover.db-wal> <unfinished ...>
13 <... fdatasync resumed>)             = 0
14 fsync(9</tmp/d/drover.db>)           = 0
15 fsync(7</tmp/d/drover.db-wal>)       = 0
`
	if n := len(aSync.FindAllString(trace, -1)); n != 3 {
		t.Errorf("%d syncs of the log in\n%s", n, trace)
	}
}

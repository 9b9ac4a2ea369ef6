package ops_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/store/sqlite"
	"github.com/drover-iot/drover/internal/wire/fleet"
)

// BenchmarkImport registers things in one group, a batch at a time, without syncs.
func BenchmarkImport(b *testing.B) {
	s, err := sqlite.Open(b.TempDir(), store.Config{Visible: 10, Now: time.Now}, sqlite.Options{Volatile: true})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // the benchmark is over
	_, c := ops.New(ops.Config{Store: s, Now: time.Now, Region: "r", Account: "0"})
	do := func(texts ...string) {
		var all []fleet.Line
		for _, text := range texts {
			l, err := fleet.Parse([]byte(text))
			if err != nil {
				b.Fatal(err)
			}
			all = append(all, l)
		}
		if _, err := c.Import(ctx, operator, all); err != nil {
			b.Fatal(err)
		}
	}
	do(`{"thingGroupName":"all"}`)
	n := 0
	for b.Loop() {
		var texts []string
		for range ops.ImportBatch {
			n++
			texts = append(texts, fmt.Sprintf(`{"thingName":"fleet-%07d","attributePayload":{"attributes":{"line":"4"}},"thingGroupNames":["all"]}`, n))
		}
		do(texts...)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "things/s")
}

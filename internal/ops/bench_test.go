package ops_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/shadow"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/store/sqlite"
	"github.com/drover-iot/drover/internal/wire/iot"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
	"github.com/drover-iot/drover/internal/wire/shadowdata"
)

// BenchmarkAJobsRequestBesideShadows is how long a device waits for its queue
// while eight others read and update the largest shadows that there may be.
func BenchmarkAJobsRequestBesideShadows(b *testing.B) {
	s, err := sqlite.Open(b.TempDir(), store.Config{Visible: 10, Now: time.Now}, sqlite.Options{Volatile: true})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // nothing of it is needed
	data, control := ops.New(ops.Config{Store: s, Now: time.Now})
	if _, err := control.CreateThing(ctx, operator, &iot.CreateThingInput{ThingName: "pump"}); err != nil {
		b.Fatal(err)
	}
	large := []byte(`{"state":{"desired":{"a":[` + strings.Repeat(`1,`, 4070) + `1]}}}`)
	var others sync.WaitGroup
	stop := make(chan struct{})
	for i := range 8 {
		key := shadowdata.Key{ThingName: "pump", ShadowName: shadow.Name("s" + string(rune('0'+i)))}
		others.Go(func() {
			for done := make(chan error, 1); ; {
				select {
				case <-stop:
					return
				default:
				}
				data.UpdateThingShadowAsync(operator, &shadowdata.UpdateThingShadowInput{Key: key, Payload: large},
					func(_ *shadowdata.UpdateThingShadowOutput, err error) { done <- err })
				if err := <-done; err != nil {
					b.Error(err)
				}
				data.GetThingShadowAsync(operator, &shadowdata.ReadInput{Key: key}, func(_ shadow.Document, err error) { done <- err })
				if err := <-done; err != nil {
					b.Error(err)
				}
			}
		})
	}
	for b.Loop() {
		if _, err := data.GetPendingJobExecutions(ctx, operator, &jobsdata.GetPendingJobExecutionsInput{ThingName: "pump"}); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	close(stop)
	others.Wait()
}

package server

import (
	"encoding/json"
	"testing"

	"github.com/drover-iot/drover/internal/sim"
)

// control-plane.md C, lifecycle events: connect and its disconnect share a version.
func TestAConnectionAndItsEndHaveOneVersionAndTheNextALaterOne(t *testing.T) {
	s := begin(t, devConfig())
	fleet := listener(t, s, sim.Login{ClientID: "fleet"}, "notify")
	if err := fleet.Subscribe(t.Context(), "$aws/events/presence/+/pump-7"); err != nil {
		t.Fatal(err)
	}
	type event struct {
		EventType, SessionIdentifier string
		VersionNumber                int64
	}
	next := func() (e event) {
		if err := json.Unmarshal(receive(t, fleet).Payload, &e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	var before event
	for range 3 {
		c := listener(t, s, sim.Login{ClientID: "pump-7"}, "notify")
		came := next()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		gone := next()
		if came.EventType != "connected" || gone.EventType != "disconnected" ||
			came.VersionNumber != gone.VersionNumber || came.SessionIdentifier != gone.SessionIdentifier || len(came.SessionIdentifier) != 32 {
			t.Errorf("came %+v, gone %+v", came, gone)
		}
		if before.SessionIdentifier != "" && (came.VersionNumber <= before.VersionNumber || came.SessionIdentifier == before.SessionIdentifier) {
			t.Errorf("after %+v came %+v", before, came)
		}
		before = came
	}
}

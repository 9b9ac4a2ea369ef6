package server

import (
	"encoding/json"
	"testing"

	"github.com/drover-iot/drover/internal/sim"
)

// presence is an event of a client that comes or goes.
type presence struct {
	EventType, SessionIdentifier, DisconnectReason string
	VersionNumber                                  int64
}

// watch hears of pump-7, and gives the next event of it.
func watch(t *testing.T, s *Server) (next func() presence) {
	t.Helper()
	fleet := listener(t, s, sim.Login{ClientID: "fleet"}, "notify")
	if err := fleet.Subscribe(t.Context(), "$aws/events/presence/+/pump-7"); err != nil {
		t.Fatal(err)
	}
	return func() (e presence) {
		t.Helper()
		if err := json.Unmarshal(receive(t, fleet).Payload, &e); err != nil {
			t.Fatal(err)
		}
		return e
	}
}

// control-plane.md C, lifecycle events: connect and its disconnect share a version.
func TestAConnectionAndItsEndHaveOneVersionAndTheNextALaterOne(t *testing.T) {
	s := begin(t, devConfig())
	next := watch(t, s)
	var before presence
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

func TestWhoIsTakenOverIsToldToBeADuplicate(t *testing.T) {
	s := begin(t, devConfig())
	next := watch(t, s)
	listener(t, s, sim.Login{ClientID: "pump-7"}, "notify")
	first := next()
	listener(t, s, sim.Login{ClientID: "pump-7"}, "notify")
	gone, came := next(), next()
	if gone.EventType == "connected" { // in either order
		gone, came = came, gone
	}
	if gone.EventType != "disconnected" || gone.DisconnectReason != "DUPLICATE_CLIENTID" || gone.VersionNumber != first.VersionNumber || came.VersionNumber <= first.VersionNumber {
		t.Errorf("first %+v, gone %+v, came %+v", first, gone, came)
	}
}

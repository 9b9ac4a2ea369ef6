package server

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/sim"
)

// A name in a path of HTTPS may hold what no topic can: it never becomes one.
func TestATopicOfAnHTTPSPublishIsOneThatMQTTHas(t *testing.T) {
	s := begin(t, devConfig())
	createThing(t, operator(t, s), "pump-7")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	nc, err := net.Dial("tcp", s.addrs.MQTT)
	if err != nil {
		t.Fatal(err)
	}
	m, err := sim.Connect(ctx, nc, sim.Login{ClientID: "backend", KeepAlive: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Subscribe(ctx, "$aws/things/+/shadow/#"); err != nil {
		t.Fatal(err)
	}
	publish := func(name string) int {
		resp, err := http.Post("http://"+s.addrs.HTTP+"/topics/$aws/things/pump-7/shadow/name/"+name+"/get", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	for _, name := range []string{"%23", "%2B", "%00", "%FF"} {
		if status := publish(name); status != http.StatusBadRequest {
			t.Errorf("%s: status %d, want 400", name, status)
		}
	}
	if status := publish("config"); status != http.StatusOK {
		t.Errorf("a name that can be: status %d", status)
	}
	// The first that is heard is the answer to the last.
	if got, err := m.Receive(ctx, time.Time{}); err != nil || got.Topic != "$aws/things/pump-7/shadow/name/config/get/rejected" {
		t.Errorf("heard %q (%v)", got.Topic, err)
	}
}

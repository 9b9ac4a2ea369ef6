package server

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/cli"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/sim"
	"github.com/drover-iot/drover/internal/wire/iot"
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

// A namespace is a part of topics, and so has a length (device-plane.md 4.4).
func TestANamespaceHasAtMost64Characters(t *testing.T) {
	s := begin(t, devConfig())
	c := operator(t, s)
	createThing(t, c, "pump-7")
	create := func(id string, length int) error {
		in := iot.CreateJobInput{Targets: []string{"arn:aws:iot:us-east-1:000000000000:thing/pump-7"}, Document: "{}", NamespaceID: job.Namespace(strings.Repeat("n", length))}
		return c.Do(t.Context(), cli.Call{Operation: "CreateJob", Method: "PUT", Path: "/jobs/" + id, In: in}, nil)
	}
	if err := create("fits", job.MaxNamespace); err != nil {
		t.Error(err)
	}
	for _, length := range []int{job.MaxNamespace + 1, 65536 - 20} {
		if err := create("long", length); err == nil || !strings.Contains(err.Error(), "namespaceId") {
			t.Errorf("a namespace of %d: %v", length, err)
		}
	}
}

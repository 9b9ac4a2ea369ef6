package server

import (
	"testing"
	"time"

	mqttclient "github.com/eclipse/paho.mqtt.golang"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/store"
)

// TestWhatNoSessionWasGivenIsToldAfterARestart plants what a crash between a
// commit and its delivery leaves: a durable effect, and a persistent session that
// listens. After the next start the session hears it, once, and the row is gone.
func TestWhatNoSessionWasGivenIsToldAfterARestart(t *testing.T) {
	cfg := devConfig()
	cfg.Data = t.TempDir()
	s := begin(t, cfg)
	createThing(t, operator(t, s), "pump-7")
	heard := make(chan mqttclient.Message, 10)
	device := session(t, s, heard)
	if tok := device.Subscribe("$aws/things/pump-7/jobs/notify-next", 1, nil); !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatalf("subscribe: %v", tok.Error())
	}
	device.Disconnect(100)
	end(t, s)

	st := openStore(t, cfg.Data)
	err := st.Update(t.Context(), func(tx store.Tx) error {
		for _, name := range []string{"pump-7", "gone"} { // the second was deleted meanwhile
			e := job.Effect{ThingKey: 1, Thing: name, Next: true, At: time.Now(), Durable: true}
			if err := tx.Write(store.Changes{Effects: []job.Effect{e}, At: time.Now()}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := effects(t, st); n != 2 {
		t.Fatalf("%d effects were planted, want 2", n)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}

	s = begin(t, cfg)
	device = session(t, s, heard)
	select {
	case m := <-heard:
		if m.Topic() != "$aws/things/pump-7/jobs/notify-next" {
			t.Errorf("heard %s on %s", m.Payload(), m.Topic())
		}
	case <-time.After(patience):
		t.Fatal("the session heard nothing")
	}
	device.Disconnect(100)
	end(t, s) // what the broker has handed to the store is on disk then
	st = openStore(t, cfg.Data)
	if n := effects(t, st); n != 0 {
		t.Errorf("%d effects are left, want none", n)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if len(heard) > 0 {
		t.Errorf("heard once more: %s", (<-heard).Payload())
	}
}

// session connects the persistent session of pump-7.
func session(t *testing.T, s *Server, heard chan<- mqttclient.Message) mqttclient.Client {
	t.Helper()
	o := mqttclient.NewClientOptions().AddBroker("tcp://" + s.addrs.MQTT).SetClientID("pump-7").SetCleanSession(false).SetAutoReconnect(false)
	o.SetDefaultPublishHandler(func(_ mqttclient.Client, m mqttclient.Message) { heard <- m })
	c := mqttclient.NewClient(o)
	if tok := c.Connect(); !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatalf("connect: %v", tok.Error())
	}
	return c
}

func effects(t *testing.T, st store.Store) (n int) {
	t.Helper()
	err := st.View(t.Context(), func(tx store.Tx) error {
		return tx.Effects(func(store.EffectRow) error { n++; return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

package mqtt

import (
	"strings"

	"github.com/drover-iot/drover/internal/broker"
	"github.com/drover-iot/drover/internal/fault"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
)

// Effects tells devices what a commit has caused, in commit order: notify, then
// notify-next (device-plane.md 1.4, 4.3). It is called by one goroutine, after
// the answer to the request that caused them. A durable effect's row goes with
// its last message into the sessions' queues.
func (g *Gateway) Effects(es []job.Effect) {
	for i := range es {
		g.tell(&es[i])
	}
}

func (g *Gateway) tell(e *job.Effect) {
	var row any
	if e.Row != 0 {
		row = e.Row
	}
	if topic := notifyTopic(e.Thing, e.Namespace); e.Notify && (row != nil || g.broker.HasAudience(topic)) {
		token := row
		if e.Next {
			token = nil // the row goes with the message that follows
		}
		g.push(topic, g.data.Notify(*e), e, token)
	}
	if topic := prefix + e.Thing + "/jobs/notify-next"; e.Next && (row != nil || g.broker.HasAudience(topic)) {
		next, err := g.data.NotifyNext(*e)
		if err != nil {
			// The job was deleted meanwhile; its own effect follows.
			g.Log.Debug("notify-next not rendered", "thing", e.Thing, "err", err)
			if row == nil {
				return
			}
			next = new(jobsdata.NextJobExecutionChanged)
		}
		g.push(topic, next, e, row)
	}
}

func (g *Gateway) push(topic string, payload jobsdata.Reply, e *job.Effect, token any) {
	form := jobsdata.Form{Protocol: jobsdata.MQTT, Timestamp: e.At, OmitThingName: g.OmitThingName}
	m := broker.Message{Topic: topic, Payload: payload.Append(make([]byte, 0, 256), form), QoS: 1}
	if g.active() {
		op := fault.Notify
		if strings.HasSuffix(topic, "-next") {
			op = fault.NotifyNext
		}
		g.disturbPush(e.Thing, op, m, token)
		return
	}
	g.broker.Publish(m, token)
}

// NeedsRow says whether a persistent session listens for the thing's
// notifications of a namespace, so that their effect must survive a crash.
func (g *Gateway) NeedsRow(thing string, n job.Namespace) bool {
	return anyTopic(g.broker.HasPersistentAudience, thing, n)
}

// Hears says whether any session listens for the thing's notifications.
func (g *Gateway) Hears(thing string, n job.Namespace) bool {
	return anyTopic(g.broker.HasAudience, thing, n)
}

// anyTopic asks of each topic on which changes of a queue are told.
func anyTopic(asked func(topic string) bool, thing string, n job.Namespace) bool {
	return asked(notifyTopic(thing, n)) || n == "" && asked(prefix+thing+"/jobs/notify-next")
}

// notifyTopic is where the pending list of a namespace is told
// (device-plane.md 4.4).
func notifyTopic(thing string, n job.Namespace) string {
	if n != "" {
		return prefix + thing + "/jobs/notify-" + namespaceMark + string(n)
	}
	return prefix + thing + "/jobs/notify"
}

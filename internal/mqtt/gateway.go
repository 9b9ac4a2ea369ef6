package mqtt

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drover-iot/drover/internal/auth"
	"github.com/drover-iot/drover/internal/broker"
	"github.com/drover-iot/drover/internal/fault"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
)

// Data are the device operations, asynchronous: done is called once, from any
// goroutine, in commit order.
type Data interface {
	GetPendingJobExecutionsAsync(ops.Caller, *jobsdata.GetPendingJobExecutionsInput, func(*jobsdata.GetPendingJobExecutionsOutput, error))
	StartNextPendingJobExecutionAsync(ops.Caller, *jobsdata.StartNextPendingJobExecutionInput, func(*jobsdata.StartNextPendingJobExecutionOutput, error))
	DescribeJobExecutionAsync(ops.Caller, *jobsdata.DescribeJobExecutionInput, func(*jobsdata.DescribeJobExecutionOutput, error))
	UpdateJobExecutionAsync(ops.Caller, *jobsdata.UpdateJobExecutionInput, func(*jobsdata.UpdateJobExecutionOutput, error))
	// Notify and NotifyNext render what devices are told after an effect.
	Notify(job.Effect) *jobsdata.JobExecutionsChanged
	NotifyNext(job.Effect) (*jobsdata.NextJobExecutionChanged, error)
}

// Config is what the gateway needs.
type Config struct {
	Authorizer auth.Judge
	Now        func() time.Time
	Log        *slog.Logger
	// OmitThingName leaves thingName out of executions, as captures of AWS
	// show them (device-plane.md 11 row 16).
	OmitThingName bool
	Faults        *Faults // nil: nothing is ever disturbed
}

// Gateway is Jobs on a broker: its hooks, and the one dispatcher of effects.
// The facts of a connection are its auth.Principal, and a *peer once it connects.
type Gateway struct {
	Config
	data    Data
	shadows Shadows
	broker  *broker.Broker
	here    here
}

var _ broker.Hooks = (*Gateway)(nil)

// New makes a gateway. Bind gives it the broker and the operations, which need
// it themselves, before either is used.
func New(c Config) *Gateway { return &Gateway{Config: c} }

// Bind completes the gateway.
func (g *Gateway) Bind(b *broker.Broker, d Data, s Shadows) { g.broker, g.data, g.shadows = b, d, s }

// Connect decides on a CONNECT: the policy's answer, also for the will. A will
// on a topic of another service is never heard, as AWS's shadow service ignores
// one; on another reserved topic it is refused, for no client may speak there
// unasked.
func (g *Gateway) Connect(c *broker.Conn, p *broker.ConnectInfo) error {
	who := principal(c)
	c.SetFacts(&peer{Principal: who})
	if !g.Authorizer.Allow(who, auth.Connect, p.ClientID) {
		return broker.Reason(notAuthorized)
	}
	if w := p.Will; w != nil {
		if covers(w.Topic, services) && g.Authorizer.Allow(who, auth.Publish, w.Topic) {
			p.Will = nil
		} else if strings.HasPrefix(w.Topic, "$") || !g.mayPublish(who, w) {
			return broker.Reason(notAuthorized)
		}
	}
	if g.active() {
		if err := g.disturbConnect(c, fault.Request); err != nil {
			return err
		}
	}
	g.here.add(who, c)
	return nil
}

// Will is the policy's answer when a will goes out: a certificate that was
// deactivated says nothing any more.
func (g *Gateway) Will(facts any, m *broker.Message) bool { return g.mayPublish(principalOf(facts), m) }

func (g *Gateway) mayPublish(who auth.Principal, m *broker.Message) bool {
	return g.Authorizer.Allow(who, auth.Publish, m.Topic) &&
		(!m.Retain || g.Authorizer.Allow(who, auth.RetainPublish, m.Topic))
}

// notAuthorized is MQTT 5's reason code 0x87.
const notAuthorized = 0x87

// Publish takes requests out of the stream and lets ordinary messages pass.
func (g *Gateway) Publish(c *broker.Conn, m *broker.Message) broker.Verdict {
	if !g.mayPublish(principal(c), m) {
		return broker.Refuse
	}
	if !strings.HasPrefix(m.Topic, "$") {
		return broker.Forward
	}
	topic := strings.Clone(m.Topic)
	r := parse(topic)
	switch r.op {
	case notJobs:
		return g.otherService(c, topic, m.Payload)
	case answer:
		return broker.Refuse
	}
	if g.active() && r.op != unknown {
		return g.disturb(c, topic, r, m.Payload)
	}
	x := &exchange{g: g, topic: topic, reply: c.Begin()}
	x.serve(ops.Caller{Principal: callerName(c)}, r, m.Payload)
	return broker.Consumed
}

// Subscribe grants filters that the policy allows; a reserved one must cover
// topics that there are (device-plane.md 6.5).
func (g *Gateway) Subscribe(c *broker.Conn, filter string, _ byte) broker.Verdict {
	if !g.Authorizer.Allow(principal(c), auth.Subscribe, filter) {
		return broker.Refuse
	}
	if strings.HasPrefix(filter, "$") && !strings.HasPrefix(filter, "$share/") && !covers(filter, audible) {
		return broker.RefuseInvalid
	}
	return broker.Forward
}

// Receive is the policy's answer for each delivery of an ordinary message.
func (g *Gateway) Receive(c *broker.Conn, topic string) broker.Reception {
	switch g.Authorizer.Receive(principal(c), topic) {
	case auth.Yes:
		return broker.Received
	case auth.Unsure:
		return broker.ReceivedLater
	}
	return broker.NotReceived
}

// Connected looks again whether the client may be here: its permission may have
// been taken away after Connect, before EndSessions could see it. A thing that
// connects is told nothing of its jobs, it asks (device-plane.md 4.3); others are
// told that it is there.
func (g *Gateway) Connected(c *broker.Conn, _ bool) {
	if !g.Authorizer.Allow(principal(c), auth.Connect, c.ClientID()) {
		c.Disconnect(notAuthorized)
		return
	}
	if g.active() {
		_ = g.disturbConnect(c, fault.Response) // it is connected: there is nothing to refuse
	}
	g.present(c)
}

// EndSessions closes every connection of a principal; MQTT 5 clients are told
// that they are not authorised any more. What the Authorizer says must have
// changed before.
func (g *Gateway) EndSessions(p auth.Principal) {
	for _, c := range g.here.of(p) {
		c.Disconnect(notAuthorized)
	}
}

// here are the connections of each principal, so that those of one can be ended
// without a look at all. Connections of nobody (dev) are not noted.
type here struct {
	mu    sync.Mutex
	conns map[auth.Principal][]*broker.Conn // one, but for gateways and operators
}

func (h *here) add(p auth.Principal, c *broker.Conn) {
	if p.Kind == auth.Anonymous {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conns == nil {
		h.conns = map[auth.Principal][]*broker.Conn{}
	}
	h.conns[p] = append(h.conns[p], c)
}

func (h *here) remove(p auth.Principal, c *broker.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	left := slices.DeleteFunc(h.conns[p], func(other *broker.Conn) bool { return other == c })
	if len(left) == 0 {
		delete(h.conns, p)
		return
	}
	h.conns[p] = left
}

func (h *here) of(p auth.Principal) []*broker.Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.conns[p])
}

// peer is what is known of a connection.
type peer struct {
	auth.Principal
	shadows atomic.Int32 // its requests to the shadow service that are in flight
}

func peerOf(c *broker.Conn) *peer { return c.Facts().(*peer) }

func principal(c *broker.Conn) auth.Principal { return principalOf(c.Facts()) }

func principalOf(facts any) auth.Principal {
	switch facts := facts.(type) {
	case *peer:
		return facts.Principal
	case auth.Principal:
		return facts
	}
	return auth.Principal{}
}

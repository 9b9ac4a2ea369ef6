package ops

import (
	"context"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

// Caller is who asks, for the history and the log; what it may do was asked
// at the door.
type Caller struct {
	Principal string // access key id, certificate id, or "anonymous"
}

// Audience tells who listens for a thing's notifications of a namespace. False positives are
// allowed. It is asked inside a transaction and must be quick.
type Audience interface {
	// NeedsRow says whether they need a durable row, because a persistent
	// session listens (design.md decision 2).
	NeedsRow(thing string, namespace job.Namespace) bool
	// Hears says whether any session listens. What a rollout or a sweep does to
	// a thing that nobody hears is told to nobody, and costs nothing.
	Hears(thing string, namespace job.Namespace) bool
	// NeedsEventRow says whether a persistent session listens to the topic of an
	// event.
	NeedsEventRow(topic string) bool
}

// Issuer makes device certificates, and reads those that others have made. What
// it gives has no status yet.
type Issuer interface {
	// IssueDevice makes a key pair and a certificate for it.
	IssueDevice() (Issued, error)
	// IssueForCSR makes a certificate for the key and the subject of a
	// certificate signing request. Errors: InvalidRequest.
	IssueForCSR(csr string) (registry.Certificate, error)
	// ReadDevice reads a certificate in PEM. Errors: CertificateValidation.
	ReadDevice(pem string) (registry.Certificate, error)
}

// Issued is a fresh device certificate with its keys, all PEM.
type Issued struct {
	registry.Certificate
	PublicKey, PrivateKey string
}

// Config is what the operations need.
type Config struct {
	Store    store.Store
	Now      func() time.Time
	Audience Audience // nil: no session is persistent
	Issuer   Issuer   // nil: no certificates are made or registered
	Events   *Events  // nil: New makes one
	// PrincipalChanged is called after a certificate or what it is attached to
	// has changed, before the answer: what is remembered of it is old. With
	// less its holder may do less than before, and its sessions must end. May
	// be nil.
	PrincipalChanged func(certificate string, less bool)

	Region, Account string
	// Endpoint is the host that DescribeEndpoint tells.
	Endpoint string
	// AutoThings registers an unknown thing at its first device request (dev).
	AutoThings bool
	// PendingLimit is how many pending executions a device sees; 0: all.
	PendingLimit int
	// NamedShadows is how many named shadows a thing may have; 0: no limit.
	NamedShadows int
	// RolloutDefault and RolloutMax are executions per minute; 0: no limit.
	RolloutDefault, RolloutMax int64
	// How many jobs of each selection may be active, and how many in deletion, at
	// once; 0: no limit (control-plane.md H).
	MaxActiveSnapshot, MaxActiveContinuous, MaxDeleting int
	// What AWS allows a job and the registry; nil: as AWS does.
	JobQuotas *job.Quotas
	Quotas    *registry.Quotas
}

type core struct {
	Config
	jobQuotas job.Quotas
	quotas    registry.Quotas
}

// New gives the operations of both planes over one core.
func New(c Config) (*Data, *Control) {
	if c.Events == nil {
		c.Events = &Events{Region: c.Region, Account: c.Account, Audience: c.Audience, Now: c.Now}
	}
	k := &core{Config: c, jobQuotas: job.AWSQuotas(), quotas: registry.AWSQuotas()}
	if c.JobQuotas != nil {
		k.jobQuotas = *c.JobQuotas
	}
	if c.Quotas != nil {
		k.quotas = *c.Quotas
	}
	return &Data{core: k}, &Control{k}
}

// Data has the operations of iot-jobs-data (device-plane.md 3).
type Data struct {
	*core
	lines lines // of the device shadows
}

// Control has the operations of iot (control-plane.md A).
type Control struct{ *core }

// Address completes what a decision about a thing has caused: the thing's name,
// and whether a persistent session makes it durable.
func Address(a Audience, thing registry.Name, es []job.Effect) []job.Effect {
	for i := range es {
		es[i].Thing, es[i].Durable = string(thing), a != nil && a.NeedsRow(string(thing), es[i].Namespace)
	}
	return es
}

// changes is what an outcome writes.
func (k *core) changes(thing registry.Name, out job.Outcome, now time.Time) store.Changes {
	return store.Changes{
		Moves: out.Moves, Effects: Address(k.Audience, thing, out.Effects), Events: k.Events.Executions(thing, out.Moves, now), At: now,
	}
}

// timely decides about a thing of whose queue every time-out is written down that
// came before: the outcome does not depend on when the scheduler sees it
// (device-plane.md 3.4, Timers).
func (k *core) timely(thing registry.Name, snap store.Snapshot, decide store.Decide) (store.Changes, error) {
	if out, ok := snap.Queue.TimeOut(snap.At); ok {
		ch := k.changes(thing, out, snap.At)
		ch.Again = true
		return ch, nil
	}
	return decide(snap)
}

// blocking turns an asynchronous operation into one that waits.
func blocking[Out any](ctx context.Context, start func(done func(Out, error))) (Out, error) {
	type answer struct {
		out Out
		err error
	}
	ch := make(chan answer, 1)
	start(func(out Out, err error) { ch <- answer{out, err} })
	select {
	case a := <-ch:
		return a.out, a.err
	case <-ctx.Done():
		var none Out
		return none, context.Cause(ctx)
	}
}

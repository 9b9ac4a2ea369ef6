package ops_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/store/sqlite"
	"github.com/drover-iot/drover/internal/wire/iot"
)

const arns = "arn:aws:iot:eu-central-1:123456789012:"

// plane is a control plane over a store, without a scheduler: a test makes the
// executions that it needs.
type plane struct {
	*ops.Control
	t     *testing.T
	store *sqlite.Store
	mu    sync.Mutex
	at    time.Time
	told  []job.Effect
	said  []job.Message
	calls []string // of PrincipalChanged since they were looked at
}

var (
	ctx      = context.Background()
	operator = ops.Caller{Principal: "AKIDOPERATOR"}
)

func newPlane(t *testing.T, edit ...func(*ops.Config)) *plane {
	t.Helper()
	p := &plane{t: t, at: time.Date(2026, 11, 23, 9, 0, 0, 123_000_000, time.UTC)}
	s, err := sqlite.Open(t.TempDir(), store.Config{Visible: 10, Now: p.now, Observer: p}, sqlite.Options{Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	p.store = s
	c := ops.Config{
		Store: s, Now: p.now, Region: "eu-central-1", Account: "123456789012", Endpoint: "drover.example",
		Issuer: new(mint), PrincipalChanged: p.principalChanged, PendingLimit: 10,
	}
	for _, e := range edit {
		e(&c)
	}
	_, p.Control = ops.New(c)
	return p
}

func (p *plane) now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at
}

func (p *plane) advance(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = p.at.Add(d)
}

func (p *plane) Effects(es []job.Effect) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, es...)
}

func (p *plane) Events(es []job.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said = append(p.said, es...)
}

func (*plane) Wake(time.Time) {}

// messages are the events told since the last call, of everything that was
// committed.
func (p *plane) messages() []job.Message {
	p.t.Helper()
	for range 2 {
		p.update(func(store.Tx) error { return nil })
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	es := p.said
	p.said = nil
	return es
}

// effects are those told since the last call, of everything that was committed.
func (p *plane) effects() []job.Effect {
	p.t.Helper()
	for range 2 {
		p.update(func(store.Tx) error { return nil })
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	es := p.told
	p.told = nil
	return es
}

func (p *plane) principalChanged(certificate string, less bool) {
	if less {
		certificate += " less"
	}
	p.calls = append(p.calls, certificate)
}

// changed are the calls of PrincipalChanged since it was last asked.
func (p *plane) changed() (calls []string) {
	calls, p.calls = p.calls, nil
	return calls
}

// mint is an issuer whose certificates are letters.
type mint struct{ n byte }

func (m *mint) certificate(pem string) registry.Certificate {
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return registry.Certificate{ID: strings.TrimPrefix(pem, "pem "), PEM: pem, NotBefore: from, NotAfter: from.AddDate(20, 0, 0)}
}

func (m *mint) IssueDevice() (ops.Issued, error) {
	m.n++
	id := string(rune('a' + m.n))
	return ops.Issued{Certificate: m.certificate("pem " + id), PublicKey: "public " + id, PrivateKey: "private " + id}, nil
}

func (m *mint) IssueForCSR(csr string) (registry.Certificate, error) {
	if csr == "forged" {
		return registry.Certificate{}, job.Errorf(job.InvalidRequest, "forged")
	}
	m.n++
	return m.certificate("pem " + string(rune('a'+m.n))), nil
}

func (m *mint) ReadDevice(pem string) (registry.Certificate, error) {
	if !strings.HasPrefix(pem, "pem ") {
		return registry.Certificate{}, job.Errorf(job.CertificateValidation, "no certificate")
	}
	return m.certificate(pem), nil
}

func ok[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// refused checks an error's code and that the message helps.
func refused(t *testing.T, err error, want job.Code) *job.Error {
	t.Helper()
	var e *job.Error
	if !errors.As(err, &e) || e.Code != want {
		t.Fatalf("got %v, want an error of code %d", err, want)
	}
	if e.Message == "" {
		t.Errorf("code %d has no message", e.Code)
	}
	return e
}

func (p *plane) update(fn func(store.Tx) error) {
	p.t.Helper()
	if err := p.store.Update(ctx, fn); err != nil {
		p.t.Fatal(err)
	}
}

func (p *plane) things(names ...registry.Name) {
	p.t.Helper()
	for _, n := range names {
		ok[*iot.CreateThingOutput](p.t)(p.CreateThing(ctx, operator, &iot.CreateThingInput{ThingName: n}))
	}
}

func (p *plane) groups(names ...registry.GroupName) {
	p.t.Helper()
	for _, n := range names {
		ok[*iot.CreateThingGroupOutput](p.t)(p.CreateThingGroup(ctx, operator, &iot.CreateThingGroupInput{ThingGroupName: n}))
	}
}

func (p *plane) join(g registry.GroupName, names ...registry.Name) {
	p.t.Helper()
	for _, n := range names {
		ok[*iot.AddThingToThingGroupOutput](p.t)(p.AddThingToThingGroup(ctx, operator, &iot.AddThingToThingGroupInput{ThingGroupName: g, ThingName: n}))
	}
}

func (p *plane) job(id job.ID, targets ...string) {
	p.t.Helper()
	in := &iot.CreateJobInput{JobID: id, Document: `{"op":"flash"}`}
	for _, t := range targets {
		in.Targets = append(in.Targets, arns+t)
	}
	ok[*iot.CreateJobOutput](p.t)(p.CreateJob(ctx, operator, in))
}

// queue makes an execution of the job on each of the things.
func (p *plane) queue(id job.ID, names ...registry.Name) {
	p.t.Helper()
	p.update(func(tx store.Tx) error {
		j, _, err := tx.Job(id)
		if err != nil {
			return err
		}
		for _, n := range names {
			snap, err := tx.Snapshot(store.Keys{Thing: n, Job: id, Queue: store.WholeQueue})
			if err != nil {
				return err
			}
			number := snap.Queue.Named.Number + 1
			e := job.New(snap.ThingKey, j.Key, id, number, p.now())
			e.RetryAttempt = number - 1
			out := snap.Queue.Enqueue(job.Entry{Execution: e, Job: j.State}, p.now())
			for i := range out.Effects {
				out.Effects[i].Thing = string(n)
			}
			if err := tx.Write(store.Changes{Moves: out.Moves, Effects: out.Effects, At: p.now()}); err != nil {
				return err
			}
		}
		return nil
	})
}

// report is a device's update.
func (p *plane) report(id job.ID, thing registry.Name, s job.Status, details job.Details) {
	p.t.Helper()
	_, err := p.store.Transact(ctx, store.Keys{Thing: thing, Job: id, Queue: store.WholeQueue}, func(snap store.Snapshot) (store.Changes, error) {
		out, err := snap.Queue.Apply(job.Ref{Job: id}, job.Change{Kind: job.Report, Status: s, Details: details, Actor: "device"}, p.now())
		return store.Changes{Moves: out.Moves, At: p.now()}, err
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *plane) describe(id job.ID, thing registry.Name) *iot.JobExecution {
	p.t.Helper()
	out := ok[*iot.DescribeJobExecutionOutput](p.t)(p.DescribeJobExecution(ctx, operator, &iot.DescribeJobExecutionInput{JobID: id, ThingName: thing}))
	return out.Execution
}

func ptr[T any](v T) *T { return &v }

package sim

import (
	"encoding/json"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/drover-iot/drover/internal/sim/packet"
)

// fakeBroker is the least of a Jobs service that a device can tell from a real
// one: queues, versions, the four answers and notify-next.
type fakeBroker struct {
	t *testing.T

	mu      sync.Mutex
	queues  map[string][]*fakeExecution
	history []fakeReport
	online  map[string]*fakeConn
	seen    []string // topics of all requests, with their connection's thing
	goodbye int      // DISCONNECTs

	connack byte                          // the code of every CONNACK
	mute    func(topic string) bool       // requests that get no answer
	reject  func(topic string) string     // or this code
	deaf    bool                          // pings get no answer
	before  func(f *fakeBroker, r report) // called before a report is judged, without the lock
}

type fakeExecution struct {
	JobID   string            `json:"jobId"`
	Status  Status            `json:"status"`
	Details map[string]string `json:"statusDetails,omitempty"`
	Version int64             `json:"versionNumber"`
	Number  int64             `json:"executionNumber"`
}

type report struct {
	Thing, Job string            `json:"-"`
	Status     Status            `json:"status"`
	Details    map[string]string `json:"statusDetails"`
	Expected   string            `json:"expectedVersion"`
	Number     int64             `json:"executionNumber"`
	Token      string            `json:"clientToken"`
}

// fakeReport is a report that was accepted.
type fakeReport struct {
	Thing, Job string
	Status     Status
	Details    map[string]string
}

func newFakeBroker(t *testing.T) *fakeBroker {
	return &fakeBroker{t: t, queues: map[string][]*fakeExecution{}, online: map[string]*fakeConn{}}
}

// fakeConn has a writer of its own, so that it never waits for a device that
// is writing itself.
type fakeConn struct {
	net   net.Conn
	out   chan []byte
	thing string
}

func (f *fakeBroker) dial() net.Conn {
	device, server := net.Pipe()
	f.serve(server)
	return device
}

func (f *fakeBroker) serve(server net.Conn) {
	c := &fakeConn{net: server, out: make(chan []byte, 1000)}
	go func() {
		for b := range c.out {
			if _, err := server.Write(b); err != nil {
				break
			}
		}
		server.Close()
	}()
	go func() {
		f.read(c)
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.online[c.thing] == c {
			delete(f.online, c.thing)
		}
		close(c.out)
		server.Close()
	}()
}

func (f *fakeBroker) read(c *fakeConn) {
	var in []byte
	buf := make([]byte, 7) // small, so that every packet comes in parts
	for {
		n, err := c.net.Read(buf)
		if err != nil {
			return
		}
		in = append(in, buf[:n]...)
		for {
			p, took, err := packet.Next(in)
			if err != nil {
				f.t.Errorf("a device sent %v", err)
				return
			}
			if took == 0 {
				break
			}
			f.handle(c, p)
			in = in[took:]
		}
	}
}

func (f *fakeBroker) handle(c *fakeConn, p packet.Packet) {
	switch p.Type {
	case packet.Connect:
		c.thing = string(p.Body[12:])
		f.mu.Lock()
		f.online[c.thing] = c
		f.mu.Unlock()
		c.out <- packet.AppendConnack(nil, false, f.connack)
	case packet.Subscribe:
		id, _ := p.ID()
		if want := jobsTopic(c.thing) + "notify-next"; string(p.Body[4:len(p.Body)-1]) != want {
			f.t.Errorf("%s subscribes %q", c.thing, p.Body[4:])
		}
		c.out <- packet.AppendSuback(nil, id, 1)
	case packet.Pingreq:
		if !f.deaf {
			c.out <- packet.AppendPingresp(nil)
		}
	case packet.Disconnect:
		f.mu.Lock()
		f.goodbye++
		f.mu.Unlock()
	case packet.Publish:
		m, err := p.Message()
		if err != nil {
			f.t.Error(err)
			return
		}
		f.request(c, string(m.Topic), m.ID, m.Payload)
	}
}

func (f *fakeBroker) request(c *fakeConn, topic string, id uint16, payload []byte) {
	f.mu.Lock()
	f.seen = append(f.seen, topic)
	f.mu.Unlock()
	ack := packet.AppendPuback(nil, id)
	if f.mute != nil && f.mute(topic) {
		c.out <- ack
		return
	}
	suffix := cutJobsTopic(c.thing, topic)
	var r report
	if err := json.Unmarshal(payload, &r); err != nil || r.Token == "" || suffix == "" {
		f.t.Errorf("%s: %s: %v", topic, payload, err)
	}
	if f.reject != nil {
		if code := f.reject(topic); code != "" {
			c.out <- reply(ack, topic+"/rejected", map[string]any{"code": code, "message": "no", "clientToken": r.Token})
			return
		}
	}
	if job, ok := strings.CutSuffix(suffix, "/update"); ok {
		r.Thing, r.Job = c.thing, job
		if f.before != nil {
			f.before(f, r)
		}
		f.update(c, topic, ack, r)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	answer := map[string]any{"clientToken": r.Token}
	if head := f.head(c.thing); head != nil {
		if suffix == "start-next" && head.Status == "QUEUED" {
			head.Status = InProgress
			head.Version++
		}
		answer["execution"] = *head
	}
	c.out <- reply(ack, topic+"/accepted", answer)
}

func (f *fakeBroker) update(c *fakeConn, topic string, ack []byte, r report) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.queues[c.thing], func(e *fakeExecution) bool { return e.JobID == r.Job && e.Number == r.Number })
	if i < 0 {
		c.out <- reply(ack, topic+"/rejected", map[string]any{"code": "ResourceNotFound", "message": "none", "clientToken": r.Token})
		return
	}
	e := f.queues[c.thing][i]
	if strconv.FormatInt(e.Version, 10) != r.Expected {
		c.out <- reply(ack, topic+"/rejected", map[string]any{
			"code": "VersionMismatch", "message": "other version", "clientToken": r.Token,
			"executionState": map[string]any{"status": e.Status, "versionNumber": e.Version},
		})
		return
	}
	e.Version++
	e.Status, e.Details = r.Status, r.Details
	f.history = append(f.history, fakeReport{c.thing, r.Job, r.Status, r.Details})
	c.out <- reply(ack, topic+"/accepted", map[string]any{"clientToken": r.Token})
	if r.Status.terminal() {
		f.queues[c.thing] = slices.Delete(f.queues[c.thing], i, i+1)
		f.notify(c.thing)
	}
}

func (f *fakeBroker) head(thing string) *fakeExecution {
	if q := f.queues[thing]; len(q) > 0 {
		return q[0]
	}
	return nil
}

// notify tells the thing's connection its head; the caller holds the lock.
func (f *fakeBroker) notify(thing string) {
	if c := f.online[thing]; c != nil {
		n := map[string]any{"timestamp": 1}
		if head := f.head(thing); head != nil {
			n["execution"] = *head
		}
		c.out <- reply(nil, jobsTopic(thing)+"notify-next", n)
	}
}

func reply(before []byte, topic string, body any) []byte {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return packet.AppendPublish(before, topic, 1, 77, b)
}

// queue adds a job's execution to a thing's queue, as a rollout does.
func (f *fakeBroker) queue(thing, job string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queues[thing] = append(f.queues[thing], &fakeExecution{JobID: job, Status: "QUEUED", Version: 1, Number: 1})
	if len(f.queues[thing]) == 1 {
		f.notify(thing)
	}
}

// cancel takes the head away, as CancelJob with force does.
func (f *fakeBroker) cancel(thing string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queues[thing] = f.queues[thing][1:]
	f.notify(thing)
}

// cut ends a thing's connection.
func (f *fakeBroker) cut(thing string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.online[thing]; c != nil {
		c.net.Close()
	}
}

func (f *fakeBroker) reports() []fakeReport {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.history)
}

func (f *fakeBroker) requests(topic string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.seen {
		if s == topic {
			n++
		}
	}
	return n
}

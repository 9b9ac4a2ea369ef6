package crash

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/drover-iot/drover/internal/sim"
)

// mail is the ledger's part about persistent sessions and retained messages.
type mail struct {
	boxes    []*box
	executor *box       // hears every will
	sleepers []*sleeper // devices that are away
	letters  int        // messages so far; each has a text of its own
	ageing   map[string]*ageing
}

// box is a persistent session that hears its topic.
type box struct {
	id, topic, filter string
	known             bool // the session and its filter were acknowledged
	touched           bool // by the round
	// owed are messages that were acknowledged to their sender and not yet heard;
	// those in doubt were not acknowledged; those heard may come again until the
	// broker has forgotten them, but once in a connection.
	owed, doubt, heard map[string]bool
	extra              *register // whether it hears topic+"/extra" too
}

const boxes = 6

func newBox(id, topic, filter string) *box {
	return &box{id: id, topic: topic, filter: filter, owed: map[string]bool{}, doubt: map[string]bool{}, heard: map[string]bool{}}
}

// openMail makes the sessions of a new folder.
func (r *round) openMail() error {
	for i := range boxes {
		topic := fmt.Sprintf("crash/box-%d", i)
		r.boxes = append(r.boxes, newBox(fmt.Sprintf("box-%d", i), topic, topic))
	}
	r.executor = newBox("executor", "wills/barrier", "wills/#")
	r.ageing = map[string]*ageing{}
	for _, b := range append(slices.Clone(r.boxes), r.executor) {
		if err := r.openBox(b); err != nil {
			return err
		}
	}
	for i := range 2 {
		s := &sleeper{thing: fmt.Sprintf("sleeper-%d", i)}
		r.sleepers = append(r.sleepers, s)
		arn, err := r.api.CreateThing(r.ctx, s.thing)
		if err != nil {
			return err
		}
		s.arn = arn
		c, err := dial(r.ctx, r.Ready.MQTT, s.thing, true)
		if err != nil {
			return err
		}
		if err := c.Subscribe(r.ctx, c.topic("notify-next")); err != nil {
			return err
		}
		if err := c.Drop(); err != nil {
			return err
		}
	}
	return nil
}

func (r *round) openBox(b *box) error {
	c, err := dial(r.ctx, r.Ready.MQTT, b.id, true)
	if err != nil {
		return err
	}
	if err := c.Subscribe(r.ctx, b.filter); err != nil {
		return err
	}
	b.known = true
	return c.Drop()
}

// letter is a text that no other message has.
func (r *round) letter(b *box) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.letters++
	text := fmt.Sprintf("%s-%06d", b.id, r.letters)
	b.doubt[text], b.touched = true, true
	return text
}

func (r *round) owe(b *box, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if b.doubt[text] {
		delete(b.doubt, text)
		b.owed[text] = true
	}
}

// hear notes a message that came, in is what came in this connection.
func (r *round) hear(b *box, m sim.Message, in map[string]bool) {
	text := string(m.Payload)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case in[text]:
		r.find(doubled, "%s came twice in one connection of %s", text, b.id)
	case !b.owed[text] && !b.doubt[text] && !b.heard[text]:
		r.find(wrong, "%s heard %q on %s, which nobody sent", b.id, text, m.Topic)
	}
	in[text] = true
	delete(b.owed, text)
	delete(b.doubt, text)
	b.heard[text] = true
}

// verifyMail empties the boxes that the round has touched, and one more.
func (r *round) verifyMail(all bool) error {
	look := append(slices.Clone(r.boxes), r.executor)
	chance := r.rnd.IntN(len(look))
	for i, b := range look {
		if !all && !b.touched && i != chance {
			continue
		}
		if err := r.empty(b); err != nil {
			return fmt.Errorf("session %s: %w", b.id, err)
		}
		b.touched = false
	}
	for _, s := range r.sleepers {
		if err := r.wakeUp(s); err != nil {
			return fmt.Errorf("device %s: %w", s.thing, err)
		}
	}
	return r.verifyAges()
}

// empty takes a session up again and reads all that it holds.
func (r *round) empty(b *box) error {
	c, err := dial(r.ctx, r.Ready.MQTT, b.id, true)
	if err != nil {
		return err
	}
	defer c.Drop() //nolint:errcheck // nothing is lost with it
	if r.checked(); !c.Resumed() {
		r.find(lost, "the session of %s with its filter and %d messages", b.id, len(b.owed))
		return nil
	}
	probe, err := dial(r.ctx, r.Ready.MQTT, "probe-"+b.id, false)
	if err != nil {
		return err
	}
	defer probe.Drop() //nolint:errcheck // nothing is lost with it
	extra := r.letter(b)
	if b.extra != nil {
		if err := probe.Confirm(r.ctx, b.topic+"/extra", []byte(extra), false); err != nil {
			return err
		}
	}
	// Messages come in the order of their queue: after the barrier there is none.
	barrier := r.letter(b)
	if err := probe.Confirm(r.ctx, b.topic, []byte(barrier), false); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	in := map[string]bool{}
	for !in[barrier] {
		m, err := c.Receive(ctx, time.Time{})
		if err != nil {
			return fmt.Errorf("waiting for the barrier %s, which was acknowledged: %w", barrier, err)
		}
		if text := string(m.Payload); text != barrier && text != extra {
			r.applied(boolInt(b.doubt[text]))
		}
		r.hear(b, m, in)
	}
	r.checked()
	for _, text := range slices.Sorted(maps.Keys(b.owed)) {
		r.find(lost, "%s was acknowledged to its sender, and %s did not hear it", text, b.id)
	}
	b.owed, b.doubt = map[string]bool{}, map[string]bool{}
	if b.extra != nil {
		r.judgeExtra(b, in[extra])
	}
	return nil
}

func (r *round) judgeExtra(b *box, hears bool) {
	got := value{}
	if hears {
		got.text = "subscribed"
	}
	r.checked()
	applied, v, why := b.extra.judge(got)
	r.applied(boolInt(applied))
	if v != "" {
		r.find(v, "%s", why)
	}
}

// sleeper is a device that is away, and hears of its jobs when it comes back.
type sleeper struct {
	thing, arn string
	jobs       []*jobFact // at most one at a time
}

// wakeUp brings a device back: it must hear of its job, work it off, and hear
// that there is none any more.
func (r *round) wakeUp(s *sleeper) error {
	r.mu.Lock()
	s.jobs = slices.DeleteFunc(s.jobs, func(j *jobFact) bool { return r.jobs[j.id] != j })
	r.mu.Unlock()
	if len(s.jobs) == 0 {
		return nil
	}
	c, err := dial(r.ctx, r.Ready.MQTT, s.thing, true)
	if err != nil {
		return err
	}
	defer c.Drop() //nolint:errcheck // nothing is lost with it
	if r.checked(); !c.Resumed() {
		r.find(lost, "the session of the device %s", s.thing)
		return nil
	}
	for _, j := range s.jobs {
		if err := c.expectHead(r.ctx, j.id); errors.Is(err, context.DeadlineExceeded) && r.ctx.Err() == nil {
			r.find(lost, "a message of the session of the device %s: %v", s.thing, err)
			return nil
		} else if err != nil {
			return err
		}
		e := j.executions[s.thing]
		if _, err := c.report(r.ctx, j.id, "SUCCEEDED", e.is.version, 1); err != nil {
			return err
		}
		e.is = state{"SUCCEEDED", e.is.version + 1, 1}
		if err := c.expectHead(r.ctx, ""); err != nil {
			return err
		}
	}
	r.checked()
	s.jobs = nil
	return nil
}

// delivery bounds the wait for what a session holds: it comes at once.
const delivery = 45 * time.Second

// expectHead waits for a notify-next that tells this head. Delivery is at least
// once, so what was told before may come again first.
func (c *client) expectHead(ctx context.Context, job string) error {
	ctx, cancel := context.WithTimeout(ctx, delivery)
	defer cancel()
	for {
		a, err := c.hear(ctx, "notify-next")
		if err != nil {
			return fmt.Errorf("it was not told of %q: %w", job, err)
		}
		if job == "" && a.Execution == nil || a.Execution != nil && a.Execution.JobID == job {
			return nil
		}
	}
}

// ageing is a session that ends by itself some time after its client left.
type ageing struct {
	id     string
	expiry time.Duration
	left   time.Time // the client left, or later
	asked  time.Time // the CONNECT was sent: it cannot end before asked+expiry
}

// verifyAges: a session is there until its time is over, and not after it. Where
// the server did not live to see its client leave, its time begins with the
// next start (Broker.New).
func (r *round) verifyAges() error {
	for _, id := range slices.Sorted(maps.Keys(r.ageing)) {
		a := r.ageing[id]
		over := a.left
		if r.started.After(over) {
			over = r.started
		}
		due := time.Now().After(over.Add(a.expiry))
		if !due && a.expiry < time.Minute {
			continue // later
		}
		before := time.Now()
		present, err := connect5(r.ctx, r.Ready.MQTT, a.id, a.expiry)
		if err != nil {
			return err
		}
		r.checked()
		switch {
		case present && due:
			r.find(wrong, "session %s is there %v after its client left, its expiry is %v", a.id, before.Sub(a.left), a.expiry)
		case !present && !due && time.Since(a.asked) < a.expiry:
			r.find(lost, "session %s, whose expiry is %v", a.id, a.expiry)
		}
		if delete(r.ageing, id); a.expiry >= time.Minute {
			r.ageing[id] = &ageing{id: a.id, expiry: a.expiry, left: time.Now(), asked: before}
		}
	}
	return nil
}

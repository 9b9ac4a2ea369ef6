package conversation

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// markerThing is the runner's own: what is announced for it tells that whatever
// was to be announced before has been.
const markerThing = "conversation-marker"

var pushVerbs = []string{"notify", "notify-next", "silence", "forget"}

// listen opens the connection that hears every push, and every probe.
func (r *runner) listen() error {
	r.strict = slices.ContainsFunc(r.conv.Steps, func(s Step) bool {
		return slices.Contains(pushVerbs, s.Verb) && (s.Only == "" || s.Only == r.over)
	})
	if !r.strict && !slices.ContainsFunc(r.conv.Steps, func(s Step) bool { return s.Verb == "nothing" }) {
		return nil
	}
	c, err := dial(r.target.MQTTAddr(), connectOptions{id: "conversation-observer"})
	if err != nil {
		return err
	}
	c.event(func() { c.marker = true })
	r.observer = c
	if err := c.welcomed(false); err != nil {
		return err
	}
	id, err := c.subscribe([]string{"$aws/things/+/jobs/+", probePrefix + "#"}, 1, 0)
	if err != nil {
		return err
	}
	granted, err := c.granted(id)
	if err != nil {
		return err
	}
	if string(granted) != "\x01\x01" {
		return fmt.Errorf("the observer was granted %v, want 1 1", granted)
	}
	return nil
}

// pushed is the step `notify THING` or `notify-next THING`: it takes the next
// push for the thing.
func (r *runner) pushed(s Step) error {
	thing := s.Args[0]
	m, err := r.nextPush(thing)
	if err != nil {
		return err
	}
	verb := s.Verb
	if n := s.Options["namespace"]; n != "" {
		verb += "-namespace-" + n
	}
	if want := pushTopic(thing, verb); m.topic != want {
		return fmt.Errorf("the next push was %s %s", m.topic, m.payload)
	}
	if m.qos != 1 || m.retain || m.dup {
		return fmt.Errorf("the push has qos %d, retain %t, dup %t", m.qos, m.retain, m.dup)
	}
	want, err := decode([]byte(s.Body))
	if err != nil {
		return fmt.Errorf("the body of the step: %w", err)
	}
	got, err := decode(m.payload)
	o, ok := got.(*object)
	if err != nil || !ok {
		return fmt.Errorf("the push %q is no object: %w", m.payload, errors.Join(err))
	}
	if len(o.keys) == 0 || o.keys[0] != "timestamp" {
		return fmt.Errorf("the push %s does not begin with timestamp", m.payload)
	}
	if err := r.timestampOfPush(o); err != nil {
		return fmt.Errorf("%w: %s", err, m.payload)
	}
	if err := r.matcher(s.InOrder).match(s.Verb, want, o.without("timestamp")); err != nil {
		return fmt.Errorf("%w; the push was %s", err, m.payload)
	}
	return nil
}

// timestampOfPush checks that a push is of this conversation's time: it may be
// caused by something that was due before the clock stopped where it is.
func (r *runner) timestampOfPush(o *object) error {
	stamp, ok := o.values["timestamp"].(json.Number)
	at, err := strconv.ParseInt(stamp.String(), 10, 64)
	if !ok || err != nil || at < r.start.Unix() || at > r.target.Now().Unix() {
		return fmt.Errorf("timestamp is not an integer from %d to %d", r.start.Unix(), r.target.Now().Unix())
	}
	return nil
}

func pushTopic(thing, verb string) string { return "$aws/things/" + thing + "/jobs/" + verb }

// nextPush waits for the next push of the thing; those of other things are kept
// for their own steps, for order is promised within a thing.
func (r *runner) nextPush(thing string) (message, error) {
	for len(r.pushes[thing]) == 0 {
		m, err := r.observer.next()
		if err != nil {
			return m, fmt.Errorf("no push for %s: %w", thing, err)
		}
		r.keep(m)
	}
	m := r.pushes[thing][0]
	r.pushes[thing] = r.pushes[thing][1:]
	return m, nil
}

func (r *runner) keep(m message) {
	thing, _, _ := strings.Cut(strings.TrimPrefix(m.topic, "$aws/things/"), "/")
	r.pushes[thing] = append(r.pushes[thing], m)
}

// silence fails if a push came that no step took.
func (r *runner) silence() error {
	if err := r.settle(); err != nil {
		return err
	}
	for thing, left := range r.pushes {
		if len(left) > 0 {
			return fmt.Errorf("%s was told %s %s, and nobody expected it", thing, left[0].topic, left[0].payload)
		}
	}
	return nil
}

func (r *runner) forget() error {
	if err := r.settle(); err != nil {
		return err
	}
	clear(r.pushes)
	return nil
}

// settle returns when all that was asked of the server so far has been done and
// told. No time passes for that: what is due is run, each connection's own order
// is used by publishing a probe that the observer hears after all that the
// connection sent before, and the order of the dispatcher is used by changing
// the queue of the marker thing, which it announces after all that was committed
// before.
func (r *runner) settle() error {
	if err := r.target.Advance(0); err != nil {
		return err
	}
	for _, name := range r.names() {
		if err := r.probe(r.raw[name]); err != nil {
			return fmt.Errorf("probe by %s: %w", name, err)
		}
	}
	if err := r.marker(); err != nil {
		return fmt.Errorf("marker: %w", err)
	}
	for {
		left := r.observer.waiting()
		if len(left) == 0 {
			return nil
		}
		m, err := r.observer.next()
		if err != nil {
			return err
		}
		r.keep(m)
	}
}

func (r *runner) probe(c *client) error {
	if !c.alive() {
		return nil
	}
	r.counts.probes++
	topic := fmt.Sprintf("%s%d", probePrefix, r.counts.probes)
	if _, err := c.publish(topic, nil, publishOptions{}); err != nil {
		return err
	}
	return r.observer.wait(func() bool { return slices.Contains(r.observer.probes, topic) })
}

// marker queues a job for the marker thing and ends it, and waits for the four
// pushes that this makes.
func (r *runner) marker() error {
	if !r.marked {
		if err := r.things([]string{markerThing}); err != nil {
			return err
		}
		r.marked = true
	}
	r.counts.markers++
	id := fmt.Sprintf("marker-%d", r.counts.markers)
	if err := r.createJob(id, []string{markerThing}, "{}", 0, ""); err != nil {
		return err
	}
	if err := r.target.Advance(0); err != nil {
		return err
	}
	if err := r.markerPushes(); err != nil {
		return err
	}
	if err := r.must(request{method: "POST", path: "/things/" + markerThing + "/jobs/" + id, body: `{"status":"SUCCEEDED"}`}, nil); err != nil {
		return err
	}
	return r.markerPushes()
}

func (r *runner) markerPushes() error {
	for _, verb := range []string{"notify", "notify-next"} {
		m, err := r.nextPush(markerThing)
		if err != nil {
			return err
		}
		if m.topic != pushTopic(markerThing, verb) {
			return fmt.Errorf("the push was %s, want %s", m.topic, verb)
		}
	}
	return nil
}

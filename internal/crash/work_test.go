package crash

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// workers are devices that work on jobs.
const workers = 16

// device works on jobs and keeps the ledger of what was acknowledged to it.
type device struct {
	thing string
	marks int
}

// work goes on until the server is gone or nothing is left to do.
func (r *round) work(d *device, rnd *rand.Rand) {
	c, err := dial(r.ctx, r.Ready.MQTT, d.thing, false)
	if err != nil {
		r.unanswered("CONNECT", err)
		return
	}
	defer c.Drop() //nolint:errcheck // nothing is lost with it
	for {
		j, e, more := r.startNext(c)
		if j != nil {
			more = r.finish(c, d, j, e, rnd)
		}
		if !more {
			return
		}
	}
}

// startNext asks for work. What it will hand out is not known before the answer.
func (r *round) startNext(c *client) (*jobFact, *execution, bool) {
	s := &start{}
	r.mu.Lock()
	var asked []*execution
	for id, j := range r.jobs {
		if e := j.executions[c.thing]; e != nil && e.is.status == "QUEUED" {
			e.open = append(e.open, startNext(s))
			asked = append(asked, e)
			r.dirty[id] = true
		}
	}
	r.mu.Unlock()
	var a answer
	o, err := r.request("StartNextPendingJobExecution", func(ctx context.Context) (err error) {
		a, err = c.ask(ctx, "start-next", map[string]any{})
		return err
	})
	if o == unanswered {
		return nil, nil, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range asked {
		e.open = slices.DeleteFunc(e.open, func(x change) bool { return x.start == s })
	}
	if o == refused {
		r.find(wrong, "start-next of %s was refused: %v", c.thing, err)
		return nil, nil, false
	}
	if a.Execution == nil {
		return nil, nil, false
	}
	j := r.jobs[a.Execution.JobID]
	if j == nil || j.executions[c.thing] == nil {
		r.find(wrong, "%s was handed out %s, which is not one of its jobs", c.thing, a.Execution.JobID)
		return nil, nil, false
	}
	j.made = yes // whatever became of its CreateJob's answer
	r.dirty[j.id] = true
	e := j.executions[c.thing]
	want := e.is.version
	if e.is.status == "QUEUED" {
		want++
	}
	switch v := a.Execution.Version; {
	case a.Execution.Number != 1:
		r.find(doubled, "%s was handed out execution %d of %s, where one was ever made", c.thing, a.Execution.Number, j.id)
	case !e.is.pending():
		r.find(lost, "%s was handed out %s, which is %s", c.thing, j.id, e.is.status)
	case v > want:
		r.find(doubled, "%s was handed out %s with version %d, want %d", c.thing, j.id, v, want)
	case v < want:
		r.find(lost, "%s was handed out %s with version %d, want %d", c.thing, j.id, v, want)
	default:
		e.is.status, e.is.version = "IN_PROGRESS", v
		return j, e, true
	}
	return nil, nil, false
}

// finish reports a few times, the last time with the end of the execution.
func (r *round) finish(c *client, d *device, j *jobFact, e *execution, rnd *rand.Rand) (more bool) {
	ends := []string{"SUCCEEDED", "SUCCEEDED", "SUCCEEDED", "FAILED", "REJECTED"}
	for left := rnd.IntN(8); left >= 0; left-- {
		status := "IN_PROGRESS"
		if left == 0 {
			status = ends[rnd.IntN(len(ends))]
		}
		r.mu.Lock()
		d.marks++
		expected, mark := e.is.version, d.marks
		asked := reported(expected, status, mark)
		e.open = append(e.open, asked)
		r.mu.Unlock()
		var a answer
		o, err := r.request("UpdateJobExecution", func(ctx context.Context) (err error) {
			a, err = c.report(ctx, j.id, status, expected, mark)
			return err
		})
		if o == unanswered {
			return false
		}
		r.mu.Lock()
		e.settle(asked.name)
		if o == accepted {
			e.is = state{status, expected + 1, mark}
			r.mu.Unlock()
			continue
		}
		if !j.overtaken(e) {
			v := wrong
			if a.State != nil && a.State.Version > expected {
				v = doubled
			} else if a.State == nil || a.State.Version < expected {
				v = lost
			}
			r.find(v, "%s reports %s of %s at version %d: %v", c.thing, status, j.id, expected, err)
		}
		r.mu.Unlock()
		return true
	}
	return true
}

func (r *round) allWork() {
	for _, d := range r.devices {
		r.actor(func(rnd *rand.Rand) { r.work(d, rnd) })
	}
}

func (r *round) deviceNames() (names []string) {
	for _, d := range r.devices {
		names = append(names, d.thing)
	}
	return names
}

// moreWork is a setup: jobs for the devices.
func moreWork(n int) func(*round) error {
	return func(r *round) error {
		for range n {
			if _, err := r.prepare("work", "devices", r.deviceNames(), true); err != nil {
				return err
			}
		}
		return nil
	}
}

func anyFact(most int, delay time.Duration) func(*rand.Rand) plan {
	return func(rnd *rand.Rand) plan { return plan{facts: 1 + rnd.IntN(most), delay: upTo(rnd, delay)} }
}

func fact(kind string, most int, delay time.Duration) func(*rand.Rand) plan {
	return func(rnd *rand.Rand) plan { return plan{kind: kind, facts: 1 + rnd.IntN(most), delay: upTo(rnd, delay)} }
}

// Devices start, report and end executions.
var workPhase = &phase{
	name: "device work", weight: 3, plan: anyFact(200, 3*time.Millisecond),
	setup: moreWork(2), run: (*round).allWork,
}

// An operator makes one small job after another while devices work on them.
var jobsPhase = &phase{
	name: "job creation", weight: 1, plan: fact("CreateJob", 20, 3*time.Millisecond),
	run: func(r *round) {
		r.allWork()
		for i := range 4 {
			r.actor(func(*rand.Rand) {
				for {
					j := r.newJob("small", []string{r.wide[i], r.wide[i+10]}, false)
					if o, _ := r.create(j, []string{thingARN(r.wide[i]), thingARN(r.wide[i+10])}, 0); o == unanswered {
						return
					}
				}
			})
		}
	},
}

// arns is how the ARNs of `drover dev` begin.
const arns = "arn:aws:iot:us-east-1:000000000000:"

func thingARN(name string) string { return arns + "thing/" + name }

// anyWork is a job that devices may be working on.
func (r *round) anyWork(rnd *rand.Rand) *jobFact {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []*jobFact
	for _, j := range r.jobs {
		if len(j.executions) == workers && !j.done && j.made == yes && j.canceled == no && j.deleted == no {
			all = append(all, j)
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortFunc(all, func(a, b *jobFact) int { return strings.Compare(a.id, b.id) })
	return all[rnd.IntN(len(all))]
}

// An operator cancels and deletes single executions under the devices' hands.
var executionsPhase = &phase{
	name: "executions", weight: 2, plan: anyFact(120, 3*time.Millisecond),
	setup: moreWork(2),
	run: func(r *round) {
		r.allWork()
		for i := range 3 {
			r.actor(func(rnd *rand.Rand) { r.takeAway(rnd, i) })
		}
	},
}

// takeAway cancels or deletes executions of every third thing.
func (r *round) takeAway(rnd *rand.Rand, i int) {
	for n := i; n < len(r.devices); n += 3 {
		j := r.anyWork(rnd)
		if j == nil {
			return
		}
		thing := r.devices[n].thing
		c, kind := cancelled(true), "CancelJobExecution"
		do := func(ctx context.Context) error { return r.api.CancelExecution(ctx, thing, j.id, true) }
		if rnd.IntN(2) == 0 {
			c, kind = deleted(true), "DeleteJobExecution"
			do = func(ctx context.Context) error { return r.api.DeleteExecution(ctx, thing, j.id, 1, true) }
		}
		r.mu.Lock()
		e := j.executions[thing]
		ended := e == nil || e.is == gone
		if r.dirty[j.id] = true; !ended {
			e.open = append(e.open, c)
		}
		r.mu.Unlock()
		if ended {
			continue
		}
		o, err := r.request(kind, do)
		r.mu.Lock()
		if o != unanswered {
			e.settle(c.name)
		}
		if o == accepted {
			e.sure = append(e.sure, c)
		}
		if o == refused && kind == "DeleteJobExecution" {
			r.find(wrong, "%s of %s on %s was refused: %v", kind, j.id, thing, err)
		}
		r.mu.Unlock()
		if o == unanswered {
			return
		}
	}
}

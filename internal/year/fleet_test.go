package year

import (
	"fmt"
	"strings"
	"time"

	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/wire/iot"
	"github.com/drover-iot/drover/internal/year/reference"
)

// The fleet's groups. A region has sites and a site has halls, and each thing is in
// one of these; each is in a line; and some are in a pilot, of which half are, as
// things go, below another.
const (
	regions = 5
	sites   = 10
	halls   = 20
	lines   = 25
	pilots  = 8
)

// group is a group as it is founded.
type group struct{ name, parent string }

func groups() (all []group) {
	for i := range regions {
		all = append(all, group{name: fmt.Sprintf("region-%d", i)})
	}
	for i := range sites {
		all = append(all, group{fmt.Sprintf("site-%d", i), fmt.Sprintf("region-%d", i%regions)})
	}
	for i := range halls {
		all = append(all, group{fmt.Sprintf("hall-%02d", i), fmt.Sprintf("site-%d", i%sites)})
	}
	for i := range lines {
		all = append(all, group{name: fmt.Sprintf("line-%02d", i)})
	}
	for i := range pilots {
		all = append(all, group{name: fmt.Sprintf("pilot-%d", i), parent: pilotParent(i, i-pilots/2)})
	}
	return all
}

// pilotParent is the name of a pilot's parent: only the second half have one.
func pilotParent(i, parent int) string {
	if i < pilots/2 || parent < 0 {
		return ""
	}
	return fmt.Sprintf("pilot-%d", parent)
}

// place draws a place in the hierarchy of the regions.
func (r *run) place() string {
	switch n := r.rnd.IntN(8); {
	case n < 2:
		return fmt.Sprintf("region-%d", r.rnd.IntN(regions))
	case n < 5:
		return fmt.Sprintf("site-%d", r.rnd.IntN(sites))
	}
	return fmt.Sprintf("hall-%02d", r.rnd.IntN(halls))
}

// found makes the fleet.
func (r *run) found() {
	for _, g := range groups() {
		r.createGroup(g.name, g.parent)
	}
	for i := range r.things {
		name := fmt.Sprintf("t%04d", i)
		r.createThing(name)
		r.join(r.place(), name)
		r.join(fmt.Sprintf("line-%02d", i%lines), name)
		if r.rnd.IntN(4) == 0 {
			r.join(fmt.Sprintf("pilot-%d", r.rnd.IntN(pilots)), name)
		}
	}
}

// anyone draws a thing: mostly one that has a job, CONTINUOUS if forever.
func (r *run) anyone(forever bool) string {
	if r.rnd.IntN(4) > 0 {
		j := r.aJob(func(j *reference.Job) bool { return isActive(j) && j.Forever == forever && len(j.Attempts()) > 0 })
		if j != nil {
			if a := r.anAttempt(j, true); a != nil {
				return a.Thing.Name
			}
		}
	}
	return r.pick(r.names())
}

func (r *run) anyGroup() string {
	all := groups()
	return all[r.rnd.IntN(len(all))].name
}

func (r *run) someoneJoins() { r.join(r.anyGroup(), r.anyone(true)) }

// someoneLeaves: one of its groups for good, or all of them for some weeks.
func (r *run) someoneLeaves() {
	t := r.w.Thing(r.anyone(true))
	switch {
	case t == nil || len(t.Groups()) == 0:
	case r.rnd.IntN(2) == 0:
		r.leave(r.pick(t.Groups()), t.Name)
	default:
		r.leaveFor(t, t.Groups(), r.pause(12*time.Hour, 20*24*time.Hour))
	}
}

// movesBetween: leaves a group and comes back within some hours, so that rejoining
// is common.
func (r *run) movesBetween() {
	if t := r.w.Thing(r.anyone(true)); t != nil && len(t.Groups()) > 0 {
		r.leaveFor(t, []string{r.pick(t.Groups())}, r.pause(time.Minute, 30*time.Hour))
	}
}

func (r *run) leaveFor(t *reference.Thing, groups []string, pause time.Duration) {
	r.regroup(t.Name, nil, groups)
	r.after(pause, func() {
		if !r.op.resting {
			r.settle()
			r.regroup(t.Name, groups, nil)
			r.settle()
		}
	})
}

// unsettle has a thing leave a group, go to another, or go for good.
func (r *run) unsettle(t *reference.Thing) {
	switch n := r.rnd.IntN(10); {
	case n < 5:
		r.leave(r.pick(t.Groups()), t.Name)
	case n < 8:
		r.move(t)
	default:
		r.deleteThing(t.Name)
	}
}

// movesOver: goes from one group into another at once, which no job that covers
// both is to notice.
func (r *run) movesOver() {
	if t := r.w.Thing(r.anyone(true)); t != nil {
		r.move(t)
	}
}

// move is mostly within a hierarchy, where a thing may be only once.
func (r *run) move(t *reference.Thing) {
	if len(t.Groups()) == 0 {
		return
	}
	from, to := r.pick(t.Groups()), r.anyGroup()
	if r.rnd.IntN(3) > 0 {
		to = r.pick(r.w.Hierarchy(from))
	}
	if from != to {
		r.regroup(t.Name, []string{to}, []string{from})
	}
}

func (r *run) regroup(thing string, add, remove []string) {
	in := &iot.UpdateThingGroupsForThingInput{ThingName: registry.Name(thing)}
	for _, g := range add {
		in.ThingGroupsToAdd = append(in.ThingGroupsToAdd, registry.GroupName(g))
	}
	for _, g := range remove {
		in.ThingGroupsToRemove = append(in.ThingGroupsToRemove, registry.GroupName(g))
	}
	_, err := r.s.control.UpdateThingGroupsForThing(r.ctx, caller, in)
	r.same(err, r.w.Regroup(thing, add, remove, r.now()), "%s moves from %v to %v", thing, remove, add)
}

func (r *run) join(group, thing string) {
	_, err := r.s.control.AddThingToThingGroup(r.ctx, caller, &iot.AddThingToThingGroupInput{ThingGroupName: registry.GroupName(group), ThingName: registry.Name(thing)})
	r.same(err, r.w.Regroup(thing, []string{group}, nil, r.now()), "%s joins %s", thing, group)
}

func (r *run) leave(group, thing string) {
	_, err := r.s.control.RemoveThingFromThingGroup(r.ctx, caller, &iot.RemoveThingFromThingGroupInput{ThingGroupName: registry.GroupName(group), ThingName: registry.Name(thing)})
	r.same(err, r.w.Regroup(thing, nil, []string{group}, r.now()), "%s leaves %s", thing, group)
}

func (r *run) createGroup(name, parent string) {
	_, err := r.s.control.CreateThingGroup(r.ctx, caller, &iot.CreateThingGroupInput{ThingGroupName: registry.GroupName(name), ParentGroupName: registry.GroupName(parent)})
	r.same(err, r.w.CreateGroup(name, parent), "CreateThingGroup %s below %q", name, parent)
}

func (r *run) createThing(name string) {
	_, err := r.s.control.CreateThing(r.ctx, caller, &iot.CreateThingInput{ThingName: registry.Name(name)})
	r.w.CreateThing(name)
	r.same(err, "", "CreateThing %s", name)
	r.device(name)
}

func (r *run) deleteThing(name string) {
	_, err := r.s.control.DeleteThing(r.ctx, caller, &iot.DeleteThingInput{ThingName: registry.Name(name)})
	r.w.DeleteThing(name, r.now())
	r.same(err, "", "DeleteThing %s", name)
}

func (r *run) thingGoes() { r.deleteThing(r.anyone(r.rnd.IntN(2) == 0)) }

// thingComes: a name that is free lives again, as another thing.
func (r *run) thingComes() {
	for _, name := range r.names() {
		if r.w.Thing(name) == nil {
			r.createThing(name)
			r.join(r.place(), name)
			r.settle()
			r.join(fmt.Sprintf("line-%02d", r.rnd.IntN(lines)), name)
			return
		}
	}
}

// groupAnew: a group is deleted and made again under its name, a pilot maybe below
// another, and most of its things come back; one that has others below it cannot go.
func (r *run) groupAnew() {
	all := groups()
	g := all[r.rnd.IntN(len(all))]
	for g.parent == "" && r.rnd.IntN(8) > 0 {
		g = all[r.rnd.IntN(len(all))]
	}
	members := r.w.Members(g.name)
	_, err := r.s.control.DeleteThingGroup(r.ctx, caller, &iot.DeleteThingGroupInput{ThingGroupName: registry.GroupName(g.name)})
	r.same(err, r.w.DeleteGroup(g.name, r.now()), "DeleteThingGroup %s", g.name)
	r.settle()
	if strings.HasPrefix(g.parent, "pilot") {
		g.parent = pilotParent(pilots-1, r.rnd.IntN(1+pilots/2)-1)
	}
	r.createGroup(g.name, g.parent)
	for _, t := range members {
		if r.rnd.IntN(8) > 0 {
			r.join(g.name, t.Name)
			r.settle()
		}
	}
}

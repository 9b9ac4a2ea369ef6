package reference

import (
	"cmp"
	"slices"
	"time"
)

// maxGroups is how many groups a thing may be in (registry-and-auth.md D.3).
const maxGroups = 10

// Thing is one thing: one that is deleted and made again is another.
type Thing struct {
	Name   string
	groups map[*Group]bool
	gone   bool
	serial int
}

// Group is one group, as Thing is one thing. Its parent is fixed.
type Group struct {
	Name    string
	parent  *Group
	below   map[*Group]bool // its children
	members map[*Thing]bool // not those of its children
}

// root is the top of the group's hierarchy.
func (g *Group) root() *Group {
	for g.parent != nil {
		g = g.parent
	}
	return g
}

// under are the things of the group and of all groups below it.
func (g *Group) under() []*Thing {
	all := map[*Thing]bool{}
	for t := range g.members {
		all[t] = true
	}
	for child := range g.below {
		for _, t := range child.under() {
			all[t] = true
		}
	}
	return inOrder(all)
}

// holds says whether the thing is in the group, or in one below it.
func (g *Group) holds(t *Thing) bool {
	for in := range t.groups {
		for ; in != nil; in = in.parent {
			if in == g {
				return true
			}
		}
	}
	return false
}

// CreateThing makes a thing; one that is there stays as it is.
func (w *World) CreateThing(name string) {
	if w.things[name] == nil {
		w.made++
		w.things[name] = &Thing{Name: name, groups: map[*Group]bool{}, serial: w.made}
	}
}

// CreateGroup makes a group, below its parent if it names one; one that is there
// with this parent stays as it is.
func (w *World) CreateGroup(name, parent string) Code {
	above, g := w.groups[parent], w.groups[name]
	switch {
	case parent != "" && above == nil:
		return NotFound
	case g != nil && g.parent != above:
		return AlreadyExists
	case g != nil:
		return ""
	}
	g = &Group{Name: name, parent: above, below: map[*Group]bool{}, members: map[*Thing]bool{}}
	if w.groups[name] = g; above != nil {
		above.below[g] = true
	}
	return ""
}

// Regroup takes a thing out of groups and puts it into others, at once. It may not
// be in two of one hierarchy (registry-and-auth.md D.3).
func (w *World) Regroup(thing string, add, remove []string, now time.Time) Code {
	t := w.things[thing]
	if t == nil {
		return NotFound
	}
	after, joins := map[*Group]bool{}, false
	for g := range t.groups {
		after[g] = true
	}
	for _, name := range remove {
		g := w.groups[name]
		if g == nil {
			return NotFound
		}
		delete(after, g)
	}
	for _, name := range add {
		g := w.groups[name]
		if g == nil {
			return NotFound
		}
		joins = joins || !after[g]
		after[g] = true
	}
	roots := map[*Group]bool{}
	for g := range after {
		roots[g.root()] = true
	}
	if joins && (len(after) > maxGroups || len(roots) < len(after)) {
		return InvalidRequest
	}
	w.moving([]*Thing{t}, now, func() {
		for g := range t.groups {
			delete(g.members, t)
		}
		t.groups = after
		for g := range after {
			g.members[t] = true
		}
	})
	return ""
}

// DeleteGroup takes a group away, with all its memberships; not one that has
// children.
func (w *World) DeleteGroup(name string, now time.Time) Code {
	g := w.groups[name]
	switch {
	case g == nil:
		return ""
	case len(g.below) > 0:
		return InvalidRequest
	}
	w.moving(inOrder(g.members), now, func() {
		for t := range g.members {
			delete(t.groups, g)
		}
		g.members = map[*Thing]bool{}
		delete(w.groups, name)
		if g.parent != nil {
			delete(g.parent.below, g)
		}
	})
	return ""
}

// DeleteThing takes a thing away: what it had pending is REMOVED, whoever started
// it (B.3).
func (w *World) DeleteThing(name string, now time.Time) {
	t := w.things[name]
	if t == nil {
		return
	}
	for _, j := range w.Jobs() {
		a := j.newest(t)
		if a != nil || j.waiting[t] {
			w.see("deleted", a)
		}
		if a != nil && a.pending() {
			w.end(a, Removed, now)
		}
		delete(j.waiting, t)
	}
	for g := range t.groups {
		delete(g.members, t)
	}
	t.gone, t.groups = true, map[*Group]bool{}
	delete(w.things, name)
}

// Members are the things of a group and of those below it, in the order in which
// they were made.
func (w *World) Members(group string) []*Thing {
	if g := w.groups[group]; g != nil {
		return g.under()
	}
	return nil
}

// Hierarchy are the groups that have their root with this one, by name.
func (w *World) Hierarchy(group string) (names []string) {
	for name, g := range w.groups {
		if g.root() == w.groups[group].root() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// see counts what a thing had of a job when this happened to it.
func (w *World) see(what string, a *Attempt) {
	had := "nothing"
	if a != nil {
		had = string(a.Status)
	}
	w.Seen[what+" with "+had]++
}

// Groups are the groups that a thing is directly in, by name.
func (t *Thing) Groups() (names []string) {
	for g := range t.groups {
		names = append(names, g.Name)
	}
	slices.Sort(names)
	return names
}

func inOrder(set map[*Thing]bool) []*Thing {
	all := make([]*Thing, 0, len(set))
	for t := range set {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b *Thing) int { return cmp.Compare(a.serial, b.serial) })
	return all
}

package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

const registrars = 6 // things that come and go

// openRegistry makes what stays: things and a group for memberships and
// certificates.
func (r *round) openRegistry() error {
	for i := range registrars {
		if _, err := r.api.CreateThing(r.ctx, fmt.Sprintf("member-%d", i)); err != nil {
			return err
		}
	}
	_, err := r.api.CreateGroup(r.ctx, "club")
	return err
}

// The control plane's registry: things, groups, memberships, certificates.
var registryPhase = &phase{
	name: "registry", weight: 2, plan: func(rnd *rand.Rand) plan {
		switch rnd.IntN(5) {
		case 0:
			return plan{kind: "CreateKeysAndCertificate", facts: 1, delay: upTo(rnd, time.Millisecond)}
		case 1:
			return plan{kind: "AttachThingPrincipal", facts: 1 + rnd.IntN(4), delay: upTo(rnd, time.Millisecond)}
		case 2:
			return plan{kind: "DetachThingPrincipal", facts: 1 + rnd.IntN(4), delay: upTo(rnd, time.Millisecond)}
		}
		return plan{facts: 1 + rnd.IntN(80)}
	},
	run: func(r *round) {
		for i := range registrars {
			r.actor(func(rnd *rand.Rand) { r.things(rnd, fmt.Sprintf("visitor-%d", i)) })
			r.actor(func(rnd *rand.Rand) { r.memberships(rnd, fmt.Sprintf("member-%d", i)) })
		}
		r.actor(func(rnd *rand.Rand) { r.groupsOf(rnd, "guests-a") })
		r.actor(func(rnd *rand.Rand) { r.groupsOf(rnd, "guests-b") })
		r.actor(r.certificates)
	},
}

// register gives the register of a key, entering it empty at first.
func (r *round) register(key string, read func(context.Context) (value, error)) *register {
	r.mu.Lock()
	defer r.mu.Unlock()
	if g := r.registers[key]; g != nil {
		return g
	}
	return r.add(key, value{}, read)
}

// orNothing reads a value of which nothing may be there.
func orNothing(v value, err error) (value, error) {
	if missing(err) {
		return value{}, nil
	}
	return v, err
}

// things makes a thing, changes it a few times, and deletes it, over and over.
func (r *round) things(rnd *rand.Rand, name string) {
	g := r.register("thing "+name, func(ctx context.Context) (value, error) {
		t, err := r.world.api.DescribeThing(ctx, name)
		return orNothing(value{t.Attributes["n"] + "|", t.Version}, err)
	})
	for n := 0; ; n++ {
		text := strconv.Itoa(rnd.IntN(1_000_000))
		var o outcome
		switch {
		case g.is == value{}:
			o = r.set(g, value{"|", 1}, "CreateThing", func(ctx context.Context) error {
				_, err := r.api.CreateThing(ctx, name)
				return err
			})
		case rnd.IntN(5) == 0:
			o = r.set(g, value{}, "DeleteThing", func(ctx context.Context) error { return r.api.DeleteThing(ctx, name) })
		default:
			o = r.set(g, value{text + "|", g.is.version + 1}, "UpdateThing", func(ctx context.Context) error {
				return r.api.UpdateThing(ctx, name, map[string]string{"n": text})
			})
		}
		if o != accepted {
			return
		}
	}
}

// groupsOf makes a group and deletes it, over and over.
func (r *round) groupsOf(rnd *rand.Rand, name string) {
	g := r.register("group "+name, func(ctx context.Context) (value, error) {
		_, err := r.world.api.DescribeGroup(ctx, name)
		return orNothing(value{text: "there"}, err)
	})
	for o := accepted; o == accepted; {
		if (g.is == value{}) {
			o = r.set(g, value{text: "there"}, "CreateThingGroup", func(ctx context.Context) error {
				_, err := r.api.CreateGroup(ctx, name)
				return err
			})
		} else {
			o = r.set(g, value{}, "DeleteThingGroup", func(ctx context.Context) error { return r.api.DeleteGroup(ctx, name) })
		}
		r.rest(rnd)
	}
}

// memberships makes a thing join and leave.
func (r *round) memberships(rnd *rand.Rand, name string) {
	g := r.register("member "+name, func(ctx context.Context) (value, error) {
		names, err := r.world.api.Members(ctx, "club")
		if !slices.Contains(names, name) {
			return value{}, err
		}
		return value{text: "in"}, err
	})
	for o := accepted; o == accepted; {
		if (g.is == value{}) {
			o = r.set(g, value{text: "in"}, "AddThingToThingGroup", func(ctx context.Context) error { return r.api.AddToGroup(ctx, "club", name) })
		} else {
			o = r.set(g, value{}, "RemoveThingFromThingGroup", func(ctx context.Context) error { return r.api.RemoveFromGroup(ctx, "club", name) })
		}
		r.rest(rnd)
	}
}

// certificates makes certificates and attaches each and detaches it, over and over,
// sometimes in a later life: one that was acknowledged must be there to be attached.
func (r *round) certificates(rnd *rand.Rand) {
	for {
		arn := r.unattached
		if arn == "" {
			o, err := r.request("CreateKeysAndCertificate", func(ctx context.Context) (err error) {
				arn, err = r.api.CreateCertificate(ctx)
				return err
			})
			if o == refused {
				r.find(wrong, "CreateKeysAndCertificate was refused: %v", err)
			}
			if o != accepted {
				return
			}
			r.unattached = arn
		}
		thing := fmt.Sprintf("member-%d", rnd.IntN(registrars))
		g := r.register("certificate "+arn+" of "+thing, func(ctx context.Context) (value, error) {
			arns, err := r.world.api.Principals(ctx, thing)
			if !slices.Contains(arns, arn) {
				return value{}, err
			}
			return value{text: "attached"}, err
		})
		r.unattached = ""
		for range 1 + rnd.IntN(8) {
			var o outcome
			if (g.is == value{}) {
				o = r.set(g, value{text: "attached"}, "AttachThingPrincipal", func(ctx context.Context) error { return r.api.Attach(ctx, thing, arn) })
			} else {
				o = r.set(g, value{}, "DetachThingPrincipal", func(ctx context.Context) error { return r.api.Detach(ctx, thing, arn) })
			}
			if o != accepted {
				return
			}
			r.rest(rnd)
		}
		if !r.statuses(rnd, arn) {
			return
		}
	}
}

// statuses changes the status of a certificate a few times; its version says how
// often.
func (r *round) statuses(rnd *rand.Rand, arn string) (answered bool) {
	g := r.register("status of "+arn, func(ctx context.Context) (value, error) {
		status, version, err := r.world.api.Certificate(ctx, arn)
		return value{status, version}, err
	})
	if (g.is == value{}) { // as it was made
		g.is = value{"ACTIVE", 1}
	}
	for range rnd.IntN(3) {
		next := map[string]string{"ACTIVE": "INACTIVE", "INACTIVE": "ACTIVE"}[g.is.text]
		o := r.set(g, value{next, g.is.version + 1}, "UpdateCertificate", func(ctx context.Context) error { return r.api.SetCertificate(ctx, arn, next) })
		if o != accepted {
			return false
		}
	}
	return true
}

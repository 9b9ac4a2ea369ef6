package ops

import (
	"maps"
	"slices"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

// above are the groups that hold whatever this group holds: itself and its
// ancestors. What a target covers is decided here, and for a membership of the past
// by the store's WasMember and NextGroup (control-plane.md B.3).
func above(tx store.Tx, group int64) ([]int64, error) { return tx.Above(group) }

// holders are the groups that hold a thing.
func holders(tx store.Tx, thing int64) (map[int64]bool, error) {
	held := map[int64]bool{}
	for page := (store.Page{Limit: registry.MaxGroups}); ; {
		direct, next, err := tx.GroupsOfThing(thing, page)
		if err != nil {
			return nil, err
		}
		for _, g := range direct {
			all, err := above(tx, g.Key)
			if err != nil {
				return nil, err
			}
			for _, key := range all {
				held[key] = true
			}
		}
		if page.After = next; next == "" {
			return held, nil
		}
	}
}

// Covered says whether a target of the job holds the thing now.
func Covered(tx store.Tx, j job.Job, thing int64) (bool, error) {
	held, err := holders(tx, thing)
	return err == nil && covers(j, thing, held), err
}

func covers(j job.Job, thing int64, held map[int64]bool) bool {
	return slices.ContainsFunc(j.Resolved, func(t job.Target) bool {
		return t.Group && held[t.Key] || !t.Group && t.Key == thing
	})
}

// moveThing changes a thing's memberships, and notes what that means for the
// CONTINUOUS jobs that follow the groups: the work is the scheduler's. It costs
// as much as there are such jobs, whatever the fleet.
func moveThing(tx store.Tx, thing int64, change func() error) error {
	before, err := holders(tx, thing)
	if err != nil {
		return err
	}
	if err := change(); err != nil {
		return err
	}
	after, err := holders(tx, thing)
	if err != nil {
		return err
	}
	asked := map[int64]bool{}
	for _, group := range slices.Sorted(maps.Keys(union(before, after))) {
		if before[group] == after[group] {
			continue
		}
		jobs, err := tx.Followers(group)
		if err != nil {
			return err
		}
		for _, key := range jobs {
			if asked[key] {
				continue
			}
			asked[key] = true
			if err := retarget(tx, key, thing, before, after); err != nil {
				return err
			}
		}
	}
	return nil
}

func union(a, b map[int64]bool) map[int64]bool {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// retarget notes that a thing became a target of the job, or ceased to be one.
func retarget(tx store.Tx, jobKey, thing int64, before, after map[int64]bool) error {
	j, _, err := tx.JobByKey(jobKey)
	if err != nil {
		return err
	}
	is := covers(j, thing, after)
	if is == covers(j, thing, before) {
		return nil
	}
	return tx.AddRetarget(jobKey, store.Retarget{Thing: store.Member{Key: thing}, Joined: is})
}

// dissolve notes for the CONTINUOUS jobs that follow a group that it is gone; how
// many things were in it makes no difference here.
func dissolve(tx store.Tx, group int64) error {
	groups, err := above(tx, group)
	if err != nil {
		return err
	}
	asked := map[int64]bool{}
	for _, g := range groups {
		jobs, err := tx.Followers(g)
		if err != nil {
			return err
		}
		for _, key := range jobs {
			if !asked[key] {
				asked[key] = true
				if err := tx.AddRetarget(key, store.Retarget{Group: group}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

package ops

import (
	"context"
	"errors"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/fleet"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// ImportBatch is how many lines of an import are one transaction, at most: it ends
// earlier when devices wait for it.
const ImportBatch = 64

// Import carries out lines of an import in one transaction, each as the operation
// that it is, up to the first that is refused or to when devices wait: done, at
// least one when there is no error, are carried out, and stay so
// (design.md decision 9). A line that was carried out before changes nothing. The
// errors are those of CreateThing, CreateThingGroup and AddThingToThingGroup.
func (c *Control) Import(ctx context.Context, by Caller, lines []fleet.Line) (done int, err error) {
	var refusal error
	err = c.Store.Update(ctx, func(tx store.Tx) error {
		done, refusal = 0, nil
		inside := *c.core
		inside.Store = within{c.Store, tx}
		in := &Control{&inside}
		for done < len(lines) && (done == 0 || !tx.Pressed()) {
			err := in.importLine(ctx, by, lines[done])
			var e *job.Error
			if errors.As(err, &e) && e.Code != job.Internal {
				refusal = err
				return nil
			}
			if err != nil {
				return err
			}
			done++
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return done, refusal
}

func (c *Control) importLine(ctx context.Context, by Caller, l fleet.Line) (err error) {
	switch {
	case l.Group != nil:
		_, err = c.CreateThingGroup(ctx, by, l.Group)
	case l.Member != nil:
		_, err = c.AddThingToThingGroup(ctx, by, l.Member)
	default:
		if err = c.quotas.CheckGroupCount(l.Thing.ThingName, len(l.Groups)); err == nil {
			_, err = c.CreateThing(ctx, by, l.Thing)
		}
		for i := 0; i < len(l.Groups) && err == nil; i++ {
			_, err = c.AddThingToThingGroup(ctx, by, &iot.AddThingToThingGroupInput{ThingGroupName: l.Groups[i], ThingName: l.Thing.ThingName})
		}
	}
	return err
}

// within is the store as an operation sees it that is part of a transaction
// already. The operations that run so refuse before they write.
type within struct {
	store.Store
	tx store.Tx
}

func (w within) Update(_ context.Context, fn func(store.Tx) error) error { return fn(w.tx) }
func (w within) View(_ context.Context, fn func(store.Tx) error) error   { return fn(w.tx) }

package ops

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// thingType reads a thing type. Errors: NotFound.
func thingType(tx store.Tx, name registry.TypeName) (registry.Type, error) {
	t, err := tx.Type(name)
	return t, refused(err, func() error { return job.Errorf(job.NotFound, "Thing type %s not found", name) })
}

// usable finds a type that a thing, a new one or not, is to be given; "" is none. Errors: NotFound;
// InvalidRequest for one that is deprecated.
func usable(tx store.Tx, name registry.TypeName, isNew bool) error {
	if name == "" {
		return nil
	}
	t, err := thingType(tx, name)
	if err != nil {
		return err
	}
	return t.CheckUse(isNew)
}

// CreateThingType makes a thing type; again with the same configuration it answers
// the same. Errors: AlreadyExists, InvalidRequest, LimitExceeded.
func (c *Control) CreateThingType(ctx context.Context, _ Caller, in *iot.CreateThingTypeInput) (*iot.CreateThingTypeOutput, error) {
	u := typeUpdate(in.ThingTypeProperties)
	asked, err := registry.NewType(uuid.NewString(), in.ThingTypeName, value(u.Description), u.Searchable, c.Now())
	if err != nil {
		return nil, err
	}
	tags, err := c.newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	var t registry.Type
	err = c.Store.Update(ctx, func(tx store.Tx) (err error) {
		t, err = tx.Type(in.ThingTypeName)
		if errors.Is(err, store.ErrNotFound) {
			t = asked
			if err := tx.PutType(&t); err != nil {
				return err
			}
			if err := putTags(tx, registry.Tagged{Kind: registry.TaggedType, Key: t.Key}, tags); err != nil {
				return err
			}
			return c.tellType(tx, t, "created")
		}
		if err != nil {
			return err
		}
		same, err := sameTags(tx, registry.Tagged{Kind: registry.TaggedType, Key: t.Key}, tags)
		if err == nil && !(same && t.SameAs(asked.Description, asked.Searchable)) {
			e := job.Errorf(job.AlreadyExists, "Thing type %s already exists with a different configuration", t.Name)
			e.Resource = &job.Resource{ID: t.UUID, ARN: c.typeARN(t.Name)}
			return e
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &iot.CreateThingTypeOutput{ThingTypeName: t.Name, ThingTypeARN: c.typeARN(t.Name), ThingTypeID: t.UUID}, nil
}

func typeUpdate(p *iot.ThingTypeProperties) (u registry.TypeUpdate) {
	if p != nil {
		u.Description, u.Searchable = p.ThingTypeDescription, p.SearchableAttributes
	}
	return u
}

func typeProperties(t registry.Type) *iot.ThingTypeProperties {
	p := &iot.ThingTypeProperties{SearchableAttributes: t.Searchable}
	if t.Description != "" {
		p.ThingTypeDescription = &t.Description
	}
	return p
}

func typeMetadata(t registry.Type) *iot.ThingTypeMetadata {
	return &iot.ThingTypeMetadata{Deprecated: t.Deprecated(), DeprecationDate: t.DeprecatedAt, CreationDate: t.CreatedAt}
}

// DescribeThingType errors: NotFound.
func (c *Control) DescribeThingType(ctx context.Context, _ Caller, in *iot.DescribeThingTypeInput) (*iot.DescribeThingTypeOutput, error) {
	var t registry.Type
	err := c.Store.View(ctx, func(tx store.Tx) (err error) {
		t, err = thingType(tx, in.ThingTypeName)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &iot.DescribeThingTypeOutput{
		ThingTypeName: t.Name, ThingTypeID: t.UUID, ThingTypeARN: c.typeARN(t.Name),
		ThingTypeProperties: typeProperties(t), ThingTypeMetadata: typeMetadata(t),
	}, nil
}

// ListThingTypes lists thing types by name, or the one that is asked for. Errors:
// InvalidRequest.
func (c *Control) ListThingTypes(ctx context.Context, _ Caller, in *iot.ListThingTypesInput) (*iot.ListThingTypesOutput, error) {
	l := newList("ListThingTypes", in.ThingTypeName)
	page, err := l.page(in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	out := &iot.ListThingTypesOutput{ThingTypes: []iot.ThingTypeDefinition{}}
	err = c.Store.View(ctx, func(tx store.Tx) (err error) {
		var types []registry.Type
		var next string
		if in.ThingTypeName == "" {
			types, next, err = tx.Types(page)
		} else if one, notThere := tx.Type(in.ThingTypeName); notThere == nil {
			types = []registry.Type{one}
		} else {
			err = refused(notThere, func() error { return nil })
		}
		for _, t := range types {
			out.ThingTypes = append(out.ThingTypes, iot.ThingTypeDefinition{
				ThingTypeName: t.Name, ThingTypeARN: c.typeARN(t.Name),
				ThingTypeProperties: typeProperties(t), ThingTypeMetadata: typeMetadata(t),
			})
		}
		out.NextToken = l.token(next)
		return refused(err, nil)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// changeType rewrites a thing type. Errors: NotFound, and those of change.
func (c *Control) changeType(ctx context.Context, name registry.TypeName, change func(registry.Type) (registry.Type, error)) error {
	return c.Store.Update(ctx, func(tx store.Tx) error {
		t, err := thingType(tx, name)
		if err != nil {
			return err
		}
		if t, err = change(t); err != nil {
			return err
		}
		if err := tx.PutType(&t); err != nil {
			return err
		}
		return c.tellType(tx, t, "updated")
	})
}

// UpdateThingType changes what the request names. Errors: NotFound, InvalidRequest.
func (c *Control) UpdateThingType(ctx context.Context, _ Caller, in *iot.UpdateThingTypeInput) (*iot.UpdateThingTypeOutput, error) {
	err := c.changeType(ctx, in.ThingTypeName, func(t registry.Type) (registry.Type, error) { return t.Update(typeUpdate(in.ThingTypeProperties)) })
	if err != nil {
		return nil, err
	}
	return &iot.UpdateThingTypeOutput{}, nil
}

// DeprecateThingType keeps things from being given a type, or undoes that; those
// that have it keep it. Errors: NotFound.
func (c *Control) DeprecateThingType(ctx context.Context, _ Caller, in *iot.DeprecateThingTypeInput) (*iot.DeprecateThingTypeOutput, error) {
	err := c.changeType(ctx, in.ThingTypeName, func(t registry.Type) (registry.Type, error) { return t.Deprecate(in.UndoDeprecate, c.Now()), nil })
	if err != nil {
		return nil, err
	}
	return &iot.DeprecateThingTypeOutput{}, nil
}

// DeleteThingType errors: NotFound; InvalidRequest for a type that is not
// deprecated, is in use, or was deprecated less than five minutes ago
// (registry-and-auth.md D.2).
func (c *Control) DeleteThingType(ctx context.Context, _ Caller, in *iot.DeleteThingTypeInput) (*iot.DeleteThingTypeOutput, error) {
	err := c.Store.Update(ctx, func(tx store.Tx) error {
		t, err := thingType(tx, in.ThingTypeName)
		if err != nil {
			return err
		}
		things, _, err := tx.Things(store.ThingFilter{Type: t.Name}, store.Page{Limit: 1})
		if err != nil {
			return err
		}
		if err := t.CheckDelete(len(things) > 0, c.Now()); err != nil {
			return err
		}
		if err := tx.DeleteType(t.Key); err != nil {
			return err
		}
		return c.tellType(tx, t, "deleted")
	})
	if err != nil {
		return nil, err
	}
	return &iot.DeleteThingTypeOutput{}, nil
}

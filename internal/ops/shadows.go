package ops

import (
	"context"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/shadow"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/shadowdata"
)

// The operations on device shadows go the way of device requests: asynchronous,
// in the order in which they came, decided in the batch that commits them.

// GetThingShadowAsync reads a shadow. Errors: NotFound, for the shadow and for
// a thing that nobody registered.
func (d *Data) GetThingShadowAsync(_ Caller, in *shadowdata.ReadInput, done func(shadow.Document, error)) {
	var found shadow.Document
	d.shadow(in.Key, func(now shadow.Document) (shadow.Document, bool, error) {
		found = now
		return now, false, now.Found(in.ThingName, in.ShadowName)
	}, func(err error) { done(found, err) })
}

// UpdateThingShadowAsync merges an update into a shadow, which it makes if there
// is none. Errors: NotFound for a thing that nobody registered, Conflict,
// InvalidRequest, PayloadTooLarge.
func (d *Data) UpdateThingShadowAsync(_ Caller, in *shadowdata.UpdateThingShadowInput, done func(*shadowdata.UpdateThingShadowOutput, error)) {
	out := &shadowdata.UpdateThingShadowOutput{Request: in.Update}
	d.shadow(in.Key, func(before shadow.Document) (after shadow.Document, changed bool, err error) {
		if after, err = before.Apply(in.Update, d.Now()); err != nil {
			return after, false, err
		}
		if shadowdata.StateSize(after) > shadow.MaxBytes {
			return after, false, job.Errorf(job.PayloadTooLarge, "The payload exceeds the maximum size allowed")
		}
		out.Previous, out.Current = before, after
		return after, true, nil
	}, func(err error) {
		if err != nil {
			out = nil
		}
		done(out, err)
	})
}

// DeleteThingShadowAsync deletes a shadow. Errors: NotFound, as in
// GetThingShadowAsync.
func (d *Data) DeleteThingShadowAsync(_ Caller, in *shadowdata.ReadInput, done func(shadow.Document, error)) {
	var deleted shadow.Document
	d.shadow(in.Key, func(before shadow.Document) (after shadow.Document, changed bool, err error) {
		deleted, err = before.Delete(in.ThingName, in.ShadowName, d.Now())
		return deleted, err == nil, err
	}, func(err error) { done(deleted, err) })
}

// shadow decides about one shadow of a thing that must be registered.
func (d *Data) shadow(key shadowdata.Key, decide func(shadow.Document) (after shadow.Document, changed bool, err error), done func(error)) {
	if !key.ShadowName.Valid() {
		done(job.Errorf(job.InvalidRequest, "Invalid shadow name: expected at most %d of [$a-zA-Z0-9:_-]", shadow.MaxName))
		return
	}
	if !key.ThingName.Valid() {
		done(job.Errorf(job.InvalidRequest, "Invalid thing name: expected at most 128 of [a-zA-Z0-9:_-]"))
		return
	}
	name := string(key.ShadowName)
	d.submit(store.Keys{Thing: key.ThingName, Shadow: &name}, func(snap store.Snapshot) (store.Changes, error) {
		before, err := documentOf(snap.Shadow)
		if err != nil {
			return store.Changes{}, err
		}
		after, changed, err := decide(before)
		if err != nil || !changed {
			return store.Changes{}, err
		}
		s := store.Shadow{ThingKey: snap.ThingKey, Name: name, Version: after.Version, At: after.UpdatedAt}
		if !after.Deleted {
			s.Document = shadowdata.Marshal(nil, after)
		}
		return store.Changes{Shadow: &s}, nil
	}, done)
}

func documentOf(s store.Shadow) (d shadow.Document, err error) {
	d = shadow.Document{Version: s.Version, UpdatedAt: s.At, Deleted: s.Version > 0 && s.Document == nil}
	if d.Exists() {
		err = shadowdata.Unmarshal(s.Document, &d)
	}
	return d, err
}

// GetThingShadow is GetThingShadowAsync for one who waits.
func (d *Data) GetThingShadow(ctx context.Context, c Caller, in *shadowdata.ReadInput) (shadow.Document, error) {
	return blocking(ctx, func(done func(shadow.Document, error)) { d.GetThingShadowAsync(c, in, done) })
}

// UpdateThingShadow is UpdateThingShadowAsync for one who waits.
func (d *Data) UpdateThingShadow(ctx context.Context, c Caller, in *shadowdata.UpdateThingShadowInput) (*shadowdata.UpdateThingShadowOutput, error) {
	return blocking(ctx, func(done func(*shadowdata.UpdateThingShadowOutput, error)) { d.UpdateThingShadowAsync(c, in, done) })
}

// DeleteThingShadow is DeleteThingShadowAsync for one who waits.
func (d *Data) DeleteThingShadow(ctx context.Context, c Caller, in *shadowdata.ReadInput) (shadow.Document, error) {
	return blocking(ctx, func(done func(shadow.Document, error)) { d.DeleteThingShadowAsync(c, in, done) })
}

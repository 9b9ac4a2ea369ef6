package ops

import (
	"context"
	"errors"
	"sync"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/shadow"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/shadowdata"
)

// The operations on device shadows are asynchronous too. Those on one shadow are
// done in the order in which they came, those on others beside them; done is
// called on a goroutine that may take its time over the answer. The store's
// writer sees bytes: a document is read from a snapshot and merged outside, and
// put if nobody has changed it meanwhile.

// GetThingShadowAsync reads a shadow. Errors: NotFound, for the shadow and for
// a thing that nobody registered.
func (d *Data) GetThingShadowAsync(_ Caller, in *shadowdata.ReadInput, done func(shadow.Document, error)) {
	var found shadow.Document
	d.shadow(in.Key, func(now shadow.Document) (*store.Shadow, error) {
		found = now
		return nil, now.Found(in.ThingName, in.ShadowName)
	}, func(err error) { done(found, err) })
}

// UpdateThingShadowAsync merges an update into a shadow, which it makes if there
// is none. It reads in.Payload when it is its turn. Errors: NotFound for a thing
// that nobody registered, Conflict, InvalidJSON, InvalidRequest, PayloadTooLarge,
// LimitExceeded.
func (d *Data) UpdateThingShadowAsync(_ Caller, in *shadowdata.UpdateThingShadowInput, done func(*shadowdata.UpdateThingShadowOutput, error)) {
	read := sync.OnceValue(func() error { return shadowdata.DecodeUpdate(in) })
	out := new(shadowdata.UpdateThingShadowOutput)
	d.shadow(in.Key, func(before shadow.Document) (*store.Shadow, error) {
		if err := read(); err != nil {
			return nil, err
		}
		after, err := before.Apply(in.Update, d.Now())
		if err != nil {
			return nil, err
		}
		stored, size := shadowdata.Marshal(nil, after)
		if size > shadow.MaxBytes {
			return nil, shadowdata.TooLarge()
		}
		out.Request, out.Previous, out.Current = in.Update, before, after
		return &store.Shadow{Version: after.Version, At: after.UpdatedAt, Document: stored}, nil
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
	d.shadow(in.Key, func(before shadow.Document) (put *store.Shadow, err error) {
		if deleted, err = before.Delete(in.ThingName, in.ShadowName, d.Now()); err != nil {
			return nil, err
		}
		return &store.Shadow{Version: deleted.Version, At: deleted.UpdatedAt}, nil
	}, func(err error) { done(deleted, err) })
}

// shadow does a request to one shadow of a thing that must be registered.
// decide says what to put, nil for nothing; it runs again when another has
// changed the shadow before that was done.
func (d *Data) shadow(key shadowdata.Key, decide func(shadow.Document) (put *store.Shadow, err error), done func(error)) {
	if !key.ShadowName.Valid() {
		done(job.Errorf(job.InvalidRequest, "Invalid shadow name: expected at most %d of [$a-zA-Z0-9:_-]", shadow.MaxName))
		return
	}
	if !key.ThingName.Valid() {
		done(job.Errorf(job.InvalidRequest, "Invalid thing name: expected at most 128 of [a-zA-Z0-9:_-]"))
		return
	}
	r := &shadowRequest{Data: d, key: key, decide: decide, done: done}
	d.lines.join(key, r.begin)
}

// shadowRequest is a request whose turn it is.
type shadowRequest struct {
	*Data
	key    shadowdata.Key
	decide func(shadow.Document) (*store.Shadow, error)
	done   func(error)
	raced  int
}

// maxRaces is how often a request begins again. Requests wait for each other,
// so only what happens to the thing itself comes between.
const maxRaces = 5

var errRaced = errors.New("the shadow was changed meanwhile")

func (r *shadowRequest) keys() store.Keys {
	name := string(r.key.ShadowName)
	return store.Keys{Thing: r.key.ThingName, Shadow: &name}
}

func (r *shadowRequest) begin() {
	seen, err := r.read()
	if err != nil {
		r.end(err)
		return
	}
	before, err := documentOf(seen.Shadow)
	if err != nil {
		r.end(err)
		return
	}
	put, err := r.decide(before)
	if err != nil || put == nil {
		r.end(err)
		return
	}
	put.ThingKey, put.Name = seen.ThingKey, string(r.key.ShadowName)
	r.Store.Submit(r.keys(), func(now store.Snapshot) (store.Changes, error) {
		if now.ThingKey != seen.ThingKey || !now.Shadow.Same(seen.Shadow) {
			return store.Changes{}, errRaced
		}
		return r.writes(put, now)
	}, func(_ store.Commit, err error) {
		r.lines.then(func() { r.committed(err) })
	})
}

// writes are the changes of a put. A thing has a bounded number of named shadows,
// deleted ones that are still remembered among them: where there is no room for
// one more, the one that was deleted first is forgotten. Errors: LimitExceeded.
func (r *shadowRequest) writes(put *store.Shadow, now store.Snapshot) (ch store.Changes, err error) {
	ch.Shadow = put
	switch {
	case put.Document == nil: // when it can be forgotten
		ch.Wake = shadow.Document{UpdatedAt: put.At}.Forgotten()
	case put.Name == "" || now.Shadow.Document != nil || r.NamedShadows == 0:
	case now.Named.There >= r.NamedShadows:
		return ch, job.Errorf(job.LimitExceeded, "The thing has %d named shadows, more are not allowed", now.Named.There)
	case now.Shadow.Version == 0 && now.Named.There+now.Named.Deleted >= r.NamedShadows:
		ch.Forget = now.Named.Oldest
	}
	return ch, nil
}

func (r *shadowRequest) committed(err error) {
	if !errors.Is(err, errRaced) {
		r.end(err)
		return
	}
	if r.raced++; r.raced < maxRaces {
		r.begin()
		return
	}
	r.end(job.Errorf(job.Unavailable, "The shadow was changed again and again meanwhile; nothing was done, try again"))
}

func (r *shadowRequest) end(err error) {
	r.done(err)
	r.lines.leave(r.key)
}

// read gives what is there now; with AutoThings an unknown thing is registered
// first. Errors: NotFound for a thing that nobody registered.
func (r *shadowRequest) read() (snap store.Snapshot, err error) {
	for range 2 {
		err = r.Store.View(context.Background(), func(tx store.Tx) (err error) {
			snap, err = tx.Snapshot(r.keys())
			return err
		})
		if err != nil || snap.ThingKey != 0 {
			return snap, err
		}
		if !r.AutoThings {
			break
		}
		if err := r.register(r.key.ThingName); err != nil {
			return snap, err
		}
	}
	return snap, notRegistered(r.key.ThingName)
}

func documentOf(s store.Shadow) (d shadow.Document, err error) {
	d = shadow.Document{Version: s.Version, UpdatedAt: s.At, Deleted: s.Version > 0 && s.Document == nil}
	if d.Exists() {
		err = shadowdata.Unmarshal(s.Document, &d)
	}
	return d, err
}

package ops

import (
	"context"
	"maps"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// taggedLater are kinds of resources that will have tags when they are here.
var taggedLater = map[string]string{"policy": "policies", "cacert": "CA certificates", "jobtemplate": "job templates"}

// tagged finds the resource that an ARN names. Errors: NotFound; InvalidRequest for
// one that has no tags; NotImplemented for one that is not here yet.
func (c *Control) tagged(tx store.Tx, arn string) (of registry.Tagged, err error) {
	kind, name, err := c.parseARN(arn)
	if err != nil {
		return of, err
	}
	switch kind {
	case kindJob:
		j, _, err := findJob(tx, job.ID(name))
		return registry.Tagged{Kind: registry.TaggedJob, Key: j.Key}, err
	case kindGroup:
		g, err := group(tx, registry.GroupName(name))
		return registry.Tagged{Kind: registry.TaggedGroup, Key: g.Key}, err
	case kindType:
		t, err := thingType(tx, registry.TypeName(name))
		return registry.Tagged{Kind: registry.TaggedType, Key: t.Key}, err
	}
	if later, ok := taggedLater[kind]; ok {
		return of, job.Errorf(job.NotImplemented, "Tags of %s are not implemented yet; nothing was changed.", later)
	}
	return of, job.Errorf(job.InvalidRequest, "%q cannot have tags: expected the ARN of a job, a thing group or a thing type", arn)
}

// asTags are the tags of a request. Errors: InvalidRequest.
func asTags(in []iot.Tag) ([]registry.Tag, error) {
	tags := make([]registry.Tag, len(in))
	for i, t := range in {
		tags[i] = registry.Tag(t)
	}
	return tags, registry.CheckTags(tags)
}

// newTags are the tags that a resource is created with. Errors: InvalidRequest,
// LimitExceeded.
func (k *core) newTags(in []iot.Tag) ([]registry.Tag, error) {
	tags, err := asTags(in)
	if err != nil {
		return nil, err
	}
	return tags, k.quotas.CheckTagCount(len(tags))
}

// putTags sets tags of a resource.
func putTags(tx store.Tx, of registry.Tagged, tags []registry.Tag) error {
	for _, t := range tags {
		if err := tx.PutTag(of, t); err != nil {
			return err
		}
	}
	return nil
}

// allTags are the tags of a resource by key.
func allTags(tx store.Tx, of registry.Tagged) (map[string]string, error) {
	all := map[string]string{}
	for page := (store.Page{Limit: defaultPage}); ; {
		tags, next, err := tx.Tags(of, page)
		for _, t := range tags {
			all[t.Key] = t.Value
		}
		if page.After = next; err != nil || next == "" {
			return all, err
		}
	}
}

// sameTags says whether a resource has the tags that a repeated creation gives.
func sameTags(tx store.Tx, of registry.Tagged, given []registry.Tag) (bool, error) {
	want := make(map[string]string, len(given))
	for _, t := range given {
		want[t.Key] = t.Value
	}
	have, err := allTags(tx, of)
	return maps.Equal(have, want), err
}

// TagResource sets tags of a job, a thing group or a thing type (control-plane.md
// A.3, Tags). Errors: NotFound, InvalidRequest, LimitExceeded.
func (c *Control) TagResource(ctx context.Context, _ Caller, in *iot.TagResourceInput) (*iot.TagResourceOutput, error) {
	tags, err := asTags(in.Tags)
	if err != nil {
		return nil, err
	}
	err = c.Store.Update(ctx, func(tx store.Tx) error {
		of, err := c.tagged(tx, in.ResourceARN)
		if err != nil {
			return err
		}
		all, err := allTags(tx, of)
		if err != nil {
			return err
		}
		for _, t := range tags {
			all[t.Key] = t.Value
		}
		if err := c.quotas.CheckTagCount(len(all)); err != nil {
			return err
		}
		return putTags(tx, of, tags)
	})
	if err != nil {
		return nil, err
	}
	return &iot.TagResourceOutput{}, nil
}

// UntagResource removes tags; those that are not there make no difference. Errors:
// NotFound, InvalidRequest.
func (c *Control) UntagResource(ctx context.Context, _ Caller, in *iot.UntagResourceInput) (*iot.UntagResourceOutput, error) {
	err := c.Store.Update(ctx, func(tx store.Tx) error {
		of, err := c.tagged(tx, in.ResourceARN)
		if err != nil {
			return err
		}
		for _, key := range in.TagKeys {
			if err := tx.DeleteTag(of, key); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iot.UntagResourceOutput{}, nil
}

// ListTagsForResource lists tags by key. Errors: NotFound, InvalidRequest.
func (c *Control) ListTagsForResource(ctx context.Context, _ Caller, in *iot.ListTagsForResourceInput) (*iot.ListTagsForResourceOutput, error) {
	l := newList("ListTagsForResource", in.ResourceARN)
	page, err := l.page(in.NextToken, nil)
	if err != nil {
		return nil, err
	}
	out := &iot.ListTagsForResourceOutput{Tags: []iot.Tag{}}
	err = c.Store.View(ctx, func(tx store.Tx) error {
		of, err := c.tagged(tx, in.ResourceARN)
		if err != nil {
			return err
		}
		tags, next, err := tx.Tags(of, page)
		for _, t := range tags {
			out.Tags = append(out.Tags, iot.Tag(t))
		}
		out.NextToken = l.token(next)
		return refused(err, nil)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

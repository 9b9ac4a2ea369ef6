package registry_test

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
)

var now = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func attributes(pairs ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

func code(err error) job.Code {
	var e *job.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return job.Internal
}

func TestUpdatingAttributes(t *testing.T) {
	three := attributes("a", "1", "b", "2", "c", "3")
	for _, row := range []struct {
		name    string
		payload *registry.Payload
		want    map[string]string
	}{
		{"no payload leaves the attributes as they are", nil, three},
		{"an empty payload clears them", &registry.Payload{}, nil},
		{"without merge the payload replaces the whole map", &registry.Payload{Attributes: attributes("z", "9")}, attributes("z", "9")},
		{"merge changes what it names and keeps the rest", &registry.Payload{Attributes: attributes("b", "x"), Merge: true}, attributes("a", "1", "b", "x", "c", "3")},
		{"merge with an empty value deletes the key", &registry.Payload{Attributes: attributes("b", "", "d", "4"), Merge: true}, attributes("a", "1", "c", "3", "d", "4")},
		{"merge of nothing changes nothing", &registry.Payload{Merge: true}, three},
	} {
		t.Run(row.name, func(t *testing.T) {
			thing := registry.NewThing("u", "pump", maps.Clone(three), now)
			got, err := thing.Update(registry.ThingUpdate{Attributes: row.payload}, nil, registry.AWSQuotas())
			if err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(got.Attributes, row.want) {
				t.Errorf("got %v, want %v", got.Attributes, row.want)
			}
			if got.Version != 2 {
				t.Errorf("the version is %d, want 2: each update adds one", got.Version)
			}
			if !maps.Equal(thing.Attributes, three) {
				t.Errorf("the thing before the update was changed to %v", thing.Attributes)
			}
		})
	}
}

func TestAnUpdateIsRefused(t *testing.T) {
	thing := registry.NewThing("u", "pump", attributes("a", "1"), now)
	two := int64(2)
	if _, err := thing.Update(registry.ThingUpdate{}, &two, registry.AWSQuotas()); code(err) != job.VersionMismatch {
		t.Errorf("another expected version: got %v, want a version mismatch", err)
	}
	four := &registry.Payload{Attributes: attributes("b", "2", "c", "3", "d", "4"), Merge: true}
	if _, err := thing.Update(registry.ThingUpdate{Attributes: four}, nil, registry.AWSQuotas()); code(err) != job.InvalidRequest {
		t.Errorf("a fourth attribute: got %v, want an invalid request", err)
	}
}

func TestCreatingAgainIsTheSameOnlyWithTheSameConfiguration(t *testing.T) {
	thing := registry.NewThing("u", "pump", nil, now)
	if !thing.SameAs("", map[string]string{}) {
		t.Error("no attributes and an empty map are the same")
	}
	if thing.SameAs("", attributes("a", "1")) || thing.SameAs("pump", nil) {
		t.Error("an attribute more, or a type, is another configuration")
	}
	group := registry.NewGroup("u", "line", 0, "first", nil, now)
	if !group.SameAs(0, "first", nil) || group.SameAs(0, "second", nil) || group.SameAs(7, "first", nil) {
		t.Error("a group's description and parent are part of its configuration")
	}
}

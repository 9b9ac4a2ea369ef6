package shadow_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/shadow"
)

type o = shadow.Object

const n1, n2 = shadow.Number("1"), shadow.Number("2")

var epoch = time.UnixMilli(1_760_000_000_678).UTC()

func given(state o) shadow.Patch { return shadow.Patch{Given: true, State: state} }

func apply(t *testing.T, d shadow.Document, u shadow.Update, now time.Time) shadow.Document {
	t.Helper()
	after, err := d.Apply(u, now)
	if err != nil {
		t.Fatal(err)
	}
	return after
}

func TestAnUpdateMergesObjectsReplacesTheRestAndANullTakesAway(t *testing.T) {
	for name, r := range map[string]struct{ before, patch, want o }{
		"a new member":                          {o{"a": n1}, o{"b": n2}, o{"a": n1, "b": n2}},
		"a member again":                        {o{"a": n1}, o{"a": n2}, o{"a": n2}},
		"inside an object":                      {o{"a": o{"x": n1, "y": n1}}, o{"a": o{"y": n2}}, o{"a": o{"x": n1, "y": n2}}},
		"an array as a whole":                   {o{"a": []any{n1, n1}}, o{"a": []any{n2}}, o{"a": []any{n2}}},
		"an object in place of a value":         {o{"a": n1}, o{"a": o{"x": n1}}, o{"a": o{"x": n1}}},
		"a value in place of an object":         {o{"a": o{"x": n1}}, o{"a": "z"}, o{"a": "z"}},
		"null takes a member":                   {o{"a": n1, "b": n1}, o{"a": nil}, o{"b": n1}},
		"null takes an inner member":            {o{"a": o{"x": n1, "y": n1}}, o{"a": o{"x": nil}}, o{"a": o{"y": n1}}},
		"null of what is not there":             {o{"a": n1}, o{"b": nil, "c": o{"d": nil}}, o{"a": n1, "c": o{}}},
		"the last member gone, the section too": {o{"a": n1}, o{"a": nil}, nil},
		"nothing":                               {o{"a": n1}, o{}, o{"a": n1}},
	} {
		t.Run(name, func(t *testing.T) {
			before := apply(t, shadow.Document{}, shadow.Update{Reported: given(r.before)}, epoch)
			after := apply(t, before, shadow.Update{Reported: given(r.patch)}, epoch.Add(10*time.Second))
			if !reflect.DeepEqual(after.Reported.State, r.want) {
				t.Errorf("got %v, want %v", after.Reported.State, r.want)
			}
			if after.Version != 2 || after.Desired.State != nil || !reflect.DeepEqual(before.Reported.State, r.before) {
				t.Errorf("got %+v after %+v", after, before)
			}
		})
	}
}

func TestMetadataHasTheTimeOfEachLeafsLastWrite(t *testing.T) {
	d := apply(t, shadow.Document{}, shadow.Update{Desired: given(o{"a": n1, "b": o{"x": n1, "y": []any{n1, o{"z": n1}}}})}, epoch)
	d = apply(t, d, shadow.Update{Desired: given(o{"a": n1, "b": o{"x": nil}, "c": n1})}, epoch.Add(10*time.Second))
	const then, now = shadow.Stamp(1_760_000_000), shadow.Stamp(1_760_000_010)
	want := o{"a": now, "b": o{"y": []any{then, o{"z": then}}}, "c": now}
	if !reflect.DeepEqual(d.Desired.Meta, want) {
		t.Errorf("got %v, want %v", d.Desired.Meta, want)
	}
}

func TestANullSectionTakesTheSectionAway(t *testing.T) {
	d := apply(t, shadow.Document{}, shadow.Update{Desired: given(o{"a": n1}), Reported: given(o{"a": n1})}, epoch)
	d = apply(t, d, shadow.Update{Desired: given(nil)}, epoch)
	if d.Desired.State != nil || d.Desired.Meta != nil || d.Reported.State == nil {
		t.Errorf("got %+v", d)
	}
}

func TestTheDeltaIsWhatDesiredAsksForAndReportedLacks(t *testing.T) {
	for name, r := range map[string]struct{ desired, reported, want o }{
		"the same":                         {o{"a": n1}, o{"a": n1}, nil},
		"another value":                    {o{"a": n1, "b": n1}, o{"a": n2, "b": n1}, o{"a": n1}},
		"not reported":                     {o{"a": n1}, nil, o{"a": n1}},
		"reported alone":                   {nil, o{"a": n1}, nil},
		"inside":                           {o{"a": o{"x": n1, "y": n1}}, o{"a": o{"x": n1, "y": n2}}, o{"a": o{"y": n1}}},
		"an array in another order":        {o{"a": []any{n1, n2}}, o{"a": []any{n2, n1}}, o{"a": []any{n1, n2}}},
		"an array of the same":             {o{"a": []any{n1, o{"x": true}}}, o{"a": []any{n1, o{"x": true}}}, nil},
		"an object against a value":        {o{"a": o{"x": n1}}, o{"a": n1}, o{"a": o{"x": n1}}},
		"a number against a text":          {o{"a": n1}, o{"a": "1"}, o{"a": n1}},
		"true against false":               {o{"a": true}, o{"a": false}, o{"a": true}},
		"an array against an object":       {o{"a": []any{}}, o{"a": o{}}, o{"a": []any{}}},
		"an array that is longer":          {o{"a": []any{n1}}, o{"a": []any{n1, n1}}, o{"a": []any{n1}}},
		"objects in it that differ a lot":  {o{"a": []any{o{"x": n1}}}, o{"a": []any{o{"y": n1}}}, o{"a": []any{o{"x": n1}}}},
		"a text against an object in list": {o{"a": []any{"x"}}, o{"a": []any{o{}}}, o{"a": []any{"x"}}},
	} {
		t.Run(name, func(t *testing.T) {
			d := apply(t, shadow.Document{}, shadow.Update{Desired: given(r.desired), Reported: given(r.reported)}, epoch)
			delta := d.Delta()
			if !reflect.DeepEqual(delta.State, r.want) {
				t.Errorf("got %v, want %v", delta.State, r.want)
			}
			if (delta.State == nil) != (delta.Meta == nil) {
				t.Errorf("the delta has %v with metadata %v", delta.State, delta.Meta)
			}
		})
	}
}

func refused(t *testing.T, err error, code job.Code, words string) {
	t.Helper()
	var e *job.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, words) {
		t.Errorf("got %v, want code %d with %q", err, code, words)
	}
}

func TestAnUpdateForAnotherVersionIsAConflict(t *testing.T) {
	at := func(v int64) shadow.Update { return shadow.Update{Version: &v, Reported: given(o{"a": n1})} }
	_, err := shadow.Document{}.Apply(at(1), epoch)
	refused(t, err, job.Conflict, "Version conflict")
	d := apply(t, shadow.Document{}, at(0), epoch)
	for _, v := range []int64{0, 2, -1} {
		_, err := d.Apply(at(v), epoch)
		refused(t, err, job.Conflict, "Version conflict")
	}
	if d = apply(t, d, at(1), epoch); d.Version != 2 {
		t.Errorf("version %d, want 2", d.Version)
	}
}

func TestWhatAStateMayNotBe(t *testing.T) {
	deep := func(levels int) o {
		v := o{"x": n1}
		for range levels - 1 {
			v = o{"x": v}
		}
		return v
	}
	apply(t, shadow.Document{}, shadow.Update{Desired: given(deep(shadow.MaxDepth))}, epoch)
	_, err := shadow.Document{}.Apply(shadow.Update{Desired: given(deep(shadow.MaxDepth + 1))}, epoch)
	refused(t, err, job.InvalidRequest, "maximum is 8")
	for _, list := range [][]any{{nil}, {n1, []any{nil}}, {o{"x": nil}}} {
		_, err := shadow.Document{}.Apply(shadow.Update{Reported: given(o{"a": o{"b": list}})}, epoch)
		refused(t, err, job.InvalidRequest, "null")
	}
}

func TestADeletedShadowIsNotThereAndItsVersionIsRememberedForTwoDays(t *testing.T) {
	_, err := shadow.Document{}.Delete("pump", "", epoch)
	refused(t, err, job.NotFound, "No shadow exists with name: 'pump'")
	d := apply(t, shadow.Document{}, shadow.Update{Reported: given(o{"a": n1})}, epoch)
	d, err = d.Delete("pump", "config", epoch)
	if err != nil || d.Exists() || d.Version != 1 {
		t.Fatalf("%+v %v", d, err)
	}
	refused(t, d.Found("pump", "config"), job.NotFound, "No shadow exists with name: 'pump~config'")
	if _, err := d.Delete("pump", "", epoch); err == nil {
		t.Error("it was deleted twice")
	}
	again := apply(t, d, shadow.Update{Desired: given(o{"b": n1})}, epoch.Add(shadow.Remembered))
	if again.Version != 2 || again.Reported.State != nil {
		t.Errorf("made anew within two days: %+v", again)
	}
	if late := apply(t, d, shadow.Update{}, epoch.Add(shadow.Remembered+time.Second)); late.Version != 1 || !late.Exists() {
		t.Errorf("made anew after two days: %+v", late)
	}
}

func TestTheAnswerToAnUpdateHasTheMetadataOfWhatItWrote(t *testing.T) {
	u := shadow.Update{Desired: given(o{"a": o{"x": n1, "y": nil}, "b": nil, "c": []any{n1}})}
	d := apply(t, shadow.Document{}, shadow.Update{Desired: given(o{"a": o{"y": n1, "z": n1}, "b": n1, "d": n1})}, epoch)
	desired, reported := apply(t, d, u, epoch.Add(time.Second)).Written(u)
	at := shadow.Stamp(1_760_000_001)
	if want := (o{"a": o{"x": at}, "c": []any{at}}); !reflect.DeepEqual(desired.Meta, want) || len(reported.Meta) != 0 {
		t.Errorf("got %v and %v, want %v", desired.Meta, reported.Meta, want)
	}
}

func TestNamesOfShadows(t *testing.T) {
	for name, want := range map[shadow.Name]bool{
		"": true, "config": true, "$x:y_z-1": true, "a/b": false, "ü": false, "a b": false,
		shadow.Name(strings.Repeat("n", 64)): true, shadow.Name(strings.Repeat("n", 65)): false,
	} {
		if name.Valid() != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

// tree draws an object without nulls.
func tree() *rapid.Generator[o] {
	var value func(levels int) *rapid.Generator[any]
	value = func(levels int) *rapid.Generator[any] {
		leaves := []*rapid.Generator[any]{
			rapid.Map(rapid.SampledFrom([]string{"1", "2"}), func(s string) any { return shadow.Number(s) }),
			rapid.Map(rapid.SampledFrom([]string{"x", "y"}), func(s string) any { return s }),
			rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		}
		if levels > 0 {
			names := rapid.SampledFrom([]string{"a", "b", "c"})
			leaves = append(leaves,
				rapid.Map(rapid.MapOfN(names, value(levels-1), 0, 3), func(m map[string]any) any { return m }),
				rapid.Map(rapid.SliceOfN(value(levels-1), 0, 2), func(l []any) any { return l }))
		}
		return rapid.OneOf(leaves...)
	}
	return rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c"}), value(3), 0, 3)
}

// TestReportingTheDeltaEndsIt is what a device does: it takes over what is
// desired, and then nothing differs any more.
func TestReportingTheDeltaEndsIt(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		d, err := shadow.Document{}.Apply(shadow.Update{
			Desired: given(tree().Draw(r, "desired")), Reported: given(tree().Draw(r, "reported")),
		}, epoch)
		if err != nil {
			r.Fatal(err)
		}
		delta := d.Delta().State
		if d, err = d.Apply(shadow.Update{Reported: shadow.Patch{Given: delta != nil, State: delta}}, epoch); err != nil {
			r.Fatal(err)
		}
		if left := d.Delta().State; left != nil {
			r.Fatalf("%v is left: %v against %v", left, d.Desired.State, d.Reported.State)
		}
	})
}

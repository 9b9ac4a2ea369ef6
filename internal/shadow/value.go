package shadow

import "maps"

// A value of a tree is nil, a bool, a string, a Number, a []any or an Object.
// Trees are never changed: an update makes new ones that share what is the same.

// Object is a JSON object.
type Object = map[string]any

// Number is a JSON number, digit by digit as it came.
type Number string

// Stamp is the metadata of a leaf: when it was last written, in epoch seconds.
type Stamp int64

// merge gives a section and its metadata after a patch. A null takes a member
// away; objects are merged, everything else is replaced, arrays as a whole.
func merge(state, meta, patch Object, at Stamp) (Object, Object) {
	state, meta = clone(state), clone(meta)
	for name, v := range patch {
		if v == nil {
			delete(state, name)
			delete(meta, name)
			continue
		}
		if sub, ok := v.(Object); ok {
			before, _ := state[name].(Object)
			beforeMeta, _ := meta[name].(Object)
			if before == nil {
				beforeMeta = nil // it was something else, or not there
			}
			state[name], meta[name] = pair(merge(before, beforeMeta, sub, at))
			continue
		}
		state[name], meta[name] = v, stamped(v, at)
	}
	return state, meta
}

func pair(a, b Object) (any, any) { return a, b }

func clone(o Object) Object {
	if o == nil {
		return Object{}
	}
	return maps.Clone(o)
}

// stamped is the metadata of a value that is written as a whole.
func stamped(v any, at Stamp) any {
	switch v := v.(type) {
	case Object:
		o := make(Object, len(v))
		for name, sub := range v {
			if sub != nil {
				o[name] = stamped(sub, at)
			}
		}
		return o
	case []any:
		list := make([]any, len(v))
		for i, sub := range v {
			list[i] = stamped(sub, at)
		}
		return list
	}
	return at
}

// difference is what desired asks for and reported does not have, with the
// metadata of desired; nil when there is none.
func difference(desired, reported, meta Object) (state, stamps Object) {
	for name, want := range desired {
		got, reportedIt := reported[name]
		diff, diffMeta := want, meta[name]
		wantObject, isObject := want.(Object)
		gotObject, both := got.(Object)
		switch {
		case isObject && both:
			metaObject, _ := meta[name].(Object)
			sub, subMeta := difference(wantObject, gotObject, metaObject)
			if sub == nil {
				continue
			}
			diff, diffMeta = sub, subMeta
		case reportedIt && same(want, got):
			continue
		}
		if state == nil {
			state, stamps = Object{}, Object{}
		}
		state[name], stamps[name] = diff, diffMeta
	}
	return state, stamps
}

func same(a, b any) bool {
	switch a := a.(type) {
	case Object:
		b, ok := b.(Object)
		return ok && maps.EqualFunc(a, b, same)
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !same(a[i], b[i]) {
				return false
			}
		}
		return true
	}
	switch b.(type) {
	case Object, []any:
		return false
	}
	return a == b
}

// depth is how many levels of objects and arrays a value has.
func depth(v any) int {
	deepest := 0
	switch v := v.(type) {
	case Object:
		for _, sub := range v {
			deepest = max(deepest, depth(sub))
		}
	case []any:
		for _, sub := range v {
			deepest = max(deepest, depth(sub))
		}
	default:
		return 0
	}
	return deepest + 1
}

// nullInArray says whether an array somewhere in v holds a null, which AWS
// refuses: it could not be told from a deletion.
func nullInArray(v any, inArray bool) bool {
	switch v := v.(type) {
	case nil:
		return inArray
	case Object:
		for _, sub := range v {
			if nullInArray(sub, inArray) {
				return true
			}
		}
	case []any:
		for _, sub := range v {
			if nullInArray(sub, true) {
				return true
			}
		}
	}
	return false
}

package conversation

import (
	"strings"
	"testing"
	"time"
)

func TestExpectedAndActualJSON(t *testing.T) {
	start := time.Unix(1760000000, 678e6)
	for _, c := range []struct {
		rule, want, got string
		inOrder         bool
		fault           string // empty: they match
	}{
		{rule: "equal values match", want: `{"a":[1,"x",true,null]}`, got: `{"a":[1,"x",true,null]}`},
		{rule: "a missing key fails", want: `{"a":1,"b":2}`, got: `{"a":1}`, fault: `key "b" is missing`},
		{rule: "a key too many fails", want: `{"a":1}`, got: `{"a":1,"b":2}`, fault: `key "b" is one too many`},
		{rule: "an empty object is not any object", want: `{}`, got: `{"a":1}`, fault: "one too many"},
		{rule: "a nested key too many fails", want: `{"a":{}}`, got: `{"a":{"b":1}}`, fault: `body.a: key "b"`},
		{rule: "a list too long fails", want: `[1]`, got: `[1,2]`, fault: "2 entries, want 1"},
		{rule: "an order of entries fails", want: `[1,2]`, got: `[2,1]`, fault: "[0]: got 2, want 1"},
		{rule: "null is not absent", want: `{}`, got: `{"a":null}`, fault: "one too many"},
		{rule: "a number is not a string", want: `1`, got: `"1"`, fault: `got "1", want 1`},
		{rule: "a number is compared digit by digit", want: `1.50`, got: `1.5`, fault: "want 1.50"},
		{rule: "an object is not a string", want: `{"a":1}`, got: `"{\"a\":1}"`, fault: "want an object"},
		{rule: "the order of keys is free", want: `{"a":1,"b":2}`, got: `{"b":2,"a":1}`},
		{rule: "unless it is asked for", want: `{"a":1,"b":2}`, got: `{"b":2,"a":1}`, inOrder: true, fault: `keys come as ["b" "a"]`},
		{rule: "in nested objects too", want: `{"x":{"a":1,"b":2}}`, got: `{"x":{"b":2,"a":1}}`, inOrder: true, fault: "body.x: keys come"},
		{rule: "T is the whole second", want: `"T"`, got: `1760000000`},
		{rule: "T is not rounded", want: `"T"`, got: `1760000001`, fault: "the integer 1760000000"},
		{rule: "T has no fraction", want: `"T"`, got: `1760000000.0`, fault: "the integer"},
		{rule: "T is not a string", want: `"T"`, got: `"1760000000"`, fault: "the integer"},
		{rule: "T is not milliseconds", want: `"T"`, got: `1760000000678`, fault: "the integer"},
		{rule: "T+60 is a minute later", want: `"T+60"`, got: `1760000060`},
		{rule: "T with a fraction is what operators read", want: `"T+60.678"`, got: `1760000060.678`},
		{rule: "to the millisecond", want: `"T+60.678"`, got: `1760000060.675`, fault: "the number 1760000060.678"},
		{rule: "$string is not empty", want: `"$string"`, got: `""`, fault: "want $string"},
		{rule: "$string is a string", want: `"$string"`, got: `7`, fault: "want $string"},
		{rule: "$int has no fraction", want: `"$int"`, got: `7.0`, fault: "want $int"},
		{rule: "$number may have one", want: `"$number"`, got: `7.5`},
		{rule: "$uuid is one", want: `"$uuid"`, got: `"4b0d60f3-6b0a-4c36-9b9e-2f3f9a1b2c3d"`},
		{rule: "$uuid is nothing else", want: `"$uuid"`, got: `"4b0d60f3"`, fault: "want $uuid"},
		{rule: "$has looks inside", want: `"$has 'status' failed"`, got: `"1 error: Value null at 'status' failed to"`},
		{rule: "$has fails without the words", want: `"$has 'status'"`, got: `"bad"`, fault: "want $has"},
		{rule: "$at-least", want: `"$at-least 5"`, got: `5`},
		{rule: "$at-least fails below", want: `"$at-least 5"`, got: `4`, fault: "want $at-least"},
		{rule: "$maybe may be absent", want: `{"a":"$maybe","b":1}`, got: `{"b":1}`, inOrder: true},
		{rule: "$maybe may be there", want: `{"a":"$maybe","b":1}`, got: `{"a":[],"b":1}`, inOrder: true},
		{rule: "an unknown placeholder is a mistake", want: `"$never"`, got: `"x"`, fault: "unknown placeholder"},
		{rule: "an ordinary word that begins with T is one", want: `"TIMED_OUT"`, got: `"TIMED_OUT"`},
	} {
		t.Run(c.rule, func(t *testing.T) {
			want, err := decode([]byte(c.want))
			if err != nil {
				t.Fatal(err)
			}
			got, err := decode([]byte(c.got))
			if err != nil {
				t.Fatal(err)
			}
			err = matcher{start: start, inOrder: c.inOrder}.match("body", want, got)
			switch {
			case c.fault == "" && err != nil:
				t.Errorf("want a match, got %v", err)
			case c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)):
				t.Errorf("got %v, want it to say %q", err, c.fault)
			}
		})
	}
}

func TestWhatIsNotOneJSONValueIsRefused(t *testing.T) {
	for _, text := range []string{``, `{`, `{} {}`, `{"a":1,"a":2}`, "\"\xff\"", `{"a":1}x`} {
		if v, err := decode([]byte(text)); err == nil {
			t.Errorf("decode(%q) = %s, want an error", text, show(v))
		}
	}
}

package query_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	jmespath "github.com/jmespath/go-jmespath"

	"github.com/drover-iot/drover/internal/cli/awscli/py"
	"github.com/drover-iot/drover/internal/cli/awscli/query"
)

const document = `{"list":[{"id":"c","n":3,"on":true},{"id":"a","n":1,"on":false,"tags":["x","y"]},{"id":"b","n":2}],
	"nested":[[1,2],[3,[4]],5],"empty":[],"none":null,"text":"abc","map":{"z":1,"y":2},"float":1.5,"deep":{"a":{"b":{"c":"d"}}}}`

// expressions whose results have no order of their own.
var expressions = strings.Split(strings.TrimSpace(`
list
list[0]
list[-1].id
list[10]
list[0:2].id
list[::2].id
list[::-1].id
list[5:].id
list[-2:].n
list[].id
list[*].id
list[*].tags
list[].tags[]
list[].tags[0]
list[?n>`+"`1`"+`].id
list[?on].id
list[?id=='a']
list[?id=='a'].n | [0]
list[?n>=`+"`2`"+` && n<`+"`3`"+`].id
list[?n==`+"`1`"+` || id=='c'].id
list[?!on].id
list[?tags].tags | [0][1]
list[*].[id,n]
list[].{a:id,b:n}
[list[0].id,map.z]
{a:text,b:none,c:map}
nested[]
nested[][]
nested[*][0]
map.y
map.nope
none.a
deep.a.b.c
deep.*.b.c
*.b
"text"
'raw \'string\''
@
@.text
text || 'x'
none || empty || 'last'
none && text
!none
!text
(text || none) && 'yes'
list[0] == list[0]
list[0] != list[1]
`+"`1` < `2`"+`
`+"`[1,2]`[1]"+`
`+"`{\"a\":{\"b\":1}}`.a.b"+`
abs(`+"`-1.5`"+`)
avg(list[].n)
ceil(float)
floor(float)
contains(text,'b')
contains(list[].id,'c')
ends_with(text,'c')
starts_with(text,'b')
join('-',list[].id)
length(list)
length(text)
length(map)
map(&n,list)
max(list[].n)
max(list[].id)
max_by(list,&n).id
min(list[].n)
min_by(list,&id).n
merge(map,{x:'1'})
not_null(none,text)
reverse(list)[0].id
reverse(text)
sort(list[].id)
sort(list[].n)
sort_by(list,&n)[].id
sort_by(list,&id)[*].n
sum(list[].n)
sum(empty)
to_array(text)
to_array(list)[0].n
to_number('12')
to_number('1.5')
to_number('x')
to_string(text)
to_string(list[].n)
type(list)
type(map)
type(none)
type(float)
type(on)
`), "\n")

// TestOrderApartItIsTheLibrarysJMESPath holds the evaluation against the library for
// Go, whose maps lose their order and whose integers become floats.
func TestOrderApartItIsTheLibrarysJMESPath(t *testing.T) {
	ours, err := py.DecodeJSON(document, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range expressions {
		var theirs any // anew, for the library sorts it in place
		if err := json.Unmarshal([]byte(document), &theirs); err != nil {
			t.Fatal(err)
		}
		want, err := jmespath.Search(e, theirs)
		if err != nil {
			t.Fatalf("%s: the library says %v", e, err)
		}
		x, err := query.Compile(e)
		if err != nil {
			t.Errorf("%s: %v", e, err)
			continue
		}
		v, err := x.Search(ours)
		if err != nil {
			t.Errorf("%s: %v", e, err)
			continue
		}
		var got any
		if err := json.Unmarshal([]byte(py.EncodeJSON(v)), &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, normal(want)) {
			t.Errorf("%s: got %v, want %v", e, got, want)
		}
	}
}

// normal is what a value is after it was JSON.
func normal(v any) (n any) {
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &n)
	}
	if err != nil {
		panic(err)
	}
	return n
}

// TestOrderAndKindsOfNumbersAreKept: the reasons for which we do not use it.
func TestOrderAndKindsOfNumbersAreKept(t *testing.T) {
	doc, err := py.DecodeJSON(`{"z":1,"y":2.0,"x":{"b":1,"a":2},"big":12345678901234567890}`, false)
	if err != nil {
		t.Fatal(err)
	}
	for e, want := range map[string]string{
		"*":                        `[1,2.0,{"b":1,"a":2},12345678901234567890]`,
		"keys(@)":                  `["z","y","x","big"]`,
		"values(x)":                `[1,2]`,
		"x":                        `{"b":1,"a":2}`,
		"{c:z,b:y,a:x.a}":          `{"c":1,"b":2.0,"a":2}`,
		"merge(x,{c:z,b:y})":       `{"b":2.0,"a":2,"c":1}`,
		"sum([z,z])":               `2`,
		"sum([z,y])":               `3.0`,
		"avg([z,z])":               `1.0`,
		"max([z,y])":               `2.0`,
		"ceil(y)":                  `2`,
		"big":                      `12345678901234567890`,
		"z == `true`":              `false`,
		"to_string(x)":             `"{\"b\":1,\"a\":2}"`,
		"`{\"q\":1,\"p\":2}`":      `{"q":1,"p":2}`,
		"to_number('1.0')":         `1.0`,
		"[z,y] == `[1.0, 2]`":      `true`,
		"x == `{\"a\":2,\"b\":1}`": `true`,
	} {
		x, err := query.Compile(e)
		if err != nil {
			t.Errorf("%s: %v", e, err)
			continue
		}
		v, err := x.Search(doc)
		if got := py.CompactJSON(v); err != nil || got != want {
			t.Errorf("%s: got %s (%v), want %s", e, got, err, want)
		}
	}
}

func TestMistakesAreToldInTheAWSCLIsWords(t *testing.T) {
	for e, want := range map[string]string{
		"":                          "Invalid JMESPath expression: cannot be empty.",
		"a.":                        "Expecting: ['quoted_identifier', 'unquoted_identifier', 'lbracket', 'lbrace'], got: eof: Parse error at column 2, token \"\" (EOF), for expression:\n\"a.\"\n   ^",
		"a b":                       "Unexpected token: b: Parse error at column 2, token \"b\" (UNQUOTED_IDENTIFIER), for expression:\n\"a b\"\n   ^",
		"a[":                        "Invalid jmespath expression: Incomplete expression:\n\"a[\"\n   ^",
		"\"x":                       "Bad jmespath expression: Unclosed \" delimiter:\n\"x\n^",
		"a = b":                     "Bad jmespath expression: Unknown token '=':\na = b\n  ^",
		"a ~":                       "Bad jmespath expression: Unknown token ~:\na ~\n  ^",
		"-":                         "Bad jmespath expression: Unknown token '-':\n-\n^",
		"]":                         "invalid token: Parse error at column 0, token \"]\" (RBRACKET), for expression:\n\"]\"\n ^",
		"foo(@)":                    "Unknown function: foo()",
		"abs(@,@)":                  "Expected 1 argument for function abs(), received 2",
		"merge()":                   "Expected at least 1 argument for function merge(), received 0",
		"abs('a')":                  "In function abs(), invalid type for value: a, expected one of: ['number'], received: \"string\"",
		"sum(['a'])":                "In function sum(), invalid type for value: a, expected one of: ['array-number'], received: \"str\"",
		"[::0]":                     "slice step cannot be zero",
		"@(a)":                      "Invalid function name '@': Parse error at column 0, token \"@\" (CURRENT), for expression:\n\"@(a)\"\n ^",
		"a[b]":                      "Expecting: star, got: unquoted_identifier: Parse error at column 2, token \"b\" (UNQUOTED_IDENTIFIER), for expression:\n\"a[b]\"\n   ^",
		strings.Repeat("(", 10_000): "nested too deep",
	} {
		x, err := query.Compile(e)
		if err == nil {
			_, err = x.Search([]any{})
		}
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.20q: got %v\nwant %s", e, err, want)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, e := range expressions {
		f.Add(e)
	}
	doc, err := py.DecodeJSON(document, false)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(_ *testing.T, e string) {
		if x, err := query.Compile(e); err == nil {
			_, _ = x.Search(doc) // it must end, with whatever
		}
	})
}

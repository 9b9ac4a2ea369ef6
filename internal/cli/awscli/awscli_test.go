package awscli

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestArgumentsAreSplitAsArgparseDoes: name and value of what was set, what is left
// over, or what is wrong.
func TestArgumentsAreSplitAsArgparseDoes(t *testing.T) {
	p := &parser{
		positional: "operation", choices: []string{"describe", "update"},
		options: []*option{
			{name: "--thing-name", require: true},
			{name: "--include-state", dest: "state", takes: takesNothing, sets: true},
			{name: "--no-include-state", dest: "state", takes: takesNothing, sets: false},
			{name: "--include-document", takes: takesNothing, sets: true},
			{name: "--number", integer: true},
			{name: "--skeleton", takes: mayTakeValue, choices: []string{"input", "output"}},
			{name: "--cert", exact: true},
		},
	}
	for _, row := range []struct{ args, set, rest, wrong string }{
		{args: "describe --thing-name t", set: "--thing-name=t operation=describe"},
		{args: "--thing-name=t describe", set: "--thing-name=t operation=describe"},
		{args: "--thing-name= describe", set: "--thing-name= operation=describe"},
		{args: "--thing-name a=b describe", set: "--thing-name=a=b operation=describe"},
		{args: "--th t describe", set: "--thing-name=t operation=describe"},
		{args: "--thing-name t --thing-name u describe", set: "--thing-name=u operation=describe"},
		{args: "--thing-name -1 describe", set: "--thing-name=-1 operation=describe"},
		{args: "--thing-name -1.5 describe", set: "--thing-name=-1.5 operation=describe"},
		{args: "--thing-name - describe", set: "--thing-name=- operation=describe"},
		{args: "--thing-name t --include-state --no-include-state describe", set: "--thing-name=t operation=describe state=false"},
		{args: "--thing-name t --number 1_0 describe", set: "--number=10 --thing-name=t operation=describe"},
		{args: "describe --skeleton --thing-name t", set: "--skeleton=input --thing-name=t operation=describe"},
		{args: "describe --thing-name t --skeleton output", set: "--skeleton=output --thing-name=t operation=describe"},
		{args: "describe more --thing-name t --unknown x -y", set: "--thing-name=t operation=describe", rest: "more --unknown x -y"},
		{args: "--unknown describe --thing-name t", set: "--thing-name=t operation=describe", rest: "--unknown"},
		{args: "describe --thing-name t -- --x y", set: "--thing-name=t operation=describe", rest: "-- --x y"},
		{args: "--thing-name t -- describe", set: "--thing-name=t operation=describe"},
		{args: "describe --thing-name t --ce x", set: "--thing-name=t operation=describe", rest: "--ce x"},
		{args: "describe --thing-name t --cert x", set: "--cert=x --thing-name=t operation=describe"},

		{args: "describe --thing-name", wrong: "argument --thing-name: expected one argument"},
		{args: "describe --thing-name --include-state", wrong: "argument --thing-name: expected one argument"},
		{args: "describe --thing-name -- t", wrong: "argument --thing-name: expected one argument"},
		{args: "describe --thing-name -x", wrong: "argument --thing-name: expected one argument"},
		{args: "describe --thing-name t --include", wrong: "ambiguous option: --include could match --include-state, --include-document"},
		{args: "describe --thing-name t --include-document=x", wrong: "argument --include-document: ignored explicit argument 'x'"},
		{args: "describe --thing-name t --number 1.5", wrong: "argument --number: invalid int value: '1.5'"},
		{args: "describe", wrong: "the following arguments are required: --thing-name"},
		{args: "--thing-name t", wrong: "the following arguments are required: operation"},
		{args: "", wrong: "the following arguments are required: --thing-name, operation"},
		{
			args:  "updat --thing-name t",
			wrong: "argument operation: Invalid choice, valid choices are:\n\ndescribe                                 | update                                  \n\n\nInvalid choice: 'updat', maybe you meant:\n\n  * update",
		},
		{args: "describe --thing-name t --skeleton x", wrong: "argument --skeleton: Invalid choice, valid choices are:\n\ninput                                    | output                                  "},
	} {
		set, rest, err := p.split(strings.Fields(row.args))
		if row.wrong != "" {
			var refused *argumentError
			if !errors.As(err, &refused) || refused.message != row.wrong {
				t.Errorf("%q: got %v, want %s", row.args, err, row.wrong)
			}
			continue
		}
		var said []string
		for _, k := range slices.Sorted(maps.Keys(set)) {
			said = append(said, fmt.Sprintf("%s=%v", k, set[k]))
		}
		if got := strings.Join(said, " "); err != nil || got != row.set || strings.Join(rest, " ") != row.rest {
			t.Errorf("%q: set %s, left over %q (%v); want %s and %q", row.args, got, rest, err, row.set, row.rest)
		}
	}
	if _, rest, err := p.split([]string{"describe", "--thing-name", "t", "--with a space"}); err != nil || !slices.Equal(rest, []string{"--with a space"}) {
		t.Errorf("an argument with a space is a value: %q, %v", rest, err)
	}
}

func TestTheServiceIsHoistedOverOptions(t *testing.T) {
	for args, want := range map[string]string{
		"svc op --region r":                "svc op --region r",
		"--region r svc op":                "svc --region r op",
		"--region=r --debug --out x svc o": "svc --region=r --debug --out x o",
		"--unknown svc op":                 "svc --unknown op",
		"--region svc op":                  "--region svc op",
		"thing create svc":                 "thing create svc",
		"--help svc":                       "--help svc",
		"-- svc":                           "-- svc",
		"--cli x svc op":                   "--cli x svc op", // ambiguous
		"":                                 "",
	} {
		if got := strings.Join(Hoist("svc", strings.Fields(args)), " "); got != want {
			t.Errorf("%q: got %q, want %q", args, got, want)
		}
	}
}

func TestShorthandSaysWhereAMistakeIs(t *testing.T) {
	noFile := func(string) (any, bool, error) { return nil, false, nil }
	for text, want := range map[string]string{
		"a":             "Expected: '=', received: 'EOF' for input:\na\n ^",
		"a=b,":          "Expected: '<second>', received: '<none>' for input:\na=b,\n    ^",
		"a='b":          "Expected: '<singled quoted>', received: '<none>' for input:\na='b\n  ^",
		"a={b=c":        "Expected: ',', received: 'EOF' for input:\na={b=c\n      ^",
		"a=b,\nc={d!":   "Expected: '=', received: '!' for input:\na=b,\nc={d!\n    ^",
		"a=[[[":         "Expected: ',', received: 'EOF' for input:\na=[[[\n     ^",
		"é=b":           "Expected: '=', received: 'é' for input:\né=b\n^",
		"a=b,a=c":       "Second instance of key \"a\" encountered for input:\na=b,a=c\n    ^\nThis is often because there is a preceding \",\" instead of a space.",
		"a=\U0001f600,": "Expected: ',', received: '\U0001f600' for input:\na=\U0001f600,\n  ^",
	} {
		if d, err := parseShorthand(text, noFile); err == nil || err.Error() != want {
			t.Errorf("%q: got %v\n%v\nwant\n%s", text, d, err, want)
		}
	}
}

func FuzzShorthand(f *testing.F) {
	for _, s := range []string{"a=b", "a=b,c=[d,{e=f}],g='h'", `a="x\"",b@=c\,d`, "a=[", "a={"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := parseShorthand(s, func(string) (any, bool, error) { return nil, false, nil })
		if err == nil && d.Len() == 0 {
			t.Errorf("%q became nothing", s)
		}
		if err != nil && err.Error() == "" {
			t.Errorf("%q: an error without words", s)
		}
	})
}

func FuzzArguments(f *testing.F) {
	f.Add("describe\x00--thing-name\x00t")
	f.Add("--\x00-1\x00--include=x")
	f.Fuzz(func(t *testing.T, line string) {
		p := &parser{options: globals(), positional: "operation"}
		args := strings.Split(line, "\x00")
		set, rest, err := p.split(args)
		if err == nil && len(set)+len(rest) == 0 {
			t.Errorf("%q: nothing set, nothing left over, nothing wrong", args)
		}
		Hoist("svc", args)
	})
}

func TestNegativeNumbersAreValues(t *testing.T) {
	for s, want := range map[string]bool{"-1": true, "-10": true, "-1.5": true, "-.5": true, "-": false, "-1.": false, "-x": false, "-1x": false, "--1": false} {
		if got := isNegativeNumber(s); got != want {
			t.Errorf("%q: got %v", s, got)
		}
	}
}

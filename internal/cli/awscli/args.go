package awscli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/drover-iot/drover/internal/cli/awscli/py"
)

// A takes says what follows an option.
type takes uint8

const (
	takesValue takes = iota
	takesNothing
	mayTakeValue // else it is the first of its choices
)

// option is one option of a parser.
type option struct {
	name    string // with its dashes
	dest    string // what it sets; its name if empty
	takes   takes
	sets    any // of an option that takes nothing
	integer bool
	choices []string
	require bool
	exact   bool // it has no abbreviations: the AWS CLI does not know it
	meta    string
	help    string
}

func (o *option) key() string {
	if o.dest != "" {
		return o.dest
	}
	return o.name
}

// parser splits a command line as Python's argparse does: options by their name or
// an unambiguous beginning of it, one positional argument, and what is left over,
// which is for the next parser or a mistake.
type parser struct {
	options    []*option
	positional string
	choices    []string // of the positional argument; nil admits anything
	optional   bool     // the positional argument may be missing
}

// argumentError is a command line that a parser refuses.
type argumentError struct{ message string }

func (e *argumentError) Error() string { return e.message }

func refuse(format string, a ...any) error { return &argumentError{fmt.Sprintf(format, a...)} }

// found is one argument that is an option: what it names, and the value after its =.
type found struct {
	option *option // nil: unknown to this parser
	value  *string
}

// split gives the options set, by key, and what is left over.
func (p *parser) split(args []string) (set map[string]any, rest []string, err error) {
	options, pattern, err := p.classify(args)
	if err != nil {
		return nil, nil, err
	}
	set = map[string]any{}
	taken := false // the positional argument
	last := strings.LastIndexByte(pattern, 'O')
	i := 0
	for i <= last {
		next := i + strings.IndexByte(pattern[i:], 'O')
		if next != i && !taken {
			end, err := p.takePositional(args, pattern, i, set, &taken)
			if err != nil {
				return nil, nil, err
			}
			if end > i {
				i = end
				continue
			}
		}
		rest = append(rest, args[i:next]...)
		i = next
		if options[i].option == nil {
			rest = append(rest, args[i])
			i++
			continue
		}
		if i, err = p.takeOption(options[i], args, pattern, i, set); err != nil {
			return nil, nil, err
		}
	}
	if !taken {
		if i, err = p.takePositional(args, pattern, i, set, &taken); err != nil {
			return nil, nil, err
		}
	}
	rest = append(rest, args[i:]...)
	return set, rest, p.missing(set, taken)
}

// missing says which required arguments are not there.
func (p *parser) missing(set map[string]any, taken bool) error {
	var names []string
	for _, o := range p.options {
		if _, there := set[o.key()]; o.require && !there {
			names = append(names, o.name)
		}
	}
	if p.positional != "" && !p.optional && !taken {
		names = append(names, p.positional)
	}
	if names != nil {
		return refuse("the following arguments are required: %s", strings.Join(names, ", "))
	}
	return nil
}

// classify finds the options and gives a letter for each argument: O for an option,
// A for a value, - for the -- behind which all are values.
func (p *parser) classify(args []string) (map[int]found, string, error) {
	options := map[int]found{}
	var pattern strings.Builder
	for i, arg := range args {
		if arg == "--" {
			pattern.WriteString("-" + strings.Repeat("A", len(args)-i-1))
			break
		}
		f, is, err := p.recognise(arg)
		if err != nil {
			return nil, "", err
		}
		if is {
			options[i] = f
			pattern.WriteByte('O')
		} else {
			pattern.WriteByte('A')
		}
	}
	return options, pattern.String(), nil
}

// recognise says whether an argument is an option, and which.
func (p *parser) recognise(arg string) (found, bool, error) {
	if len(arg) < 2 || arg[0] != '-' {
		return found{}, false, nil
	}
	name, value, has := strings.Cut(arg, "=")
	var after *string
	if has {
		after = &value
	}
	for _, o := range p.options {
		if o.name == arg {
			return found{o, nil}, true, nil
		}
	}
	var matches []*option
	for _, o := range p.options {
		if o.name == name {
			return found{o, after}, true, nil
		}
		if strings.HasPrefix(arg, "--") && strings.HasPrefix(o.name, name) && !o.exact {
			matches = append(matches, o)
		}
	}
	switch {
	case len(matches) > 1:
		var names []string
		for _, m := range matches {
			names = append(names, m.name)
		}
		return found{}, false, refuse("ambiguous option: %s could match %s", arg, strings.Join(names, ", "))
	case len(matches) == 1:
		return found{matches[0], after}, true, nil
	case isNegativeNumber(arg) || strings.Contains(arg, " "):
		return found{}, false, nil
	}
	return found{}, true, nil
}

// isNegativeNumber: -1, -1.5 and -.5 are values.
func isNegativeNumber(arg string) bool {
	whole, fraction, point := strings.Cut(arg[1:], ".")
	digits := func(s string) bool { return strings.Trim(s, "0123456789") == "" }
	return digits(whole) && digits(fraction) && (whole != "" && !point || fraction != "")
}

// takePositional reads the positional argument at i, if it is there.
func (p *parser) takePositional(args []string, pattern string, i int, set map[string]any, taken *bool) (int, error) {
	dashes := func(i int) int {
		for i < len(pattern) && pattern[i] == '-' {
			i++
		}
		return i
	}
	at := dashes(i)
	if p.positional == "" || at >= len(pattern) || pattern[at] != 'A' {
		if p.optional {
			*taken = true
			return at, nil
		}
		return i, nil
	}
	*taken = true
	set[p.positional] = args[at]
	return dashes(at + 1), check(p.positional, p.choices, args[at])
}

// takeOption reads the option at i with what it takes.
func (p *parser) takeOption(f found, args []string, pattern string, i int, set map[string]any) (int, error) {
	o := f.option
	end, value := i+1, f.value
	switch {
	case value != nil && o.takes == takesNothing:
		return 0, refuse("argument %s: ignored explicit argument %s", o.name, py.Repr(*value))
	case value != nil || o.takes == takesNothing:
	case end < len(pattern) && pattern[end] == 'A':
		value = &args[end]
		end++
	case o.takes == takesValue:
		return 0, refuse("argument %s: expected one argument", o.name)
	default:
		value = &o.choices[0]
	}
	if value == nil {
		set[o.key()] = o.sets
		return end, nil
	}
	if o.integer {
		n, ok := py.ParseInt(*value)
		if !ok {
			return 0, refuse("argument %s: invalid int value: %s", o.name, py.Repr(*value))
		}
		set[o.key()] = n
		return end, nil
	}
	set[o.key()] = *value
	return end, check(o.name, o.choices, *value)
}

// choicesPerLine is how many choices a message shows beside each other.
const choicesPerLine = 2

// check refuses a value that is none of the choices, with those it may have meant.
func check(name string, choices []string, value string) error {
	if choices == nil || slices.Contains(choices, value) {
		return nil
	}
	lines := []string{"Invalid choice, valid choices are:\n"}
	for line := range slices.Chunk(choices, choicesPerLine) {
		var cells []string
		for _, c := range line {
			cells = append(cells, fmt.Sprintf("%-40s", c))
		}
		lines = append(lines, strings.Join(cells, " | "))
	}
	if meant := py.CloseMatches(value, choices); meant != nil {
		lines = append(lines, "\n\nInvalid choice: "+py.Repr(value)+", maybe you meant:\n")
		for _, m := range meant {
			lines = append(lines, "  * "+m)
		}
	}
	return refuse("argument %s: %s", name, strings.Join(lines, "\n"))
}

// text reads a text that was set.
func text(set map[string]any, key string) (string, bool) { s, ok := set[key].(string); return s, ok }

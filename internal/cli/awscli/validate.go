package awscli

import (
	"fmt"
	"math/big"
	"strings"
	"unicode/utf8"

	"github.com/drover-iot/drover/internal/cli/awscli/py"
)

// validate says what botocore refuses before it asks the service: what is missing,
// unknown, of another type or too short; all of it, in the order in which it looks.
// A largest length, a pattern and an enum are the service's to check.
func validate(s *Shape, v any) error {
	c := &checker{}
	c.check(s, v, "")
	if c.wrong == nil {
		return nil
	}
	return &Failure{Message: "Parameter validation failed:\n" + strings.Join(c.wrong, "\n")}
}

type checker struct{ wrong []string }

func (c *checker) say(format string, a ...any) { c.wrong = append(c.wrong, fmt.Sprintf(format, a...)) }

// named is the name of a place: of the whole input there is none.
func named(path string) string {
	if path == "" {
		return "input"
	}
	return strings.TrimPrefix(path, ".")
}

// accepted are the Python types that a kind takes, in words of their own.
var accepted = map[Kind]string{
	Boolean: "<class 'bool'>", List: "<class 'list'>, <class 'tuple'>", Long: "<class 'int'>",
	Map: "<class 'dict'>", String: "<class 'str'>", Structure: "<class 'dict'>",
}

func (c *checker) check(s *Shape, v any, path string) {
	switch x := v.(type) {
	case *py.Dict:
		switch s.Kind {
		case Structure:
			c.structure(s, x, path)
			return
		case Map:
			for _, k := range x.Keys() {
				value, _ := x.Get(k)
				c.check(s.Key, k, path+" (key: "+k+")")
				c.check(s.Value, value, path+"."+k)
			}
			return
		}
	case []any:
		if s.Kind == List {
			c.length(s, len(x), path)
			for i, e := range x {
				c.check(s.Elem, e, fmt.Sprintf("%s[%d]", path, i))
			}
			return
		}
	case string:
		if s.Kind == String {
			c.length(s, utf8.RuneCountInString(x), path)
			return
		}
	case bool:
		if s.Kind == Boolean || s.Kind == Long { // a bool is an int in Python
			return
		}
	case *big.Int:
		if s.Kind == Long {
			if s.Min != nil && x.Cmp(big.NewInt(int64(*s.Min))) < 0 {
				c.say("Invalid value for parameter %s, value: %s, valid min value: %d", named(path), x, *s.Min)
			}
			return
		}
	}
	c.say("Invalid type for parameter %s, value: %s, type: <class '%s'>, valid types: %s", named(path), py.Str(v), py.TypeName(v), accepted[s.Kind])
}

func (c *checker) length(s *Shape, n int, path string) {
	if s.Min != nil && n < *s.Min {
		c.say("Invalid length for parameter %s, value: %d, valid min length: %d", named(path), n, *s.Min)
	}
}

func (c *checker) structure(s *Shape, d *py.Dict, path string) {
	var names []string
	for _, m := range s.Members {
		names = append(names, m.Name)
		if _, there := d.Get(m.Name); m.Required && !there {
			c.say("Missing required parameter in %s: \"%s\"", named(path), m.Name)
		}
	}
	for _, k := range d.Keys() {
		if s.member(k) == nil {
			c.say("Unknown parameter in %s: \"%s\", must be one of: %s", named(path), k, strings.Join(names, ", "))
		}
	}
	for _, k := range d.Keys() {
		if m := s.member(k); m != nil {
			v, _ := d.Get(k)
			c.check(m.Shape, v, path+"."+k)
		}
	}
}

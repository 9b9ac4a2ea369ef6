package wire

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/drover-iot/drover/internal/job"
)

// Check holds a request, a pointer to one of the Input structs, against facts.tsv.
// It returns a *job.Error: InvalidRequest with every violation in AWS's wording, or
// NotImplemented naming the first member whose feature is not here yet. Decode and
// Bind have checked what they filled in; Check is for requests made in-process.
func Check(in any) error {
	v := reflect.ValueOf(in).Elem()
	s := session{plan: planOf(v.Type()), v: v}
	return s.check()
}

// session is the work on one request: what is wrong with it so far.
type session struct {
	plan       *plan
	v          reflect.Value
	violations []string
	bad        uint64     // top-level members that were not read; the violation is told
	notHere    *job.Error // the first member that is not In
}

// maxViolations bounds a message; a client that sent more than this is not reading.
const maxViolations = 10

func (s *session) check() error {
	s.members(s.plan, s.v, "", s.bad)
	if n := len(s.violations); n > 0 {
		noun := "errors"
		if n == 1 {
			noun = "error"
		}
		return job.Errorf(job.InvalidRequest, "%d validation %s detected: %s", n, noun, strings.Join(s.violations, "; "))
	}
	if s.notHere != nil {
		return s.notHere
	}
	return nil
}

func (s *session) members(p *plan, v reflect.Value, path string, skip uint64) {
	for i := range p.fields {
		f := &p.fields[i]
		if skip&(1<<i) != 0 {
			continue
		}
		fv := v.Field(f.index)
		if absent(fv) {
			if f.fact.required && fv.Kind() != reflect.Int64 {
				s.violate("null", path+f.member, "Member must not be null")
			}
			continue
		}
		s.value(f, fv, path+f.member)
		if s.notHere == nil && f.scope != In && asks(f, fv) {
			s.notHere = notHere(s.plan.name, path+f.member, f)
		}
	}
}

// absent says whether a member was not given: nil, or the zero value. An empty list
// or map that was given is not absent.
func absent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.Pointer:
		return v.IsNil()
	default:
		return v.IsZero()
	}
}

// asks says whether a member that was given asks for what is not here.
func asks(f *field, v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() > 0 // an empty one asks for nothing
	case reflect.String:
		return f.scopeText == "" || v.String() == f.scopeText
	default:
		return true
	}
}

// notHere refuses a member, or its value, as Operation.NotHere does an operation.
func notHere(op, member string, f *field) *job.Error {
	what := "member '" + member + "'"
	if f.scopeText != "" {
		what = "value '" + f.scopeText + "' of '" + member + "'"
	}
	when := "is not implemented yet"
	if f.scope == Never {
		when = "is no part of Drover"
	}
	return job.Errorf(job.NotImplemented, "%s: %s (%s) %s. Nothing was changed. Leave it out. %s", op, what, f.area, when, areas()[f.area])
}

func (s *session) value(f *field, v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Pointer:
		if f.sub != nil {
			s.members(f.sub, v.Elem(), path+".", 0)
			return
		}
		s.value(f, v.Elem(), path)
	case reflect.String:
		s.text(&f.fact, v.String(), path)
	case reflect.Int64:
		s.number(&f.fact, float64(v.Int()), strconv.FormatInt(v.Int(), 10), path)
	case reflect.Float64:
		s.number(&f.fact, v.Float(), strconv.FormatFloat(v.Float(), 'g', -1, 64), path)
	case reflect.Slice:
		s.length(&f.fact, v.Len(), path)
		for i := range v.Len() {
			at := path + "." + strconv.Itoa(i+1) + ".member"
			if f.sub != nil {
				s.members(f.sub, v.Index(i), at+".", 0)
			} else {
				s.text(&f.elem, v.Index(i).String(), at)
			}
		}
	case reflect.Map:
		s.length(&f.fact, v.Len(), path)
		s.pairs(f, v, path)
	}
}

// pairs checks the keys and values of a map: of strings, or of structs.
func (s *session) pairs(f *field, v reflect.Value, path string) {
	first := len(s.violations)
	if f.sub != nil {
		for _, k := range v.MapKeys() {
			if c := f.key.text(k.String()); c != "" {
				s.violate(quote(k.String()), path, "Map keys must satisfy constraint: ["+c+"]")
			}
			s.members(f.sub, v.MapIndex(k), path+"."+shorten(k.String())+".", 0)
		}
		slices.Sort(s.violations[first:])
		return
	}
	for k, text := range *stringMapOf(v) {
		if c := f.key.text(k); c != "" {
			s.violate(quote(k), path, "Map keys must satisfy constraint: ["+c+"]")
		}
		if c := f.value.text(text); c != "" {
			s.violate(quote(text), path+"."+shorten(k), "Map value must satisfy constraint: ["+c+"]")
		}
	}
	slices.Sort(s.violations[first:]) // a map has no order, a message should
}

func (s *session) text(f *fact, v, path string) {
	if c := f.text(v); c != "" {
		s.violate(quote(v), path, c)
	}
}

// text gives the constraint that v fails, "" if none.
func (f *fact) text(v string) string {
	if f.min != nil || f.max != nil {
		if n := utf8.RuneCountInString(v); f.outside(float64(n)) {
			return f.bounds("length", float64(n))
		}
	}
	if f.enum != nil && !slices.Contains(f.enum, v) {
		return "Member must satisfy enum value set: [" + strings.Join(f.enum, ", ") + "]"
	}
	if f.pattern != nil && !f.pattern.match(v) {
		return "Member must satisfy regular expression pattern: " + f.pattern.text
	}
	return ""
}

func (s *session) number(f *fact, v float64, text, path string) {
	if !f.outside(v) || slices.Contains(f.enum, text) {
		return
	}
	c := f.bounds("value", v)
	if f.enum != nil {
		c += ", or be " + strings.Join(f.enum, ", ")
	}
	s.violate(quote(text), path, c)
}

func (s *session) length(f *fact, n int, path string) {
	if f.outside(float64(n)) {
		s.violations = append(s.violations, fmt.Sprintf(
			"Value at '%s' failed to satisfy constraint: %s", path, f.bounds("length", float64(n))))
	}
}

func (f *fact) outside(v float64) bool {
	return f.min != nil && v < *f.min || f.max != nil && v > *f.max
}

// bounds words the bound that v is outside of.
func (f *fact) bounds(what string, v float64) string {
	if f.min != nil && v < *f.min {
		return fmt.Sprintf("Member must have %s greater than or equal to %v", what, *f.min)
	}
	return fmt.Sprintf("Member must have %s less than or equal to %v", what, *f.max)
}

func (s *session) violate(value, path, constraint string) {
	if len(s.violations) < maxViolations {
		s.violations = append(s.violations, "Value "+value+" at '"+path+"' failed to satisfy constraint: "+constraint)
	}
}

// maxShown bounds how much of a value a message repeats.
const maxShown = 64

// shorten is a value as a message shows it: short, and UTF-8 whatever came in.
func shorten(v string) string {
	if len(v) > maxShown {
		cut := maxShown
		for cut > 0 && !utf8.RuneStart(v[cut]) {
			cut--
		}
		v = v[:cut] + "…"
	}
	return strings.ToValidUTF8(v, "�")
}

func quote(v string) string { return "'" + shorten(v) + "'" }

// bounded keeps a text that quotes the caller's input short.
func bounded(text string) string {
	const most = 256
	if len(text) > most {
		text = text[:most] + "…"
	}
	return strings.ToValidUTF8(text, "�")
}

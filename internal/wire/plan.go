package wire

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/drover-iot/drover/internal/job"
)

// Where a member travels.
const (
	inURI    = "uri"
	inQuery  = "query"
	inHeader = "header"
	inBody   = "json"
	inMQTT   = "mqtt"
)

var locations = []string{inURI, inQuery, inHeader, inBody, inMQTT}

// plan is what the engine knows of one struct: its tags joined with its facts. It is
// made once for a type.
type plan struct {
	name    string // of the type, without "Input"
	fields  []field
	byName  map[string]int // the members that a JSON body or payload may hold
	hasBody bool           // over HTTPS too
	warning int            // index of the field Warning, or -1
}

// field is one member.
type field struct {
	index  int
	member string // AWS's name, in messages
	in     string // one of the locations
	name   string // its name there
	digits bool   // a number that may come as digits in a string

	fact             fact // of the member itself
	elem, key, value fact // of what a list or a map holds
	sub              *plan
	scope            Scope
	area, scopeText  string // of a member that is not In; scopeText limits that to one value
}

// enums are the types of the domain that are texts on the wire.
var enums = map[reflect.Type]func(string) (uint64, bool){
	reflect.TypeFor[job.Status]():    func(s string) (uint64, bool) { v, ok := job.ParseStatus(s); return uint64(v), ok },
	reflect.TypeFor[job.JobStatus](): func(s string) (uint64, bool) { v, ok := job.ParseJobStatus(s); return uint64(v), ok },
}

var plans sync.Map // reflect.Type -> *plan

// planOf gives the plan of a struct type. It panics on a member without facts: the
// table and the structs are both ours, and a test walks them all.
func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	p, err := makePlan(t)
	if err != nil {
		panic("wire: " + err.Error())
	}
	got, _ := plans.LoadOrStore(t, p)
	return got.(*plan)
}

func makePlan(t reflect.Type) (*plan, error) {
	p := &plan{name: strings.TrimSuffix(t.Name(), "Input"), byName: map[string]int{}, warning: -1}
	rows := facts()[t.String()]
	for i := range t.NumField() {
		sf := t.Field(i)
		f := field{index: i}
		for _, loc := range locations {
			if tag, ok := sf.Tag.Lookup(loc); ok {
				f.in = loc
				f.name, _, _ = strings.Cut(tag, ",")
			}
		}
		if f.in == "" {
			if sf.Name == "Warning" {
				p.warning = i
			}
			continue
		}
		if err := f.addFacts(t.String(), rows); err != nil {
			return nil, err
		}
		_, f.digits = sf.Tag.Lookup("digits")
		if err := f.addScope(sf.Tag); err != nil {
			return nil, fmt.Errorf("%s %s: %w", t, f.member, err)
		}
		if s := structOf(sf.Type); s != nil {
			f.sub = planOf(s)
		}
		if f.in != inURI && f.in != inHeader {
			p.byName[f.name] = len(p.fields)
		}
		p.hasBody = p.hasBody || f.in == inBody
		p.fields = append(p.fields, f)
	}
	if len(p.fields) > 64 {
		return nil, fmt.Errorf("%s has more than 64 members", t)
	}
	return p, nil
}

// addScope reads the tags `later` and `never`: an area, or VALUE=area.
func (f *field) addScope(tag reflect.StructTag) (err error) {
	for _, scope := range []string{Later.String(), Never.String()} {
		area, ok := tag.Lookup(scope)
		if !ok {
			continue
		}
		if text, rest, ok := strings.Cut(area, "="); ok {
			f.scopeText, area = text, rest
		}
		if f.scope, f.area, err = parseScope(scope, area); err != nil {
			return err
		}
	}
	return nil
}

// addFacts finds the rows of a member by where it travels and under which name.
func (f *field) addFacts(shape string, rows map[string]row) (err error) {
	loc := f.location()
	for member, r := range rows {
		if r.location() == loc {
			f.member = member
			if f.fact, err = r.fact(); err != nil {
				return err
			}
		}
	}
	if f.member == "" {
		return fmt.Errorf("facts.tsv has no row for %s %s", shape, loc)
	}
	for suffix, to := range map[string]*fact{"[]": &f.elem, "{key}": &f.key, "{value}": &f.value} {
		if r, ok := rows[f.member+suffix]; ok {
			if *to, err = r.fact(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *field) location() string {
	if f.in == inBody {
		return "body:" + f.name
	}
	return f.in + ":" + f.name
}

// location is the column with the name that the table leaves out when it is the
// member's own.
func (r row) location() string {
	if r.Location == "body" {
		return "body:" + r.Member
	}
	return r.Location
}

// structOf is the struct that t is, points to, lists or maps to; nil for anything
// else.
func structOf(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() == reflect.Struct && t.PkgPath() != "time" {
		return t
	}
	return nil
}

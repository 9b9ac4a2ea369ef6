package wire_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/wire"
	"github.com/drover-iot/drover/internal/wire/iot"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
)

var rewrite = flag.Bool("update", false, "write members.tsv anew")

// services are the models with the packages of their shapes.
var services = map[string]func() []wire.Operation{"iot": iot.Operations, "jobsdata": jobsdata.Operations}

func TestTheModelHas272And5OperationsAndOursAreThoseThatAreIn(t *testing.T) {
	if n, m := len(iot.Operations()), len(jobsdata.Operations()); n != 272 || m != 5 {
		t.Errorf("%d and %d operations, expected 272 and 5", n, m)
	}
	in := map[string]wire.Operation{}
	for pkg, operations := range services {
		for _, o := range operations() {
			if o.Scope == wire.In {
				in[pkg+"."+o.Name] = o
			}
		}
	}
	for _, s := range shapes {
		typ := reflect.TypeOf(s)
		name, isInput := strings.CutSuffix(typ.String(), "Input")
		if !isInput {
			continue
		}
		o, ok := in[name]
		if !ok {
			t.Errorf("%s has a shape, and scope.tsv does not say that it is in", name)
			continue
		}
		delete(in, name)
		for j := range typ.NumField() {
			if label, ok := typ.Field(j).Tag.Lookup("uri"); ok && !strings.Contains(o.Path, "{"+label+"}") {
				t.Errorf("%s: the path %s has no label {%s}", typ, o.Path, label)
			}
		}
	}
	for name := range in {
		t.Errorf("scope.tsv says that %s is in, and it has no shape", name)
	}
}

func TestEveryRefusalNamesWhatAndSaysWhatToDo(t *testing.T) {
	next := map[string]string{}
	rows, err := wire.TableRows(wire.AreasTable(), 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if next[r[0]] != "" || !strings.HasSuffix(r[1], ".") {
			t.Errorf("area %q: %q; expected one row with a sentence", r[0], r[1])
		}
		next[r[0]] = r[1]
	}
	scopes := map[string]wire.Scope{}
	use := func(name string, scope wire.Scope, area string) {
		if had, used := scopes[area]; used && had != scope {
			t.Errorf("%s (%s) is %v, others of its area are %v", name, area, scope, had)
		}
		scopes[area] = scope
	}
	for pkg, operations := range services {
		for _, o := range operations() {
			if o.Scope == wire.In {
				continue
			}
			use(o.Name, o.Scope, o.Area)
			when := map[wire.Scope]string{wire.Later: "not implemented yet", wire.Never: "no part of Drover"}[o.Scope]
			e := o.NotHere()
			for _, part := range []string{o.Name + " (" + o.Area + ")", when, "Nothing was changed", next[o.Area]} {
				if e.Code != job.NotImplemented || !strings.Contains(e.Message, part) {
					t.Errorf("%s.%s: code %d, %q does not say %q", pkg, o.Name, e.Code, e.Message, part)
				}
			}
		}
	}
	for _, m := range inputMembers() {
		if m.Scope != wire.In {
			use(m.path, m.Scope, m.Area)
		}
	}
	for area := range next {
		if _, used := scopes[area]; !used {
			t.Errorf("area %q is of nothing (any more)", area)
		}
	}
}

// member is a member of a request, at any depth.
type member struct {
	wire.Member
	operation, path string // as in members.tsv
}

// inputMembers are those of every request; what is inside a member that is not
// here is not here either.
func inputMembers() (all []member) {
	for _, s := range shapes {
		if typ := reflect.TypeOf(s); strings.HasSuffix(typ.Name(), "Input") {
			all = appendMembers(all, strings.TrimSuffix(typ.String(), "Input"), "", typ, wire.Member{})
		}
	}
	return all
}

func appendMembers(all []member, operation, prefix string, typ reflect.Type, within wire.Member) []member {
	for _, m := range wire.Members(typ) {
		if within.Scope != wire.In {
			m.Scope, m.Area, m.ScopeText = within.Scope, within.Area, ""
		}
		all = append(all, member{m, operation, prefix + m.Name})
		inner, below := m.Type, "."
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map {
			below = map[reflect.Kind]string{reflect.Pointer: below, reflect.Slice: "[].", reflect.Map: "{}."}[inner.Kind()]
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && inner.PkgPath() != "time" {
			all = appendMembers(all, operation, prefix+m.Name+below, inner, m)
		}
	}
	return all
}

func TestMembersTableIsWhatTheRequestsHave(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Every member of every request that is in, at any depth: [] is inside a list, {} inside a map.\n" +
		"# in: taken; later, never: refused by name (iot/doc.go). Made by `go test ./internal/wire -run TestMembersTable -update`.\n" +
		"operation\tmember\tscope\tarea\n")
	for _, m := range inputMembers() {
		area := m.Area
		if m.Scope == wire.In {
			area = "-"
		}
		if m.ScopeText != "" {
			area = m.ScopeText + "=" + area
		}
		fmt.Fprintf(&b, "%s\t%s\t%s\t%s\n", m.operation, m.path, m.Scope, area)
	}
	if *rewrite {
		if err := os.WriteFile("members.tsv", []byte(b.String()), 0o644); err != nil { //nolint:gosec // as a checkout has it
			t.Fatal(err)
		}
	}
	table, err := os.ReadFile("members.tsv")
	if err != nil {
		t.Fatal(err)
	}
	if string(table) == b.String() {
		return
	}
	have, want := lines(string(table)), lines(b.String())
	for _, line := range slices.Sorted(maps.Keys(want)) {
		if !have[line] {
			t.Errorf("members.tsv lacks %q", line)
		}
	}
	for _, line := range slices.Sorted(maps.Keys(have)) {
		if !want[line] {
			t.Errorf("members.tsv has %q, the requests do not", line)
		}
	}
	t.Error("members.tsv is not what the requests have; go test ./internal/wire -run TestMembersTable -update")
}

func lines(text string) map[string]bool {
	set := map[string]bool{}
	for line := range strings.Lines(text) {
		set[line] = true
	}
	return set
}

func TestTablesOfOperationsAreHeldAgainstEachOther(t *testing.T) {
	const operations = "operation\tmethod\tpath\tstatus\treply\nA\tGET\t/a\t200\tbody\nB\tPUT\t/b/{x}\t200\t-\n"
	const scopes = "operation\tscope\tarea\n"
	got, err := wire.ParseOperations(operations, scopes+"A\tin\t-\n# a comment\nB\tnever\tstreams\n")
	want := []wire.Operation{
		{Name: "A", Method: "GET", Path: "/a", Status: 200, Body: true},
		{Name: "B", Method: "PUT", Path: "/b/{x}", Status: 200, Scope: wire.Never, Area: "streams"},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	for name, r := range map[string]struct{ scopes, says string }{
		"an operation is missing":  {"A\tin\t-\n", "1 operations, operations.tsv 2"},
		"an operation too many":    {"A\tin\t-\nB\tin\t-\nC\tin\t-\n", "3 operations, operations.tsv 2"},
		"another operation":        {"A\tin\t-\nC\tin\t-\n", "has C where operations.tsv has B"},
		"a scope there is not":     {"A\tin\t-\nB\tsoon\tstreams\n", `B: scope "soon"`},
		"in, and an area":          {"A\tin\tstreams\nB\tin\t-\n", `A: scope "in" with area "streams"`},
		"later, and no area":       {"A\tin\t-\nB\tlater\t-\n", `"-" is no area`},
		"an area there is not":     {"A\tin\t-\nB\tlater\tteapots\n", `"teapots" is no area`},
		"a row of another form":    {"A\tin\nB\tin\t-\n", "line 2 has 2 columns, expected 3"},
		"the same operation twice": {"A\tin\t-\nA\tin\t-\n", "has A where operations.tsv has B"},
	} {
		if _, err := wire.ParseOperations(operations, scopes+r.scopes); err == nil || !strings.Contains(err.Error(), r.says) {
			t.Errorf("%s: %v, want an error that says %s", name, err, r.says)
		}
	}
}

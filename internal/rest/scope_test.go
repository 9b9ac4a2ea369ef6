package rest_test

import (
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/drover-iot/drover/internal/rest"
	"github.com/drover-iot/drover/internal/wire"
	"github.com/drover-iot/drover/internal/wire/iot"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
	"github.com/go-json-experiment/json"
)

// models are the services with their operations, and the interface that has those
// that are in.
var models = map[string]struct {
	operations func() []wire.Operation
	methods    reflect.Type
}{
	iot.Service:      {iot.Operations, reflect.TypeFor[rest.Control]()},
	jobsdata.Service: {jobsdata.Operations, reflect.TypeFor[rest.Data]()},
}

// pathOf is the path of an operation with x in its labels.
func pathOf(o wire.Operation, labels map[string]string) string {
	path := o.Path
	for strings.Contains(path, "{") {
		open, end := strings.Index(path, "{"), strings.Index(path, "}")
		value, ok := labels[path[open+1:end]]
		if !ok {
			value = "x"
		}
		path = path[:open] + url.PathEscape(value) + path[end+1:]
	}
	return path
}

func TestEveryOperationOfTheModelsIsServedOrRefusedByName(t *testing.T) {
	d := open(t, nil)
	counts := map[wire.Scope]int{}
	for service, model := range models {
		for _, o := range model.operations() {
			counts[o.Scope]++
			path := pathOf(o, nil)
			a := d.do(t, o.Method, path, `{}`, forService(service))
			in, _ := d.last()
			switch {
			case o.Scope != wire.In:
				if a.status != http.StatusNotImplemented || a.errorType != "NotImplementedException" || a.message != o.NotHere().Message {
					t.Errorf("%s: %d %s %q; expected 501 with %q", o.Name, a.status, a.errorType, a.message, o.NotHere().Message)
				}
				if in != nil {
					t.Errorf("%s reached %s", o.Name, nameOf(in))
				}
			case in != nil:
				if got := nameOf(in); got != o.Name+"Input" {
					t.Errorf("%s %s reached %s, expected %s", o.Method, path, got, o.Name)
				}
			case a.status != http.StatusBadRequest:
				t.Errorf("%s %s: %d %s, and no operation was called; scope.tsv says that it is in", o.Method, path, a.status, a.message)
			}
		}
	}
	if counts[wire.In] < 44 || counts[wire.Later] == 0 || counts[wire.Never] == 0 {
		t.Errorf("%v operations by scope", counts)
	}
}

// texts are values of members whose pattern or length a word of no meaning would not meet.
var texts = map[string]string{
	"jobTemplateArn":             "arn:aws:iot:us-east-1:000000000000:jobtemplate/weekly",
	"destinationPackageVersions": "arn:aws:iot:us-east-1:000000000000:package/app/version/1",
	"roleArn":                    "arn:aws:iam::000000000000:role/presign",
}

// example is a value of a member that keeps to its facts, as JSON would have it.
func example(m wire.Member) any {
	typ := m.Type
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	text := func(b wire.Bounds) string {
		switch value, ok := texts[m.Name]; {
		case ok:
			return value
		case len(b.Enum) > 0:
			return b.Enum[0]
		case b.Min != nil:
			return strings.Repeat("a", max(1, int(*b.Min)))
		default:
			return "a"
		}
	}
	switch typ.Kind() {
	case reflect.Struct:
		return requiredOf(typ)
	case reflect.Slice:
		if typ.Elem().Kind() == reflect.Struct {
			return []any{requiredOf(typ.Elem())}
		}
		return []any{text(m.Elem)}
	case reflect.Map:
		if typ.Elem().Kind() == reflect.Struct {
			return map[string]any{text(m.Key): requiredOf(typ.Elem())}
		}
		return map[string]any{text(m.Key): text(m.Value)}
	case reflect.Bool:
		return true
	case reflect.Int64, reflect.Float64:
		if m.Min != nil {
			return *m.Min
		}
		return 1
	default:
		return text(m.Bounds)
	}
}

// requiredOf is the least object of a struct.
func requiredOf(typ reflect.Type) map[string]any {
	object := map[string]any{}
	for _, m := range wire.Members(typ) {
		if m.Required {
			object[m.WireName] = example(m)
		}
	}
	return object
}

// A request is one with members that are put where they travel.
type request struct {
	labels map[string]string
	query  url.Values
	header http.Header
	body   map[string]any
}

func leastRequest(typ reflect.Type) request {
	r := request{labels: map[string]string{}, query: url.Values{}, header: http.Header{}, body: map[string]any{}}
	for _, m := range wire.Members(typ) {
		if m.Required {
			r.put(m, example(m))
		}
	}
	return r
}

func (r request) put(m wire.Member, value any) {
	text, ok := value.(string)
	if !ok {
		encoded, _ := json.Marshal(value)
		text = string(encoded)
	}
	switch m.In {
	case "uri":
		r.labels[m.WireName] = text
	case "query":
		r.query.Set(m.WireName, text)
	case "header":
		r.header.Set(m.WireName, text)
	default:
		r.body[m.WireName] = value
	}
}

func (d *door) send(t *testing.T, service string, o wire.Operation, r request) answered {
	t.Helper()
	body, err := json.Marshal(r.body)
	if err != nil {
		t.Fatal(err)
	}
	header := forService(service)
	maps.Copy(header, r.header)
	return d.do(t, o.Method, pathOf(o, r.labels)+"?"+r.query.Encode(), string(body), header)
}

// notHere finds the members below a struct that are not here, with what wraps each
// of them from the request down.
func notHere(typ reflect.Type, path string, wrap func(any) map[string]any, visit func(m wire.Member, path string, wrap func(any) map[string]any)) {
	for _, m := range wire.Members(typ) {
		inside := func(value any) map[string]any {
			object := requiredOf(typ)
			object[m.WireName] = value
			return wrap(object)
		}
		if m.Scope != wire.In {
			visit(m, path+m.Name, inside)
			continue
		}
		inner := m.Type
		for inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case m.In != "body":
		case inner.Kind() == reflect.Struct && inner.PkgPath() != "time":
			notHere(inner, path+m.Name+".", inside, visit)
		case inner.Kind() == reflect.Slice && inner.Elem().Kind() == reflect.Struct:
			notHere(inner.Elem(), path+m.Name+".1.member.", func(v any) map[string]any { return inside([]any{v}) }, visit)
		}
	}
}

func TestEveryMemberThatIsNotHereIsRefusedByNameAndNothingIsReached(t *testing.T) {
	d := open(t, nil)
	refused := 0
	for service, model := range models {
		for _, o := range model.operations() {
			method, in := model.methods.MethodByName(o.Name)
			if in != (o.Scope == wire.In) {
				t.Errorf("scope.tsv says that %s is %v, and the adapter has a method for it: %v", o.Name, o.Scope, in)
			}
			if !in {
				continue
			}
			typ := method.Type.In(2).Elem() // after the context and the caller
			if a := d.send(t, service, o, leastRequest(typ)); a.status != http.StatusOK {
				t.Errorf("%s with what it must have: %d %s", o.Name, a.status, a.message)
			}
			if in, _ := d.last(); in == nil {
				t.Errorf("%s with what it must have did not reach it", o.Name)
			}
			notHere(typ, "", func(v any) map[string]any { return v.(map[string]any) }, func(m wire.Member, path string, wrap func(any) map[string]any) {
				refused++
				value := example(m)
				if m.ScopeText != "" {
					value = m.ScopeText
				}
				r := leastRequest(typ)
				if whole := wrap(value); m.In == "body" {
					for _, top := range wire.Members(typ) {
						if given, ok := whole[top.WireName]; ok && top.In == "body" {
							r.put(top, given)
						}
					}
				} else {
					r.put(m, value)
				}
				a := d.send(t, service, o, r)
				if a.status != http.StatusNotImplemented || !strings.Contains(a.message, o.Name+":") || !strings.Contains(a.message, "'"+path+"' ("+m.Area+")") {
					t.Errorf("%s with %s: %d %q; expected 501 that names it", o.Name, path, a.status, a.message)
				}
				if in, _ := d.last(); in != nil {
					t.Errorf("%s with %s reached %s", o.Name, path, nameOf(in))
				}
			})
		}
	}
	if refused == 0 {
		t.Error("no member is refused")
	}
}

package awscli

import (
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/drover-iot/drover/internal/wire"
)

// Kind is the type of a shape, by its name in a service model.
type Kind string

// The kinds of shapes that Derive finds.
const (
	Boolean   Kind = "boolean"
	List      Kind = "list"
	Long      Kind = "long"
	Map       Kind = "map"
	String    Kind = "string"
	Structure Kind = "structure"
)

// Shape is a type of the service.
type Shape struct {
	Kind    Kind
	Members []Member // of a structure, in the model's order
	Elem    *Shape   // of a list
	Key     *Shape   // of a map
	Value   *Shape   // of a map
	Min     *int     // of a number, or of a length
	Enum    []string
}

// Member is one member of a structure.
type Member struct {
	Name     string
	In       string // "body", "uri" or "query"
	WireName string
	Required bool
	*Shape
}

// member finds a member by name, nil if there is none.
func (s *Shape) member(name string) *Member {
	if i := slices.IndexFunc(s.Members, func(m Member) bool { return m.Name == name }); i >= 0 {
		return &s.Members[i]
	}
	return nil
}

// Operation is one command.
type Operation struct {
	wire.Operation
	Input, Output *Shape
}

// Command is the operation's name on the command line.
func (o *Operation) Command() string { return dashed(o.Name) }

// Service is what the commands of one service are made of.
type Service struct {
	Name       string // on the command line, and in a signature
	Operations []Operation
	Help       Help
}

// Shapes are the input and the output struct of an operation.
type Shapes struct{ Input, Output any }

// Derive makes the operations of a service from its table and its structs; those of
// the table that have no structs are left out. A name in loose ("Operation.member")
// has a minimum in our facts that AWS's model leaves to the service.
func Derive(table []wire.Operation, shapes map[string]Shapes, loose []string) []Operation {
	var ops []Operation
	for _, o := range table {
		s, known := shapes[o.Name]
		if !known {
			continue
		}
		op := Operation{o, derive(reflect.TypeOf(s.Input)), derive(reflect.TypeOf(s.Output))}
		for i := range op.Input.Members {
			if m := &op.Input.Members[i]; slices.Contains(loose, o.Name+"."+m.Name) {
				m.Min = nil
			}
		}
		ops = append(ops, op)
	}
	return ops
}

// derive makes the shape of a struct type.
func derive(t reflect.Type) *Shape {
	s := &Shape{Kind: Structure}
	for _, m := range wire.Members(t) {
		s.Members = append(s.Members, Member{m.Name, m.In, m.WireName, m.Required, shapeOf(m.Type, m)})
	}
	return s
}

// shapeOf is the shape of one member. A time is a number on the device plane, and a
// job document a text.
func shapeOf(t reflect.Type, m wire.Member) *Shape {
	s := &Shape{Min: whole(m.Min)}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		s.Kind = Long
	case t.Kind() == reflect.Bool:
		s.Kind = Boolean
	case t.Kind() == reflect.Int64:
		s.Kind = Long // its enum, if any, is of numbers beside its range
	case len(m.Enum) > 0 || t.Kind() == reflect.String || t == reflect.TypeFor[[]byte]():
		s.Kind, s.Enum = String, m.Enum
	case t.Kind() == reflect.Struct:
		return derive(t)
	case t.Kind() == reflect.Slice:
		s.Kind, s.Elem = List, shapeOf(t.Elem(), wire.Member{Bounds: m.Elem})
	case t.Kind() == reflect.Map:
		s.Kind = Map
		s.Key, s.Value = shapeOf(t.Key(), wire.Member{Bounds: m.Key}), shapeOf(t.Elem(), wire.Member{Bounds: m.Value})
	default:
		panic("awscli: no shape for " + t.String())
	}
	return s
}

func whole(f *float64) *int {
	if f == nil {
		return nil
	}
	n := int(*f)
	return &n
}

// dashed writes a name of the model as the command line does: jobId is job-id.
func dashed(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

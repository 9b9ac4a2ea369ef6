package wire

import (
	"reflect"
	"sync"
)

// Member is one member of a shape as a client of the API meets it: AWS's name, where
// it travels, and what facts.tsv knows of it.
type Member struct {
	Name     string       // AWS's name
	In       string       // "body", "uri", "query" or "header"
	WireName string       // its name there
	Type     reflect.Type // of the Go field
	Bounds
	Elem, Key, Value Bounds // of what a list or a map holds
}

// Bounds are the facts of a value. Min is that of a length for texts, lists and
// maps; nil for none.
type Bounds struct {
	Required bool
	Min      *float64
	Enum     []string
}

func (f fact) known() Bounds { return Bounds{Required: f.required, Min: f.min, Enum: f.enum} }

// factRows is the table in the order of its lines.
var factRows = sync.OnceValue(func() []row {
	rows, err := parseFacts(factsTable)
	if err != nil {
		panic("facts.tsv: " + err.Error())
	}
	return rows
})

// Members are the members of a struct type of the API, in the order of the service
// model, without those that only MQTT has. It panics on a type without facts, as
// planOf does.
func Members(t reflect.Type) []Member {
	p := planOf(t)
	var members []Member
	for _, r := range factRows() {
		if r.Shape != t.String() {
			continue
		}
		for _, f := range p.fields {
			if f.member != r.Member || f.in == inMQTT {
				continue
			}
			m := Member{
				Name: f.member, In: f.in, WireName: f.name, Type: t.Field(f.index).Type,
				Bounds: f.fact.known(), Elem: f.elem.known(), Key: f.key.known(), Value: f.value.known(),
			}
			if m.In == inBody {
				m.In = "body"
			}
			members = append(members, m)
		}
	}
	return members
}

package wire

import "reflect"

// Fields gives the rows of facts.tsv that the engine joined to the members of a
// struct, and the structs they lead to; a member without a row is an error.
func Fields(t reflect.Type) (members map[string]reflect.StructField, nested []reflect.Type, err error) {
	p, err := makePlan(t)
	if err != nil {
		return nil, nil, err
	}
	members = map[string]reflect.StructField{}
	for _, f := range p.fields {
		sf := t.Field(f.index)
		members[f.member] = sf
		if s := structOf(sf.Type); s != nil {
			nested = append(nested, s)
		}
	}
	return members, nested, nil
}

// TableRows and AreasTable open areas.tsv to the tests.
func TableRows(table string, n int) ([][]string, error) { return tableRows(table, n) }

func AreasTable() string { return areasTable }

// Row, ParseFacts, FactsTable and PatternText open facts.tsv to the tests.
type Row = row

func ParseFacts(table string) ([]Row, error) { return parseFacts(table) }

func FactsTable() string { return factsTable }

func PatternText(name string) (string, bool) {
	p, ok := patterns[name]
	if !ok {
		return "", false
	}
	return p.text, true
}

// ParseRow proves that the engine can use a row.
func ParseRow(r Row) error {
	_, err := r.fact()
	return err
}

// Spelled says whether the table of errors has a line for a code.
func Spelled(code int) bool { return code < len(spellings) && spellings[code].MQTT != "" }

package conversation

import (
	"slices"
	"strings"
	"testing"
)

const columns = "id\tsection\tover\tshown by\tsentence\n"

func TestAMistakeInTheTableNamesItsLine(t *testing.T) {
	for name, c := range map[string]struct{ table, want string }{
		"other columns":       {"id\tsection\tover\tshown by\tsentence\tremark\n", "rows.tsv:1: columns"},
		"a column too many":   {columns + "1-a\t1\tboth\tx\tIt is.\textra\n", "rows.tsv:2: 6 columns, want 5"},
		"an unknown feature":  {columns + "1-a\t1\tboth\tlater:someday\tIt is.\n", `waits for "someday"`},
		"an unknown protocol": {columns + "1-a\t1\tcoap\tx\tIt is.\n", `over "coap"`},
		"no conversation":     {columns + "1-a\t1\tboth\t\tIt is.\n", "no conversation shows it"},
		"an id twice":         {columns + "1-a\t1\tboth\tx\tIt is.\n1-a\t1\tboth\tx\tIt is.\n", "rows.tsv:3: id \"1-a\" is there twice"},
		"another section":     {columns + "1-a\t2\tboth\tx\tIt is.\n", "does not begin with its section"},
		"no sentence":         {columns + "1-a\t1\tboth\tx\tIt is\n", "no sentence"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadRows(strings.NewReader(c.table))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want it to say %q", err, c.want)
			}
		})
	}
}

func TestRowsAndConversationsMustAgree(t *testing.T) {
	rows, err := ReadRows(strings.NewReader(columns +
		"1-a\t1\tboth\tx\tIt is.\n1-b\t1\tmqtt\tx\tIt is.\n1-c\t1\tboth\tlater:windows\tIt will be.\n"))
	if err != nil {
		t.Fatal(err)
	}
	both := []Protocol{MQTT, HTTP}
	x := Conversation{Name: "x", Rows: []string{"1-a", "1-b"}}
	for name, c := range map[string]struct {
		all  []Conversation
		ran  Ran
		want []string
	}{
		"all is shown":                    {[]Conversation{x}, Ran{"x": both}, nil},
		"it did not run":                  {[]Conversation{x}, Ran{}, []string{"row 1-a: no conversation of it ran over mqtt", "row 1-a: no conversation of it ran over http", "row 1-b: no conversation of it ran over mqtt"}},
		"it ran over one protocol":        {[]Conversation{x}, Ran{"x": {MQTT}}, []string{"row 1-a: no conversation of it ran over http"}},
		"a conversation has unknown rows": {[]Conversation{x, {Name: "y", Rows: []string{"9-z"}}}, Ran{"x": both}, []string{`conversation y: there is no row "9-z"`}},
		"the row does not know it":        {[]Conversation{x, {Name: "y", Rows: []string{"1-a"}}}, Ran{"x": both}, []string{"conversation y: row 1-a does not name it"}},
		"the conversation does not know the row": {
			[]Conversation{{Name: "x", Rows: []string{"1-a"}}},
			Ran{"x": both},
			[]string{`row 1-b: conversation "x" does not name it`, "row 1-b: no conversation of it ran over mqtt"},
		},
		"it is not there": {nil, Ran{}, []string{
			`row 1-a: there is no conversation "x"`, "row 1-a: no conversation of it ran over mqtt",
			"row 1-a: no conversation of it ran over http", `row 1-b: there is no conversation "x"`, "row 1-b: no conversation of it ran over mqtt",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Uncovered(rows, c.all, c.ran); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

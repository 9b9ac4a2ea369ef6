package py_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/drover-iot/drover/internal/cli/awscli/py"
)

// python is what Python said (testdata/make.py).
type python struct {
	Decode []struct{ Text, Repr, Ordered, Error string }
	Spell  []struct{ JSON, Repr, Str, Indented, Compact string }
	Int    []struct {
		Text  string
		Value *string
	}
	Match []struct {
		Word  string
		Close []string
	}
	Choices []string
}

func load(t *testing.T) (p python) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "python.json"))
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil || len(p.Decode) == 0 || len(p.Spell) == 0 || len(p.Int) == 0 || len(p.Match) == 0 {
		t.Fatalf("python.json: %v", err)
	}
	return p
}

func TestJSONIsDecodedAsPythonDoes(t *testing.T) {
	for _, row := range load(t).Decode {
		v, err := py.DecodeJSON(row.Text, false)
		if row.Error != "" {
			if err == nil || err.Error() != row.Error {
				t.Errorf("%q: got %v (%s), want %s", row.Text, err, py.Repr(v), row.Error)
			}
			continue
		}
		ordered, err2 := py.DecodeJSON(row.Text, true)
		if err != nil || err2 != nil || py.Repr(v) != row.Repr || py.Repr(ordered) != row.Ordered {
			t.Errorf("%q: got %s and %s (%v, %v), want %s and %s", row.Text, py.Repr(v), py.Repr(ordered), err, err2, row.Repr, row.Ordered)
		}
	}
}

func TestValuesAreSpelledAsPythonDoes(t *testing.T) {
	for _, row := range load(t).Spell {
		v, err := py.DecodeJSON(row.JSON, false)
		if err != nil {
			t.Fatal(err)
		}
		for what, got := range map[string][2]string{
			"repr": {py.Repr(v), row.Repr}, "str": {py.Str(v), row.Str},
			"JSON": {py.EncodeJSON(v), row.Indented}, "compact JSON": {py.CompactJSON(v), row.Compact},
		} {
			if got[0] != got[1] {
				t.Errorf("%s of %s: got %s, want %s", what, row.JSON, got[0], got[1])
			}
		}
	}
	if got := py.Repr(py.Bytes("a'\xe9\n")); got != `b"a'\xe9\n"` {
		t.Errorf("bytes: got %s", got)
	}
}

func TestIntReadsWhatPythonReads(t *testing.T) {
	for _, row := range load(t).Int {
		n, ok := py.ParseInt(row.Text)
		if ok != (row.Value != nil) || ok && n.String() != *row.Value {
			t.Errorf("int(%q): got %v %v", row.Text, n, ok)
		}
	}
}

func TestCloseMatchesAreThoseOfDifflib(t *testing.T) {
	p := load(t)
	for _, row := range p.Match {
		if got := py.CloseMatches(row.Word, p.Choices); !slices.Equal(got, row.Close) {
			t.Errorf("%q: got %q, want %q", row.Word, got, row.Close)
		}
	}
}

func TestDeepJSONIsRefused(t *testing.T) {
	deep := string(slices.Repeat([]byte("["), 100_000))
	if _, err := py.DecodeJSON(deep, false); err == nil {
		t.Error("a text that nests 100,000 lists was read")
	}
}

func FuzzDecodeJSON(f *testing.F) {
	f.Add(`{"a":[1,2.5,"\u00e9",null,true]}`)
	f.Add(`"\ud83d\u`)
	f.Fuzz(func(t *testing.T, text string) {
		v, err := py.DecodeJSON(text, false)
		if err != nil {
			if _, is := err.(*py.JSONError); !is || err.Error() == "" {
				t.Fatalf("%v is no JSONError", err)
			}
			return
		}
		again, err := py.DecodeJSON(py.EncodeJSON(v), false)
		if err != nil || !py.Equal(v, again) && !strings.Contains(text, "NaN") { // which equals nothing
			t.Fatalf("%q became %s and then %v (%v)", text, py.EncodeJSON(v), again, err)
		}
	})
}

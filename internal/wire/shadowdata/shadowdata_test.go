package shadowdata_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/shadow"
	"github.com/drover-iot/drover/internal/wire/shadowdata"
)

var at = time.UnixMilli(1_760_000_000_678).UTC()

func form(token string) shadowdata.Form {
	f := shadowdata.Form{Timestamp: at}
	if token != "" {
		f.ClientToken = &token
	}
	return f
}

func update(t *testing.T, before shadow.Document, payload string) *shadowdata.UpdateThingShadowOutput {
	t.Helper()
	var in shadowdata.UpdateThingShadowInput
	if err := shadowdata.DecodeUpdate([]byte(payload), &in); err != nil {
		t.Fatal(err)
	}
	after, err := before.Apply(in.Update, at)
	if err != nil {
		t.Fatal(err)
	}
	return &shadowdata.UpdateThingShadowOutput{Request: in.Update, Previous: before, Current: after}
}

func same(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	if string(got) != want {
		t.Errorf("%s is\n%s\nwant\n%s", what, got, want)
	}
}

func TestTheMessagesOfAShadow(t *testing.T) {
	first := update(t, shadow.Document{}, `{"state":{"reported":{"ok":true,"n":1.50}}}`)
	second := update(t, first.Current, `{"state":{"desired":{"n":2,"list":["a",{"b":"\u00e9"}]},"reported":{"ok":null}}}`)
	same(t, "the first documents", shadowdata.AppendDocuments(nil, first, form("")),
		`{"previous":{"state":{},"metadata":{},"version":0},`+
			`"current":{"state":{"reported":{"n":1.50,"ok":true}},"metadata":{"reported":{"n":{"timestamp":1760000000},"ok":{"timestamp":1760000000}}},"version":1},"timestamp":1760000000}`)
	same(t, "accepted", shadowdata.AppendAccepted(nil, second, form("t1")),
		`{"state":{"desired":{"list":["a",{"b":"é"}],"n":2},"reported":{"ok":null}},`+
			`"metadata":{"desired":{"list":[{"timestamp":1760000000},{"b":{"timestamp":1760000000}}],"n":{"timestamp":1760000000}}},"version":2,"timestamp":1760000000,"clientToken":"t1"}`)
	same(t, "delta", shadowdata.AppendDelta(nil, second.Current, form("")),
		`{"version":2,"state":{"list":["a",{"b":"é"}],"n":2},`+
			`"metadata":{"list":[{"timestamp":1760000000},{"b":{"timestamp":1760000000}}],"n":{"timestamp":1760000000}},"timestamp":1760000000}`)
	same(t, "the document", shadowdata.AppendDocument(nil, second.Current, form("")),
		`{"state":{"desired":{"list":["a",{"b":"é"}],"n":2},"reported":{"n":1.50},"delta":{"list":["a",{"b":"é"}],"n":2}},`+
			`"metadata":{"desired":{"list":[{"timestamp":1760000000},{"b":{"timestamp":1760000000}}],"n":{"timestamp":1760000000}},"reported":{"n":{"timestamp":1760000000}}},"version":2,"timestamp":1760000000}`)
	same(t, "accepted of a section that goes", shadowdata.AppendAccepted(nil, update(t, second.Current, `{"state":{"desired":null}}`), form("")),
		`{"state":{"desired":null},"metadata":{},"version":3,"timestamp":1760000000}`)
	same(t, "deleted", shadowdata.AppendDeleted(nil, second.Current, form("t2")), `{"version":2,"timestamp":1760000000,"clientToken":"t2"}`)
	same(t, "rejected", shadowdata.AppendRejected(nil, job.Errorf(job.NotFound, "No shadow exists with name: 'pump'"), form("t3")),
		`{"code":404,"message":"No shadow exists with name: 'pump'","timestamp":1760000000,"clientToken":"t3"}`)
}

func TestRefusalsHaveTheWordsOfAWS(t *testing.T) {
	for payload, want := range map[string]string{
		``:                                   "Invalid JSON",
		`{`:                                  "Invalid JSON",
		`[]`:                                 "Invalid JSON",
		`{"state":{}} x`:                     "Invalid JSON",
		`{"state":{},"state":{}}`:            "Invalid JSON",
		"{\"state\":{\"desired\":\"\xff\"}}": "Invalid JSON",
		`{}`:                                 "Missing required node: state",
		`{"state":null}`:                     "State node must be an object",
		`{"state":[]}`:                       "State node must be an object",
		`{"state":{"desired":1}}`:            "Desired node must be an object",
		`{"state":{"reported":"x"}}`:         "Reported node must be an object",
		`{"state":{"wanted":{}}}`:            "State contains an invalid node: 'wanted'",
		`{"state":{},"version":"1"}`:         "Invalid version",
		`{"state":{},"version":1.5}`:         "Invalid version",
		`{"state":{},"clientToken":1}`:       "Invalid clientToken",
		`{"state":{},"clientToken":"` + strings.Repeat("x", 65) + `"}`: "Invalid clientToken",
		strings.Repeat(`{"state":`, 200):                               "Invalid JSON",
	} {
		var in shadowdata.UpdateThingShadowInput
		err := shadowdata.DecodeUpdate([]byte(payload), &in)
		var e *job.Error
		if !errors.As(err, &e) || e.Message != want {
			t.Errorf("%.60s: got %v, want %q", payload, err, want)
		}
	}
	for _, payload := range []string{`{"state":{"desired":null}}`, `{"state":{},"version":null,"clientToken":null,"more":[1]}`} {
		if err := shadowdata.DecodeUpdate([]byte(payload), new(shadowdata.UpdateThingShadowInput)); err != nil {
			t.Errorf("%s: %v", payload, err)
		}
	}
}

func TestATokenIsEchoedWhenTheRestIsWrong(t *testing.T) {
	var in shadowdata.UpdateThingShadowInput
	if err := shadowdata.DecodeUpdate([]byte(`{"clientToken":"t1"}`), &in); err == nil || in.ClientToken == nil || *in.ClientToken != "t1" {
		t.Errorf("%v, token %v", err, in.ClientToken)
	}
	var read shadowdata.ReadInput
	if err := shadowdata.DecodeRead(nil, &read); err != nil || read.ClientToken != nil {
		t.Errorf("an empty payload: %v", err)
	}
	if err := shadowdata.DecodeRead([]byte(`{"clientToken":"t2","x":1}`), &read); err != nil || *read.ClientToken != "t2" {
		t.Errorf("%v", err)
	}
	if err := shadowdata.DecodeRead([]byte(`x`), &read); err == nil {
		t.Error("no JSON is no error")
	}
}

// FuzzUpdate: whatever is accepted is stored and read back as it was, and its
// messages are JSON.
func FuzzUpdate(f *testing.F) {
	for _, s := range []string{
		`{"state":{"desired":{"a":1},"reported":{"a":{"timestamp":5}}},"clientToken":"t","version":0}`,
		`{"state":{"reported":{"list":[1,"x",{"timestamp":{"timestamp":1}},[]],"e":{}}}}`, `{"state":{"desired":null}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		var in shadowdata.UpdateThingShadowInput
		if shadowdata.DecodeUpdate(payload, &in) != nil {
			return
		}
		d, err := shadow.Document{}.Apply(in.Update, at)
		if err != nil {
			return
		}
		back := shadow.Document{Version: d.Version, UpdatedAt: d.UpdatedAt}
		if err := shadowdata.Unmarshal(shadowdata.Marshal(nil, d), &back); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(d, back) {
			t.Fatalf("%+v was read back as %+v", d, back)
		}
		out := &shadowdata.UpdateThingShadowOutput{Request: in.Update, Current: d}
		for _, m := range [][]byte{
			shadowdata.AppendAccepted(nil, out, form("t")), shadowdata.AppendDocuments(nil, out, form("")),
			shadowdata.AppendDelta(nil, d, form("")), shadowdata.AppendDocument(nil, d, form("")),
		} {
			if !json.Valid(m) {
				t.Fatalf("%s is no JSON", m)
			}
		}
	})
}

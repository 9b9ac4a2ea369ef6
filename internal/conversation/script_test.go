package conversation

import (
	"slices"
	"strings"
	"testing"
)

const head = "A title\n\nrows: 1-a\n"

func TestAMistakeInAFileNamesFileLineAndStep(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"no rows":                   {"A title\n-- silence --\n", "no `rows:` header"},
		"no title":                  {"\nrows: a\n-- silence --\n", "no title"},
		"no step":                   {head, "no step"},
		"unknown header":            {head + "speed: 9\n-- silence --\n", `line 4: unknown header "speed"`},
		"unknown protocol":          {head + "over: coap\n-- silence --\n", "line 4: over: coap"},
		"unknown verb":              {head + "-- silence --\n-- dance --\n", `x.txtar:5: step "dance": unknown verb`},
		"unknown option":            {head + "over: mqtt\n-- subscribe a t qoss=1 --\n", `x.txtar:5: step "subscribe a t qoss=1": unknown option "qoss"`},
		"too few arguments":         {head + "-- device get --\n", "device has 1 arguments, want 2 to 3"},
		"too many arguments":        {head + "-- silence please --\n", "silence has 1 arguments, want 0 to 0"},
		"a body too many":           {head + "-- silence --\n{}\n", "silence has no body"},
		"order where there is none": {head + "-- rejected InvalidJson in order --\n", "rejected is never `in order`"},
		"an MQTT step over HTTP":    {head + "-- connect a --\n", "connect is for MQTT"},
		"a bad quotation":           {head + "-- device get a quoted --\n\"\\q\"\n", "quoted body"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("x", []byte(c.file))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "x.txtar") {
				t.Errorf("got %v, want it to name x.txtar and say %q", err, c.want)
			}
		})
	}
}

func TestAFileIsReadAsItIsWritten(t *testing.T) {
	c, err := Parse("x", []byte("A title\n\nSome prose.\n\nrows: 1-a 1-b\nrows: 2-c\nserver: --pending-limit=2\n"+
		"-- thing {{t*3}} --\n-- http: request GET /things/a/jobs/b?executionNumber=1 signed=iot --\n-- http: answer 200 in order --\n{\n}\n"+
		"-- mqtt: publish a b quoted retain --\n\"\\xff{{x*2}}\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Title != "A title" || !slices.Equal(c.Rows, []string{"1-a", "1-b", "2-c"}) || !slices.Equal(c.Over, []Protocol{MQTT, HTTP}) ||
		!slices.Equal(c.Server, []string{"--pending-limit=2"}) {
		t.Errorf("header: %+v", c)
	}
	thing, request, answer, publish := c.Steps[0], c.Steps[1], c.Steps[2], c.Steps[3]
	if thing.Args[0] != "ttt" || thing.Line != 8 {
		t.Errorf("thing: %+v", thing)
	}
	if request.Only != HTTP || request.Options["signed"] != "iot" || request.Args[1] != "/things/a/jobs/b?executionNumber=1" {
		t.Errorf("request: %+v", request)
	}
	if !answer.InOrder || answer.Body != "{\n}" || answer.Line != 10 {
		t.Errorf("answer: %+v", answer)
	}
	if publish.Body != "\xffxx" || !publish.flag("retain") || publish.Line != 13 {
		t.Errorf("publish: %+v", publish)
	}
	if got := series("j{9..11}"); !slices.Equal(got, []string{"j9", "j10", "j11"}) {
		t.Errorf("series: %q", got)
	}
}

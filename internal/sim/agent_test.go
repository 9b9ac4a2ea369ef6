package sim

import (
	"strconv"
	"testing"
	"time"
)

func TestAnAnswerThatIsNotOursIsIgnored(t *testing.T) {
	a := newAgent("pump-7", behaviour{steps: 3, stepDelay: time.Second})
	a.connected() // asks with token 1
	execution := `"execution":{"jobId":"fw","status":"QUEUED","versionNumber":1,"executionNumber":1}`
	for name, m := range map[string][2]string{
		"another thing's topic":    {"$aws/things/pump-70/jobs/$next/get/accepted", `{"clientToken":"1",` + execution + `}`},
		"another request's answer": {"$aws/things/pump-7/jobs/$next/get/accepted", `{"clientToken":"9",` + execution + `}`},
		"no token":                 {"$aws/things/pump-7/jobs/$next/get/accepted", `{` + execution + `}`},
		"no Jobs topic":            {"chat", `{"clientToken":"1"}`},
	} {
		if r, answered := a.message(m[0], []byte(m[1])); answered || r.send.topic != "" || r.wait != 0 || len(r.events) != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r, answered := a.message("$aws/things/pump-7/jobs/notify-next", []byte(`{`)); answered || len(r.events) != 1 || r.events[0].Kind != Refused {
		t.Errorf("a message that is no JSON: %+v", r)
	}
	r, answered := a.message("$aws/things/pump-7/jobs/$next/get/accepted", []byte(`{"clientToken":"1",`+execution+`}`))
	if !answered || r.send.topic != "$aws/things/pump-7/jobs/start-next" {
		t.Errorf("our own answer: %+v", r)
	}
}

func TestANotificationBeforeTheAnswerThatCausedItIsNotLost(t *testing.T) {
	a := newAgent("pump-7", behaviour{steps: 1, stepDelay: time.Second})
	a.begin(execution{JobID: "fw", Version: 2, Number: 1, Details: map[string]string{"progress": "50"}})
	if r := a.due(); r.send.topic != "$aws/things/pump-7/jobs/fw/update" || a.work.sent != Succeeded {
		t.Fatalf("%+v, sent %s", r, a.work.sent)
	}
	if r := a.notified(&execution{JobID: "cfg", Number: 1}); r.send.topic != "" || len(r.events) != 0 {
		t.Fatalf("while the last report is under way: %+v", r)
	}
	if r := a.reported(); r.send.topic != "$aws/things/pump-7/jobs/start-next" {
		t.Errorf("after it: %+v", r)
	}
}

func TestAStepIsFoundAgainFromItsPercentage(t *testing.T) {
	for steps := range 30 {
		a := newAgent("x", behaviour{steps: steps})
		for done := range steps + 1 {
			text := map[string]string{"progress": strconv.Itoa(a.percent(done))}
			if got := a.stepAt(text["progress"]); got != done {
				t.Errorf("%d of %d steps are %s %%, read back as %d", done, steps, text["progress"], got)
			}
		}
		for _, odd := range []string{"", "-1", "101", "half"} {
			if a.stepAt(odd) != 0 {
				t.Errorf("%q is step %d", odd, a.stepAt(odd))
			}
		}
	}
}

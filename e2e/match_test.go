package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// placeholders stand for values that a test cannot know beforehand.
var placeholders = map[string]func(any) bool{
	"$string": func(v any) bool { s, ok := v.(string); return ok && s != "" },
	"$uuid":   stringLike(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`),
	"$hex64":  stringLike(`^[0-9a-f]{64}$`),
	"$host":   stringLike(`^[A-Za-z0-9.-]+$`), // bare: no scheme, no port
	"$pem":    stringLike(`^-----BEGIN [A-Z ]+-----\n`),
	"$arn":    stringLike(`^arn:aws:iot:us-east-1:000000000000:`),
	"$int":    stringOf(`^-?[0-9]+$`),
	// A time of the device plane is whole seconds, one of the control plane may
	// have a fraction; milliseconds are neither (device-plane.md 0, row 1).
	"$seconds": func(v any) bool { return isRecent(v) && stringOf(`^[0-9]{10}$`)(v) },
	"$time":    isRecent,
}

func stringLike(pattern string) func(any) bool {
	re := regexp.MustCompile(pattern)
	return func(v any) bool { s, ok := v.(string); return ok && re.MatchString(s) }
}

func stringOf(pattern string) func(any) bool {
	re := regexp.MustCompile(pattern)
	return func(v any) bool { n, ok := v.(json.Number); return ok && re.MatchString(n.String()) }
}

// isRecent says whether v is an epoch in seconds of the last hour, or of now by
// a clock that is a little ahead.
func isRecent(v any) bool {
	n, ok := v.(json.Number)
	if !ok {
		return false
	}
	seconds, err := n.Float64()
	age := float64(time.Now().Unix()) - seconds
	return err == nil && age > -60 && age < 3600
}

// match compares a reply with a pattern, which is JSON whose strings may be
// placeholders. Objects must have exactly the keys of the pattern, except that
// "key?" may be absent; arrays have an order.
func match(want string, got []byte) error {
	w, err := decode([]byte(want))
	if err != nil {
		return fmt.Errorf("the pattern %s: %w", want, err)
	}
	g, err := decode(got)
	if err != nil {
		return fmt.Errorf("got what is no JSON, %q: %w", got, err)
	}
	if wrong := differ("", w, g); len(wrong) > 0 {
		return fmt.Errorf("%s\n got  %s\n want %s", strings.Join(wrong, "\n"), bytes.TrimSpace(got), want)
	}
	return nil
}

func decode(text []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

func differ(path string, want, got any) (wrong []string) {
	say := func() []string { return []string{fmt.Sprintf("%s: got %v, want %v", path, got, want)} }
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return say()
		}
		for key, value := range w {
			name, optional := strings.CutSuffix(key, "?")
			if member, there := g[name]; there {
				wrong = append(wrong, differ(path+"/"+name, value, member)...)
			} else if !optional {
				wrong = append(wrong, path+"/"+name+" is missing")
			}
		}
		for key := range g {
			if _, ok := w[key]; !ok && w[key+"?"] == nil {
				wrong = append(wrong, path+"/"+key+" is not expected")
			}
		}
		slices.Sort(wrong)
		return wrong
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return say()
		}
		for i := range w {
			wrong = append(wrong, differ(fmt.Sprintf("%s/%d", path, i), w[i], g[i])...)
		}
		return wrong
	case string:
		if accepts, is := placeholders[w]; is {
			if !accepts(got) {
				return say()
			}
			return nil
		}
	}
	if want != got {
		return say()
	}
	return nil
}

func TestMatchSeesWhatDiffers(t *testing.T) {
	now := time.Now().Unix()
	for _, row := range []struct {
		name, want, got string
		ok              bool
	}{
		{"equal", `{"a":[1,"x"],"b":{"c":true}}`, `{"b":{"c":true},"a":[1,"x"]}`, true},
		{"another value", `{"a":1}`, `{"a":2}`, false},
		{"a number is no string", `{"a":1}`, `{"a":"1"}`, false},
		{"a key more", `{"a":1}`, `{"a":1,"b":2}`, false},
		{"a key less", `{"a":1,"b":2}`, `{"a":1}`, false},
		{"an optional key", `{"a":1,"b?":2}`, `{"a":1}`, true},
		{"an optional key with another value", `{"a":1,"b?":2}`, `{"a":1,"b":3}`, false},
		{"an element more", `[1]`, `[1,2]`, false},
		{"seconds", `"$seconds"`, fmt.Sprint(now), true},
		{"seconds with a fraction are not whole", `"$seconds"`, fmt.Sprint(now) + ".5", false},
		{"a time with a fraction", `"$time"`, fmt.Sprint(now) + ".5", true},
		{"milliseconds", `"$time"`, fmt.Sprint(now * 1000), false},
		{"a time long ago", `"$time"`, "1", false},
		{"no JSON", `{}`, `oops`, false},
	} {
		if err := match(row.want, []byte(row.got)); (err == nil) != row.ok {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

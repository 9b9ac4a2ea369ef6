package conversation

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/txtar"
)

// Protocol is what a conversation runs over.
type Protocol string

// The two protocols of the device plane.
const (
	MQTT Protocol = "mqtt"
	HTTP Protocol = "http"
)

// Conversation is one file, read and checked.
type Conversation struct {
	Name   string   // the file's name without its extension
	Title  string   // the first line
	Rows   []string // ids of testdata/rows.tsv
	Over   []Protocol
	Server []string // flags
	Steps  []Step
}

// Step is one entry of the file.
type Step struct {
	Line    int      // of the entry's header
	Only    Protocol // empty: both
	Verb    string
	Args    []string
	Options map[string]string // key=value; a bare flag has the value "true"
	InOrder bool
	Body    string // without the last line's end; placeholders expanded
}

func (s Step) String() string { return strings.Join(append([]string{s.Verb}, s.Args...), " ") }

func (s Step) flag(name string) bool { return s.Options[name] == "true" }

// number is the option as a number, def where it is not given.
func (s Step) number(name string, def int) (int, error) {
	v, ok := s.Options[name]
	if !ok {
		return def, nil
	}
	n, err := strconv.ParseInt(v, 0, 32)
	if err != nil {
		return 0, fmt.Errorf("%s=%s: want a number", name, v)
	}
	return int(n), nil
}

// shape is what a verb may be followed by.
type shape struct {
	min, max int // arguments; max < 0: any number
	options  string
	body     bool // a body is allowed
	ordered  bool // `in order` is allowed
}

var shapes = map[string]shape{
	"thing":       {min: 1, max: -1},
	"job":         {min: 2, max: -1, options: "timeout namespace", body: true},
	"operator":    {min: 2, max: 2, body: true},
	"request":     {min: 2, max: 2, options: "signed host", body: true},
	"answer":      {min: 1, max: 2, body: true, ordered: true},
	"gone":        {min: 1, max: 1},
	"clock":       {min: 1, max: 1},
	"restart":     {},
	"break":       {min: 1, max: 1},
	"mend":        {min: 1, max: 1},
	"device":      {min: 2, max: 3, options: "quoted", body: true},
	"accepted":    {body: true, ordered: true},
	"rejected":    {min: 1, max: 1, body: true},
	"notify":      {min: 1, max: 1, options: "namespace", body: true, ordered: true},
	"notify-next": {min: 1, max: 1, body: true, ordered: true},
	"silence":     {},
	"forget":      {min: 1, max: 1},
	"connect":     {min: 1, max: 1, options: "as v5 persistent expiry keepalive session refused will will-qos will-retain", body: true},
	"connack":     {min: 1, max: 1, body: true},
	"subscribe":   {min: 2, max: -1, options: "qos granted subscription-id unanswered"},
	"unsubscribe": {min: 2, max: -1},
	"publish":     {min: 2, max: 2, options: "qos retain reason unanswered quoted response-topic correlation", body: true},
	"receive":     {min: 2, max: 2, options: "qos retain", body: true, ordered: true},
	"nothing":     {min: 1, max: 1},
	"ping":        {min: 1, max: 1},
	"auth":        {min: 1, max: 1},
	"disconnect":  {min: 1, max: 1, options: "with-will"},
	"drop":        {min: 1, max: 1},
	"closed":      {min: 1, max: 1, options: "reason"},
}

// flags are the options without a value.
var flags = []string{"v5", "persistent", "will-retain", "retain", "unanswered", "quoted", "with-will"}

// mqttOnly are the verbs that make no sense in a run over HTTPS.
var mqttOnly = []string{"connect", "connack", "subscribe", "unsubscribe", "publish", "receive", "nothing", "ping", "auth", "disconnect", "drop", "closed"}

// Load reads every conversation of a folder.
func Load(dir string) ([]Conversation, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: no conversation (*.txtar)", dir)
	}
	var all []Conversation
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		c, err := Parse(strings.TrimSuffix(filepath.Base(f), ".txtar"), data)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// Parse reads one conversation. An error names file, line and step.
func Parse(name string, data []byte) (Conversation, error) {
	c := Conversation{Name: name}
	a := txtar.Parse(data)
	if err := c.header(string(a.Comment)); err != nil {
		return c, fmt.Errorf("%s.txtar: %w", name, err)
	}
	line := 1 + strings.Count(string(a.Comment), "\n")
	for _, f := range a.Files {
		s, err := parseStep(f.Name, string(f.Data))
		if err != nil {
			return c, fmt.Errorf("%s.txtar:%d: step %q: %w", name, line, f.Name, err)
		}
		if s.Only != MQTT && slices.Contains(mqttOnly, s.Verb) && slices.Contains(c.Over, HTTP) {
			return c, fmt.Errorf("%s.txtar:%d: step %q: %s is for MQTT: begin it with `mqtt:` or say `over: mqtt`", name, line, f.Name, s.Verb)
		}
		s.Line = line
		c.Steps = append(c.Steps, s)
		line += 1 + strings.Count(string(f.Data), "\n")
	}
	if len(c.Steps) == 0 {
		return c, fmt.Errorf("%s.txtar: no step", name)
	}
	return c, nil
}

func (c *Conversation) header(comment string) error {
	lines := strings.Split(comment, "\n")
	c.Title = strings.TrimSpace(lines[0])
	if c.Title == "" {
		return fmt.Errorf("line 1: no title")
	}
	for i, l := range lines[1:] {
		key, value, ok := strings.Cut(l, ": ")
		if !ok || strings.Contains(key, " ") {
			continue
		}
		words := strings.Fields(value)
		switch key {
		case "rows":
			c.Rows = append(c.Rows, words...)
		case "server":
			c.Server = append(c.Server, words...)
		case "over":
			for _, w := range words {
				if p := Protocol(w); p != MQTT && p != HTTP {
					return fmt.Errorf("line %d: over: %s: want mqtt or http", i+2, w)
				}
				c.Over = append(c.Over, Protocol(w))
			}
		default:
			return fmt.Errorf("line %d: unknown header %q: want rows, over or server", i+2, key)
		}
	}
	if len(c.Rows) == 0 {
		return fmt.Errorf("no `rows:` header: which rows of testdata/rows.tsv does it show?")
	}
	if c.Over == nil {
		c.Over = []Protocol{MQTT, HTTP}
	}
	return nil
}

func parseStep(header, body string) (Step, error) {
	s := Step{Options: map[string]string{}}
	words := strings.Fields(expand(header))
	if len(words) > 0 && (words[0] == "mqtt:" || words[0] == "http:") {
		s.Only = Protocol(strings.TrimSuffix(words[0], ":"))
		words = words[1:]
	}
	if len(words) == 0 {
		return s, fmt.Errorf("no verb")
	}
	s.Verb = words[0]
	sh, ok := shapes[s.Verb]
	if !ok {
		return s, fmt.Errorf("unknown verb %q", s.Verb)
	}
	words = words[1:]
	if n := len(words); n >= 2 && words[n-2] == "in" && words[n-1] == "order" {
		if !sh.ordered {
			return s, fmt.Errorf("%s is never `in order`", s.Verb)
		}
		s.InOrder, words = true, words[:n-2]
	}
	options := strings.Fields(sh.options)
	for _, w := range words {
		key, value, isPair := strings.Cut(w, "=")
		switch {
		case isPair && slices.Contains(options, key) && !slices.Contains(flags, key):
			s.Options[key] = value
		case slices.Contains(flags, w) && slices.Contains(options, w):
			s.Options[w] = "true"
		case isPair && !strings.ContainsAny(key, "/?"):
			return s, fmt.Errorf("unknown option %q: %s takes %q", key, s.Verb, sh.options)
		default:
			s.Args = append(s.Args, w)
		}
	}
	if len(s.Args) < sh.min || sh.max >= 0 && len(s.Args) > sh.max {
		return s, fmt.Errorf("%s has %d arguments, want %d to %d", s.Verb, len(s.Args), sh.min, sh.max)
	}
	if body != "" && !sh.body {
		return s, fmt.Errorf("%s has no body", s.Verb)
	}
	s.Body = expand(strings.TrimSuffix(body, "\n"))
	if s.flag("quoted") {
		text, err := strconv.Unquote(s.Body)
		if err != nil {
			return s, fmt.Errorf("quoted body: %w", err)
		}
		s.Body = text
	}
	return s, nil
}

var repeat = regexp.MustCompile(`\{\{(.)\*(\d+)\}\}`)

// expand replaces {{x*12}} by twelve x.
func expand(s string) string {
	return repeat.ReplaceAllStringFunc(s, func(m string) string {
		p := repeat.FindStringSubmatch(m)
		n, _ := strconv.Atoi(p[2]) // digits, by the expression
		return strings.Repeat(p[1], n)
	})
}

var span = regexp.MustCompile(`^(.*)\{(\d+)\.\.(\d+)\}$`)

// series gives the names that `j{1..3}` stands for.
func series(name string) []string {
	p := span.FindStringSubmatch(name)
	if p == nil {
		return []string{name}
	}
	from, _ := strconv.Atoi(p[2])
	to, _ := strconv.Atoi(p[3])
	var names []string
	for i := from; i <= to; i++ {
		names = append(names, p[1]+strconv.Itoa(i))
	}
	return names
}

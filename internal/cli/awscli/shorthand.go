package awscli

import (
	"regexp"
	"strings"

	"github.com/drover-iot/drover/internal/cli/awscli/py"
)

// syntaxError is what is wrong with a text in shorthand, and where.
type syntaxError struct {
	message string
	hint    string
	text    string
	at      int // in runes
}

func (e *syntaxError) Error() string { return e.message + " for input:\n" + e.place() + e.hint }

// place shows the text with a mark below the place.
func (e *syntaxError) place() string {
	runes := []rune(e.text)
	before, after := string(runes[:e.at]), string(runes[e.at:])
	column := len([]rune(before[strings.LastIndexByte(before, '\n')+1:]))
	rest := ""
	if i := strings.IndexByte(after, '\n'); i >= 0 {
		after, rest = after[:i], after[i:]
	}
	return before + after + "\n" + strings.Repeat(" ", column) + "^" + rest
}

// What a value may begin with, and go on with: the first of a key, and a later one
// of a list, which ends where the next key begins.
const (
	startOfValue   = `!#-&(-+\--<>-Z\\-z|-\x{ffff}`
	restOfFirst    = `\s\v\x1c-\x1f!#-&(-+\--\\^-|~-\x{ffff}`
	restOfSecond   = `\s\v\x1c-\x1f!#-&(-+\--<>-\x{ffff}`
	blanks         = " \t\n\r\v\f"
	keyPunctuation = "-_.#/:"
)

var (
	firstValue   = regexp.MustCompile(`^(?:\\,|[` + startOfValue + `])(?:\\,|[` + restOfFirst + `])*`)
	secondValue  = regexp.MustCompile(`^(?:\\,|[` + startOfValue + `])(?:\\,|[` + restOfSecond + `])*`)
	singleQuoted = regexp.MustCompile(`^'(?:\\'|[^'])*'`)
	doubleQuoted = regexp.MustCompile(`^"(?:\\"|[^"])*"`)
)

// shorthand reads a text like a=b,c=[d,e],f={g=h}.
type shorthand struct {
	text []rune
	i    int
	file func(string) (any, bool, error) // the content, where a value names a file
	load bool                            // the key was written k@=, so files are read
}

// parseShorthand gives the map that a text stands for. Errors are *syntaxError, or
// file's.
func parseShorthand(text string, file func(string) (any, bool, error)) (*py.Dict, error) {
	p := &shorthand{text: []rune(text), file: file}
	d := &py.Dict{}
	for last := -1; ; {
		key, value, err := p.pair(p.values)
		if err != nil {
			return nil, err
		}
		if _, known := d.Get(key); known {
			return nil, &syntaxError{
				`Second instance of key "` + key + `" encountered`,
				"\nThis is often because there is a preceding \",\" instead of a space.", text, last + 1,
			}
		}
		d.Set(key, value)
		if last = p.i; p.end() {
			return d, nil
		}
		if err := p.expect(','); err != nil {
			return nil, err
		}
	}
}

func (p *shorthand) end() bool { return p.i >= len(p.text) }

// now is the character at hand, 0 at the end.
func (p *shorthand) now() rune {
	if p.end() {
		return 0
	}
	return p.text[p.i]
}

func (p *shorthand) wrong(expected, received string) error {
	return &syntaxError{"Expected: '" + expected + "', received: '" + received + "'", "", string(p.text), p.i}
}

func (p *shorthand) skip() {
	for !p.end() && strings.ContainsRune(blanks, p.now()) {
		p.i++
	}
}

// bare takes one character.
func (p *shorthand) bare(r rune) error {
	if p.end() {
		return p.wrong(string(r), "EOF")
	}
	if p.now() != r {
		return p.wrong(string(r), string(p.now()))
	}
	p.i++
	return nil
}

// expect takes one character and the space around it.
func (p *shorthand) expect(r rune) error {
	p.skip()
	err := p.bare(r)
	if err == nil {
		p.skip()
	}
	return err
}

// pair reads key=value or key@=value.
func (p *shorthand) pair(value func() (any, error)) (key string, v any, err error) {
	start := p.i
	for !p.end() && isKey(p.now()) {
		p.i++
	}
	key = string(p.text[start:p.i])
	p.load = p.expect('@') == nil
	if err = p.expect('='); err == nil {
		v, err = value()
	}
	return key, v, err
}

func isKey(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(keyPunctuation, r)
}

func (p *shorthand) values() (any, error) {
	switch p.now() {
	case '[', '{':
		return p.nested()
	}
	if p.end() {
		return "", nil
	}
	return p.csv()
}

// csv reads a value, or several between commas. What looks like the next key ends
// them.
func (p *shorthand) csv() (any, error) {
	first, err := p.first()
	if err != nil {
		return nil, err
	}
	p.skip()
	if p.end() || p.now() != ',' {
		return first, nil
	}
	if err := p.expect(','); err != nil {
		return nil, err
	}
	list := []any{first}
	for {
		v, done, err := p.another()
		if err != nil {
			if _, syntax := err.(*syntaxError); !syntax || p.end() {
				return nil, err
			}
			for p.i >= 0 && p.text[p.i] != ',' {
				p.i--
			}
			break
		}
		list = append(list, v)
		if done {
			break
		}
	}
	if len(list) == 1 {
		return first, nil
	}
	return list, nil
}

// another reads a further value of a list; done at the end of the text.
func (p *shorthand) another() (v any, done bool, err error) {
	switch p.now() {
	case '\'', '"':
		v, err = p.quoted()
	default:
		v, err = p.match(secondValue, "second")
	}
	if err != nil {
		return nil, false, err
	}
	p.skip()
	if p.end() {
		return v, true, nil
	}
	return v, false, p.expect(',')
}

func (p *shorthand) first() (any, error) {
	switch p.now() {
	case '\'', '"':
		return p.quoted()
	}
	if firstValue.FindString(string(p.text[p.i:])) == "" {
		return "", nil
	}
	return p.match(firstValue, "first")
}

// match takes what an expression matches; an escaped comma becomes one.
func (p *shorthand) match(re *regexp.Regexp, name string) (any, error) {
	m := re.FindString(string(p.text[p.i:]))
	if m == "" {
		return nil, p.wrong("<"+name+">", "<none>")
	}
	p.i += len([]rune(m))
	return p.resolve(strings.TrimRight(strings.ReplaceAll(m, `\,`, ","), blanks+"\x1c\x1d\x1e\x1f\u0085\u00a0"))
}

func (p *shorthand) quoted() (any, error) {
	re, name := singleQuoted, "singled quoted"
	if p.now() == '"' {
		re, name = doubleQuoted, "double quoted"
	}
	m := re.FindString(string(p.text[p.i:]))
	if m == "" {
		return nil, p.wrong("<"+name+">", "<none>")
	}
	p.i += len([]rune(m))
	q := m[:1]
	return p.resolve(strings.ReplaceAll(strings.ReplaceAll(m[1:len(m)-1], `\`+q, q), `\\`, `\`))
}

// resolve reads the file that a value names, if its key asked for that.
func (p *shorthand) resolve(s string) (any, error) {
	if p.load {
		if v, is, err := p.file(s); is || err != nil {
			return v, err
		}
	}
	return s, nil
}

// nested reads [a,b] or {k=v,k2=v2}, whose values may be such again.
func (p *shorthand) nested() (any, error) {
	open, list, dict := p.now(), []any{}, &py.Dict{}
	closing := map[rune]rune{'[': ']', '{': '}'}[open]
	if err := p.expect(open); err != nil {
		return nil, err
	}
	for p.end() || p.now() != closing {
		if open == '[' {
			v, err := p.inner()
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		} else {
			k, v, err := p.pair(p.inner)
			if err != nil {
				return nil, err
			}
			dict.Set(k, v)
		}
		p.skip()
		if p.end() || p.now() != closing {
			if err := p.bare(','); err != nil {
				return nil, err
			}
			p.skip()
		}
	}
	p.i++
	if open == '[' {
		return list, nil
	}
	return dict, nil
}

func (p *shorthand) inner() (any, error) {
	switch p.now() {
	case '[', '{':
		return p.nested()
	}
	return p.first()
}

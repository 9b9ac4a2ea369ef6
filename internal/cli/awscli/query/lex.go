package query

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/drover-iot/drover/internal/cli/awscli/py"
)

// A kind of token has the name by which messages call it.
type kind string

const (
	eof        kind = "eof"
	bare       kind = "unquoted_identifier"
	quoted     kind = "quoted_identifier"
	literal    kind = "literal"
	number     kind = "number"
	flatten    kind = "flatten"
	filter     kind = "filter"
	lbracket   kind = "lbracket"
	rbracket   kind = "rbracket"
	lbrace     kind = "lbrace"
	rbrace     kind = "rbrace"
	lparen     kind = "lparen"
	rparen     kind = "rparen"
	dot        kind = "dot"
	star       kind = "star"
	comma      kind = "comma"
	colon      kind = "colon"
	current    kind = "current"
	pipe       kind = "pipe"
	or         kind = "or"
	and        kind = "and"
	expref     kind = "expref"
	not        kind = "not"
	equal      kind = "eq"
	notEqual   kind = "ne"
	less       kind = "lt"
	lessEqual  kind = "lte"
	more       kind = "gt"
	moreEquals kind = "gte"
)

// token is one token; value is what it stands for, at is where it begins.
type token struct {
	kind  kind
	value any
	at    int
}

// lexError points at a place of the expression that is no token.
func lexError(text []rune, at int, message string) error {
	return py.Error("Bad jmespath expression: " + message + ":\n" + string(text) + "\n" + strings.Repeat(" ", at) + "^")
}

// operators, the longer before those that begin them.
var operators = []struct {
	text string
	kind kind
}{
	{"[]", flatten},
	{"[?", filter},
	{"||", or},
	{"&&", and},
	{"<=", lessEqual},
	{">=", moreEquals},
	{"!=", notEqual},
	{"==", equal},
	{"[", lbracket},
	{"|", pipe},
	{"&", expref},
	{"<", less},
	{">", more},
	{"!", not},
	{".", dot},
	{"*", star},
	{"]", rbracket},
	{",", comma},
	{":", colon},
	{"@", current},
	{"(", lparen},
	{")", rparen},
	{"{", lbrace},
	{"}", rbrace},
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' }
func isDigit(r rune) bool  { return r >= '0' && r <= '9' }

// lex gives the tokens of an expression; the last is eof.
func lex(expression string) (tokens []token, err error) {
	text := []rune(expression)
	for i := 0; i < len(text); {
		t, end, err := next(text, i)
		if err != nil {
			return nil, err
		}
		if t.kind != "" {
			tokens = append(tokens, t)
		}
		i = end
	}
	return append(tokens, token{kind: eof, value: "", at: len(text)}), nil
}

// next reads the token at i; one without a kind is space.
func next(text []rune, i int) (t token, end int, err error) {
	switch r := text[i]; {
	case strings.ContainsRune(" \t\n\r", r):
		return token{}, i + 1, nil
	case isLetter(r):
		for end = i; end < len(text) && (isLetter(text[end]) || isDigit(text[end])); end++ {
		}
		return token{bare, string(text[i:end]), i}, end, nil
	case isDigit(r) || r == '-':
		for end = i + 1; end < len(text) && isDigit(text[end]); end++ {
		}
		n, ok := new(big.Int).SetString(string(text[i:end]), 10)
		if !ok {
			return t, 0, lexError(text, i, "Unknown token '-'")
		}
		return token{number, n, i}, end, nil
	case r == '\'' || r == '`' || r == '"':
		return delimited(text, i)
	}
	rest := string(text[i:min(i+2, len(text))])
	for _, o := range operators {
		if strings.HasPrefix(rest, o.text) {
			return token{o.kind, o.text, i}, i + len(o.text), nil
		}
	}
	if text[i] == '=' {
		return t, 0, lexError(text, i, "Unknown token '='")
	}
	return t, 0, lexError(text, i, "Unknown token "+string(text[i]))
}

// delimited reads a raw string, a literal or a quoted name: up to the delimiter
// that no backslash precedes.
func delimited(text []rune, i int) (t token, end int, err error) {
	delimiter := text[i]
	for end = i + 1; end < len(text) && text[end] != delimiter; end++ {
		if text[end] == '\\' {
			end++
		}
	}
	if end >= len(text) {
		return t, 0, lexError(text, i, fmt.Sprintf("Unclosed %c delimiter", delimiter))
	}
	inner := string(text[i+1 : end])
	end++
	switch delimiter {
	case '\'':
		return token{literal, strings.ReplaceAll(inner, `\'`, `'`), i}, end, nil
	case '"':
		v, err := py.DecodeJSON(`"`+inner+`"`, false)
		if err != nil {
			message, _, _ := strings.Cut(err.Error(), ":")
			return t, 0, lexError(text, i, message)
		}
		return token{quoted, v, i}, end, nil
	}
	inner = strings.ReplaceAll(inner, "\\`", "`")
	v, err := py.DecodeJSON(inner, false)
	if err != nil { // a bare word is taken for a string
		v, err = py.DecodeJSON(`"`+strings.TrimLeft(inner, " \t\n\r\v\f")+`"`, false)
	}
	if err != nil {
		return t, 0, lexError(text, i, "Bad token "+inner)
	}
	return token{literal, v, i}, end, nil
}

package query

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/drover-iot/drover/internal/cli/awscli/py"
)

// Expression is a JMESPath expression, ready to be evaluated.
type Expression struct{ root node }

// Compile reads an expression. The message of an error is the AWS CLI's.
func Compile(text string) (*Expression, error) {
	if text == "" {
		return nil, py.Error("Invalid JMESPath expression: cannot be empty.")
	}
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &parser{text: text, tokens: tokens}
	root, err := p.whole()
	if err != nil {
		return nil, err
	}
	return &Expression{root}, nil
}

// Search evaluates the expression for a value.
func (e *Expression) Search(v any) (any, error) {
	v, err := e.root.eval(v)
	if err == nil && hasExpref(v) {
		err = py.Error("Encountered unrecognized type in JSON encoder.")
	}
	return v, err
}

// hasExpref: an expression that was not given to a function is no value.
func hasExpref(v any) bool {
	switch x := v.(type) {
	case exprefNode:
		return true
	case []any:
		return slices.ContainsFunc(x, hasExpref)
	case *py.Dict:
		return slices.ContainsFunc(values(x), hasExpref)
	}
	return false
}

// power is how strongly a token binds what stands before it.
var power = map[kind]int{
	pipe: 1, or: 2, and: 3,
	equal: 5, notEqual: 5, less: 5, lessEqual: 5, more: 5, moreEquals: 5,
	flatten: 9, star: 20, filter: 21, dot: 40, not: 45, lbrace: 50, lbracket: 55, lparen: 60,
}

// stopsProjection: tokens that bind less end what a projection does to each element.
const stopsProjection = 10

// maxNesting bounds the depth of an expression.
const maxNesting = 500

type parser struct {
	text   string
	tokens []token
	i      int
	depth  int
}

func (p *parser) peek() token { return p.tokens[p.i] }

func (p *parser) after(n int) kind {
	if p.i+n < len(p.tokens) {
		return p.tokens[p.i+n].kind
	}
	return eof
}

func (p *parser) advance() token {
	t := p.tokens[p.i]
	if p.i < len(p.tokens)-1 {
		p.i++
	}
	return t
}

// wrong is an error at a token.
func (p *parser) wrong(t token, message string) error { return p.wrongAt(t, t.at, message) }

func (p *parser) wrongAt(t token, at int, message string) error {
	return py.Error(fmt.Sprintf("%s: Parse error at column %d, token %q (%s), for expression:\n\"%s\"\n%s^",
		message, at, bareText(t.value), strings.ToUpper(string(t.kind)), p.text, strings.Repeat(" ", at+1)))
}

// bareText is a token as it is quoted in a message; %q adds nothing to it, for the
// quotes there are plain ones.
type plain string

// Format implements fmt.Formatter: the text between quotes, nothing escaped.
func (s plain) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "\"%s\"", string(s)) }

func bareText(v any) plain { return plain(py.Str(v)) }

func (p *parser) incomplete() error {
	return py.Error("Invalid jmespath expression: Incomplete expression:\n\"" + p.text + "\"\n" + strings.Repeat(" ", len([]rune(p.text))+1) + "^")
}

// expect takes a token of one of these kinds, which messages call name.
func (p *parser) expect(name string, kinds ...kind) (token, error) {
	t := p.peek()
	for _, k := range kinds {
		if t.kind == k {
			return p.advance(), nil
		}
	}
	if t.kind == eof {
		return t, p.incomplete()
	}
	return t, p.wrong(t, "Expecting: "+name+", got: "+string(t.kind))
}

func (p *parser) whole() (node, error) {
	n, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != eof {
		return nil, p.wrong(t, "Unexpected token: "+py.Str(t.value))
	}
	return n, nil
}

// expression reads what binds more than least.
func (p *parser) expression(least int) (node, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, p.wrong(p.peek(), "nested too deep")
	}
	defer func() { p.depth-- }()
	left, err := p.prefix(p.advance())
	for err == nil && least < power[p.peek().kind] {
		left, err = p.infix(left)
	}
	return left, err
}

// prefix reads an expression that begins with t, which was taken.
func (p *parser) prefix(t token) (node, error) {
	switch t.kind {
	case literal:
		return literalNode{t.value}, nil
	case bare:
		return fieldNode(t.value.(string)), nil
	case quoted:
		if next := p.peek(); next.kind == lparen {
			return nil, p.wrongAt(next, 0, "Quoted identifier not allowed for function names.")
		}
		return fieldNode(t.value.(string)), nil
	case current:
		return selfNode{}, nil
	case star:
		if p.peek().kind == rbracket {
			return valuesNode{selfNode{}, selfNode{}}, nil
		}
		right, err := p.each(power[star])
		return valuesNode{selfNode{}, right}, err
	case filter:
		return p.filtered(selfNode{})
	case flatten:
		right, err := p.each(power[flatten])
		return projectNode{flattenNode{selfNode{}}, right}, err
	case lbrace:
		return p.hash()
	case lbracket:
		return p.bracket()
	case lparen:
		inner, err := p.expression(0)
		if err == nil {
			_, err = p.expect("rparen", rparen)
		}
		return inner, err
	case not:
		inner, err := p.expression(power[not])
		return notNode{inner}, err
	case expref:
		inner, err := p.expression(0)
		return exprefNode{inner}, err
	case eof:
		return nil, p.incomplete()
	}
	return nil, p.wrong(t, "invalid token")
}

// infix reads what the next token does with left.
func (p *parser) infix(left node) (node, error) {
	t := p.advance()
	switch t.kind {
	case dot:
		if p.peek().kind == star {
			p.advance()
			right, err := p.each(power[dot])
			return valuesNode{left, right}, err
		}
		right, err := p.afterDot(power[dot])
		return chainNode{left, right}, err
	case pipe:
		right, err := p.expression(power[pipe])
		return chainNode{left, right}, err
	case or, and:
		right, err := p.expression(power[t.kind])
		return logicNode{t.kind == and, left, right}, err
	case equal, notEqual, less, lessEqual, more, moreEquals:
		right, err := p.expression(power[t.kind])
		return compareNode{t.kind, left, right}, err
	case flatten:
		right, err := p.each(power[flatten])
		return projectNode{flattenNode{left}, right}, err
	case filter:
		return p.filtered(left)
	case lparen:
		return p.call(left)
	case lbracket:
		return p.subscript(left)
	}
	return nil, p.wrong(t, "invalid token")
}

// bracket reads what follows a [ that begins an expression.
func (p *parser) bracket() (node, error) {
	switch k := p.peek().kind; {
	case k == number || k == colon:
		return p.index(selfNode{})
	case k == star && p.after(1) == rbracket:
		p.advance()
		p.advance()
		right, err := p.each(power[star])
		return projectNode{selfNode{}, right}, err
	}
	return p.list()
}

// subscript reads what follows a [ behind left.
func (p *parser) subscript(left node) (node, error) {
	if k := p.peek().kind; k == number || k == colon {
		return p.index(left)
	}
	if _, err := p.expect("star", star); err != nil {
		return nil, err
	}
	if _, err := p.expect("rbracket", rbracket); err != nil {
		return nil, err
	}
	right, err := p.each(power[star])
	return projectNode{left, right}, err
}

// index reads [number] or [start:stop:step].
func (p *parser) index(left node) (node, error) {
	if p.peek().kind != colon && p.after(1) != colon {
		n := p.advance().value.(*big.Int)
		_, err := p.expect("rbracket", rbracket)
		return chainNode{left, indexNode{n}}, err
	}
	var parts [3]*big.Int
	for i := 0; p.peek().kind != rbracket; {
		switch t := p.peek(); {
		case t.kind == number:
			parts[i] = t.value.(*big.Int)
		case t.kind == colon && i < 2:
			i++
		default:
			return nil, p.wrong(t, "syntax error")
		}
		p.advance()
	}
	p.advance()
	right, err := p.each(power[star])
	return projectNode{chainNode{left, sliceNode(parts)}, right}, err
}

func (p *parser) filtered(left node) (node, error) {
	condition, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	if _, err := p.expect("rbracket", rbracket); err != nil {
		return nil, err
	}
	var right node = selfNode{}
	if p.peek().kind != flatten {
		right, err = p.each(power[filter])
	}
	return projectNode{filterNode{left, condition}, right}, err
}

func (p *parser) call(left node) (node, error) {
	name, ok := left.(fieldNode)
	if !ok {
		t := p.tokens[p.i-2]
		return nil, p.wrong(t, "Invalid function name '"+py.Str(t.value)+"'")
	}
	var arguments []node
	for p.peek().kind != rparen {
		a, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		if p.peek().kind == comma {
			p.advance()
		}
		arguments = append(arguments, a)
	}
	p.advance()
	return callNode{string(name), arguments}, nil
}

// list reads the rest of [a, b].
func (p *parser) list() (node, error) {
	var elements listNode
	for {
		e, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		elements = append(elements, e)
		if p.peek().kind == rbracket {
			p.advance()
			return elements, nil
		}
		if _, err := p.expect("comma", comma); err != nil {
			return nil, err
		}
	}
}

// hash reads the rest of {a: b, c: d}.
func (p *parser) hash() (node, error) {
	var pairs hashNode
	for {
		key, err := p.expect("['quoted_identifier', 'unquoted_identifier']", quoted, bare)
		if err != nil {
			return nil, err
		}
		if _, err := p.expect("colon", colon); err != nil {
			return nil, err
		}
		value, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, pair{key.value.(string), value})
		switch p.peek().kind {
		case comma:
			p.advance()
		case rbrace:
			p.advance()
			return pairs, nil
		}
	}
}

// each reads what a projection does to each of its elements.
func (p *parser) each(least int) (node, error) {
	t := p.peek()
	switch {
	case power[t.kind] < stopsProjection:
		return selfNode{}, nil
	case t.kind == lbracket || t.kind == filter:
		return p.expression(least)
	case t.kind == dot:
		p.advance()
		return p.afterDot(least)
	}
	return nil, p.wrong(t, "syntax error")
}

// afterDot reads what may follow a dot.
func (p *parser) afterDot(least int) (node, error) {
	switch t := p.peek(); t.kind {
	case quoted, bare, star:
		return p.expression(least)
	case lbracket:
		p.advance()
		return p.list()
	case lbrace:
		p.advance()
		return p.hash()
	default:
		return nil, p.wrong(t, "Expecting: ['quoted_identifier', 'unquoted_identifier', 'lbracket', 'lbrace'], got: "+string(t.kind))
	}
}

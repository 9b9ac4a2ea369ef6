package awscli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/drover-iot/drover/internal/cli/awscli/format"
	"github.com/drover-iot/drover/internal/cli/awscli/py"
	"github.com/drover-iot/drover/internal/cli/awscli/query"
)

// The exit codes of the AWS CLI, version 1.
const (
	exitOK          = 0
	exitUsage       = 2   // the arguments cannot be split
	exitFailed      = 255 // anything else
	exitInterrupted = 130
)

// Failure is an error of a command that is told in the AWS CLI's words.
type Failure struct {
	Message string
	Plain   bool   // without an empty line before it
	Next    string // what to do about it, in a line of its own
	Usage   bool   // after how the command is used
	Again   bool   // of the network: another attempt may succeed
}

func (f *Failure) Error() string { return f.Message }

// Globals are the options of all commands that concern the way to the service.
type Globals struct {
	Endpoint, Profile, Region, CABundle *string
	Cert, Key, CACert                   string
	NoVerify, Unsigned, Debug           bool
	ConnectTimeout, ReadTimeout         time.Duration // 0: none
}

// A Caller is the way to the service, decided in steps: what goes wrong in one
// hides what would go wrong in the next. Errors are Failures.
type Caller interface {
	// Profile finds the profile and gives what it says of the form of output.
	Profile() (output string, err error)
	// Connect decides everything but the signature, and how often to ask at most.
	Connect() (attempts int, err error)
	// Send asks once.
	Send(ctx context.Context, q Request) (Reply, error)
}

// Host is everything outside.
type Host struct {
	Program  string // our name
	Version  string
	Out, Err io.Writer
	ReadFile func(path string) ([]byte, error)
	Expand   func(path string) string // ~ and $VARIABLES
	Terminal func() (width int, is bool)
	Dial     func(Globals) Caller
	Pause    func(ctx context.Context, d time.Duration) error
	Random   func() float64 // of [0, 1)
}

// run is one command on its way.
type run struct {
	*Host
	service *Service
	op      *Operation
	globals map[string]any
	query   *query.Expression
}

// Run does what a command line says, without the program and the service, and gives
// the exit code.
func Run(ctx context.Context, h *Host, s *Service, args []string) int {
	r := &run{Host: h, service: s}
	err := r.run(ctx, args)
	var f *Failure
	var wrong *argumentError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(h.Out)
		return exitInterrupted
	case errors.As(err, &wrong):
		fmt.Fprintf(h.Err, "%s%s: error: %s\n", r.usage(), h.Program, wrong.message)
		return exitUsage
	case !errors.As(err, &f):
		f = &Failure{Message: err.Error()}
	}
	if f.Usage {
		fmt.Fprint(h.Err, r.usage())
	}
	if !f.Plain {
		fmt.Fprintln(h.Err)
	}
	fmt.Fprintln(h.Err, f.Message)
	if f.Next != "" {
		fmt.Fprintln(h.Err, "Next: "+f.Next)
	}
	return exitFailed
}

func (r *run) run(ctx context.Context, args []string) error {
	if name, asked := helpFor(args); asked {
		return r.help(name)
	}
	p := &parser{options: globals()}
	set, rest, err := p.split(args)
	if err != nil {
		return err
	}
	r.globals = set
	if set["--version"] != nil {
		fmt.Fprintln(r.Out, r.Version)
		return nil
	}
	way, err := r.checkGlobals()
	if err != nil {
		return err
	}
	if rest, err = r.chooseOperation(rest); err != nil {
		return err
	}
	return r.operation(ctx, way, rest)
}

// chooseOperation finds the operation that is named, and gives what is left.
func (r *run) chooseOperation(args []string) ([]string, error) {
	var names []string
	for i := range r.service.Operations {
		names = append(names, r.service.Operations[i].Command())
	}
	p := &parser{positional: "operation", choices: append(names, "help")}
	set, rest, err := p.split(args)
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		if set["operation"] == name {
			r.op = &r.service.Operations[i]
		}
	}
	if r.op == nil { // help with more after it
		return nil, &Failure{Message: "Unknown options: " + strings.Join(rest, ", "), Usage: true}
	}
	return rest, nil
}

// operation does one operation.
func (r *run) operation(ctx context.Context, way Globals, args []string) error {
	options := operationOptions(r.op)
	for i, a := range args { // both take the place of what else is required
		example := a == skeleton && i+1 < len(args) && args[i+1] != "output"
		if a == cliInputJSON || example || a == skeleton && i+1 == len(args) {
			for _, o := range options {
				o.require = false
			}
		}
	}
	p := &parser{options: options, positional: "help", optional: true}
	set, rest, err := p.split(args)
	if err != nil {
		return err
	}
	if extra, given := text(set, "help"); given {
		rest = append(rest, extra)
	}
	if rest != nil {
		return &Failure{Message: "Unknown options: " + strings.Join(rest, ", "), Usage: true}
	}
	params, err := r.params(set)
	if err != nil {
		return err
	}
	caller := r.Dial(way)
	form, err := caller.Profile()
	if err != nil {
		return err
	}
	if err := r.merge(params, set); err != nil {
		return err
	}
	example, _ := text(set, skeleton)
	if example == "input" {
		_, err := io.WriteString(r.Out, py.EncodeJSON(r.example(r.op.Input, false))+"\n")
		return err
	}
	attempts, err := caller.Connect()
	if err != nil {
		return err
	}
	var v *py.Dict
	if example == "output" {
		v, err = r.exampleAnswer(params)
	} else if err = validate(r.op.Input, params); err == nil {
		v, err = r.ask(ctx, caller, attempts, way.Debug, request(r.op, params))
	}
	if err != nil {
		return err
	}
	return r.print(form, v)
}

func (r *run) example(s *Shape, named bool) any { return example(s, "", named) }

// exampleAnswer is checked like an answer, and the parameters like those of a call.
func (r *run) exampleAnswer(params *py.Dict) (*py.Dict, error) {
	v := r.example(r.op.Output, true).(*py.Dict)
	if err := validate(r.op.Output, v); err != nil {
		return nil, err
	}
	return v, validate(r.op.Input, params)
}

// ask sends the request, again after what may pass: a pause of up to a second, then
// of up to two, four, …
func (r *run) ask(ctx context.Context, c Caller, attempts int, debug bool, q Request) (*py.Dict, error) {
	say := func(format string, a ...any) {
		if debug {
			fmt.Fprintf(r.Err, "debug: "+format+"\n", a...)
		}
	}
	for attempt := 1; ; attempt++ {
		say("%s, attempt %d of %d: %s %s, %d bytes of body", q.Operation, attempt, attempts, q.Method, q.Path, len(q.Body))
		reply, err := c.Send(ctx, q)
		wrong := refusal{}
		retry := false
		if err != nil {
			say("no answer: %v", err)
			var f *Failure
			retry = errors.As(err, &f) && f.Again
		} else {
			say("answer: %d, %d bytes, request id %s", reply.Status, len(reply.Body), reply.Header("X-Amzn-Requestid"))
			if reply.Status < 301 {
				return answer(r.op.Output, reply.Body)
			}
			wrong = refused(reply)
			retry = again(reply.Status, wrong.code)
		}
		if retry && attempt < attempts {
			pause := time.Duration(r.Random() * math.Pow(2, float64(attempt-1)) * float64(time.Second))
			say("again in %v", pause)
			if err := r.Pause(ctx, pause); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		tried := ""
		if retry {
			tried = fmt.Sprintf(" (reached max retries: %d)", attempt-1)
		}
		return nil, &Failure{Message: fmt.Sprintf("An error occurred (%s) when calling the %s operation%s: %s", wrong.code, r.op.Name, tried, wrong.message)}
	}
}

// print writes what was asked for of an answer, in the form that was asked for.
func (r *run) print(form string, v any) error {
	if asked, given := text(r.globals, "--output"); given {
		form = asked
	}
	width, terminal := r.Terminal()
	o := format.Options{Form: form, Title: r.op.Name, Width: width, Color: terminal}
	if when, _ := text(r.globals, "--color"); when == "on" || when == "off" {
		o.Color = when == "on"
	}
	if r.query != nil {
		var err error
		if v, err = r.query.Search(v); err != nil {
			return err
		}
	}
	out, err := format.Answer(o, v)
	_, failed := io.WriteString(r.Out, out)
	return errors.Join(err, failed)
}

// checkGlobals checks the options of all commands, before any operation is looked for.
func (r *run) checkGlobals() (g Globals, err error) {
	if q, given := text(r.globals, "--query"); given {
		if r.query, err = query.Compile(q); err != nil {
			return g, &Failure{Message: "Bad value for --query " + q + ": " + err.Error()}
		}
	}
	optional := func(name string) *string {
		if s, given := text(r.globals, name); given {
			return &s
		}
		return nil
	}
	if g.Endpoint = optional("--endpoint-url"); g.Endpoint != nil {
		if !hasScheme(*g.Endpoint) {
			return g, &Failure{Message: "Bad value for --endpoint-url \"" + *g.Endpoint + "\": scheme is missing.  " +
				"Must be of the form http://<hostname>/ or https://<hostname>/"}
		}
	}
	if g.ReadTimeout, err = r.seconds("read"); err == nil {
		g.ConnectTimeout, err = r.seconds("connect")
	}
	g.Profile, g.Region, g.CABundle = optional("--profile"), optional("--region"), optional("--ca-bundle")
	g.Cert, _ = text(r.globals, "--cert")
	g.Key, _ = text(r.globals, "--key")
	g.CACert, _ = text(r.globals, "--cacert")
	g.NoVerify, g.Unsigned, g.Debug = r.globals["--no-verify-ssl"] != nil, r.globals["--no-sign-request"] != nil, r.globals["--debug"] != nil
	return g, err
}

// hasScheme: a letter, then letters, digits and +-. up to a colon.
func hasScheme(url string) bool {
	scheme, _, found := strings.Cut(url, ":")
	const letters = "abcdefghijklmnopqrstuvwxyz"
	lower := strings.ToLower(scheme)
	return found && scheme != "" && strings.Trim(lower, letters+"0123456789+-.") == "" && strings.IndexByte(letters, lower[0]) >= 0
}

// seconds reads a timeout.
func (r *run) seconds(what string) (time.Duration, error) {
	s, given := text(r.globals, "--cli-"+what+"-timeout")
	if !given {
		return time.Minute, nil
	}
	n, ok := py.ParseInt(s)
	switch {
	case !ok:
		return 0, &Failure{Message: "invalid literal for int() with base 10: " + py.Repr(s)}
	case n.Sign() < 0 || n.Cmp(py.Int(math.MaxInt32)) > 0:
		return 0, &Failure{Message: "Bad value for --cli-" + what + "-timeout " + s + ": expected 0 to 2147483647 seconds, 0 for no limit"}
	}
	return time.Duration(n.Int64()) * time.Second, nil
}

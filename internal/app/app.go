package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/drover-iot/drover/internal/cli"
)

// root is the command line.
type root struct {
	Serve serve `cmd:"" help:"Run the server of a fleet: TLS only, durable." group:"server"`
	Dev   dev   `cmd:"" help:"Run a server for developing firmware: plaintext on loopback, nothing to configure." group:"server"`
	Demo  demo  `cmd:"" help:"See it work: a server, simulated devices and a job, in under a minute." group:"server"`

	cli.Commands
}

const description = `Drover runs jobs on fleets of devices. It speaks the AWS IoT Jobs protocol: AWS's CLI, SDKs and device clients work against it unchanged, with another endpoint.`

// Main runs the command line and gives the exit code (cli.ExitOK and its kin).
func Main(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := run(ctx, args, cli.Streams{Out: stdout, Err: stderr, Env: os.Getenv})
	if err != nil && !errors.Is(err, errHelpShown) {
		explain(stderr, err)
	}
	if errors.Is(err, errHelpShown) {
		return cli.ExitOK
	}
	return cli.ExitCode(err)
}

// errHelpShown ends a run in which --help was all that was asked for.
var errHelpShown = errors.New("help was shown")

func run(ctx context.Context, args []string, s cli.Streams) (err error) {
	var grammar root
	parser, err := kong.New(&grammar,
		kong.Name("drover"),
		kong.Description(description),
		kong.Writers(s.Out, s.Err),
		kong.DefaultEnvars("DROVER"),
		kong.Exit(func(int) { panic(errHelpShown) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 100}),
		kong.ExplicitGroups([]kong.Group{
			{Key: "server", Title: "Run a server:"},
			{Key: "fleet", Title: "Run a fleet:"},
			{Key: "device", Title: "On a device:"},
			{Key: "about", Title: "About:"},
			{Key: "doors", Title: "Doors:"},
			{Key: "jobs", Title: "Jobs:"},
			{Key: "ceilings", Title: "Ceilings, as AWS has them:"},
			{Key: "time", Title: "Time:"},
			{Key: "log", Title: "Log:"},
		}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s),
	)
	if err != nil {
		return err
	}
	// kong shows help and then exits; here it returns.
	defer func() {
		if shown := recover(); shown == errHelpShown { // it is the very value
			err = errHelpShown
		} else if shown != nil {
			panic(shown)
		}
	}()
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(cli.Hoist(args))
	if err != nil {
		return asUsage(err)
	}
	return command.Run()
}

// asUsage makes an error of the command line one with a next step.
func asUsage(err error) error {
	var f *cli.Failure
	if errors.As(err, &f) {
		return f
	}
	next := "drover --help"
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil {
		if node := parse.Context.Selected(); node != nil {
			next = node.FullPath() + " --help"
		}
	}
	return &cli.Failure{Exit: cli.ExitUsage, Message: err.Error(), Next: next, Cause: err}
}

// explain writes what was wrong, and what to do next.
func explain(w io.Writer, err error) {
	var f *cli.Failure
	if errors.As(err, &f) && f.Told {
		return
	}
	fmt.Fprintf(w, "drover: %s\n", strings.TrimSpace(err.Error()))
	if f != nil && f.Next != "" {
		fmt.Fprintf(w, "Next: %s\n", f.Next)
	}
}

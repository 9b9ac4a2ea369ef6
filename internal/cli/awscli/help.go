package awscli

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Help is what `help` says of a service beside what its shapes say.
type Help struct {
	Summary    string            // of the service, in lines
	Operations map[string]string // by name: one sentence
	Members    map[string]string // by name: a few words
	Examples   string            // in lines
}

// usage is how the commands are used, for those who did not know.
func (r *run) usage() string {
	p := r.Program + " " + r.service.Name
	return "usage: " + r.Program + " [options] " + r.service.Name + " <subcommand> [parameters]\n" +
		"To see help text, you can run:\n\n  " + p + " help\n  " + p + " <subcommand> help\n"
}

// helpFor says whether help is asked for, and of which operation.
func helpFor(args []string) (operation string, asked bool) {
	if slices.Contains(args, "--help") {
		i := slices.IndexFunc(args, func(a string) bool { return !strings.HasPrefix(a, "-") })
		if i >= 0 {
			operation = args[i]
		}
		return operation, true
	}
	switch {
	case len(args) == 1 && args[0] == "help":
		return "", true
	case len(args) == 2 && args[1] == "help":
		return args[0], true
	}
	return "", false
}

// help prints what there is to know of an operation, or of them all.
func (r *run) help(operation string) error {
	var b strings.Builder
	defer func() { io.WriteString(r.Out, b.String()) }()
	for i := range r.service.Operations {
		if op := &r.service.Operations[i]; op.Command() == operation {
			r.helpOperation(&b, op)
			return nil
		}
	}
	fmt.Fprintf(&b, "usage: %s %s <subcommand> [parameters] [options]\n\n%s\n\nSubcommands:\n", r.Program, r.service.Name, strings.TrimSpace(r.service.Help.Summary))
	for i := range r.service.Operations {
		op := &r.service.Operations[i]
		fmt.Fprintf(&b, "  %-34s %s\n", op.Command(), r.service.Help.Operations[op.Name])
	}
	fmt.Fprintf(&b, "\nOptions of all of them:\n")
	for _, o := range globals() {
		helpOption(&b, o, o.help)
	}
	fmt.Fprintf(&b, "\nExamples:\n\n%s\n", strings.Trim(r.service.Help.Examples, "\n"))
	return nil
}

func (r *run) helpOperation(b *strings.Builder, op *Operation) {
	fmt.Fprintf(b, "usage: %s %s %s [parameters] [options]\n\n%s\n\nParameters:\n", r.Program, r.service.Name, op.Command(), r.service.Help.Operations[op.Name])
	for _, o := range operationOptions(op) {
		help := o.help
		if m := op.Input.member(o.dest); m != nil && o.sets != false {
			if help = r.service.Help.Members[m.Name]; o.require {
				help += " Required."
			}
		}
		helpOption(b, o, help)
	}
	fmt.Fprintf(b, "\nOptions of all commands, and examples: %s %s help\n", r.Program, r.service.Name)
}

func helpOption(b *strings.Builder, o *option, help string) {
	name := strings.TrimSpace(o.name + " " + o.meta)
	if len(name) > 33 {
		fmt.Fprintf(b, "  %s\n  %-33s  %s\n", name, "", help)
		return
	}
	fmt.Fprintf(b, "%s\n", strings.TrimRight(fmt.Sprintf("  %-33s  %s", name, help), " "))
}

package awscli

import (
	"slices"

	"github.com/drover-iot/drover/internal/cli/awscli/format"
)

// globals are the options of all commands: the AWS CLI's, in its order, then ours.
// Left out, and so refused as unknown: --v2-debug, which speaks of another program.
func globals() []*option {
	return []*option{
		{name: "--debug", takes: takesNothing, sets: true, help: "Say on stderr what is asked and answered."},
		{name: "--endpoint-url", meta: "URL", help: "The server; else AWS_ENDPOINT_URL_…, AWS_ENDPOINT_URL, the profile's."},
		{name: "--no-verify-ssl", takes: takesNothing, sets: true, help: "Do not check the server's certificate."},
		{name: "--no-paginate", takes: takesNothing, sets: true, help: "Ask for one page; these operations have one."},
		{name: "--output", choices: format.Forms, meta: "FORM", help: "json, text or table; else AWS_DEFAULT_OUTPUT, the profile's."},
		{name: "--query", meta: "EXPRESSION", help: "Print what a JMESPath expression picks from the answer."},
		{name: "--profile", meta: "NAME", help: "Profile of the AWS files; else AWS_DEFAULT_PROFILE, AWS_PROFILE."},
		{name: "--region", meta: "REGION", help: "Region to sign for; else AWS_DEFAULT_REGION, the profile's, AWS_REGION."},
		{name: "--version", takes: takesNothing, sets: true, help: "Print the version."},
		{name: "--color", choices: []string{"on", "off", "auto"}, meta: "WHEN", help: "Colour tables: on, off or auto."},
		{name: "--no-sign-request", takes: takesNothing, sets: true, help: "Do not sign; drover dev on loopback takes it."},
		{name: "--ca-bundle", meta: "FILE", help: "CA certificates to check the server with; else AWS_CA_BUNDLE."},
		{name: "--cli-read-timeout", meta: "SECONDS", help: "Longest silence of the server; 60, 0 waits for ever."},
		{name: "--cli-connect-timeout", meta: "SECONDS", help: "Longest wait for a connection; 60, 0 waits for ever."},
		{name: "--cert", exact: true, meta: "FILE", help: "Come in with this certificate instead of a signature."},
		{name: "--key", exact: true, meta: "FILE", help: "The private key that belongs to --cert."},
		{name: "--cacert", exact: true, meta: "FILE", help: "The server's CA, ca.pem of drover thing create."},
	}
}

const (
	cliInputJSON = "--cli-input-json"
	skeleton     = "--generate-cli-skeleton"
)

// operationOptions are the options of one operation: one for each member of its
// input, two for a truth, and the two that every operation has.
func operationOptions(op *Operation) []*option {
	var list []*option
	for _, m := range op.Input.Members {
		o := &option{name: "--" + dashed(m.Name), dest: m.Name, require: m.Required, meta: "TEXT"}
		switch m.Kind {
		case Boolean:
			o.takes, o.sets, o.meta = takesNothing, true, ""
			list = append(list, o, &option{name: "--no-" + dashed(m.Name), dest: m.Name, takes: takesNothing, sets: false})
			continue
		case Long:
			o.integer, o.meta = true, "NUMBER"
		case Map:
			o.meta = "K=V,…"
		}
		list = append(list, o)
	}
	return append(list,
		&option{name: cliInputJSON, meta: "JSON", help: "The parameters as JSON, or file://…; options win over it."},
		&option{
			name: skeleton, takes: mayTakeValue, choices: []string{"input", "output"}, meta: "[input|output]",
			help: "Print an example of the parameters, or of the answer, and ask nothing.",
		})
}

// Hoist puts the name of the service before the options that stand before it, so
// that a command line can be told by its first word.
func Hoist(service string, args []string) []string {
	p := &parser{options: globals()}
	for i := 0; i < len(args); i++ {
		if args[i] == service {
			return slices.Concat([]string{service}, args[:i], args[i+1:])
		}
		f, is, err := p.recognise(args[i])
		if !is || err != nil || args[i] == "--help" || args[i] == "-h" || args[i] == "--" {
			return args
		}
		if f.option != nil && f.option.takes == takesValue && f.value == nil {
			i++
		}
	}
	return args
}

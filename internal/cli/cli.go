package cli

import (
	"encoding/json"
	"io"
)

// Commands are the commands of this room, for the root that embeds them.
type Commands struct {
	Thing   thingCommands  `cmd:"" help:"Register devices." group:"fleet"`
	Jobs    jobsData       `cmd:"" name:"iot-jobs-data" passthrough:"" help:"The AWS CLI's Jobs commands for devices: drover iot-jobs-data help." group:"device"`
	Version versionCommand `cmd:"" help:"Print the version." group:"about"`
}

// Streams are what a command reads from its surroundings and writes to.
type Streams struct {
	Out io.Writer // data
	Err io.Writer // talk
	// Env is os.Getenv, or a test's.
	Env func(string) string
}

// Output is the choice of a form for what goes to stdout.
type Output struct {
	Form string `name:"output" help:"Form of what is printed: ${enum}." enum:"text,json" default:"text"`
}

// writeJSON prints v as one indented JSON document.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

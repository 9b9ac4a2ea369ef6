package app

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v4"

	"github.com/drover-iot/drover/internal/cli"
)

// configFile is a flag that names a YAML file with values for the other flags of
// its command, each under the flag's name. A flag on the command line wins over
// its variable, the variable over the file, the file over the default.
type configFile string

// BeforeResolve reads the file. kong calls it before it decides what a flag that
// was not given is.
func (configFile) BeforeResolve(ctx *kong.Context, trace *kong.Path) error {
	path, _ := ctx.FlagValue(trace.Flag).(configFile)
	if path == "" {
		return nil
	}
	node := ctx.Selected()
	if node == nil || !slices.Contains(flagsOf(node), trace.Flag.Name) {
		return nil // DROVER_CONFIG is set, but this command has no --config
	}
	values, err := readConfig(string(path))
	if err == nil {
		err = checkConfig(values, node, string(path))
	}
	if err != nil {
		return err
	}
	ctx.AddResolver(values)
	return nil
}

// config is what a file says.
type config map[string]any

// Validate is part of kong.Resolver; the file was checked when it was read.
func (config) Validate(*kong.Application) error { return nil }

// Resolve gives the file's value for a flag that no variable sets.
func (c config) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Tag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	return c[flag.Name], nil
}

// maxConfig bounds what is read of a configuration file.
const maxConfig = 1 << 20

func readConfig(path string) (config, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, badConfig(err.Error(), "Name a file that is there with --config, or leave it out.")
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxConfig+1))
	if err == nil && len(text) > maxConfig {
		err = errors.New("it has more than 1 MiB")
	}
	values := config{}
	if err == nil {
		err = yaml.Load(text, &values, yaml.WithUniqueKeys(true))
		if errors.Is(err, io.EOF) || len(strings.TrimSpace(string(text))) == 0 {
			err = nil // an empty file sets nothing
		}
	}
	if err != nil {
		return nil, badConfig(path+": "+err.Error(), "Write one `flag: value` on each line, such as `mqtts-addr: 0.0.0.0:8883`.")
	}
	return values, nil
}

// checkConfig refuses a key that is not a flag of this command, and a value that
// is not one word, number or truth.
func checkConfig(values config, node *kong.Node, path string) error {
	known := flagsOf(node)
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(known, key) || key == "config" || key == "help" {
			return badConfig(fmt.Sprintf("%s: %q is not an option of %s.", path, key, node.FullPath()),
				fmt.Sprintf("The options are the flags of %s --help, without their dashes.", node.FullPath()))
		}
		switch v := values[key].(type) {
		case string, bool, int, int64, uint64, float64:
			values[key] = fmt.Sprint(v)
		default:
			return badConfig(fmt.Sprintf("%s: the value of %q is not a single value.", path, key), "Write `"+key+": value`.")
		}
	}
	return nil
}

func flagsOf(node *kong.Node) (names []string) {
	for _, group := range node.AllFlags(false) {
		for _, flag := range group {
			names = append(names, flag.Name)
		}
	}
	return names
}

func badConfig(message, next string) error {
	return &cli.Failure{Exit: cli.ExitUsage, Message: message, Next: next}
}

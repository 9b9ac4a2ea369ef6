package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	if err := part(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// part plays the part that the first argument names; without one, the whole suite.
func part(args []string) error {
	if len(args) > 0 {
		switch {
		case args[0] == "gen" && len(args) == 2:
			return generate(args[1], os.Stdout)
		case args[0] == "respond" && len(args) == 2:
			return respond(args[1], os.Stdout)
		case args[0] == "ceiling" && len(args) == 1:
			return ceiling(os.Stdout)
		}
	}
	return measureAll(args)
}

func measureAll(args []string) error {
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	short := flags.Bool("short", false, "a minute and a half: prints figures, demands durability only")
	binary := flags.String("drover", "", "the drover binary to measure; built from this module if empty")
	jsonFile := flags.String("json", "", "also write the results to this file")
	profile := flags.String("profile", "", "write a CPU profile of the server, taken during the 60 s of updates, to this file")
	only := flags.String("only", "", "run only these steps, comma separated: "+strings.Join(stepNames(), ", "))
	million := flags.Bool("million", false, "run only the step that has a million things, a quarter of an hour; with -short 20,000")
	walLimit := flags.Int64("wal-limit", 256, "MiB that the write-ahead log may reach in 60 s of updates")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q; bench takes flags only (-h lists them)", flags.Arg(0))
	}
	size := full
	if *short {
		size = brief
	}
	if *million {
		*only = millionStep
	}
	size.WALLimit = *walLimit << 20

	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	results, err := runSuite(ctx, size, *binary, *profile, *only)
	if results != nil {
		results.print(os.Stdout)
		if *jsonFile != "" {
			err = errors.Join(err, writeJSON(*jsonFile, results))
		}
	}
	if err != nil {
		return err
	}
	if missed := results.missed(); len(missed) > 0 && !*short {
		return fmt.Errorf("%d floors missed: %s", len(missed), strings.Join(missed, "; "))
	}
	return nil
}

func writeJSON(file string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

package cli_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/drover-iot/drover/internal/app"
	"github.com/drover-iot/drover/internal/server"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"drover": func() { os.Exit(app.Main(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs the command line as a person would: testdata/script/*.txtar.
// `exits CODE drover …` runs a command that must end with this code; `serve` and
// `dev` start a server for the script and set its addresses and files in the
// environment; `mode FILE BITS` asks for a file's permissions.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir) // nobody's own ~/.aws
			env.Setenv("NO_COLOR", "1")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"serve": func(ts *testscript.TestScript, _ bool, _ []string) { start(ts, false) },
			"dev":   func(ts *testscript.TestScript, _ bool, _ []string) { start(ts, true) },
			"mode":  mode,
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARGUMENT…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var failed *exec.ExitError
		if !errors.As(err, &failed) {
			ts.Fatalf("%v", err)
		}
		code = failed.ExitCode()
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode FILE BITS")
	}
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	want, err := strconv.ParseUint(args[1], 8, 32)
	ts.Check(err)
	if got := info.Mode().Perm(); got != os.FileMode(want) {
		ts.Fatalf("%s has mode %o, want %o", args[0], got, want)
	}
}

// start runs a server in this process until the script ends.
func start(ts *testscript.TestScript, dev bool) {
	cfg := server.Config{
		Dev: dev, Data: ts.MkAbs("data"), Region: "us-east-1", Account: "000000000000",
		AdvertiseHost: "localhost", Hosts: []string{"localhost", "127.0.0.1"},
	}
	if dev {
		cfg.Data, cfg.HTTPAddr, cfg.MQTTAddr = "", "127.0.0.1:0", "127.0.0.1:0"
	} else {
		cfg.HTTPSAddr, cfg.MQTTSAddr = "127.0.0.1:0", "127.0.0.1:0"
	}
	srv, err := server.Start(context.Background(), cfg)
	ts.Check(err)
	ts.Defer(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		ts.Check(srv.Close(ctx))
	})
	ts.Setenv("HTTP", srv.Addrs().HTTP)
	ts.Setenv("HTTPS", srv.Addrs().HTTPS)
	ts.Setenv("MQTTS", srv.Addrs().MQTTS)
}

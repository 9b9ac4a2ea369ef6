package app

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"time"

	"github.com/drover-iot/drover/internal/cli"
	"github.com/drover-iot/drover/internal/server"
)

// drainTime is how long a server that was told to end may finish what is under
// way before connections are cut.
const drainTime = 10 * time.Second

// ready is the line on stdout once the doors are open (design.md section 5).
type ready struct {
	Ready bool `json:"ready"`
	server.Addrs
}

// runServer serves until the context ends, then drains.
func runServer(ctx context.Context, cfg server.Config, s cli.Streams, opened func(*server.Server)) error {
	srv, err := server.Start(ctx, cfg)
	if err != nil {
		return startFailure(err)
	}
	line, err := json.Marshal(ready{Ready: true, Addrs: srv.Addrs()})
	if err == nil {
		_, err = s.Out.Write(append(line, '\n'))
	}
	if err == nil {
		opened(srv)
		select {
		case <-ctx.Done():
		case err = <-srv.Failed():
		}
	}
	cfg.Log.Info("draining", "atMost", drainTime.String())
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err = errors.Join(err, srv.Close(drain)); err == nil {
		cfg.Log.Info("ended")
	}
	return err
}

// startFailure adds what to do to an error that keeps a server from starting.
func startFailure(err error) error {
	f := &cli.Failure{Exit: cli.ExitFailed, Message: err.Error(), Cause: err}
	var wrong *server.ConfigError
	if errors.As(err, &wrong) {
		f.Exit, f.Next = cli.ExitUsage, wrong.Next
	}
	return f
}

// reachable is an address as a client on this machine can use it: a door that is
// open on every address is reached by localhost.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("localhost", port)
	}
	return addr
}

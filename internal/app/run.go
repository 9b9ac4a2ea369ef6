package app

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/drover-iot/drover/internal/cli"
	"github.com/drover-iot/drover/internal/server"
)

// drainTime is how long the demo's server may take to end.
const drainTime = 10 * time.Second

// ready is the line on stdout once the doors are open (design.md section 5).
type ready struct {
	Ready bool `json:"ready"`
	server.Addrs
}

// runServer serves until the context ends, and says when the doors are open.
// SIGHUP makes it read its certificate again; a dev that has none of its own ends,
// with the terminal that it runs in.
func runServer(ctx context.Context, cfg server.Config, s cli.Streams, opened func(*server.Server)) error {
	hangUp := make(chan os.Signal, 1)
	if cfg.Dev && cfg.TLSCert == "" {
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGHUP)
		defer stop()
	} else {
		signal.Notify(hangUp, syscall.SIGHUP)
		defer signal.Stop(hangUp)
	}
	var reloading sync.WaitGroup
	ended := make(chan struct{})
	err := server.Run(ctx, cfg, func(srv *server.Server) error {
		reloading.Go(func() { reloadOn(hangUp, ended, srv) })
		line, err := json.Marshal(ready{Ready: true, Addrs: srv.Addrs()})
		if err != nil {
			return err
		}
		if _, err := s.Out.Write(append(line, '\n')); err != nil {
			return err
		}
		opened(srv)
		return nil
	})
	close(ended)
	reloading.Wait()
	if err != nil {
		return serverFailure(err)
	}
	return nil
}

// reloadOn reloads at each signal until the server has ended.
func reloadOn(hangUp <-chan os.Signal, ended <-chan struct{}, srv *server.Server) {
	for {
		select {
		case <-hangUp:
			_ = srv.Reload() // which logs what was wrong
		case <-ended:
			return
		}
	}
}

// serverFailure adds what to do to an error that keeps a server from serving.
func serverFailure(err error) error {
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

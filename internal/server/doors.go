package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Addrs are the doors that are open, as host:port; a closed door is empty.
type Addrs struct {
	MQTT  string `json:"mqtt,omitempty"`
	MQTTS string `json:"mqtts,omitempty"`
	HTTP  string `json:"http,omitempty"`
	HTTPS string `json:"https,omitempty"`
	Admin string `json:"admin,omitempty"`
}

// listeners are the doors before anybody is let in.
type listeners struct{ mqtt, mqtts, http, https, admin net.Listener }

// listen binds every door, so that a port in use is known before anything else
// is started.
func (s *Server) listen(ctx context.Context) error {
	for _, door := range []struct {
		flag, addr string
		to         *net.Listener
		said       *string
	}{
		{"--mqtt-addr", s.cfg.MQTTAddr, &s.doors.mqtt, &s.addrs.MQTT},
		{"--mqtts-addr", s.cfg.MQTTSAddr, &s.doors.mqtts, &s.addrs.MQTTS},
		{"--http-addr", s.cfg.HTTPAddr, &s.doors.http, &s.addrs.HTTP},
		{"--https-addr", s.cfg.HTTPSAddr, &s.doors.https, &s.addrs.HTTPS},
		{"--admin-addr", s.cfg.AdminAddr, &s.doors.admin, &s.addrs.Admin},
	} {
		if door.addr == "" {
			continue
		}
		ln, err := new(net.ListenConfig).Listen(ctx, "tcp", door.addr)
		if err != nil {
			return &ConfigError{
				fmt.Sprintf("%s %s cannot be opened: %v", door.flag, door.addr, err),
				"Choose another address with " + door.flag + "; port 0 picks a free one.",
			}
		}
		*door.to, *door.said = ln, ln.Addr().String()
		s.closers.push(func(context.Context) error { return closeQuietly(ln) })
	}
	return nil
}

// closeQuietly closes a listener that its server may have closed already.
func closeQuietly(ln net.Listener) error {
	if err := ln.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// The bounds of an HTTP door. A body has its own, at the routes.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = 60 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10
	// A profile of the admin door is written for as long as it was asked for.
	profileTimeout = 5 * time.Minute
)

// serveHTTP lets requests in at a door. The connections of a TLS door have done
// their handshake when ln gives them out.
func (s *Server) serveHTTP(name string, ln net.Listener, h http.Handler, protocols *http.Protocols) {
	srv := &http.Server{
		Handler:           withTLS(h),
		Protocols:         protocols,
		ConnContext:       rememberTLS,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		// "OPTIONS *" is answered like every other path that is no operation.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(s.log.With("door", name).Handler(), slog.LevelWarn),
	}
	if name == "admin" {
		srv.WriteTimeout = profileTimeout
	}
	unused := unusedConns{all: map[net.Conn]struct{}{}}
	srv.ConnState = unused.track
	s.work.Go(func() {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			s.fail(fmt.Errorf("the %s door: %w", name, err))
		}
	})
	s.closers.push(func(ctx context.Context) error {
		unused.close()
		if err := srv.Shutdown(ctx); err != nil {
			return errors.Join(fmt.Errorf("the %s door was cut before its requests were answered: %w", name, err), srv.Close())
		}
		return nil
	})
}

// serveMQTT lets plaintext connections in at a door.
func (s *Server) serveMQTT(ln net.Listener) {
	s.work.Go(func() {
		if err := s.broker.Serve(ln); err != nil && !errors.Is(err, net.ErrClosed) {
			s.fail(fmt.Errorf("the MQTT door: %w", err))
		}
	})
}

// unusedConns are the connections that have not sent a request yet. Shutdown
// waits five seconds for each of them; there is nothing of theirs to finish.
type unusedConns struct {
	mu     sync.Mutex
	all    map[net.Conn]struct{}
	closed bool
}

func (u *unusedConns) track(nc net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if state != http.StateNew {
		delete(u.all, nc)
		return
	}
	u.all[nc] = struct{}{}
	if u.closed {
		_ = nc.Close()
	}
}

func (u *unusedConns) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	for nc := range u.all {
		_ = nc.Close()
	}
}

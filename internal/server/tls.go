package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/drover-iot/drover/internal/auth"
	"github.com/drover-iot/drover/internal/rest"
)

// handshakeTimeout is how long a peer may take to prove who it is.
const handshakeTimeout = 10 * time.Second

// tlsDoor accepts connections, does their handshakes, each in a goroutine of its
// own, and hands over those that succeed.
type tlsDoor struct {
	s      *Server
	name   string
	ln     net.Listener
	cfg    *tls.Config
	accept func(*tls.Conn)

	mu     sync.Mutex
	shaken map[net.Conn]struct{} // in their handshake; nil: the door is closed
}

func (s *Server) openTLS(name string, ln net.Listener, cfg *tls.Config, accept func(*tls.Conn)) {
	d := &tlsDoor{s: s, name: name, ln: ln, cfg: cfg, accept: accept, shaken: map[net.Conn]struct{}{}}
	s.work.Go(d.run)
	s.closers.push(func(context.Context) error { return d.close() })
}

func (d *tlsDoor) run() {
	for wait := 5 * time.Millisecond; ; {
		nc, err := d.ln.Accept()
		switch {
		case err == nil:
			wait = 5 * time.Millisecond
			if d.enter(nc) {
				d.s.work.Go(func() { d.handshake(nc) })
			}
		case errors.Is(err, net.ErrClosed):
			return
		default: // out of file descriptors, most likely: some will come back
			d.s.log.Warn("accepting connections failed, will try again", "door", d.name, "err", err, "wait", wait)
			time.Sleep(wait)
			wait = min(2*wait, time.Second)
		}
	}
}

// enter notes a connection, so that close can end its handshake.
func (d *tlsDoor) enter(nc net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shaken == nil {
		_ = nc.Close()
		return false
	}
	d.shaken[nc] = struct{}{}
	return true
}

// leave says whether the connection may go on.
func (d *tlsDoor) leave(nc net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.shaken, nc)
	return d.shaken != nil
}

func (d *tlsDoor) handshake(nc net.Conn) {
	conn := tls.Server(nc, d.cfg)
	_ = nc.SetDeadline(time.Now().Add(handshakeTimeout)) // it fails only on a closed connection
	err := conn.HandshakeContext(context.Background())
	if open := d.leave(nc); err != nil || !open {
		if err != nil {
			d.s.log.Debug("TLS handshake failed", "door", d.name, "peer", nc.RemoteAddr().String(), "err", err)
		}
		_ = nc.Close()
		return
	}
	_ = nc.SetDeadline(time.Time{})
	d.accept(conn)
}

func (d *tlsDoor) close() error {
	err := closeQuietly(d.ln)
	d.mu.Lock()
	defer d.mu.Unlock()
	for nc := range d.shaken {
		_ = nc.Close()
	}
	d.shaken = nil
	return err
}

// attachDevice gives a connection whose handshake is done to the broker, with
// who stands behind it. The handshake has let only ACTIVE certificates through;
// one that was deactivated since then is not taken.
func (s *Server) attachDevice(conn *tls.Conn) {
	state := conn.ConnectionState()
	who, err := s.identity.certificates.Principal(&state, time.Now())
	if err != nil || who.Kind != auth.ByCertificate {
		s.log.Debug("MQTT over TLS refused", "peer", conn.RemoteAddr().String(), "err", err)
		_ = conn.Close()
		return
	}
	s.broker.Attach(conn, who)
}

// openHTTPS opens the door that devices, operators and browsers share: who asked
// for ALPNMQTT goes to the broker, everybody else to HTTP.
func (s *Server) openHTTPS(ln net.Listener, h http.Handler) {
	pass := &handover{addr: ln.Addr(), conns: make(chan net.Conn), closed: make(chan struct{})}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	s.serveHTTP("https", pass, h, protocols)
	s.openTLS("https", ln, s.identity.tls.HTTPS(""), func(conn *tls.Conn) {
		switch conn.ConnectionState().NegotiatedProtocol {
		case auth.ALPNMQTT:
			s.attachDevice(conn)
		case "h2":
			pass.give(conn)
		default:
			state := conn.ConnectionState()
			pass.give(hiddenTLS{rest.Conn(conn), &state})
		}
	})
}

// handover is a listener of connections that are accepted elsewhere.
type handover struct {
	addr   net.Addr
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (h *handover) give(nc net.Conn) {
	select {
	case h.conns <- nc:
	case <-h.closed:
		_ = nc.Close()
	}
}

func (h *handover) Accept() (net.Conn, error) {
	select {
	case nc := <-h.conns:
		return nc, nil
	case <-h.closed:
		return nil, fmt.Errorf("accept: %w", net.ErrClosed)
	}
}

func (h *handover) Close() error   { h.once.Do(func() { close(h.closed) }); return nil }
func (h *handover) Addr() net.Addr { return h.addr }

// hiddenTLS hides from net/http that an HTTP/1.1 connection is TLS. It would look
// for the name ALPNHTTP among its protocols and close, and it must not see past
// rest.Conn, which puts its own answers into AWS's form.
type hiddenTLS struct {
	net.Conn
	state *tls.ConnectionState
}

// Unwrap is the connection beneath, for who takes it over from http.Server.
func (h hiddenTLS) Unwrap() net.Conn { return h.Conn }

type tlsKey struct{}

// rememberTLS keeps the state that hiddenTLS hides.
func rememberTLS(ctx context.Context, nc net.Conn) context.Context {
	if h, ok := nc.(hiddenTLS); ok {
		return context.WithValue(ctx, tlsKey{}, h.state)
	}
	return ctx
}

// withTLS gives it back to the handlers.
func withTLS(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if state, ok := r.Context().Value(tlsKey{}).(*tls.ConnectionState); ok && r.TLS == nil {
			r.TLS = state
		}
		h.ServeHTTP(w, r)
	})
}

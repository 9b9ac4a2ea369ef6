package main

import (
	"context"
	"net"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// turns counts round trips where they cannot be mistaken: on the wire. A turn
// is a Read that brought data after something was written.
type turns struct {
	n, writes, reads, sent, received atomic.Int64
	wrote                            atomic.Bool
}

type countedConn struct {
	net.Conn
	t *turns
}

func (c countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.t.writes.Add(1)
	c.t.sent.Add(int64(n))
	c.t.wrote.Store(true)
	return n, err
}

func (c countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.t.reads.Add(1)
		c.t.received.Add(int64(n))
		if c.t.wrote.CompareAndSwap(true, false) {
			c.t.n.Add(1)
		}
	}
	return n, err
}

// connect opens a connection whose round trips are counted. A writer that stalls
// with locks held is ended by the server; one that waits too long gives up.
func connect(ctx context.Context, dsn string, t *turns) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, network, addr)
		return countedConn{c, t}, err
	}
	cfg.RuntimeParams["lock_timeout"] = "10s"
	cfg.RuntimeParams["idle_in_transaction_session_timeout"] = "10s"
	cfg.RuntimeParams["default_transaction_isolation"] = "read committed"
	return pgx.ConnectConfig(ctx, cfg)
}

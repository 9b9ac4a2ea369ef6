//go:build !unix

package broker

import "net"

// rawConn exists on Unix only; elsewhere every connection is an ordinary one.
type rawConn struct{}

func newRawConn(net.Conn) *rawConn { return nil }

func (*rawConn) read(*inbound) (*batch, []byte, error) { return nil, nil, errWouldBlock }

func (*rawConn) tryWrite([]byte) (int, error) { return 0, errWouldBlock }

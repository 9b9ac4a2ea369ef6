//go:build unix

package broker

import (
	"io"
	"net"
	"sync"
	"syscall"
)

// rawConn is a TCP or Unix socket that is read without holding a buffer while
// nothing is there, and written without ever waiting.
type rawConn struct {
	rc  syscall.RawConn
	try func(fd uintptr) bool // r.attempt, bound once
	in  *inbound
	bt  *batch
	n   int
	err error
}

// newRawConn returns nil for transports that are not plain sockets: bytes may
// sit in their own buffers, and readiness of the socket says nothing.
func newRawConn(nc net.Conn) *rawConn {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return nil
	}
	rc, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil
	}
	r := &rawConn{rc: rc}
	r.try = r.attempt
	return r
}

// read waits until the socket is readable and returns a batch with all bytes of
// incomplete packets, those of in.rest first.
func (r *rawConn) read(in *inbound) (*batch, []byte, error) {
	r.in, r.err = in, nil
	if err := r.rc.Read(r.try); err != nil {
		return nil, nil, err
	}
	bt := r.bt
	r.bt = nil
	if r.err != nil {
		putBatch(bt)
		return nil, nil, r.err
	}
	if in.need > len(bt.buf) {
		return bt, in.rest, nil
	}
	in.rest = nil // copied to the front of the batch
	return bt, bt.buf[:r.n], nil
}

// attempt reads once; false makes the runtime wait for readiness.
func (r *rawConn) attempt(fd uintptr) bool {
	bt, in := getBatch(), r.in
	var dst []byte
	if in.need > len(bt.buf) {
		in.grow()
		dst = in.rest[len(in.rest):cap(in.rest)]
	} else {
		r.n = copy(bt.buf, in.rest)
		dst = bt.buf[r.n:]
	}
	n, err := retry(syscall.Read, fd, dst)
	if err == syscall.EAGAIN {
		putBatch(bt)
		return false
	}
	r.bt = bt
	switch {
	case err != nil:
		r.err = err
	case n == 0:
		r.err = io.EOF
	case in.need > len(bt.buf):
		in.rest = in.rest[:len(in.rest)+n]
	default:
		r.n += n
	}
	return true
}

// tryWrite writes what the socket takes now, and returns errWouldBlock with the
// count if that is not all.
func (r *rawConn) tryWrite(p []byte) (n int, err error) {
	w := rawWrites.Get().(*rawWrite)
	w.p = p
	if err = r.rc.Write(w.try); err == nil {
		n, err = w.n, w.err
	}
	*w = rawWrite{try: w.try}
	rawWrites.Put(w)
	return n, err
}

// rawWrite is one call of tryWrite: pooled, for its closure would be allocated.
type rawWrite struct {
	p   []byte
	n   int
	err error
	try func(fd uintptr) bool
}

var rawWrites = sync.Pool{New: func() any {
	w := new(rawWrite)
	w.try = w.attempt
	return w
}}

func (w *rawWrite) attempt(fd uintptr) bool {
	for w.n < len(w.p) {
		n, err := retry(syscall.Write, fd, w.p[w.n:])
		if err == syscall.EAGAIN {
			w.err = errWouldBlock
			return true
		}
		if err != nil {
			w.err = err
			return true
		}
		w.n += n
	}
	return true
}

func retry(op func(int, []byte) (int, error), fd uintptr, p []byte) (int, error) {
	for {
		if n, err := op(int(fd), p); !isRetryable(err) {
			return n, err
		}
	}
}

package rest

import (
	"fmt"
	"net"
	"regexp"
	"strconv"

	"github.com/google/uuid"
)

// Listener wraps what an http.Server of this handler listens on. A request that is
// not HTTP, or whose path is not percent-encoded, never reaches a handler:
// http.Server answers it itself, in text. Listener puts those answers into AWS's
// form. It is for connections without TLS and without HTTP/2; Conn is for one of
// any kind.
func Listener(ln net.Listener) net.Listener { return listener{ln} }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return Conn(nc), nil
}

// Conn wraps one connection as Listener does. http.Server no longer sees a
// *tls.Conn in it: who wraps one has to fill in Request.TLS.
func Conn(nc net.Conn) net.Conn { return conn{nc} }

type conn struct{ net.Conn }

// Unwrap is the connection itself, for who takes it over from http.Server.
func (c conn) Unwrap() net.Conn { return c.Conn }

// ownAnswer is how http.Server begins an answer of its own: without the Date that
// every answer of a handler has, in one write.
var ownAnswer = regexp.MustCompile(`^HTTP/1\.1 ([45]\d\d) [^\r\n]*\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n`)

// Write passes on everything but such an answer.
func (c conn) Write(b []byte) (int, error) {
	m := ownAnswer.FindSubmatch(b[:min(len(b), 512)])
	if m == nil {
		return c.Conn.Write(b)
	}
	status, _ := strconv.Atoi(string(m[1])) // three digits
	const body = `{"message":"The request is malformed and could not be read. Check its request line, the percent-encoding of its path, and its headers."}`
	_, err := fmt.Fprintf(c.Conn, "HTTP/1.1 %d Malformed\r\nContent-Type: application/json\r\nConnection: close\r\n"+
		"X-Amzn-ErrorType: InvalidRequestException\r\nX-Amzn-RequestId: %s\r\nContent-Length: %d\r\n\r\n%s", status, uuid.NewString(), len(body), body)
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

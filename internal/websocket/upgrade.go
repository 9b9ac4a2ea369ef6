package websocket

import (
	"bufio"
	"crypto/sha1" //nolint:gosec // RFC 6455 section 4.2.2 wants it; nothing is secured by it
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// upgradeTimeout is how long the answer to the upgrade may take to be sent.
const upgradeTimeout = 10 * time.Second

// A HandshakeError is a request that is no upgrade to WebSocket; its text is for
// whoever sent it. Nothing was written then.
type HandshakeError struct{ Message string }

func (e *HandshakeError) Error() string { return e.Message }

// Upgrade answers a request that asks for a WebSocket of one of these
// subprotocols, the first that it offers, and takes its connection over: the
// caller owns the Conn, and w is of no use any more. A connection that was wrapped on its way is unwrapped
// (`Unwrap() net.Conn`). Errors: *HandshakeError, or the connection is gone.
func Upgrade(w http.ResponseWriter, r *http.Request, protocols ...string) (*Conn, error) {
	key, protocol, err := check(r, protocols)
	if err != nil {
		return nil, err
	}
	nc, buffered, err := http.NewResponseController(w).Hijack()
	if errors.Is(err, http.ErrNotSupported) {
		return nil, &HandshakeError{"A WebSocket needs HTTP/1.1; this request came by " + r.Proto + "."}
	}
	if err != nil {
		return nil, fmt.Errorf("take over the connection of an upgrade: %w", err)
	}
	for {
		wrapped, ok := nc.(interface{ Unwrap() net.Conn })
		if !ok {
			break
		}
		nc = wrapped.Unwrap()
	}
	c := &Conn{nc: nc}
	if c.in.early, err = early(buffered.Reader); err == nil {
		err = c.accept(key, protocol)
	}
	if err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("answer an upgrade: %w", err)
	}
	return c, nil
}

// early is what came behind the request.
func early(b *bufio.Reader) ([]byte, error) {
	n := b.Buffered()
	if n == 0 {
		return nil, nil
	}
	peeked, err := b.Peek(n)
	return append([]byte(nil), peeked...), err
}

func (c *Conn) accept(key, protocol string) error {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // see the import
	if err := c.nc.SetDeadline(time.Now().Add(upgradeTimeout)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(c.nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]), protocol)
	if err != nil {
		return err
	}
	return c.nc.SetDeadline(time.Time{})
}

// check is RFC 6455 section 4.2.1. It gives the client's key and the subprotocol
// to speak.
func check(r *http.Request, protocols []string) (key, protocol string, err error) {
	refuse := func(format string, args ...any) (string, string, error) {
		return "", "", &HandshakeError{fmt.Sprintf(format, args...)}
	}
	key = strings.TrimSpace(r.Header.Get("Sec-WebSocket-Key"))
	raw, malformed := base64.StdEncoding.DecodeString(key)
	switch {
	case r.Method != http.MethodGet:
		return refuse("A WebSocket begins with GET, not with %s.", r.Method)
	case !r.ProtoAtLeast(1, 1) || r.ProtoMajor > 1:
		return refuse("A WebSocket needs HTTP/1.1; this request came by %s.", r.Proto)
	case !has(r.Header, "Connection", "upgrade") || !has(r.Header, "Upgrade", "websocket"):
		return refuse("This is the door of MQTT over WebSocket: expected the headers Connection: Upgrade and Upgrade: websocket.")
	case r.Header.Get("Sec-WebSocket-Version") != "13":
		return refuse("Sec-WebSocket-Version is %q, expected 13.", r.Header.Get("Sec-WebSocket-Version"))
	case malformed != nil || len(raw) != 16:
		return refuse("Sec-WebSocket-Key must be 16 bytes in base64.")
	}
	for _, protocol := range protocols {
		if has(r.Header, "Sec-WebSocket-Protocol", protocol) {
			return key, protocol, nil
		}
	}
	return refuse("Sec-WebSocket-Protocol is %q, expected %s among it.",
		strings.Join(r.Header.Values("Sec-WebSocket-Protocol"), ", "), strings.Join(protocols, " or "))
}

// has says whether a header that is a list has this token.
func has(h http.Header, name, token string) bool {
	for _, line := range h.Values(name) {
		for part := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

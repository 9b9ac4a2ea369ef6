package mqtt

import (
	"context"
	"io"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drover-iot/drover/internal/auth"
	"github.com/drover-iot/drover/internal/broker"
)

// revoking takes the permission to be there away when it has been asked for
// once: between the CONNECT and the moment from which EndSessions sees a
// connection.
type revoking struct{ asked int }

func (r *revoking) Allow(_ auth.Principal, action auth.Action, _ string) bool {
	if action != auth.Connect {
		return false
	}
	r.asked++
	return r.asked == 1
}

// registry-and-auth.md E.2, Deactivation: also of one that is just connecting.
func TestAPermissionThatIsTakenAwayDuringTheConnectEndsTheSession(t *testing.T) {
	for name, row := range map[string]struct{ connect, want string }{
		"MQTT 3.1.1": {"\x10\x11\x00\x04MQTT\x04\x02\x00\x3c\x00\x05dev-1", ""},
		"MQTT 5":     {"\x10\x12\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x05dev-1", "\xe0\x01\x87"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := New(Config{Authorizer: new(revoking), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
				b, err := broker.New(broker.Config{Hooks: g})
				if err != nil {
					t.Fatal(err)
				}
				g.Bind(b, nil, nil)
				client, server := net.Pipe()
				b.Attach(server, auth.Principal{Kind: auth.ByCertificate, ID: "c1"})
				if _, err := io.WriteString(client, row.connect); err != nil {
					t.Fatal(err)
				}
				said, err := io.ReadAll(client)
				if err != nil || len(said) < 4 || said[0] != 0x20 {
					t.Fatalf("% x (%v), want CONNACK and the end", said, err)
				}
				if last := said[2+int(said[1]):]; string(last) != row.want {
					t.Errorf("its last words were % x, want % x", last, row.want)
				}
				if err := b.Close(context.Background()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

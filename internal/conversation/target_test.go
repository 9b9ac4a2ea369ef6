package conversation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/clock"
	"github.com/drover-iot/drover/internal/server"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// inProcess is `drover dev` in this process, on a clock that stands still.
type inProcess struct {
	clock  *clock.Virtual
	config server.Config
	server *server.Server
}

// startServer starts a server with the flags of a conversation. Its time begins
// at a whole second and 678 milliseconds, so that what is cut off can be told
// from what is rounded.
func startServer(t *testing.T, flags []string) *inProcess {
	t.Helper()
	c := clock.NewVirtual(time.Unix(1760000000, 678e6).UTC())
	p := &inProcess{clock: c, config: server.Config{
		Dev: true, Data: t.TempDir(), Clock: c,
		MQTTAddr: "127.0.0.1:0", HTTPAddr: "127.0.0.1:0",
		Region: "us-east-1", Account: "000000000000",
		PendingLimit: 10, RolloutDefault: 1000, RolloutMax: 1000,
	}}
	if os.Getenv("DROVER_TEST_LOG") != "" {
		p.config.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	for _, f := range flags {
		if err := p.flag(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("the end of the server: %v", err)
		}
	})
	return p
}

// flag sets what the flags of `drover dev` set.
func (p *inProcess) flag(f string) (err error) {
	name, value, _ := strings.Cut(f, "=")
	switch name {
	case "--pending-limit":
		p.config.PendingLimit, err = strconv.Atoi(value)
	case "--mqtt-thing-name":
		var on bool
		on, err = strconv.ParseBool(value)
		p.config.OmitMQTTThingName = !on
	default:
		err = errors.New("not one that a conversation may set")
	}
	if err != nil {
		return fmt.Errorf("server: %s: %w", f, err)
	}
	return nil
}

func (p *inProcess) start() (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if p.server, err = server.Start(ctx, p.config); err != nil {
		return err
	}
	addrs := p.server.Addrs()
	p.config.MQTTAddr, p.config.HTTPAddr = addrs.MQTT, addrs.HTTP // a restart comes back where it was
	return nil
}

func (p *inProcess) MQTTAddr() string { return p.config.MQTTAddr }
func (p *inProcess) HTTPAddr() string { return p.config.HTTPAddr }
func (p *inProcess) Now() time.Time   { return p.clock.Now() }

// Advance is what `POST /drover/v1/clock/advance` does.
func (p *inProcess) Advance(d time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := p.server.Time().Advance(ctx, d)
	return err
}

func (p *inProcess) Restart() error {
	if err := p.Close(); err != nil {
		return err
	}
	return p.start()
}

// BreakStorage takes the executions away under the server, as a damaged file
// would: every use of them is an error until they are back.
func (p *inProcess) BreakStorage(broken bool) error {
	conn, err := sqlite.OpenConn(filepath.Join(p.config.Data, "drover.db"), sqlite.OpenReadWrite)
	if err != nil {
		return err
	}
	defer conn.Close()
	script := "ALTER TABLE execution_away RENAME TO execution"
	if broken {
		script = "ALTER TABLE execution RENAME TO execution_away"
	}
	return sqlitex.ExecuteScript(conn, script, nil)
}

func (p *inProcess) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return p.server.Close(ctx)
}

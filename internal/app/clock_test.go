package app

import (
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/drover-iot/drover/internal/cli"
)

func TestDevOnAVirtualClockIsMovedByWhoeverAsks(t *testing.T) {
	t.Parallel()
	p := drover(t, "dev", "--clock", "virtual", "--clock-at", "2026-01-31T10:00:00+01:00", "--mqtt-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0")
	door := "http://" + p.ready(t)["http"].(string)
	resp, err := http.Post(door+"/drover/v1/clock/advance", "application/json", strings.NewReader(`{"by":"7d"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(body), `"time":"2026-02-07T09:00:00Z"`) {
		t.Errorf("seven days later: %s (%v)", body, err)
	}
	http.DefaultClient.CloseIdleConnections()
	if code, _ := p.signal(t, syscall.SIGTERM); code != cli.ExitOK {
		t.Errorf("exit code %d", code)
	}
}

package process

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestAReadyLineGivesTheAddresses(t *testing.T) {
	c, err := StartDrover(t.Context(), "sh", "-c", `echo '{"ready":true,"mqtt":"127.0.0.1:1","http":"127.0.0.1:2"}'; exec sleep 60`)
	if err != nil {
		t.Fatal(err)
	}
	if c.Ready.MQTT != "127.0.0.1:1" || c.Ready.HTTP != "127.0.0.1:2" || c.Ready.HTTPS != "" {
		t.Errorf("ready: %+v", c.Ready)
	}
	if err := c.Stop(10 * time.Second); err == nil || !strings.Contains(err.Error(), "terminated") {
		t.Errorf("sleep ended by SIGTERM says %v", err)
	}
}

func TestAServerThatDoesNotStartIsReportedWithItsLog(t *testing.T) {
	_, err := StartDrover(t.Context(), "sh", "-c", "echo the port is taken >&2; exit 1")
	if err == nil || !strings.Contains(err.Error(), "the port is taken") {
		t.Fatalf("error %v does not hold the child's log", err)
	}
	if _, err = StartDrover(t.Context(), "sh", "-c", `echo '{"ready":false}'; exec sleep 60`); err == nil {
		t.Fatal("a line that says ready:false was taken for a ready line")
	}
}

func TestAChildEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, err := Spawn(ctx, "sleep", "60")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-c.Done()
}

func TestTheKernelsFiguresOfThisProcess(t *testing.T) {
	pid := os.Getpid()
	before, err := CPU(pid)
	if err != nil {
		t.Fatal(err)
	}
	for after := before; after == before; { // burns until a tick is counted
		if after, err = CPU(pid); err != nil {
			t.Fatal(err)
		}
	}
	rss, err := RSS(pid)
	if err != nil || rss < 1<<20 {
		t.Errorf("RSS %d, %v", rss, err)
	}
	if peak, err := PeakRSS(pid); err != nil || peak < 1<<20 {
		t.Errorf("peak RSS %d, %v", peak, err)
	}
	if err := ResetPeak(pid); err != nil {
		t.Errorf("reset peak: %v", err)
	}
	if n, err := RaiseFileLimit(); err != nil || n == 0 {
		t.Errorf("file limit %d, %v", n, err)
	}
	if _, err := CPU(exitedPID(t)); err == nil {
		t.Error("an ended process has a CPU time")
	}
}

func exitedPID(t *testing.T) int {
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

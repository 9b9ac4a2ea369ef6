package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/drover-iot/drover/internal/sim/process"
)

// startResponder starts `bench respond` on a broker. It returns when the
// responder is subscribed and, if given, serve has returned.
func startResponder(ctx context.Context, self, addr string, serve func() error) (*process.Child, error) {
	c, out, err := process.SpawnWithOutput(ctx, self, "respond", addr)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	if serve != nil {
		err = serve()
	}
	if err == nil {
		_ = out.SetReadDeadline(time.Now().Add(stall))
		var line string
		if line, err = bufio.NewReader(out).ReadString('\n'); err == nil && line != "ready\n" {
			err = fmt.Errorf("it says %q", line)
		}
	}
	if err != nil {
		c.Kill()
		return nil, fmt.Errorf("responder on %s: %w; its log ends: %s", addr, err, c.Log())
	}
	return c, nil
}

// runGenerator runs `bench gen` to its end and gives what it measured.
func runGenerator(ctx context.Context, self string, cfg GenConfig) (Load, error) {
	arg, err := json.Marshal(cfg)
	if err != nil {
		return Load{}, err
	}
	cmd := exec.CommandContext(ctx, self, "gen", string(arg))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return Load{}, fmt.Errorf("generator: %w", err)
	}
	var l Load
	return l, json.Unmarshal(out, &l)
}

// broker is a running server of either kind.
type broker struct {
	*process.Child
	addr string // MQTT
}

var mosquittoVersion = regexp.MustCompile(`mosquitto version (2\.\S+)`)

// findMosquitto gives the path and version of an installed mosquitto 2.
func findMosquitto() (path, version string, err error) {
	path, err = exec.LookPath("mosquitto")
	if err != nil {
		path = "/usr/sbin/mosquitto" // Debian's place, which is in root's PATH only
	}
	// mosquitto -h prints its version and exits with status 1 or 3.
	out, err := exec.Command(path, "-h").Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return "", "", fmt.Errorf("no mosquitto to compare with: %w; install it (Debian: apt-get install mosquitto)", err)
	}
	m := mosquittoVersion.FindSubmatch(out)
	if m == nil {
		return "", "", fmt.Errorf("%s is no mosquitto 2: %.60s", path, out)
	}
	return path, string(m[1]), nil
}

// startMosquitto starts it without a configuration file: every setting at its
// default, persistence off, loopback only.
func startMosquitto(ctx context.Context, path string) (broker, error) {
	port, err := freePort()
	if err != nil {
		return broker{}, err
	}
	c, err := process.Spawn(ctx, path, "-p", strconv.Itoa(port))
	if err != nil {
		return broker{}, err
	}
	b := broker{Child: c, addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	if err := waitListening(ctx, b); err != nil {
		b.Kill()
		return broker{}, err
	}
	return b, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func waitListening(ctx context.Context, b broker) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(ctx, stall)
	defer cancel()
	for {
		c, err := net.Dial("tcp", b.addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-tick.C:
		case <-b.Done():
			return fmt.Errorf("the broker on %s ended: %s", b.addr, b.Log())
		case <-ctx.Done():
			return fmt.Errorf("nobody listens on %s: %w", b.addr, err)
		}
	}
}

// buildDrover builds the binary under test from this module.
func buildDrover(ctx context.Context, dir string) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("where is the module? %w", err)
	}
	binary := filepath.Join(dir, "drover")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/drover")
	cmd.Dir = string(root[:len(root)-1])
	cmd.Stderr = os.Stderr
	return binary, cmd.Run()
}

// startDrover starts `drover dev` on a data folder, as durable as serve.
func startDrover(ctx context.Context, binary, data string) (broker, error) {
	c, err := process.StartDrover(ctx, binary, "dev", "--data", data,
		"--mqtt-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0", "--rollout-default", "0", "--rollout-max", "0", "--max-active-snapshot-jobs", "0")
	if err != nil {
		return broker{}, err
	}
	return broker{Child: c, addr: c.Ready.MQTT}, nil
}

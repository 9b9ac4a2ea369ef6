package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Ready is the line that drover prints on stdout once its doors are open
// (design.md section 5). Only the doors that are open have an address.
type Ready struct {
	Ready bool   `json:"ready"`
	MQTT  string `json:"mqtt"`
	MQTTS string `json:"mqtts"`
	HTTP  string `json:"http"`
	HTTPS string `json:"https"`
	Admin string `json:"admin"`
}

// Child is a process this one started.
type Child struct {
	Ready Ready

	cmd  *exec.Cmd
	log  tail
	done chan struct{}
	err  error // valid once done is closed
}

// startTimeout bounds the wait for a ready line: a server that replays a large
// log needs seconds, one that needs longer is broken.
const startTimeout = 60 * time.Second

// Spawn starts a program that has no ready line. The child is killed when ctx
// ends, so that no child outlives the run that started it.
func Spawn(ctx context.Context, program string, args ...string) (*Child, error) {
	return spawn(ctx, nil, program, args...)
}

// SpawnWithOutput is Spawn with the read end of the child's stdout, which the
// caller closes.
func SpawnWithOutput(ctx context.Context, program string, args ...string) (*Child, *os.File, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer in.Close()
	c, err := spawn(ctx, in, program, args...)
	if err != nil {
		out.Close()
		return nil, nil, err
	}
	return c, out, nil
}

// StartDrover starts the drover binary and waits for its ready line.
func StartDrover(ctx context.Context, binary string, args ...string) (*Child, error) {
	c, out, err := SpawnWithOutput(ctx, binary, args...)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	_ = out.SetReadDeadline(time.Now().Add(startTimeout))
	line, err := bufio.NewReader(io.LimitReader(out, 64<<10)).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &c.Ready)
	}
	if err == nil && !c.Ready.Ready {
		err = errors.New("its first line does not say ready")
	}
	if err != nil {
		c.Kill()
		return nil, fmt.Errorf("%s %s: no ready line: %w; its log ends:\n%s", binary, strings.Join(args, " "), err, c.log.String())
	}
	return c, nil
}

func spawn(ctx context.Context, stdout *os.File, program string, args ...string) (*Child, error) {
	c := &Child{cmd: exec.CommandContext(ctx, program, args...), done: make(chan struct{})}
	if stdout != nil {
		c.cmd.Stdout = stdout
	}
	c.cmd.Stderr = &c.log
	// A ^C reaches the whole foreground group; children end when we say so.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.done)
	}()
	return c, nil
}

// PID is the child's process id.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Done is closed when the child has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Log is the end of what the child wrote to stderr.
func (c *Child) Log() string { return c.log.String() }

// Kill ends the child as a power cut ends a process, and waits until it is gone.
func (c *Child) Kill() {
	_ = c.cmd.Process.Kill()
	<-c.done
}

// Signal sends the child a signal and does not wait for what it does.
func (c *Child) Signal(s syscall.Signal) { _ = c.cmd.Process.Signal(s) }

// Stop asks the child to end (SIGTERM) and gives its exit error. One that has
// not ended after the grace period is killed and reported.
func (c *Child) Stop(grace time.Duration) error {
	if err := c.signal(syscall.SIGTERM, grace); err != nil {
		return err
	}
	return c.err
}

// End ends a tool that is stopped by a signal and says so in its exit status
// (strace, perf), which is no error.
func (c *Child) End(s syscall.Signal, grace time.Duration) error { return c.signal(s, grace) }

func (c *Child) signal(s syscall.Signal, grace time.Duration) error {
	_ = c.cmd.Process.Signal(s)
	select {
	case <-c.done:
		return nil
	case <-time.After(grace):
		c.Kill()
		return fmt.Errorf("pid %d did not end within %s of signal %d; its log ends:\n%s", c.PID(), grace, s, c.log.String())
	}
}

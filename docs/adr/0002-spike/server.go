package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// binaries is where Debian keeps PostgreSQL 15.
const binaries = "/usr/lib/postgresql/15/bin"

// postgres starts a server with its data in a temporary folder, on a free port
// of loopback, durable (fsync and synchronous_commit are on), as a user that is
// not root, and returns how to reach it and how to end it.
func postgres(ctx context.Context) (dsn string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "spike-pg")
	if err != nil {
		return "", nil, err
	}
	attr, name, err := unprivileged(dir)
	if err != nil {
		return "", nil, err
	}
	data := filepath.Join(dir, "data")
	run := func(program string, args ...string) *exec.Cmd {
		c := exec.CommandContext(ctx, filepath.Join(binaries, program), args...)
		c.SysProcAttr, c.Dir = attr, dir
		return c
	}
	if out, err := run("initdb", "-D", data, "-A", "trust", "-U", name, "--locale=C", "-E", "UTF8").CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return "", nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return "", nil, err
	}
	server := run("postgres", "-D", data, "-p", strconv.Itoa(port), "-k", dir, "-h", "127.0.0.1",
		"-c", "shared_buffers=512MB", "-c", "max_wal_size=2GB", "-c", "deadlock_timeout=200ms")
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = server.Process.Signal(syscall.SIGINT) // fast shutdown, by the pid that we started
		_ = server.Wait()
		_ = log.Close()
		_ = os.RemoveAll(dir)
	}
	dsn = fmt.Sprintf("host=127.0.0.1 port=%d user=%s dbname=postgres sslmode=disable", port, name)
	for range 200 {
		c, err := connect(ctx, dsn, &turns{})
		if err == nil {
			return dsn, stop, c.Close(ctx)
		}
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	return "", nil, fmt.Errorf("PostgreSQL did not come up")
}

// unprivileged is how to run as the user postgres when we are root, which
// PostgreSQL refuses to run as.
func unprivileged(dir string) (*syscall.SysProcAttr, string, error) {
	if os.Getuid() != 0 {
		u, err := user.Current()
		if err != nil {
			return nil, "", err
		}
		return nil, u.Username, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, "", err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, "", err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, "", err
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, "postgres", os.Chown(dir, uid, gid)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// clockTick is USER_HZ, the unit of the times in /proc/PID/stat; it is 100 on
// every platform Go runs Linux on.
const clockTick = 10 * time.Millisecond

// CPU is the user and system time the process has used so far.
func CPU(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The second field, the command in parentheses, may hold blanks.
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat: %d fields after the command, want 13 or more", pid, len(f))
	}
	var ticks int64
	for _, field := range f[11:13] { // utime, stime
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/%d/stat: %w", pid, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

// RSS is the memory the process has resident now, in bytes.
func RSS(pid int) (int64, error) { return kibibytes(pid, "VmRSS:") }

// PeakRSS is the most it had resident since its start or ResetPeak.
func PeakRSS(pid int) (int64, error) { return kibibytes(pid, "VmHWM:") }

// Tracer is the process that traces this one; 0 = none.
func Tracer(pid int) (int, error) {
	n, err := status(pid, "TracerPid:")
	return int(n), err
}

// ResetPeak makes PeakRSS start again from what is resident now.
func ResetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

func status(pid int, key string) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := bytes.Cut(b, []byte("\n"+key))
	f := bytes.Fields(rest)
	if !ok || len(f) == 0 {
		return 0, fmt.Errorf("/proc/%d/status has no %s", pid, key)
	}
	return strconv.ParseInt(string(f[0]), 10, 64)
}

func kibibytes(pid int, key string) (int64, error) {
	n, err := status(pid, key)
	return n << 10, err
}

// RaiseFileLimit lifts this process's soft limit on open files to its hard
// limit, which children inherit, and says what it is now.
func RaiseFileLimit() (uint64, error) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, err
	}
	l.Cur = l.Max
	return l.Cur, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
}

package sqlite

import (
	"errors"
	"os"
	"syscall"
)

// dataSync returns when the file's data, and what is needed to read it, is on disk.
func dataSync(f *os.File) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = c.Control(func(fd uintptr) {
		for {
			if failed = syscall.Fdatasync(int(fd)); !errors.Is(failed, syscall.EINTR) {
				return
			}
		}
	})
	return errors.Join(err, failed)
}

// giveWay lets a thread run that waits for this one's core. The kernel would let the
// writer go on to the end of its turn, 3 to 4 ms, while the thread that reads from a
// device or answers one waits on the same core (docs/adr/0008).
func giveWay() { _, _, _ = syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0) }

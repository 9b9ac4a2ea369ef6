package server

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// lockFile is locked for as long as a process uses the folder. The kernel lets go
// of it however the process ends; the file itself stays.
const lockFile = "drover.lock"

// folder is a data folder that this process alone uses.
type folder struct {
	path      string
	temporary bool
	lock      *os.File
}

// openFolder makes the folder if it is not there and locks it. An empty path
// makes a temporary one.
func openFolder(path string) (*folder, error) {
	f := &folder{path: path, temporary: path == ""}
	var err error
	if f.temporary {
		if f.path, err = os.MkdirTemp("", "drover-dev-"); err != nil {
			return nil, fmt.Errorf("make a temporary folder: %w", err)
		}
	} else if err = os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	name := filepath.Join(f.path, lockFile)
	if f.lock, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	if err := syscall.Flock(int(f.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, &ConfigError{
				fmt.Sprintf("the data folder %s is in use by another drover%s", f.path, holder(f.lock)),
				"End that process first, or use another folder with --data.",
			}
		}
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return f, f.sign()
}

// sign leaves our process id for whoever finds the folder locked.
func (f *folder) sign() error {
	if err := f.lock.Truncate(0); err != nil {
		return fmt.Errorf("write %s: %w", f.lock.Name(), err)
	}
	_, err := f.lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// holder says which process signed the lock, if it can be read.
func holder(lock *os.File) string {
	text, err := io.ReadAll(io.LimitReader(lock, 32))
	if pid := strings.TrimSpace(string(text)); err == nil && pid != "" {
		return ", process " + pid
	}
	return ""
}

// close lets go of the folder, and takes a temporary one away.
func (f *folder) close() error {
	var err error
	if f.temporary {
		err = os.RemoveAll(f.path)
	}
	return errors.Join(err, f.lock.Close())
}

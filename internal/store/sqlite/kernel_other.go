//go:build !linux

package sqlite

import (
	"os"
	"runtime"
)

// dataSync returns when the file is on disk.
func dataSync(f *os.File) error { return f.Sync() }

// giveWay lets another goroutine run.
func giveWay() { runtime.Gosched() }

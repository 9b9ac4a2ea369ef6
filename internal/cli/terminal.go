package cli

import (
	"io"
	"os"

	"github.com/mattn/go-isatty"
	"golang.org/x/sys/unix"
)

// noTerminal is the width of what is no terminal.
const noTerminal = 80

// terminal says how wide the terminal is that w writes to, and whether it is one.
func terminal(w io.Writer) (width int, is bool) {
	file, ok := w.(*os.File)
	if !ok || !isatty.IsTerminal(file.Fd()) {
		return noTerminal, false
	}
	size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return noTerminal, true
	}
	return int(size.Col), true
}

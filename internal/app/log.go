package app

import (
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
	"github.com/mattn/go-isatty"
)

// logFlags choose what is logged, to stderr.
type logFlags struct {
	LogLevel  string `help:"Least severe to log: ${enum}." enum:"debug,info,warn,error" default:"info" group:"log"`
	LogFormat string `help:"Form of the log: ${enum}; auto is text on a terminal, else json." enum:"auto,text,json" default:"auto" group:"log"`
}

func (f *logFlags) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.LogLevel)); err != nil {
		level = slog.LevelInfo // the enum leaves no other
	}
	terminal := isTerminal(w)
	if f.LogFormat == "json" || f.LogFormat == "auto" && !terminal {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(tint.NewTextHandler(w, &tint.Options{
		Level: level, TimeFormat: time.TimeOnly, NoColor: !terminal || os.Getenv("NO_COLOR") != "",
	}))
}

// isTerminal says whether a person reads w as it is written.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}

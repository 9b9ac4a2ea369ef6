package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Build says which build this is.
type Build struct {
	Version  string `json:"version"`            // of the module; "devel" when it was built from a work tree
	Revision string `json:"revision,omitempty"` // of the source, with "-dirty" after uncommitted changes
	Time     string `json:"time,omitempty"`     // of the revision
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// ThisBuild reads what the Go linker recorded in this binary.
func ThisBuild() Build {
	b := Build{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	dirty := ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "-dirty"
			}
		}
	}
	if b.Revision != "" {
		b.Revision += dirty
	}
	return b
}

func (b Build) String() string {
	s := "drover " + b.Version
	if b.Revision != "" {
		s += " (" + b.Revision + ")"
	}
	return s + " " + b.Go + " " + b.Platform
}

type versionCommand struct{ Output }

// Run prints the version.
func (c *versionCommand) Run(s Streams) error {
	if c.Form == "json" {
		return writeJSON(s.Out, ThisBuild())
	}
	_, err := fmt.Fprintln(s.Out, ThisBuild())
	return err
}

// Command drover runs jobs on fleets of devices; `drover --help` says how.
package main

import (
	"os"

	"github.com/drover-iot/drover/internal/app"
)

func main() {
	os.Exit(app.Main(os.Args[1:], os.Stdout, os.Stderr))
}

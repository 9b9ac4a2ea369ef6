// Package app is the commands that run a server: serve, dev, demo; and the root
// of the command line, which takes the operator's commands from cli beside them.
//
//	app.go       Main: arguments to exit code; the root of the commands
//	config.go    --config: flags from a YAML file, strictly
//	flags.go     the flags that the server commands share
//	run.go       a server from its ready line to its end
//	serve.go     drover serve
//	dev.go       drover dev
//	demo.go      drover demo: the fleet, the job, the watch
//	watched.go   the fleet of the demo, as one looks at it
//	screen.go    how the demo looks, on a terminal and in a log
//	log.go       the logger
package app

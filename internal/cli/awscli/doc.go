// Package awscli is the AWS CLI's (version 1) treatment of the commands of one
// service: what a command line means, what is said about one that cannot be meant,
// what an answer looks like, and with which code it ends. It is held, byte for byte,
// against the CLI that tools/requirements.txt pins (e2e/iotjobsdata_test.go).
//
// The package is pure: files, environment and network are behind Host. Which
// commands and options there are is data, a Service, derived from the structs of
// package wire; nothing here knows Jobs.
//
//	model.go      Service: operations and shapes, derived from structs
//	args.go       a command line split into options, as Python's argparse does
//	options.go    the options of all commands, and those of one operation
//	shorthand.go  k=v,k2=v2
//	params.go     options to parameters: files, shorthand, JSON
//	validate.go   what botocore refuses before it asks the service
//	request.go    parameters to a request, a reply to an answer
//	skeleton.go   --generate-cli-skeleton
//	run.go        Run: one command, from its arguments to its exit code
//	help.go       what `help` teaches
//
// Values are those of package py, an expression of --query is one of package query,
// and package format prints.
package awscli

// Package cli is the operator's and the device's commands, over the public API only:
// they sign, call and print like any AWS client, and never open a data folder.
//
//	cli.go          Commands, the streams they talk on, --output
//	exit.go         Failure: exit codes, and an error that says what to do next
//	profile.go      endpoint, region and keys from flags, AWS_… and profile files
//	sigv4.go        the signature of a request, from the caller's side
//	files.go        what a device is given, as files
//	client.go       one signed call of either plane
//	thing.go        drover thing create
//	version.go      drover version
//	jobsdata.go     drover iot-jobs-data: the commands of package awscli, and their help
//	caller.go       who calls, and where to, as the AWS CLI finds it
//	transport.go    bounded waits, and why there is no answer
//	terminal.go     how wide it is
//
// Data goes to stdout, talk to stderr.
package cli

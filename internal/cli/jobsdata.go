package cli

import (
	"cmp"
	"context"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/drover-iot/drover/internal/cli/awscli"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
)

// jobsData is `drover iot-jobs-data`: what the AWS CLI has under this name. It
// takes its arguments as they are; package awscli knows the AWS CLI's rules.
type jobsData struct {
	Args []string `arg:"" optional:"" sep:"none" help:"A subcommand with its parameters: drover iot-jobs-data help."`
}

// dataCommands are the commands of the device plane, from the shapes of package
// jobsdata. StartCommandExecution is no part of Jobs and has no shapes there.
var dataCommands = sync.OnceValue(func() *awscli.Service {
	return &awscli.Service{
		Name: jobsdata.Service,
		Operations: awscli.Derive(jobsdata.Operations(), map[string]awscli.Shapes{
			"DescribeJobExecution":         {Input: jobsdata.DescribeJobExecutionInput{}, Output: jobsdata.DescribeJobExecutionOutput{}},
			"GetPendingJobExecutions":      {Input: jobsdata.GetPendingJobExecutionsInput{}, Output: jobsdata.GetPendingJobExecutionsOutput{}},
			"StartNextPendingJobExecution": {Input: jobsdata.StartNextPendingJobExecutionInput{}, Output: jobsdata.StartNextPendingJobExecutionOutput{}},
			"UpdateJobExecution":           {Input: jobsdata.UpdateJobExecutionInput{}, Output: jobsdata.UpdateJobExecutionOutput{}},
		}, []string{
			"DescribeJobExecution.jobId", "StartNextPendingJobExecution.stepTimeoutInMinutes", "UpdateJobExecution.stepTimeoutInMinutes",
		}),
		Help: dataHelp,
	}
})

// Hoist moves the name of an AWS command before the AWS options that precede it:
// drover --region r iot-jobs-data … is drover iot-jobs-data --region r …
func Hoist(args []string) []string { return awscli.Hoist(jobsdata.Service, args) }

// Run does what the arguments say. It has told everything itself.
func (c *jobsData) Run(ctx context.Context, s Streams) error {
	host := &awscli.Host{
		Program: "drover", Version: ThisBuild().String(), Out: s.Out, Err: s.Err,
		ReadFile: readParameter,
		Expand:   func(path string) string { return expand(path, s.Env) },
		Terminal: func() (int, bool) { return terminal(s.Out) },
		Dial:     func(g awscli.Globals) awscli.Caller { return &caller{globals: g, env: s.Env} },
		Pause:    pause,
		Random:   rand.Float64,
	}
	if code := awscli.Run(ctx, host, dataCommands(), c.Args); code != ExitOK {
		return &Failure{Exit: code, Message: "the command failed", Told: true}
	}
	return nil
}

// pause waits unless it is interrupted.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// expand replaces a leading ~ and $NAME or ${NAME} of variables that are set.
func expand(path string, env func(string) string) string {
	if home := env("HOME"); home != "" && (path == "~" || len(path) > 1 && path[:2] == "~/") {
		path = home + path[1:]
	}
	return os.Expand(path, func(name string) string { return cmp.Or(env(name), "$"+name) })
}

var dataHelp = awscli.Help{
	Summary: `What a device asks and reports, as the AWS CLI (version 1) does it: the same
parameters, output, error texts and exit codes, in one static binary. A device
comes in with its certificate (--cert, --key, --cacert) or with an access key from
AWS_… variables and profiles. Exit codes: 0 done, 2 wrong arguments, 255 anything else.`,
	Operations: map[string]string{
		"DescribeJobExecution":         "One execution with its job document; $next is the head of the queue.",
		"GetPendingJobExecutions":      "What is queued and in progress for a thing.",
		"StartNextPendingJobExecution": "Take the head of the queue into work; prints nothing if it is empty.",
		"UpdateJobExecution":           "Report progress, or the end, of an execution.",
	},
	Members: map[string]string{
		"thingName":                "Name of the thing.",
		"jobId":                    "Id of the job.",
		"status":                   "IN_PROGRESS, SUCCEEDED, FAILED or REJECTED.",
		"statusDetails":            "Up to ten details; JSON and file://… work too.",
		"stepTimeoutInMinutes":     "Minutes until the next report; -1 drops the timer of an update.",
		"expectedVersion":          "Refuse the update unless the execution has this version.",
		"includeJobExecutionState": "Answer with the status, the details and the version.",
		"includeJobDocument":       "Answer with the job document.",
		"executionNumber":          "Number of the execution; else the newest.",
	},
	Examples: `  # The files are what drover thing create pump-7 --cert-out . has made.
  export AWS_ENDPOINT_URL=https://drover.example:8443
  jobs() { drover iot-jobs-data "$@" --thing-name pump-7 --output text \
    --cert pump-7.cert.pem --key pump-7.private.key --cacert ca.pem; }

  # Take the next job, do it, report. None (text) is no job.
  job=$(jobs start-next-pending-job-execution --query execution.jobId)
  [ "$job" = None ] && exit 0
  jobs describe-job-execution --job-id "$job" --query execution.jobDocument > job.json
  jobs update-job-execution --job-id "$job" --status IN_PROGRESS --status-details step=flash,pct=40
  jobs update-job-execution --job-id "$job" --status SUCCEEDED

  # Against drover dev on this machine nobody needs to be known.
  drover iot-jobs-data get-pending-job-executions --thing-name pump-7 \
    --endpoint-url http://127.0.0.1:8080 --region us-east-1 --no-sign-request`,
}

package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/drover-iot/drover/internal/cli"
	"github.com/drover-iot/drover/internal/server"
	"github.com/drover-iot/drover/internal/sim"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// demo is the first five minutes: a server, a fleet and a job, in one command.
type demo struct {
	Devices int     `help:"Simulated devices, 1 to 2000." default:"60"`
	Fail    float64 `help:"Share of the devices whose update does not succeed, 0 to 1." default:"0.05"`
	Seed    uint64  `help:"The same seed gives every device the same fate." default:"7"`
	Plain   bool    `help:"Plain lines, also on a terminal."`
}

// Help is what `drover demo --help` teaches.
func (demo) Help() string {
	return `It starts drover dev inside this process, on free ports and in a temporary folder;
registers the things and a group through the public API, signed like any AWS client;
connects the devices over real MQTT; creates a job on the group; and shows it live
until it is COMPLETED. Nothing is left behind.

	drover demo
	drover demo --devices 500 --fail 0.2`
}

// Validate is called by kong when the flags are read.
func (c *demo) Validate() error {
	switch {
	case c.Devices < 1 || c.Devices > 2000:
		return fmt.Errorf("--devices %d: expected 1 to 2000", c.Devices)
	case c.Fail < 0 || c.Fail > 1:
		return fmt.Errorf("--fail %v: expected 0 to 1", c.Fail)
	}
	return nil
}

// The pace of the demo: an update takes a device about five seconds.
const (
	demoSteps    = 4
	demoStep     = 1200 * time.Millisecond
	demoDeadline = 55 * time.Second
	demoAsk      = 100 * time.Millisecond // between two questions for the job's state
	demoGroup    = "pumps"
	demoJob      = "firmware-2-1"
	demoRegion   = "us-east-1"
	demoAccount  = "000000000000"
	demoDocument = `{"operation":"firmware-update","version":"2.1","url":"https://firmware.example/pump-2.1.bin"}`
)

// Run shows the demo.
func (c *demo) Run(ctx context.Context, s cli.Streams) error {
	ctx, cancel := context.WithTimeout(ctx, demoDeadline)
	defer cancel()
	quiet := logFlags{LogLevel: "error", LogFormat: "auto"}
	srv, err := server.Start(ctx, server.Config{
		Dev: true, MQTTAddr: "127.0.0.1:0", HTTPAddr: "127.0.0.1:0", AdvertiseHost: "127.0.0.1",
		Region: demoRegion, Account: demoAccount, PendingLimit: 10,
		Log: quiet.logger(s.Err), Build: server.Build(cli.ThisBuild()),
	})
	if err != nil {
		return serverFailure(err)
	}
	show := newScreen(s.Out, c.Plain)
	err = c.play(ctx, srv.Addrs(), show)
	show.end()
	drain, stop := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer stop()
	if err = errors.Join(err, srv.Close(drain)); err != nil {
		return demoFailure(err)
	}
	return nil
}

func demoFailure(err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &cli.Failure{
			Exit: cli.ExitTimeout, Cause: err,
			Message: fmt.Sprintf("The demo did not come to its end within %s: %v.", demoDeadline, err),
			Next:    "Try fewer devices: drover demo --devices 50",
		}
	case errors.Is(err, context.Canceled):
		return &cli.Failure{Exit: cli.ExitFailed, Cause: err, Message: "Interrupted before the job was done."}
	}
	return err
}

// play is the story: things, devices, a job, its end, what it was.
func (c *demo) play(ctx context.Context, addrs server.Addrs, show *screen) error {
	operator := cli.NewClient(url.URL{Scheme: "http", Host: addrs.HTTP}, demoRegion, cli.Keys{ID: "demo", Secret: "demo"})
	defer operator.Close()
	show.title(c.Devices, addrs)

	names := make([]string, c.Devices)
	for i := range names {
		names[i] = fmt.Sprintf("pump-%0*d", len(fmt.Sprint(c.Devices)), i+1)
	}
	began := time.Now()
	target, err := registerFleet(ctx, operator, names)
	if err != nil {
		return err
	}
	show.did(fmt.Sprintf("registered %d things and the group %s over HTTP", c.Devices, demoGroup), time.Since(began))

	fleet := newWatched(sim.Config{Broker: addrs.MQTT, Things: names, Seed: c.Seed, Fail: c.Fail, Steps: demoSteps, StepDelay: demoStep})
	stopFleet := fleet.start(ctx)
	defer stopFleet()
	began = time.Now()
	if err := fleet.online(ctx, c.Devices); err != nil {
		return err
	}
	show.did(fmt.Sprintf("connected %d devices over MQTT", c.Devices), time.Since(began))

	began = time.Now()
	create := cli.Call{
		Operation: "CreateJob", Method: http.MethodPut, Path: "/jobs/" + demoJob,
		In: iot.CreateJobInput{Targets: []string{target}, Document: demoDocument, Description: "Firmware 2.1 for every pump"},
	}
	if err := operator.Do(ctx, create, nil); err != nil {
		return err
	}
	show.did("created the job "+demoJob+" on the group", time.Since(began))
	began = time.Now()
	last, err := watchJob(ctx, operator, fleet, show, began)
	if err != nil {
		return err
	}
	took := time.Since(began)
	stopFleet()
	show.summary(last, took)
	if last.Status != "COMPLETED" {
		return &cli.Failure{
			Exit: cli.ExitJobEnded, Message: "The job ended " + last.Status + ", expected COMPLETED.",
			Next: "This is a fault of Drover: please report it with the output of drover version.",
		}
	}
	return nil
}

// registerFleet registers the things and a group of them, and gives the group's ARN.
func registerFleet(ctx context.Context, operator *cli.Client, names []string) (string, error) {
	var group iot.CreateThingGroupOutput
	call := cli.Call{Operation: "CreateThingGroup", Method: http.MethodPost, Path: "/thing-groups/" + demoGroup, In: struct{}{}}
	if err := operator.Do(ctx, call, &group); err != nil {
		return "", err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for _, name := range names {
		g.Go(func() error {
			create := cli.Call{Operation: "CreateThing", Method: http.MethodPost, Path: "/things/" + name, In: struct{}{}}
			if err := operator.Do(ctx, create, nil); err != nil {
				return err
			}
			return operator.Do(ctx, cli.Call{
				Operation: "AddThingToThingGroup", Method: http.MethodPut, Path: "/thing-groups/addThingToThingGroup",
				In: map[string]string{"thingGroupName": demoGroup, "thingName": name},
			}, nil)
		})
	}
	return group.ThingGroupARN, g.Wait()
}

// moment is what is known of the job and the fleet at one time.
type moment struct {
	Status  string
	Counts  iot.JobProcessDetails
	Fleet   sim.Stats
	Devices []deviceState
	News    []string
	Elapsed time.Duration
}

// ended is how many things are done with the job, one way or another.
func (m moment) ended() int64 {
	c := m.Counts
	return c.NumberOfSucceededThings + c.NumberOfFailedThings + c.NumberOfRejectedThings +
		c.NumberOfCanceledThings + c.NumberOfRemovedThings + c.NumberOfTimedOutThings
}

// watchJob shows the job until it has ended, and gives its last moment.
func watchJob(ctx context.Context, operator *cli.Client, fleet *watched, show *screen, began time.Time) (moment, error) {
	tick := time.NewTicker(demoAsk)
	defer tick.Stop()
	for {
		var out struct {
			Job struct {
				Status string                `json:"status"`
				Counts iot.JobProcessDetails `json:"jobProcessDetails"`
			} `json:"job"`
		}
		call := cli.Call{Operation: "DescribeJob", Method: http.MethodGet, Path: "/jobs/" + demoJob}
		if err := operator.Do(ctx, call, &out); err != nil {
			return moment{}, err
		}
		now := moment{Status: out.Job.Status, Counts: out.Job.Counts, Fleet: fleet.Stats(), Elapsed: time.Since(began)}
		now.Devices, now.News = fleet.picture()
		show.draw(now)
		if slices.Contains([]string{"COMPLETED", "CANCELED"}, now.Status) {
			return now, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return moment{}, context.Cause(ctx)
		}
	}
}
